"""`supernet interference` measures how architectures that share weights disturb each other."""

from __future__ import annotations

from pathlib import Path

import click

from supernet.harness.commands.progress import Terminal


@click.command()
@click.argument("recipe", default="cifar10-16", metavar="[RECIPE=cifar10-16]")
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE …]")
@click.option(
    "--against",
    multiple=True,
    metavar="METHOD|'CHANGES'",
    help="Also train the recipe with this method, or with these methods and KEY=VALUE, and compare; may be repeated.",
)
@click.option("--seeds", type=click.IntRange(1), default=3, show_default=True, help="Number of super-nets.")
@click.option("--pairs", type=click.IntRange(1), default=8, show_default=True, help="Pairs for each distance.")
@click.option("--every", type=click.IntRange(1), help="Epochs between measurements (default: a fifth of the training).")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@click.option(
    "--workers", type=click.IntRange(1), help="Super-nets that train at the same time on CPUs (default: one per core)."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("results/interference"),
    show_default=True,
    help="Folder.",
)
def interference(
    recipe: str,
    overrides: tuple[str, ...],
    against: tuple[str, ...],
    seeds: int,
    pairs: int,
    every: int | None,
    device: str,
    workers: int | None,
    out: Path,
) -> None:
    """Measure how architectures disturb each other in super-nets of RECIPE, and test what is published of it.

    Interference is the cosine of the gradients that two architectures give an operation that both use (Xu et al., ICML
    2022); disturbance is the change of an architecture's validation loss by a step of another (Niu et al., 2021).
    Intervals are over super-nets. With --against magic-t --against di-ws, the command asks whether these remedies lower
    interference and disturbance.
    """
    from supernet.harness.report.correlation.text import wide_console
    from supernet.harness.report.interference.compared import compare_interference
    from supernet.harness.report.interference.result import interference as measured

    if against:
        compared = compare_interference(
            recipe, *overrides, against=against, seeds=seeds, pairs=pairs, every=every, device=device,
            workers=workers, out=out, watch=Terminal(),
        )  # fmt: skip
        wide_console().print(compared.reports["base"], compared)
    else:
        found = measured(
            recipe,
            *overrides,
            seeds=seeds,
            pairs=pairs,
            every=every,
            device=device,
            workers=workers,
            out=out,
            watch=Terminal(),
        )
        wide_console().print(found)
    click.echo(f"Table, figure and all numbers are in {out / 'report'}.")
