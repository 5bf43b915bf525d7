"""The platform `url` makes nothing, keeps keys out of names, and refuses what it cannot do."""

from __future__ import annotations

from pathlib import Path

import pytest

from sebsx.contracts.exchanges import LocationExchange
from sebsx.errors import UnsupportedError, UserError
from sebsx.model import Adoption, FunctionConfig, Reply, Status
from sebsx.testing.contexts import context_for
from sebsx.testing.contracts import metadata
from sebsx_url.backend import UrlPlatform, UrlSettings

CONFIG = FunctionConfig("f", memory_mib=0, timeout_s=5.0, architecture="")


@pytest.fixture
def platform(tmp_path: Path) -> UrlPlatform:
    return UrlPlatform(UrlSettings(), context_for(UrlPlatform, tmp_path))


def reply(status: int | None, body: bytes = b"", error: str | None = None, **headers: str) -> Reply:
    return Reply(
        "r",
        intended_s=0.0,
        sent_s=0.0,
        connected_s=None,
        first_byte_s=None,
        done_s=1.0,
        http_status=status,
        headers=headers,
        body=body,
        bytes_out=0,
        error=error,
    )


def test_metadata_is_complete() -> None:
    metadata.check_words(UrlPlatform)


@pytest.mark.parametrize(
    ("url", "subject"),
    [
        ("https://host.example/a/b?code=KEY#x", "host.example/a/b"),
        ("http://user:KEY@host:8080/a", "host:8080/a"),
        ("HTTPS://[::1]:9/", "[::1]:9/"),
    ],
)
def test_name_of_an_endpoint_holds_no_key(platform: UrlPlatform, url: str, subject: str) -> None:
    deployment = platform.adopt(Adoption("url", url, subject=subject, config=CONFIG, method="PUT", headers={"A": "b"}))
    assert (platform.subject_of(url), deployment.id) == (subject, subject)
    assert (deployment.method, deployment.headers, deployment.adopted) == ("PUT", {"A": "b"}, True)
    assert deployment.endpoint is not None
    assert "user" not in deployment.endpoint
    assert ("code=KEY" in deployment.endpoint) is ("?" in url)


@pytest.mark.parametrize("address", ["arn:aws:x", "host/a", "https://", "ftp://h/"])
def test_what_is_no_url_is_refused(platform: UrlPlatform, address: str) -> None:
    with pytest.raises(UserError, match="is not a URL"):
        platform.subject_of(address)


def test_nothing_can_be_deployed_copied_or_changed(platform: UrlPlatform) -> None:
    with pytest.raises(UnsupportedError, match="sebsx run function"):
        platform.target("python", "x86_64")
    for change in ({"copy": True}, {"in_place": True}):
        with pytest.raises(UnsupportedError, match="neither copied nor changed"):
            platform.adopt(Adoption("url", "http://h/", subject="h/", config=CONFIG, **change))


def test_statuses_follow_http_and_errors_say_what_was_answered(platform: UrlPlatform) -> None:
    seen = {code: platform.status_of(reply(code)) for code in (204, 302, 404, 429, 504)}
    assert seen == {
        204: Status.OK, 302: Status.PLATFORM_ERROR, 404: Status.PLATFORM_ERROR, 429: Status.THROTTLED,
        504: Status.TIMEOUT,
    }  # fmt: skip
    assert platform.error_of(reply(500, b"  it\n broke  " + b"x" * 900)) == "it broke " + "x" * 111
    assert "'/next'" in (platform.error_of(reply(301, location="/next?key=1")) or "")
    assert platform.error_of(reply(500)) is None


def test_endpoint_that_answers_later_is_asked_at_its_location(tmp_path: Path) -> None:
    place = "http://127.0.0.1:9/work?code=secret"
    settings = UrlSettings(answers_later=True)
    opened = UrlPlatform(settings, context_for(UrlPlatform, tmp_path))
    asked = Adoption("url", place, subject="127.0.0.1:9/work", config=CONFIG, headers={"Authorization": "mine"})
    deployment = opened.adopt(asked)
    exchange = opened.exchange(deployment)
    assert exchange == LocationExchange(url=place, method=deployment.method, headers={"Authorization": "mine"})
    assert UrlPlatform(UrlSettings(), context_for(UrlPlatform, tmp_path)).exchange(deployment) is None
