"""The heuristics that weight-sharing papers use, each a named edit of a recipe.

The fourteen of Yu, Ranftl and Salzmann (TPAMI 2021), in their two families (the training protocol, and the mapping
from architectures to shared weights, with its low-fidelity settings), and the switches that published results
leave unsaid. The paper's fourteen are sixteen entries: learning rate and schedule are two, as is dropout.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SPACE_NAMES, space
from supernet.benchmarks.wording import listed, quoted
from supernet.heuristics import registry
from supernet.heuristics.recipe import Recipe, RecipeError
from supernet.heuristics.same_code import add

Family = Literal["protocol", "mapping", "low fidelity", "unsaid", "method"]
_Edit = TypeVar("_Edit", bound=Callable[[Any], Sequence[str]])

YU = "Yu et al., TPAMI 2021"
ON_EDGES, ON_NODES = (
    tuple(name for name in SPACE_NAMES if space(name).operations_on == where) for where in ("edges", "nodes")
)
WITH_EXTREMES = tuple(name for name in SPACE_NAMES if space(name).extremes() is not None)
WITH_NONE = tuple(name for name in SPACE_NAMES if space(name).idle_option is not None)


@dataclass(frozen=True)
class Heuristic:
    """A named edit of a recipe with its values."""

    name: str
    family: Family
    what: str
    values: dict[str, tuple[str, ...]]
    """Value -> overrides of the recipe."""
    source: str
    spaces: tuple[str, ...] = SPACE_NAMES

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def key(self) -> str | None:
        """The recipe key, if the heuristic sets exactly one; the heuristic then takes any value of that key."""
        (first, *_) = next(iter(self.values.values()))
        key = first.partition("=")[0]
        return key if all(changes == (f"{key}={value}",) for value, changes in self.values.items()) else None

    def apply(self, recipe: Recipe, value: str) -> Recipe:
        """The recipe with this value.

        Raises:
            RecipeError: the value is unknown, or does not apply to the recipe's space or the rest of the recipe.
        """
        if value not in self.values and self.key is None:
            raise RecipeError(
                f"The heuristic {self.name} has no value {quoted(value)}; it has {listed(self.values, 40)}."
            )
        if recipe.space not in self.spaces:
            raise RecipeError(f"The heuristic {self.name} is for {', '.join(self.spaces)}, not for {recipe.space}.")
        return recipe.override(self.values.get(value) or [f"{self.key}={value}"])


def _key(key: str, *values: object) -> dict[str, tuple[str, ...]]:
    """Values that set one key."""
    return {str(value): (f"{key}={value}",) for value in values}


_HEURISTICS = (
    # ---- protocol: how the super-net is trained and scored
    Heuristic(
        "batch-norm",
        "protocol",
        "learned scale and shift; running statistics kept; which statistics score",
        {
            "affine-batch": ("network.bn_affine=true", "network.bn_track=false", "evaluation.bn=batch"),
            "plain-batch": ("network.bn_affine=false", "network.bn_track=false", "evaluation.bn=batch"),
            "affine-running": ("network.bn_affine=true", "network.bn_track=true", "evaluation.bn=running"),
            "plain-running": ("network.bn_affine=false", "network.bn_track=true", "evaluation.bn=running"),
            "affine-recalibrated": (
                "network.bn_affine=true",
                "network.bn_track=false",
                "evaluation.bn=recalibrate",
            ),
        },
        f"{YU}; recalibration: Guo et al., ECCV 2020",
    ),
    Heuristic(
        "learning-rate",
        "protocol",
        "initial learning rate",
        _key("training.learning_rate", 0.01, 0.025, 0.05, 0.1, 0.2),
        YU,
    ),
    Heuristic(
        "schedule", "protocol", "learning-rate schedule", _key("training.schedule", "cosine", "constant", "step"), YU
    ),
    Heuristic("epochs", "protocol", "epochs of training", _key("training.epochs", 10, 25, 50, 100, 200, 400), YU),
    Heuristic(
        "weight-decay", "protocol", "weight decay", _key("training.weight_decay", 0.0, 1e-4, 3e-4, 1e-3, 3e-3), YU
    ),
    Heuristic(
        "path-sampling",
        "protocol",
        "which paths a step trains",
        {
            "random-nas": ("sampling.law=uniform",),
            "random-a": ("sampling.law=architectures",),
            "classes": ("sampling.law=classes",),
            "fair-nas": ("sampling.law=fair",),
        },
        f"{YU}; Li and Talwalkar, UAI 2019; Chu et al., ICCV 2021",
    ),
    Heuristic(
        "sandwich",
        "protocol",
        "largest, smallest and two random paths; the largest one is the teacher",
        {"on": ("sampling.law=sandwich",)},
        "Yu et al., BigNAS, ECCV 2020",
        WITH_EXTREMES,
    ),
    # ---- mapping: how an architecture uses the shared weights
    Heuristic(
        "dynamic-channels",
        "mapping",
        "width of a node that depends on the architecture, as a part of shared weights",
        _key("network.channel_mode", "fixed", "fixed_chunk", "random_chunk", "shuffle", "interpolate"),
        YU,
        ON_NODES,
    ),
    Heuristic(
        "ofa-kernel",
        "mapping",
        "the 1x1 convolution is the centre of the 3x3 one",
        _key("network.ofa_kernel", "own", "centre", "transform"),
        f"{YU}; Cai et al., ICLR 2020",
    ),
    Heuristic(
        "ws-bn", "mapping", "one batch norm per set of parents", _key("network.ws_bn", "false", "true"), YU, ON_NODES
    ),
    Heuristic("path-dropout", "mapping", "drop the outputs of paths", _key("network.path_dropout", 0.0, 0.1, 0.2), YU),
    Heuristic(
        "global-dropout", "mapping", "dropout of the pooled features", _key("network.global_dropout", 0.0, 0.1, 0.2), YU
    ),
    Heuristic(
        "op-on", "mapping", "operations on edges or on nodes", _key("network.op_on", "edge", "node"), YU, ON_EDGES
    ),
    # ---- low fidelity: a cheaper super-net
    Heuristic("layers", "low fidelity", "cells per stage", _key("network.cells", 1, 2, 3, 5), YU),
    Heuristic(
        "training-portion",
        "low fidelity",
        "share of the training images that train",
        _key("task.train_portion", 0.25, 0.5, 0.75, 0.9),
        YU,
    ),
    Heuristic("batch-size", "low fidelity", "images per step", _key("training.batch_size", 64, 128, 256, 512), YU),
    Heuristic("channels", "low fidelity", "channels of the first stage", _key("network.channels", 4, 8, 16, 32), YU),
    # ---- unsaid: settings that change results and are rarely reported
    Heuristic(
        "unsampled",
        "unsaid",
        "the effect of a step on weights that it did not use",
        _key("training.unsampled", "keep", "zero"),
        "default of zero_grad before and since PyTorch 2.0",
    ),
    Heuristic(
        "gradient",
        "unsaid",
        "gradients of a step's paths are averaged or summed",
        _key("sampling.reduce", "mean", "sum"),
        YU,
    ),
    Heuristic(
        "paths-see",
        "unsaid",
        "each path of a step sees the whole batch, or its part",
        _key("sampling.batch", "whole", "split"),
        "this project",
    ),
    Heuristic(
        "per-cell",
        "unsaid",
        "one architecture for all cells, or one for each, while training",
        _key("sampling.per_cell", "false", "true"),
        "D-X-Y/AutoDL-Projects, forward_urs",
    ),
    Heuristic(
        "with-none",
        "unsaid",
        "whether training samples the operation none",
        _key("sampling.with_none", "true", "false"),
        "Li et al., GAEA, ICLR 2021",
        WITH_NONE,
    ),
    Heuristic(
        "clip",
        "unsaid",
        "norm to which gradients are clipped",
        _key("training.clip", "null", 0.25, 5.0),
        "Li and Talwalkar, UAI 2019",
    ),
    Heuristic(
        "nesterov", "unsaid", "Nesterov momentum", _key("training.nesterov", "false", "true"), "D-X-Y/AutoDL-Projects"
    ),
    Heuristic(
        "label-smoothing",
        "unsaid",
        "label smoothing",
        _key("training.label_smoothing", 0.0, 0.1),
        "Guo et al., ECCV 2020",
    ),
    Heuristic(
        "score-by",
        "unsaid",
        "rank by loss or by accuracy",
        _key("evaluation.metric", "loss", "accuracy"),
        "this project",
    ),
)

CATALOGUE: dict[str, Heuristic] = {heuristic.name: heuristic for heuristic in _HEURISTICS}
"""Name -> heuristic."""


def register(heuristic: Heuristic) -> None:
    """Register a heuristic under its name, for studies.

    Raises:
        UserError: another heuristic has this name, or one of its values sets no key.
    """
    if not heuristic.values or not all(heuristic.values.values()):
        raise UserError(f"The heuristic {quoted(heuristic.name)} needs values that each set at least one key.")
    add(CATALOGUE, heuristic.name, heuristic, "heuristic")


def heuristic(
    name: str,
    *,
    values: Sequence[object],
    what: str = "",
    source: str = "",
    family: Family = "protocol",
    spaces: tuple[str, ...] = SPACE_NAMES,
) -> Callable[[_Edit], _Edit]:
    """Register a function from a value to changes of the recipe, such as `["training.epochs=10"]`, as a heuristic.

    Args:
        values: numbers or texts; `all` in a study stands for all of them.
        what: one line for lists; default: the first line of the function's docstring.

    Raises:
        UserError: see `register`; or the function fails for one of the values.
    """

    def registered(edit: _Edit) -> _Edit:
        try:
            made = {str(value): tuple(edit(value)) for value in values}
        except Exception as error:
            raise UserError(f"The heuristic {quoted(name)} fails: {type(error).__name__}: {error}.") from error
        line = what or (edit.__doc__ or "").strip().partition("\n")[0]
        register(Heuristic(name, family, line, made, source, spaces))
        return edit

    return registered


def find(name: str) -> Heuristic | None:
    """The heuristic of this name: of the catalogue, or a method (`magic-t`), or its parameter (`magic-t.changes`)."""
    if name in CATALOGUE:
        return CATALOGUE[name]
    method, _, parameter = name.partition(".")
    if method not in registry.names():
        return None
    entry = registry.entry(method)
    if not parameter:
        changes: dict[str, tuple[str, ...]] = {"on": (f"methods.{method}=true",)}
        return Heuristic(name, "method", entry.what, changes, entry.source, entry.spaces)
    if parameter not in entry.parameters:
        return None
    key, found = f"methods.{method}.{parameter}", entry.parameters[parameter]
    default = str(found.default).lower() if isinstance(found.default, bool) else str(found.default)
    values: dict[str, tuple[str, ...]] = {default: (f"{key}={default}",)}
    return Heuristic(name, "method", found.what or entry.what, values, entry.source, entry.spaces)


def names() -> list[str]:
    """All names that `find` accepts, except parameters of methods."""
    return [*CATALOGUE, *registry.names()]
