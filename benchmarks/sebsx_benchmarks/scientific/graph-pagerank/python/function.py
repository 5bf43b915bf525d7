"""Grow a Barabasi-Albert graph and rank its vertices with igraph."""

from __future__ import annotations

import array
import heapq

import igraph

DAMPING = 0.85
TOP = 10


def barabasi_albert(vertices, edges_per_vertex, seed):
    """Return the edges of the graph as a flat array of vertex numbers, two for each edge.

    Every new vertex draws `edges_per_vertex` of the edge ends that were there before it, so that a vertex is
    chosen in proportion to its degree; an edge may occur twice. Random numbers come from xorshift32
    (shifts 13, 17, 5), so that any language grows the same graph. The array of edges is the list of ends;
    before the first edge, vertex 0 alone can be drawn.
    """
    edges = array.array("I")
    x = seed
    for vertex in range(1, vertices):
        bound = len(edges) + 1
        for _ in range(edges_per_vertex):
            x ^= (x << 13) & 0xFFFFFFFF
            x ^= x >> 17
            x ^= (x << 5) & 0xFFFFFFFF
            drawn = x % bound
            edges.append(vertex)
            edges.append(edges[drawn - 1] if drawn else 0)
    return edges


def handler(event, context):
    """Return counts, the best-ranked vertices with their PageRank, and two sums over all ranks."""
    vertices = event["vertices"]
    with context.phase("generate"):
        edges = barabasi_albert(vertices, event["edges_per_vertex"], event["seed"])
        ends = iter(edges)
        graph = igraph.Graph(n=vertices, edges=zip(ends, ends))  # noqa: B905  # `strict` needs Python 3.10
    with context.phase("compute"):
        ranks = graph.pagerank(directed=False, damping=DAMPING, implementation="arpack")
    return {
        "vertices": graph.vcount(),
        "edges": graph.ecount(),
        "top": [[vertex, ranks[vertex]] for vertex in heapq.nlargest(TOP, range(vertices), key=ranks.__getitem__)],
        "rank_sum": sum(ranks),
        "mean_vertex": sum(vertex * rank for vertex, rank in enumerate(ranks)),
    }
