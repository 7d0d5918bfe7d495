"""The one training loop: super-nets, and single architectures, which are super-nets with one path.

Everything random in an epoch depends on the seed and the epoch alone, so that a run resumed from the checkpoint of any
epoch draws what one that never stopped draws. On a CPU both end with the same bits, given the same machine and number
of threads. On a GPU they need not: cuDNN may choose another algorithm, and some sums are added up in no fixed order.
Nothing is set against that here; `run_folder.environment` records what torch is set to.
"""

from __future__ import annotations

import dataclasses
import itertools
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import train_batches
from supernet.benchmarks.tasks.task import Task, load_task
from supernet.harness.supernet.build import build_network
from supernet.harness.supernet.nb201 import fair
from supernet.harness.training import folder
from supernet.heuristics import recipe as recipes
from supernet.heuristics.distribution.learner import Learner, learner_for
from supernet.heuristics.extras import extras_for
from supernet.heuristics.hooks import Context, LossTerm, NotFinite, Sampler, StepRule
from supernet.heuristics.methods.losses import losses_for
from supernet.heuristics.methods.samplers import sampler_for
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.recipe import Recipe, TrainingSection

CHECK_STEPS = 50
"""Steps between two looks at whether the loss is finite, for which a GPU has to be waited for."""


class Diverged(UserError):
    """The loss stopped being finite; the text says where."""


@dataclass(frozen=True)
class Progress:
    """Where a run is, for a progress bar."""

    epoch: int
    step: int
    steps: int
    loss: float
    accuracy: float
    images_per_second: float


@dataclass
class Run:
    """A super-net in training, or trained."""

    recipe: Recipe
    task: Task
    network: torch.nn.Module
    optimiser: torch.optim.Optimizer
    learner: Learner | None = None
    """Of a distribution over architectures, where the recipe has one."""
    epoch: int = 0
    """Epochs done."""
    log: list[dict[str, Any]] = field(default_factory=list)
    """One entry per epoch."""

    @property
    def device(self) -> torch.device:
        return self.task.train.images.device


def start(recipe: Recipe, *, task: Task | None = None, device: str | torch.device = "cpu") -> Run:
    """A run at its beginning: weights initialised from the recipe's seed, nothing trained yet.

    Args:
        task: the recipe's task, where it is loaded already.

    Raises:
        UserError: this machine has no such device.
    """
    device = usable(device)
    if task is None:
        task = load_task(**dataclasses.asdict(recipe.task))
    task = task.to(device)
    with _own_random_numbers(torch.device("cpu")):
        _seed(torch.device("cpu"), recipe.seed)
        network = build_network(recipe, task.classes).to(device)
        learner = learner_for(space(recipe.space), recipe)
    t = recipe.training
    optimiser = torch.optim.SGD(
        network.parameters(),
        t.learning_rate,
        momentum=t.momentum,
        nesterov=t.nesterov,
        weight_decay=t.weight_decay,
        fused=True,
    )
    if t.momentum:
        # The fused step wants all buffers or none; a buffer of zeros gives the first step that none would.
        for parameter in network.parameters():
            optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    if t.unsampled == "zero":
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
    return Run(recipe, task, network, optimiser, learner)


@contextmanager
def _own_random_numbers(device: torch.device) -> Iterator[None]:
    """Leave the caller's generators as they were: torch's of the CPU and of this device, NumPy's and Python's."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def _seed(device: torch.device, seed: int) -> None:
    """Seed torch's generators of the CPU and of this device; `torch.manual_seed` would seed those of all devices."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def usable(device: str | torch.device) -> torch.device:
    """The device.

    Raises:
        UserError: this machine has none such.
    """
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UserError(f"There is no device {device!r}; there is cpu, and cuda with an NVIDIA GPU.") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UserError("The device cuda needs an NVIDIA GPU and a build of torch with CUDA; torch sees none here.")
    return chosen


def train(
    recipe: Recipe,
    out: Path | None = None,
    *,
    task: Task | None = None,
    device: str | torch.device = "cpu",
    resume: bool = False,
    progress: Callable[[Progress], None] | None = None,
    after_epoch: Callable[[Run], None] | None = None,
) -> Run:
    """Train a super-net by its recipe.

    Args:
        out: folder for the resolved recipe, the log and a checkpoint of every epoch; without it nothing is written.
        resume: go on from the checkpoint in `out`.
        progress: called a few times a second.
        after_epoch: called after every epoch, before its checkpoint is written.

    Raises:
        Diverged: the loss is not finite; `out` is marked so.
        DamagedCheckpoint: the checkpoint in `out` is not what was written. It has been renamed, so that the same call
            trains from the beginning.
        UserError: `out` holds a run already, or one of another recipe.
    """
    run = start(recipe, task=task, device=device)
    if out is not None:
        folder.prepare(run, out, resume)
    with _own_random_numbers(run.device):
        _train(run, out, progress, after_epoch)
    if out is not None:
        folder.write_log(run, out)  # again, where what was killed had its last checkpoint, but not the log
        folder.write_status(out, "trained", recipe.hash, run.epoch, run.device)
    return run


def _train(
    run: Run,
    out: Path | None,
    progress: Callable[[Progress], None] | None,
    after_epoch: Callable[[Run], None] | None,
) -> None:
    """Train the epochs that are left, with a checkpoint of each."""
    recipe, law = run.recipe, law_of(run)
    extra_terms, transforms = extras_for(recipe)
    rule = Accumulate(transforms) if transforms or extra_terms else _step_rule(run)
    terms = [*losses_for(recipe), *extra_terms]
    steps_per_epoch = len(run.task.train) // recipe.training.batch_size
    steps = recipe.training.epochs * steps_per_epoch
    ctx = Context(recipe, space(recipe.space), run.network, run.optimiser, np.random.default_rng(), steps=steps)
    run.network.train()
    for epoch in range(run.epoch, recipe.training.epochs):
        ctx.epoch, ctx.step = epoch, epoch * steps_per_epoch
        ctx.rng = np.random.default_rng([recipe.seed, epoch])
        _seed(run.device, recipe.seed * 1_000_003 + epoch)  # dropout, and draws from a distribution
        ctx.other = _other_batches(run, epoch)
        meter = _Meter(ctx, progress)
        try:
            _epoch(run, ctx, law, rule, terms, meter)
        except NotFinite as what:
            raise _diverged(run, out, ctx, meter, what) from None
        run.epoch = epoch + 1
        run.log.append(meter.epoch_entry())
        if after_epoch:
            after_epoch(run)
        if out is not None:
            folder.save(run, out)


def open_run(out: Path, *, device: str | torch.device = "cpu", task: Task | None = None) -> Run:
    """The run of a folder, with its trained weights.

    Raises:
        UserError: the folder holds no run, or no checkpoint of its recipe.
        DamagedCheckpoint: the checkpoint is not what was written.
    """
    if not (out / folder.RECIPE).exists():
        raise UserError(f"{out} is not a run folder: it has no {folder.RECIPE}. Make one with `supernet train`.")
    run = start(recipes.load(out / folder.RECIPE), device=device, task=task)
    folder.restore(run, out)
    return run


def _epoch(run: Run, ctx: Context, law: Sampler, rule: StepRule, terms: Sequence[LossTerm], meter: _Meter) -> None:
    """Train for one epoch.

    Raises:
        NotFinite: the loss or the distribution is not.
    """
    learner, last = run.learner, run.recipe.distribution.first == "weights"
    size = run.recipe.training.batch_size
    for images, labels in train_batches(run.task.train, run.task, size, seed=run.recipe.seed, epoch=ctx.epoch):
        ctx.images, ctx.labels = images, labels
        _set_schedule(ctx)
        if learner is not None and not last:
            learner.step(ctx)
        meter.add(rule.run(ctx, law.plan(ctx), terms))
        if learner is not None and last:
            learner.step(ctx)
        ctx.step += 1
        if ctx.step % CHECK_STEPS == 0:
            meter.check()
    meter.check()
    if learner is not None:
        learner.end_epoch(ctx)


def _diverged(run: Run, out: Path | None, ctx: Context, meter: _Meter, what: NotFinite) -> Diverged:
    """Mark the run so; the log also has what the epoch that diverged took, which is not a whole one."""
    run.log.append(meter.epoch_entry())
    problem = (
        f"{what} in epoch {ctx.epoch + 1} by step {ctx.step:,}: the run diverged. Lower training.learning_rate, or "
        "clip gradients (training.clip)."
    )
    if out is None:
        return Diverged(problem)
    folder.write_log(run, out)
    folder.write_status(out, "diverged", run.recipe.hash, run.epoch, run.device, problem=problem)
    return Diverged(f"{problem} The log is in {out / folder.LOG}.")


def law_of(run: Run) -> Sampler:
    """Which paths train."""
    if run.learner is not None and run.recipe.sampling.law == "distribution":
        return run.learner.sampler
    return sampler_for(space(run.recipe.space), run.recipe, getattr(run.network, "cell_count", 1))


def _other_batches(run: Run, epoch: int) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """Endless batches that the distribution learns from, in an order unrelated to that of the weights' batches."""
    d, size = run.recipe.distribution, run.recipe.training.batch_size
    images = run.task.valid if d.data == "valid" else run.task.train
    for again in itertools.count():
        seed = int(np.random.SeedSequence([run.recipe.seed, again, 1]).generate_state(1)[0])
        yield from train_batches(images, run.task, size, seed=seed, epoch=epoch)


def _step_rule(run: Run) -> StepRule:
    """Paths one after the other; on a GPU as one CUDA graph, where the recipe allows it and nothing looks between."""
    if run.device.type == "cuda" and fair.fits(run.recipe):
        return fair.FairStep(capture=True)
    return Accumulate()


def learning_rate(t: TrainingSection, step: int, steps: int, steps_per_epoch: float) -> float:
    """The learning rate of a step: linear warm-up, then the schedule over the remaining steps."""
    warmup = t.warmup_epochs * steps_per_epoch
    if step < warmup:
        return t.learning_rate * (step + 1) / (warmup + 1)
    share = (step - warmup) / max(1.0, steps - warmup)
    match t.schedule:
        case "cosine":
            low = t.final_learning_rate
            return low + (t.learning_rate - low) * (1 + math.cos(math.pi * share)) / 2
        case "step":
            return t.learning_rate * 0.1 ** ((share >= 0.3) + (share >= 0.6))
    return t.learning_rate


def _set_schedule(ctx: Context) -> None:
    t = ctx.recipe.training
    rate = learning_rate(t, ctx.step, ctx.steps, ctx.steps / t.epochs)
    for group in ctx.optimiser.param_groups:
        group["lr"] = rate
    ctx.network.set_progress(ctx.step / max(1, ctx.steps))  # type: ignore[operator]


class _Meter:
    """Sums of an epoch, read from the device only a few times a second."""

    INTERVAL = 0.5

    def __init__(self, ctx: Context, progress: Callable[[Progress], None] | None) -> None:
        self._ctx, self._progress = ctx, progress
        self._loss: Any = 0.0
        self._correct: Any = 0
        self._count = self._seen = 0
        self._started = self._shown = time.perf_counter()

    def add(self, result: Any) -> None:
        self._loss = self._loss + result.loss
        self._correct = self._correct + result.correct
        self._count += 1
        self._seen += result.seen
        now = time.perf_counter()
        if self._progress and now - self._shown > self.INTERVAL:
            self._shown = now
            e = self.epoch_entry()
            ctx = self._ctx
            self._progress(
                Progress(ctx.epoch, ctx.step + 1, ctx.steps, e["loss"], e["accuracy"], e["images_per_second"])
            )

    def check(self) -> None:
        """Raise NotFinite if a loss of the epoch so far was infinite or no number."""
        if not math.isfinite(float(self._loss)):
            raise NotFinite(f"The loss is {float(self._loss)}")

    def epoch_entry(self) -> dict[str, Any]:
        seconds = time.perf_counter() - self._started
        return {
            "epoch": self._ctx.epoch + 1,
            "loss": float(self._loss) / max(1, self._count),
            "accuracy": 100 * float(self._correct) / max(1, self._seen),
            "learning_rate": self._ctx.optimiser.param_groups[0]["lr"],
            "images": self._seen,
            "seconds": round(seconds, 3),
            "images_per_second": self._seen / seconds,
        }
