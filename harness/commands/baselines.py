"""`supernet baselines`: how well parameter count alone ranks, on every ground-truth table at hand.

This is the bar that any score has to clear (and that many published super-nets do not).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import click

from supernet.benchmarks.files import write_json
from supernet.harness.commands.progress import bar

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from supernet.benchmarks.truth.table import GroundTruth, Measure


@click.command()
@click.option("--out", type=click.Path(path_type=Path), default=Path("results/baselines"), show_default=True)
@click.option("--resamples", type=click.IntRange(20), help="Bootstrap resamples (default 1000; 200 above 50,000).")
def baselines(out: Path, resamples: int | None) -> None:
    """Report of parameter count against the mean test accuracies of every ground-truth table at hand."""
    import pandas as pd
    from rich import box
    from rich.table import Table

    from supernet.benchmarks.truth import shelf
    from supernet.harness.correlation.files import ScoreTable
    from supernet.harness.correlation.report import PARAMS, correlate, params_of
    from supernet.harness.report.correlation import figures
    from supernet.harness.report.correlation.text import interval_text, wide_console

    found, problems = shelf.intact_tables()
    for problem in problems:
        click.echo(f"Left out: {problem}", err=True)
    if all(map(shelf.is_embedded, found)):
        click.echo(shelf.how_to_get())
    if not found:
        return
    summary = Table(box=box.SIMPLE_HEAD, pad_edge=False, title="Kendall tau-b of parameter count", title_justify="left")
    for title in (
        "table",
        "space",
        "archs",
        "accuracy",
        "tau-b",
        "top 10 %",
        "attainable",
        "repeats agree",
        "regret@1",
    ):
        summary.add_column(title, justify="left" if title in ("table", "space", "accuracy") else "right", no_wrap=True)
    for table, space_name, measure, rows in _cases(found):
        none = pd.DataFrame(index=range(len(rows)))
        with bar(f"{table.path.stem} {space_name} {measure}") as progress:
            report = correlate(
                ScoreTable(space_name, rows, {}, none), table, measure, resamples=resamples, progress=progress
            )
        (params,) = report.ranked
        folder = out / table.path.stem / f"{space_name}-{measure.column}"
        truth = table.accuracy(measure.dataset, measure.split, measure.epochs, measure.seed, rows)
        scores = {PARAMS: params_of(table, measure.dataset, rows).astype(float)}
        keys = zip(table.keys(rows), rows.tolist(), strict=True)
        figures.draw(report, scores, truth, [figures.short_label(key, row) for key, row in keys], folder)
        write_json(folder / "report.json", report.as_json())
        summary.add_row(
            table.path.stem,
            space_name,
            f"{report.architectures:,}",
            f"{measure.dataset} {measure.split} @{measure.epochs}",
            interval_text(params.estimates["kendall_tau"]),
            f"{top.value:.3f}" if (top := params.estimates.get("tau_true_top_10%")) else "",
            f"{report.ceiling.attainable:.3f}" if report.ceiling else "",
            f"{report.ceiling.tau:.3f}" if report.ceiling else "",
            f"{params.values['regret@1']:.2f}",
        )
    wide_console(least=160).print(summary)
    click.echo(
        "attainable: what a perfect ranker reaches against the mean of the table's repeats; repeats agree: tau-b "
        "between two single repeats."
    )
    click.echo(f"Figures and every number: {out}")


def _cases(found: list[GroundTruth]) -> Iterator[tuple[GroundTruth, str, Measure, NDArray[np.int64]]]:
    """(table, space, measure, rows): mean test accuracy at the largest budget of each data set of each table.

    A NAS-Bench-101 table is also read as each 1Shot1 space, one architecture per distinct cell.
    """
    import numpy as np

    from supernet.benchmarks.spaces import SPACE_NAMES, space
    from supernet.benchmarks.truth import shelf
    from supernet.benchmarks.truth.join import truth_rows

    for table in found:
        final: dict[str, Measure] = {}
        for m in table.measures:
            if (m.split, m.seed) == ("test", "mean") and m.epochs.isdecimal():
                final[m.dataset] = max(final.get(m.dataset, m), m, key=lambda each: int(each.epochs))
        for m in final.values():
            yield table, table.space, m, np.arange(len(table))
            for name in SPACE_NAMES:
                if name != table.space and shelf.covers(table, name):
                    within = space(name)
                    yield table, name, m, truth_rows(within, within.distinct(), table)
