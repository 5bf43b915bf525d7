"""Driver's side of graph-pagerank: grows the same graph and ranks it by power iteration in plain Python."""

from __future__ import annotations

import array
import functools
import json

DAMPING = 0.85
TOP = 10
TOLERANCE = 1e-6  # relative; power iteration stops at a thousandth of it
_MASK = 0xFFFFFFFF


def payload(parameters, rng, storage):
    """Return the shape of the graph and a seed that is not 0."""
    return {
        "vertices": parameters["vertices"],
        "edges_per_vertex": parameters["edges_per_vertex"],
        "seed": rng.randrange(1, 2**32),
    }


def check(payload, output, storage):
    """Return None if counts, the best ranks and the sums over all ranks are right; equal ranks may change places."""
    exact, sums, ranks = _expected(json.dumps(payload, sort_keys=True))
    for name, expected in exact.items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    for name, expected in sums.items():
        if not _near(output[name], expected):
            return f"{name} is {output[name]!r}, expected {expected!r}"
    vertices = [vertex for vertex, _ in output["top"]]
    best = sorted(ranks, reverse=True)[:TOP]
    if len(vertices) != len(best) or len(set(vertices)) != len(vertices) or min(vertices) < 0:
        return f"top lists vertices {vertices}, expected {len(best)} that differ"
    for (vertex, rank), expected in zip(output["top"], best, strict=True):
        if not (_near(rank, expected) and _near(rank, ranks[vertex])):
            return f"top says vertex {vertex} has rank {rank!r}; it has {ranks[vertex]!r}, and that place {expected!r}"
    return None


def _near(value, expected):
    return abs(value - expected) <= TOLERANCE * max(abs(expected), 1e-9)


@functools.lru_cache(maxsize=2)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    vertices, edges_per_vertex = payload["vertices"], payload["edges_per_vertex"]
    ends = _ends(vertices, edges_per_vertex, _xorshift32(payload["seed"]))
    ranks = _ranks(vertices, ends)
    exact = {"vertices": vertices, "edges": (vertices - 1) * edges_per_vertex}
    sums = {"rank_sum": 1.0, "mean_vertex": sum(vertex * rank for vertex, rank in enumerate(ranks))}
    return exact, sums, ranks


def _ranks(vertices, ends):
    """Return each vertex's PageRank: what a walker does who follows an edge, or else jumps anywhere.

    Each step is p'[v] = (1 - d) / n + d * sum(p[u] / degree(u)) over the edges of v. The first p is in proportion to
    the degree, which is near. A lone vertex has rank 1.

    Source: Brin and Page, The anatomy of a large-scale hypertextual web search engine (1998).
    """
    degrees = array.array("I", bytes(4 * vertices))
    for end in ends:
        degrees[end] += 1
    if not ends:
        return array.array("d", [1.0 / vertices]) * vertices
    ranks = array.array("d", [degree / len(ends) for degree in degrees])
    left, right = ends[::2], ends[1::2]
    change = 1.0
    while change > TOLERANCE / 1000:
        shares = [DAMPING * rank / degree for rank, degree in zip(ranks, degrees, strict=True)]
        after = array.array("d", [(1 - DAMPING) / vertices]) * vertices
        for one, other in zip(left, right, strict=True):
            after[one] += shares[other]
            after[other] += shares[one]
        change = max(abs(new - old) / new for new, old in zip(after, ranks, strict=True))
        ranks = after
    return ranks


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
