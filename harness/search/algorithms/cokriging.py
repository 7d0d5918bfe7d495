"""Co-kriging: Gaussian processes of a cheap and an expensive fidelity, fused to one posterior of the latter."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
SCALES = (0.05, 0.1, 0.2, 0.4, 0.8)
"""Length scales among which the likelihood chooses, as shares of the largest distance of two encodings."""
NOISES = (1e-4, 1e-2, 1e-1, 0.5)
"""Variances of the noise among which the likelihood chooses, as shares of the variance of the process."""


@dataclass(frozen=True)
class Kernel:
    """The covariance variance * exp(-d / scale), where d is the share of differing entries of two encodings."""

    scale: float
    variance: float
    noise: float
    """Variance of the noise of an observation."""

    def __call__(self, a: Floats, b: Floats) -> Floats:
        """Return the covariance of the process between encodings: (n, inputs), (m, inputs) -> (n, m)."""
        return self.variance * np.exp(-distances(a, b) / self.scale)


def distances(a: Floats, b: Floats) -> Floats:
    """Return the share of entries in which encodings of zeros and ones differ: (n, inputs), (m, inputs) -> (n, m)."""
    return np.maximum(a.sum(axis=1)[:, None] + b.sum(axis=1) - 2 * (a @ b.T), 0) / max(1, a.shape[1])


def fitted(codes: Floats, values: Floats) -> Kernel:
    """Return the kernel of largest likelihood on a grid of scales and noises; the variance follows from these.

    Args:
        codes: encodings of zeros and ones: (n, inputs).
        values: observations with mean 0: (n,).
    """
    from scipy.linalg import cho_solve

    apart = distances(codes, codes)
    best, found = -math.inf, Kernel(1.0, 1.0, 1.0)
    for scale in [share * max(float(apart.max()), 1e-9) for share in SCALES]:
        for noise in NOISES:
            lower = np.linalg.cholesky(np.exp(-apart / scale) + (noise + 1e-8) * np.eye(len(values)))
            variance = max(float(values @ cho_solve((lower, True), values)) / len(values), 1e-12)
            likelihood = -0.5 * len(values) * math.log(variance) - float(np.log(np.diag(lower)).sum())
            if likelihood > best:
                best, found = likelihood, Kernel(scale, variance, noise * variance)
    return found


@dataclass(frozen=True)
class CoKriging:
    """The model of Kennedy and O'Hagan (Biometrika 2000): high(x) = shift + factor * low(x) + rest(x).

    `low` and `rest` are independent Gaussian processes. The authors observe both fidelities without noise; here, an
    observation has the noise of the kernel of its own fidelity, which for the expensive one is that of `rest`: the
    noise of cheap observations is no part of low(x).
    """

    low: Kernel
    rest: Kernel
    factor: float
    shift: float

    @classmethod
    def fitted(cls, low: tuple[Floats, Floats], high: tuple[Floats, Floats]) -> CoKriging:
        """Fit the cheap process first, then factor and shift by least squares on its means, then the rest.

        Args:
            low: encodings, (n, inputs), and observations with mean 0, (n,), at the cheap fidelity.
            high: encodings, (m, inputs), and observations, (m,), at the expensive one.
        """
        cheap = fitted(*low)
        expected = posterior(cheap(low[0], low[0]), cheap(low[0], high[0]), low[1], np.full(len(low[1]), cheap.noise))
        means, values = expected[0] - expected[0].mean(), high[1] - high[1].mean()
        factor = float(means @ values) / max(float(means @ means), 1e-12)
        shift = float(high[1].mean()) - factor * float(expected[0].mean())
        return cls(cheap, fitted(high[0], values - factor * means), factor, shift)

    def predict(self, low: tuple[Floats, Floats], high: tuple[Floats, Floats], codes: Floats) -> tuple[Floats, Floats]:
        """Return mean and variance of the expensive fidelity of other architectures: (m,) each.

        Args:
            low, high: as in `fitted`.
            codes: encodings of the other architectures: (m, inputs).
        """
        (x, y), (u, v), r = low, high, self.factor
        cross = r * self.low(x, u)
        known = np.block([[self.low(x, x), cross], [cross.T, r * r * self.low(u, u) + self.rest(u, u)]])
        others = np.vstack([r * self.low(x, codes), r * r * self.low(u, codes) + self.rest(u, codes)])
        noise = np.append(np.full(len(y), self.low.noise), np.full(len(v), self.rest.noise))
        mean, explained = posterior(known, others, np.append(y, v - self.shift), noise)
        return self.shift + mean, np.maximum(r * r * self.low.variance + self.rest.variance - explained, 0)


def posterior(known: Floats, others: Floats, values: Floats, noise: Floats) -> tuple[Floats, Floats]:
    """Return the posterior mean at other points and the variance that the observations explain there: (m,) each.

    Args:
        known: covariance of the process at the observed points: (n, n).
        others: covariance between observed and other points: (n, m).
        values: observations with mean 0: (n,).
        noise: variance of the noise of each: (n,).
    """
    from scipy.linalg import cho_solve, solve_triangular

    jitter = 1e-8 * max(float(np.diag(known).mean()), 1e-12)
    lower = np.linalg.cholesky(known + np.diag(noise + jitter))
    half = solve_triangular(lower, others, lower=True)
    return others.T @ cho_solve((lower, True), values), (half**2).sum(axis=0)


def alone(observed: tuple[Floats, Floats], codes: Floats) -> tuple[Floats, Floats]:
    """Return mean and variance by a single process: (m,) each.

    Args:
        observed: encodings, (n, inputs), and observations with mean 0, (n,).
        codes: encodings of the other architectures: (m, inputs).
    """
    kernel = fitted(*observed)
    x, y = observed
    mean, explained = posterior(kernel(x, x), kernel(x, codes), y, np.full(len(y), kernel.noise))
    return mean, np.maximum(kernel.variance - explained, 0)


def expected_improvement(mean: Floats, variance: Floats, best: float) -> Floats:
    """Return the expected improvement on the best value so far (Mockus, 1975): (m,)."""
    from scipy.special import ndtr

    spread = np.sqrt(np.maximum(variance, 1e-12))
    z = (mean - best) / spread
    return np.asarray(spread * (z * ndtr(z) + np.exp(-0.5 * z * z) / math.sqrt(2 * math.pi)))
