"""`supernet proxies` compares training-free scores with ground truth and with each other."""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from supernet.benchmarks.spaces import DEFAULT_SPACE
from supernet.harness.commands.progress import Terminal


@click.command()
@click.argument("space_name", metavar="SPACE", default=DEFAULT_SPACE)
@click.option("--with", "names", default="all", show_default=True, metavar="NAME,…", help="Scores to compare.")
@click.option("--truth", default="digits", show_default=True, help="Ground truth, such as cifar10/test@200.")
@click.option("--archs", type=click.IntRange(1), default=100, show_default=True, help="Architectures to sample.")
@click.option("--draws", type=click.IntRange(1), default=2, show_default=True, help="Draws of images and weights.")
@click.option(
    "--networks",
    type=click.Choice(["shared", "fresh", "both"]),
    default="both",
    show_default=True,
    help="Weights from one random super-net, drawn for each architecture, or one after the other.",
)
@click.option("--images", default=64, show_default=True, help="Number of images.")
@click.option("--channels", default=16, show_default=True, help="Channels of the first stage of a network.")
@click.option("--cells", default=1, show_default=True, help="Cells per stage.")
@click.option("--sample-seed", default=0, show_default=True, help="Seed of the sample of architectures.")
@click.option("--workers", type=click.IntRange(1), help="Number of processes (default: one for each CPU core).")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/proxies"),
    show_default=True,
    help="Folder.",
)
def proxies(
    space_name: str,
    names: str,
    truth: str,
    archs: int,
    draws: int,
    networks: str,
    images: int,
    channels: int,
    cells: int,
    sample_seed: int,
    workers: int | None,
    out: Path,
) -> None:
    """Compare training-free scores of architectures of SPACE with ground truth and with each other.

    For each score: Kendall's tau with the truth, its partial tau given the parameters on live edges, how far two draws
    of weights and images agree, how far one shared random super-net agrees with fresh networks, and what it costs.
    """
    from supernet.harness.report.correlation.text import wide_console
    from supernet.harness.report.free.comparison import compare_free
    from supernet.harness.scoring.proxies.probe import Networks

    kinds = [kind for kind in get_args(Networks) if networks in (kind, "both")]
    found = compare_free(
        space_name, names, truth, archs=archs, draws=draws, networks=kinds, sample_seed=sample_seed, workers=workers,
        out=out, watch=Terminal(), images=images, channels=channels, cells=cells,
    )  # fmt: skip
    wide_console().print(found)
    click.echo(f"Tables, the figure and all numbers are in {out}; pairs.csv has partial taus given every other score.")
