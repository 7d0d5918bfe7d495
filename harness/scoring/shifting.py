"""Super-net shifting: every architecture that is scored first moves the super-net's weights towards itself."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.harness.scoring.lent import check, lent, step, training_batches
from supernet.harness.scoring.scorer import Columns, Trained, run_of
from supernet.harness.scoring.supernet import first_alike, images_passed, rank
from supernet.harness.training.run import Run
from supernet.heuristics.meter import Meter
from supernet.heuristics.sections import EvaluationSection


@dataclass(frozen=True)
class Shifted:
    """Scores of architectures after some steps each, which stay in the super-net (arXiv:2403.11380, CVPR 2024).

    The architectures are visited one after the other; each takes some steps of SGD on further training batches, and is
    then scored by the protocol. Its steps change what later ones score: **scores depend on the order of the visits**,
    which `seed` decides, and early visits are not comparable with late ones in the strict sense. Different networks are
    visited once each. Batch norm is as in training; dropout is off. The run's weights are restored after the last.

    The published method visits what an evolutionary search proposes. A fixed set in random order is our choice, so that
    the same architectures can be compared under other scorers. Defaults are those of the released code (`search.py` and
    `tester.py` of beichenzbc/Supernet-shifting), which has one optimiser for all visits.
    """

    run: Run | Trained = field(repr=False)
    """The trained super-net."""
    steps: int = 20
    """Steps of every visit."""
    batch_size: int = 150
    learning_rate: float = 1e-4
    momentum: float = 0.9
    weight_decay: float = 4e-5
    label_smoothing: float = 0.1
    seed: int = 0
    """Seed of the order of the visits and of the batches."""
    protocol: EvaluationSection | None = None
    """How each one is scored; by default as the recipe says."""
    meter: Meter = field(default_factory=Meter, repr=False, compare=False)
    """Images passed forward and backward by all calls of `score`, those scored on included."""

    def __post_init__(self) -> None:
        check(
            "Shifted",
            {"steps": self.steps, "batch_size": self.batch_size},
            {
                "learning_rate": self.learning_rate,
                "momentum": self.momentum,
                "weight_decay": self.weight_decay,
            },
            self.seed,
        )
        share = self.label_smoothing
        if isinstance(share, bool) or not isinstance(share, int | float) or not 0 <= share <= 1:
            raise UserError(f"Shifted: label_smoothing is a share from 0 to 1, not {share!r:.40}.")

    @property
    def within(self) -> SearchSpace:
        return space(run_of(self.run).recipe.space)

    def order(self, indices: NDArray[np.int64]) -> NDArray[np.int64]:
        """The networks in the order of their visits, each by the index of the first architecture that has it."""
        run, within = run_of(self.run), self.within
        members = np.unique(first_alike(run, within.checked_indices(indices)))
        return np.random.default_rng(self.seed).permutation(members)

    def score(self, indices: NDArray[np.int64]) -> Columns:
        """The columns negative_loss and accuracy (percent), each (n,), after the steps of the visit.

        Raises:
            UserError: there are no architectures, or fewer images than a batch or the protocol has.
        """
        run, within = run_of(self.run), self.within
        if not len(indices):
            raise UserError("There are no architectures to score.")
        visits = self.order(indices)
        protocol = self.protocol or run.recipe.evaluation
        batches = training_batches(run, self.batch_size, self.seed)
        loss, accuracy = np.empty(len(visits)), np.empty(len(visits))
        with lent(run, self.meter):
            optimiser = torch.optim.SGD(
                run.network.parameters(), self.learning_rate, momentum=self.momentum, weight_decay=self.weight_decay
            )
            for number, arch in enumerate(within.archs(visits).tolist()):
                for batch in itertools.islice(batches, self.steps):
                    step(run, tuple(arch), batch, optimiser, self.label_smoothing)
                scores = rank(run, visits[[number]], evaluation=protocol)
                loss[number], accuracy[number] = scores.loss[0], scores.accuracy[0]
                self.meter.forward += images_passed(protocol, 1)
        place = np.argsort(visits)
        firsts = first_alike(run, within.checked_indices(indices))
        position = place[np.searchsorted(visits[place], firsts)]
        return {"negative_loss": -loss[position], "accuracy": accuracy[position]}
