"""Pickers, which pick an architecture with shared weights: by the distribution, or by scores on validation images."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch, Archs, SearchSpace, space
from supernet.harness.search.algorithms.ask import Maker, search
from supernet.harness.search.algorithms.moves import moves
from supernet.harness.search.ledger import Budget, Ledger

if TYPE_CHECKING:
    from supernet.harness.search.objectives.supernet import SharedWeights
    from supernet.harness.training.run import Run


@dataclass(frozen=True)
class Pick:
    """An architecture that was picked."""

    arch: Arch
    images: int = 0
    """Number of images that were passed forward to find it, counted once per architecture."""
    asked: tuple[int, ...] = ()
    """Indices of the architectures whose ground truth was asked for to find it, which is charged."""


class Picker(Protocol):
    """Picks an architecture with the weights of a trained super-net."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick: ...


@dataclass(frozen=True)
class Likeliest:
    """Picks the most likely architecture of the distribution."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        assert run.learner is not None
        return Pick(run.learner.model.best())


@dataclass(frozen=True)
class LeastDispensable:
    """Picks the options whose removal from the mixture costs the most accuracy (DARTS-PT, Wang et al., ICLR 2021).

    From the paper and its code (ruocwang/darts-pt): decisions are made one by one in random order; for each, every
    option in turn is taken out of the mixture, the weights of the others staying as they are, and the option without
    which the validation accuracy is lowest is chosen, alone from then on. The paper trains the super-net further
    between the decisions, which a pick must not do: here the weights stay as they are. Of options with equal accuracy,
    the one with the largest weight in the mixture is chosen, our choice.
    """

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        from supernet.harness.scoring.supernet import accuracy_of  # imports torch, as in `_scores`

        assert run.learner is not None
        mixture = [row.to(run.device) for row in run.learner.mixture(run.context)]
        arch, passed = [0] * len(mixture), 0.0
        for decision in rng.permutation(len(mixture)).tolist():
            whole = mixture[decision]
            found: list[tuple[float, float, int]] = []
            for option in whole.nonzero()[:, 0].tolist():
                mixture[decision] = whole.clone()
                mixture[decision][option] = 0
                found.append((accuracy_of(run, tuple(mixture)), -float(whole[option]), option))
                passed += run.context.paths_of(tuple(mixture)) * run.recipe.evaluation.images
            arch[decision] = min(found)[2]
            mixture[decision] = whole.new_zeros(len(whole))
            mixture[decision][arch[decision]] = whole.sum()  # an edge keeps its weight among the edges into its node
        return Pick(tuple(arch), round(passed))


@dataclass(frozen=True)
class BestDrawn:
    """Picks the best-scored of some architectures drawn from the distribution, as ENAS and SETN do."""

    samples: int = 100
    """Number of architectures drawn, as in NAS-Bench-201's experiments."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        assert run.learner is not None
        model, within = run.learner.model, moves(run.recipe.space)
        drawn = {within.index(model.sample()) for _ in range(self.samples)}
        return _best_of(run, np.array(sorted(drawn)))


@dataclass(frozen=True)
class BestRandom:
    """Scores random architectures on one batch, and picks the best of those kept on all images (RandomNAS)."""

    samples: int = 100
    """Number of architectures scored on one batch."""
    kept: int = 10
    """Number of the best of these, which are scored on all images."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        indices = space(run.recipe.space).sample(rng, self.samples)
        one_batch = min(run.recipe.evaluation.batch_size, run.recipe.evaluation.images)
        order = np.argsort(-_scores(run, indices, one_batch), kind="stable")
        final = _best_of(run, indices[order[: self.kept]])
        return Pick(final.arch, final.images + _passed(run, len(indices), one_batch))


@dataclass(frozen=True)
class Evolved:
    """Evolves a population on scores with shared weights: half crossovers, half mutations of the best (SPOS).

    No architecture is scored twice: if a child is known already, another one is drawn. SPOS uses 50 architectures and
    20 generations; the defaults here score 100 architectures, as `BestRandom` does.
    """

    TRIES = 20
    """Largest number of rounds in which children of a generation are drawn, our choice: near the end of a small space
    most children are known already."""

    population: int = 20
    """Number of architectures of a generation."""
    generations: int = 5
    parents: int = 10
    """Number of the best architectures so far, from which children are made."""
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
        """Return the indices of the next generation, none of them scored before: (population,), fewer if none are left.

        Args:
            parents: indices of the parents.
            known: index -> score of all architectures scored so far.
        """
        found: dict[int, None] = {}
        for _ in range(self.TRIES):
            children = within.indices(self._children(within, within.archs(parents), rng))
            found |= {index: None for index in children.tolist() if index not in known}
            if len(found) >= self.population:
                break
        return np.array(list(found)[: self.population], dtype=np.int64)

    def _children(self, within: SearchSpace, parents: Archs, rng: np.random.Generator) -> Archs:
        """Return children of these parents, half crossovers and half mutations: (population, decisions)."""
        half = self.population // 2
        first, second = (parents[rng.integers(len(parents), size=half)] for _ in range(2))
        crossed = within.crossover(first, second, rng)
        chosen = parents[rng.integers(len(parents), size=self.population - half)]
        return np.concatenate([crossed, within.redraw(chosen, self.mutation, rng)])


@dataclass(frozen=True)
class Searched:
    """Picks the best architecture of a search that asks the super-net instead of a benchmark."""

    make: Maker
    """Makes the algorithm, any of those that query."""
    queries: int = 100
    """Number of queries, each of which scores one architecture on all images."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        objective = _objective(run, run.recipe.evaluation.images)
        trace = search(self.make, objective, Ledger(Budget("queries", self.queries)), int(rng.integers(1 << 31)))
        best = int(trace.incumbents()[-1])
        return Pick(objective.space.arch(best), objective.passed(len(trace.indices)))


@dataclass(frozen=True)
class BestOfLeaves:
    """Scores random architectures of every part of a super-net in parts, and asks for the ground truth of the best.

    This is the search of GM-NAS on NAS-Bench-201 (skhu101/GM-NAS): in each of its four parts, the best of random
    architectures by validation accuracy with shared weights; between the parts, the benchmark's accuracy decides, which
    is charged here. Before all splits are made, each part sends several architectures, so that a pick always costs
    about the same.

    Raises:
        UserError: no architecture has ground truth that can be asked for.
    """

    samples: int = 50
    """Number of architectures that are scored for each one that is asked for; the code scores 200."""
    leaves: int = 4
    """Number of architectures whose ground truth is asked for, if there are no more parts."""

    def __call__(self, run: Run, rng: np.random.Generator) -> Pick:
        from supernet.heuristics.methods.partition import Partition  # imports torch, as in `_scores`

        within, network = space(run.recipe.space), run.network
        assert run.oracle is not None, "a recipe with a method has one"
        truth, images = run.oracle.afresh(), run.recipe.evaluation.images
        parts = network.limits if isinstance(network, Partition) else [{}]
        each, sent, scored = -(-self.leaves // len(parts)), [], 0
        archs = within.archs(truth.known)
        for limits in parts:
            inside = [np.isin(archs[:, decision], options) for decision, options in limits.items()]
            members = truth.known[np.logical_and.reduce(inside)] if inside else truth.known
            drawn = rng.choice(members, min(self.samples * each, len(members)), replace=False)
            if len(drawn):
                order = np.argsort(-_scores(run, drawn, images), kind="stable")
                sent += drawn[order[:each]].tolist()
                scored += len(drawn)
        if not sent:
            raise UserError(
                f"No architecture of {within.name} has ground truth that can be asked for under this budget, because "
                "the table has no training times: give a budget in path passes (p)."
            )
        best = sent[int(np.argmax(truth.ask(sent)))]
        return Pick(within.arch(best), _passed(run, scored, images), tuple(truth.asked))


def _best_of(run: Run, indices: NDArray[np.int64]) -> Pick:
    """Pick the architecture with the best score on all scoring images."""
    images = run.recipe.evaluation.images
    best = int(indices[np.argmax(_scores(run, indices, images))])
    arch = tuple(space(run.recipe.space).archs(np.array([best]))[0].tolist())
    return Pick(arch, _passed(run, len(indices), images))


def _passed(run: Run, architectures: int, images: int) -> int:
    """Return the number of images passed forward to score this many architectures, including recalibration."""
    return _objective(run, images).passed(architectures)


def _scores(run: Run, indices: NDArray[np.int64], images: int) -> NDArray[np.float64]:
    """Return the scores of architectures on this many validation images, higher is better: (architectures,)."""
    return _objective(run, images).scores(indices)


def _objective(run: Run, images: int) -> SharedWeights:
    # This imports torch, for which a list of the algorithms need not wait.
    from supernet.harness.search.objectives.supernet import SharedWeights

    return SharedWeights(run, images)
