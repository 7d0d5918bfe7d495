"""`supernet data` fetches ground truth and data sets, and turns official files into verified tables."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.benchmarks.wording import counted, did_you_mean, quoted, shown
from supernet.harness.commands.groups import Suggesting
from supernet.harness.commands.progress import bar

if TYPE_CHECKING:
    from supernet.benchmarks.truth.shelf import Survey
    from supernet.benchmarks.truth.table import GroundTruth


def _import_nb201(source: Path, target: Path, allow_partial: bool) -> GroundTruth:
    from supernet.benchmarks.truth.import_nb201 import import_nb201

    with bar("architectures") as report:
        return import_nb201(source, target, allow_partial=allow_partial, progress=report)


def _import_nb101(source: Path, target: Path, allow_partial: bool) -> GroundTruth:
    from supernet.benchmarks.truth.import_nb101 import import_nb101

    size = source.stat().st_size
    with bar("reading", bytes_=True) as report:
        return import_nb101(source, target, allow_partial=allow_partial, progress=lambda done: report(done, size))


def _import_nds(source: Path, target: Path, allow_partial: bool) -> GroundTruth:
    from supernet.benchmarks.truth.import_nds import import_nds

    return import_nds(source, target, allow_partial=allow_partial)


def _import_nb301(source: Path, target: Path, allow_partial: bool) -> GroundTruth:
    from supernet.benchmarks.truth.import_nb301 import import_nb301

    with bar("records") as report:  # any part of the benchmark is complete: each folder is a sample of its own
        return import_nb301(source, target, progress=report)


# The names are spelled out here because the module that knows the benchmarks takes long to load.
IMPORTERS = {"nb201": _import_nb201, "nb101": _import_nb101, "nds": _import_nds, "nb301": _import_nb301}
"""Benchmark -> function that imports its official files."""


@click.group(cls=Suggesting)
def data() -> None:
    """Fetch, import, list and verify ground truth and data sets."""


@data.command("import")
@click.argument("benchmark", type=click.Choice(list(IMPORTERS)))
@click.argument("source", type=click.Path(path_type=Path, exists=True))
@click.option("--out", type=click.Path(path_type=Path), help="The table to write (default: in the data folder).")
@click.option("--allow-partial", is_flag=True, help="Accept a source that lacks architectures.")
def import_(benchmark: str, source: Path, out: Path | None, allow_partial: bool) -> None:
    """Import official benchmark files as a ground-truth table.

    nb201: NAS-Bench-201-v1_*.pth, or the NATS-Bench topology archive (folder or .tar).
    nb101: nasbench_only108.tfrecord or nasbench_full.tfrecord.
    nds: DARTS_fix-w-d.json or DARTS.json, with results of the space `darts`.
    nb301: NAS-Bench-301's training records, a folder or the zip archive, with results of the space `darts`.
    """
    from supernet.benchmarks.files import check_place
    from supernet.benchmarks.truth import shelf

    target = out or shelf.data_dir() / f"{benchmark}-{source.name.removesuffix(source.suffix) or source.name}.parquet"
    check_place(target, "--out", folder=False, sources=[source])
    table = IMPORTERS[benchmark](source, target, allow_partial)
    _say(f"Wrote {target}: {len(table):,} architectures of {table.space} ({table.family}).\n{table.describe()}")
    if "sample" in table.about:
        _say(f"Not the whole space: {table.about['sample']}.")
    _say(f"Source: {table.about['source_check']}.")


@data.command("list")
def list_() -> None:
    """List the tables that are at hand.

    They are in the data folder and in the package; the list says what they hold and where they come from.
    """
    from supernet.benchmarks.truth import shelf

    there = shelf.survey()
    of_package = [table for table in there.tables if shelf.is_embedded(table)]
    own = [table for table in there.tables if not shelf.is_embedded(table)]
    for where, tables in ((f"{shelf.data_dir()}", own), ("In the package", of_package)):
        _say(f"{where}: {counted(len(tables), 'ground-truth table', 'ground-truth tables')}")
        for table in tables:
            _describe(table)
        click.echo()
    for problem in there.damaged:
        _say(f"Not usable: {problem}")
    for problem in there.others:
        _say(f"Left out: {problem}")
    if not own:
        _say(shelf.how_to_get())


def _describe(table: GroundTruth) -> None:
    from supernet.benchmarks.files import file_digests

    _say(f"\n{table.path.name}: {table.family}, {len(table):,} architectures of {table.space}")
    _say(f"  source: {shown(table.about['source']) if 'source' in table.about else 'not recorded'}")
    for key, what in (
        ("source_check", "source checked"),
        ("source_sha256", "SHA-256 of the source"),
        ("content_sha256", "SHA-256 of the contents"),
    ):
        if key in table.about:
            _say(f"  {what}: {str(table.about[key])[:300]}")
    if "content_sha256" not in table.about:
        _say("  SHA-256 of the contents: not recorded, so altered values would go unnoticed")
    _say(f"  SHA-256 of the file: {file_digests(table.path, 'sha256')[0]}\n{table.describe()}")


@data.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
def verify(files: tuple[Path, ...]) -> None:
    """Check tables against what can be recomputed.

    Without FILES, these are all tables in the data folder and the package. Other Parquet files in the data folder are
    named and do not count as failed.
    """
    from supernet.benchmarks.truth import shelf
    from supernet.benchmarks.truth.verify import verify as checks

    found, problems, others = _opened(files) if files else _on_the_shelf(shelf.survey())
    failed = 0
    for table in found:
        _say(f"{table.path}")
        for what, holds, detail in checks(table):
            _say(f"  {'ok    ' if holds else 'FAILED'}  {what}: {detail}")
            failed += not holds
        if "source_check" in table.about:
            _say(f"  note    source: {str(table.about['source_check'])[:300]}")
        if "content_sha256" not in table.about:
            _say("  note    contents: no digest is recorded, so altered values would go unnoticed")
    for problem in problems:
        _say(f"FAILED  not usable: {problem}")
    for problem in others:
        _say(f"Left out: {problem}")
    _say(f"{len(found)} table(s), {failed + len(problems)} failed check(s)")
    sys.exit(1 if failed or problems or not found else 0)


def _opened(files: tuple[Path, ...]) -> tuple[list[GroundTruth], list[str], list[str]]:
    """The tables at these paths, what is wrong with files that are not tables, and an empty list."""
    from supernet.benchmarks.errors import BadTable
    from supernet.benchmarks.truth.table import GroundTruth

    found, problems = [], []
    for path in files:
        try:
            found.append(GroundTruth(path))
        except BadTable as error:
            problems.append(str(error))
    return found, problems, []


def _on_the_shelf(there: Survey) -> tuple[list[GroundTruth], list[str], list[str]]:
    """The tables of a survey, what is wrong with damaged ones, and what the other Parquet files are."""
    return there.tables, there.damaged, there.others


def _say(text: str) -> None:
    """Print a text with its unprintable characters escaped: file names and metadata may hold any character."""
    click.echo("".join(c if c == "\n" or c.isprintable() else repr(c)[1:-1] for c in text))


@data.command()
@click.argument("name", required=False)
@click.option("--to", "folder", type=click.Path(path_type=Path), help="Folder (default: the data folder).")
def fetch(name: str | None, folder: Path | None) -> None:
    """Download a table or data set, or say where to get it.

    Without NAME, list what there is.
    """
    from supernet.benchmarks.errors import UserError
    from supernet.benchmarks.truth import shelf
    from supernet.benchmarks.truth.download import REMOTES
    from supernet.benchmarks.truth.download import fetch as download

    if name is None:
        for remote in REMOTES.values():
            click.echo(f"{remote.name:16} {remote.what}" + ("" if remote.url else " (no direct link)"))
        return
    if name not in REMOTES:
        raise UserError(f"There is no download called {quoted(name)}; {did_you_mean(name, list(REMOTES))}")
    remote = REMOTES[name]
    with bar(name, bytes_=True) as report:
        path = download(remote, folder or shelf.data_dir(), progress=report)
    click.echo(f"{path}\nchecksum {remote.checksum} verified" + (f"; then {remote.then}" if remote.then else ""))
