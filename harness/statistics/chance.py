"""Whether accuracies on a few images are better than guessing the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ALPHA = 0.05
"""Level of the tests, one per architecture."""
SHARE_AT_CHANCE = 2 * ALPHA
"""Share of architectures above chance up to which a super-net is at chance. Guessing alone gives ALPHA on average, but
all architectures see the same images, so that the share varies more than it would with images of their own."""
CERTAIN = 0.001
"""A single architecture is above chance for certain if its p-value, times the number of architectures, is below."""


def p_values(accuracy: ArrayLike, images: int, classes: int) -> NDArray[np.float64]:
    """One-sided p-values of exact binomial tests against guessing one of the classes with equal probability: (n,).

    Args:
        accuracy: percent of the images, (n,); what is not finite counts as 0.
    """
    right = np.rint(np.nan_to_num(np.asarray(accuracy, dtype=np.float64), posinf=0.0, neginf=0.0) * images / 100)
    p: NDArray[np.float64] = stats.binom.sf(right - 1, images, 1 / classes)
    return p


def above_chance(accuracy: ArrayLike, images: int, classes: int) -> float:
    """Share of architectures, from 0 to 1, that are significantly better than chance at the level ALPHA."""
    return float((p_values(accuracy, images, classes) <= ALPHA).mean())


def at_chance(accuracy: ArrayLike, images: int, classes: int) -> bool:
    """Whether nothing says that these architectures do better than guessing, so that their order means nothing.

    That is: no more architectures are above chance than SHARE_AT_CHANCE, none of them for certain, and their mean
    accuracy is not above chance either.
    """
    values = np.asarray(accuracy, dtype=np.float64)
    p = p_values(values, images, classes)
    mean = p_values([values.mean()], images, classes)[0]
    return bool((p <= ALPHA).mean() <= SHARE_AT_CHANCE and p.min() * len(p) >= CERTAIN and mean > ALPHA)
