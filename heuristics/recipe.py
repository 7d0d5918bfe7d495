"""The recipe: everything that decides how a super-net is built, trained and scored.

A recipe is immutable and serialisable; its hash names it. Whatever changes results in silence elsewhere has a key
of its own here: how batch norm is used at scoring, what happens to operations that a step did not sample, whether
gradients of several paths are summed or averaged, whether all cells share one architecture.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import types
import typing
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import yaml

from supernet.benchmarks import files
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.plain_yaml import BadYaml, parse_yaml, read_yaml
from supernet.benchmarks.wording import listed, nearest, quoted
from supernet.heuristics import rules as combinations
from supernet.heuristics.spelling import unknown_key

LAWS = ["uniform", "architectures", "classes", "fair", "sandwich", "fixed", "distribution"]
"""The sampling laws; `heuristics.samplers.register` adds to them."""
MOST_TEXT = 1_000
"""Characters of a text in a recipe."""
MOST_PROBLEMS = 8
"""Problems that one message lists."""


class RecipeError(UserError):
    """A recipe that cannot be read or combines what cannot be combined; the text says which key and why."""


@dataclass(frozen=True)
class TaskSection:
    """What the super-net learns."""

    name: str = "cifar10"
    size: int | None = None
    """Images are down-sampled to this many pixels a side; None keeps them."""
    train_portion: float = 0.9
    """Share of the training images that train; the rest validates."""
    train_images: int | None = None
    """Keep so many training images after the split; None keeps all."""
    valid_images: int | None = None
    test_images: int | None = None
    """Only stand-alone training is tested."""
    seed: int = 0
    """Of the division into training and validation images (digits: of the canvases). Apart from the recipe's seed,
    so that runs of several seeds see the same data and are scored on the same images."""


@dataclass(frozen=True)
class NetworkSection:
    """How the super-net is built and how an architecture maps onto its weights."""

    channels: int = 16
    """Channels of the first stage."""
    cells: int = 5
    """Cells per stage."""
    bn_affine: bool = True
    bn_track: bool = False
    """Keep running statistics while training."""
    op_on: Literal["edge", "node"] = "edge"
    """On `node`, edges into a node share one set of weights per operation, but for those from the cell's input."""
    ofa_kernel: Literal["own", "centre", "transform"] = "own"
    """The 1x1 convolution has weights of its own, or is the centre of the 3x3 one, as it is or scaled by a learned
    factor."""
    channel_mode: Literal["fixed", "fixed_chunk", "random_chunk", "shuffle", "interpolate"] = "fixed"
    """1Shot1: nodes keep one width, or take the benchmark's (output channels / edges into the output) as a part of
    shared weights: the first channels, a random chunk, a random selection, or an interpolation."""
    ws_bn: bool = False
    """1Shot1: one batch norm per set of parents of a node."""
    path_dropout: float = 0.0
    """Probability with which the output of an edge is dropped, reached linearly over layers and steps."""
    global_dropout: float = 0.0
    """Dropout of the pooled features."""
    partial_channels: int = 1
    """nb201: operations see one in so many channels of their node, the others pass by (PC-DARTS's k)."""


@dataclass(frozen=True)
class TrainingSection:
    """How the weights are trained."""

    epochs: int = 100
    batch_size: int = 64
    learning_rate: float = 0.025
    final_learning_rate: float = 0.001
    schedule: Literal["cosine", "constant", "step"] = "cosine"
    """`step` divides by ten at 30 % and 60 % of the steps; all change with every step."""
    warmup_epochs: float = 0.0
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 3e-4
    clip: float | None = 5.0
    """Norm to which the whole gradient is clipped; None does not."""
    label_smoothing: float = 0.0
    unsampled: Literal["keep", "zero"] = "keep"
    """What an optimiser step does to weights without a gradient: leave them, or (as zero-filled gradients do)
    apply momentum and weight decay to them."""
    amp: bool = False
    """bfloat16 autocast."""
    extras: str = ""
    """Further loss terms and update transforms by name (`heuristics.extras`), separated by commas."""


@dataclass(frozen=True)
class SamplingSection:
    """Which paths a step trains."""

    law: str = "uniform"
    """One of `LAWS`: `uniform` per decision (Random-NAS, SPOS); over the `architectures` that differ (Random-A); over
    functional `classes`; strictly `fair` (FairNAS); `sandwich`; one `fixed` architecture, alone; or as a learned
    `distribution` has it."""
    paths: int = 1
    """Paths per step, where the law leaves it open."""
    batch: Literal["whole", "split"] = "whole"
    """Every path of a step sees the whole batch, or its own part of it."""
    reduce: Literal["mean", "sum"] = "mean"
    """How the gradients of a step's paths add up."""
    per_cell: bool = False
    """Draw an architecture for every cell instead of one for all."""
    with_none: bool = True
    """Also sample the operation none."""
    architecture: str | None = None
    """The architecture of the `fixed` law, as its official string."""


@dataclass(frozen=True)
class DistributionSection:
    """A distribution over architectures, learned in turn with the weights."""

    model: Literal["none", "softmax", "simplex", "dirichlet", "controller"] = "none"
    """Logits of a softmax; points of the simplex themselves, learned by exponentiated gradients (GAEA); a Dirichlet
    distribution of mixtures (DrNAS); or an LSTM that decides one thing after the other (ENAS)."""
    step: Literal["first-order", "second-order", "importance", "reinforce"] = "first-order"
    """How it learns: by gradients through a relaxed network, of first or second order (DARTS); by weighing sampled
    architectures with their likelihoods (PARSEC); or by policy gradients (ENAS)."""
    route: Literal["mixture", "gate"] = "mixture"
    """How the network is relaxed: all options, weighed (DARTS), or one that is drawn, with a gradient to all (GDAS)."""
    perturbation: Literal["none", "random", "adversarial"] = "none"
    """Of the mixture, in steps of the weights (SmoothDARTS)."""
    data: Literal["valid", "train"] = "valid"
    """What it learns from: validation images (bilevel), or further batches of training images (single-level, ERM)."""
    first: Literal["distribution", "weights"] = "distribution"
    """Which of the two learns first in a step."""
    start_epoch: int = 0
    """Epochs in which the weights learn alone."""
    learning_rate: float = 3e-4
    weight_decay: float = 1e-3
    """Of logits; of a Dirichlet, of what its concentrations are less one before elu."""
    beta1: float = 0.5
    """Adam's decay of the mean gradient."""
    epsilon: float = 1e-8
    """Adam's."""
    edge_weights: bool = False
    """nb201: also weigh the edges into a node (PC-DARTS)."""
    floor: float = 1e-5
    """simplex: the least weight."""
    entropy: float = 0.0
    """simplex: factor of sum(w log w) in the loss; reinforce: factor of the entropy in the reward."""
    temperature: float = 10.0
    """gate: at the first epoch, from where it falls linearly."""
    final_temperature: float = 0.1
    radius: float = 0.03
    """perturbation: at the first epoch, from where it grows linearly."""
    final_radius: float = 0.3
    samples: int = 16
    """importance: architectures per step; reinforce: per update of the controller."""
    likelihood: float = 1.0
    """importance: power to which a batch's likelihood is raised; 1 makes one architecture have nearly all weight."""
    updates: int = 50
    """reinforce: of the controller, after every epoch."""


@dataclass(frozen=True)
class EvaluationSection:
    """How architectures are scored with the shared weights."""

    bn: Literal["batch", "running", "recalibrate"] = "batch"
    """Statistics of the scoring batch; running ones; or ones recomputed for every architecture."""
    recalibration_batches: int = 4
    images: int = 1000
    """Validation images, the same for all architectures."""
    batch_size: int = 250
    metric: Literal["loss", "accuracy"] = "loss"
    """What the ranking is by; both are written."""


@dataclass(frozen=True)
class Recipe:
    """A super-net and what is done with it."""

    space: str = "nb201"
    seed: int = 0
    task: TaskSection = field(default_factory=TaskSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    training: TrainingSection = field(default_factory=TrainingSection)
    sampling: SamplingSection = field(default_factory=SamplingSection)
    distribution: DistributionSection = field(default_factory=DistributionSection)
    evaluation: EvaluationSection = field(default_factory=EvaluationSection)

    def __post_init__(self) -> None:
        for name, kind, value in _fields(self):
            if not _is_of(kind, value):
                raise RecipeError(_wrong_kind(name, kind, value))
        problems = list(combinations.problems(self, LAWS))
        if problems:
            more = len(problems) - MOST_PROBLEMS
            rest = f"; and {more} more problems" if more > 0 else ""
            raise RecipeError("The recipe cannot be used: " + "; ".join(problems[:MOST_PROBLEMS]) + rest + ".")

    def as_dict(self) -> dict[str, Any]:
        """Nested plain values, every key present."""
        return dataclasses.asdict(self)

    def override(self, changes: Iterable[str]) -> Recipe:
        """A copy with `section.key=value` changes, values written as in YAML."""
        content = self.as_dict()
        for change in changes:
            name, separator, text = change.partition("=")
            if not separator:
                raise RecipeError(f"{quoted(change)} is not of the form key=value, such as training.epochs=10.")
            if name not in key_names():
                raise RecipeError(unknown_key(name, key_names()))
            *sections, key = name.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[key] = _value(text)
        return from_dict(content)

    def shortened(self) -> Recipe:
        """The same work per step in one epoch, to time it: with a learning rate at which nothing diverges."""
        training = dataclasses.replace(
            self.training, epochs=1, warmup_epochs=0.0, learning_rate=1e-6, final_learning_rate=0.0
        )
        distribution = dataclasses.replace(self.distribution, start_epoch=0)
        return dataclasses.replace(self, training=training, distribution=distribution)

    def save(self, path: Path) -> None:
        """Write the recipe as YAML, whole or not at all."""
        files.write_text(path, yaml.safe_dump(self.as_dict(), sort_keys=False))

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the recipe's contents.

        Keys with their default values do not count, so that a key added later leaves the names of recipes that do
        not set it. A default must therefore never change.
        """
        return hash_of(self.as_dict())


def hash_of(content: Mapping[str, Any]) -> str:
    """The hash of the recipe that `as_dict` described, whether or not its values are known in this process.

    Raises:
        KeyError: it has keys that this version lacks.
    """
    chosen = _without_defaults(content, Recipe().as_dict())
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


def _without_defaults(content: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    chosen = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            value = _without_defaults(value, defaults[key])
        if value != ({} if isinstance(value, Mapping) else defaults[key]):
            chosen[key] = value
    return chosen


@functools.cache
def key_names() -> tuple[str, ...]:
    """All keys of a recipe with their sections, such as training.epochs."""
    return tuple(name for name, kind, _ in _fields(Recipe()) if not dataclasses.is_dataclass(kind))


@functools.cache
def _hints(section: Any) -> dict[str, Any]:
    """Name -> type of the fields of a recipe or of one of its sections."""
    return typing.get_type_hints(section)


def _fields(section: Any, prefix: str = "") -> Iterable[tuple[str, Any, Any]]:
    """Name, type and value of all fields of a recipe, those of a section after the section itself."""
    for key, kind in _hints(section.__class__).items():
        value = getattr(section, key)
        yield f"{prefix}{key}", kind, value
        if dataclasses.is_dataclass(kind) and isinstance(value, kind):  # type: ignore[arg-type]
            yield from _fields(value, f"{prefix}{key}.")


def load(path: Path) -> Recipe:
    """Read a recipe from YAML; keys that it leaves out have their defaults.

    Raises:
        RecipeError: the file cannot be read, is not YAML, or is not a recipe.
    """
    try:
        content = read_yaml(path)
    except OSError as error:
        raise RecipeError(f"The recipe {path} cannot be read: {error.strerror}.") from None
    except BadYaml as error:
        raise RecipeError(str(error)) from None
    if isinstance(content, Mapping) and "heuristics" in content:
        raise RecipeError(
            f"{path} is a study, not a recipe: run it with `supernet study run {path}`. To train one super-net, copy "
            "the content of its key `recipe` to a file of its own."
        )
    try:
        return from_dict({} if content is None else content)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None


def from_dict(content: Mapping[str, Any]) -> Recipe:
    """A recipe from nested plain values; unknown keys and values of a wrong type are errors."""
    recipe: Recipe = _build(Recipe, content, "")
    return recipe


def _build(section: Any, content: Any, prefix: str) -> Any:
    if not isinstance(content, Mapping):
        raise RecipeError(f"{prefix or 'the recipe'} must hold keys and values, not {quoted(content)}.")
    hints = _hints(section)
    values = {}
    for key, value in content.items():
        name = f"{prefix}.{key}" if prefix else str(key)
        if key not in hints:
            if not prefix and isinstance(value, Mapping) and (meant := nearest(key, hints)):
                raise RecipeError(f"there is no key {quoted(name)}; did you mean {meant}?")
            raise RecipeError(unknown_key(name, key_names()))
        kind = hints[key]
        values[key] = _build(kind, value, name) if dataclasses.is_dataclass(kind) else _typed(kind, value, name)
    return section(**values)


def _typed(kind: Any, value: Any, name: str) -> Any:
    """The value as this type: numbers may be written as whole numbers or text (YAML reads 1e-3 as text).

    Raises:
        RecipeError: it is of another type.
    """
    if float in (kind, *typing.get_args(kind)) and isinstance(value, int | str) and not isinstance(value, bool):
        try:
            return float(value)
        except (ValueError, OverflowError):
            pass
    elif _is_of(kind, value):
        return value
    raise RecipeError(_wrong_kind(name, kind, value))


def _is_of(kind: Any, value: Any) -> bool:
    """Whether the value is of a field's type; a whole number is a number, too."""
    if isinstance(kind, types.UnionType):
        return any(_is_of(option, value) for option in typing.get_args(kind))
    if typing.get_origin(kind) is Literal:
        return isinstance(value, str) and value in typing.get_args(kind)
    if kind in (int, float):
        return isinstance(value, int if kind is int else int | float) and not isinstance(value, bool)
    return isinstance(value, kind) and not (kind is str and len(value) > MOST_TEXT)


def _wrong_kind(name: str, kind: Any, value: Any) -> str:
    """The message about a value of another type than its key's."""
    options = typing.get_args(kind)
    if typing.get_origin(kind) is Literal:
        near = nearest(value, options)
        hint = f" (did you mean {near}?)" if near else ""
        return f"{name} is {quoted(value)}, but must be one of {listed(options)}{hint}."
    if dataclasses.is_dataclass(kind):
        return f"{name} is {quoted(value)}, but must be a {getattr(kind, '__name__', kind)}."
    if isinstance(value, str) and len(value) > MOST_TEXT:
        return f"{name} is a text of {len(value):,} characters; at most {MOST_TEXT:,} are supported."
    kinds = [getattr(option, "__name__", str(option)) for option in options or [kind] if option is not type(None)]
    return (
        f"{name} is {quoted(value)}, but must be {' or '.join(kinds)}{' or null' if len(options) > len(kinds) else ''}."
    )


def _value(text: str) -> Any:
    """A value as YAML reads it; what is not YAML, such as the string of an architecture, is text."""
    try:
        return parse_yaml(text)
    except BadYaml:
        return text
