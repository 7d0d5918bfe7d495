"""`supernet heuristics`: the catalogue of heuristics, and the methods that ship or that plug-ins register."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from supernet.benchmarks.errors import UserError
from supernet.harness.commands.plugins import PLUGIN

if TYPE_CHECKING:
    from rich.table import Table

    from supernet.heuristics.catalogue import Heuristic
    from supernet.heuristics.registry import Entry, Shipped

WIDE = 120
"""Width of a terminal, in columns, from which on the tables also show spaces and sources."""

NO_TERMINAL = 140
"""Least width of the tables, in columns, where the output is not a terminal."""

FAMILY = len("low fidelity")
"""Width of the column of families, which leaves room for whole values at 80 columns; longer names take two lines."""


@click.command()
@click.argument("name", required=False)
@click.option("--space", "space_name", help="Show only heuristics and methods that apply to this space.")
@PLUGIN
def heuristics(name: str | None, space_name: str | None, plugins: tuple[Path, ...]) -> None:
    """Print the catalogue of heuristics and methods.

    With the NAME of a heuristic, print its values and the keys that each sets; with that of a method, its parameters.
    Those that a plug-in registers are printed, too.
    """
    from supernet.benchmarks.spaces import SPACE_NAMES
    from supernet.benchmarks.wording import did_you_mean, quoted
    from supernet.heuristics.catalogue import CATALOGUE

    methods = _methods()
    if space_name is not None and space_name not in SPACE_NAMES:
        raise UserError(f"There is no search space {quoted(space_name)}; {did_you_mean(space_name, SPACE_NAMES)}")
    if name is None:
        _print_all(space_name, methods)
    elif name in CATALOGUE:
        _check_space("heuristic", name, CATALOGUE[name].spaces, space_name)
        _print_heuristic(CATALOGUE[name])
    elif name in methods:
        _check_space("method", name, methods[name].spaces, space_name)
        _print_method(name)
    else:
        known = [*CATALOGUE, *methods]
        raise UserError(
            f"There is no heuristic or method {quoted(name)}; {did_you_mean(name.replace('_', '-'), known)} "
            "`supernet heuristics` lists all."
        )


def _methods() -> dict[str, Shipped | Entry]:
    """Name -> method: those that ship, without importing their modules, and those that plug-ins registered."""
    from supernet.heuristics.registry import METHODS, SHIPPED

    registered = {name: METHODS[name] for name in METHODS if name not in SHIPPED}
    return {**SHIPPED, **registered}


def _check_space(kind: str, name: str, spaces: Sequence[str], wanted: str | None) -> None:
    """Refuse a heuristic or method that does not apply to the space asked for."""
    if wanted is not None and wanted not in spaces:
        raise UserError(f"The {kind} {name} is for {', '.join(spaces)}, not for {wanted}.")


def _print_all(space: str | None, methods: Mapping[str, Shipped | Entry]) -> None:
    """Print the heuristics of the catalogue and these methods; with a space, only those that apply to it."""
    from rich.console import Console

    from supernet.heuristics.catalogue import CATALOGUE

    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, NO_TERMINAL))
    wide = console.width >= WIDE
    console.print(_catalogue([entry for entry in CATALOGUE.values() if space is None or space in entry.spaces], wide))
    rows = [
        (name, known.what, _spaces(known.spaces), known.source)
        for name, known in methods.items()
        if space is None or space in known.spaces
    ]
    console.print(_table(("method", "what", "spaces", "source")[: 4 if wide else 2], rows))
    more = "parameters of methods, and the keys that values set" if wide else "spaces, sources, parameters and keys"
    console.print(f"`supernet heuristics NAME` shows {more}.")


def _print_heuristic(entry: Heuristic) -> None:
    """Print what a heuristic does, and the keys that each of its values sets."""
    click.echo(f"{entry.name}: {entry.what}\nfamily {entry.family}; spaces {', '.join(entry.spaces)}; {entry.source}\n")
    width = max(map(len, entry.values))
    for value, changes in entry.values.items():
        click.echo(f"  {value:{width}}  {' '.join(changes)}")
    if entry.key:
        click.echo(f"  Any other value of {entry.key} can be given, too.")


def _print_method(name: str) -> None:
    """Print a method's parameters, and how recipes and studies name it. This imports the method."""
    from supernet.heuristics.registry import entry
    from supernet.heuristics.values import in_words

    found = entry(name)
    click.echo(f"{name}: {found.what}\na method; spaces {', '.join(found.spaces)}; {found.source}\n")
    rows = [("parameter", "default", "type", "meaning")] * bool(found.parameters) + [
        (parameter.name, _written(parameter.default), in_words(parameter.kind), parameter.what)
        for parameter in found.parameters.values()
    ]
    if not rows:
        click.echo("  It has no parameters.")
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)][:3]
    for row in rows:
        left = "  ".join(f"{cell:{width}}" for cell, width in zip(row, widths, strict=False))
        click.echo(f"  {left}  {row[3]}".rstrip())
    example = f"methods.{name}.{rows[1][0]}={rows[1][1]}" if rows else f"methods.{name}=true"
    swept = f", {name}.{rows[1][0]}: [{rows[1][1]}]" if rows else ""
    click.echo(f"\nIn a recipe: {example}. Among the heuristics of a study: {name}: all{swept}.")


def _written(value: Any) -> str:
    """Return a parameter's value as recipes write it."""
    if value is None:
        return "null"
    return str(value).lower() if isinstance(value, bool) else str(value)


def _spaces(spaces: Sequence[str]) -> str:
    from supernet.benchmarks.spaces import SPACE_NAMES

    return "all" if set(spaces) >= set(SPACE_NAMES) else ", ".join(spaces)


def _table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> Table:
    """Build a table; cells of a row beyond the titles are left out, and the first column is never wrapped."""
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for number, title in enumerate(titles):
        table.add_column(title, no_wrap=number == 0, overflow="fold")
    for row in rows:
        table.add_row(*map(Text, row[: len(titles)]))
    return table


def _catalogue(entries: list[Heuristic], wide: bool) -> Table:
    """Build a table with a row for each heuristic and a rule between families.

    Args:
        wide: whether there is room for spaces and sources.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    longest = max((len(value) for entry in entries for value in entry.values), default=0)
    for title in ("heuristic", "family", "what", "values", "spaces", "source")[: 6 if wide else 4]:
        table.add_column(
            title,
            no_wrap=title == "heuristic",
            min_width={"family": FAMILY, "values": longest + 1}.get(title),
            max_width=FAMILY if title == "family" else None,
            overflow="fold",
        )
    family = ""
    for entry in entries:
        if family and entry.family != family:
            table.add_section()
        family = entry.family
        row = (entry.name, entry.family, entry.what, ", ".join(entry.values), _spaces(entry.spaces), entry.source)
        table.add_row(*map(Text, row[: 6 if wide else 4]))
    return table
