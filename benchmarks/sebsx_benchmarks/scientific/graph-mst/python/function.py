"""Grow a Barabasi-Albert graph and find its minimum spanning trees with igraph."""

from __future__ import annotations

import array
import collections
import hashlib
import itertools
import operator
import sys

import igraph

PRIME = 2**31 - 1


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


def edge_weights(count, factor):
    """Return the weights of the edges in their order, multiples of `factor` modulo a prime: no two are equal."""
    return [number * factor % PRIME for number in range(1, count + 1)]


def handler(event, context):
    """Return counts, and of the trees by the weights, and by these backwards, weight and SHA-256 of the edges' numbers.

    Trees are found by one and the other in turn. All trees by the same weights must have the same edges.
    """
    vertices = event["vertices"]
    with context.phase("generate"):
        edges = barabasi_albert(vertices, event["edges_per_vertex"], event["seed"])
        weights = edge_weights(len(edges) // 2, event["weight_factor"])
        ends = iter(edges)
        graph = igraph.Graph(n=vertices, edges=zip(ends, ends))  # noqa: B905  # `strict` needs Python 3.10
        graph.es["forwards"], graph.es["backwards"] = weights, weights[::-1]
    firsts, agreeing = {}, 0
    for number in range(event["trees"]):
        name = ("forwards", "backwards")[number % 2]
        with context.phase("compute"):
            tree = graph.spanning_tree(name, return_tree=False)
        agreeing += firsts.setdefault(name, tree) == tree
    return {
        "vertices": graph.vcount(),
        "edges": graph.ecount(),
        "trees": agreeing,
        "tree_edges": [len(tree) for tree in firsts.values()],
        "tree_weights": [sum(graph.es[tree][name]) for name, tree in firsts.items()],
        "trees_sha256": [digest_of(tree) for tree in firsts.values()],
    }


def digest_of(tree):
    """Return the SHA-256 of the numbers of a tree's edges, ascending, as little-endian 32-bit numbers."""
    chosen = array.array("I", sorted(tree))
    if sys.byteorder == "big":
        chosen.byteswap()
    return hashlib.sha256(chosen.tobytes()).hexdigest()
