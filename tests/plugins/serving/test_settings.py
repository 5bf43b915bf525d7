"""Loads that would never end, or hold nothing, are refused before anything runs."""

from __future__ import annotations

from typing import Any

import pytest

from sebsx_serving.settings import PRESETS, ServingSettings


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"rate": 1e-9}, "makes 0.0 requests"),
        ({"rate": 10_000.0, "duration_s": 1800.0}, "makes 9,000,000.0 requests"),
        ({"duration_s": 1e9}, "is longer than the 1800 s of `max_time_s`"),
        ({"duration_s": 20.0, "max_time_s": 10.0}, "is longer than the 10 s of `max_time_s`"),
        ({"period_s": 1e-6}, "each period is a call"),
    ],
)
def test_load_that_cannot_be_made_is_refused(given: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        ServingSettings(**given)


@pytest.mark.parametrize("preset", PRESETS)
def test_presets_can_be_made(preset: str) -> None:
    assert ServingSettings(preset=preset).chosen == PRESETS[preset]


def test_rate_of_a_ramp_that_is_not_made_is_of_no_account() -> None:
    assert ServingSettings(loads=("users",), rate=1e-9).load("users").expected > 0
