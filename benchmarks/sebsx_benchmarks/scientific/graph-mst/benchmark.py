"""Driver's side of graph-mst: grows the same graph and finds its trees by Kruskal's algorithm in plain Python."""

from __future__ import annotations

import array
import functools
import hashlib
import json
import struct
import sys

_PRIME = 2**31 - 1


def payload(parameters, rng, storage):
    """Return the shape of the graph, how many trees are to be found, a seed, and what the weights are multiples of."""
    return {
        "vertices": parameters["vertices"],
        "edges_per_vertex": parameters["edges_per_vertex"],
        "trees": parameters["trees"],
        "seed": rng.randbytes(16).hex(),
        "weight_factor": rng.randrange(2**20, _PRIME),
    }


def check(payload, output, storage):
    """Return None if counts, weights and edges of the trees are right; no two weights are equal, so each is unique."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    vertices, edges_per_vertex = payload["vertices"], payload["edges_per_vertex"]
    ends = _ends(vertices, edges_per_vertex, payload["seed"])
    forwards = array.array("I", [number * payload["weight_factor"] % _PRIME for number in range(1, len(ends) // 2 + 1)])
    both = (forwards, forwards[::-1])[: payload["trees"]]
    trees = [_tree(vertices, ends, weights) for weights in both]
    return {
        "vertices": vertices,
        "edges": (vertices - 1) * edges_per_vertex,
        "trees": payload["trees"],
        "tree_edges": [vertices - 1 for _ in trees],  # the graph is connected: each vertex hangs on an earlier one
        "tree_weights": [sum(map(weights.__getitem__, tree)) for weights, tree in zip(both, trees, strict=True)],
        "trees_sha256": [_digest(tree) for tree in trees],
    }


def _digest(tree):
    if sys.byteorder == "big":
        tree = array.array("I", tree)
        tree.byteswap()
    return hashlib.sha256(tree.tobytes()).hexdigest()


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


def _ends(vertices, edges_per_vertex, seed):
    """Return the ends of all edges, two for each: a new vertex takes earlier ends, uniformly, hence by degree."""
    drawn = hashlib.shake_256(seed.encode()).digest(4 * (vertices - 1) * edges_per_vertex)
    numbers = iter(struct.unpack(f"<{len(drawn) // 4}I", drawn))
    ends = array.array("I", [0])
    for vertex in range(1, vertices):
        bound = len(ends)
        for _ in range(edges_per_vertex):
            target = ends[next(numbers) % bound]
            ends.append(vertex)
            ends.append(target)
    return ends[1:]
