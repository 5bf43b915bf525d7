"""Grow a Barabasi-Albert graph and find its minimum spanning tree with igraph."""

from __future__ import annotations

import array
import hashlib
import sys

import igraph


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


def edge_weights(count, seed):
    """Return the weights of the edges in their order: xorshift32 numbers, of which no two are equal."""
    weights = array.array("I")
    x = seed
    for _ in range(count):
        x ^= (x << 13) & 0xFFFFFFFF
        x ^= x >> 17
        x ^= (x << 5) & 0xFFFFFFFF
        weights.append(x)
    return weights


def handler(event, context):
    """Return counts, the weight of the tree, and the SHA-256 of its edges' numbers as little-endian 32-bit numbers."""
    vertices = event["vertices"]
    with context.phase("generate"):
        edges = barabasi_albert(vertices, event["edges_per_vertex"], event["seed"])
        weights = edge_weights(len(edges) // 2, event["weight_seed"])
        ends = iter(edges)
        graph = igraph.Graph(n=vertices, edges=zip(ends, ends))  # noqa: B905  # `strict` needs Python 3.10
    with context.phase("compute"):
        tree = graph.spanning_tree(weights, return_tree=False)
    chosen = array.array("I", sorted(tree))
    weight = sum(weights[edge] for edge in chosen)
    if sys.byteorder == "big":
        chosen.byteswap()
    return {
        "vertices": graph.vcount(),
        "edges": graph.ecount(),
        "tree_edges": len(tree),
        "tree_weight": weight,
        "tree_sha256": hashlib.sha256(chosen.tobytes()).hexdigest(),
    }
