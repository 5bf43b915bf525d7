"""Storage of the user's own: what its client tells, and what its refusals are."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.clouds import selfhosted
from sebsx.clouds.s3 import S3Storage
from sebsx.errors import PlatformError
from sebsx.testing.fakes import MemoryLedger
from tests.clouds.test_stores import KEYS, made
from tests.endpoints import Endpoint

pytestmark = pytest.mark.slow
NOISY = ("boto3", "botocore", "urllib3")


@pytest.fixture
def storage(tmp_path: Path) -> Iterator[S3Storage]:
    """A bucket whose objects are answered with the status that they are named for."""
    selfhosted._session.cache_clear()
    levels = {name: logging.getLogger(name).level for name in NOISY}
    for name in NOISY:
        logging.getLogger(name).setLevel(logging.NOTSET)
    with Endpoint() as endpoint:
        platform = made(tmp_path, MemoryLedger(), storage_url=endpoint.url(""), **KEYS)
        yield S3Storage(platform.account.store("s3"), "status", selfhosted.STORE_ERRORS.explained)
        platform.account.close()
    for name, level in levels.items():
        logging.getLogger(name).setLevel(level)


def test_client_tells_no_keys_signatures_and_payloads(storage: S3Storage, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    storage.put("200", b"private")
    assert [record.name for record in caplog.records if record.name.startswith(NOISY)] == []


def test_upload_that_is_refused_is_an_error_of_ours(storage: S3Storage, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(b"x")
    with pytest.raises(PlatformError, match="write of object '403': "):
        storage.put_file("403", file)
