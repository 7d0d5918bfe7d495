"""`supernet benchmark` measures the project's own ground truth."""

from __future__ import annotations

from pathlib import Path

import click

from supernet.harness.commands.groups import Suggesting
from supernet.harness.commands.progress import bar


@click.group(cls=Suggesting)
def benchmark() -> None:
    """List the ground truth that this project measured itself on the digits task, or measure it again."""


@benchmark.command("list")
def list_() -> None:
    """List the benchmarks that ship.

    Beside them stand the figures by which their task and budget were chosen.
    """
    from rich import box
    from rich.table import Table

    from supernet.benchmarks.truth import shelf
    from supernet.benchmarks.truth.table import count_of
    from supernet.harness.measured import benchmark as embedded
    from supernet.harness.measured.agreement import figures
    from supernet.harness.report.correlation.text import wide_console

    for name in embedded.names():
        spec = embedded.load(name)
        path = shelf.EMBEDDED / f"{name}.parquet"
        click.echo(
            f"{name}: {spec.architectures:,} architectures of {spec.space} ({spec.among}), seeds "
            f"{', '.join(map(str, spec.seeds))}, {' and '.join(map(count_of, spec.epochs))}"
        )
        if not path.exists():
            click.echo("  not measured yet")
            continue
        table = Table(box=box.SIMPLE, show_header=False, pad_edge=False)
        for what, value in figures(spec, shelf.opened(path)).items():
            table.add_row("  " + what, value)
        wide_console().print(table)


@benchmark.command()
@click.argument("name")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/embedded"),
    show_default=True,
    help="Folder for the table and the files of unfinished builds.",
)
@click.option(
    "--workers",
    type=click.IntRange(1),
    help="Number of worker processes, with one thread each (default: one per CPU core; 1: this process alone).",
)
def build(name: str, out: Path, workers: int | None) -> None:
    """Train the architectures of a benchmark.

    NAME is that of a benchmark that ships, or a YAML file; the table is written to OUT. You can interrupt or kill this
    command; the same command continues where it stopped.
    """
    import os

    from supernet.harness.measured import benchmark as embedded

    spec = embedded.load(name)
    with bar(f"training {spec.name}") as progress:
        path = embedded.build(spec, out, workers=workers or os.cpu_count() or 1, progress=progress, say=_say)
    click.echo(f"wrote {path}")


def _say(sentence: str) -> None:
    click.echo(sentence, err=True)
