"""`supernet spaces` lists what can be searched, and which ground truth is available."""

from __future__ import annotations

import click


@click.command()
def spaces() -> None:
    """List search spaces, their sizes and classes, and the available ground truth."""
    from rich import box
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from supernet.benchmarks.spaces import OFFICIAL, SPACE_NAMES, space
    from supernet.benchmarks.truth import shelf
    from supernet.benchmarks.wording import listed

    console = Console()
    if not console.is_terminal:
        console = Console(width=max(console.width, 140))
    at_hand, _ = shelf.tables()
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_lines=False)
    for title, justify in (
        ("space", "left"),
        ("architectures", "right"),
        ("", "left"),
        ("ground truth", "left"),
    ):
        table.add_column(title, justify="right" if justify == "right" else "left")
    without_decisions = [name for name in OFFICIAL if name not in SPACE_NAMES]
    for name in (*without_decisions, *SPACE_NAMES):
        files = escape(listed((t.path.stem for t in at_hand if shelf.covers(t, name)), 6)) or "none"
        if (all_cells := OFFICIAL[name].complete if name in without_decisions else None) is not None:
            table.add_row(name, _size(all_cells.rows), all_cells.title, files)
            table.add_section()
            continue
        within = space(name)
        table.add_row(name, _size(len(within)), within.title, files)
        for kind, meaning in within.class_names.items():
            table.add_row("", _size(within.count(f"unique-{kind}")), f"classes '{kind}': {meaning}", "")
        for subset, meaning in within.subset_names.items():
            if not subset.startswith("unique-"):
                table.add_row("", _size(within.count(subset)), f"subset '{subset}': {meaning}", "")
        table.add_section()
    console.print(table)
    if not at_hand:
        console.print(shelf.how_to_get())


def _size(number: int) -> str:
    """A number of architectures, rounded if it is too long to be read."""
    return f"{number:,}" if number < 10**9 else f"{number:.1e}"
