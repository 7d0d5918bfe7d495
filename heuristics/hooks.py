"""The interfaces of training: `Method` with its hooks, and the `Context`, `Path`, `Output` and `Supernet` they use.

A recipe is trained by a list of methods: one plans the paths of every step, one turns them into an update, others add
losses, read gradients, change the network, or learn a distribution over architectures. All of them are `Method`s. The
loop (`harness.training.loop`) calls their hooks and knows none of them by name.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor, nn

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Arch, SearchSpace
from supernet.benchmarks.tasks.loader import Batch
from supernet.heuristics.recipe import Recipe

# ---- architectures as the network takes them -------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Gate:
    """A decision that executes one option, whose output is multiplied by a weight of value one (GDAS).

    The weights carry gradients: the output is w_i o_i(x) plus all other w_j, which are zero in value, as scalars
    (Dong and Yang, CVPR 2019).
    """

    option: int
    weights: Tensor
    """One at the option, zero elsewhere: (options,)."""

    @property
    def rest(self) -> Tensor:
        """The sum of the other options' weights, a scalar zero."""
        return self.weights.sum() - self.weights[self.option]


Choice = int | Tensor | Gate
"""A decision: the number of an option, weights over all options (a relaxation), or a gate."""
Routing = tuple[Choice, ...]
"""One choice per decision."""


@dataclass(frozen=True)
class Path:
    """One forward pass of a step."""

    routing: Routing | tuple[Routing, ...]
    """One routing for all cells, or one for each."""
    weight: float = 1.0
    """Factor of its loss."""
    role: str = "main"
    """The role by which losses distinguish paths. A path with the role student learns from the path with the role
    teacher before it in the same step, on the same images, under any law; paths of other roles learn from labels."""


class Supernet(nn.Module):
    """A network that holds the weights of all architectures of a space, and computes any one of them."""

    @property
    def cell_count(self) -> int:
        """Cells that may each have a routing of their own."""
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
        """Weights of the modules that compute an option of a decision, over all cells; empty if it has none."""

    def logits_of(self, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
        """Logits of each architecture on one batch, in the order given: (n, classes) each."""
        for arch in archs:
            yield self(x, arch)


# ---- the data of a step ----------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Output:
    """The logits of one path on its images, and its features on request."""

    path: Path
    images: Tensor
    labels: Tensor
    rows: Tensor
    logits: Tensor
    """float32, with gradients: (n, classes)."""
    features: tuple[Tensor, ...] = ()
    """Outputs of all cells, if captured; else empty."""


@dataclass(frozen=True)
class StepResult:
    """Loss and correct images of a step, as tensors, so that the host does not wait for the device."""

    loss: Tensor
    """Mean loss over paths, a scalar."""
    correct: Tensor
    """Number of correctly classified images over all paths, a scalar."""
    seen: int
    """Number of images passed forward for the paths of the plan."""


class Step(Protocol):
    """The hooks of all methods of a recipe, called by the method that turns paths into an update."""

    def batches(self, ctx: Context, paths: int) -> list[Batch]:
        """The images of each path of a step: the whole batch, or a part of it."""
        ...

    def path(self, ctx: Context, path: Path, batch: Batch, factor: float) -> StepResult:
        """Pass a batch forward and its loss, times a factor, backward; gradients add up."""
        ...

    def before_update(self, ctx: Context) -> None:
        """Run the backward pass of losses over the whole step, then let methods read or change the gradients."""
        ...

    def after_update(self, ctx: Context) -> None:
        """Let methods read the new weights."""
        ...


class NotFinite(ArithmeticError):
    """A value that training depends on is infinite or NaN; the text is the start of a sentence."""


@dataclass
class Meter:
    """Counts of images passed forward and backward; a mixture of k options counts as k paths."""

    forward: float = 0.0
    backward: float = 0.0

    def passes(self, batch_size: int) -> float:
        """Passes of one path forward and backward for one batch; backward counts as two thirds of a pass."""
        return (self.forward + 2 * self.backward) / (3 * batch_size)

    def copy(self) -> Meter:
        """The present counts."""
        return Meter(self.forward, self.backward)


class Truth(Protocol):
    """Ground truth that a method may query while it trains; every query is charged."""

    known: NDArray[np.int64]
    """Indices of the architectures that have ground truth, ascending."""

    def ask(self, indices: ArrayLike) -> NDArray[np.float64]:
        """Accuracies in percent of architectures: (n,). They are charged once each, and left out of the ranking."""
        ...


@dataclass(eq=False)
class Context:
    """The state of training for methods: network, batch, random numbers, streams of images and ground truth."""

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
    remake: Callable[[bool], None] | None = None
    meter: Meter = field(default_factory=Meter)
    epoch: int = 0
    step: int = 0
    """Steps taken since the start of training."""
    steps: int = 0
    """Steps of the whole training."""
    images: Tensor = field(default_factory=lambda: torch.empty(0))
    labels: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))
    rows: Tensor = field(default_factory=lambda: torch.empty(0, dtype=torch.int64))

    def __post_init__(self) -> None:
        self._generators: dict[int, np.random.Generator] = {}
        first = 0 if self.recipe.sampling.with_none else self.space.first_working
        options = max(len(self.space.decisions[number]) for number in self.space.operations) - first
        self._mixture = options / self.recipe.network.partial_channels

    def forward(self, path: Path, batch: Batch | None = None, *, capture: bool = False) -> Output:
        """Pass images through the network on one path, and meter it.

        Args:
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
        """The network's logits (n, classes), in float32 also under autocast; metered."""
        with torch.autocast(images.device.type, dtype=torch.bfloat16, enabled=self.recipe.training.amp):
            logits: Tensor = self.network(images, routing, features)
        logits = logits.float()
        self._count(len(images) * self._paths(routing), logits)
        return logits

    def _count(self, images: float, logits: Tensor) -> None:
        meter = self.meter
        meter.forward += images
        if logits.requires_grad:

            def went_backward(_: Tensor) -> None:
                meter.backward += images

            logits.register_hook(went_backward)

    def _paths(self, routing: Any) -> float:
        """Number of paths whose operations cost as much as a routing: a mixture computes those of all options.

        Options of parents cost nothing; with partial channels, operations cost a part.
        """
        first = routing[0]
        if isinstance(first, tuple):
            return sum(map(self._paths, routing)) / len(routing)
        mixed = any(isinstance(routing[number], Tensor) for number in self.space.operations if number < len(routing))
        return self._mixture if mixed else 1.0

    def stream(self, split: str, asker: Method) -> Batch:
        """The next batch of an endless stream, in random order and augmented.

        Args:
            split: "train" or "valid".
            asker: the method; each one has a separate stream.
        """
        assert self.batches is not None
        return self.batches(split, self.numbers[id(asker)])

    def random(self, asker: Method) -> np.random.Generator:
        """The random generator of the method `asker`, reseeded in every epoch, so that a resumed run draws the same
        numbers."""
        number = self.numbers[id(asker)]
        if number not in self._generators:
            self._generators[number] = np.random.default_rng([self.recipe.seed, self.epoch, number])
        return self._generators[number]

    def begin_epoch(self, epoch: int, step: int) -> None:
        """Seed all random numbers of an epoch."""
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
                "A method of this recipe asks for ground truth, but the run has none: give the table's measure, as "
                "`supernet study` and `supernet train` do, or `truth` to `train`."
            )
        return self.source

    def rebuild(self, restart: bool = True) -> None:
        """Continue with a network that a method has changed, with a new optimiser for its parameters.

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
    """The keys paths, per_cell and with_none of `recipe.sampling` that the method follows, if it plans."""

    def wrap(self, network: Supernet, ctx: Context) -> Supernet:
        """Wrap the network before training, for example in a partition or a dictionary of weights."""
        return network

    def parameter_groups(self, ctx: Context) -> list[dict[str, Any]]:
        """Groups of parameters with separate settings: `params`, and `scale` of the learning rate or settings of the
        optimiser. Parameters in no group have the recipe's settings."""
        return []

    def start_epoch(self, ctx: Context) -> None:
        """Called before the first step of an epoch."""

    def image_weights(self, ctx: Context) -> Tensor | None:
        """Weights by which the training images of this epoch are drawn, with replacement: (images,), float64.

        None, the default, visits every image once.
        """
        return None

    def before_step(self, ctx: Context) -> None:
        """Called before a step's paths are planned; `ctx` has the step's images."""

    def plan(self, ctx: Context) -> list[Path]:
        """The paths of the step. Exactly one method of a recipe plans."""
        raise NotImplementedError

    def take_step(self, ctx: Context, plan: Sequence[Path], step: Step) -> StepResult:
        """Turn the paths into an update of the weights. At most one method of a recipe overrides this.

        Args:
            step: calls the hooks of all methods; see `methods.steps`.
        """
        raise NotImplementedError

    def path_loss(self, ctx: Context, out: Output) -> Tensor | None:
        """A term of a path's loss, a scalar, differentiated at once; None if it does not apply to the path."""
        return None

    def step_loss(self, ctx: Context, outs: Sequence[Output]) -> Tensor | None:
        """A term of the step's loss, a scalar, after the backward passes of all paths; None if it does not apply."""
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
        """Everything that a resumed run needs for equal bits: tensors, numbers, texts, lists and dicts."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any], ctx: Context) -> None:
        """Restore the result of `state_dict`. Called before the network's weights are loaded: it may reshape it."""


def overrides(method: Method, hook: str) -> bool:
    """Whether a method overrides this hook."""
    return getattr(type(method), hook) is not getattr(Method, hook)


# ---- distributions over architectures --------------------------------------------------------------------------------


class ArchModel(Protocol):
    """A distribution over architectures."""

    def sample(self) -> Arch:
        """One architecture, drawn with torch's global generator."""
        ...

    def log_prob(self, arch: Arch) -> Tensor:
        """Log-probability of an architecture, with gradients, a scalar."""
        ...

    def best(self) -> Arch:
        """The architecture that the distribution selects."""
        ...
