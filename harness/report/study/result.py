"""A study from its name to its report, as one call and one object."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.wording import did_you_mean, quoted, shown
from supernet.harness.report.html.markup import table
from supernet.harness.report.study import figures, tables
from supernet.harness.report.study.report import folder_for, other_study, write_report
from supernet.harness.report.style import fitted, paper
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import results_folder
from supernet.harness.runs.compared import ComparedStore
from supernet.harness.runs.devices import mixture
from supernet.harness.statistics.printed import number, p_text, with_interval
from supernet.harness.study.analysis import analyse
from supernet.harness.study.gathered import gather
from supernet.harness.study.plan import Study
from supernet.harness.study.reading import load_study
from supernet.harness.study.results import Analysis, Row
from supernet.harness.study.running import Display, States, executor_of, make_missing, states_of, unseen
from supernet.heuristics.plugins import load_all

REASONS = 5
"""Reasons why runs failed that a message lists."""


@dataclass(frozen=True)
class StudyResult:
    """What a study found."""

    study: Study
    states: States = field(repr=False)
    """How its runs stand."""
    analysis: Analysis = field(repr=False)
    """All numbers."""
    out: Path | None = None
    """The folder of the report, if one is written."""

    @property
    def page(self) -> Path | None:
        """The page of the report, if one is written."""
        return None if self.out is None else self.out / "index.html"

    @property
    def findings(self) -> list[str]:
        """What the numbers say, by rule."""
        return self.analysis.findings

    def frame(self, what: str = "effects") -> pd.DataFrame:
        """A table of the report: `effects` (a row per setting), `operations`, `runs`, `structure`, `displaced`, `free`
        or `factors` (a row per effect on average).

        Raises:
            UserError: there is no such table, or it is `factors` and the plan does not vary several heuristics at once.
        """
        if what not in tables.FRAMES:
            raise UserError(f"There is no table {quoted(what)}; {did_you_mean(what, list(tables.FRAMES))}")
        return tables.FRAMES[what](self.analysis)

    def plot(self, what: str = "effects") -> Figure:
        """A figure of the report: `effects`, `operations`, `seeds`, `structure`, `proxy` or `factors`.

        Raises:
            UserError: there is no such figure, or it is `factors` and the plan does not vary several heuristics at
                once.
        """
        if what not in figures.FIGURES:
            raise UserError(f"There is no figure {quoted(what)}; {did_you_mean(what, list(figures.FIGURES))}")
        with paper():
            return fitted(figures.FIGURES[what](self.analysis, [row for row in self.analysis.rows if row.tau]))

    def _repr_html_(self) -> str:
        rows = [_cells(row) for row in self.analysis.rows]
        heads = ["setting", "runs", "Kendall tau-b", "difference from the base", "p (Dunnett)", "regret@1"]
        return table(heads, rows, shown(self.analysis.title), self.findings)


def _cells(row: Row) -> list[object]:
    """A setting as a notebook shows it."""
    d, tau = row.difference, row.tau
    difference = "" if d is None else with_interval(d, "+.3f")
    p = "" if d is None or d.p_corrected is None else p_text(d.p_corrected)
    done = sum(state == "done" for state in row.states.values())
    return [
        shown(row.label),
        f"{done} of {len(row.states)}",
        with_interval(tau) if tau else "",
        difference,
        p,
        number(row.means.get("regret@1"), ".2f"),
    ]


def study(
    named: str | Path,
    *overrides: str,
    out: Path | str | None = None,
    plugins: Path | str | Sequence[Path | str] = (),
    executor: str = "process",
    workers: int | None = None,
    device: str = "cpu",
    address: str | None = None,
    cpus: float = 1,
    gpus: float = 0,
    watch: Watch = SILENT,
    display: Display = unseen,
    told: Callable[[States], None] | None = None,
) -> StudyResult:
    """Make the runs of a study that are missing, analyse them and, with `out`, write the report.

    Can be interrupted or killed at any moment; with `out`, the same call goes on where it stopped.

    Args:
        named: a shipped study by name, or a study file.
        overrides: changes of the base recipe, such as training.epochs=3.
        out: results folder, which keeps the runs (`runs/`) and gets the report (`reports/NAME/`). Without it the runs
            are made in a temporary folder, and nothing is kept but the result.
        plugins: Python files that register methods and heuristics, beside those that the study lists.
        executor: `process`, this process alone; `local`, processes on this machine; or `ray`, a Ray cluster.
        workers: local processes; as many as cores unless given, one per GPU.
        device: cpu or cuda.
        address, cpus, gpus: of the Ray cluster, and what a run asks it for.
        watch: hears of the progress of the report, and where it goes.
        display: shows the making of the runs.
        told: given the states of all runs before the report is made.

    Raises:
        UserError: the study cannot be used, no run of the base is done, or the report cannot be written.
    """
    load_all(plugins)
    chosen = load_study(named, overrides)
    with results_folder(out) as results:
        store = ComparedStore(results / "runs")
        if out is not None:
            report_folder(chosen, results, watch)
        make_missing(chosen, store, executor_of(executor, workers, device, address, cpus, gpus), display)
        return reported(chosen, results, kept=out is not None, watch=watch, told=told)


def reported(
    chosen: Study,
    results: Path,
    *,
    kept: bool = True,
    watch: Watch = SILENT,
    told: Callable[[States], None] | None = None,
) -> StudyResult:
    """Analyse what a study has in a results folder and, if it is to be kept, write the report there.

    Raises:
        UserError: no run of the base is done, or the report cannot be written.
    """
    store = ComparedStore(results / "runs")
    with watch.progress("Reading the runs") as progress:
        states = states_of(chosen, store, progress)
    if told:
        told(states)
    out = folder_for(chosen, results / "reports") if kept else None
    try:
        with watch.working("Writing the report"):
            analysis = write_report(chosen, store, out) if out else analyse(gather(chosen, store))
    except UserError as error:
        raise UserError(f"{error}{'' if told else _reasons(states)}") from None
    except MemoryError:
        raise UserError(
            "Memory ran out while the report was made. All runs are kept: `supernet study report` writes it, on a "
            "machine with more memory if necessary."
        ) from None
    except OSError as error:
        raise UserError(f"The report cannot be written to {out}: {error.strerror or error}.") from None
    ended = [store.read(run.spec.hash) for run in states.runs if run.state in ("done", "diverged")]
    if mixed := mixture(ended):
        watch.tell(mixed)
    return StudyResult(chosen, states, analysis, out)


def _reasons(states: States) -> str:
    """What went wrong with runs, as the end of a message."""
    found = dict.fromkeys(f"{run.setting.label}: {run.reason}" for run in states.runs if run.reason)
    return "".join(f"\n{reason}" for reason in list(found)[:REASONS])


def report_folder(chosen: Study, results: Path, watch: Watch = SILENT) -> Path:
    """Where the report goes; with a word if the folder of the study's name holds the report of another study."""
    reports = results / "reports"
    out = folder_for(chosen, reports)
    if out.name != chosen.name:
        other = other_study(reports / chosen.name, chosen)
        watch.tell(
            f"{reports / chosen.name} holds the report of another study, {quoted(other)}, and is left as it is. "
            f"The report of this one goes to {out}."
        )
    return out
