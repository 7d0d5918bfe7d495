"""Kendall's tau-b under many weightings of the same items, as a bootstrap needs it.

Resampling architectures changes how often each pair counts, but never the order of a pair. So the pairs are arranged
once: items are divided into buckets along both rankings; pairs that differ in both buckets are counted from a small
two-dimensional histogram, and pairs that share a bucket by a small matrix product. The result is exact (sums of
integers), and several times faster to compute than a ranking of every resample.
"""

from __future__ import annotations

import itertools

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import sparse

BUCKET = 128
"""Items in a bucket; the value balances the work of the histogram, (n / BUCKET)^2, and of the products, n * BUCKET."""


class Concordance:
    """All pairs of n items under two rankings.

    Args:
        x, y: finite values, shape (n,), n >= 2; ties allowed in both.
    """

    def __init__(self, x: ArrayLike, y: ArrayLike) -> None:
        ranks = [np.unique(np.asarray(v), return_inverse=True)[1] for v in (x, y)]
        self._sides = [_Side(rank) for rank in ranks]
        (self._in_x, self._in_y) = (side.bucket for side in self._sides)
        self._shape = (self._in_x.max() + 1, self._in_y.max() + 1)
        cell = self._in_x * self._shape[1] + self._in_y
        self._to_cells = group_sums(cell, int(np.prod(self._shape)))
        # Pairs that share a bucket on both sides are counted with the first side alone.
        self._blocks = [
            [(part, self._signs(ranks, side.order[part], twin)) for part in side.mixed]
            for side, twin in zip(self._sides, (None, self._in_x), strict=True)
        ]

    @staticmethod
    def _signs(
        ranks: list[NDArray[np.int64]], items: NDArray[np.int64], counted: NDArray[np.int64] | None
    ) -> NDArray[np.int8]:
        """+1, -1 or 0 for each pair of these items; also 0 where the pair shares a bucket of `counted`."""
        x, y = (rank[items] for rank in ranks)
        signs = np.sign(x[:, None] - x) * np.sign(y[:, None] - y)
        if counted is not None:
            signs *= counted[items][:, None] != counted[items]
        return signs.astype(np.int8)

    def excess(self, weights: ArrayLike) -> NDArray[np.float64]:
        """The number of concordant minus that of discordant pairs, each pair counted w_i * w_j times: (resamples,).

        Args:
            weights: the counts w: (n, resamples).
        """
        w = np.asarray(weights, dtype=np.float32)
        histogram = (self._to_cells @ w).reshape(*self._shape, -1)
        before = np.cumsum(histogram, axis=0)
        before -= histogram  # earlier along x, same y
        below = np.cumsum(before, axis=1)
        above = below[:, -1:] - below
        below -= before
        below -= above
        total = np.einsum("abr,abr->r", histogram, below, dtype=np.float64)
        for side, blocks in zip(self._sides, self._blocks, strict=True):
            ordered = w[side.order]
            for part, signs in blocks:
                inside = ordered[part]
                total += np.einsum("ir,ir->r", signs.astype(np.float32) @ inside, inside, dtype=np.float64) / 2
        return total

    def tau(self, weights: ArrayLike | None = None) -> NDArray[np.float64]:
        """Kendall's tau-b of each resample; 0 where all its items tie on one side: (resamples,).

        tau_b = (P - Q) / sqrt((n0 - n1) (n0 - n2)), where P and Q are the numbers of concordant and discordant pairs,
        n0 that of all pairs, and n1 and n2 those of the pairs that tie in x and in y.

        Args:
            weights: how often each item counts: (n, resamples); by default one resample in which each counts once.
        """
        w = np.asarray(np.ones((len(self._in_x), 1)) if weights is None else weights, dtype=np.float32)
        size = w.sum(axis=0, dtype=np.float64)
        pairs = size * (size - 1) / 2
        untied = [pairs - side.tied_pairs(w) for side in self._sides]
        scale = np.sqrt(untied[0]) * np.sqrt(untied[1])
        tau = np.divide(self.excess(w), scale, out=np.zeros(len(size)), where=scale > 0)
        return np.clip(tau, -1, 1)  # the product of roots may round to less than the excess


def group_sums(label: NDArray[np.int64], labels: int | None = None) -> sparse.csr_matrix:
    """The matrix (labels, n) whose product with item weights, (n, resamples), sums them by label."""
    ones = np.ones(len(label), dtype=np.float32)
    return sparse.csr_matrix((ones, (label, np.arange(len(label)))), shape=(labels or label.max() + 1, len(label)))


class _Side:
    """The buckets and tie groups of one ranking."""

    def __init__(self, rank: NDArray[np.int64]) -> None:
        self.order = np.argsort(rank, kind="stable")
        ordered = rank[self.order]
        sizes = np.bincount(rank)
        self._to_groups = group_sums(rank)
        group_bucket = np.zeros(len(sizes), dtype=np.int64)
        filled = bucket = 0
        for group, size in enumerate(sizes.tolist()):
            # Tied items never straddle a boundary, so items of different buckets always differ.
            if filled and filled + size > BUCKET:
                bucket, filled = bucket + 1, 0
            group_bucket[group], filled = bucket, filled + size
        self.bucket = np.empty(len(rank), dtype=np.int64)
        self.bucket[self.order] = np.repeat(group_bucket, sizes)
        edges = np.flatnonzero(np.diff(self.bucket[self.order], prepend=-1, append=bucket + 1))
        self.mixed = [
            slice(start, end) for start, end in itertools.pairwise(edges.tolist()) if ordered[start] != ordered[end - 1]
        ]
        """Parts of `order` that are buckets of more than one group; pairs within the others are ties."""

    def tied_pairs(self, w: NDArray[np.float32]) -> NDArray[np.float64]:
        """Number of pairs that tie in this ranking, in each resample: (resamples,)."""
        groups = self._to_groups @ w
        return np.einsum("gr,gr->r", groups, groups - 1, dtype=np.float64) / 2
