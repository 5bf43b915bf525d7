"""Amounts as Kubernetes writes them."""

from __future__ import annotations

from typing import Any

import pytest

from sebsx.clouds.quantities import quantity


@pytest.mark.parametrize(
    ("text", "amount", "binary"),
    [
        ("128", 128.0, 128.0),
        ("0.5", 0.5, 0.5),
        ("500m", 0.5, 0.5),
        ("1k", 1e3, 1024.0),
        ("256M", 256e6, 256.0 * 2**20),
        ("256Mi", 256.0 * 2**20, 256.0 * 2**20),
        ("1.5Gi", 1.5 * 2**30, 1.5 * 2**30),
        ("2T", 2e12, 2.0**41),
        ("", None, None),
        ("1.2.3", None, None),
        ("-1", None, None),
        ("128mi", None, None),
        ("128 Mi", None, None),
        (128, None, None),
        (None, None, None),
    ],
)
def test_amount_is_read_or_none(text: Any, amount: float | None, binary: float | None) -> None:
    assert quantity(text) == amount
    assert quantity(text, binary=True) == binary
