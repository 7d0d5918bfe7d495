"""Make one search run: from its spec to the files of its directory."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import whole, write_json, write_text
from supernet.benchmarks.spaces import SearchSpace, space
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.runs import store as files
from supernet.harness.runs.commit import commit
from supernet.harness.runs.execute import Report, throttled
from supernet.harness.search.algorithms.ask import Maker, Trace, search
from supernet.harness.search.algorithms.evolution import RandomSearch
from supernet.harness.search.algorithms.names import algorithm_of
from supernet.harness.search.algorithms.registry import QueryAlgorithm
from supernet.harness.search.algorithms.warm import Warm
from supernet.harness.search.costs import site_of
from supernet.harness.search.ledger import KINDS, Ledger
from supernet.harness.search.objective import Objective
from supernet.harness.search.objectives.distilled import Distilled, with_teacher
from supernet.harness.search.objectives.table import Table, objective
from supernet.harness.search.objectives.training import FOLDER, Completed, Training, epochs_of
from supernet.harness.search.probing import Probing
from supernet.harness.search.sharing import share_weights
from supernet.harness.search.spec import SearchSpec
from supernet.harness.training import folder as run_folder
from supernet.harness.training.loop import Diverged


def read(content: Mapping[str, Any]) -> SearchSpec:
    """Read the spec that `as_dict` wrote; its plug-ins are imported first."""
    return SearchSpec.from_dict(content)


def make(spec: SearchSpec, work: Path, device: str, report: Report) -> str:
    """Run the searches of a spec and write their files into the work folder; `execute` calls this.

    Returns:
        The state of the run: "done" or "diverged".

    Raises:
        UserError: the algorithm is not known here, its code is not that of the spec, or the search cannot begin.
    """
    if spec.present_code() != spec.code:
        raise UserError(f"The code of the search algorithm {spec.algorithm} has changed since this run was planned.")
    truth = spec.truth.open(spec.space)
    write_json(work / files.SPEC, spec.as_dict())
    tell = throttled(report, work / files.PROGRESS)
    problem, rows = None, pd.DataFrame()
    if queries := isinstance(algorithm_of(spec.algorithm), QueryAlgorithm):
        rows = _queried(spec, truth, work.parent.parent / FOLDER, device, tell)
        write_text(work / files.LOG, "")
    else:
        try:
            (seed,) = spec.seeds
            rows = pd.DataFrame(share_weights(spec, seed, truth, work, device, tell))
        except Diverged as diverged:
            problem = str(diverged)
        if not (work / files.LOG).exists():  # it diverged before its first epoch was planned
            write_text(work / files.LOG, "")
    if problem is None:
        with whole(work / files.TRACE) as unfinished:
            _spelled(space(spec.space), rows).to_parquet(unfinished)
    last = rows.groupby("seed").last() if len(rows) else rows
    spent = {kind: float(last[kind].sum()) for kind in KINDS if kind in last}
    write_json(work / files.METRICS, {"seeds": len(spec.seeds), "steps": len(rows)})
    write_json(work / files.LEDGER, spent)
    # Another machine may have begun a search with shared weights; its status has all environments.
    began = None if queries else run_folder.environment_in(work)
    made = began or {**run_folder.environment(device), "commit": commit()}
    write_json(work / files.ENVIRONMENT, made)
    state = "done" if problem is None else "diverged"
    run_folder.write_status(work, state, None, None, device, problem=problem, run=spec.hash, environments=[made])
    return state


def observed(spec: SearchSpec, truth: GroundTruth) -> Table:
    """Return the objective that the searches of a spec observe.

    Raises:
        UserError: the spec asks for test accuracies, or the table lacks what it asks for.
    """
    m = spec.truth.measure
    if m.split == "test":
        raise UserError(
            "A search must not see test accuracies, which are only for its report. Let it observe another split."
        )
    seen = objective(space(spec.space), truth, m.dataset, spec.fidelities, m.seed, m.split)
    return seen.under(spec.budget.kind)


def _queried(spec: SearchSpec, truth: GroundTruth, folder: Path, device: str, tell: Report) -> pd.DataFrame:
    """Run searches that query a benchmark, and return one row per query.

    Args:
        folder: where trainings of architectures that the table lacks are kept.
    """
    algorithm, seen = algorithm_of(spec.algorithm), observed(spec, truth)
    assert isinstance(algorithm, QueryAlgorithm)
    algorithm.check_limit(spec.algorithm, spec.budget.kind)
    maker = maker_of(spec.algorithm, algorithm, seen, truth, spec.truth.measure, whole=spec.trains is not None)
    parts = []
    for done, seed in enumerate(spec.seeds):
        trace = search(maker, _asked(spec, seen, folder, device), Ledger(spec.budget), seed)
        if not trace.indices:
            raise UserError(
                f"{spec.algorithm}: a budget of {spec.budget} does not afford one query and what leads to it."
            )
        parts.append(_rows(trace, seed))
        tell((done + 1) / len(spec.seeds), f"seed {seed}")
    return pd.concat(parts, ignore_index=True)


def _asked(spec: SearchSpec, seen: Table, folder: Path, device: str) -> Objective:
    """Return what one search asks: a table, and what is trained where the table has no answer."""
    if spec.trains is None:
        return seen
    training = Training(spec.trains, epochs_of(spec.fidelities), folder, device)
    full, algorithm = Completed(seen, training), algorithm_of(spec.algorithm)
    if not (isinstance(algorithm, QueryAlgorithm) and algorithm.distils):
        return full
    recipe = with_teacher(spec.trains, seen.space, training.epochs[-1])
    return Distilled(full, replace(training, recipe=recipe))


def _rows(trace: Trace, seed: int) -> pd.DataFrame:
    """Return one row per query of a search, with what it has spent by then."""
    columns: dict[str, Any] = {"seed": seed, "step": np.arange(1, len(trace.indices) + 1), "pick": trace.incumbents()}
    for kind in ("queries", "seconds", "wall", "passes"):
        of_answers, beyond = (np.cumsum([c.get(kind, 0.0) for c in costs]) for costs in (trace.costs, trace.beyond))
        if kind != "passes" or (of_answers + beyond).any():
            columns[kind] = of_answers + beyond
    return pd.DataFrame({**columns, "index": trace.indices, "fidelity": trace.fidelities, "value": trace.values})


def _spelled(within: SearchSpace, rows: pd.DataFrame) -> pd.DataFrame:
    """Return the rows of a trace with an official string beside each index: that of the pick, and that looked up."""
    for indices, strings in (("pick", "pick_arch"), ("index", "arch")):
        if indices in rows:
            distinct, place = np.unique(rows[indices], return_inverse=True)
            rows = rows.assign(**{strings: np.array(within.strings(within.archs(distinct)), dtype=object)[place]})
    return rows


def maker_of(
    name: str, algorithm: QueryAlgorithm, seen: Table, truth: GroundTruth, observed: Measure, whole: bool = False
) -> Maker:
    """Return the function that makes the algorithm for a table, which may lack architectures.

    Args:
        observed: the accuracies that it observes.
        whole: whether architectures that the table lacks can be queried all the same.

    Raises:
        UserError: the table lacks architectures, and the algorithm cannot work without them; no architecture has the
            training time that a budget in seconds needs; or a training-free score that it begins with cannot be
            computed.
    """
    make, known = algorithm.make, np.arange(len(seen.space)) if whole else seen.known
    if not len(known):
        raise UserError(
            f"{truth.path.name} has no training times for {observed.dataset} of architectures of {seen.space.name}: "
            "give a budget in queries (q)."
        )
    site = site_of(seen.space, truth, observed, known)
    if len(known) == len(seen.space):
        return make.on_site(site) if isinstance(make, Probing) else make
    if (make.make if isinstance(make, Warm) else make) is not RandomSearch:
        timed = " with training times" if seen.untimed else ""
        raise UserError(
            f"{name} can query any architecture of {seen.space.name}, but {truth.path.name} has only {len(known):,} of "
            f"{len(seen.space):,}{timed}. Of the algorithms that query a benchmark, only random works with such a "
            "table, unless architectures that it lacks are trained: --train-missing (`train_missing`)."
        )
    return make.on_site(site) if isinstance(make, Probing) else partial(RandomSearch, among=site.among)
