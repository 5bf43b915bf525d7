"""Fewer points that look the same: what a page draws of a million observations, and which it keeps."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sebsx.store.frame import Numbers, Places

_TAIL = 2  # each further step into a tail holds this many times fewer observations


def distribution(values: Numbers, points: int = 200) -> Sequence[tuple[float, float]]:
    """Return the empirical distribution as (value, share of observations up to it), in at most about `points`.

    Each point is an observation with its true share, so that every quantile is off by at most the share between two
    neighbours, 1 / (points - 1). Both tails are kept finer: the 2nd, 4th, 8th ... largest and smallest are there,
    and the extremes always are.
    """
    import numpy as np  # heavy

    ordered = np.sort(values)
    n = len(ordered)
    if n <= points:
        ranks = np.arange(n)
    else:
        tail = _TAIL ** np.arange(int(np.log2(n)))
        even = np.linspace(0, n - 1, points - 2 * len(tail)).round().astype(np.intp)
        ranks = np.unique(np.concatenate([even, tail - 1, n - tail]))
    return list(zip(ordered[ranks].tolist(), ((ranks + 1) / n).tolist(), strict=True))


def in_order(values: Numbers, points: int = 1500) -> Places:
    """Return the places of at most `points` observations that show a series in its order.

    The series is cut into stretches; of each the smallest and the largest observation are kept, and as many again
    evenly from all. So no extreme is lost, and what lies between is drawn with fewer points than there are.
    """
    import numpy as np  # heavy

    n = len(values)
    if n <= points:
        return np.arange(n)
    edges = np.linspace(0, n, points // 4 + 1).astype(np.intp)
    kept = [np.linspace(0, n - 1, points - 2 * (len(edges) - 1)).astype(np.intp)]
    for low, high in itertools.pairwise(edges):
        stretch = values[low:high]
        kept.append(np.array([low + stretch.argmin(), low + stretch.argmax()]))
    return np.unique(np.concatenate(kept))
