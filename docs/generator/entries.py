"""A page for every heuristic of the catalogue and for every method that ships."""

from __future__ import annotations

import inspect
from collections.abc import Sequence

from docs.generator import effects
from docs.generator.markdown import code, codes, fence, page, table, text
from docs.generator.recipe import keys_of, kind_in_words, written
from supernet.benchmarks.spaces import SPACE_NAMES
from supernet.heuristics import registry
from supernet.heuristics.catalogue import CATALOGUE, Heuristic
from supernet.heuristics.registry import Entry

MEASURED = """
Differences of Kendall's tau from the base of the study, with 95 % intervals that hold for all changes of that study
together. A change is clear where p < 0.05 after Dunnett's correction for all comparisons with the base; "undecided"
does not mean without effect. An effect holds for the base, the task and the length of training of its study.
"""
FAMILIES = {
    "protocol": "how the super-net is trained and scored",
    "mapping": "how an architecture uses the shared weights",
    "low fidelity": "a cheaper super-net",
    "unreported details": "settings that change results and that papers rarely report",
    "remedies": "methods against what architectures that share weights do to each other",
    "measures": "methods that only measure",
    "method": "code that takes part in training",
}


def heuristic_pages() -> dict[str, str]:
    """Path -> page, of the index of heuristics and of every heuristic."""
    found = {"reference/heuristics/index.md": _heuristics_index()}
    return found | {f"reference/heuristics/{name}.md": _heuristic(entry) for name, entry in CATALOGUE.items()}


def method_pages() -> dict[str, str]:
    """Path -> page, of the index of methods and of every method that ships."""
    entries = [registry.entry(name) for name in registry.SHIPPED]
    rows = [(f"[{entry.name}]({entry.name}.md)", text(entry.what), text(entry.source)) for entry in entries]
    index = page(
        "# Methods",
        "A method is a class that takes part in training. A recipe lists it under `methods`, with parameters of its "
        "own. [Methods and heuristics](../../methods.md) shows how to write one.",
        table(("method", "what it does", "source"), rows),
    )
    found = {"reference/methods/index.md": index}
    return found | {f"reference/methods/{entry.name}.md": _method(entry) for entry in entries}


def _heuristics_index() -> str:
    blocks = [
        "# Heuristics",
        "A heuristic is a named edit of a recipe. A study names a heuristic with the values that it compares, or with "
        "`all`.",
    ]
    for family, meaning in FAMILIES.items():
        entries = [entry for entry in CATALOGUE.values() if entry.family == family]
        rows = [
            (f"[{entry.name}]({entry.name}.md)", text(entry.what), codes(entry.values), _studied(entry.name))
            for entry in entries
        ]
        if rows:
            head = ("heuristic", "what it does", "values", "measured here")
            blocks += [f"## {family.capitalize()}", f"{meaning[0].upper()}{meaning[1:]}.", table(head, rows)]
    return page(*blocks)


def _studied(name: str) -> str:
    """Return the studies that ship and that measured a heuristic."""
    return ", ".join(dict.fromkeys(effect.study for effect in effects.effects().get(name, [])))


def _heuristic(entry: Heuristic) -> str:
    rows = [
        (code(value), "<br>".join(_change(change) for change in changes)) for value, changes in entry.values.items()
    ]
    key = entry.key
    more = f"Any other value of {_key(key)} can be given, too." if key else ""
    value = list(entry.values)[-1]
    changes = " ".join(entry.values[value])
    return page(
        f"# {entry.name}",
        f"{_sentence(entry.what)}",
        _facts(("family", entry.family), ("source", entry.source), ("spaces", _spaces(entry.spaces))),
        "## Values",
        table(("value", "what it sets"), rows),
        more,
        f"Keys: {', '.join(_key(name) for name in keys_of(entry.values))}.",
        "## Use",
        fence(f"supernet train RECIPE {changes} --out run", "sh"),
        fence(f"heuristics:\n  {entry.name}: [{value}]    # or all", "yaml"),
        _measured(entry.name),
    )


def _method(entry: Entry) -> str:
    rows = [
        (code(part.name), code(written(part.default)), kind_in_words(part.kind), text(part.what))
        for part in entry.parameters.values()
    ]
    head = ("parameter", "default", "type", "meaning")
    first = next(iter(entry.parameters.values()), None)
    setting = f"methods.{entry.name}.{first.name}={written(first.default)}" if first else f"methods.{entry.name}=true"
    swept = f"  {entry.name}.{first.name}: [{written(first.default)}]    # sweeps a parameter" if first else ""
    return page(
        f"# {entry.name}",
        _sentence(entry.what),
        *(text(paragraph) for paragraph in (inspect.getdoc(entry.make) or "").split("\n\n")),
        *(text(paragraph) for paragraph in _notes(entry)),
        _facts(("source", entry.source), ("spaces", _spaces(entry.spaces))),
        "## Parameters",
        table(head, rows) if rows else "It has no parameters.",
        "## Use",
        fence(f"supernet train RECIPE {setting} --out run", "sh"),
        fence(f"heuristics:\n  {entry.name}: all    # with and without it\n{swept}", "yaml"),
        _measured(entry.name, *(f"{entry.name}.{name}" for name in entry.parameters)),
    )


def _notes(entry: Entry) -> list[str]:
    """What the module of a method says beyond its first paragraph, such as what is from the paper and what is not."""
    return (inspect.getdoc(inspect.getmodule(entry.make)) or "").split("\n\n")[1:]


def _measured(*names: str) -> str:
    """Return what was measured of a heuristic under any of these names; empty where nothing was."""
    found = [effect for name in names for effect in effects.effects().get(name, [])]
    if not found:
        return ""
    sources = [effects.source(study) for study in dict.fromkeys(effect.study for effect in found)]
    rows = [
        (
            code(effect.value),
            f"{effect.difference:+.2f} [{effect.low:+.2f}, {effect.high:+.2f}]".replace("-", "−"),
            effect.verdict,
            str(effect.runs),
            effect.study,
        )
        for effect in found
    ]
    return page(
        "## Effect measured here",
        MEASURED.strip(),
        table(("value", "difference of tau", "verdict", "seeds", "study"), rows),
        "\n".join(f"* {_source(about)}" for about in sources),
    )


def _source(about: effects.Source) -> str:
    where = f"[report](../../{about.page})" if about.page else "[described under Studies](../../studies.md)"
    return f"**{about.name}**: {text(about.title)} ({text(about.measure)}; base with {about.base_runs} seeds; {where})."


def _facts(*facts: tuple[str, str]) -> str:
    """Return what is known of an entry, as a list."""
    return "\n".join(f"* **{name.capitalize()}**: {text(value)}" for name, value in facts if value)


def _spaces(spaces: Sequence[str]) -> str:
    return "all" if set(spaces) >= set(SPACE_NAMES) else ", ".join(spaces)


def _key(name: str) -> str:
    return f"[{code(name)}](../recipe.md#{name})"


def _change(change: str) -> str:
    """Return a change of the recipe, with a link to its key."""
    return f"[{code(change)}](../recipe.md#{change.partition('=')[0]})"


def _sentence(what: str) -> str:
    return text(f"{what[:1].upper()}{what[1:]}.")
