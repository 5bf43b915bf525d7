"""An answer that is none of AWS's is told in one line, whatever was asked: never believed, never a traceback."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing

import pytest

from sebsx.clouds.registries import IMAGE
from sebsx.errors import PlatformError
from sebsx_aws.clients import Clients
from sebsx_aws.functions import Functions
from sebsx_aws.resources import BUCKET, FUNCTION, KINDS, LOG_GROUP, REPOSITORY, TABLE, tagged
from sebsx_aws.settings import AwsSettings
from tests.platforms.test_hostile_servers import Hostile

pytestmark = pytest.mark.slow

_PAGE = b"<!DOCTYPE html><html><br>Welcome</html>"
ANSWERS = {
    "page": ("200 OK", _PAGE),
    "null": ("200 OK", b"null"),
    "list": ("200 OK", b"[1, null]"),
    "object": ("200 OK", b"{}"),
    "document": ("200 OK", b"<?xml version='1.0'?><a><b/></a>"),
    "cut": ("200 OK", b'{"QueueUrl": "htt'),
    "deep": ("200 OK", b"[" * 100_000),
    "page of 404": ("404 Not Found", _PAGE),
    "nothing of 404": ("404 Not Found", b""),
    "elsewhere": ("302 Found\r\nLocation: http://127.0.0.1:9/x?secret", b""),
    "page elsewhere": ("301 Moved\r\nLocation: http://127.0.0.1:9/x?secret", _PAGE),
}
ASKED = [
    *(("make", kind) for kind, how in KINDS.items() if how.make),
    *(("delete", kind) for kind in KINDS if kind != IMAGE),
]
# An object without members says that these are deleted, and S3 makes and deletes with answers that say nothing.
BELIEVED = {("object", "delete", kind) for kind in (FUNCTION, LOG_GROUP, TABLE, REPOSITORY)} | {
    ("document", verb, BUCKET) for verb in ("make", "delete")
}


@pytest.fixture(scope="module")
def server() -> Iterator[Hostile]:
    """A server that answers all alike."""
    with Hostile(lambda: iter(())) as opened:
        yield opened


@pytest.fixture(scope="module")
def account(server: Hostile) -> Iterator[Clients]:
    """An account whose endpoints are all that server."""
    with pytest.MonkeyPatch.context() as patch, closing(Clients(AwsSettings(endpoint_url=server.url))) as account:
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            patch.setenv(name, "none")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        for name in ("AWS_CONFIG_FILE", "AWS_SHARED_CREDENTIALS_FILE"):
            patch.setenv(name, "/dev/null")
        yield account


def answers(server: Hostile, status: str, body: bytes) -> None:
    """Let a server answer so from now on, each request on a connection of its own."""
    head = f"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n".encode()
    server.answer = lambda: iter((head + body,))


@pytest.mark.parametrize(
    ("answer", "verb", "kind"),
    [(answer, *asked) for answer in ANSWERS for asked in ASKED if (answer, *asked) not in BELIEVED],
)
def test_answer_that_is_none_of_awss_is_told(
    server: Hostile, account: Clients, answer: str, verb: str, kind: str
) -> None:
    answers(server, *ANSWERS[answer])
    with pytest.raises(PlatformError) as told, account.explained(f"{verb} of it"):
        if verb == "delete":
            KINDS[kind].remove(account, "delete of it", "sebsx-x")
        elif make := KINDS[kind].make:
            make(account, "sebsx-x", {})
    said = str(told.value)
    assert "the answer cannot be read" in said or "the answer has no '" in said
    assert said.endswith("; are region and endpoint_url right?")
    assert "secret" not in said


@pytest.mark.parametrize(
    "body", [b"{}", b'{"MemorySize": 128, "Timeout": [1]}', b'{"MemorySize": 128, "Timeout": "x"}']
)
def test_function_without_what_every_function_has_is_told(server: Hostile, account: Clients, body: bytes) -> None:
    answers(server, "200 OK", body)
    with pytest.raises(PlatformError, match=r"read of function 'f': the answer (has no 'MemorySize'|cannot be read)"):
        Functions(account, AwsSettings()).effective("f")


def test_search_that_does_not_end_is_told(server: Hostile, account: Clients) -> None:
    turn = iter(range(100))

    def page() -> Iterator[bytes]:
        body = b'{"ResourceTagMappingList": [], "PaginationToken": "%d"}' % (next(turn) % 2)
        yield b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: %d\r\n\r\n" % len(body) + body

    server.answer = page
    with pytest.raises(PlatformError, match="search for resources does not end: page 3 names a page that was read"):
        list(tagged(account, "aws"))
