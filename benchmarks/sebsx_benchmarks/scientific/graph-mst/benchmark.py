"""Driver's side of graph-mst: grows the same graph and finds its tree by Kruskal's algorithm in plain Python."""

from __future__ import annotations

import array
import functools
import hashlib
import itertools
import json
import sys

_MASK = 0xFFFFFFFF


def payload(parameters, rng, storage):
    """Return the shape of the graph and two seeds that are not 0, for its edges and for their weights."""
    return {
        "vertices": parameters["vertices"],
        "edges_per_vertex": parameters["edges_per_vertex"],
        "seed": rng.randrange(1, 2**32),
        "weight_seed": rng.randrange(1, 2**32),
    }


def check(payload, output, storage):
    """Return None if counts, weight and edges of the tree are right; no two weights are equal, so there is one tree."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    vertices, edges_per_vertex = payload["vertices"], payload["edges_per_vertex"]
    ends = _ends(vertices, edges_per_vertex, _xorshift32(payload["seed"]))
    weights = array.array("I", itertools.islice(_xorshift32(payload["weight_seed"]), len(ends) // 2))
    tree = _tree(vertices, ends, weights)
    tree_weight = sum(weights[edge] for edge in tree)
    if sys.byteorder == "big":
        tree.byteswap()
    return {
        "vertices": vertices,
        "edges": (vertices - 1) * edges_per_vertex,
        "tree_edges": vertices - 1,  # the graph is connected: each vertex hangs on an earlier one
        "tree_weight": tree_weight,
        "tree_sha256": hashlib.sha256(tree.tobytes()).hexdigest(),
    }


def _tree(vertices, ends, weights):
    """Return the numbers of the tree's edges in order: the lightest edges first, but none that closes a circle.

    Source: Kruskal, On the shortest spanning subtree of a graph (1956); parts are found by halving paths.
    """
    parents = list(range(vertices))

    def root(vertex):
        while parents[vertex] != vertex:
            parents[vertex] = parents[parents[vertex]]
            vertex = parents[vertex]
        return vertex

    tree = []
    for edge in sorted(range(len(weights)), key=weights.__getitem__):
        one, other = root(ends[2 * edge]), root(ends[2 * edge + 1])
        if one != other:
            parents[one] = other
            tree.append(edge)
            if len(tree) == vertices - 1:
                break
    return array.array("I", sorted(tree))


def _ends(vertices, edges_per_vertex, numbers):
    """Return the ends of all edges, two for each: a new vertex takes earlier ends, uniformly, hence by degree."""
    ends = array.array("I", [0])
    for vertex in range(1, vertices):
        bound = len(ends)
        for _ in range(edges_per_vertex):
            target = ends[next(numbers) % bound]
            ends.append(vertex)
            ends.append(target)
    return ends[1:]


def _xorshift32(state):
    """Yield xorshift32 numbers without end (Marsaglia 2003, shifts 13, 17, 5)."""
    while True:
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        yield state
