"""Fewer points that look the same: what a page draws of a long series, and which observations it keeps."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sebsx.model.frame import Numbers, Places


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
