"""MF-KD with distillation: what its cheap answers are, and that its teacher is paid for once in each search."""

from dataclasses import replace

import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.scoring.supernet import rank
from supernet.harness.search.comparison import Comparison
from supernet.harness.search.ledger import Budget
from supernet.harness.search.make import _asked, observed
from supernet.harness.search.objective import Query
from supernet.harness.search.objectives import training as trainings
from supernet.harness.training.loop import taught, train
from supernet.heuristics.recipe import Recipe
from supernet.heuristics.teacher import Teacher

WITHIN = space("nb201-topology")
ARCH, OTHER, LARGEST = (2, 1, 2, 0, 1, 2), (1, 1, 2, 0, 2, 2), (2,) * 6
SMALL = [
    "space=nb201-topology", "task.name=digits", "task.train_images=64", "task.valid_images=64", "network.channels=4",
    "network.cells=1", "training.batch_size=32", "evaluation.images=64", "evaluation.batch_size=32",
]  # fmt: skip
COMPARISON = Comparison("nb201-topology", "digits", ("mf-kd-distil", "mf-kd"), Budget.parse("30q"), 2)


@pytest.fixture
def spec():
    """A search on the embedded table whose trainings are tiny."""
    return replace(COMPARISON.specs()[0], trains=Recipe().override(SMALL))


def test_cheap_answers_are_trainings_with_a_teacher(spec, tmp_path, monkeypatch):
    seen = observed(spec, COMPARISON.ground_truth)
    objective = _asked(spec, seen, tmp_path, "cpu")
    full = seen.ask(Query(ARCH, 1))
    assert objective.ask(Query(ARCH, 1)) == full, "the most expensive answers are those of the table"
    first = objective.ask(Query(ARCH, 0))
    teacher = taught(spec.trains, None, trainings.task_of(spec.trains.task), trainings.usable("cpu"), None, LARGEST, 4)
    recipe = spec.trains.override(
        [
            "sampling.law=fixed", f"sampling.architecture={WITHIN.string(ARCH)}", "training.epochs=1",
            "methods.distil.epochs=4", f"methods.distil.teacher={WITHIN.string(LARGEST)}",
        ]
    )  # fmt: skip
    run = train(recipe, teach=lambda arch, epochs: Teacher(teacher.network, arch, 0.0, 0.0))
    assert first.value == rank(run, [WITHIN.index(ARCH)]).accuracy[0]
    assert first.value != pytest.approx(seen.ask(Query(ARCH, 0)).value)
    monkeypatch.setattr(trainings, "train", None)
    again = objective.ask(Query(ARCH, 0))
    whole = seen.ask(Query(LARGEST, 1)).cost
    assert first.cost["seconds"] - again.cost["seconds"] == pytest.approx(whole["seconds"])
    assert (first.cost["queries"], again.cost["queries"]) == (2, 1)
    assert again.cost["passes"] == pytest.approx(2 + 2 / 3 + 2 / 3), "two steps, the teacher beside them, and scoring"
    another = _asked(spec, seen, tmp_path, "cpu")
    assert another.ask(Query(ARCH, 0)) == first, "every search pays for its teacher"


def test_a_teacher_is_trained_once_for_all_searches(spec, tmp_path, monkeypatch):
    objective = _asked(spec, observed(spec, COMPARISON.ground_truth), tmp_path, "cpu")
    objective.ask(Query(ARCH, 0))
    trained = []
    monkeypatch.setattr("supernet.harness.training.loop._epoch", trained_epochs(trained))
    objective.ask(Query(OTHER, 0))
    assert trained == [WITHIN.string(OTHER)]


def trained_epochs(names):
    from supernet.harness.training.loop import _epoch

    def epoch(run, step, meter):
        names.append(run.recipe.sampling.architecture)
        _epoch(run, step, meter)

    return epoch


def test_searches_with_and_without_distillation_are_told_apart():
    distilled, plain = (specs := COMPARISON.specs())[0], specs[-1]
    assert plain.trains is None
    assert plain.algorithm == "mf-kd"
    assert distilled.trains is not None
    assert len({spec.hash for spec in specs}) == len(specs)
    COMPARISON.check()


def test_a_budget_must_pay_for_the_teacher_too():
    with pytest.raises(UserError, match="does not afford one query, which costs 2"):
        replace(COMPARISON, budget=Budget.parse("1q")).check()


def test_a_table_with_one_fidelity_is_refused():
    with pytest.raises(UserError, match="needs a table with a cheaper fidelity"):
        replace(COMPARISON, space="nb201").check()
