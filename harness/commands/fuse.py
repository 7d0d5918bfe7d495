"""`supernet fuse` makes one score of several, by the ranks of architectures."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("files", nargs=-1, type=click.Path(path_type=Path))
@click.option("--space", "space_name", help="Search space of the architectures; required unless --list is given.")
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="File for the fused score, .parquet or .csv; required unless --list is given.",
)
@click.option("--rule", help="A rule that is fixed by name, such as free-1; --list shows them.")
@click.option(
    "--trained",
    multiple=True,
    metavar="COLUMN",
    help="With a rule that ends in +supernet: column with scores of a trained super-net; several are averaged.",
)
@click.option(
    "--columns", metavar="COLUMN[:WEIGHT],…", help="Instead of a rule: columns and weights (default: all columns)."
)
@click.option(
    "--how",
    type=click.Choice(["log", "harmonic", "linear"]),
    default="log",
    show_default=True,
    help="Without a rule: sum of the logarithms of ranks, or their harmonic or arithmetic mean.",
)
@click.option(
    "--twins", is_flag=True, help="First average each score over architectures that compute the same function."
)
@click.option("--list", "listing", is_flag=True, help="List the rules, and what their choice has seen.")
def fuse(
    files: tuple[Path, ...],
    space_name: str | None,
    out: Path | None,
    rule: str | None,
    trained: tuple[str, ...],
    columns: str | None,
    how: str,
    twins: bool,
    listing: bool,
) -> None:
    """Fuse the scores in FILES into one score of the architectures that all files have."""
    from supernet.harness.scoring.rules import RULES, parts

    if listing:
        for known in RULES.values():
            weights = [*known.free, *([("the super-net's score", known.trained)] if known.trained else [])]
            formula = " + ".join(f"{weight:g} log rank({name})" for name, weight in weights)
            click.echo(f"{known.name}: {formula}\n    {known.card}\n")
        return
    if not files or out is None or space_name is None:
        raise click.UsageError("Give files of scores, --space SPACE, and a file for the result: --out fused.parquet.")
    from supernet.harness.report.free.fused import fused
    from supernet.harness.report.free.place import score_file

    score_file(out, files)
    found = fused(
        list(files),
        space_name,
        named=rule,
        trained=trained,
        columns=parts(columns) if columns else None,
        how=how,
        over_twins=twins,
    )
    found.write(out)
    for note in found.notes:
        click.echo(note)
    told = ", ".join(f"{name} ({weight:.3g})" for name, weight in found.columns.items())
    click.echo(f"Fused by {found.how}, weights in brackets: {told}.")
    if found.card:
        click.echo(found.card)
    click.echo(f"wrote {out} ({len(found.indices):,} architectures)")
