from __future__ import annotations

import resource
from collections.abc import Iterator

import pytest

from sebsx.model import descriptors

Limits = tuple[int, int]


@pytest.fixture
def limits() -> Iterator[Limits]:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    yield before
    resource.setrlimit(resource.RLIMIT_NOFILE, before)


def test_limit_is_raised_to_what_is_allowed(limits: Limits) -> None:
    resource.setrlimit(resource.RLIMIT_NOFILE, (256, limits[1]))
    allowed = descriptors.most()
    assert descriptors.raise_limit() == allowed > 256
    assert resource.getrlimit(resource.RLIMIT_NOFILE)[1] == limits[1]


def test_limit_that_is_higher_already_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda _which: (100_000, 100_000))
    monkeypatch.setattr(resource, "setrlimit", lambda *_args: pytest.fail("lowered"))
    assert descriptors.raise_limit() == 100_000


def test_what_may_not_be_raised_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object) -> None:
        raise ValueError("not allowed to raise maximum limit")

    monkeypatch.setattr(resource, "getrlimit", lambda _which: (256, 4096))
    monkeypatch.setattr(resource, "setrlimit", refuse)
    assert (descriptors.most(), descriptors.raise_limit()) == (4096, 256)
