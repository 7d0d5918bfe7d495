"""The recipe: everything that decides how a super-net is built, trained and scored.

A recipe is immutable and serialisable, and its hash names it. Details that change results and are easily left implicit
have keys here: how batch norm is used in scoring, what happens to operations that a step did not sample, whether
gradients of several paths are summed or averaged, whether all cells share one architecture.
"""

from __future__ import annotations

import dataclasses
import functools
import hashlib
import json
import typing
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from supernet.benchmarks import files
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.plain_yaml import BadYaml, parse_yaml, read_yaml
from supernet.benchmarks.spaces import DEFAULT_SPACE
from supernet.benchmarks.wording import nearest, quoted
from supernet.heuristics import registry, rules
from supernet.heuristics.plugins import Plugin
from supernet.heuristics.sections import (
    Chosen,
    DistributionSection,
    EvaluationSection,
    NetworkSection,
    SamplingSection,
    TaskSection,
    TrainingSection,
)
from supernet.heuristics.spelling import unknown_key
from supernet.heuristics.values import is_of, typed, wrong_kind

MOST_PROBLEMS = 8
"""Number of problems that one message lists at most."""
RETIRED: Mapping[str, Any] = {"training.extras": ""}
"""Keys of earlier versions -> the value at which they did nothing. Stored recipes may still have them at this value."""


class RecipeError(UserError):
    """A recipe that cannot be read, or whose values cannot be combined; the text says which key is wrong and why."""


@dataclass(frozen=True)
class Recipe:
    """How a super-net is built, trained and scored."""

    space: str = DEFAULT_SPACE
    """Name of the search space, as `supernet spaces` lists it."""
    seed: int = 0
    """Seed of the weights, the order of images and the paths; the seed of the split is `task.seed`."""
    task: TaskSection = field(default_factory=TaskSection)
    network: NetworkSection = field(default_factory=NetworkSection)
    training: TrainingSection = field(default_factory=TrainingSection)
    sampling: SamplingSection = field(default_factory=SamplingSection)
    distribution: DistributionSection = field(default_factory=DistributionSection)
    evaluation: EvaluationSection = field(default_factory=EvaluationSection)
    methods: tuple[Chosen, ...] = ()
    """Methods that take part in training (`heuristics.registry`), in the order in which their hooks are called."""

    def __post_init__(self) -> None:
        for name, kind, value in _fields(self):
            if name != "methods" and not is_of(kind, value):
                raise RecipeError(wrong_kind(name, kind, value))
        problems = list(rules.problems(self))
        if problems:
            more = len(problems) - MOST_PROBLEMS
            rest = f"; and {more} more problems" if more > 0 else ""
            raise RecipeError("The recipe cannot be used: " + "; ".join(problems[:MOST_PROBLEMS]) + rest + ".")

    @property
    def plugins(self) -> tuple[Plugin, ...]:
        """The plug-ins that define methods of this recipe, without repetitions."""
        return tuple(dict.fromkeys(chosen.plugin for chosen in self.methods if chosen.plugin is not None))

    def as_dict(self) -> dict[str, Any]:
        """Return nested plain values with every key, and the plug-ins that define the methods."""
        return dataclasses.asdict(dataclasses.replace(self, methods=())) | {
            "methods": [chosen.as_dict() for chosen in self.methods],
            "plugins": [dataclasses.asdict(plugin) for plugin in self.plugins],
        }

    def override(self, changes: str | Iterable[str]) -> Recipe:
        """Return a copy with changes, or one, of the form `section.key=value`, with values written as in YAML.

        `methods.NAME=true` adds a method, and `methods.NAME=false` removes it. `methods.NAME.PARAMETER=value` sets a
        parameter of a method, which it adds if necessary.

        Raises:
            RecipeError: a change is not of this form, names an unknown key, or has a value that cannot be used.
        """
        content = self.as_dict()
        for change in [changes] if isinstance(changes, str) else changes:
            name, separator, text = change.partition("=") if isinstance(change, str) else ("", "", "")
            if not separator:
                raise RecipeError(f"{quoted(change)} is not of the form key=value, such as training.epochs=10.")
            if name.startswith("methods."):
                _change_methods(content["methods"], name, _value(text))
                continue
            if name not in key_names():
                raise RecipeError(unknown_key(name, key_names()))
            *sections, key = name.split(".")
            place = content
            for section in sections:
                place = place[section]
            place[key] = _value(text)
        return from_dict(content)

    def shortened(self) -> Recipe:
        """Return a recipe of one epoch with the same work per step, for timing; its small learning rate is stable."""
        training = dataclasses.replace(
            self.training, epochs=1, warmup_epochs=0.0, learning_rate=1e-6, final_learning_rate=0.0
        )
        distribution = dataclasses.replace(self.distribution, start_epoch=0)
        return dataclasses.replace(self, training=training, distribution=distribution)

    def save(self, path: Path) -> None:
        """Write the recipe as YAML, whole or not at all; where PyYAML is missing, as JSON, which is YAML, too."""
        try:
            import yaml
        except ImportError:
            files.write_text(path, json.dumps(self.as_dict(), indent=2) + "\n")
            return
        files.write_text(path, yaml.safe_dump(self.as_dict(), sort_keys=False))

    @property
    def hash(self) -> str:
        """Sixteen hexadecimal digits that name the recipe's contents.

        Keys with default values do not count, so that a key added later does not change the names of recipes that do
        not set it. For the same reason a default must never change.
        """
        return hash_of(self.as_dict())


def hash_of(content: Mapping[str, Any]) -> str:
    """Return the hash of the recipe that `as_dict` described, even if this process does not know its methods.

    Raises:
        KeyError: it has keys that this version lacks.
    """
    chosen = chosen_keys(content)
    return hashlib.sha256(json.dumps(chosen, sort_keys=True).encode()).hexdigest()[:16]


def chosen_keys(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys that a recipe, described by `as_dict`, sets to other values than the defaults.

    Plug-ins are identified by their contents, so that the result does not depend on where their files are.

    Raises:
        KeyError: the recipe has keys that this version lacks.
    """
    content = _current(content)
    if "plugins" in content:
        content["plugins"] = [plugin["sha256"] for plugin in content["plugins"]]
    return _without_defaults(content, Recipe().as_dict())


def _current(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return the content without keys of earlier versions that have the value at which they did nothing."""
    current = dict(content)
    for name, harmless in RETIRED.items():
        section, _, key = name.partition(".")
        values = current.get(section)
        if isinstance(values, Mapping) and values.get(key, ...) == harmless:
            current[section] = {k: v for k, v in values.items() if k != key}
    return current


def _without_defaults(content: Mapping[str, Any], defaults: Mapping[str, Any]) -> dict[str, Any]:
    """Return the keys whose values differ from the defaults, section by section; sections without any are left out."""
    chosen = {}
    for key, value in content.items():
        if isinstance(value, Mapping):
            value = _without_defaults(value, defaults[key])
        if value != ({} if isinstance(value, Mapping) else defaults[key]):
            chosen[key] = value
    return chosen


@functools.cache
def key_names() -> tuple[str, ...]:
    """Return all keys of a recipe with their sections, such as training.epochs."""
    names = [name for name, kind, _ in _fields(Recipe()) if not dataclasses.is_dataclass(kind)]
    return tuple(name for name in names if name != "methods")


@functools.cache
def _hints(section: Any) -> dict[str, Any]:
    """Return name -> type of the fields of a recipe or of one of its sections."""
    return typing.get_type_hints(section)


def _fields(section: Any, prefix: str = "") -> Iterable[tuple[str, Any, Any]]:
    """Yield name, type and value of all fields of a recipe; the fields of a section follow the section itself."""
    for key, kind in _hints(section.__class__).items():
        value = getattr(section, key)
        yield f"{prefix}{key}", kind, value
        if dataclasses.is_dataclass(kind) and isinstance(value, kind):  # type: ignore[arg-type]
            yield from _fields(value, f"{prefix}{key}.")


def load(path: Path) -> Recipe:
    """Read a recipe from YAML; keys that the file leaves out have their defaults.

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
    if content is None:
        raise RecipeError(f"{path} is empty. A recipe names at least its task: `task: {{name: digits}}`.")
    try:
        return from_dict(content, path.parent)
    except RecipeError as error:
        raise RecipeError(f"{path}: {error}") from None


def from_dict(content: Mapping[str, Any], folder: Path | None = None) -> Recipe:
    """Make a recipe from nested plain values.

    Its `plugins`, given as paths or as `as_dict` wrote them, are imported first.

    Args:
        folder: the folder that relative paths of plug-ins start from; default: the working folder.

    Raises:
        RecipeError: a key is unknown, a value has the wrong type or range, or values cannot be combined.
        UserError: a plug-in cannot be read or imported.
    """
    if not isinstance(content, Mapping):
        raise RecipeError(f"the recipe must hold keys and values, not {quoted(content)}.")
    values = _current(content)
    plugins = load_plugins(values.pop("plugins", []), folder)
    methods = _methods(values.pop("methods", []), plugins)
    recipe: Recipe = _build(Recipe, values, "")
    return dataclasses.replace(recipe, methods=methods) if methods else recipe


def load_plugins(entries: Any, folder: Path | None = None) -> list[Plugin]:
    """Import plug-ins that are listed by their paths, or as `Recipe.as_dict` wrote them.

    Raises:
        UserError: `entries` is not such a list, or one of the plug-ins cannot be imported.
    """
    if not isinstance(entries, list):
        raise RecipeError(f"plugins must be a list of Python files, not {quoted(entries)}.")
    plugins = []
    for given in entries:
        if isinstance(given, str):
            plugin = Plugin.read((folder or Path()) / given)
        elif isinstance(given, Mapping) and given.keys() == {"path", "sha256"}:
            plugin = Plugin(**given)
        else:
            raise RecipeError(f"plugins lists {quoted(given)}, which is not the path of a Python file.")
        plugin.load()
        plugins.append(plugin)
    return plugins


def _methods(entries: Any, plugins: Sequence[Plugin]) -> tuple[Chosen, ...]:
    """Read the methods that a recipe lists, each a name or a mapping with a name and parameters.

    Args:
        plugins: the plug-ins that the recipe lists.
    """
    if not isinstance(entries, list | tuple):
        raise RecipeError(f"methods must be a list, not {quoted(entries)}.")
    found = []
    for given in entries:
        if isinstance(given, str):
            given = {"name": given}
        if not isinstance(given, Mapping) or "name" not in given:
            raise RecipeError(f"methods lists {quoted(given)}, but each needs a name, such as {{name: magic-t}}.")
        parameters = {str(key): value for key, value in given.items() if key != "name"}
        try:
            chosen = registry.chosen(given["name"], parameters)
            found.append(Chosen(given["name"], tuple(chosen.items()), registry.defined_by(given["name"], plugins)))
        except UserError as error:
            raise RecipeError(f"The recipe cannot be used: {error}") from None
    return tuple(found)


def _change_methods(methods: list[dict[str, Any]], name: str, value: Any) -> None:
    """Add, remove or change a method in the list of a recipe.

    Args:
        name: methods.NAME or methods.NAME.PARAMETER.
    """
    _, method, *parameter = name.split(".", 2)
    there = next((given for given in methods if given["name"] == method), None)
    if not parameter:
        if not isinstance(value, bool):
            raise RecipeError(f"{name} is {quoted(value)}, but must be true, which adds the method, or false.")
        if value and there is None:
            methods.append({"name": method})
        elif not value and there is not None:
            methods.remove(there)
        return
    if there is None:
        there = {"name": method}
        methods.append(there)
    there[parameter[0]] = value


def _build(section: Any, content: Any, prefix: str) -> Any:
    """Make a recipe or a section from plain values; `prefix` is the name of the section, empty for the recipe."""
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
    try:
        return typed(kind, value, name)
    except ValueError as error:
        raise RecipeError(str(error)) from None


def _value(text: str) -> Any:
    """Read a value as YAML; a text that is not valid YAML, such as the string of an architecture, is kept as text."""
    try:
        return parse_yaml(text)
    except BadYaml:
        return text
