"""Methods that plan: which paths a training step takes through the super-net (`sampling.law`).

Strict fairness is FairNAS (Chu et al., ICCV 2021), the uniform single path SPOS (Guo et al., ECCV 2020) and
RandomNAS (Li and Talwalkar, UAI 2019), the sandwich rule BigNAS (Yu et al., ECCV 2020).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import SearchSpace
from supernet.heuristics.hooks import Context, Method
from supernet.heuristics.recipe import Recipe, RecipeError
from supernet.heuristics.registry import entry
from supernet.heuristics.routes import Path, Routing


class Uniform(Method):
    """Plans `paths` paths per step and draws every decision independently (SPOS; Random-NAS of Yu et al., 2021)."""

    def __init__(self, space: SearchSpace, paths: int, cells: int, with_none: bool) -> None:
        self._draws, self._cells = paths, cells
        self._low, self._high = _option_range(space, with_none)

    def plan(self, ctx: Context) -> list[Path]:
        shape = (self._draws, self._cells, len(self._high))
        return [_path(rows) for rows in ctx.rng.integers(self._low, self._high, size=shape).tolist()]


class UniformOver(Method):
    """Plans `paths` paths per step, drawn from a list of architectures (Random-A: one member per class).

    Args:
        members: indices of the architectures: (members,).
    """

    def __init__(self, space: SearchSpace, members: NDArray[np.int64], paths: int) -> None:
        self._archs, self._paths = space.archs(members), paths

    def plan(self, ctx: Context) -> list[Path]:
        rows = ctx.rng.integers(len(self._archs), size=self._paths)
        return [Path(tuple(arch)) for arch in self._archs[rows].tolist()]


class UniformOverClasses(Method):
    """Plans `paths` paths per step, each of a functional class drawn uniformly, in spaces that cannot be listed.

    Architectures are drawn until one is the first of its class, so that every class is equally likely. The first of a
    class must be one that training may sample if any of the class is.
    """

    BLOCK = 64
    """Architectures that are drawn at a time: our choice."""

    def __init__(self, space: SearchSpace, paths: int, with_none: bool) -> None:
        self._space, self._paths = space, paths
        self._low, self._high = _option_range(space, with_none)

    def plan(self, ctx: Context) -> list[Path]:
        found: list[list[int]] = []
        while len(found) < self._paths:
            archs = ctx.rng.integers(self._low, self._high, size=(self.BLOCK, len(self._high)))
            indices = self._space.indices(archs)
            found += archs[self._space.same_function(indices) == indices].tolist()
        return [Path(tuple(arch)) for arch in found[: self._paths]]


class StrictFair(Method):
    """Trains the options of each decision equally often in each step, or with numbers that differ by one (FairNAS).

    A step has one path for each option of the largest decision. Each decision goes through its own random permutation
    of its options. A decision with fewer options than there are paths (in 1Shot1 and DARTS cells) goes through further
    permutations, the last of which may be cut short, so that its options are equally frequent on average alone. In
    NAS-Bench-201 all decisions have equally many options, and every option is trained once per step.
    """

    def __init__(self, space: SearchSpace, cells: int, with_none: bool) -> None:
        self._low, self._high = _option_range(space, with_none)
        self._cells = cells
        self._paths = int((self._high - self._low).max())

    def plan(self, ctx: Context) -> list[Path]:
        table = np.empty((self._cells, len(self._high), self._paths), dtype=np.int64)
        for cell in range(self._cells):
            for decision, (low, high) in enumerate(zip(self._low.tolist(), self._high.tolist(), strict=True)):
                rounds = -(-self._paths // (high - low))
                order = np.concatenate([ctx.rng.permutation(high - low) for _ in range(rounds)])
                table[cell, decision] = low + order[: self._paths]
        return [_path(table[:, :, k].tolist()) for k in range(self._paths)]


class Sandwich(Method):
    """Plans the largest, the smallest and two random architectures; the largest teaches the others (BigNAS).

    `SearchSpace.extremes` gives the largest and the smallest architecture.
    """

    RANDOM = 2
    """Number of random architectures per step, as in BigNAS."""

    def __init__(self, space: SearchSpace, cells: int, with_none: bool) -> None:
        extremes = space.extremes()
        if extremes is None:
            raise RecipeError(
                f"sampling.law=sandwich needs a largest and a smallest architecture; {space.name} has none."
            )
        self._largest, self._smallest = extremes
        self._random = Uniform(space, self.RANDOM, cells, with_none)

    def plan(self, ctx: Context) -> list[Path]:
        largest, smallest = Path(self._largest, role="teacher"), Path(self._smallest, role="student")
        return [largest, smallest, *(Path(p.routing, role="student") for p in self._random.plan(ctx))]


class Fixed(Method):
    """Plans the same architecture in every step: stand-alone training."""

    def __init__(self, space: SearchSpace, text: str) -> None:
        self._path = Path(space.parse(text))

    def plan(self, ctx: Context) -> list[Path]:
        return [self._path]


def _over_architectures(space: SearchSpace, recipe: Recipe, _: int) -> Method:
    """Make the sampler of distinct architectures; without a list of them where every architecture is distinct."""
    paths, with_none = recipe.sampling.paths, recipe.sampling.with_none
    if not space.enumerable and space.distinct_class is None:
        return Uniform(space, paths, 1, with_none)
    return UniformOver(space, _distinct(space, with_none), paths)


def _over_classes(space: SearchSpace, recipe: Recipe, _: int) -> Method:
    """Make the sampler of functional classes."""
    paths, with_none = recipe.sampling.paths, recipe.sampling.with_none
    if not space.enumerable:
        return UniformOverClasses(space, paths, with_none)
    return UniformOver(space, _functional(space, with_none), paths)


def _option_range(space: SearchSpace, with_none: bool) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first option of each decision and one past the last: (decisions,) twice."""
    low = np.zeros_like(space.cardinalities)
    if not with_none:
        low[space.operations] = space.first_working
    return low, space.cardinalities


def _path(rows: list[list[int]]) -> Path:
    """Make a path from the options of each cell: (cells, decisions)."""
    cells: tuple[Routing, ...] = tuple(tuple(row) for row in rows)
    return Path(cells[0] if len(cells) == 1 else cells)


SAMPLERS: dict[str, Callable[[SearchSpace, Recipe, int], Method]] = {
    "uniform": lambda space, r, cells: Uniform(space, r.sampling.paths, cells, r.sampling.with_none),
    "architectures": _over_architectures,
    "classes": _over_classes,
    "fair": lambda space, r, cells: StrictFair(space, cells, r.sampling.with_none),
    "sandwich": lambda space, r, cells: Sandwich(space, cells, r.sampling.with_none),
    "fixed": lambda space, r, _: Fixed(space, r.sampling.architecture or ""),
}
"""Law -> function that makes its sampler from a space, a recipe, and the number of cells that draw independently."""


def sampler_for(space: SearchSpace, recipe: Recipe, cells: int) -> Method:
    """Make the sampler of a recipe.

    Args:
        cells: number of cells of the network, used by recipes that draw an architecture for each.
    """
    return SAMPLERS[recipe.sampling.law](space, recipe, cells if recipe.sampling.per_cell else 1)


def passes_per_step(ctx: Context) -> int:
    """Return the number of passes of a whole batch on the paths of a step, at most; 1 under a method that plans."""
    sampling, d = ctx.recipe.sampling, ctx.recipe.distribution
    if sampling.batch == "split" or any(entry(chosen.name).has("plan") for chosen in ctx.recipe.methods):
        return 1
    if sampling.law == "distribution":
        return d.samples if d.step == "importance" else 1
    apart = replace(ctx, rng=np.random.default_rng(0))  # the training's own numbers stay as they are
    return len(sampler_for(ctx.space, ctx.recipe, 1).plan(apart))


def _trainable(space: SearchSpace, members: NDArray[np.int64], with_none: bool) -> NDArray[np.int64]:
    """Keep the architectures that training may sample: all of them, or those without the operation none."""
    if with_none:
        return members
    return members[(space.archs(members)[:, space.operations] >= space.first_working).all(axis=1)]


def _distinct(space: SearchSpace, with_none: bool) -> NDArray[np.int64]:
    """Return the indices of distinct architectures that training may sample, ascending: (distinct,)."""
    return _trainable(space, space.distinct(), with_none)


def _functional(space: SearchSpace, with_none: bool) -> NDArray[np.int64]:
    """Return the first trainable architecture of each functional class, ordered by class: (classes,)."""
    members = _trainable(space, space.every_index("sampling.law=classes"), with_none)
    return members[np.unique(space.same_function(members), return_index=True)[1]]
