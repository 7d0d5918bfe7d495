"""`supernet adds` asks what super-nets know that training-free scores do not."""

from __future__ import annotations

from pathlib import Path

import click

from supernet.harness.commands.progress import Terminal


@click.command()
@click.argument("recipe", default="cifar10-16", metavar="[RECIPE=cifar10-16]")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE …]")
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Number of super-nets.")
@click.option("--draws", type=click.IntRange(1), default=4, show_default=True, help="Draws of jacob_cov.")
@click.option(
    "--images", type=click.IntRange(1), default=250, show_default=True, help="Validation images for the super-nets."
)
@click.option("--resamples", type=click.IntRange(20), default=200, show_default=True, help="Bootstrap resamples.")
@click.option("--device", default="cpu", show_default=True, help="Where super-nets train: cpu, cuda, cuda:1, …")
@click.option(
    "--workers", type=click.IntRange(1), help="Super-nets that train at the same time on CPUs (default: one per core)."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/adds"),
    show_default=True,
    help="Folder for all of it.",
)
def adds(
    recipe: str,
    overrides: tuple[str, ...],
    seeds: int,
    draws: int,
    images: int,
    resamples: int,
    device: str,
    workers: int | None,
    out: Path,
) -> None:
    """Ask what super-nets of RECIPE add to training-free scores, over all architectures of their space.

    The command computes the training-free scores, trains and scores the super-nets, fuses them by the rule
    free-1+supernet, and compares every stage with every ground truth at hand. You can interrupt it; the same command
    continues where it stopped.
    """
    from supernet.harness.report.adds.result import adds as asked
    from supernet.harness.report.correlation.text import wide_console

    found = asked(
        recipe, *overrides, seeds=seeds, draws=draws, images=images, resamples=resamples, device=device,
        workers=workers, out=out, watch=Terminal(),
    )  # fmt: skip
    wide_console().print(found)
    click.echo(f"Report: {out / 'report' / 'index.html'}")
