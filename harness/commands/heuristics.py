"""`supernet heuristics`: the catalogue."""

from __future__ import annotations

import click


@click.command()
@click.option("--space", "space_name", help="Only those that apply to this space.")
def heuristics(space_name: str | None) -> None:
    """Print the catalogue of heuristics: family, values, spaces, source."""
    from rich import box
    from rich.table import Table

    from harness.report.text import wide_console
    from heuristics.catalogue import CATALOGUE

    table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
    for title in ("heuristic", "family", "what", "values", "spaces", "source"):
        table.add_column(title, no_wrap=title in ("heuristic", "family"))
    family = ""
    for entry in CATALOGUE.values():
        if space_name and space_name not in entry.spaces:
            continue
        if family and entry.family != family:
            table.add_section()
        family = entry.family
        spaces = "all" if len(entry.spaces) > 3 else ", ".join(entry.spaces).replace("nb1shot1-", "1shot1-")
        table.add_row(entry.name, entry.family, entry.what, ", ".join(entry.values), spaces, entry.source)
    wide_console().print(table)
