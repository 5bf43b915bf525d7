"""Driver's side of graph-bfs: grows the same graph and searches it with a queue in plain Python."""

from __future__ import annotations

import array
import functools
import hashlib
import json
import sys

_MASK = 0xFFFFFFFF


def payload(parameters, rng, storage):
    """Return the shape of the graph, the vertex to start from, and a seed that is not 0."""
    return {
        "vertices": parameters["vertices"],
        "edges_per_vertex": parameters["edges_per_vertex"],
        "seed": rng.randrange(1, 2**32),
        "root": rng.randrange(parameters["vertices"]),
    }


def check(payload, output, storage):
    """Return None if counts, depth and the level of every vertex are right; the order of visits is free."""
    for name, expected in _expected(json.dumps(payload, sort_keys=True)).items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    return None


@functools.lru_cache(maxsize=8)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    vertices, edges_per_vertex = payload["vertices"], payload["edges_per_vertex"]
    neighbours = _neighbours(vertices, edges_per_vertex, _xorshift32(payload["seed"]))
    levels = _levels(neighbours, payload["root"])
    if sys.byteorder == "big":
        levels.byteswap()
    return {
        "vertices": vertices,
        "edges": (vertices - 1) * edges_per_vertex,
        "reached": vertices,  # the graph is connected: each vertex hangs on an earlier one
        "depth": max(levels),
        "levels_sha256": hashlib.sha256(levels.tobytes()).hexdigest(),
    }


def _neighbours(vertices, edges_per_vertex, numbers):
    """Return each vertex's neighbours: a new vertex takes ends of earlier edges, uniformly, hence by degree."""
    neighbours = [[] for _ in range(vertices)]
    ends = array.array("I", [0])
    for vertex in range(1, vertices):
        bound = len(ends)
        for _ in range(edges_per_vertex):
            target = ends[next(numbers) % bound]
            neighbours[vertex].append(target)
            neighbours[target].append(vertex)
            ends.append(vertex)
            ends.append(target)
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


def _xorshift32(state):
    """Yield xorshift32 numbers without end (Marsaglia 2003, shifts 13, 17, 5)."""
    while True:
        state ^= state << 13 & _MASK
        state ^= state >> 17
        state ^= state << 5 & _MASK
        yield state
