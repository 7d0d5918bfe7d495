"""`supernet leaderboard`: published super-nets and zero-cost proxies by one yardstick."""

from __future__ import annotations

from pathlib import Path

import click

from supernet.harness.commands.progress import Terminal


@click.command()
@click.argument("folders", nargs=-1, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/leaderboard"),
    show_default=True,
    help="Folder for the page, the tables and all numbers.",
)
@click.option("--resamples", type=click.IntRange(20), help="Bootstrap resamples (default 1000).")
@click.option("--bootstrap-seed", default=0, show_default=True, help="Seed of the resamples.")
def leaderboard(folders: tuple[Path, ...], out: Path, resamples: int | None, bootstrap_seed: int) -> None:
    """Measure published score files that are in FOLDERS, and rank them beside free baselines.

    The files are known by name and SHA-256. Without FOLDERS, the command says where they are published.
    """
    from supernet.harness.report.correlation.text import wide_console
    from supernet.harness.report.leaderboard.result import how_to_get
    from supernet.harness.report.leaderboard.result import leaderboard as measured

    if not folders:
        click.echo(how_to_get())
        return
    found = measured(folders, resamples=resamples, seed=bootstrap_seed, out=out, watch=Terminal())
    wide_console(least=170).print(found)
    for problem in found.notes:
        click.echo(f"Left out: {problem}", err=True)
    if found.board.missing:
        click.echo(f"Rankings of the registry that are not at hand: {len(found.board.missing)}", err=True)
        click.echo(how_to_get(found.board.missing), err=True)
    click.echo(f"The page, the tables and every number: {out}")
