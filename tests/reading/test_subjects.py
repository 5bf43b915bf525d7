"""Conditions whose named work is little are told one by one while they are few, and in one sentence where many."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from sebsx.model.meaning import SUBJECT
from sebsx.reading.conditions import conditions
from sebsx.reading.subjects import about_subjects, little
from sebsx.store import Store, open_store
from sebsx.testing.runs import RunWriter


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with open_store(tmp_path / "s.sqlite") as opened:
        yield opened


def told(store: Store, *shares: float | None) -> tuple[list[str], float | None]:
    run = RunWriter(store)
    for number, share in enumerate(shares):
        samples = {} if share is None else {SUBJECT: share * 0.09}  # the function took 90 % of 0.1 s
        run.add([0.1] * 3, memory_mib=128 * (number + 1), changes={"samples": samples})
    found = conditions([run.finish()], more=[SUBJECT])
    names = [f"c{number}" for number in range(len(found))]
    return [finding.text for finding in about_subjects(names, found)], little(found)


def test_few_are_told_each(store: Store) -> None:
    sentences, least = told(store, 0.0035, 0.85, None, 0.37)
    rest = "of the handler's time; the rest is work around it: read and compare function.subject_s"
    assert sentences == [f"c0: the named work is 0.35 % {rest}", f"c3: the named work is 37 % {rest}"]
    assert least == pytest.approx(0.0035)


def test_many_are_one_sentence(store: Store) -> None:
    (sentence,), least = told(store, 0.5, 0.2, 0.3, 0.9)
    assert sentence.startswith(
        "in 3 of 4 conditions the named work is less than 80 % of the handler's time, in c1 20 %"
    )
    assert least == pytest.approx(0.2)


def test_nothing_is_said_where_it_is_most_or_is_not_named(store: Store) -> None:
    assert told(store, 0.81, None, 1.0) == ([], None)
