"""One search with shared weights: a super-net trained for the epochs that the budget affords, with picks on the way."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import write_json
from supernet.benchmarks.spaces import Arch, space
from supernet.benchmarks.tasks.task import Task
from supernet.benchmarks.truth.table import GroundTruth, Measure
from supernet.harness.runs.store import read_json
from supernet.harness.scoring.supernet import accuracy_of
from supernet.harness.search.algorithms.registry import ALGORITHMS, SharingAlgorithm
from supernet.harness.search.costs import FORWARD, seconds_per_pass
from supernet.harness.search.ledger import TIMED, Ledger, added
from supernet.harness.search.objective import Query
from supernet.harness.search.objectives.table import Table, objective
from supernet.harness.search.picks import Likeliest, Pick
from supernet.harness.search.spec import SearchSpec
from supernet.harness.training import folder as run_folder
from supernet.harness.training.loop import train
from supernet.harness.training.meter import Progress
from supernet.harness.training.oracle import Oracle
from supernet.harness.training.run import Run, own_random_numbers, seed_torch, start, task_of
from supernet.harness.training.trial import epoch_cost
from supernet.heuristics import recipe as recipes
from supernet.heuristics.distribution.models import Factorised
from supernet.heuristics.hooks import Foreseen
from supernet.heuristics.recipe import Recipe, RecipeError

PICKS = "picks.json"
"""File of the work folder with the picks so far, while the run is unfinished."""
SCORED_PICKS = 4
"""Largest number of picks of a search whose picks score architectures, our choice, since every such pick takes time. A
pick is charged as that of a search which would end there, so that the last one does not pay for those before. The picks
are evenly spread over the epochs, the last one at the end."""
SPARE = 0.95
"""Share of a budget by the clock for which epochs are planned, our choice; the rest is a reserve for slower epochs."""


class _Exceeded(Exception):
    """The epochs so far and the pick together exceed the budget."""


@dataclass(frozen=True)
class Prices:
    """Prices of training and picking, by which costs are computed."""

    batch_size: int
    """Images per path pass."""
    seconds_per_pass: float | None
    """Simulated seconds of a path pass; None if the benchmark has no training times."""
    table: Table
    """Answers queries, with their costs."""

    def pick(self, pick: Pick, wall: float) -> dict[str, float]:
        """Return the costs of a pick: kind -> amount.

        Args:
            wall: the seconds by the clock that the pick took.
        """
        passes = FORWARD * pick.images / self.batch_size
        return self.of_passes(passes) | {"wall": wall}

    def of_passes(self, passes: float) -> dict[str, float]:
        """Return the costs of this many path passes: kind -> amount."""
        seconds = {} if self.seconds_per_pass is None else {"seconds": passes * self.seconds_per_pass}
        return {"passes": passes, **seconds}

    def of_queries(self, indices: Iterable[int]) -> dict[str, float]:
        """Return the costs of asking for the ground truth of architectures, which count as those of any search.

        Seconds are those of the architectures whose training time the table has.
        """
        table = self.table
        each = [table.ask(Query(table.space.arch(index), table.top)).cost for index in sorted(indices)]
        # A budget of passes allows architectures without a training time; their seconds alone are left out.
        known = [{kind: amount for kind, amount in cost.items() if not math.isnan(amount)} for cost in each]
        return added({"queries": 0.0}, *known)

    def foreseen(self, queries: int) -> dict[str, float]:
        """Return what so many queries of random architectures will hardly exceed: three standard deviations of a sum.

        Of architectures with unknown costs nothing is charged.
        """
        seconds = np.array(self.table.fidelities[-1].seconds)
        seconds = seconds[~np.isnan(seconds)]
        if not len(seconds) or not queries:
            return {"queries": float(queries), "seconds": 0.0, "wall": 0.0}
        most = queries * float(seconds.mean()) + 3 * math.sqrt(queries) * float(seconds.std())
        return {"queries": float(queries), "seconds": most, "wall": most}


def share_weights(
    spec: SearchSpec, seed: int, truth: GroundTruth, work: Path, device: str, report: Callable[[float, str], None]
) -> list[dict[str, Any]]:
    """Train a super-net, and pick an architecture after every epoch, or after some where picks score architectures.

    An interrupted search continues from the checkpoint in `work`.

    Args:
        report: called with the share of the work that is done, from 0 to 1, and a short text.

    Returns:
        A row for each pick within the budget: seed, step (epochs done), pick (index), costs by kind, and the state of
        the distribution and the pick.

    Raises:
        UserError: the budget does not afford one epoch and a pick, or is one of queries.
        Diverged: the loss is not finite.
    """
    assert spec.recipe is not None
    task = task_of(spec.recipe.task)
    picker = ALGORITHMS[spec.algorithm]
    assert isinstance(picker, SharingAlgorithm)
    recipe, prices = _planned(spec, replace(spec.recipe, seed=seed), truth, task, picker, work, device)
    path = work / PICKS
    rows: dict[int, dict[str, Any]] = {}

    def after_epoch(run: Run) -> None:
        if run.epoch not in _pick_epochs(recipe.training.epochs, scores=not isinstance(picker.pick, Likeliest)):
            return
        began = time.perf_counter()
        pick = picker.pick(run, np.random.default_rng([seed, run.epoch]))
        picking = prices.pick(pick, time.perf_counter() - began)
        ledger = Ledger(spec.budget)
        trained = prices.of_passes(sum(entry["passes"] for entry in run.log))
        ledger.charge(**trained, wall=sum(entry["seconds"] for entry in run.log))
        ledger.charge(**prices.of_queries({*run.asked.tolist(), *pick.asked}))
        if not ledger.affords(**picking):
            raise _Exceeded
        ledger.charge(**picking)
        rows[run.epoch] = {
            "seed": seed,
            "step": run.epoch,
            "pick": space(spec.space).index(pick.arch),
            **{kind: ledger.spent[kind] for kind in ("queries", *picking)},
            **_state(run, pick.arch),
        }
        write_json(path, {"rows": [rows[step] for step in sorted(rows)]})

    def progress(p: Progress) -> None:
        report(p.step / p.steps, f"{p.of(recipe.training.epochs)}, loss {p.loss:.2f}")

    try:
        rows |= _read_picks(path)
        train(
            recipe,
            work,
            task=task,
            device=device,
            resume=True,
            oracle=oracle_of(recipe, truth, spec.truth.measure, spec.budget.kind),
            progress=progress,
            after_epoch=after_epoch,
        )
    except _Exceeded:
        if not rows:
            raise UserError(
                f"{spec.algorithm}: a budget of {spec.budget} was not enough for one epoch and a pick."
            ) from None
    except run_folder.DamagedCheckpoint:
        for damaged in (work / run_folder.CHECKPOINT, work / run_folder.LOG, path):
            damaged.unlink(missing_ok=True)
        return share_weights(spec, seed, truth, work, device, report)
    return [rows[step] for step in sorted(rows)]


def _read_picks(path: Path) -> dict[int, dict[str, Any]]:
    """Read the rows of an interrupted search: step -> row; empty if there are none.

    Raises:
        DamagedCheckpoint: the file was damaged.
    """
    try:
        return {int(row["step"]): row for row in read_json(path)["rows"]}
    except FileNotFoundError:
        return {}
    except (ValueError, KeyError, TypeError):
        raise run_folder.DamagedCheckpoint(f"The picks {path} are damaged.") from None


def _pick_epochs(epochs: int, scores: bool) -> set[int]:
    """Return the numbers of epochs after which to pick; `scores` tells whether picks score architectures."""
    count = min(epochs, SCORED_PICKS) if scores else epochs
    return {math.ceil(epochs * (k + 1) / count) for k in range(count)}


def _state(run: Run, arch: Arch) -> dict[str, Any]:
    """Describe the distribution and the pick at this point, for reports; this is not charged."""
    model = run.learner.model if run.learner is not None else None
    skip = space(run.recipe.space).skip_option
    entry: dict[str, Any] = {
        "loss": run.log[-1]["loss"],
        "train_accuracy": run.log[-1]["accuracy"],
        "entropy": None if model is None else model.entropy(),
        "skips": None if skip is None else sum(op == skip for op in arch) / len(arch),
        "pick_accuracy": accuracy_of(run, arch),
        "mixture_accuracy": None,
    }
    if isinstance(model, Factorised) and run.recipe.distribution.step in ("first-order", "second-order"):
        assert run.learner is not None
        weights = tuple(row.to(run.device) for row in run.learner.mixture(run.context))
        entry["mixture_accuracy"] = accuracy_of(run, weights)
    return entry


def _planned(
    spec: SearchSpec, recipe: Recipe, truth: GroundTruth, task: Task, sharing: SharingAlgorithm, work: Path, device: str
) -> tuple[Recipe, Prices]:
    """Return the recipe with as many epochs as the budget affords, so that its schedule ends with the budget.

    Raises:
        UserError: the budget does not afford one epoch and a pick, or is one of queries.
    """
    within, size = space(spec.space), recipe.training.batch_size
    kind, amount = spec.budget.kind, spec.budget.amount
    sharing.check_limit(spec.algorithm, kind)
    rate = None
    if kind == "seconds" or truth.timed_epochs(spec.truth.measure.dataset):
        rate = seconds_per_pass(recipe, within, truth, spec.truth.measure, task)
    m = spec.truth.measure
    prices = Prices(size, rate, objective(within, truth, m.dataset, (m.epochs,), m.seed, m.split).under(kind))
    if (work / run_folder.RECIPE).exists():
        planned = None
        with suppress(RecipeError):  # what is no recipe is planned anew
            planned = recipes.load(work / run_folder.RECIPE)
        if planned and _with_epochs(planned, recipe.training.epochs, recipe.distribution.start_epoch) == recipe:
            return planned, prices  # an interrupted search continues with the epochs planned at its start
    oracle = oracle_of(recipe, truth, m, kind)
    picking, later, steps = _later(recipe, task, sharing, device, prices, oracle)
    cost = epoch_cost(recipe, task=task, device=device, oracle=oracle and oracle.afresh())
    cost = cost.with_passes(later.per_step * steps)
    unit, per = ("seconds", 1.0) if kind == "wall" else ("passes", prices.of_passes(1.0)[kind])
    reserved = picking[kind] + getattr(cost.of_passes(later.once), unit) * per
    epochs = cost.affordable(unit, ((SPARE if kind == "wall" else 1.0) * amount - reserved) / per)
    if epochs < 1:
        least = getattr(cost.of(1), unit) * per + reserved
        raise UserError(
            f"{spec.algorithm}: a budget of {spec.budget} does not afford one epoch and a pick, which cost about "
            f"{least:,.1f} {kind}."
        )
    return _with_epochs(recipe, epochs, min(recipe.distribution.start_epoch, epochs)), prices


def oracle_of(recipe: Recipe, truth: GroundTruth, measure: Measure, kind: str) -> Oracle | None:
    """Return what the methods of a recipe ask for ground truth; None if it has no methods.

    Args:
        kind: the kind of cost that the budget limits, on which it depends what can be asked for (see `Table.under`).
    """
    oracle = Oracle.for_recipe(recipe, truth, measure)
    if oracle is None or kind not in TIMED:
        return oracle
    m = measure
    return oracle.among(
        objective(space(recipe.space), truth, m.dataset, (m.epochs,), m.seed, m.split).under(kind).known
    )


def _with_epochs(recipe: Recipe, epochs: int, start_epoch: int) -> Recipe:
    return replace(
        recipe,
        training=replace(recipe.training, epochs=epochs),
        distribution=replace(recipe.distribution, start_epoch=start_epoch),
    )


def _later(
    recipe: Recipe, task: Task, sharing: SharingAlgorithm, device: str, prices: Prices, oracle: Oracle | None
) -> tuple[dict[str, float], Foreseen, int]:
    """Measure a pick on an untrained super-net, and foresee what methods spend.

    Returns:
        The costs of a pick and of all queries, kind -> amount; what else methods foresee; and the steps of an epoch.
    """
    run = start(recipe, task=task, device=device, oracle=oracle and oracle.afresh())
    began = time.perf_counter()
    with own_random_numbers(run.device):
        seed_torch(run.device, recipe.seed)
        pick = sharing.pick(run, np.random.default_rng(0))
    costs = prices.pick(pick, time.perf_counter() - began)
    later = sum((method.foreseen(run.context) for method in run.methods.values()), Foreseen())
    queries = prices.foreseen(later.queries + len(pick.asked))
    return added(costs, queries), later, run.steps_per_epoch
