"""`supernet rank`: a trained super-net to a ranking, and the report on it."""

from __future__ import annotations

from pathlib import Path

import click

from benchmarks.files import write_json
from harness.commands.progress import bar


@click.command()
@click.argument("run_dir", type=click.Path(path_type=Path))
@click.option(
    "--archs", default="all", show_default=True, help="all, a number to sample, or a file with a column of them."
)
@click.option("--images", type=click.IntRange(1), help="Validation images (default: the recipe's).")
@click.option("--dataset", help="Ground-truth data set (default: that of the task).")
@click.option("--split", default="test", show_default=True)
@click.option("--epochs", help="Stand-alone training budget (default: the largest there is).")
@click.option("--seed", default="mean", show_default=True)
@click.option("--sample-seed", default=0, show_default=True, help="Seed of the sample of --archs N.")
@click.option("--truth", "truth_name", help="Ground-truth table, by path or name.")
@click.option("--resamples", type=click.IntRange(20), help="Bootstrap resamples.")
@click.option("--device", default="cpu", show_default=True)
@click.option("--threads", type=click.IntRange(1), help="CPU threads (default: all).")
def rank(
    run_dir: Path,
    archs: str,
    images: int | None,
    dataset: str | None,
    split: str,
    epochs: str | None,
    seed: str,
    sample_seed: int,
    truth_name: str | None,
    resamples: int | None,
    device: str,
    threads: int | None,
) -> None:
    """Score architectures with the shared weights of RUN_DIR; write scores.parquet and the report.

    Can be interrupted; the same command goes on where it stopped.
    """
    import pandas as pd
    import torch

    from benchmarks.errors import UserError
    from benchmarks.spaces import space
    from benchmarks.truth import shelf
    from harness import rank as ranking
    from harness.commands.correlate import report_single
    from harness.run_folder import hold, trained_partly
    from harness.scores import ScoreTable, truth_rows, written_architectures
    from harness.train import open_run

    if threads:
        torch.set_num_threads(threads)
    run = open_run(run_dir, device=device)
    if images:
        run.recipe = run.recipe.override([f"evaluation.images={images}"])
    partly = trained_partly(run, run_dir)
    if partly:
        click.echo(f"Note: {partly}.", err=True)
    within = space(run.recipe.space)
    indices = ranking.chosen(within, archs, sample_seed) if archs == "all" or archs.isdecimal() else None
    if indices is None:
        indices = written_architectures(Path(archs), within)
    with hold(run_dir), bar("scoring") as progress:
        scores = ranking.rank(run, indices, out=run_dir, progress=progress)
    names = [within.string(arch) for arch in within.archs(scores.indices).tolist()]
    frame = pd.DataFrame(
        {"index": scores.indices, "arch": names, "accuracy": scores.accuracy, "negative_loss": -scores.loss}
    )
    ranking.write_scores(frame, run_dir)
    click.echo(
        f"Scored {len(frame):,} architectures ({scores.distinct:,} distinct computations) on {scores.images:,} "
        f"validation images in {scores.seconds:,.0f} s; mean accuracy {scores.accuracy.mean():.2f} %.\n"
        f"wrote {run_dir / ranking.SCORES}"
    )
    try:
        measure = shelf.measure_for(run.recipe.space, dataset or run.recipe.task.name, split, epochs, seed, truth_name)
        truth = shelf.table_for(run.recipe.space, measure, truth_name)
    except UserError as error:
        click.echo(f"No report: {error}", err=True)
        return
    by = "negative_loss" if run.recipe.evaluation.metric == "loss" else "accuracy"
    other = "accuracy" if by == "negative_loss" else "negative_loss"
    rows = truth_rows(within, scores.indices, truth)
    known = rows >= 0
    if known.sum() < 2:
        click.echo(
            f"No report: {known.sum()} of the {len(known):,} architectures scored is in {truth.path.name}, and a "
            "comparison needs two. Score more of them: --archs all, or a file with those it has.",
            err=True,
        )
        return
    columns = {name: frame[name].to_numpy()[known] for name in (by, other)}
    table = ScoreTable(run.recipe.space, rows[known], columns, pd.DataFrame(index=range(known.sum())))
    notes = [f"ranked by {by}; {scores.images:,} validation images"]
    if partly:
        notes.append(partly)
    if not known.all():
        notes.append(f"{known.sum():,} of the {len(known):,} architectures scored have ground truth and are compared")
    report = report_single(table, truth, measure, "all", resamples, 0, notes, None, run_dir / "report")
    metrics = {
        "images": scores.images,
        "seconds": scores.seconds,
        "distinct": scores.distinct,
        "report": report.as_json(),
    }
    write_json(run_dir / "metrics.json", metrics)
