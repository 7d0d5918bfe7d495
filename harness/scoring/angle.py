"""The angle between the weights of an architecture before and after the training of a super-net."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.harness.scoring.scorer import Columns, Trained, run_of
from supernet.harness.training.run import Run, start
from supernet.heuristics.methods.apart import Several


@dataclass(frozen=True)
class Angle:
    """Scores by how far training has turned an architecture's weights (Hu et al., ECCV 2020).

    The angle is that between two vectors: all kernels of the operations that the architecture uses, in all cells, as
    they were drawn from the recipe's seed, and as they are now. No image is passed forward. A larger angle is taken as
    better, as in the paper. The paper concatenates the weights along every path from input to output, so that those of
    an operation on several paths count once for each path; here those of every operation count once, which gives other
    angles and may give another order. Our choice, too: operations without weights and those that the output does not
    depend on leave nothing in the vectors, and what all architectures share (stem, reductions, classifier) is left out.
    The angle of an architecture without kernels is 0. In DARTS cells, the kernels of an operation are those on all
    edges that its input of the node can be, whichever the architecture chooses.
    """

    run: Run | Trained = field(repr=False)

    @property
    def within(self) -> SearchSpace:
        return space(self._run.recipe.space)

    @property
    def _run(self) -> Run:
        return run_of(self.run)

    def score(self, indices: NDArray[np.int64]) -> Columns:
        """The column angle, in radians from 0 to pi: (n,).

        Raises:
            UserError: architectures have no kernels of their own, because several networks were trained or kernels are
                cut out of larger ones.
        """
        if isinstance(self._run.network, Several):
            raise UserError(
                "The angle compares the kernels of one network before and after training, but the methods of this run "
                "trained several."
            )
        if self._run.recipe.network.ofa_kernel != "own":
            raise UserError("The angle needs network.ofa_kernel=own: otherwise, small kernels are parts of large ones.")
        products = self._products()
        archs = self.within.archs(indices)
        live = self.within.live_operations(archs)
        sums = np.zeros((len(archs), 3))
        for place, decision in enumerate(self.within.operations):
            sums += products[place][archs[:, decision]] * live[:, [place]]
        scale = np.sqrt(sums[:, 1] * sums[:, 2])
        cosine = np.divide(sums[:, 0], scale, out=np.ones(len(archs)), where=scale > 0)
        return {"angle": np.arccos(np.clip(cosine, -1, 1))}

    def _products(self) -> list[NDArray[np.float64]]:
        """For each decision about an operation, of each option (options, 3): the inner product of its kernels before
        and after, and the squares of both norms."""
        run = self._run
        before = start(run.recipe, task=run.task, device=run.device, oracle=run.oracle).network
        found = []
        for decision in self.within.operations:
            rows = np.zeros((self.within.options[decision], 3))
            for option in range(len(rows)):
                pairs = zip(
                    before.parameters_of(decision, option), run.network.parameters_of(decision, option), strict=True
                )
                for old, new in pairs:
                    if old.dim() == 4:  # a kernel
                        a, b = old.detach().double(), new.detach().double()
                        rows[option] += torch.stack([(a * b).sum(), (a * a).sum(), (b * b).sum()]).cpu().numpy()
            found.append(rows)
        return found
