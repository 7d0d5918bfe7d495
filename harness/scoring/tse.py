"""TSE: architectures by the losses of a few steps of training, from a super-net's weights."""

from __future__ import annotations

import hashlib
import itertools
import math
import time
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import check_place
from supernet.benchmarks.spaces import Arch, SearchSpace, space
from supernet.benchmarks.tasks.loader import Batch
from supernet.harness.scoring import partial
from supernet.harness.scoring.lent import batch_statistics, check, lent, step, training_batches
from supernet.harness.scoring.scorer import Columns, Trained, run_of
from supernet.harness.scoring.supernet import add_to, first_alike, images_passed, rank
from supernet.harness.training.run import Run
from supernet.heuristics.meter import Meter
from supernet.heuristics.sections import EvaluationSection

NAME = ".tse.partial.npz"
"""Name of the file from which an interrupted scoring continues."""
COLUMNS = 4
"""Numbers that are kept of each network: sum of losses, images forward, images backward, and 1."""
SAVE_SECONDS = 15.0
"""Least seconds between two saves, our choice."""


@dataclass(frozen=True)
class TSE:
    """Scores by the sum of training losses (Ru et al., Speedy performance estimation, NeurIPS 2021).

    Every architecture starts from the super-net's weights and is trained alone for some batches; its score is minus the
    sum of the batches' losses, each taken before the step. All see the same batches in the same order. The optimiser is
    fresh for each, batch norm uses the statistics of the batch, and dropout is off. The run's weights are restored.

    Batch size, constant learning rate and weight decay are those of the released code (`search-cell.py` and
    `train_loop.py` of rubinxin/TSE); its momentum is taken to be that of NAS-Bench-201's weight-sharing
    configurations, on which it builds. It trains for 100 batches by default; 20 are our choice, as is `best`.
    """

    run: Run | Trained = field(repr=False)
    """The trained super-net."""
    best: float = 0.2
    """Share of the different networks that are trained, those with the lowest plain loss. The others keep the order of
    the plain loss and rank below. With 1, no plain loss is computed."""
    batches: int = 20
    batch_size: int = 64
    learning_rate: float = 1e-3
    momentum: float = 0.9
    weight_decay: float = 5e-4
    seed: int = 0
    """Seed of the batches."""
    protocol: EvaluationSection | None = None
    """The protocol of the plain loss; by default that of the recipe."""
    out: Path | str | None = None
    """Folder in which an interrupted scoring is saved, and from which it continues."""
    meter: Meter = field(default_factory=Meter, repr=False, compare=False)
    """Images passed forward and backward by all calls of `score`; what a continued call found done counts, too."""

    def __post_init__(self) -> None:
        check(
            "TSE",
            {"batches": self.batches, "batch_size": self.batch_size},
            {"learning_rate": self.learning_rate, "momentum": self.momentum, "weight_decay": self.weight_decay},
            self.seed,
        )
        if isinstance(self.best, bool) or not isinstance(self.best, int | float) or not 0 < self.best <= 1:
            raise UserError(f"TSE: best is a share above 0 and up to 1, not {self.best!r:.40}.")
        if self.out is not None:
            check_place(Path(self.out), "TSE: out", folder=True)

    @property
    def within(self) -> SearchSpace:
        return space(run_of(self.run).recipe.space)

    def score(self, indices: NDArray[np.int64]) -> Columns:
        """The column tse, (n,): minus the sum of losses; for networks that are not trained, numbers below all of these.

        Networks whose losses are not finite share a score between the two.

        Raises:
            UserError: there are no architectures, or fewer training images than a batch has.
        """
        run, within = run_of(self.run), self.within
        rows = within.checked_indices(indices)
        if not len(rows):
            raise UserError("There are no architectures to score.")
        members, position = np.unique(first_alike(run, rows), return_inverse=True)
        count = math.ceil(self.best * len(members))
        plain = np.zeros(len(members)) if count == len(members) else self._plain(run, members)
        order = np.argsort(plain, kind="stable")
        trained = np.sort(order[:count])
        sums = np.full(len(members), np.nan)
        sums[trained] = self._trained(run, members[trained])
        return {"tse": below(-sums, -plain, trained)[position]}

    def _plain(self, run: Run, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """The loss of each network as it is: (members,)."""
        protocol = self.protocol or run.recipe.evaluation
        scores = rank(run, members, evaluation=protocol)
        self.meter.forward += images_passed(protocol, scores.distinct)
        return scores.loss

    def _trained(self, run: Run, members: NDArray[np.int64]) -> NDArray[np.float64]:
        """The sum of losses of each network while it is trained alone: (members,)."""
        batches = list(itertools.islice(training_batches(run, self.batch_size, self.seed), self.batches))
        path = Path(self.out) / NAME if self.out is not None else None
        if path:
            path.parent.mkdir(parents=True, exist_ok=True)
        identity = self._identity(run, batches, members) if path else ""
        kept, _ = (
            partial.resume(path, identity, len(members), columns=COLUMNS)
            if path
            else partial.nothing(len(members), COLUMNS)
        )
        saved = time.perf_counter()
        try:
            for row, arch in enumerate(self.within.archs(members).tolist()):
                if not kept[row, -1]:
                    kept[row] = self._one(run, tuple(arch), batches)
                if path and time.perf_counter() - saved > SAVE_SECONDS:
                    partial.save(path, identity, kept)
                    saved = time.perf_counter()
        except BaseException:
            if path:
                partial.save(path, identity, kept)
            raise
        self.meter.forward += float(kept[:, 1].sum())
        self.meter.backward += float(kept[:, 2].sum())
        if path:
            path.unlink(missing_ok=True)
        return kept[:, 0].numpy()

    def _one(self, run: Run, arch: Arch, batches: list[Batch]) -> torch.Tensor:
        """What is kept of one network: (COLUMNS,)."""
        meter, total = Meter(), torch.zeros((), dtype=torch.float64, device=run.device)
        with lent(run, meter), batch_statistics(run):
            optimiser = torch.optim.SGD(
                run.network.parameters(),
                self.learning_rate,
                momentum=self.momentum,
                nesterov=self.momentum > 0,
                weight_decay=self.weight_decay,
            )
            for batch in batches:
                total += step(run, arch, batch, optimiser)
        return torch.tensor([float(total), meter.forward, meter.backward, 1.0], dtype=torch.float64)

    def _identity(self, run: Run, batches: list[Batch], members: NDArray[np.int64]) -> str:
        """Digest of all that the sums of losses of these networks depend on."""
        how = (self.learning_rate, self.momentum, self.weight_decay, run.device.type, torch.__version__)
        digest = hashlib.sha256(repr((run.recipe.hash, how, members.tolist())).encode())
        for name, value in run.network.state_dict().items():
            add_to(digest, name, value)
        for images, labels, _ in batches:
            add_to(digest, "images", images)
            add_to(digest, "labels", labels)
        return digest.hexdigest()


def below(scores: NDArray[np.float64], plain: NDArray[np.float64], chosen: NDArray[np.int64]) -> NDArray[np.float64]:
    """Scores of the chosen ones, and below all of these the order of the plain scores: (n,).

    Args:
        scores: (n,); only those of the chosen ones count. Those that are not finite are 1 below the lowest finite one.
        plain: the scores that order all others, higher is better: (n,). Equal ones stay equal.
        chosen: places of the chosen ones.
    """
    found = np.empty(len(scores))
    known = scores[chosen]
    finite = np.isfinite(known)
    floor = (known[finite].min() if finite.any() else 0.0) - 1
    found[chosen] = np.where(finite, known, floor)
    others = np.setdiff1d(np.arange(len(scores)), chosen)
    _, place = np.unique(np.nan_to_num(-plain[others], nan=np.inf), return_inverse=True)
    found[others] = floor - 1 - place
    return found
