"""What goes wrong at an OpenWhisk server ends with words that say what to do, and with nothing left behind."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sebsx.clouds import rest
from sebsx.errors import CredentialsError, DeployError, PlatformError, QuotaError, UnsupportedError, UserError
from sebsx.model import Adoption, FunctionConfig, Package, StartType, Status
from sebsx.testing.fakes import MemoryLedger
from sebsx.testing.invoking import invoke, invoke_together
from sebsx_openwhisk.backend import OpenWhiskPlatform
from tests.emulated_openwhisk import EmulatedOpenWhisk
from tests.packages import zip_package
from tests.platforms.openwhisk.conftest import made
from tests.stores import self_signed

pytestmark = pytest.mark.slow
ACTIONS, ACTIVATIONS = "/namespaces/_/actions/", "/namespaces/_/activations/"
CODE = """
import os, time
def handler(event, context):
    if event.get("do") == "die":
        os._exit(3)
    if event.get("do") == "large":
        return "x" * 2_000_000
    time.sleep(event.get("s", 0))
    return event
"""


@pytest.fixture
def package(tmp_path: Path) -> Package:
    return zip_package(tmp_path / "p.zip", "x86_64", CODE)


@pytest.fixture
def platform(whisk: EmulatedOpenWhisk, tmp_path: Path) -> Iterator[OpenWhiskPlatform]:
    """The platform, opened, with a ledger that remembers."""
    with made(tmp_path, whisk, poll_s=0.02) as platform:
        yield platform


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is busy is asked again soon, and not often."""
    monkeypatch.setattr(rest, "_FIRST_PAUSE_S", 0.01)
    monkeypatch.setattr(rest, "_ATTEMPTS", 3)


def config(**changes: Any) -> FunctionConfig:
    values = {"name": "sebsx-f", "memory_mib": 128, "timeout_s": 5.0, "architecture": "x86_64"}
    return FunctionConfig(**values | changes)


def left(platform: OpenWhiskPlatform) -> dict[Any, Any]:
    assert isinstance(platform.ledger, MemoryLedger)
    return platform.ledger.open


def test_server_that_is_busy_is_asked_again(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    whisk.fail("PUT", ACTIONS, 429, "Too many requests in the last minute (count: 121, allowed: 120).", times=2)
    platform.teardown(platform.deploy(package, config()))
    assert left(platform) == {}


@pytest.mark.parametrize(
    ("status", "message", "times", "kind", "advice"),
    [
        (429, "Too many requests in the last minute", 9, QuotaError, "run fewer functions at once"),
        (401, "The supplied authentication is invalid", 1, CredentialsError, "--set auth=USER:PASSWORD"),
        (413, "exec larger than allowed: 9 > 1 bytes.", 1, UnsupportedError, "package=image"),
        (500, "There was an internal server error.", 1, DeployError, "internal server error"),
    ],
)
def test_refusal_says_what_to_do_and_stays_in_the_ledger(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk,
    status: int, message: str, times: int, kind: type[PlatformError], advice: str,
) -> None:  # fmt: skip
    whisk.fail("PUT", ACTIONS, status, message, times=times)
    with pytest.raises(kind, match=advice) as caught:
        platform.deploy(package, config())
    assert "create of action 'sebsx-f-" in str(caught.value)
    assert list(left(platform).values()) == ["planned"]


def test_upload_that_is_cut_is_sent_again_and_told_where_that_is_in_vain(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    whisk.fail("PUT", ACTIONS, 0, times=1)
    platform.teardown(platform.deploy(package, config()))
    whisk.fail("PUT", ACTIONS, 0, times=9)
    with pytest.raises(PlatformError, match=r"does not answer \(ConnectionError\); is the address right"):
        platform.deploy(package, config())
    assert whisk.actions == {}


def test_answer_that_breaks_off_is_asked_for_again(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    whisk.fail("GET", ACTIONS, 200, partial=True)
    assert platform.deploy(package, config()).effective["memory_mib"] == 128


def test_beyond_a_limit_of_the_namespace_is_unsupported(
    whisk: EmulatedOpenWhisk, package: Package, tmp_path: Path
) -> None:
    with made(tmp_path, whisk, memory_max_mib=2048) as platform:
        with pytest.raises(UnsupportedError, match="is 1024 MiB, and the namespace allows 128 to 512"):
            platform.deploy(package, config(memory_mib=1024))
        with pytest.raises(UnsupportedError, match="is 400000 ms, and the namespace allows 100 to 300000"):
            platform.deploy(package, config(timeout_s=400.0))
        with pytest.raises(UnsupportedError, match="one activation of a container after the other"):
            platform.deploy(package, config(options={"sandbox_concurrency": 2}))
        assert left(platform) == {}


def test_code_that_is_too_large_is_unsupported_as_a_zip_and_without_a_registry(
    whisk: EmulatedOpenWhisk, tmp_path: Path
) -> None:
    noise = b"#" + random.Random(1).randbytes(2**20).hex().encode()
    large = zip_package(tmp_path / "large.zip", "x86_64", CODE, noise__py=noise)
    with made(tmp_path, whisk, code_max_mib=1) as platform:
        with pytest.raises(UnsupportedError, match="MiB; use --option package=image"):
            platform.deploy(large, config(options={"package": "zip"}))
        with pytest.raises(UnsupportedError, match="no registry is known; name one that the server pulls from"):
            platform.deploy(large, config())
        assert left(platform) == {}


def test_ends_of_an_activation_are_told_apart(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    deployment = platform.deploy(package, config(timeout_s=1.0))
    late = invoke(platform, deployment, {"s": 3})
    assert (late.status, late.reply.http_status) == (Status.TIMEOUT, 502)
    assert "exceeded its time limits of 1000 milliseconds" in (platform.error_of(late.reply) or "")
    died = invoke(platform, deployment, {"do": "die"})
    assert died.status is Status.FUNCTION_ERROR
    assert "exited unexpectedly" in (platform.error_of(died.reply) or "")
    assert invoke(platform, deployment, {"do": "large"}).status is Status.FUNCTION_ERROR
    fine = invoke(platform, deployment, {"a": 1})
    assert (fine.status, fine.output) == (Status.OK, {"a": 1})
    record = platform.record_of(deployment, fine.reply)
    assert record is not None
    assert record.start_type is StartType.WARM
    assert "wait_s" in record.evidence
    whisk.fail("POST", ACTIONS, 429, "Too many concurrent requests in flight (count: 101, allowed: 100).")
    refused = invoke(platform, deployment, {})
    assert (refused.status, platform.record_of(deployment, refused.reply)) == (Status.THROTTLED, None)
    assert "Too many concurrent requests" in (platform.error_of(refused.reply) or "")
    with pytest.raises(UnsupportedError, match="no object storage; give one with --set storage_url"):
        platform.storage()


def test_throttled_calls_of_a_burst_are_results(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    deployment = platform.deploy(package, config())
    whisk.invoker.concurrent = 2
    answers = invoke_together(platform, deployment, {"s": 0.5}, 4)
    assert sorted(answer.status for answer in answers) == [Status.OK] * 2 + [Status.THROTTLED] * 2
    assert all(answer.reply.attempts == 1 for answer in answers)


def test_blocking_call_that_outlasts_the_server_is_asked_for(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    whisk.blocking_s, whisk.invoker.record_delay_s = 0.1, 0.2
    deployment = platform.deploy(package, config())
    answer = invoke(platform, deployment, {"s": 0.3, "a": 1})
    assert (answer.status, answer.output["a"]) == (Status.OK, 1)
    assert answer.reply.polls >= 2  # a record that is late is 404
    assert answer.reply.accepted_s is not None
    record = platform.record_of(deployment, answer.reply)
    assert record is not None
    assert record.start_type is StartType.COLD
    assert record.init_s is not None
    assert (record.duration_s or 0) >= 0.3


def test_record_of_an_answer_that_was_lost_is_read_later(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    deployment = platform.deploy(package, config())
    whisk.invoker.record_delay_s = 60
    (activation_id,) = [platform.request_id_of(invoke(platform, deployment, {}).reply)]
    assert platform.records(deployment, [activation_id, "not-accepted-1"]) == {}
    whisk.invoker.activations[activation_id].visible_s = 0
    assert platform.records(deployment, [activation_id])[activation_id].start_type is StartType.COLD


def test_key_that_is_taken_no_more_ends_the_run_before_the_next_batch(
    platform: OpenWhiskPlatform, package: Package, whisk: EmulatedOpenWhisk
) -> None:
    deployment = platform.deploy(package, config())
    whisk.fail("POST", ACTIONS, 401)
    assert invoke(platform, deployment, {}).status is Status.PLATFORM_ERROR
    with pytest.raises(CredentialsError, match=r"refused: HTTP 401; set the key"):
        invoke(platform, deployment, {})


def test_doctor_says_what_is_missing(whisk: EmulatedOpenWhisk, tmp_path: Path) -> None:
    def said(**settings: Any) -> str:
        (problem,) = made(tmp_path, whisk, **settings).check()
        return f"{problem.message}; {problem.advice}"

    assert "--set api_host=https://HOST" in said(api_host="")
    assert "--set auth=USER:PASSWORD" in said(auth="")
    assert "HTTP 401" in said(auth="some:body")
    assert "does not answer" in said(api_host="http://127.0.0.1:9")
    assert "storage_url" in said(storage_url="http://127.0.0.1:9", access_key="a", secret_key="b")
    whisk.limits["allowedKinds"] = ["nodejs:20", "python:3.10"]
    try:
        assert "does not allow the runtime 'python:3.11'; name one of nodejs:20, python:3.10" in said()
    finally:
        del whisk.limits["allowedKinds"]


@pytest.mark.parametrize("answer", [[1, None], {}, "hello", None])
def test_whoever_is_no_openwhisk_is_told(
    whisk: EmulatedOpenWhisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, answer: Any
) -> None:
    monkeypatch.setattr(whisk, "answer", lambda *_: (200, answer, {}))
    (problem,) = made(tmp_path, whisk).check()
    assert problem.advice == "is it the API host?"
    whisk.violations.clear()


def test_properties_of_the_wsk_client_are_read(
    whisk: EmulatedOpenWhisk, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "props").write_text(f"APIHOST={whisk.url}\nAUTH={whisk.key}\n")
    monkeypatch.setenv("WSK_CONFIG_FILE", str(tmp_path / "props"))
    assert made(tmp_path, whisk, api_host="", auth="").check() == []


def test_self_signed_certificate_is_trusted_only_when_asked(package: Package, tmp_path: Path) -> None:
    self_signed(tmp_path)
    (tmp_path / "both").write_bytes((tmp_path / "key").read_bytes() + (tmp_path / "certificate").read_bytes())
    with EmulatedOpenWhisk(tmp_path / "server", certificate=tmp_path / "both") as server:
        (problem,) = made(tmp_path, server).check()
        assert "is not trusted" in problem.message
        with made(tmp_path, server, certificate=str(tmp_path / "certificate")) as platform:
            deployment = platform.deploy(package, config())
            assert invoke(platform, deployment, {"a": 1}).output == {"a": 1}
            platform.teardown(deployment)


def test_action_that_exists_is_measured_as_it_is(platform: OpenWhiskPlatform, whisk: EmulatedOpenWhisk) -> None:
    code = "def main(args):\n    return {'error': 'no name'} if 'name' not in args else {'greeting': args['name']}\n"
    whisk.answer("PUT", f"{ACTIONS}hello", {}, {"exec": {"kind": "python:3.10", "code": code}})
    address = "/guest/hello"
    adoption = Adoption("openwhisk", address, subject=platform.subject_of(address), config=config(memory_mib=0))
    deployment = platform.adopt(adoption)
    assert (deployment.effective["language"], deployment.effective["language_version"]) == ("python", "3.10")
    assert deployment.config.memory_mib == 256
    assert invoke(platform, deployment, {"name": "you"}).reply.body == b'{"greeting": "you"}'
    assert invoke(platform, deployment, {}).status is Status.FUNCTION_ERROR
    platform.release(deployment)
    assert whisk.actions.keys() == {"hello"}
    with pytest.raises(UserError, match="does not exist"):
        platform.adopt(dataclasses.replace(adoption, address="gone", subject="gone"))
