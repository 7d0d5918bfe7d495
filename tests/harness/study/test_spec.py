import json
from dataclasses import replace

import numpy as np
import pytest
from tiny import ARCHITECTURES, changed, write_study, write_truth

from supernet.benchmarks.errors import BadTable, UserError
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import GroundTruth, Measure, write_table
from supernet.harness.runs.job import Truth
from supernet.harness.study.reading import load_study
from supernet.harness.study.spec import RunSpec
from supernet.heuristics.plugins import Plugin


@pytest.fixture
def plugin(tmp_path):
    path = tmp_path / "mine.py"
    path.write_text("NUMBER = 1\n")
    return Plugin.read(path)


def test_a_spec_survives_json_with_its_hash(spec, plugin):
    spec = replace(spec, plugins=(plugin,))
    again = RunSpec.from_dict(json.loads(json.dumps(spec.as_dict())))
    assert again == spec
    assert again.hash == spec.hash
    assert len(spec.hash) == 16
    int(spec.hash, 16)


def test_the_hash_tells_apart_whatever_results_depend_on(spec, plugin):
    other = replace(plugin, sha256="0" * 64)
    several = [
        spec,
        changed(spec, "seed=1"),
        changed(spec, "training.learning_rate=0.1"),
        changed(spec, "evaluation.metric=loss"),
        replace(spec, sample="21"),
        replace(spec, sample="all"),
        replace(spec, last_epochs=1),
        replace(spec, truth=replace(spec.truth, digest="0" * 64)),
        replace(spec, truth=replace(spec.truth, measure=replace(spec.truth.measure, seed="s0"))),
        replace(spec, plugins=(plugin,)),
        replace(spec, plugins=(other,)),
        replace(spec, plugins=(plugin, other)),
    ]
    assert len({one.hash for one in several}) == len(several)


def test_the_hash_does_not_depend_on_where_files_lie(spec, plugin):
    assert replace(spec, truth=replace(spec.truth, table="elsewhere.parquet")).hash == spec.hash
    here, there = (replace(spec, plugins=(replace(plugin, path=path),)) for path in ("/a.py", "/b.py"))
    assert here.hash == there.hash


def test_a_table_of_the_same_contents_under_another_name_gives_the_same_runs(spec, truth, tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERNET_DATA", str(tmp_path))
    write_truth(tmp_path, "other")
    section = {"table": "other", "dataset": "digits", "split": "test", "epochs": 5, "seed": "mean"}
    assert load_study(write_study(tmp_path / "s.yaml", truth=section)).plan()[0][1].hash == spec.hash


def test_a_changed_table_is_refused(spec, tmp_path, monkeypatch):
    monkeypatch.setenv("SUPERNET_DATA", str(tmp_path))
    write_truth(tmp_path)
    assert len(spec.truth.open("nb201")) == ARCHITECTURES
    write_truth(tmp_path, shift=1e-9)
    with pytest.raises(BadTable, match=r"tiny\.parquet has changed since this run was planned"):
        spec.truth.open("nb201")


def test_the_table_at_hand_that_has_the_measure_is_found(truth):
    measure = Measure("digits", "test", "5", "mean")
    assert Truth.find("nb201", measure).table == "tiny.parquet"
    with pytest.raises(
        UserError, match=r"tiny.parquet has no accuracy for digits test, 6 epochs, mean: .*did you mean 5"
    ):
        Truth.find("nb201", replace(measure, epochs="6"), "tiny")


def test_only_architectures_with_ground_truth_are_scored(spec):
    table = spec.truth.open("nb201")
    everything = replace(spec, sample="all").architectures(table)
    within = space("nb201")
    assert [within.string(arch) for arch in within.archs(everything).tolist()] == table.keys()
    some = spec.architectures(table)
    assert len(some) == 20
    assert np.isin(some, everything).all()
    assert (np.diff(some) > 0).all()
    np.testing.assert_array_equal(some, spec.architectures(table))


def test_architectures_that_the_measure_lacks_are_not_scored(spec):
    table = spec.truth.open("nb201")
    partly = replace(spec, sample="all", truth=replace(spec.truth, measure=Measure("digits", "test", "3", "mean")))
    np.testing.assert_array_equal(partly.architectures(table), replace(spec, sample="all").architectures(table)[10:])


def test_more_architectures_than_there_are_is_an_error(spec):
    with pytest.raises(UserError, match=r"scores 61 architectures, but tiny\.parquet has 60 of nb201\. Lower `sample`"):
        replace(spec, sample="61").architectures(spec.truth.open("nb201"))


def test_one_architecture_of_each_distinct_cell_is_scored_in_1shot1(spec, tmp_path):
    within = space("nb1shot1-1")
    cells = within.subset("unique-cell")[:7]
    columns = {"hash": within.hashes(cells).tolist(), "cifar10.test.e108.mean": np.arange(7.0)}
    about = {"space": "nb101", "family": "made up", "accuracy_unit": "percent"}
    write_table(tmp_path / "t.parquet", columns, about)
    measure = Measure("cifar10", "test", "108", "mean")
    shot = replace(changed(spec, "space=nb1shot1-1"), sample="all", truth=replace(spec.truth, measure=measure))
    np.testing.assert_array_equal(shot.architectures(GroundTruth(tmp_path / "t.parquet")), cells)


def test_a_plug_in_that_changed_since_the_plan_is_refused(spec, plugin):
    content = replace(spec, plugins=(plugin,)).as_dict()
    with open(plugin.path, "a") as file:
        file.write("NUMBER = 2\n")
    with pytest.raises(UserError, match=r"mine\.py has changed since"):
        RunSpec.from_dict(content)
