"""The registry of methods: the names that a recipe can list under `methods`, with typed parameters.

`method` registers a class under a name. Methods that ship are imported when a recipe first names them, so that a list
of them need not import torch.
"""

from __future__ import annotations

import ast
import dataclasses
import importlib
import inspect
import re
import textwrap
import typing
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import SPACE_NAMES
from supernet.benchmarks.wording import did_you_mean, listed, nearest, quoted
from supernet.heuristics.plugins import Plugin, importing
from supernet.heuristics.same_code import same
from supernet.heuristics.values import is_union, typed

_Made = TypeVar("_Made", bound=type)
_NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,59}")
_PARAMETER_TYPES = (int, float, bool, str)


@dataclass(frozen=True)
class Shipped:
    """A method that belongs to the project, before its module is imported."""

    module: str
    """The module within `heuristics.methods` that registers it."""
    what: str
    """One line that says what the method does, for lists."""
    source: str
    """The paper."""
    spaces: tuple[str, ...] = SPACE_NAMES
    """Names of the spaces to which it applies."""
    measures: bool = False
    """Whether it only measures; other methods are remedies for what architectures that share weights do to each
    other."""


SHIPPED: Mapping[str, Shipped] = {
    "close": Shipped(
        "close", "gives operations one of several blocks of weights, whose number grows", "Zhou et al., ECCV 2022"
    ),
    "co-distil": Shipped(
        "co_distil",
        "makes the output of every cell similar to that of the largest architecture",
        "Li et al., DNA, CVPR 2020",
    ),
    "di-ws": Shipped(
        "di_ws",
        "moves weights orthogonally to the inputs of earlier architectures",
        "Niu et al., Neural Networks 2021",
    ),
    "disturbance": Shipped(
        "disturbance",
        "measures how a step of one architecture changes the loss of another",
        "Niu et al., Neural Networks 2021",
        measures=True,
    ),
    "distil": Shipped(
        "distil",
        "makes the outputs of every path similar to those of a trained teacher",
        "Trofimov et al., MF-KD, 2020",
    ),
    "dynas": Shipped(
        "dynas",
        "trains at rates that depend on size, with a momentum for each group",
        "Jeon et al., CVPR 2025",
    ),
    "few-shot": Shipped(
        "few_shot", "splits the super-net by the options of a decision, and trains the parts", "Zhao et al., ICML 2021"
    ),
    "gm-split": Shipped(
        "gm_split",
        "splits the super-net where gradients of options differ, and trains the parts",
        "Hu et al., GM-NAS, ICLR 2022",
    ),
    "interference": Shipped(
        "interference",
        "measures the cosine of two architectures' gradients for a shared operation",
        "Xu et al., ICML 2022",
        measures=True,
    ),
    "k-shot": Shipped(
        "k_shot", "mixes the weights of each architecture from a dictionary of K weights", "Su et al., ICML 2021"
    ),
    "landmarks": Shipped(
        "landmarks",
        "adds a ranking loss over landmark architectures with known accuracies",
        "Yu, Ranftl and Salzmann, CVPR 2021",
    ),
    "magic-a": Shipped(
        "magic", "aligns the features of every architecture with those of a good one", "Xu et al., ICML 2022"
    ),
    "magic-t": Shipped(
        "magic", "trains a chain of architectures whose neighbours differ in a few decisions", "Xu et al., ICML 2022"
    ),
    "nsas": Shipped(
        "nsas", "trains every architecture of an archive of novel ones again in each step", "Zhang et al., CVPR 2020"
    ),
    "ogd": Shipped(
        "ogd",
        "moves weights orthogonally to gradients of earlier architectures",
        "Farajtabar et al., AISTATS 2020",
    ),
    "pa-da": Shipped(
        "panda", "draws operations and images in proportion to their gradient norms", "Lu et al., CVPR 2023"
    ),
    "prior-rank": Shipped(
        "prior_rank",
        "adds a ranking loss where paths have another order than a free score",
        "Dong et al., PGONAS, 2022",
    ),
    "replay": Shipped(
        "replay", "trains two members of a diverse archive beside every random path", "Zhang et al., NSAS, CVPR 2020"
    ),
    "reptile": Shipped(
        "reptile",
        "moves weights towards the mean of copies that each trained on a path",
        "Ha et al., SUMNAS, ICLR 2022",
    ),
    "successive": Shipped(
        "successive",
        "measures how a training step disturbs the architecture of the step before",
        "Xu et al., ICML 2022",
        measures=True,
    ),
}
"""Name -> a method that ships."""


@dataclass(frozen=True)
class Parameter:
    """A parameter of a method: a field of its dataclass."""

    name: str
    kind: Any
    """The type that its values have."""
    default: Any
    what: str = ""
    """The text after the field, which says what the parameter means."""


@dataclass(frozen=True)
class Entry:
    """A registered method."""

    name: str
    make: type
    """The class, which takes the parameters as keywords."""
    what: str
    """One line that says what the method does, for lists."""
    source: str
    """The paper."""
    spaces: tuple[str, ...]
    """Names of the spaces to which it applies."""
    parameters: Mapping[str, Parameter] = field(default_factory=dict)
    """Name -> parameter, in the order of the class's fields."""
    plugin: Plugin | None = None
    """The file that registered it; None for methods that ship or that were registered in an interactive session."""

    @property
    def reads(self) -> frozenset[str]:
        """Keys of `sampling` that the method follows, if it plans."""
        return frozenset(getattr(self.make, "reads", ()))

    @property
    def ignores(self) -> frozenset[str]:
        """Keys of the recipe that the method does not follow, if it takes steps."""
        return frozenset(getattr(self.make, "ignores", ()))

    @property
    def excludes(self) -> Mapping[str, str]:
        """Name of a method that the method cannot be combined with -> the reason."""
        return dict(getattr(self.make, "excludes", {}))

    def has(self, hook: str) -> bool:
        """Tell whether the class of the method, or a base class other than `Method`, overrides this hook."""
        return any(hook in vars(c) for c in self.make.__mro__ if c.__qualname__ not in ("Method", "object"))


METHODS: dict[str, Entry] = {}
"""Name -> method, for all methods that were registered in this process."""
_plugins: dict[str, list[Plugin]] = {}
"""Name -> the plug-ins that registered the method, with equal code, in order of registration."""


def method(
    name: str, *, what: str = "", source: str = "", spaces: tuple[str, ...] = SPACE_NAMES
) -> Callable[[_Made], _Made]:
    """Register a subclass of `Method`, so that recipes, studies and searches can name it.

    The class becomes a dataclass. Its fields are the method's parameters: each has a type (int, float, bool, str, a
    Literal of texts, or one of these or None) and a default. Fields whose names begin with an underscore are not
    parameters; give them `field(default=…, init=False)`. A text after a field says what the parameter means.

    Args:
        name: lower-case letters, digits and hyphens.
        what: one line that says what the method does, for lists; default: the first line of the class's docstring.
        source: the paper.
        spaces: names of the spaces to which the method applies.

    Raises:
        UserError: the name, a parameter or the class cannot be used, or the name belongs to other code already.
    """

    def register(kind: _Made) -> _Made:
        _check_name(name)
        if not (isinstance(kind, type) and hasattr(kind, "path_loss") and hasattr(kind, "state_dict")):
            raise UserError(f"The method {quoted(name)} must be a class derived from supernet.Method.")
        if "__dataclass_fields__" not in vars(kind):
            dataclass(eq=False)(kind)  # in place
        known = METHODS.get(name)
        if known is not None and not same(known.make, kind):
            raise UserError(
                f"There is a method {quoted(name)} already, and its code differs: register yours under another name, "
                "so that results of the two can be told apart. (If you changed the code in a notebook, restart it.)"
            )
        shipped = SHIPPED.get(name)
        if shipped is not None and not kind.__module__.startswith("supernet.heuristics.methods."):
            raise UserError(f"The method {quoted(name)} ships with the project: register yours under another name.")
        line = what or (kind.__doc__ or "").strip().partition("\n")[0]
        METHODS[name] = Entry(
            name,
            kind,
            shipped.what if shipped else line,
            shipped.source if shipped else source,
            shipped.spaces if shipped else tuple(spaces),
            _parameters(name, kind),
            importing(),
        )
        if (plugin := importing()) is not None:
            _plugins.setdefault(name, []).append(plugin)
        return kind

    return register


def entry(name: str) -> Entry:
    """Find the method of this name; one that ships is imported if necessary.

    Raises:
        UserError: there is none; the text suggests a similar name.
    """
    named = isinstance(name, str)  # a recipe may say anything
    if named and name not in METHODS and name in SHIPPED:
        importlib.import_module(f"supernet.heuristics.methods.{SHIPPED[name].module}")
    if not named or name not in METHODS:
        known = names()
        near = nearest(name, known) if named else None
        raise UserError(
            f"there is no method {quoted(name)}; {did_you_mean(name, known) if near else listed(known) + ' are known.'}"
            " A method of your own has to be loaded first, by --plugin (`plugins`) or by the key `plugins` of the "
            "recipe."
        )
    return METHODS[name]


def defined_by(name: str, plugins: Sequence[Plugin]) -> Plugin | None:
    """Find the plug-in that defines a method, preferably one of these.

    Returns:
        The plug-in; None for methods that ship or that were registered in an interactive session.
    """
    known = {plugin.sha256: plugin for plugin in _plugins.get(name, [])}
    named = [plugin for plugin in plugins if plugin.sha256 in known]
    return named[0] if named else entry(name).plugin


def names() -> list[str]:
    """Return the names of all methods, sorted."""
    return sorted({*SHIPPED, *METHODS})


def chosen(name: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    """Return the given parameters of a method that differ from their defaults, typed and sorted by name.

    Raises:
        UserError: there is no such method or parameter, or a value has the wrong type or range.
    """
    found = entry(name)
    values: dict[str, Any] = {}
    for key, value in given.items():
        if key not in found.parameters:
            hint = did_you_mean(key, list(found.parameters)) if found.parameters else "it has none."
            raise UserError(f"the method {name} has no parameter {quoted(key)}; {hint}")
        parameter = found.parameters[key]
        try:
            values[key] = typed(parameter.kind, value, f"methods.{name}.{key}")
        except ValueError as error:
            raise UserError(str(error)) from None
    try:
        found.make(**values)
    except (ValueError, UserError) as error:
        raise UserError(f"methods.{name}: {error}") from None
    return {key: values[key] for key in sorted(values) if values[key] != found.parameters[key].default}


def _check_name(name: Any) -> None:
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise UserError(
            f"{quoted(name)} cannot name a method: a name has 1 to 60 lower-case letters, digits, hyphens and "
            "underscores."
        )


def _parameters(name: str, kind: type) -> dict[str, Parameter]:
    """Return the parameters of a method's class: name -> parameter."""
    hints = typing.get_type_hints(kind)
    bases = [base for base in reversed(kind.__mro__) if dataclasses.is_dataclass(base)]
    meanings = {field: text for base in [*bases, kind] for field, text in texts(base).items()}
    found = {}
    for part in dataclasses.fields(kind):
        if not part.init:
            continue
        if part.default is dataclasses.MISSING:
            raise UserError(f"The parameter {quoted(part.name)} of the method {quoted(name)} needs a default.")
        if not _supported(hints[part.name]):
            raise UserError(
                f"The parameter {quoted(part.name)} of the method {quoted(name)} must be an int, float, bool, str, a "
                "Literal of texts, or one of these or None."
            )
        found[part.name] = Parameter(part.name, hints[part.name], part.default, meanings.get(part.name, ""))
    return found


def _supported(kind: Any) -> bool:
    """Tell whether a parameter can have this type."""
    if typing.get_origin(kind) is typing.Literal:
        return all(isinstance(value, str) for value in typing.get_args(kind))
    if is_union(kind):
        return all(option is type(None) or _supported(option) for option in typing.get_args(kind))
    return kind in _PARAMETER_TYPES


def texts(kind: type) -> dict[str, str]:
    """Return field -> the text after it in the class's source; empty for classes without a source file."""
    try:
        (tree,) = ast.parse(textwrap.dedent(inspect.getsource(kind))).body
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    assert isinstance(tree, ast.ClassDef)
    found = {}
    for before, after in zip(tree.body, tree.body[1:], strict=False):
        if (
            isinstance(before, ast.AnnAssign)
            and isinstance(before.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
        ):
            found[before.target.id] = " ".join(str(after.value.value).split())
    return found
