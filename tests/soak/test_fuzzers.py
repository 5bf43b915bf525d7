"""Whatever comes from outside is read, or refused in our own words; `make soak` tries for ten minutes each."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from hypothesis import strategies as st

from tests.soak.fuzzers import answers, envelopes, gateway, manifests, prices, reports, settings
from tests.soak.fuzzing import CORPUS, Check, Fuzzer, bounded, corpus, fuzz

FUZZERS = [module.FUZZER for module in (answers, envelopes, reports, manifests, prices, gateway, settings)]
SECONDS = float(os.environ.get("SOAK_SECONDS", "600"))
each = pytest.mark.parametrize("fuzzer", FUZZERS, ids=[fuzzer.name for fuzzer in FUZZERS])


@each
def test_what_was_found_once_holds(fuzzer: Fuzzer, tmp_path: Path) -> None:
    broken = []
    with fuzzer.opened(tmp_path) as check:
        for found in corpus(fuzzer.name):
            try:
                bounded(check)(found.value)
            except Exception as exc:  # noqa: BLE001  # every finding is told, not the first alone
                broken.append(f"{found.where}: {type(exc).__name__}: {exc}")
    assert not broken, "\n".join(broken)


@pytest.mark.slow
@each
def test_nothing_is_found_in_seconds(fuzzer: Fuzzer, tmp_path: Path) -> None:
    assert fuzz(fuzzer, tmp_path, 2.0) > 0


@pytest.mark.soak
@pytest.mark.timeout(int(SECONDS) + 900)
@each
def test_nothing_is_found(fuzzer: Fuzzer, tmp_path: Path) -> None:
    tried = fuzz(fuzzer, tmp_path, SECONDS)
    print(f"{fuzzer.name}: {tried} inputs in {SECONDS:g} s")
    assert tried > 0


def test_every_corpus_has_its_fuzzer() -> None:
    assert {path.stem for path in CORPUS.iterdir()} == {fuzzer.name for fuzzer in FUZZERS}


def test_broken_promise_is_found_and_made_small(tmp_path: Path) -> None:
    seen: list[int] = []

    def check(value: int) -> None:
        seen.append(value)
        assert value < 1000

    @contextmanager
    def opened(_folder: Path) -> Iterator[Check]:
        yield check

    planted = Fuzzer(name="planted", promise="is small", inputs=st.integers(0, 10**6), opened=opened)
    with pytest.raises(AssertionError):
        fuzz(planted, tmp_path, 20.0)
    assert seen[-1] == 1000  # the smallest that breaks it
