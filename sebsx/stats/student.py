"""Student's distribution, of `scipy.special`: importing `scipy.stats` for it takes longer than a whole report."""

from __future__ import annotations


def quantile_of_t(share: float, freedom: float) -> float:
    """Return the value below which a share of Student's distribution lies."""
    from scipy.special import stdtrit

    return float(stdtrit(freedom, share))


def tail_of_t(value: float, freedom: float) -> float:
    """Return the share of Student's distribution above a value."""
    from scipy.special import stdtr

    return float(stdtr(freedom, -value))
