"""The heuristics that weight-sharing papers use, each a named edit of a recipe.

The catalogue has the fourteen heuristics of Yu, Ranftl and Salzmann (TPAMI 2021), in their two families: the training
protocol, and the mapping from architectures to shared weights, whose low-fidelity settings are a family of their own
here. They make sixteen entries, because learning rate and schedule are two, and so are the two kinds of dropout. The
other entries are heuristics of other papers, and details that change results but are rarely reported.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeVar

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SPACE_NAMES, space
from supernet.benchmarks.wording import listed, quoted
from supernet.heuristics import registry
from supernet.heuristics.inert import why_inert
from supernet.heuristics.recipe import Recipe, RecipeError
from supernet.heuristics.same_code import add

Family = Literal["protocol", "mapping", "low fidelity", "unreported details", "remedies", "measures", "method"]
_Edit = TypeVar("_Edit", bound=Callable[[Any], Sequence[str]])

YU = "Yu et al., TPAMI 2021"
ON_EDGES, ON_NODES = (
    tuple(name for name in SPACE_NAMES if space(name).operations_on == where) for where in ("edges", "nodes")
)
WITH_EXTREMES = tuple(name for name in SPACE_NAMES if space(name).extremes() is not None)
WITH_NONE = tuple(name for name in SPACE_NAMES if space(name).idle_option is not None)
WITH_NESTED_KERNELS = tuple(name for name in SPACE_NAMES if space(name).nested_kernels)


@dataclass(frozen=True)
class Heuristic:
    """A named edit of a recipe with its values."""

    name: str
    family: Family
    what: str
    """One line that says what the heuristic does, for lists."""
    values: dict[str, tuple[str, ...]]
    """Value -> the changes of the recipe that it makes, such as `training.epochs=10`."""
    source: str
    """The paper or code that the heuristic comes from."""
    spaces: tuple[str, ...] = SPACE_NAMES
    """Names of the spaces to which it applies."""

    def __hash__(self) -> int:
        return hash(self.name)

    @property
    def key(self) -> str | None:
        """The recipe's key, if the heuristic sets exactly one; it then accepts any value of that key, too."""
        (first, *_) = next(iter(self.values.values()))
        key = first.partition("=")[0]
        return key if all(changes == (f"{key}={value}",) for value, changes in self.values.items()) else None

    def apply(self, recipe: Recipe, value: str) -> Recipe:
        """Return the recipe with this value of the heuristic.

        Raises:
            RecipeError: the value is unknown, or the heuristic does not apply to the recipe's space, or the value
                cannot be combined with the rest of the recipe, or a method of the recipe does not follow its keys.
        """
        if value not in self.values and self.key is None:
            raise RecipeError(
                f"The heuristic {self.name} has no value {quoted(value)}; it has {listed(self.values, 40)}."
            )
        if recipe.space not in self.spaces:
            raise RecipeError(f"The heuristic {self.name} is for {', '.join(self.spaces)}, not for {recipe.space}.")
        found = recipe.override(self._changes(value))
        if problem := self.ignored(found, value):
            raise RecipeError(problem)
        return found

    def ignored(self, recipe: Recipe, value: str) -> str | None:
        """Say why this value has no effect in a recipe, where a method does not follow any key that it sets."""
        keys = {change.partition("=")[0] for change in self._changes(value)}
        for chosen in recipe.methods:
            if keys <= registry.entry(chosen.name).ignores:
                names = listed(sorted(keys))
                return f"The method {chosen.name} does not follow {names}, so that {self.name} has no effect."
        return None

    def inert(self, recipe: Recipe, value: str) -> str | None:
        """Say why this value trains the same weights as every other in a recipe; None if it does not."""
        return why_inert(recipe, {change.partition("=")[0] for change in self._changes(value)})

    def _changes(self, value: str) -> Sequence[str]:
        return self.values.get(value) or [f"{self.key}={value}"]


def _key(key: str, *values: object) -> dict[str, tuple[str, ...]]:
    """Values that set one key."""
    return {str(value): (f"{key}={value}",) for value in values}


_HEURISTICS = (
    # ---- protocol: how the super-net is trained and scored
    Heuristic(
        "batch-norm",
        "protocol",
        "learns a scale and shift in batch norm or not, and scores with batch, running or recalibrated statistics",
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
        "sets the initial learning rate",
        _key("training.learning_rate", 0.01, 0.025, 0.05, 0.1, 0.2),
        YU,
    ),
    Heuristic(
        "schedule",
        "protocol",
        "lowers the learning rate as a cosine or in steps, or keeps it constant",
        _key("training.schedule", "cosine", "constant", "step"),
        YU,
    ),
    Heuristic(
        "epochs",
        "protocol",
        "sets the number of training epochs",
        _key("training.epochs", 10, 25, 50, 100, 200, 400),
        YU,
    ),
    Heuristic(
        "weight-decay",
        "protocol",
        "sets the weight decay of the shared weights",
        _key("training.weight_decay", 0.0, 1e-4, 3e-4, 1e-3, 3e-3),
        YU,
    ),
    Heuristic(
        "path-sampling",
        "protocol",
        "chooses how the architectures that a step trains are drawn",
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
        "trains the largest, the smallest and two random architectures in every step; the largest teaches the others",
        {"on": ("sampling.law=sandwich",)},
        "Yu et al., BigNAS, ECCV 2020",
        WITH_EXTREMES,
    ),
    # ---- mapping: how an architecture uses the shared weights
    Heuristic(
        "dynamic-channels",
        "mapping",
        "keeps nodes at one width, or gives each its width in the benchmark's network as a part of the shared weights",
        _key("network.channel_mode", "fixed", "fixed_chunk", "random_chunk", "shuffle", "interpolate"),
        YU,
        ON_NODES,
    ),
    Heuristic(
        "ofa-kernel",
        "mapping",
        "takes small convolutions from the centres of large kernels, or gives them weights of their own",
        _key("network.ofa_kernel", "own", "centre", "transform"),
        f"{YU}; Cai et al., ICLR 2020",
        WITH_NESTED_KERNELS,
    ),
    Heuristic(
        "ws-bn",
        "mapping",
        "gives a node one batch norm for each set of parents",
        _key("network.ws_bn", "false", "true"),
        YU,
        ON_NODES,
    ),
    Heuristic(
        "path-dropout",
        "mapping",
        "drops outputs of edges at random during training, with up to this probability",
        _key("network.path_dropout", 0.0, 0.1, 0.2),
        YU,
    ),
    Heuristic(
        "global-dropout",
        "mapping",
        "applies dropout to the pooled features before the classifier",
        _key("network.global_dropout", 0.0, 0.1, 0.2),
        YU,
    ),
    Heuristic(
        "op-on",
        "mapping",
        "gives operations weights for each edge, or shares them among the edges into a node",
        _key("network.op_on", "edge", "node"),
        YU,
        ON_EDGES,
    ),
    # ---- low fidelity: a cheaper super-net
    Heuristic(
        "layers", "low fidelity", "sets the number of cells in each stage", _key("network.cells", 1, 2, 3, 5), YU
    ),
    Heuristic(
        "training-portion",
        "low fidelity",
        "sets the share of the training images that train the weights; the others validate",
        _key("task.train_portion", 0.25, 0.5, 0.75, 0.9),
        YU,
    ),
    Heuristic(
        "batch-size",
        "low fidelity",
        "sets the number of images in a training step",
        _key("training.batch_size", 64, 128, 256, 512),
        YU,
    ),
    Heuristic(
        "channels",
        "low fidelity",
        "sets the number of channels in the first stage",
        _key("network.channels", 4, 8, 16, 32),
        YU,
    ),
    # ---- unreported details: settings that change results and that papers rarely report
    Heuristic(
        "unsampled",
        "unreported details",
        "keeps weights that a step did not use, or applies momentum and weight decay to them, too",
        _key("training.unsampled", "keep", "zero"),
        "default of zero_grad before and since PyTorch 2.0",
    ),
    Heuristic(
        "gradient",
        "unreported details",
        "averages or sums the gradients of the paths of a step",
        _key("sampling.reduce", "mean", "sum"),
        YU,
    ),
    Heuristic(
        "paths-see",
        "unreported details",
        "shows each path of a step the whole batch, or a part of it",
        _key("sampling.batch", "whole", "split"),
        "this project",
    ),
    Heuristic(
        "per-cell",
        "unreported details",
        "draws one architecture for all cells in training, or one for each cell",
        _key("sampling.per_cell", "false", "true"),
        "D-X-Y/AutoDL-Projects, forward_urs",
    ),
    Heuristic(
        "with-none",
        "unreported details",
        "includes the operation none in training, or leaves it out",
        _key("sampling.with_none", "true", "false"),
        "Li et al., GAEA, ICLR 2021",
        WITH_NONE,
    ),
    Heuristic(
        "clip",
        "unreported details",
        "clips gradients to this norm; null turns clipping off",
        _key("training.clip", "null", 0.25, 5.0),
        "Li and Talwalkar, UAI 2019",
    ),
    Heuristic(
        "nesterov",
        "unreported details",
        "turns Nesterov momentum on",
        _key("training.nesterov", "false", "true"),
        "D-X-Y/AutoDL-Projects",
    ),
    Heuristic(
        "label-smoothing",
        "unreported details",
        "smooths the labels in the training loss by this amount",
        _key("training.label_smoothing", 0.0, 0.1),
        "Guo et al., ECCV 2020",
    ),
    Heuristic(
        "score-by",
        "unreported details",
        "ranks architectures by validation loss or by validation accuracy",
        _key("evaluation.metric", "loss", "accuracy"),
        "this project",
    ),
)

CATALOGUE: dict[str, Heuristic] = {heuristic.name: heuristic for heuristic in _HEURISTICS}
"""Name -> heuristic, of all that ship or were registered."""


def register(heuristic: Heuristic) -> None:
    """Register a heuristic under its name, so that studies can name it.

    Raises:
        UserError: another heuristic has this name, or the heuristic has no values, or one of them sets no key.
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
        name: how studies name the heuristic.
        values: the numbers or texts to call the function with; `all` in a study stands for all of them.
        what: one line for lists that says what the heuristic does; default: the first line of the function's docstring.
        source: the paper.
        family: the kind of change, by which reports group heuristics.
        spaces: names of the spaces to which it applies.

    Raises:
        UserError: see `register`; also raised if the function fails for one of the values.
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
    """Find a heuristic by name: an entry of the catalogue, a method (`magic-t`), or a parameter (`magic-t.changes`).

    Returns:
        The heuristic; None if there is none of this name.
    """
    if name in CATALOGUE:
        return CATALOGUE[name]
    method, _, parameter = name.partition(".")
    if method not in registry.names():
        return None
    entry = registry.entry(method)
    if not parameter:
        changes: dict[str, tuple[str, ...]] = {"on": (f"methods.{method}=true",)}
        return Heuristic(name, _family(method), entry.what, changes, entry.source, entry.spaces)
    if parameter not in entry.parameters:
        return None
    key, found = f"methods.{method}.{parameter}", entry.parameters[parameter]
    default = "null" if found.default is None else str(found.default)
    default = default.lower() if isinstance(found.default, bool) else default
    values: dict[str, tuple[str, ...]] = {default: (f"{key}={default}",)}
    return Heuristic(name, _family(method), found.what or entry.what, values, entry.source, entry.spaces)


def _family(method: str) -> Family:
    """The family of a method: remedies, or measures, if it ships."""
    shipped = registry.SHIPPED.get(method)
    return "method" if shipped is None else "measures" if shipped.measures else "remedies"


def names() -> list[str]:
    """Return all names that `find` accepts, except those of parameters of methods."""
    return [*CATALOGUE, *registry.names()]
