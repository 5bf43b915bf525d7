"""Grow a Barabasi-Albert graph and rank its vertices with igraph, by two dampings in turn."""

from __future__ import annotations

import array
import collections
import hashlib
import heapq
import itertools
import operator
import sys

import igraph

TOP = 10
TOLERANCE = 1e-6


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


def handler(event, context):
    """Return counts, and by each damping the best-ranked vertices with their PageRank and two sums over all ranks.

    All rankings by one damping must agree with its first one: ARPACK starts anywhere.
    """
    vertices = event["vertices"]
    with context.phase("generate"):
        edges = barabasi_albert(vertices, event["edges_per_vertex"], event["seed"])
        ends = iter(edges)
        graph = igraph.Graph(n=vertices, edges=zip(ends, ends))  # noqa: B905  # `strict` needs Python 3.10
    dampings, firsts, agreeing = event["dampings"], {}, 0
    for number in range(event["rankings"]):
        damping = dampings[number % len(dampings)]
        with context.phase("compute"):
            ranks = graph.pagerank(directed=False, damping=damping, implementation="arpack")
        agreeing += agree(firsts.setdefault(damping, ranks), ranks)
    return {
        "vertices": graph.vcount(),
        "edges": graph.ecount(),
        "rankings": agreeing,
        "by_damping": [summary(firsts[damping]) for damping in dampings],
    }


def agree(first, ranks):
    """Return whether two rankings differ by no more than a millionth of the mean rank."""
    return max(map(abs, map(operator.sub, first, ranks))) * len(ranks) <= TOLERANCE


def summary(ranks):
    """Return the vertices of the best ranks with these, the sum of all, and the sum of each times its vertex."""
    best = heapq.nlargest(TOP, range(len(ranks)), key=ranks.__getitem__)
    return {
        "top": [[vertex, ranks[vertex]] for vertex in best],
        "rank_sum": sum(ranks),
        "mean_vertex": sum(map(operator.mul, ranks, range(len(ranks)))),
    }
