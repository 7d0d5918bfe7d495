"""`supernet heuristics`: the catalogue."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from supernet.benchmarks.errors import UserError

if TYPE_CHECKING:
    from rich.table import Table

    from supernet.heuristics.catalogue import Heuristic

WIDE = 120
"""Columns of a terminal from which on the table also has spaces and sources."""


@click.command()
@click.argument("name", required=False)
@click.option("--space", "space_name", help="Only those that apply to this space.")
def heuristics(name: str | None, space_name: str | None) -> None:
    """Print the catalogue of heuristics, or of the heuristic NAME its values and the keys that each sets."""
    from supernet.benchmarks.spaces import SPACE_NAMES
    from supernet.benchmarks.wording import did_you_mean, quoted
    from supernet.harness.report.correlation.text import wide_console
    from supernet.heuristics.catalogue import CATALOGUE

    if space_name is not None and space_name not in SPACE_NAMES:
        raise UserError(f"There is no search space {quoted(space_name)}; {did_you_mean(space_name, SPACE_NAMES)}")
    console = wide_console()
    if name is None:
        chosen = [entry for entry in CATALOGUE.values() if space_name is None or space_name in entry.spaces]
        console.print(_catalogue(chosen, console.width >= WIDE))
        if console.width < WIDE:
            console.print("Spaces, sources and the keys that values set: supernet heuristics NAME")
        return
    if name not in CATALOGUE:
        raise UserError(
            f"There is no heuristic {quoted(name)}; {did_you_mean(name.replace('_', '-'), list(CATALOGUE))} "
            "`supernet heuristics` lists all."
        )
    entry = CATALOGUE[name]
    if space_name is not None and space_name not in entry.spaces:
        raise UserError(f"The heuristic {name} is for {', '.join(entry.spaces)}, not for {space_name}.")
    click.echo(f"{entry.name}: {entry.what}\nfamily {entry.family}; spaces {', '.join(entry.spaces)}; {entry.source}\n")
    width = max(map(len, entry.values))
    for value, changes in entry.values.items():
        click.echo(f"  {value:{width}}  {' '.join(changes)}")
    if entry.key:
        click.echo(f"  Other values of {entry.key} can be given, too.")


def _catalogue(entries: list[Heuristic], wide: bool) -> Table:
    """A row for each heuristic, a rule between families.

    Args:
        wide: there is room for spaces and sources.
    """
    from rich import box
    from rich.table import Table
    from rich.text import Text

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    longest = max((len(value) for entry in entries for value in entry.values), default=0)
    for title in ("heuristic", "family", "what", "values", "spaces", "source")[: 6 if wide else 4]:
        whole = title in ("heuristic", "family")
        table.add_column(title, no_wrap=whole, min_width=longest + 1 if title == "values" else None, overflow="fold")
    family = ""
    for entry in entries:
        if family and entry.family != family:
            table.add_section()
        family = entry.family
        spaces = "all" if len(entry.spaces) > 3 else ", ".join(entry.spaces)
        row = (entry.name, entry.family, entry.what, ", ".join(entry.values), spaces, entry.source)
        table.add_row(*map(Text, row[: 6 if wide else 4]))
    return table
