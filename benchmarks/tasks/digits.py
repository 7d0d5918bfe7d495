"""A task that needs no download: handwritten digits on cluttered colour canvases, made the same way every time.

The digits are the 1,797 of scikit-learn's `load_digits` (8 x 8 pixels, from the UCI set "Optical Recognition of
Handwritten Digits"). Each canvas shows one of them turned, sheared and scaled at a random place in a random colour, on
a background of two gradients, with fragments of other digits around it, patches over it, and noise. Colour, place and
clutter are independent of the class, so only the shape identifies it.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, lru_cache

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.tasks.split import Split, is_whole
from supernet.benchmarks.versions import DIGITS_VERSION
from supernet.benchmarks.wording import quoted

Floats = NDArray[np.float64]
Range = tuple[float, float]

MOST_CANVASES = 1_000_000
"""Largest number of canvases in one part, our choice: 0.77 GB at the usual 16 x 16 pixels."""
_BLOCK = 500
KEPT = 64
"""Blocks that are kept for who asks again, as every run of a study does: 25 MB at the usual size."""
_SOURCE = 8
_SHARES = (0.6, 0.2, 0.2)


@dataclass(frozen=True)
class DigitsRecipe:
    """Parameters of the canvases, all our choice; values are uniform in their ranges. Lengths in canvas pixels, angles
    in degrees."""

    size: int = 16
    scale: Range = (1.2, 1.7)
    """Canvas pixels per pixel of the 8 x 8 source, for digits and fragments."""
    angle: Range = (-25.0, 25.0)
    shear: Range = (-0.3, 0.3)
    shift: float = 3.0
    """Largest distance between the centres of digit and canvas, along each axis."""
    gradient: float = 40.0
    """Largest difference between a background corner and the background colour, per channel, of 255."""
    background: Range = (0.0, 90.0)
    """Range of each channel of the background colour."""
    ink: Range = (140.0, 255.0)
    """Range of each channel of digits and fragments. Ink is lighter than the background, so that small networks can
    learn the task."""
    fragments: int = 2
    fragment_size: Range = (4.0, 8.0)
    """Side of a fragment: a window on another digit, drawn behind the digit."""
    patches: int = 2
    patch_size: Range = (1.5, 3.5)
    """Side of the plain patches in front of the digit."""
    noise: Range = (4.0, 18.0)
    """Standard deviation of a canvas's pixel noise, of 255."""


def make_digits(
    train: int, valid: int, test: int, seed: int, recipe: DigitsRecipe | None = None
) -> tuple[Split, Split, Split]:
    """Training, validation and test canvases (n, 3, size, size), n as given for each.

    The three parts show different source digits. Every 500 canvases have 50 of each class; the first canvases do not
    depend on the number of canvases. Equal arguments give equal bits on one machine with one NumPy version.

    Raises:
        UserError: a number is not from 0 to MOST_CANVASES, or the seed not from 0 to 2^64 - 1.
    """
    for count in (train, valid, test):
        if not is_whole(count) or not 0 <= count <= MOST_CANVASES:
            raise UserError(f"From 0 to {MOST_CANVASES:,} canvases are made of each part, not {quoted(count)}.")
    check_seed(seed)
    recipe = recipe or DigitsRecipe()
    parts = [_split(recipe, (seed, DIGITS_VERSION, part), count) for part, count in enumerate((train, valid, test))]
    return parts[0], parts[1], parts[2]


def check_counts(*counts: int | None) -> None:
    """Raise UserError unless each number of images is None or a whole number of at least 1."""
    for count in counts:
        if count is not None and (not is_whole(count) or count < 1):
            raise UserError(f"Numbers of images are whole numbers and at least 1, not {quoted(count)}.")


def check_seed(seed: int) -> None:
    """Raise UserError unless the seed is a whole number from 0 to 2^64 - 1, as random number generators need."""
    if not is_whole(seed) or not 0 <= seed < 1 << 64:
        raise UserError(f"A seed is a whole number from 0 to 2^64 - 1, not {quoted(seed)}.")


@cache
def source_digits() -> list[tuple[Floats, NDArray[np.int64]]]:
    """Source digits for training, validation and test: ink (n, 8, 8) from 0 to 1, and classes (n,) in rising order.

    The division is fixed: 60, 20 and 20 % of each class.
    """
    from sklearn.datasets import load_digits  # imported here: it takes a second, which other tasks need not spend

    images, classes = load_digits(return_X_y=True)
    images = images.reshape(-1, _SOURCE, _SOURCE) / 16
    order = np.random.default_rng(0).permutation(len(classes))
    rows: tuple[list[NDArray[np.int64]], ...] = ([], [], [])
    for kind in range(10):
        members = order[classes[order] == kind]
        ends = np.rint(np.cumsum(_SHARES) * len(members)).astype(int)
        for part, piece in zip(rows, np.split(members, ends[:2]), strict=True):
            part.append(piece)
    return [(images[of_part], classes[of_part]) for of_part in map(np.concatenate, rows)]


def _split(recipe: DigitsRecipe, entropy: tuple[int, int, int], count: int) -> Split:
    """So many canvases of one part, of which the last number of the entropy is the place."""
    pixels, labels = np.empty((count, recipe.size, recipe.size, 3), np.uint8), np.empty(count, np.int64)
    for start in range(0, count, _BLOCK):
        rows = slice(start, min(start + _BLOCK, count))
        block = _block(recipe, entropy, start // _BLOCK)
        pixels[rows], labels[rows] = (values[: rows.stop - start] for values in block)
    return Split.of(pixels, labels)


@lru_cache(maxsize=KEPT)
def _block(
    recipe: DigitsRecipe, entropy: tuple[int, int, int], number: int
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """Canvases and classes of one block, which are not to be written to."""
    return _Maker(recipe, *source_digits()[entropy[-1]]).block(np.random.default_rng([*entropy, number]))


class _Maker:
    """Makes the canvases of one part, in blocks that have their own random numbers."""

    def __init__(self, recipe: DigitsRecipe, images: Floats, classes: NDArray[np.int64]) -> None:
        self.recipe, self.images = recipe, images
        self.starts = np.searchsorted(classes, np.arange(11))

    def block(self, rng: np.random.Generator) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
        """Canvases (n, size, size, 3) and classes (n,)."""
        recipe = self.recipe
        labels = rng.permutation(np.repeat(np.arange(10), _BLOCK // 10))
        canvas = _colour(rng, recipe.background) + self._gradient(rng)
        for _ in range(recipe.fragments):
            others = rng.integers(len(self.images), size=_BLOCK)
            ink = self._ink(rng, others, recipe.size / 2) * self._window(rng, recipe.fragment_size)
            _paint(canvas, ink, _colour(rng, recipe.ink))
        chosen = rng.integers(self.starts[labels], self.starts[labels + 1])
        _paint(canvas, self._ink(rng, chosen, recipe.shift), _colour(rng, recipe.ink))
        for _ in range(recipe.patches):
            _paint(canvas, self._window(rng, recipe.patch_size), _colour(rng, (0, 255)))
        canvas += rng.uniform(*recipe.noise, (_BLOCK, 1, 1, 1)) * rng.standard_normal(canvas.shape)
        return np.rint(canvas).clip(0, 255).astype(np.uint8), labels

    def _gradient(self, rng: np.random.Generator) -> Floats:
        """Differences from the background colour (n, size, size, 3), bilinear between the corners."""
        corners = rng.uniform(-self.recipe.gradient, self.recipe.gradient, (2, 2, _BLOCK, 1, 1, 3))
        ramp = np.linspace(0, 1, self.recipe.size)
        down, right = ramp[:, None, None], ramp[:, None]
        upper = corners[0, 0] * (1 - right) + corners[0, 1] * right
        lower = corners[1, 0] * (1 - right) + corners[1, 1] * right
        return upper * (1 - down) + lower * down

    def _window(self, rng: np.random.Generator, side: Range) -> Floats:
        """1 inside a rectangle with sides in this range, else 0, of shape (n, size, size)."""
        sides = np.rint(rng.uniform(*side, (2, _BLOCK, 1)))
        first = np.floor(rng.uniform(0, 1, (2, _BLOCK, 1)) * (self.recipe.size + 1 - sides))
        steps = np.arange(self.recipe.size)
        rows, columns = (steps >= first) & (steps < first + sides)
        return (rows[:, :, None] & columns[:, None, :]).astype(np.float64)

    def _ink(self, rng: np.random.Generator, sources: NDArray[np.int64], shift: float) -> Floats:
        """Ink (n, size, size) from 0 to 1 of source digits, warped by bilinear interpolation."""
        recipe = self.recipe
        scale = rng.uniform(*recipe.scale, (_BLOCK, 1, 1))
        angle = np.deg2rad(rng.uniform(*recipe.angle, (_BLOCK, 1, 1)))
        shear = rng.uniform(*recipe.shear, (_BLOCK, 1, 1))
        middle = (recipe.size - 1) / 2 + rng.uniform(-shift, shift, (2, _BLOCK, 1, 1))
        steps = np.arange(recipe.size)
        y, x = steps[:, None] - middle[0], steps - middle[1]
        v = (np.cos(angle) * y - np.sin(angle) * x) / scale
        u = (np.cos(angle) * x + np.sin(angle) * y) / scale + shear * v
        return bilinear(self.images[sources], v + (_SOURCE - 1) / 2, u + (_SOURCE - 1) / 2)


def bilinear(images: Floats, y: Floats, x: Floats) -> Floats:
    """Values of images (n, side, side) at these points (n, …), bilinear between pixels and 0 outside."""
    padded = np.pad(images, ((0, 0), (1, 1), (1, 1)))
    side = padded.shape[-1]
    y, x = (y + 1).clip(0, side - 1), (x + 1).clip(0, side - 1)
    top, left = np.minimum(y, side - 2).astype(np.int64), np.minimum(x, side - 2).astype(np.int64)
    down, right = y - top, x - left
    corner = (np.arange(len(images))[:, None, None] * side + top) * side + left
    upper = padded.take(corner) * (1 - right) + padded.take(corner + 1) * right
    lower = padded.take(corner + side) * (1 - right) + padded.take(corner + side + 1) * right
    return upper * (1 - down) + lower * down


def _colour(rng: np.random.Generator, values: Range) -> Floats:
    return rng.uniform(*values, (_BLOCK, 1, 1, 3))


def _paint(canvas: Floats, ink: Floats, colour: Floats) -> None:
    """Blend the colour in, in proportion to the ink."""
    canvas += ink[..., None] * (colour - canvas)
