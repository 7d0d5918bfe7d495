"""Scorers, which give scores to architectures: shared weights under a protocol, and learned distributions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.wording import quoted
from supernet.harness.scoring.ranked import protocol_of
from supernet.harness.scoring.selection import Wanted, selected
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.run import Run
from supernet.heuristics.sections import EvaluationSection

Columns = dict[str, NDArray[np.float64]]
"""Name of a score -> its values, higher is better: (n,)."""


class Trained(Protocol):
    """An object with a super-net, such as the result of `supernet.train`."""

    @property
    def run(self) -> Run: ...


def run_of(run: Run | Trained) -> Run:
    """The run itself, or that of an object which has one.

    Raises:
        UserError: it is neither.
    """
    found = run if isinstance(run, Run) else getattr(run, "run", None)
    if not isinstance(found, Run):
        raise UserError(f"A scorer takes a trained super-net, not {quoted(run)}; `supernet.train` gives one.")
    return found


class Scorer(Protocol):
    """Scores architectures of one space."""

    @property
    def within(self) -> SearchSpace:
        """The space."""
        ...

    def score(self, indices: NDArray[np.int64]) -> Columns:
        """Scores of the architectures with these indices, (n,)."""
        ...


@dataclass(frozen=True)
class SharedWeights:
    """Scores by a trained super-net under an evaluation protocol, by default that of its recipe."""

    run: Run = field(repr=False)
    protocol: EvaluationSection | None = None

    @property
    def within(self) -> SearchSpace:
        return space(self.run.recipe.space)

    def score(self, indices: NDArray[np.int64]) -> Columns:
        """The columns negative_loss and accuracy (percent), each (n,)."""
        scores = rank(self.run, indices, evaluation=self.protocol)
        return {"negative_loss": -scores.loss, "accuracy": scores.accuracy}


@dataclass(frozen=True)
class Likelihood:
    """Scores by the distribution over architectures that a run has learned."""

    run: Run = field(repr=False)

    @property
    def within(self) -> SearchSpace:
        return space(self.run.recipe.space)

    def score(self, indices: NDArray[np.int64]) -> Columns:
        """The column log_probability, (n,), as natural logarithm.

        Raises:
            UserError: the run has learned no distribution.
        """
        if self.run.learner is None:
            raise UserError("This run has learned no distribution over architectures: its recipe has none.")
        model = self.run.learner.model
        with torch.no_grad():
            values = [float(model.log_prob(tuple(arch))) for arch in self.within.archs(indices).tolist()]
        return {"log_probability": np.array(values)}


def side_by_side(scorers: Mapping[str, Scorer], indices: NDArray[np.int64]) -> pd.DataFrame:
    """Scores of the same architectures by several scorers: columns index, arch, and NAME.COLUMN for each score.

    Raises:
        UserError: the scorers are of different spaces, or there are none.
    """
    spaces = {scorer.within.name: scorer.within for scorer in scorers.values()}
    if len(spaces) != 1:
        raise UserError(f"Scores stand side by side within one space, not {len(spaces)}.")
    (within,) = spaces.values()
    columns = {
        f"{name}.{column}": values
        for name, scorer in scorers.items()
        for column, values in scorer.score(indices).items()
    }
    archs = [within.string(arch) for arch in within.archs(indices).tolist()]
    return pd.DataFrame({"index": indices, "arch": archs, **columns})


def score(
    run: Run | Trained, protocols: Mapping[str, str | Sequence[str]], archs: Wanted = "all", *, sample_seed: int = 0
) -> pd.DataFrame:
    """Scores of one super-net under several evaluation protocols, side by side; `correlate` compares them.

    Args:
        run: the trained super-net.
        protocols: name -> changes of the recipe's evaluation section, such as ["evaluation.bn=recalibrate"], of which
            a single one may be a text; an empty list stands for the recipe's own protocol.
        archs: the architectures, as for `rank`; a number samples from the whole space.
        sample_seed: seed of that sample.

    Raises:
        UserError: a protocol or the architectures cannot be used.
    """
    run = run_of(run)
    scorers = {name: SharedWeights(run, protocol_of(run.recipe, changes)) for name, changes in protocols.items()}
    return side_by_side(scorers, selected(space(run.recipe.space), archs, sample_seed))
