"""The state of a super-net in training: its network, optimiser, methods and progress."""

from __future__ import annotations

import dataclasses
import random
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import Batch, eval_batches, train_batches
from supernet.benchmarks.tasks.task import Task, load_task
from supernet.harness.supernet.build import build_network
from supernet.harness.training.oracle import Oracle
from supernet.heuristics import registry
from supernet.heuristics.distribution.learner import Learner, learner_for
from supernet.heuristics.hooks import Context, Method, Supernet, overrides
from supernet.heuristics.measuring import Measure
from supernet.heuristics.methods.losses import losses_for
from supernet.heuristics.methods.samplers import sampler_for
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.sections import TaskSection


@dataclass
class Run:
    """A super-net in training, or trained."""

    recipe: Recipe
    task: Task
    methods: dict[str, Method]
    """Name -> method, in the order in which hooks are called; samplers and losses are methods, too."""
    context: Context
    """The state that methods see and change, including the network."""
    oracle: Oracle | None = None
    """Ground truth that methods may ask for."""
    epoch: int = 0
    """Number of epochs that are done."""
    restarted: int = 0
    """Step from which the learning-rate schedule counts."""
    log: list[dict[str, Any]] = field(default_factory=list)
    """One entry per epoch."""
    environments: list[dict[str, Any]] = field(default_factory=list)
    """The distinct environments in which the epochs were trained; several if another machine continued the run."""

    @property
    def network(self) -> Supernet:
        """The super-net, as methods have left it."""
        return self.context.network

    @property
    def optimiser(self) -> torch.optim.Optimizer:
        """The optimiser of the network."""
        return self.context.optimiser

    @property
    def device(self) -> torch.device:
        """The device that holds the images."""
        return self.task.train.images.device

    @property
    def learner(self) -> Learner | None:
        """The method that learns a distribution over architectures; None if the recipe has none."""
        return next((m for m in self.methods.values() if isinstance(m, Learner)), None)

    @property
    def planner(self) -> Method:
        """The method that plans the paths of a step."""
        chosen = [self.methods[c.name] for c in self.recipe.methods if registry.entry(c.name).has("plan")]
        return chosen[0] if chosen else next(m for m in self.methods.values() if overrides(m, "plan"))

    @property
    def asked(self) -> np.ndarray:
        """Indices of the architectures whose ground truth methods have asked for, ascending: (n,)."""
        return np.array(sorted(self.oracle.asked) if self.oracle else [], dtype=np.int64)

    def rankable(self, indices: ArrayLike) -> NDArray[np.int64]:
        """Those of the architectures whose ground truth took no part in training, in the order given: up to (n,).

        An architecture is left out if methods asked for its accuracy, under its own index or that of an architecture
        which the benchmark counts as the same.

        Args:
            indices: indices of architectures: (n,).
        """
        rows = np.asarray(indices, dtype=np.int64)
        if not len(self.asked):
            return rows
        within = space(self.recipe.space)
        return rows[~np.isin(within.same_entry(rows), within.same_entry(self.asked))]

    @property
    def measured(self) -> list[dict[str, Any]]:
        """What methods measured in the course of training: rows with the method's name, the epoch and its values."""
        measures = {name: method for name, method in self.methods.items() if isinstance(method, Measure)}
        return [{"method": name, **row} for name, method in measures.items() for row in method.rows]

    @property
    def steps_per_epoch(self) -> int:
        """Number of steps in one epoch."""
        return len(self.task.train) // self.recipe.training.batch_size


def start(
    recipe: Recipe, *, task: Task | None = None, device: str | torch.device = "cpu", oracle: Oracle | None = None
) -> Run:
    """A run at its beginning: weights initialised from the recipe's seed, nothing trained yet.

    Args:
        task: the recipe's task, if it has been loaded already.
        device: where to train, such as cpu or cuda:1.
        oracle: ground truth that methods may ask for.

    Raises:
        UserError: this machine has no such device.
    """
    device = usable(device)
    if task is None:
        task = load_task(**dataclasses.asdict(recipe.task))
    task = task.to(device)
    with own_random_numbers(torch.device("cpu")):
        seed_torch(torch.device("cpu"), recipe.seed)
        network = build_network(recipe, task.classes).to(device)
        learner = learner_for(space(recipe.space), recipe)
    methods = _methods(recipe, network, learner)
    # Measuring methods come last, so that the random numbers of the others do not depend on them.
    numbered = sorted(methods.values(), key=lambda method: isinstance(method, Measure))
    context = Context(
        recipe,
        space(recipe.space),
        network,
        torch.optim.SGD([torch.zeros(0)], 1.0),  # replaced below, once the network is whole
        numbers={id(method): 1 if method is learner else number for number, method in enumerate(numbered, 2)},
        source=oracle,
        train_images=len(task.train),
    )
    for method in methods.values():
        context.network = method.wrap(context.network, context)
        if isinstance(method, Measure):
            method.source = lambda split, count: fixed_images(task, split, count, recipe.seed)
    context.optimiser = optimiser_for(recipe, list(methods.values()), context)
    run = Run(recipe, task, methods, context, oracle)
    context.steps = recipe.training.epochs * run.steps_per_epoch
    context.remake = lambda restart: remake(run, restart)
    return run


def _methods(recipe: Recipe, network: Supernet, learner: Learner | None) -> dict[str, Method]:
    """The methods of a recipe, by name, in the order in which their hooks are called."""
    listed = {c.name: registry.entry(c.name).make(**dict(c.parameters)) for c in recipe.methods}
    planned = any(registry.entry(name).has("plan") for name in listed)
    sampled = not planned and not (learner is not None and recipe.sampling.law == "distribution")
    sampler = {"sampling": sampler_for(space(recipe.space), recipe, network.cell_count)} if sampled else {}
    losses = {f"loss {number}": loss for number, loss in enumerate(losses_for(recipe))}
    return {**sampler, **losses, **listed, **({"distribution": learner} if learner is not None else {})}


def optimiser_for(recipe: Recipe, methods: Sequence[Method], context: Context) -> torch.optim.Optimizer:
    """SGD on the context's network, with the recipe's settings and the parameter groups of its methods."""
    t, network = recipe.training, context.network
    apart = [group for method in methods for group in method.parameter_groups(context)]
    taken = {id(p) for group in apart for p in group["params"]}
    rest = [p for p in network.parameters() if id(p) not in taken]
    optimiser = torch.optim.SGD(
        [{"params": rest}, *apart] if apart else network.parameters(),
        t.learning_rate,
        momentum=t.momentum,
        nesterov=t.nesterov,
        weight_decay=t.weight_decay,
        fused=True,
    )
    if t.momentum:
        # The fused step needs all buffers or none. With a buffer of zeros, the first step is the same as without one.
        for parameter in network.parameters():
            optimiser.state[parameter]["momentum_buffer"] = torch.zeros_like(parameter)
    if t.unsampled == "zero":
        for parameter in network.parameters():
            parameter.grad = torch.zeros_like(parameter)
    return optimiser


def remake(run: Run, restart: bool) -> None:
    """Take over the context's network, which a method has changed, with a new optimiser.

    Args:
        restart: whether the learning-rate schedule starts again, over the steps that are left.
    """
    ctx = run.context
    ctx.network.train()
    ctx.optimiser = optimiser_for(run.recipe, list(run.methods.values()), ctx)
    if restart:
        run.restarted = ctx.step


def streams(run: Run, epoch: int) -> Any:
    """A function that gives the next batch of a split to an asker, identified by a number.

    Each asker has an endless stream of batches per split and epoch, in an order unrelated to that of the batches that
    train the weights.
    """
    made: dict[tuple[str, int], Iterator[Batch]] = {}

    def draw(split: str, number: int) -> Batch:
        if (split, number) not in made:
            made[split, number] = _endless(run, split, number, epoch)
        return next(made[split, number])

    return draw


def _endless(run: Run, split: str, number: int, epoch: int) -> Iterator[Batch]:
    images, again = {"valid": run.task.valid, "train": run.task.train}[split], 0
    while True:
        seed = int(np.random.SeedSequence([run.recipe.seed, again, number]).generate_state(1)[0])
        yield from train_batches(images, run.task, run.recipe.training.batch_size, seed=seed, epoch=epoch)
        again += 1


def fixed_images(task: Task, split: str, count: int, seed: int) -> Batch:
    """Images of a split without augmentation, which depend on the seed and the sizes alone.

    Args:
        split: "train" or "valid".
        count: number of images.

    Raises:
        UserError: the split has fewer images.
    """
    images = {"valid": task.valid, "train": task.train}[split]
    if count > len(images):
        raise UserError(
            f"A method measures on {count:,} images of the split {split}, which has only {len(images):,}. Lower the "
            "method's parameter `images`."
        )
    rows = torch.from_numpy(np.random.default_rng([seed, len(images)]).permutation(len(images))[:count])
    ((pixels, labels),) = eval_batches(images.take(rows), task, count)
    return Batch(pixels, labels, rows.to(labels.device))


@contextmanager
def own_random_numbers(device: torch.device) -> Iterator[None]:
    """Restore the caller's random states afterwards: torch's of the CPU and of this device, NumPy's and Python's."""
    python, numpy = random.getstate(), np.random.get_state()  # noqa: NPY002
    try:
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)  # noqa: NPY002


def seed_torch(device: torch.device, seed: int) -> None:
    """Seed torch's generators of the CPU and of this device; `torch.manual_seed` would seed those of all devices."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


def usable(device: str | torch.device) -> torch.device:
    """The torch device of this name.

    Raises:
        UserError: this machine does not have it.
    """
    try:
        chosen = torch.device(device)
    except RuntimeError:
        raise UserError(f"There is no device {device!r}; there is cpu, and cuda with an NVIDIA GPU.") from None
    if chosen.type == "cuda" and not torch.cuda.is_available():
        raise UserError("The device cuda needs an NVIDIA GPU and a build of torch with CUDA; torch sees none here.")
    return chosen


@lru_cache(maxsize=4)
def task_of(section: TaskSection) -> Task:
    """The task of a recipe, which is cached for later runs."""
    return load_task(**dataclasses.asdict(section))
