"""The difference of two means whose variances are both estimated: the problem of Behrens and Fisher.

It is solved by integrating over both variances, because at the small levels that a test of many settings needs, an
approximation by Student's t finds too much.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats as distributions
from scipy.special import expit, log_expit, ndtri, polygamma, stdtr

from supernet.harness.statistics.spreads import SMALLEST, Floats, Spread


@dataclass(frozen=True)
class TwoMeans:
    """Errors of the differences of k settings' means from that of the base; every array is (k,)."""

    base: Floats
    """Variance of the base's mean."""
    base_df: Floats
    own: Floats
    """Variance of the setting's mean."""
    own_df: Floats
    extra: Floats
    """Variance from sampling other than seeds, such as of architectures."""
    squeezed: bool

    @classmethod
    def of(
        cls, base: Spread, base_seeds: int, own: Sequence[Spread], seeds: Sequence[int], extra: Sequence[float]
    ) -> TwoMeans:
        variances = np.array([spread.variance for spread in own]) / np.array(seeds, dtype=np.float64)
        dfs, count = np.array([spread.df for spread in own]), len(own)
        return cls(
            np.full(count, max(base.variance / base_seeds, SMALLEST)),
            np.full(count, base.df),
            np.maximum(variances, SMALLEST),
            dfs,
            np.array(extra, dtype=np.float64),
            bool((dfs > np.array(seeds) - 1).any()),
        )

    @property
    def squared(self) -> Floats:
        """Squared standard errors."""
        return self.base + self.own + self.extra

    @property
    def df(self) -> Floats:
        """Satterthwaite's degrees of freedom (Biometrics 1946), good enough away from the tails."""
        freedom: Floats = (self.base + self.own) ** 2 / (self.base**2 / self.base_df + self.own**2 / self.own_df)
        return freedom

    def p(self, differences: Floats) -> Floats:
        """Two-sided p-values: the probability of a larger error, averaged over what both variances can be.

        Given the data, a variance is its estimate times df / chi-square. The tests that follow (Behrens and Fisher's)
        reject less than their level. Where variances are squeezed, this makes up for settings whose variance is not
        from the common law. Where they are not, the law of the variances is that of Ghosh and Kim (The
        Behrens-Fisher problem revisited, Canadian Journal of Statistics 2001), whose tests keep their level to the
        second order: a mixture of two that each give one of the variances two degrees of freedom more.
        """
        seeds_alone = self.base + self.own
        scaled = np.abs(differences) * np.sqrt(seeds_alone / self.squared)
        if self.squeezed:
            return self._tails(scaled, self.own_df, self.base_df)
        of_own = self.own * self._tails(scaled, self.own_df, self.base_df + 2)
        of_base = self.base * self._tails(scaled, self.own_df + 2, self.base_df)
        mixed: Floats = (of_own + of_base) / seeds_alone
        return mixed

    def _tails(self, scaled: Floats, own: Floats, base: Floats) -> Floats:
        """The share of two independent chi-squares in their sum is beta; given it, the error is Student's t."""
        total = own + base
        spread = np.sqrt(polygamma(1, own / 2) + polygamma(1, base / 2))
        logits = np.log(own / base)[:, None] + spread[:, None] * _LOGITS
        weights = log_expit(logits) * own[:, None] / 2 + log_expit(-logits) * base[:, None] / 2
        weights = np.exp(weights - weights.max(axis=1, keepdims=True))
        variances = (self.own * self.own_df)[:, None] / expit(logits) + (self.base * self.base_df)[:, None] / expit(
            -logits
        )
        tails = 2 * stdtr(total[:, None], -scaled[:, None] / np.sqrt(variances / total[:, None]))
        mean: Floats = (tails * weights).sum(axis=1) / weights.sum(axis=1)
        return np.minimum(mean, 1.0)

    def half_widths(self, level: float) -> Floats:
        """The differences whose p-value is `level`: (k,)."""
        # On the scale of normal quantiles p is almost a straight line, on which secants converge in a few steps.
        goal = ndtri(level / 2)
        before = distributions.t.isf(level / 2, self.df) * np.sqrt(self.squared)
        after, at_before = 1.1 * before, ndtri(self.p(before) / 2)
        for _ in range(_STEPS):
            at_after = ndtri(self.p(after) / 2)
            rise = at_after - at_before
            share = np.divide(goal - at_after, rise, out=np.zeros_like(rise), where=np.abs(rise) > 1e-13)
            before, after, at_before = after, after + share * (after - before), at_after
            if np.allclose(after, before, rtol=1e-9, atol=0):
                break
        return after


_STEPS = 8
_LOGITS: Floats = np.linspace(-24, 24, 65)
"""Standard deviations from the centre at which the share of a chi-square is evaluated: its tails are exponential."""
