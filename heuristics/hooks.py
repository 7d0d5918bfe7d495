"""The interfaces of training: `Method` with its hooks, and the `Context`, `Output` and `Supernet` that they use.

A recipe is trained by a list of methods: one plans the paths of every step, one turns them into an update, others add
losses, read gradients, change the network, or learn a distribution over architectures. All of them are `Method`s. The
loop (`harness.training.loop`) calls their hooks and knows none of them by name.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, ClassVar, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch, SearchSpace
from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.meter import Meter
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.routes import Path, Routing
from supernet.heuristics.teacher import Teach


class Supernet(nn.Module):
    """A network that holds the weights of all architectures of a space, and computes any one of them."""

    @property
    def cell_count(self) -> int:
        """Number of cells that may each have a routing of their own."""
        return 1

    @abstractmethod
    def forward(self, x: Tensor, routing: Any, features: list[Tensor] | None = None) -> Tensor:
        """Logits (n, classes) of images (n, 3, size, size).

        Args:
            routing: a `Routing`, or one for each cell.
            features: gets the output of every cell appended, in order: (n, channels, height, width) each.
        """

    def set_progress(self, share: float) -> None:
        """Set the share of the training that is done, from 0 to 1, on which path dropout depends."""

    @abstractmethod
    def parameters_of(self, decision: int, option: int) -> list[nn.Parameter]:
        """Return the weights of the modules that compute an option of a decision, over all cells; empty if none do."""

    def operations_of(self, decision: int, option: int) -> list[list[nn.Module]]:
        """Return each cell's modules that compute an option, one for each copy of its weights; empty if none do."""
        return []

    def logits_of(self, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
        """Yield the logits of each architecture on one batch, in the order given: (n, classes) each."""
        for arch in archs:
            yield self(x, arch)


# ---- the data of a step ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Output:
    """The logits of one path on its images, and its features on request."""

    path: Path
    images: Tensor
    """float32: (n, 3, size, size)."""
    labels: Tensor
    """int64: (n,)."""
    rows: Tensor
    """Numbers of the images within their split, int64: (n,)."""
    logits: Tensor
    """float32, with gradients: (n, classes)."""
    features: tuple[Tensor, ...] = ()
    """Outputs of all cells if they were captured, (n, channels, height, width) each; empty otherwise."""


@dataclass(frozen=True)
class StepResult:
    """Loss and number of correct images of a step. They are tensors, so that the host need not wait for the device."""

    loss: Tensor
    """Mean loss over paths, a scalar."""
    correct: Tensor
    """Number of correctly classified images over all paths, a scalar."""
    seen: int
    """Number of images passed forward for the paths of the plan."""


class Step(Protocol):
    """The hooks of all methods of a recipe, called by the method that turns paths into an update."""

    def batches(self, ctx: Context, paths: int) -> list[Batch]:
        """Return the images of each path of a step: the whole batch, or a part of it."""
        ...

    def path(self, ctx: Context, path: Path, batch: Batch, factor: float) -> StepResult:
        """Pass a batch forward on a path, and its loss, times a factor, backward; gradients add up."""
        ...

    def before_update(self, ctx: Context) -> None:
        """Run the backward pass of losses over the whole step; then let methods read or change the gradients."""
        ...

    def after_update(self, ctx: Context) -> None:
        """Let methods read the new weights."""
        ...


class NotFinite(ArithmeticError):
    """A value that training depends on is infinite or NaN. The text begins a sentence, which the loop completes."""

    rates: tuple[str, ...] = ("training.learning_rate",)
    """Keys of the recipe, of which a lower value may help."""


@dataclass(frozen=True)
class Foreseen:
    """What a method will spend in a training beyond what the steps of its first epoch show."""

    queries: int = 0
    """Largest number of architectures whose ground truth it asks for."""
    once: float = 0.0
    """Path passes of work that is done once or a few times in the whole training."""
    per_step: float = 0.0
    """Path passes per step, as a mean over the whole training, of work that begins later."""

    def __add__(self, other: Foreseen) -> Foreseen:
        return Foreseen(self.queries + other.queries, self.once + other.once, self.per_step + other.per_step)


class Truth(Protocol):
    """Ground truth that a method may query while it trains; every query is charged."""

    known: NDArray[np.int64]
    """Indices of the architectures that have ground truth, ascending."""

    def ask(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Return the accuracies of architectures in percent, float64: (n,).

        Each architecture is charged once, and rankings of the run leave it out.

        Args:
            indices: indices of the architectures in the space: (n,).
        """
        ...


@dataclass(eq=False)
class Context:
    """The state of training as methods see it: network, batch, random numbers, streams of images and ground truth."""

    recipe: Recipe
    space: SearchSpace
    network: Supernet
    optimiser: torch.optim.Optimizer
    rng: np.random.Generator = field(default_factory=np.random.default_rng)
    """Random generator of sampling.law, reseeded in every epoch. Other methods use `random`."""
    batches: Callable[[str, int], Batch] | None = None
    """Maps a split and a method's number to the next batch of that method's endless stream."""
    numbers: Mapping[int, int] = field(default_factory=dict)
    """id of a method -> its number, which seeds its random numbers."""
    source: Truth | None = None
    """The ground truth behind `truth`; None if the run has none."""
    remake: Callable[[bool], None] | None = None
    """What `rebuild` calls."""
    teach: Teach | None = None
    """Trains a teacher by the recipe without its methods, or returns the one that was trained before."""
    meter: Meter = field(default_factory=Meter)
    full_precision: bool = False
    """Whether passes run without autocast even if `training.amp` is set."""
    epoch: int = 0
    """Number of the present epoch, from 0."""
    step: int = 0
    """Number of steps taken since the start of training."""
    steps: int = 0
    """Number of steps of the whole training."""
    train_images: int = 0
    """Number of images of the training split."""
    images: Tensor = field(default_factory=lambda: torch.empty(0))
    """The images of the present step, augmented: (n, 3, size, size)."""
    labels: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """Their labels: (n,)."""
    rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    """Their numbers within the training split: (n,)."""

    def __post_init__(self) -> None:
        self._generators: dict[int, np.random.Generator] = {}
        first = 0 if self.recipe.sampling.with_none else self.space.first_working
        self._options = max(len(self.space.decisions[number]) for number in self.space.operations) - first

    def forward(self, path: Path, batch: Batch | None = None, *, capture: bool = False) -> Output:
        """Pass images through the network on one path, and meter the pass.

        Args:
            path: the path; its routing is followed.
            batch: the images; default: those of the step.
            capture: also return the output of every cell.
        """
        images, labels, rows = batch or Batch(self.images, self.labels, self.rows)
        features: list[Tensor] | None = [] if capture else None
        logits = self.logits(images, path.routing, features)
        return Output(path, images, labels, rows, logits, tuple(features or ()))

    def logits(
        self, images: Tensor, routing: Routing | tuple[Routing, ...], features: list[Tensor] | None = None
    ) -> Tensor:
        """Return the network's logits (n, classes) for images on a routing, and meter the pass.

        The logits are float32, also under autocast; those of a network in float64 stay float64.

        Args:
            images: (n, 3, size, size).
            routing: one routing for all cells, or one for each.
            features: gets the output of every cell appended, if given.
        """
        amp = self.recipe.training.amp and not self.full_precision
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=amp):
            logits: Tensor = self.network(images, routing, features)
        logits = logits.float() if logits.dtype.itemsize < 4 else logits
        self._count(len(images) * self.paths_of(routing), logits)
        return logits

    def _count(self, images: float, logits: Tensor) -> None:
        """Count images passed forward, and count them as passed backward when the gradient of the logits arrives."""
        meter = self.meter
        meter.forward += images
        if logits.requires_grad:

            def went_backward(_: Tensor) -> None:
                meter.backward += images

            logits.register_hook(went_backward)

    def paths_of(self, routing: Any) -> float:
        """Return the number of paths that cost as much as a routing: a mixture computes all options of an operation.

        With partial channels, each operation of a mixture costs a part.
        """
        first = routing[0]
        if isinstance(first, tuple):
            return sum(map(self.paths_of, routing)) / len(routing)
        relaxed = [number for number, choice in enumerate(routing) if isinstance(choice, Tensor)]
        if not relaxed:
            return 1.0
        return self.space.relaxed_cost(relaxed, self._options) / self.recipe.network.partial_channels

    def stream(self, split: str, asker: Method) -> Batch:
        """Return the next batch of an endless stream of images, in random order and augmented.

        Args:
            split: "train" or "valid".
            asker: the method that asks; each one has a separate stream.
        """
        assert self.batches is not None
        return self.batches(split, self.numbers[id(asker)])

    def random(self, asker: Method) -> np.random.Generator:
        """Return the random generator of the method that asks.

        It is reseeded in every epoch, so that a resumed run draws the same numbers.
        """
        number = self.numbers[id(asker)]
        if number not in self._generators:
            self._generators[number] = np.random.default_rng([self.recipe.seed, self.epoch, number])
        return self._generators[number]

    def begin_epoch(self, epoch: int, step: int) -> None:
        """Begin an epoch: set its number and that of the step, and reseed all random numbers."""
        self.epoch, self.step = epoch, step
        self.rng = np.random.default_rng([self.recipe.seed, epoch])
        self._generators.clear()

    @property
    def truth(self) -> Truth:
        """The ground truth that methods may query.

        Raises:
            UserError: the run was started without ground truth.
        """
        if self.source is None:
            raise UserError(
                "A method of this recipe asks for ground truth, but this run was started without a table. `supernet "
                "train` and `supernet study` find one; from Python, give the argument `truth` of `train`."
            )
        return self.source

    def rebuild(self, restart: bool = True) -> None:
        """Continue training with a network that a method has changed, and make a new optimiser for its parameters.

        Args:
            restart: also restart the learning-rate schedule, over the remaining steps.
        """
        assert self.remake is not None
        self.remake(restart)


# ---- methods ---------------------------------------------------------------------------------------------------------


class Method:
    """A participant in training. Every hook does nothing unless a subclass overrides it.

    A subclass with parameters is a dataclass; its fields without an underscore are the parameters
    (`heuristics.registry.method`). `state_dict` must return everything that it keeps from step to step.
    """

    captures: bool = False
    """Whether the method needs `Output.features` for the paths of a step."""
    keeps_graph: bool = False
    """Whether `step_loss` goes backward through the outputs of the step's paths, which costs memory."""
    reads: frozenset[str] = frozenset()
    """For a method that plans: which of the keys paths, per_cell and with_none of `recipe.sampling` it follows."""
    ignores: frozenset[str] = frozenset()
    """For a method that takes steps: which keys of the recipe, such as `training.clip`, it does not follow."""
    excludes: ClassVar[Mapping[str, str]] = MappingProxyType({})
    """Name of a method that it cannot be combined with -> the reason, a clause that can follow `since`."""

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        """Return the network to train, for example this one within a partition or a dictionary of weights."""
        return network

    def foreseen(self, ctx: Context) -> Foreseen:
        """Return what the method will spend later in training, so that a search can plan with its budget."""
        return Foreseen()

    def parameter_groups(self, ctx: Context) -> list[dict[str, Any]]:
        """Return groups of parameters with settings of their own.

        Each group is a dict with `params` (a list), and with `scale` (a factor of the learning rate) or settings of
        the optimiser. Parameters in no group have the recipe's settings.
        """
        return []

    def start_epoch(self, ctx: Context) -> None:
        """Called before the first step of an epoch."""

    def image_weights(self, ctx: Context) -> Tensor | None:
        """Return weights in proportion to which this epoch draws training images, with replacement, float64: (images,).

        With None, the default, the epoch visits every image once.
        """
        return None

    def before_step(self, ctx: Context) -> None:
        """Called before a step's paths are planned; `ctx` has the step's images."""

    def plan(self, ctx: Context) -> list[Path]:
        """Return the paths of the step. Exactly one method of a recipe plans."""
        raise NotImplementedError

    def take_step(self, ctx: Context, plan: Sequence[Path], step: Step) -> StepResult:
        """Turn the paths into an update of the weights. At most one method of a recipe overrides this.

        Args:
            step: calls the hooks of all methods; see `methods.steps`.
        """
        raise NotImplementedError

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        """Return a term of the loss of a path, a scalar, which is differentiated at once; None if none applies."""
        return None

    def step_loss(self, ctx: Context, outs: Sequence[Output]) -> Tensor | None:
        """Return a term of the step's loss, a scalar, or None. It is called after the backward passes of all paths.

        The outputs have no gradients, unless a method of the recipe has `keeps_graph`. A recipe in which another
        method overrides `take_step` is refused, since that method need not scale gradients by a learning rate.
        """
        return None

    def after_path(self, ctx: Context, out: Output) -> None:
        """Called after one path's backward pass, with the accumulated gradients of the step so far."""

    def before_update(self, ctx: Context) -> None:
        """Called with the gradients of the whole step, before clipping, to project, scale or record them."""

    def after_update(self, ctx: Context) -> None:
        """Called after the optimiser's step."""

    def end_epoch(self, ctx: Context) -> None:
        """Called after the last step of an epoch."""

    def state_dict(self) -> dict[str, Any]:
        """Return all that a resumed run needs to go on with equal bits: tensors, numbers, texts, lists and dicts."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        """Restore the result of `state_dict`, before the network's weights are loaded: their shapes may change here."""


def overrides(method: Method, hook: str) -> bool:
    """Tell whether a method overrides this hook."""
    return getattr(type(method), hook) is not getattr(Method, hook)
