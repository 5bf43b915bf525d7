from __future__ import annotations

import pytest

from sebsx.contracts.analyzers import Estimate
from sebsx.reading.units import duration, many, parse_bytes, show


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0.0123456, "s", "12.3 ms"),
        (1.5, "s", "1.50 s"),
        (0.0000042, "s", "4.20 us"),
        (0.0, "s", "0 s"),
        (0.0, "bytes", "0 B"),
        (-0.002, "s", "-2.00 ms"),
        (52428800, "bytes", "50.0 MiB"),
        (0.0000166667, "USD", "$1.667e-05"),
        (0.25, "1", "25 %"),
        (30, "count", "30"),
        (None, "s", "-"),
        ("aws", "", "aws"),
        (Estimate(0.0123, low=0.012, high=0.0129, n=50), "s", "12.3 ms [12.0, 12.9]"),
        (Estimate(0.0895, low=-0.032, high=0.2094), "1", "8.95 % [-3.2, 20.9]"),
        (Estimate(0.0000166667, low=0.000016, high=0.00002), "USD", "$1.667e-05 [1.6e-05, 2e-05]"),
        (12.34, "1", "1234 %"),
        (0.09999999, "s", "100 ms"),
        (9.999, "s", "10.0 s"),
        (Estimate(0.0123, note="few"), "s", "12.3 ms (few)"),
        (Estimate(None, note="n too small"), "s", "n too small"),
    ],
)
def test_numbers_are_shown_in_their_unit(value: object, unit: str, text: str) -> None:
    assert show(value, unit) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(42, "42 s"), (200, "3 min 20 s"), (7500, "2 h 5 min"), (59.7, "1 min 0 s"), (3599.7, "1 h 0 min")],
)
def test_durations_of_plans(seconds: float, text: str) -> None:
    assert duration(seconds) == text


@pytest.mark.parametrize(
    ("text", "size"),
    [("1", 1), ("64KiB", 65536), ("1 MiB", 2**20), ("300 kB", 300_000), ("0.5KiB", 512), ("2GB", 2 * 10**9)],
)
def test_sizes_are_read_with_their_unit(text: str, size: int) -> None:
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "KiB", "1.5", "-1", "1furlong", "inf", "nan"])
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not a size"):
        parse_bytes(text)


def test_rates_are_shown_in_their_unit() -> None:
    assert show(1.5 * 2**20, "bytes/s") == "1.50 MiB/s"


def test_counts_agree_with_their_noun() -> None:
    assert [many(n, "deployment") for n in (0, 1, 2)] == ["0 deployments", "1 deployment", "2 deployments"]
