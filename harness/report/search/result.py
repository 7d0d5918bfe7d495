"""Compares search algorithms in one call, from the options to the report, and gives the result as an object."""

from __future__ import annotations

import re
import shutil
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import DEFAULT_SPACE
from supernet.benchmarks.wording import did_you_mean, listed, quoted
from supernet.harness.report.html.markup import table
from supernet.harness.report.search.figures import figures_of
from supernet.harness.report.search.report import analysed, claim, write_search_report
from supernet.harness.report.search.tables import tables
from supernet.harness.report.style import paper
from supernet.harness.report.watch import SILENT, Watch
from supernet.harness.report.whole import results_folder
from supernet.harness.runs.executors import Executor
from supernet.harness.runs.store import Store
from supernet.harness.search.algorithms.names import POOL, base_of, named, with_warm_starts
from supernet.harness.search.algorithms.registry import known_elsewhere
from supernet.harness.search.analysis import Outcome
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.findings import findings, headline, short
from supernet.harness.search.ledger import Budget
from supernet.harness.search.plugins import load_plugins
from supernet.harness.search.spec import SearchSpec
from supernet.harness.statistics.printed import bounds, plus_minus
from supernet.harness.study.running import Display, cores, executor_of, make_runs, unseen
from supernet.heuristics.plugins import Plugin

REPORTABLE = ("done", "diverged")
"""States of runs that are finished."""


@dataclass(frozen=True)
class SearchResult:
    """The result of a comparison of search algorithms."""

    outcome: Outcome = field(repr=False)
    """All numbers."""
    out: Path | None = None
    """The folder of the report, if one is written."""

    @property
    def headline(self) -> str:
        """What the tests say about the algorithms, in a sentence."""
        return headline(self.outcome)

    @property
    def findings(self) -> list[str]:
        """Sentences about the numbers, which follow from fixed rules."""
        return findings(self.outcome)

    @property
    def problems(self) -> list[str]:
        """Why searches are not done, one sentence for each reason."""
        return [problem for entry in self.outcome.entries for problem in entry.problems]

    @property
    def page(self) -> Path | None:
        """The page of the report, if one is written."""
        return None if self.out is None else self.out / "index.html"

    @property
    def lacking(self) -> bool:
        """Whether some searches have failed, are missing or are damaged."""
        return any(s not in REPORTABLE for entry in self.outcome.entries for s in entry.states.values())

    def frame(self, what: str = "final") -> pd.DataFrame:
        """A table of the report: `final` accuracies, `reached`, `versus` random search, `pairs`, `picks` or `curves`.

        Raises:
            UserError: there is no such table.
        """
        found = tables(self.outcome)
        if what not in found:
            raise UserError(f"There is no table {quoted(what)}; {did_you_mean(what, list(found))}")
        return found[what]

    def plot(self, what: str = "regret") -> Figure:
        """A figure of the report: `regret`, `ranks`, `training` or `cells`, if there are data for it.

        Raises:
            UserError: there is no such figure.
        """
        found = figures_of(self.outcome)
        if what not in found:
            raise UserError(f"There is no figure {quoted(what)}; {did_you_mean(what, list(found))}")
        with paper():
            return found[what][1]()

    def _repr_html_(self) -> str:
        main = self.outcome.measures[0]
        rows: list[list[object]] = []
        for entry in self.outcome.best_first:
            rank = f"{entry.rank[0]:.2f}{bounds(*entry.rank[1:], '.2f')}" if entry.rank else ""
            rows.append([entry.title, f"{entry.done} of {len(entry.states)}", plus_minus(*entry.summary(main)), rank])
        caption = f"{main}, best known {self.outcome.best:.2f} %, after {self.outcome.comparison.budget}"
        return table(["algorithm", "seeds", short(main), "mean rank"], rows, caption, [*self.findings, *self.problems])


def search(
    algorithms: str | Sequence[str],
    budget: str | Budget,
    *,
    space: str = DEFAULT_SPACE,
    dataset: str = "cifar10",
    seeds: int = 10,
    table: str | None = None,
    epochs: str | int | None = None,
    truth_seed: str | int | None = None,
    fidelities: Sequence[str | int] | None = None,
    overrides: str | Sequence[str] = (),
    rate: float = 1.0,
    warm_start: str | None = None,
    pool: int = POOL,
    train_missing: bool = False,
    plugins: Path | str | Sequence[Path | str | Plugin] = (),
    name: str | None = None,
    fresh: bool = False,
    out: Path | str | None = None,
    executor: str = "process",
    workers: int | None = None,
    device: str = "cpu",
    address: str | None = None,
    watch: Watch = SILENT,
    display: Display = unseen,
) -> SearchResult:
    """Compare search algorithms under one budget: make the searches that are missing and analyse all of them.

    The call can be interrupted or killed at any moment; with `out`, the same call continues where it stopped.

    Args:
        algorithms: a list of names, or a text with the names separated by commas.
        budget: the budget of each search: 200q queries, 20000s simulated seconds, 5000p path passes, 60w wall-clock
            seconds.
        space: the search space.
        dataset: a data set of the ground truth, or digits.
        seeds: number of searches of each algorithm.
        table: ground-truth table by path or name; by default the one with the most results.
        epochs: training epochs of the results that single-fidelity algorithms see.
        truth_seed: seed or repeat of the table that searches observe, such as r1; by default that of the benchmark's
            protocol. The accuracies of the report stay as they are.
        fidelities: training epochs that multi-fidelity algorithms choose from.
        overrides: changes of the super-nets' base recipe, such as network.channels=8.
        rate: factor on the learning rates of architecture distributions.
        warm_start: also compare every algorithm that begins with random architectures with itself beginning with the
            best ones of a pool by this training-free score, such as live-params.
        pool: number of random architectures that are scored for a warm start.
        train_missing: train architectures that the table lacks when a search queries them, as those of the table were.
        plugins: Python files that register algorithms, or methods that `overrides` name.
        name: name of the report; by default made from what is compared.
        fresh: make all runs again, and move existing ones to runs/.damaged. Trainings of single architectures
            (runs/.trained) are kept, since the same training would give the same accuracy.
        out: results folder, which keeps the runs (`runs/`) and gets the report (`reports/NAME/`). Without it the
            searches are made in a temporary folder, and only the result is kept.
        executor: `process`, for this process alone; `local`, for processes on this machine; or `ray`, for a Ray
            cluster.
        workers: number of local processes; by default one per CPU core, or one per GPU. Picks that the table lacks are
            measured by as many, by default by this process alone with the executor `process`.
        device: cpu or cuda.
        address: address of the Ray cluster.
        watch: receives the progress of the report.
        display: shows the progress of the searches.

    Raises:
        UserError: something cannot be compared or afforded, no search is done, or the folder of the report holds
            something else.
    """
    loaded = load_plugins(plugins)
    chosen = named(algorithms if isinstance(algorithms, str) else ",".join(map(str, algorithms)))
    if warm_start is not None:
        chosen = with_warm_starts(chosen, warm_start, pool)
    _check_reach(chosen, executor)
    if name is not None:
        _check_name(name)
    comparison = Comparison(
        space=space,
        dataset=dataset,
        algorithms=tuple(chosen),
        budget=budget if isinstance(budget, Budget) else Budget.parse(str(budget)),
        seeds=seeds,
        table=table,
        epochs=None if epochs is None else str(epochs),
        only=_only(fidelities),
        overrides=(overrides,) if isinstance(overrides, str) else tuple(overrides),
        rate=rate,
        plugins=loaded,
        trains=train_missing,
        truth_seed=None if truth_seed is None else str(truth_seed),
    )
    comparison.check()
    name = name or comparison.name
    with results_folder(out) as results:
        folder = results / "reports" / name
        claim(folder, comparison)
        store = Store(results / "runs")
        store.prepare()
        maker = executor_of(executor, workers, device, address)
        if fresh:
            for spec in comparison.specs():
                _make_room(spec, store)
        _make_missing(comparison, name, store, maker, display)
        count = workers or (1 if executor == "process" else cores(device))
        with watch.progress("measuring picks") as told:
            if out is None:
                return SearchResult(analysed(comparison, store, workers=count, progress=told))
            return SearchResult(
                write_search_report(comparison, store, folder, workers=count, progress=told), folder
            )  # fmt: skip


def _only(fidelities: Sequence[str | int] | None) -> tuple[str, ...] | None:
    """The fidelities that were named, each once.

    Raises:
        UserError: there are none.
    """
    if fidelities is None:
        return None
    found = tuple(dict.fromkeys(filter(None, (str(epochs).strip() for epochs in fidelities))))
    if not found:
        raise UserError(
            f"--fidelities (`fidelities`) names no number of epochs: {quoted(','.join(map(str, fidelities)))}."
        )
    return found


def _check_reach(algorithms: Sequence[str], executor: str) -> None:
    """Check that the processes of the executor can import the algorithms.

    Raises:
        UserError: one was registered in this process alone.
    """
    if executor != "process" and (alone := [name for name in algorithms if not known_elsewhere(base_of(name))]):
        raise UserError(
            f"Other processes do not know {listed(alone)}, which this one registered: put the registration into a file "
            "and name it with --plugin (`plugins`), or use --executor process (`executor`)."
        )


def _check_name(name: str) -> None:
    """Check that a report's name can be the name of a folder.

    Raises:
        UserError: it cannot.
    """
    if not re.fullmatch(r"[^\x00-\x1f\x7f/\\]{1,100}", name) or name.startswith((".", "-")) or name != name.strip():
        raise UserError(
            f"{quoted(name)} cannot name a report: a name has 1 to 100 characters, no slashes, no spaces at its ends, "
            "and begins with neither a dot nor a hyphen."
        )


def _make_room(spec: SearchSpec, store: Store) -> None:
    """Move a finished run aside, and delete what an unfinished one has done."""
    with store.hold(spec) as work:
        if (store.root / spec.hash).exists():
            store.set_aside(spec.hash)
        shutil.rmtree(work, ignore_errors=True)


def _make_missing(comparison: Comparison, name: str, store: Store, maker: Executor, display: Display) -> None:
    """Make the searches that are missing."""
    specs = comparison.specs()
    missing = {spec.hash: spec for spec in specs if not store.whole(spec.hash)}
    if missing:
        labels = {spec.hash: spec.label for spec in specs}
        make_runs(name, store, maker, list(missing.values()), labels, display)
