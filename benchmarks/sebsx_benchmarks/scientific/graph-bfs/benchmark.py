"""Driver's side of graph-bfs: grows the same graph and searches it with a queue in plain Python."""

from __future__ import annotations

import array
import functools
import hashlib
import json
import struct
import sys

_ROOTS = 3


def payload(parameters, rng, storage):
    """Return the shape of the graph, the vertices to start from, how many searches there are, and a seed."""
    return {
        "vertices": parameters["vertices"],
        "edges_per_vertex": parameters["edges_per_vertex"],
        "searches": parameters["searches"],
        "seed": rng.randbytes(16).hex(),
        "roots": rng.sample(range(parameters["vertices"]), min(_ROOTS, parameters["searches"], parameters["vertices"])),
    }


def check(payload, output, storage):
    """Return None if counts, depths and the level of every vertex are right; the order of visits is free."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    vertices, edges_per_vertex = payload["vertices"], payload["edges_per_vertex"]
    neighbours = _neighbours(vertices, _ends(vertices, edges_per_vertex, payload["seed"]))
    levels = [_levels(neighbours, root) for root in payload["roots"]]
    return {
        "vertices": vertices,
        "edges": (vertices - 1) * edges_per_vertex,
        "searches": payload["searches"],
        "reached": payload["searches"] * vertices,  # the graph is connected: each vertex hangs on an earlier one
        "depths": [max(each) for each in levels],
        "levels_sha256": [_digest(each) for each in levels],
    }


def _digest(levels):
    if sys.byteorder == "big":
        levels.byteswap()
    return hashlib.sha256(levels.tobytes()).hexdigest()


def _neighbours(vertices, ends):
    neighbours = [[] for _ in range(vertices)]
    for one, other in zip(ends[::2], ends[1::2], strict=True):
        neighbours[one].append(other)
        neighbours[other].append(one)
    return neighbours


def _levels(neighbours, root):
    """Return each vertex's distance from `root`, level by level."""
    unseen = 2**32 - 1
    levels = array.array("I", [unseen]) * len(neighbours)
    levels[root] = level = 0
    frontier = [root]
    while frontier:
        level += 1
        reached = []
        for vertex in frontier:
            for neighbour in neighbours[vertex]:
                if levels[neighbour] == unseen:
                    levels[neighbour] = level
                    reached.append(neighbour)
        frontier = reached
    return levels


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
