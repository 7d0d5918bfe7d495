"""NAS-Bench-101's pruning and graph hash, written plainly."""

import hashlib

from supernet.benchmarks.spaces.nb101 import OPS


def paths_between(matrix, x=0):
    """All paths from vertex x to the last one, as lists of vertices."""
    if x == len(matrix) - 1:
        return [[x]]
    return [[x, *path] for y in range(len(matrix)) if matrix[x][y] for path in paths_between(matrix, y)]


def prune(matrix, ops):
    """The graph of the vertices on a path from input to output, and their operations."""
    kept = sorted({v for path in paths_between(matrix) for v in path})
    pruned = [[matrix[x][y] for y in kept] for x in kept]
    return kept, pruned, [ops[v - 1] for v in kept[1:-1]]


def md5(text):
    return hashlib.md5(text.encode()).hexdigest()


def official_hash(matrix, ops):
    """The benchmark's hash of a pruned graph: labels refined by those of the neighbours, once per vertex."""
    vertices = range(len(matrix))
    sources = [[x for x in vertices if matrix[x][v]] for v in vertices]
    targets = [[y for y in vertices if matrix[v][y]] for v in vertices]
    marks = [-1, *(OPS.index(op) for op in ops), -2]
    labels = [md5(f"({len(targets[v])}, {len(sources[v])}, {marks[v]})") for v in vertices]
    for _ in vertices:
        before = ["".join(sorted(labels[x] for x in sources[v])) for v in vertices]
        after = ["".join(sorted(labels[y] for y in targets[v])) for v in vertices]
        labels = [md5(f"{before[v]}|{after[v]}|{labels[v]}") for v in vertices]
    return md5(str(sorted(labels)))
