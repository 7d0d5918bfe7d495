"""Whether accuracies on a few images are better than guessing the class."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats

ALPHA = 0.05
"""Level of the tests, one per architecture."""
SHARE_AT_CHANCE = 2 * ALPHA
"""Share of architectures above chance up to which a super-net counts as at chance. Guessing gives ALPHA on average, but
all architectures are scored on the same images, so the share varies more than with independent images. Our choice."""
CERTAIN = 0.001
"""One architecture is clearly above chance if its p-value times the number of architectures is below; our choice."""


def p_values(accuracy: ArrayLike, images: int, classes: int) -> NDArray[np.float64]:
    """One-sided p-values of exact binomial tests against guessing one of the classes with equal probability: (n,).

    Args:
        accuracy: percent of the images, (n,); values that are not finite count as 0.
        images: number of images.
        classes: number of classes.
    """
    right = np.rint(np.nan_to_num(np.asarray(accuracy, dtype=np.float64), posinf=0.0, neginf=0.0) * images / 100)
    p: NDArray[np.float64] = stats.binom.sf(right - 1, images, 1 / classes)
    return p


def above_chance(accuracy: ArrayLike, images: int, classes: int) -> float:
    """Share of architectures, from 0 to 1, that are significantly better than chance at the level ALPHA."""
    return float((p_values(accuracy, images, classes) <= ALPHA).mean())


def at_chance(accuracy: ArrayLike, images: int, classes: int) -> bool:
    """Whether there is no evidence that these architectures do better than guessing.

    This holds if the share of architectures above chance is at most SHARE_AT_CHANCE, none of them is clearly above
    chance (CERTAIN), and their mean accuracy is not above chance either.
    """
    values = np.asarray(accuracy, dtype=np.float64)
    p = p_values(values, images, classes)
    mean = p_values([values.mean()], images, classes)[0]
    return bool((p <= ALPHA).mean() <= SHARE_AT_CHANCE and p.min() * len(p) >= CERTAIN and mean > ALPHA)
