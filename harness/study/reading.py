"""Study files: YAML that says which heuristics are varied around which base recipe."""

from __future__ import annotations

import datetime
import hashlib
import os
import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.plain_yaml import BadYaml, read_yaml
from supernet.benchmarks.spaces import DEFAULT_SPACE
from supernet.benchmarks.truth import shelf
from supernet.benchmarks.wording import did_you_mean, nearest, quoted
from supernet.harness.runs.job import Truth
from supernet.harness.statistics.bootstrap import LEAST
from supernet.harness.study.beside import ASKED
from supernet.harness.study.plan import DESIGNS, Study, StudyError, fits
from supernet.heuristics import recipe as recipes
from supernet.heuristics.catalogue import CATALOGUE, Heuristic, find
from supernet.heuristics.catalogue import names as heuristic_names
from supernet.heuristics.plugins import Plugin, load_all
from supernet.heuristics.ranges import MOST_EPOCHS
from supernet.heuristics.recipe import Recipe, RecipeError

FOLDER = Path(__file__).parent / "shipped"
MOST_VALUES = 1_000
"""Values of one heuristic in a study."""
MOST_TEXT = 1_000
"""Characters of a text in a study file."""


class BadOption(StudyError):
    """A change of the base recipe, given beside the study file, that cannot be made."""


KEYS = (
    "title", "space", "recipe", "seeds", "plan", "heuristics", "truth", "sample", "last_epochs", "plugins", "margin",
    "free",
)  # fmt: skip


def studies() -> list[str]:
    """Studies that ship with the project."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml") if "heuristics:" in path.read_text(encoding="utf-8"))


def load_study(named: str | Path, overrides: Sequence[str] = ()) -> Study:
    """A shipped study by name, or a study file.

    Args:
        overrides: `section.key=value` changes of the base recipe.

    Raises:
        StudyError: there is no such study, or it cannot be used.
    """
    path = file_of(named)
    try:
        content = read_yaml(path)
    except FileNotFoundError:
        if Path(named).exists():
            raise StudyError(f"The study {quoted(str(named), 300)} cannot be read: it is not a file.") from None
        near = nearest(named, studies())
        hint = f" Did you mean {near}?" if near else ""
        raise StudyError(
            f"There is no study {quoted(str(named), 300)}: neither a file nor one that ships "
            f"({', '.join(studies())}).{hint}"
        ) from None
    except OSError as error:
        raise StudyError(f"The study {quoted(str(path), 300)} cannot be read: {error.strerror}.") from None
    except BadYaml as error:
        raise StudyError(str(error)) from None
    try:
        return _study(path, content, overrides)
    except BadOption:
        raise
    except UserError as error:
        raise StudyError(f"{path}: {error}") from None


def file_of(named: str | Path) -> Path:
    """The file of a study: the one of this name or, if there is none, that of the shipped study."""
    path = Path(named)
    return path if path.is_file() or path.name != str(named) else FOLDER / f"{named}.yaml"


def _study(path: Path, content: Any, overrides: Sequence[str]) -> Study:
    if not isinstance(content, Mapping) or "heuristics" not in content:
        raise StudyError("it is not a study: a study names `heuristics` (a recipe alone goes to `supernet train`).")
    _check_keys(content, KEYS)
    plugins = _plugins(path.parent, content.get("plugins") or [])
    section = _mapping(content, "recipe")
    if "space" in content and "space" in section:
        raise StudyError("space is given twice: beside the recipe and in it.")
    base = _changed_by(overrides, recipes.from_dict({"space": content.get("space", DEFAULT_SPACE), **section}))
    design = content.get("plan", "one-factor")
    if not (isinstance(design, str) and design in DESIGNS):
        raise StudyError(f"plan is {quoted(design)}, but must be one of {', '.join(DESIGNS)}.")
    base_seeds, seeds, seeds_by = _seeds(content.get("seeds", [0]))
    sample = _text("sample", content.get("sample", "all"))
    if sample != "all" and not (sample.isdecimal() and len(sample) <= 12 and int(sample) >= LEAST):
        raise StudyError(f"sample is {quoted(sample)}, but must be `all` or a number of architectures from {LEAST} on.")
    last_epochs = content.get("last_epochs", 1)
    if type(last_epochs) is not int or not 1 <= last_epochs <= MOST_EPOCHS:
        raise StudyError(f"last_epochs is {quoted(last_epochs)}, but must be a whole number of at least 1.")
    stem = _printable(path.stem)
    study = Study(
        name=stem + ("-" + hashlib.sha256(repr(tuple(overrides)).encode()).hexdigest()[:6] if overrides else ""),
        title=_text("title", content.get("title", stem)),
        base=base,
        seeds=seeds,
        base_seeds=base_seeds,
        design=design,
        factors=() if design == "listed" else _factors(content["heuristics"], base, design),
        truth=_truth(_mapping(content, "truth"), base),
        sample=sample,
        last_epochs=last_epochs,
        plugins=plugins,
        margin=_margin(content.get("margin", Study.margin)),
        command=_command(path, overrides),
        seeds_by=seeds_by,
        listed=_listed(content["heuristics"]) if design == "listed" else (),
        free=_free(content.get("free", [])),
    )
    if design in ("screen", "listed"):  # they combine what each heuristic alone does not show
        study.settings(lambda spec: None)
    _check_labels(study)
    return study


def _command(path: Path, overrides: Sequence[str]) -> str:
    """The study and its changes, as they are typed where its file lies."""
    name = path.stem if path.parent == FOLDER else _printable(path.name)
    return shlex.join([name, *(part for change in overrides for part in ("--set", change))])


MOST_SEEDS = 1000
SeedLists = tuple[tuple[int, ...], tuple[int, ...], tuple[tuple[str, tuple[int, ...]], ...]]


def _seeds(content: Any) -> SeedLists:
    """Seeds of the base, of the other settings, and of single settings by label."""
    if not isinstance(content, Mapping):
        seeds = _seed_list("seeds", content)
        return seeds, seeds, ()
    if not {"base", "others"} <= set(content):
        raise StudyError("seeds names seeds of `base` and of `others`; give both, or one list for all settings.")
    single = {str(label): seeds for label, seeds in content.items() if label not in ("base", "others")}
    return (
        _seed_list("seeds.base", content["base"]),
        _seed_list("seeds.others", content["others"]),
        tuple((label, _seed_list(f"seeds.{quoted(label)}", seeds)) for label, seeds in single.items()),
    )


def _check_labels(study: Study) -> None:
    """Seeds of single settings are given for settings that the study has.

    Raises:
        StudyError: they are not, or the plan is staged, whose stages compare settings of equal seeds.
    """
    if not study.seeds_by:
        return
    if study.design == "staged":
        raise StudyError("seeds has single settings, but a staged plan needs the same seeds for all of them.")
    known = [setting.label for setting in study.settings(lambda _: None) if setting.changes]
    for label, _ in study.seeds_by:
        if label not in known:
            raise StudyError(f"seeds has no setting {quoted(label)}; {did_you_mean(label, ['base', 'others', *known])}")


def _margin(content: Any) -> float:
    if isinstance(content, bool) or not isinstance(content, int | float) or not 0 < content < 1:
        raise StudyError(f"margin is {quoted(content)}, but must be a difference of tau between 0 and 1, such as 0.05.")
    return float(content)


def _free(content: Any) -> tuple[str, ...]:
    """What a study compares within runs, at the cost of scoring again."""
    known = " and ".join(ASKED)
    if not isinstance(content, list) or len(content) > len(ASKED):
        raise StudyError(f"free is {quoted(content)}, but must be a list of what is scored again: {known}.")
    for name in content:
        if name not in ASKED:
            raise StudyError(
                f"free has {quoted(name)}, but only {known} can be asked for. Loss against accuracy, the number of "
                "images and averaged epochs are compared in every study."
            )
    return tuple(content)


def _seed_list(key: str, content: Any) -> tuple[int, ...]:
    """Seeds given as a list, or as a number N that stands for 0 to N - 1."""
    if type(content) is int and 1 <= content <= MOST_SEEDS:
        return tuple(range(content))
    usable = isinstance(content, list) and 1 <= len(content) <= MOST_SEEDS
    if not (usable and all(type(seed) is int and seed >= 0 for seed in content)):
        raise StudyError(
            f"{key} is {quoted(content)}, but must be a number of seeds from 1 to {MOST_SEEDS:,}, or a list of whole "
            "numbers from 0 on."
        )
    if len(set(content)) < len(content):
        raise StudyError(f"{key} is {quoted(content)}: a seed is given twice.")
    return tuple(content)


def _mapping(content: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The keys and values under a key that may be left out."""
    section = content.get(key) or {}
    if not isinstance(section, Mapping):
        raise StudyError(f"{key} must hold keys and values, not {quoted(section)}.")
    return section


def _plugins(folder: Path, names: Any) -> tuple[Plugin, ...]:
    """The plug-ins of these file names, imported."""
    if not (isinstance(names, list) and all(isinstance(name, str) for name in names)):
        raise StudyError(f"plugins is {quoted(names)}, but must be a list of files.")
    for name in names:
        if len(name) > MOST_TEXT or not name.isprintable():
            raise StudyError(f"plugins names {quoted(name)}, which cannot be the name of a file.")
        if (folder / name).exists() and not (folder / name).is_file():
            raise StudyError(f"plugins names {quoted(name)}, which is not a file.")
    return load_all([folder / name for name in names])


def _changed_by(overrides: Sequence[str], recipe: Recipe) -> Recipe:
    """The base recipe with the changes that were given beside the study file.

    Raises:
        BadOption: they cannot be made; the message names them instead of the file.
    """
    try:
        return recipe.override(overrides)
    except RecipeError as error:
        given = " ".join(f"--set {change if len(change) <= 80 else quoted(change)}" for change in overrides[:5])
        raise BadOption(f"The base recipe cannot be changed by {given} (`overrides`): {error}") from None


def _printable(name: str) -> str:
    """A file's name as text; bytes that are not UTF-8 come out escaped."""
    return os.fsencode(name).decode("utf-8", "backslashreplace")


def _check_keys(content: Mapping[str, Any], known: Sequence[str], prefix: str = "") -> None:
    for key in content:
        if key not in known:
            names = [prefix + name for name in known]
            raise StudyError(f"there is no key {quoted(prefix + str(key))}; {did_you_mean(prefix + str(key), names)}")


def _factors(content: Any, base: Recipe, design: str) -> tuple[tuple[Heuristic, tuple[str, ...]], ...]:
    if content == "all":
        every = {h: tuple(v for v in h.values if fits(h, base, v)) for h in CATALOGUE.values()}
        if design == "one-factor":  # other plans may have several paths in some of their settings
            every = {h: tuple(v for v in vs if not h.inert(h.apply(base, v), v)) for h, vs in every.items()}
        return tuple((heuristic, values) for heuristic, values in every.items() if values)
    if isinstance(content, list) and all(isinstance(name, str) for name in content):
        content = dict.fromkeys(content)
    if not isinstance(content, Mapping):
        raise StudyError("heuristics must be `all`, a list of names, or names with lists of values.")
    factors = []
    for name, values in content.items():
        heuristic = _heuristic(name)
        if values is not None and values != "all" and not isinstance(values, list):
            raise StudyError(f"heuristics.{name} is {quoted(values)}, but must be `all` or a list of values.")
        if isinstance(values, list) and len(values) > MOST_VALUES:
            raise StudyError(f"heuristics.{name} has {len(values):,} values; at most {MOST_VALUES:,} are supported.")
        wanted = [_chosen(heuristic, v)[1] for v in values] if isinstance(values, list) else list(heuristic.values)
        made = [heuristic.apply(base, value) for value in wanted]  # says what is wrong, if anything is
        for value, recipe in zip(wanted, made, strict=True):
            if wanted.count(value) > 1 or (isinstance(values, list) and made.count(recipe) > 1):
                raise StudyError(f"heuristics.{name} has the value {quoted(value).strip(chr(39))} twice.")
        factors.append((heuristic, tuple(wanted)))
    return tuple(factors)


def _listed(content: Any) -> tuple[tuple[tuple[Heuristic, str], ...], ...]:
    """The settings of a plan that lists them."""
    if not (isinstance(content, list) and content and all(isinstance(item, Mapping) and item for item in content)):
        raise StudyError(
            "with plan: listed, heuristics is a list of settings, each of which names heuristics with one value, such "
            "as {magic-t: on, epochs: 20}."
        )
    if len(content) > MOST_VALUES:
        raise StudyError(f"heuristics lists {len(content):,} settings; at most {MOST_VALUES:,} are supported.")
    return tuple(
        tuple(_chosen(_heuristic(name), value) for name, value in setting.items()) for setting in content
    )  # fmt: skip


def _chosen(heuristic: Heuristic, value: Any) -> tuple[Heuristic, str]:
    """A heuristic with one value. YAML reads `on`, the value of a method, as true."""
    if value is True and "true" not in heuristic.values and "on" in heuristic.values:
        return heuristic, "on"
    return heuristic, _text(f"heuristics.{heuristic.name}", value)


def _heuristic(name: Any) -> Heuristic:
    heuristic = find(str(name))
    if heuristic is None:
        near = nearest(name, heuristic_names())
        raise StudyError(
            f"there is no heuristic {quoted(name)}"
            + (f"; did you mean {near}?" if near else "; `supernet heuristics` lists them.")
        )
    return heuristic


def _text(key: str, value: Any) -> str:
    """A value as text, as the catalogue spells it: true, false and null are words in lower case.

    Raises:
        StudyError: it is a list, a mapping, or longer than `MOST_TEXT`.
    """
    if isinstance(value, bool):
        return str(value).lower()
    if value is None:
        return "null"
    short = isinstance(value, float | datetime.date) or (isinstance(value, int) and value.bit_length() < MOST_TEXT)
    if not short and not (isinstance(value, str) and len(value) <= MOST_TEXT):
        raise StudyError(
            f"{key} has the value {quoted(value)}, but must be text or a number of at most {MOST_TEXT:,} characters."
        )
    return str(value)


def _truth(content: Mapping[str, Any], base: Recipe) -> Truth:
    _check_keys(content, ("table", "dataset", "split", "epochs", "seed"), "truth.")
    given = {key: _text(f"truth.{key}", value) for key, value in content.items() if value is not None}
    try:
        measure = shelf.measure_for(
            base.space,
            given.get("dataset", base.task.name),
            given.get("split", "test"),
            given.get("epochs"),
            given.get("seed", "mean"),
            given.get("table"),
        )
        return Truth.find(base.space, measure, given.get("table"))
    except UserError as error:
        raise StudyError(f"its ground truth: {error}") from None
