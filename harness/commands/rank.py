"""`supernet rank` ranks architectures with a trained super-net, and reports on the ranking."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.harness.commands.plugins import PLUGIN
from supernet.harness.commands.progress import Terminal

if TYPE_CHECKING:
    from supernet.harness.report.correlation.ranked import Ranked


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option(
    "--archs",
    default="all",
    show_default=True,
    help="Architectures to score: all; a number, to sample that many with ground truth; or a file with such a column.",
)
@click.option("--images", type=click.IntRange(1), help="Number of validation images (default: that of the recipe).")
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="A key of the recipe's evaluation section, such as evaluation.bn=recalibrate; may be given several times.",
)
@click.option("--dataset", help="Data set of the ground truth (default: that of the task).")
@click.option("--split", default="test", show_default=True, help="Split of the ground truth.")
@click.option("--epochs", help="Stand-alone training budget in epochs (default: the largest available).")
@click.option("--seed", default="mean", show_default=True, help="Seed or repeat of the ground truth.")
@click.option("--sample-seed", default=0, show_default=True, help="Seed of the sample of --archs N.")
@click.option(
    "--table", "truth_name", help="Ground-truth table, by path or name (default: the one with the most results)."
)
@click.option(
    "--resamples",
    type=click.IntRange(20),
    help="Number of bootstrap resamples (default: 1000, or 200 for more than 50,000 architectures).",
)
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@click.option("--threads", type=click.IntRange(1), help="Number of CPU threads (default: all).")
@PLUGIN
def rank(
    run_dir: Path,
    archs: str,
    images: int | None,
    settings: tuple[str, ...],
    dataset: str | None,
    split: str,
    epochs: str | None,
    seed: str,
    sample_seed: int,
    truth_name: str | None,
    resamples: int | None,
    device: str,
    threads: int | None,
    plugins: tuple[Path, ...],
) -> None:
    """Score architectures with the shared weights of RUN_DIR; write scores.parquet and the report.

    Results under another evaluation protocol than the recipe's are kept in files of their own. You can interrupt the
    command; the same command continues where it stopped.
    """
    import torch

    from supernet.harness.report.correlation.ranked import rank as ranked
    from supernet.harness.report.correlation.text import wide_console

    if threads:
        torch.set_num_threads(threads)
    found = ranked(
        run_dir,
        archs,
        images=images,
        settings=settings,
        dataset=dataset,
        split=split,
        epochs=epochs,
        seed=seed,
        truth=truth_name,
        sample_seed=sample_seed,
        resamples=resamples,
        device=device,
        out=run_dir,
        watch=Terminal(),
        scored=_say_scored,
    )
    if found.correlation is not None:
        wide_console().print(found.correlation)
        click.echo(f"Report: {found.written[-1]}")


def _say_scored(found: Ranked) -> None:
    from supernet.harness.scoring.ranked import chance_notes

    scores, files = found.scores, found.files
    click.echo(
        f"Scored {len(scores.indices):,} architectures ({scores.distinct:,} distinct computations) on "
        f"{scores.images:,} validation images in {scores.seconds:,.0f} s; mean accuracy {scores.accuracy.mean():.2f} %."
    )
    if files is not None and files.suffix:
        click.echo("The evaluation protocol differs from the recipe's: these results are kept in files of their own.")
    if files is not None:
        click.echo(f"wrote {files.scores}")
    for note in chance_notes(scores, found.classes):
        click.echo(f"Note: {note}.", err=True)
