"""Searches that train architectures which a table lacks."""

import json
from dataclasses import replace

import numpy as np
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table
from supernet.harness.runs.execute import execute, job
from supernet.harness.runs.store import Store
from supernet.harness.scoring.supernet import rank
from supernet.harness.search.algorithms.ask import search
from supernet.harness.search.algorithms.evolution import RegularisedEvolution
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.ledger import Budget, Ledger
from supernet.harness.search.objective import Query
from supernet.harness.search.objectives import training as trainings
from supernet.harness.search.objectives.table import Fidelity, Table
from supernet.harness.search.objectives.training import FOLDER, Completed, Training, recipe_of
from supernet.harness.training.loop import train
from supernet.heuristics.recipe import Recipe

WITHIN = space("nb201")
RECIPE = Recipe().override(
    [
        "task.name=digits", "task.train_images=64", "task.valid_images=64", "network.channels=4", "network.cells=1",
        "training.batch_size=32", "evaluation.images=64", "evaluation.batch_size=32", "seed=3",
    ]
)  # fmt: skip
ARCH = (3, 1, 2, 3, 1, 0)


@pytest.fixture
def objective(tmp_path):
    return Training(RECIPE, (1, 2), tmp_path)


def test_an_answer_is_the_accuracy_of_a_stand_alone_training(objective):
    answer = objective.ask(Query(ARCH, 1))
    recipe = RECIPE.override(
        ["sampling.law=fixed", f"sampling.architecture={WITHIN.string(ARCH)}", "training.epochs=2"]
    )
    run = train(recipe)
    assert answer.value == rank(run, [WITHIN.index(ARCH)]).accuracy[0]
    assert answer.cost["queries"] == 1
    assert answer.cost["passes"] == pytest.approx(4 + 2 / 3)
    assert answer.cost["seconds"] == answer.cost["wall"] > 0
    assert objective.top == 1


def test_an_answer_is_kept_and_costs_the_same_again(objective, monkeypatch):
    first = objective.ask(Query(ARCH, 0))
    monkeypatch.setattr(trainings, "train", None)
    assert objective.ask(Query(ARCH, 0)) == first
    again = replace(objective, folder=objective.folder)
    assert search(lambda *_: Only(ARCH), again, Ledger(Budget("queries", 2)), 0).values == [first.value] * 2
    (kept,) = objective.folder.glob("*.json")
    kept.write_text('{"value": ')
    monkeypatch.undo()
    assert objective.ask(Query(ARCH, 0)).value == first.value, "a damaged answer is made again"


class Only:
    """Asks for one architecture."""

    def __init__(self, arch):
        self.arch = arch

    def ask(self):
        return Query(self.arch, 0)

    def tell(self, query, value):
        pass


def test_an_interrupted_training_goes_on(objective, monkeypatch):
    whole, epochs = trainings.train, []

    def killed(recipe, work, **options):
        def stop(run):
            epochs.append(run.epoch)
            if run.epoch == 2 and len(epochs) == 2:
                raise KeyboardInterrupt

        return whole(recipe, work, after_epoch=stop, **options)

    monkeypatch.setattr(trainings, "train", killed)
    with pytest.raises(KeyboardInterrupt):
        objective.ask(Query(ARCH, 1))
    answer = objective.ask(Query(ARCH, 1))
    assert epochs == [1, 2, 2]
    monkeypatch.undo()
    assert answer.value == replace(objective, folder=objective.folder / "other").ask(Query(ARCH, 1)).value
    assert sorted(path.suffix for path in objective.folder.iterdir() if path.name != "other") == [".json", ".lock"]


def test_a_training_that_diverges_has_accuracy_0_and_is_charged(tmp_path):
    wild = RECIPE.override(["training.learning_rate=1e30", "training.clip=null"])
    answer = Training(wild, (1,), tmp_path).ask(Query(ARCH, 0))
    assert answer.value == 0
    assert answer.cost["passes"] > 0


def test_no_training_begins_that_a_budget_of_queries_does_not_pay_for(objective, monkeypatch):
    trained = []
    monkeypatch.setattr(
        Training, "ask", lambda self, query: trained.append(query) or trainings.Answer(1.0, {"queries": 1.0})
    )
    search(RegularisedEvolution, objective, Ledger(Budget("queries", 3)), 0)
    assert len(trained) == 3


def test_only_what_a_table_lacks_is_trained(objective, monkeypatch):
    values = np.full(len(WITHIN), np.nan)
    values[WITHIN.index(ARCH)] = 77.0
    table = Table(WITHIN, (Fidelity("1", values.tolist(), [2.0] * len(values)),))
    monkeypatch.setattr(Training, "ask", lambda self, query: "trained")
    both = Completed(table, objective)
    assert both.ask(Query(ARCH, 0)).value == 77
    assert both.ask(Query(ARCH, 0)).cost == {"queries": 1, "seconds": 2, "wall": 2}
    assert both.ask(Query((1,) * 6, 0)) == "trained"


# ---- runs --------------------------------------------------------------------------------------------------------


@pytest.fixture
def holes(tmp_path):
    """A table of digits with twenty architectures, which says how they were trained."""
    archs = WITHIN.archs()[:20]
    columns = {
        "arch": WITHIN.strings(archs),
        "digits.valid.e1.s0": np.linspace(5, 9, 20),
        "digits.test.e1.s0": np.linspace(5, 9, 20),
        "digits.train_seconds.e1": np.ones(20),
    }
    about = {"space": "nb201", "family": "made", "accuracy_unit": "percent", "recipe": RECIPE.as_dict()}
    write_table(tmp_path / "few.parquet", columns, about)
    return tmp_path / "few.parquet"


def test_evolution_works_on_a_table_with_holes_if_these_are_trained(holes, tmp_path):
    chosen = Comparison("nb201", "digits", ("rea",), Budget("queries", 3), 2, str(holes))
    with pytest.raises(UserError, match="--train-missing"):
        chosen.check()
    chosen = replace(chosen, trains=True)
    chosen.check()
    assert Comparison.from_dict(json.loads(json.dumps(chosen.as_dict()))) == chosen
    specs = chosen.specs()
    assert [spec.seeds for spec in specs] == [(0,), (1,)]
    assert specs[0].trains.seed == 0, "the seed of the measure, not that of the recipe"
    assert job(json.loads(json.dumps(specs[0].as_dict()))) == specs[0]
    assert specs[0].hash != replace(specs[0], trains=None).hash
    store = Store(tmp_path / "runs")
    assert execute(specs[0], store) == "done", store.failure(specs[0].hash)
    trace = store.read(specs[0].hash).trace()
    assert len(trace) == 3
    assert trace["passes"].iloc[-1] > 0
    assert len(list((tmp_path / "runs" / FOLDER).glob("*.json"))) == len(set(trace["index"]) - set(range(20)))


def test_a_table_must_say_how_it_was_trained(holes):
    measure = Measure("digits", "valid", "1", "s0")
    recipe = recipe_of(GroundTruth(holes), measure)
    assert (recipe.seed, recipe.evaluation.images) == (0, 64)
    whole = recipe_of(Comparison("nb201-topology", "digits", ("rea",), Budget("queries", 3), 1).ground_truth, measure)
    assert whole.evaluation.images == 5000, "all validation images, as for the accuracies of the table"
    with pytest.raises(UserError, match=r"trained with one seed, not as a mean: give --truth-seed"):
        recipe_of(GroundTruth(holes), replace(measure, seed="mean"))
    table = GroundTruth(holes)
    table.about.pop("recipe")
    with pytest.raises(UserError, match="does not say how architectures were trained"):
        recipe_of(table, measure)
