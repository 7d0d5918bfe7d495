"""`supernet data`: ground truth and data sets, from the official files to tables that are checked."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from harness.commands.groups import Suggesting
from harness.commands.progress import bar


@click.group(cls=Suggesting)
def data() -> None:
    """Fetch, import, list and verify ground truth and data sets."""


@data.command("import")
@click.argument("benchmark", type=click.Choice(["nb201", "nb101"]))
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), help="The table to write (default: in the data folder).")
@click.option("--allow-partial", is_flag=True, help="Accept a source that lacks architectures.")
def import_(benchmark: str, source: Path, out: Path | None, allow_partial: bool) -> None:
    """Import official benchmark files as a ground-truth table.

    nb201: NAS-Bench-201-v1_*.pth, or the NATS-Bench topology archive (folder or .tar).
    nb101: nasbench_only108.tfrecord or nasbench_full.tfrecord.
    """
    from benchmarks.truth import shelf

    target = out or shelf.data_dir() / f"{benchmark}-{source.name.removesuffix(source.suffix) or source.name}.parquet"
    if benchmark == "nb201":
        from benchmarks.truth.import_nb201 import import_nb201

        with bar("architectures") as report:
            table = import_nb201(source, target, allow_partial=allow_partial, progress=report)
    else:
        from benchmarks.truth.import_nb101 import import_nb101

        size = source.stat().st_size
        with bar("reading", bytes_=True) as report:
            table = import_nb101(source, target, allow_partial=allow_partial, progress=lambda done: report(done, size))
    click.echo(f"Wrote {target}: {len(table):,} architectures of {table.space} ({table.family}).\n{table.describe()}")


@data.command("list")
def list_() -> None:
    """List the tables in the data folder, what they hold, and from where."""
    from benchmarks.files import file_digests
    from benchmarks.truth import shelf

    found, problems = shelf.tables()
    click.echo(f"{shelf.data_dir()}: {len(found)} ground-truth table(s)")
    for table in found:
        source = table.about.get("source")
        click.echo(f"\n{table.path.name}: {table.family}, {len(table):,} architectures of {table.space}")
        click.echo(f"  source: {source or 'not recorded'}")
        for key, what in (
            ("source_sha256", "SHA-256 of the source"),
            ("content_sha256", "SHA-256 of the contents"),
        ):
            if key in table.about:
                click.echo(f"  {what}: {table.about[key]}")
        click.echo(f"  SHA-256 of the file: {file_digests(table.path, 'sha256')[0]}\n{table.describe()}")
    for problem in problems:
        click.echo(f"\nNot a table: {problem}")
    if all(map(shelf.is_embedded, found)):
        click.echo("\n" + shelf.how_to_get("nb201"))


@data.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def verify(files: tuple[Path, ...]) -> None:
    """Check tables (all in the data folder, or FILES) against what can be recomputed."""
    from benchmarks.truth import shelf
    from benchmarks.truth.table import GroundTruth
    from benchmarks.truth.verify import verify as checks

    failed = 0
    found, problems = ([GroundTruth(path) for path in files], []) if files else shelf.tables()
    for table in found:
        click.echo(f"{table.path}")
        for what, holds, detail in checks(table):
            click.echo(f"  {'ok    ' if holds else 'FAILED'}  {what}: {detail}")
            failed += not holds
    for problem in problems:
        click.echo(f"Not a table: {problem}")
    click.echo(f"{len(found)} table(s), {failed} failed check(s)")
    sys.exit(1 if failed or problems or not found else 0)


@data.command()
@click.argument("name", required=False)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder (default: the data folder).")
def fetch(name: str | None, folder: Path | None) -> None:
    """Download NAME, or say where to get it; without NAME, list what there is."""
    from benchmarks.errors import UserError
    from benchmarks.truth import shelf
    from benchmarks.truth.download import REMOTES
    from benchmarks.truth.download import fetch as download

    if name is None:
        for remote in REMOTES.values():
            click.echo(f"{remote.name:16} {remote.what}" + ("" if remote.url else " (no direct address)"))
        return
    if name not in REMOTES:
        raise UserError(f"There is nothing called {name!r} to fetch; there is {', '.join(REMOTES)}.")
    remote = REMOTES[name]
    with bar(name, bytes_=True) as report:
        path = download(remote, folder or shelf.data_dir(), progress=report)
    click.echo(f"{path}\nchecksum {remote.checksum} holds" + (f"; then {remote.then}" if remote.then else ""))
