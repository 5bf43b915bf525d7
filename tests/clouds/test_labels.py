"""Labels hold tags whole, in the few letters that the strictest provider takes."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sebsx.clouds import labels, tags
from tests.clouds.test_tags import NOON, RUN

VALUE = re.compile(r"[a-z0-9_-]{0,63}")


@pytest.mark.slow
@settings(max_examples=30)
@given(st.dictionaries(st.sampled_from(["sebsx-run", "sebsx-owner", "sebsx-expires"]), st.text(max_size=256)))
def test_tags_come_back_whatever_letters_they_have(made: dict[str, str]) -> None:
    written = labels.encode(made)
    assert labels.decode(written) == made
    assert all(VALUE.fullmatch(value) and VALUE.fullmatch(key) for key, value in written.items())


def test_those_of_a_run_are_few_enough_for_the_longest_name() -> None:
    """Google takes 64 labels; the letters of this name are the longest to write."""
    made = {**tags.make(RUN, "gcp", NOON), tags.OWNER_TAG: "\U00020000" * 256}
    assert len(labels.encode(made)) <= 64
    assert labels.encode({"sebsx-owner": "Jörg_B@lab"}) == {"sebsx-owner": "_j__f6_rg__5f__b__40_lab"}


def test_labels_of_others_stay_as_they_are() -> None:
    others = {"team_2": "a__ffffffff_", "goog-managed": "x_y", "sebsx-run_x": "a_b"}
    assert labels.decode(others) == others
    assert labels.decode({"sebsx-owner": "a__ffffffff_"}) == {"sebsx-owner": "a__ffffffff_"}
