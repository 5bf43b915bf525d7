"""Conditions that were starved are told one by one while they are few, and in one sentence where they are many."""

from __future__ import annotations

import pytest

from sebsx.reading.starved import about_starved


def told(*shares: float) -> list[str]:
    names = [f"c{number}" for number in range(len(shares))]
    return [finding.text for finding in about_starved(names, shares, "not used")]


@pytest.mark.parametrize(("shares", "count"), [((0.1, 0.2), 0), ((0.1, 0.5), 1), ((0.9, 0.5), 2), ((0.9, 0.5, 0.4), 1)])
def test_many_are_one_sentence(shares: tuple[float, ...], count: int) -> None:
    assert len(told(*shares)) == count


def test_sentence_names_how_many_the_first_and_the_worst() -> None:
    (text,) = told(0.1, 0.3, 0.4, 0.9, 0.5)
    assert text == (
        "4 of 5 conditions were starved (c1, c2 and 2 more): in the worst, 90 % of the calls had less than 0.8 of the "
        "processor time they were due; not used: measure on a machine with less to do"
    )
