"""`supernet train` trains a super-net from a recipe."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.harness.commands.plugins import PLUGIN
from supernet.harness.commands.progress import Lines, Terminal

if TYPE_CHECKING:
    from supernet.harness.training.meter import Progress
    from supernet.heuristics.recipe import Recipe


@click.command()
@click.argument("recipe", type=click.Path(path_type=Path))
@click.argument("overrides", nargs=-1, metavar="[KEY=VALUE …]")
@click.option("--out", required=True, type=click.Path(path_type=Path, file_okay=False), help="Run folder.")
@click.option("--resume", is_flag=True, help="Continue from the checkpoint in the run folder.")
@click.option("--device", default="cpu", show_default=True, help="cpu, cuda, cuda:1, …")
@click.option("--threads", type=click.IntRange(1), help="Number of CPU threads (default: all).")
@click.option("--tensorboard", is_flag=True, help="Also write TensorBoard events (needs the tensorboard package).")
@PLUGIN
def train(
    recipe: Path,
    overrides: tuple[str, ...],
    out: Path,
    resume: bool,
    device: str,
    threads: int | None,
    tensorboard: bool,
    plugins: tuple[Path, ...],
) -> None:
    """Train a super-net from RECIPE, a YAML file or the name of a shipped recipe.

    Keys of the recipe are overridden as section.key=value.
    """
    from supernet.harness.report.training.wanted import wanted

    resolved = wanted(recipe).override(overrides)  # a mistake is told before torch is imported, which takes seconds
    import torch

    from supernet.benchmarks.truth.table import count_of
    from supernet.harness.report.training.trained import train as trained
    from supernet.harness.training.folder import write_tensorboard

    if threads:
        torch.set_num_threads(threads)
    options = ["--device", device, *(["--threads", str(threads)] if threads else [])]
    options += [part for file in plugins for part in ("--plugin", str(file))]
    again = ["supernet", "train", str(recipe), *overrides, "--out", str(out), *options, "--resume"]
    with _display(resolved) as show:
        try:
            run = trained(resolved, out=out, resume=resume, device=device, progress=show, watch=Terminal()).run
        except KeyboardInterrupt:
            click.echo(f"Finished epochs are kept. Continue with: {shlex.join(again)}", err=True)
            raise
    if tensorboard:
        write_tensorboard(run, out)
    last = run.log[-1]
    seconds = sum(entry["seconds"] for entry in run.log)
    click.echo(
        f"Trained {count_of(run.epoch)} in {seconds:,.0f} s: loss {last['loss']:.4f}, accuracy of the sampled paths "
        f"{last['accuracy']:.2f} %, {last['images_per_second']:,.0f} images/s.\n"
        f"Next: {shlex.join(['supernet', 'rank', str(out)])}"
    )


@contextmanager
def _display(recipe: Recipe) -> Iterator[Callable[[Progress], None]]:
    """Yield a function that shows the progress of a training: a bar in a terminal, lines elsewhere."""
    from rich import progress as rich
    from rich.console import Console

    def said(p: Progress) -> str:
        return (
            f"{p.of(recipe.training.epochs)}  loss {p.loss:.3f}  {p.accuracy:.1f} %  "
            f"{p.images_per_second:,.0f} images/s"
        )

    console = Console(stderr=True)
    if not console.is_terminal:
        lines = Lines("training")
        yield lambda p: lines.tell(p.step / p.steps, said(p))
        return
    columns = (
        rich.TextColumn(recipe.space),
        rich.BarColumn(),
        rich.TextColumn("{task.fields[now]}", markup=False),
        rich.TimeRemainingColumn(),
    )
    with rich.Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, now="")
        yield lambda p: bar.update(task, total=p.steps, completed=p.step, now=said(p))
