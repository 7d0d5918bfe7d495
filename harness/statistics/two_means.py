"""The difference of two means whose variances are both estimated: the problem of Behrens and Fisher.

The problem is solved by integration over both variances. At the small levels that a test of many settings needs, an
approximation by Student's t would reject too often.
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
    """Errors of the differences between the means of k settings and that of the base; every array is (k,)."""

    base: Floats
    """Variance of the base's mean."""
    base_df: Floats
    """Degrees of freedom of that variance."""
    own: Floats
    """Variance of each setting's mean."""
    own_df: Floats
    """Degrees of freedom of that variance."""
    extra: Floats
    """Variance from other sampling than that of seeds, such as of architectures."""
    squeezed: bool
    """Whether variances are squeezed towards a common one (`spreads.squeezed`)."""

    @classmethod
    def of(
        cls, base: Spread, base_seeds: int, own: Sequence[Spread], seeds: Sequence[int], extra: Sequence[float]
    ) -> TwoMeans:
        """The errors for the spread and the number of seeds of the base and of each of k settings.

        Args:
            base: spread between the seeds of the base.
            base_seeds: number of its seeds.
            own: spread of each setting.
            seeds: number of seeds of each setting.
            extra: further variance of each difference, from other sampling than that of seeds.
        """
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
        """Squared standard errors of the differences: (k,)."""
        return self.base + self.own + self.extra

    @property
    def df(self) -> Floats:
        """Satterthwaite's degrees of freedom (Biometrics 1946), which are accurate enough away from the tails: (k,)."""
        freedom: Floats = (self.base + self.own) ** 2 / (self.base**2 / self.base_df + self.own**2 / self.own_df)
        return freedom

    def p(self, differences: Floats) -> Floats:
        """Two-sided p-values, (k,): the probability of a larger error, averaged over possible values of both variances.

        Given the data, a variance is distributed as its estimate times df / chi-square. The resulting tests (of Behrens
        and Fisher) reject less often than their level. Where variances are squeezed, this makes up for settings whose
        variance does not come from the common distribution. Where they are not, the distribution of the variances is
        that of Ghosh and Kim (The Behrens-Fisher problem revisited, Canadian Journal of Statistics 2001), whose tests
        keep their level to the second order. It is a mixture of two distributions, each of which gives one of the
        variances two more degrees of freedom.

        Args:
            differences: of the settings' means from that of the base: (k,).
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
        """Two-sided tail probabilities, averaged over both variances: (k,).

        The share of one of two independent chi-square variables in their sum has a beta distribution; given this share,
        the error has Student's t distribution.

        Args:
            scaled: absolute differences, without the part of `extra` in their errors: (k,).
            own, base: degrees of freedom: (k,).
        """
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
        """The differences whose p-value is `level`, which are half the widths of intervals: (k,)."""
        # On the scale of normal quantiles, p is almost a straight line, so the secant method converges in a few steps.
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
"""Most steps of the secant method."""
_LOGITS: Floats = np.linspace(-24, 24, 65)
"""Points at which the logit of that share is evaluated, in standard deviations from its centre; its tails are
exponential."""
