"""Grow a Barabasi-Albert graph and search it breadth first with igraph, again and again."""

from __future__ import annotations

import array
import collections
import hashlib
import itertools
import operator
import sys

import igraph


def barabasi_albert(vertices, edges_per_vertex, seed):
    """Return the ends of the graph's edges as a flat array of vertex numbers, two for each edge.

    Every new vertex draws `edges_per_vertex` of the edge ends that were there before it, so that a vertex is
    chosen in proportion to its degree; an edge may occur twice. The list of ends begins with vertex 0, which alone
    can be drawn before the first edge. Random numbers are those of SHAKE-256, so that any language grows the same
    graph. The loop is one of iterators that are written in C: growing must not take longer than what is measured.
    """
    count = (vertices - 1) * edges_per_vertex
    numbers = array.array("I", hashlib.shake_256(seed.encode("ascii")).digest(4 * count))
    if sys.byteorder == "big":
        numbers.byteswap()
    ends = array.array("I", bytes(4 * (2 * count + 1)))
    for place in range(1, 2 * edges_per_vertex, 2):
        ends[place :: 2 * edges_per_vertex] = array.array("I", range(1, vertices))
    lengths = range(1, 2 * count + 1, 2 * edges_per_vertex)  # of the list, when each vertex draws
    bounds = itertools.chain.from_iterable(map(itertools.repeat, lengths, itertools.repeat(edges_per_vertex)))
    drawn = map(ends.__getitem__, map(operator.mod, numbers, bounds))
    collections.deque(map(ends.__setitem__, range(2, 2 * count + 1, 2), drawn), maxlen=0)
    return ends[1:]


def levels_of(order, starts):
    """Return the level of each vertex, given the vertices by level and where each level starts."""
    levels = array.array("I", bytes(4 * len(order)))
    for level in range(len(starts) - 1):
        for vertex in order[starts[level] : starts[level + 1]]:
            levels[vertex] = level
    if sys.byteorder == "big":
        levels.byteswap()
    return levels


def handler(event, context):
    """Return counts, and of each root how deep its search goes and the SHA-256 of the vertices' levels.

    Searches take turns at the roots. All searches from a root must find as many vertices on each level as its first.
    """
    vertices, roots = event["vertices"], event["roots"]
    with context.phase("generate"):
        edges = barabasi_albert(vertices, event["edges_per_vertex"], event["seed"])
        ends = iter(edges)
        graph = igraph.Graph(n=vertices, edges=zip(ends, ends))  # noqa: B905  # `strict` needs Python 3.10
    firsts, agreeing, reached = {}, 0, 0
    for number in range(event["searches"]):
        root = roots[number % len(roots)]
        with context.phase("compute"):
            order, starts, _ = graph.bfs(root)
        reached += len(order)
        agreeing += firsts.setdefault(root, (order, starts))[1] == starts
    return {
        "vertices": graph.vcount(),
        "edges": graph.ecount(),
        "searches": agreeing,
        "reached": reached,
        "depths": [len(firsts[root][1]) - 2 for root in roots],
        "levels_sha256": [hashlib.sha256(levels_of(*firsts[root]).tobytes()).hexdigest() for root in roots],
    }
