"""The one training loop, for super-nets and for single architectures, which are super-nets with one path.

Everything random in an epoch depends on the seed and the epoch alone, so that a run resumed from the checkpoint of any
epoch draws the same random numbers as a run that never stopped. On a CPU, both end with the same bits, given the same
machine and number of threads. On a GPU they need not: cuDNN may choose another algorithm, and some sums are added up in
no fixed order. The loop does not change torch's settings to prevent that; `folder.environment` records the settings.
"""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch
from supernet.benchmarks.tasks.loader import train_batches
from supernet.benchmarks.tasks.task import Task
from supernet.benchmarks.wording import quoted
from supernet.harness.supernet.nb201 import fair, fused
from supernet.harness.supernet.ops import BatchNorm
from supernet.harness.training import folder, memory, teachers
from supernet.harness.training.meter import EpochMeter, Progress
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import Run, own_random_numbers, seed_torch, start, streams
from supernet.harness.training.schedule import learning_rate, set_learning_rate
from supernet.heuristics import recipe as recipes
from supernet.heuristics import registry
from supernet.heuristics.hooks import Method, NotFinite, StepResult, overrides
from supernet.heuristics.measuring import Measure
from supernet.heuristics.methods.steps import Accumulate, Hooks
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.teacher import Teach, Teacher

IN_STEP = ("path_loss", "step_loss", "after_path", "before_update", "after_update")
"""The hooks that are called while a plan becomes an update."""
CHECK_STEPS = 50
"""Steps between two checks that the loss is finite; rare, because each check waits for the GPU to catch up."""


class Diverged(UserError):
    """The loss is no longer finite; the text says in which epoch and by which step."""


def train(
    recipe: Recipe,
    out: Path | None = None,
    *,
    task: Task | None = None,
    device: str | torch.device = "cpu",
    resume: bool = False,
    oracle: Oracle | None = None,
    teach: Teach | None = None,
    progress: Callable[[Progress], None] | None = None,
    after_epoch: Callable[[Run], None] | None = None,
) -> Run:
    """Train a super-net from its recipe.

    Args:
        out: folder for the resolved recipe, the log and a checkpoint of every epoch; without it nothing is written.
        task: the recipe's task, if it has been loaded already.
        device: where to train, such as cpu or cuda:1.
        resume: continue from the checkpoint in `out`.
        oracle: ground truth for methods that ask for it.
        teach: gives methods their teachers; by default they are trained here, and kept in `out` until it is trained.
        progress: called at most every `EpochMeter.INTERVAL` seconds.
        after_epoch: called after every epoch, before its checkpoint is written.

    Raises:
        Diverged: the loss is not finite; the status in `out` records this.
        DamagedCheckpoint: the checkpoint in `out` is not what was written. It has been renamed, so that the same call
            trains from the beginning.
        UserError: `out` holds a run already, or one of another recipe; or this machine has no such device, or one
            with too little memory.
    """
    run = start(recipe, task=task, device=device, oracle=oracle)
    memory.check(run)
    if out is not None:
        folder.prepare(run, out, resume)
    run.context.teach = teach or partial(taught, recipe, out and out / teachers.FOLDER, run.task, run.device, progress)
    with own_random_numbers(run.device):
        _train(run, out, progress, after_epoch)
    if out is not None:
        folder.write_log(run, out)  # an earlier process may have been killed after its last checkpoint, before its log
        folder.write_measured(run, out)
        folder.write_status(out, "trained", recipe.hash, run.epoch, run.device, environments=run.environments)
        shutil.rmtree(out / teachers.FOLDER, ignore_errors=True)
    return run


def taught(
    recipe: Recipe,
    kept: Path | None,
    task: Task,
    device: torch.device,
    progress: Callable[[Progress], None] | None,
    arch: Arch,
    epochs: int,
) -> Teacher:
    """Train an architecture by itself, as a recipe says but without its methods.

    Args:
        kept: folder of teachers, from which one that was trained before is taken; None if none are kept.
        task: the task of the recipe.
        device: where to train.
        progress: called at most every `EpochMeter.INTERVAL` seconds.
        arch: the architecture.
        epochs: number of epochs for which it is trained.

    Raises:
        UserError: its loss is not finite.
    """
    alone = teachers.recipe_of(recipe, arch, epochs)
    out = kept and kept / alone.hash
    tell = progress and (lambda p: progress(replace(p, epoch=0, step=0, teacher=p.epoch + 1)))
    try:
        run = train(alone, out, task=task, device=device, resume=out is not None, progress=tell)
    except folder.DamagedCheckpoint:
        run = train(alone, out, task=task, device=device, resume=True, progress=tell)
    except Diverged as diverged:
        raise Diverged(
            f"The teacher {quoted(str(alone.sampling.architecture))} cannot be trained: {diverged}"
        ) from None
    for module in run.network.eval().requires_grad_(False).modules():
        if isinstance(module, BatchNorm):
            module.track = False
    images = sum(entry["passes"] for entry in run.log) * alone.training.batch_size
    return Teacher(run.network, arch, images, sum(entry["seconds"] for entry in run.log))


def _train(
    run: Run,
    out: Path | None,
    progress: Callable[[Progress], None] | None,
    after_epoch: Callable[[Run], None] | None,
) -> None:
    """Train the epochs that are left, and write a checkpoint after each.

    Raises:
        Diverged: the loss is not finite.
    """
    step, ctx = stepper(run), run.context
    run.network.train()
    for epoch in range(run.epoch, run.recipe.training.epochs):
        begin_epoch(run, epoch)
        meter = EpochMeter(ctx, progress)
        try:
            _epoch(run, step, meter)
        except NotFinite as what:
            raise _diverged(run, out, meter, what) from None
        run.epoch = epoch + 1
        _record_environment(run)
        run.log.append(meter.entry())
        if after_epoch:
            after_epoch(run)
        if out is not None:
            folder.save(run, out)


def _record_environment(run: Run) -> None:
    """Record the environment of the epoch that has just been trained."""
    if (now := folder.environment_of(run)) not in run.environments:
        run.environments.append(now)


def begin_epoch(run: Run, epoch: int) -> None:
    """Seed everything random in an epoch, and give the context the epoch's streams of batches."""
    run.context.begin_epoch(epoch, epoch * run.steps_per_epoch)
    # Torch draws dropout, and paths from a distribution. The factor keeps the seeds of different runs apart.
    seed_torch(run.device, run.recipe.seed * 1_000_003 + epoch)
    run.context.batches = streams(run, epoch)


def _epoch(run: Run, step: Callable[[], StepResult], meter: EpochMeter) -> None:
    """Train for one epoch.

    Raises:
        NotFinite: the loss or the distribution is not finite.
    """
    for _ in batches(run):
        meter.add(step())
        run.context.step += 1
        if run.context.step % CHECK_STEPS == 0:
            meter.check()
    meter.check()
    end_epoch(run)


def batches(run: Run) -> Iterator[None]:
    """Begin the context's epoch, and yield before each of its steps, with images and learning rate set."""
    ctx, size = run.context, run.recipe.training.batch_size
    methods = list(run.methods.values())
    for method in methods:
        method.start_epoch(ctx)
    weights = next((w for m in methods if (w := m.image_weights(ctx)) is not None), None)
    for batch in train_batches(run.task.train, run.task, size, seed=run.recipe.seed, epoch=ctx.epoch, weights=weights):
        ctx.images, ctx.labels, ctx.rows = batch
        _set_schedule(run)
        yield


def end_epoch(run: Run) -> None:
    """Call the `end_epoch` hook of all methods."""
    for method in run.methods.values():
        method.end_epoch(run.context)


def stepper(run: Run) -> Callable[[], StepResult]:
    """A function that takes one step of training, on the images in the context."""
    ctx, methods = run.context, list(run.methods.values())
    before = [m.before_step for m in methods if overrides(m, "before_step")]
    planner, rule, hooks = run.planner, _rule(run), Hooks(methods)

    def step() -> StepResult:
        for before_step in before:
            before_step(ctx)
        return rule.take_step(ctx, planner.plan(ctx), hooks)

    return step


def _rule(run: Run) -> Method:
    """The method that turns paths into an update: one of the recipe, or by default one path after the other.

    On a GPU, a step is one CUDA graph if the recipe allows it and its methods stay outside of steps.
    """
    chosen = [run.methods[c.name] for c in run.recipe.methods if registry.entry(c.name).has("take_step")]
    if chosen:
        return chosen[0]
    if run.device.type != "cuda" or not all(outside_of_steps(run.methods[c.name]) for c in run.recipe.methods):
        return Accumulate()
    return static_rule(run.recipe, run.device) or Accumulate()


def outside_of_steps(method: Method) -> bool:
    """Whether a method only measures, and only between steps: a static step calls no hooks."""
    return isinstance(method, Measure) and not any(overrides(method, hook) for hook in IN_STEP)


def static_rule(recipe: Recipe, device: torch.device) -> Method | None:
    """The rule that takes a recipe's steps as one static computation, on a GPU replayed as a CUDA graph; or None."""
    capture = device.type == "cuda"
    if fused.fits(recipe, device):
        return fused.FusedStep(capture, fair.paths(recipe) if fair.fits(recipe) else 1)
    return fair.FairStep(capture) if fair.fits(recipe) else None


def _set_schedule(run: Run) -> None:
    """Set the learning rate, and what the network changes with progress, for the current step."""
    ctx, first = run.context, run.restarted
    t = run.recipe.training
    set_learning_rate(ctx.optimiser, learning_rate(t, ctx.step - first, ctx.steps - first, ctx.steps / t.epochs))
    ctx.network.set_progress(ctx.step / max(1, ctx.steps))


def open_run(out: Path, *, device: str | torch.device = "cpu", task: Task | None = None) -> Run:
    """The run of a folder, with its trained weights.

    Args:
        out: the run folder.
        device: where to load the weights.
        task: the recipe's task, if it has been loaded already.

    Raises:
        UserError: the folder holds no run, or no checkpoint of its recipe.
        DamagedCheckpoint: the checkpoint is not what was written.
    """
    if not (out / folder.RECIPE).exists():
        raise UserError(f"{out} is not a run folder: it has no {folder.RECIPE}. Make one with `supernet train`.")
    run = start(recipes.load(out / folder.RECIPE), device=device, task=task)
    folder.restore(run, out)
    return run


def _diverged(run: Run, out: Path | None, meter: EpochMeter, what: NotFinite) -> Diverged:
    """Record that a run diverged; the log also gets an entry of the epoch that diverged, although it is incomplete."""
    ctx = run.context
    run.log.append(meter.entry())
    _record_environment(run)
    clips = not any("training.clip" in registry.entry(c.name).ignores for c in run.recipe.methods)
    advice = f"Lower {' or '.join(what.rates)}{', or clip gradients (training.clip)' if clips else ''}."
    problem = f"{what} in epoch {ctx.epoch + 1} by step {ctx.step:,}: the run diverged. {advice}"
    if out is None:
        return Diverged(problem)
    folder.write_log(run, out)
    folder.write_measured(run, out)
    folder.write_status(
        out, "diverged", run.recipe.hash, run.epoch, run.device, problem=problem, environments=run.environments
    )
    return Diverged(f"{problem} The log is in {out / folder.LOG}.")
