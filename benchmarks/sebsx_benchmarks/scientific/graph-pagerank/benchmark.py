"""Driver's side of graph-pagerank: grows the same graph and ranks it by power iteration in plain Python."""

from __future__ import annotations

import array
import functools
import hashlib
import json
import struct

DAMPING = 0.85  # of the first ranking; those of the others are near
TOP = 10
TOLERANCE = 1e-6  # relative; power iteration stops at a thousandth of it


def payload(parameters, rng, storage):
    """Return the shape of the graph, a seed, how often it is ranked, and the dampings that take turns."""
    return {
        "vertices": parameters["vertices"],
        "edges_per_vertex": parameters["edges_per_vertex"],
        "seed": rng.randbytes(16).hex(),
        "rankings": parameters["rankings"],
        "dampings": [DAMPING, round(rng.uniform(0.8, 0.9), 3)][: parameters["rankings"]],
    }


def check(payload, output, storage):
    """Return None if counts, the best ranks and the sums over all ranks are right; equal ranks may change places."""
    exact, rankings = _expected(json.dumps(payload, sort_keys=True))
    for name, expected in exact.items():
        if output[name] != expected:
            return f"{name} is {output[name]!r}, expected {expected!r}"
    if len(output["by_damping"]) != len(rankings):
        return f"there are rankings by {len(output['by_damping'])} dampings, expected {len(rankings)}"
    problems = zip(payload["dampings"], map(_compare, output["by_damping"], rankings), strict=True)
    return next((f"damping {damping}: {text}" for damping, text in problems if text), None)


def _compare(found, expected):
    sums, ranks = expected
    for name, wanted in sums.items():
        if not _near(found[name], wanted):
            return f"{name} is {found[name]!r}, expected {wanted!r}"
    vertices = [vertex for vertex, _ in found["top"]]
    best = sorted(ranks, reverse=True)[:TOP]
    if len(vertices) != len(best) or len(set(vertices)) != len(vertices) or min(vertices) < 0:
        return f"top lists vertices {vertices}, expected {len(best)} that differ"
    for (vertex, rank), wanted in zip(found["top"], best, strict=True):
        if not (_near(rank, wanted) and _near(rank, ranks[vertex])):
            return f"top says vertex {vertex} has rank {rank!r}; it has {ranks[vertex]!r}, and that place {wanted!r}"
    return None


def _near(value, expected):
    return abs(value - expected) <= TOLERANCE * max(abs(expected), 1e-9)


@functools.lru_cache(maxsize=2)
def _expected(canonical_payload):
    payload = json.loads(canonical_payload)
    vertices, edges_per_vertex = payload["vertices"], payload["edges_per_vertex"]
    ends = _ends(vertices, edges_per_vertex, payload["seed"])
    rankings = []
    for damping in payload["dampings"]:
        ranks = _ranks(vertices, ends, damping)
        sums = {"rank_sum": 1.0, "mean_vertex": sum(vertex * rank for vertex, rank in enumerate(ranks))}
        rankings.append((sums, ranks))
    exact = {"vertices": vertices, "edges": (vertices - 1) * edges_per_vertex, "rankings": payload["rankings"]}
    return exact, rankings


def _ranks(vertices, ends, damping):
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
        shares = [damping * rank / degree for rank, degree in zip(ranks, degrees, strict=True)]
        after = array.array("d", [(1 - damping) / vertices]) * vertices
        for one, other in zip(left, right, strict=True):
            after[one] += shares[other]
            after[other] += shares[one]
        change = max(abs(new - old) / new for new, old in zip(after, ranks, strict=True))
        ranks = after
    return ranks


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
