"""A trained super-net as scorers borrow it that train it further; afterwards everything is as it was."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.tasks.loader import Batch, train_batches
from supernet.harness.scoring.norms import statistics
from supernet.harness.supernet.ops import BatchNorm
from supernet.harness.training.run import Run
from supernet.heuristics.meter import Meter


def check(name: str, whole: Mapping[str, int], amounts: Mapping[str, float], seed: int = 0) -> None:
    """Check the settings of a scorer.

    Args:
        name: the scorer, for the message.
        whole: setting -> value that must be a whole number of at least 1.
        amounts: setting -> value that must be a finite number from 0 on.
        seed: what must be a whole number from 0 on.

    Raises:
        UserError: a setting is out of its range.
    """
    for key, count in whole.items():
        if isinstance(count, bool) or not isinstance(count, int) or count < 1:
            raise UserError(f"{name}: {key} is a whole number of at least 1, not {count!r:.40}.")
    for key, value in amounts.items():
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 <= value < float("inf"):
            raise UserError(f"{name}: {key} is a finite number of at least 0, not {value!r:.40}.")
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UserError(f"{name}: seed is a whole number of at least 0, not {seed!r:.40}.")


@contextmanager
def lent(run: Run, meter: Meter) -> Iterator[None]:
    """Let a scorer train the run's network: in evaluation mode, without gradients at first, passes counted by `meter`.

    Afterwards weights, gradients, statistics of batch norm, the mode and the run's own meter are what they were.
    Evaluation mode switches dropout off, so that nothing in a step is random.
    """
    network, ctx = run.network, run.context
    state = {name: value.detach().clone() for name, value in network.state_dict().items()}
    gradients = [(p, p.grad) for p in network.parameters()]
    counts = [(m, m.batches) for m in network.modules() if isinstance(m, BatchNorm)]
    was_training, own = network.training, ctx.meter
    network.eval()
    ctx.meter = meter
    for p, _ in gradients:
        p.grad = None
    try:
        yield
    finally:
        ctx.meter = own
        network.train(was_training)
        network.load_state_dict(state)
        for p, gradient in gradients:
            p.grad = gradient
        for norm, batches in counts:
            norm.batches = batches


def training_batches(run: Run, size: int, seed: int) -> Iterator[Batch]:
    """Batches of training images without end, augmented as in training: those of the first epoch, then of the next.

    Args:
        size: images of a batch.
        seed: seed of order, crops and flips.

    Raises:
        UserError: there are fewer training images than a batch has.
    """
    for epoch in itertools.count():
        yield from train_batches(run.task.train, run.task, size, seed=seed, epoch=epoch)


def step(run: Run, arch: Arch, batch: Batch, optimiser: torch.optim.Optimizer, smoothing: float = 0.0) -> Tensor:
    """One step on one architecture, and its loss before the step, a scalar. Only weights that it uses change."""
    optimiser.zero_grad(set_to_none=True)
    loss = F.cross_entropy(run.context.logits(batch.images, arch), batch.labels, label_smoothing=smoothing)
    loss.backward()
    optimiser.step()
    return loss.detach()


def batch_statistics(run: Run) -> statistics:
    """A context in which batch norm uses the statistics of each batch, and keeps none."""
    return statistics(run.network, "batch")
