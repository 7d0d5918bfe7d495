"""A measurement of how similar the gradients are that two architectures give the operations that they share."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.heuristics.hooks import Context
from supernet.heuristics.measuring import Measure, pairs_of
from supernet.heuristics.methods.looks import Look, looks
from supernet.heuristics.registry import method


@method("interference")
class Interference(Measure):
    """Measures how similar the gradients are that two architectures give a shared operation (Xu et al., ICML 2022).

    Pairs of architectures have an operation in common and differ in 1, 2, ... other decisions (`measuring.pairs_of`).
    Both are passed forward and backward on the same training images, with cross-entropy as the loss. There is one row
    for each pair, each cell, and each operation with weights that both have at the same place and use. Its columns are
    the pair, first, second and distance, the cell (from 1, in the order of the network), the decision and the
    operation, and three cosines, each between -1 and 1, of all values at once: `cosine` of the gradients of the
    weights, `inputs` of the inputs of the operation, and `output_gradients` of the gradients of its output. A cosine is
    empty where it is not defined: for a gradient of zero, or tensors of different widths.

    From the paper: the cosine of the gradients, and the question whether it falls with the number of differing
    operations and rises with the similarity of inputs and outputs. Our choice: the pairs, and everything about images.
    """

    splits = ("train",)

    def start_epoch(self, ctx: Context) -> None:
        super().start_epoch(ctx)
        options = (
            (decision, option) for decision in ctx.space.operations for option in range(ctx.space.options[decision])
        )
        if not any(ctx.network.operations_of(*one) for one in options):
            raise UserError(
                "methods.interference finds no operation to compare: the super-net of this recipe does not name the "
                "modules of its operations (Supernet.operations_of). Leave out this method, or the one that changes "
                "the network."
            )

    def measure(self, ctx: Context) -> list[dict[str, Any]]:
        rows = []
        for pair in pairs_of(ctx, self.pairs):
            shared = {d: a for d, (a, b) in enumerate(zip(pair.first, pair.second, strict=True)) if a == b}
            first, second = (looks(ctx, arch, shared, self.batch("train")) for arch in (pair.first, pair.second))
            for cell, decision in sorted(first.keys() & second.keys()):
                about = ctx.space.decisions[decision]
                place = {"cell": cell + 1, "decision": about.name, "operation": about.options[shared[decision]]}
                rows.append(
                    {**pair.columns(ctx.space), **place, **_cosines(first[cell, decision], second[cell, decision])}
                )
        return rows


def _cosines(one: Look, other: Look) -> dict[str, float | None]:
    """Return the columns `cosine`, `inputs` and `output_gradients` of a row."""
    return {
        "cosine": cosine(one.gradient, other.gradient),
        "inputs": cosine(one.inputs, other.inputs),
        "output_gradients": cosine(one.output_gradients, other.output_gradients),
    }


def cosine(a: Tensor, b: Tensor) -> float | None:
    """Return the cosine of two tensors as vectors; None where there is none: for a length of 0, or for two shapes."""
    if a.shape != b.shape:
        return None
    a, b = a.double().flatten(), b.double().flatten()
    lengths = float(a.norm() * b.norm())
    return float(a @ b) / lengths if lengths > 0 else None
