"""How an architecture is picked with shared weights: by the distribution, or by scores on validation images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.spaces import Arch, Archs, SearchSpace, space
from supernet.harness.search.algorithms.moves import moves

if TYPE_CHECKING:
    from supernet.harness.training.run import Run


@dataclass(frozen=True)
class Pick:
    """An architecture, and how many images were passed forward to find it."""

    arch: Arch
    images: int = 0


class Picker(Protocol):
    """Picks an architecture of a trained super-net."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick: ...


@dataclass(frozen=True)
class Likeliest:
    """The likeliest of the distribution."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        assert run.learner is not None
        return Pick(run.learner.model.best())


@dataclass(frozen=True)
class BestDrawn:
    """The best-scored of some that are drawn from the distribution, as ENAS and SETN do (100 in NAS-Bench-201)."""

    samples: int = 100

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        assert run.learner is not None
        model, within = run.learner.model, moves(run.recipe.space)
        drawn = {within.index(model.sample()) for _ in range(self.samples)}
        return _best_of(run, np.array(sorted(drawn)))


@dataclass(frozen=True)
class BestRandom:
    """The best by all images among the random architectures that are the best by one batch (RandomNAS)."""

    samples: int = 100
    kept: int = 10

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        indices = space(run.recipe.space).sample(rng, self.samples)
        one_batch = min(run.recipe.evaluation.batch_size, run.recipe.evaluation.images)
        order = np.argsort(-_scores(run, indices, one_batch), kind="stable")
        final = _best_of(run, indices[order[: self.kept]])
        return Pick(final.arch, final.images + _passed(run, len(indices), one_batch))


@dataclass(frozen=True)
class Evolved:
    """Evolution of a population on scores of shared weights: half crossovers, half mutations of the best (SPOS).

    No architecture is scored twice: where a child is known already, another is drawn. SPOS takes 50 architectures and
    20 generations; the defaults here score as many as `BestRandom`.
    """

    TRIES = 20
    """Times that so many children are drawn at most, in spaces with few architectures left."""

    population: int = 20
    generations: int = 5
    parents: int = 10
    mutation: float = 0.1
    """Probability that a decision of a mutated parent is drawn anew."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        within = space(run.recipe.space)
        known: dict[int, float] = {}
        new = within.sample(rng, self.population)
        for _ in range(self.generations):
            values = _scores(run, new, run.recipe.evaluation.images)
            known |= dict(zip(new.tolist(), values.tolist(), strict=True))
            best = sorted(known, key=lambda index: -known[index])[: self.parents]
            new = self._unknown_children(within, np.array(best), known, rng)
            if not len(new):
                break
        arch = tuple(within.archs(np.array(best[:1]))[0].tolist())
        return Pick(arch, _passed(run, len(known), run.recipe.evaluation.images))

    def _unknown_children(
        self, within: SearchSpace, parents: NDArray[np.int64], known: Mapping[int, float], rng: np.random.Generator
    ) -> NDArray[np.int64]:
        """As many architectures as the population has, none of them scored before."""
        found: dict[int, None] = {}
        for _ in range(self.TRIES):
            children = within.indices(self._children(within, within.archs(parents), rng))
            found |= {index: None for index in children.tolist() if index not in known}
            if len(found) >= self.population:
                break
        return np.array(list(found)[: self.population], dtype=np.int64)

    def _children(self, within: SearchSpace, parents: Archs, rng: np.random.Generator) -> Archs:
        """Children of these parents, (population, decisions): half crossovers, half mutations."""
        half = self.population // 2
        first, second = (parents[rng.integers(len(parents), size=half)] for _ in range(2))
        crossed = within.crossover(first, second, rng)
        chosen = parents[rng.integers(len(parents), size=self.population - half)]
        return np.concatenate([crossed, within.redraw(chosen, self.mutation, rng)])


def _best_of(run: Run, indices: NDArray[np.int64]) -> Pick:
    images = run.recipe.evaluation.images
    best = int(indices[np.argmax(_scores(run, indices, images))])
    arch = tuple(space(run.recipe.space).archs(np.array([best]))[0].tolist())
    return Pick(arch, _passed(run, len(indices), images))


def _passed(run: Run, architectures: int, images: int) -> int:
    """Images passed forward to score so many architectures, with those that recalibrate their batch norm."""
    e = run.recipe.evaluation
    calibration = e.recalibration_batches * min(e.batch_size, images) if e.bn == "recalibrate" else 0
    return architectures * (images + calibration)


def _scores(run: Run, indices: NDArray[np.int64], images: int) -> NDArray[np.float64]:
    """Higher is better: (architectures,)."""
    from supernet.harness.scoring.supernet import (
        rank,  # which imports torch: a list of the algorithms need not wait for it
    )

    protocol = replace(run.recipe.evaluation, images=images)
    scores = rank(run, indices, evaluation=protocol)
    return -scores.loss if protocol.metric == "loss" else scores.accuracy
