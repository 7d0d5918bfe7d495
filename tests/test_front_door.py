"""`import supernet as sn`: what Python users call, and the objects that they get."""

import ast
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from tiny import write_study, write_truth

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import shelf

pytestmark = pytest.mark.usefixtures("embedded_alone")


ROOT = Path(__file__).parents[1]
FIGURE = {"images": 60, "resamples": 20}


@pytest.fixture(scope="module")
def run():
    return sn.train(
        task={"name": "digits", "train_images": 200, "valid_images": 60},
        channels=4, cells=1, training={"epochs": 1, "batch_size": 50}, evaluation={"images": 60},
    )  # fmt: skip


@pytest.fixture(scope="module")
def ranked(run):
    return run.rank(30, resamples=20)


# ---- the names -----------------------------------------------------------------------------------------------------


def test_the_import_takes_no_time_and_no_library():
    code = (
        "import sys, time; began = time.process_time(); import supernet; took = time.process_time() - began; "
        "heavy = {'torch', 'pandas', 'numpy', 'matplotlib', 'click', 'typing'} & set(sys.modules); print(took, heavy)"
    )
    took, heavy = subprocess.run(
        [sys.executable, "-S", "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    ).stdout.split(maxsplit=1)
    assert float(took) < 0.05
    assert heavy.strip() == "set()"


def test_every_name_is_there_and_listed():
    assert set(sn.__all__) == {*sn._PLACES, "__version__"}
    assert set(sn.__all__) <= set(dir(sn))
    for name in sn.__all__:
        assert getattr(sn, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'trian'"):
        _ = sn.trian


def test_type_checkers_see_the_places_that_names_are_loaded_from():
    tree = ast.parse(Path(sn.__file__).read_text(encoding="utf-8"))
    seen = {alias.name: node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)
            for alias in node.names if node.module and node.module.startswith("supernet.")}  # fmt: skip
    assert seen == {name: f"supernet.{sn._PLACES[name]}" for name in seen}
    assert set(sn._PLACES) == set(seen)


def test_the_version_is_that_of_the_project_whether_or_not_it_is_installed(monkeypatch):
    from importlib import metadata

    said = (ROOT / "pyproject.toml").read_text()
    assert f'version = "{sn._version()}"' in said

    def missing(name):
        raise metadata.PackageNotFoundError(name)

    monkeypatch.setattr(metadata, "version", missing)
    assert f'version = "{sn._version()}"' in said


def test_errors_are_of_one_kind():
    assert sn.UserError is UserError
    assert sn.space("nb201").name == "nb201"
    with pytest.raises(sn.UserError, match="did you mean nb201"):
        sn.space("nb210")


# ---- train, rank, correlate, plot ----------------------------------------------------------------------------------


def test_five_lines_from_a_recipe_to_a_figure(tmp_path):
    run = sn.train("task.valid_images=60", task="digits", channels=4, cells=1, epochs=1, train_images=200)
    ranking = run.rank(30, **FIGURE)
    report = sn.correlate(ranking, resamples=20)
    figure = report.plot()
    assert isinstance(figure, Figure)
    assert -1 <= report.tau == ranking.tau <= 1
    assert list(Path.cwd().iterdir()) == []


def test_a_run_shows_its_log(run):
    assert list(run.frame().index) == [1]
    assert isinstance(run.plot(), Figure)
    assert run.recipe.hash in run._repr_html_()
    assert run.out is None


def test_a_ranking_is_a_frame_with_the_truth(ranked):
    frame = ranked.frame()
    assert list(frame) == ["index", "arch", "accuracy", "negative_loss", "true"]
    assert len(frame) == 30
    assert frame["true"].notna().all()
    table = sn.ground_truth("nb201", "digits").frame().set_index("arch")["accuracy"]
    assert frame["true"].tolist() == table[frame["arch"]].tolist()
    assert ranked.correlation.frame().loc["negative_loss", "kendall_tau"] == ranked.tau
    assert ranked.joined(ranked.truth).directed
    for what in ("tau", "ranks", "best"):
        assert isinstance(ranked.plot(what), Figure)
    with pytest.raises(UserError, match="no figure 'rank'; did you mean ranks"):
        ranked.plot("rank")


def test_architectures_can_be_given_by_index_or_string(run):
    within = sn.space("nb201")
    by_index = run.rank([6111, 81])
    by_name = run.rank([within.string(arch) for arch in within.archs([6111, 81]).tolist()])
    assert by_index.scores.indices.tolist() == by_name.scores.indices.tolist() == [6111, 81]
    assert by_index.scores.loss.tolist() == by_name.scores.loss.tolist()
    assert "a report needs" in by_index.problem
    assert by_index._repr_html_().count("<tr>") == 3
    with pytest.raises(UserError, match="a report needs"):
        by_index.plot()
    for wrong, said in (
        ([-1], "outside"),
        (["|x|"], "cannot be used"),
        ([], "no architectures"),
        (0, "from 1 on"),
        (True, "from 1 on"),
        (30.0, "a whole number"),
        ([[6111, 81]], "one plain list"),
        ([(0, 1, 2, 3, 4, 0)], "one plain list"),
        ([6111, 81, 6111], "only 2 different ones: index 6111 is there 2 times"),
    ):
        with pytest.raises(UserError, match=said):
            run.rank(wrong)


def test_all_architectures_are_recommended_where_they_are_more():
    from supernet.harness.report.correlation.ranked import _is_part

    shot = sn.space("nb1shot1-1")
    assert len(shot.distinct()) < len(shot)
    assert not _is_part(shot, len(shot.distinct()))
    assert _is_part(shot, len(shot.distinct()) - 1)
    assert not _is_part(sn.space("darts"), 100)


def test_a_ranking_without_ground_truth_says_why(run):
    ranking = run.rank(12, dataset="nothing")
    assert ranking.truth is None
    assert "nothing" in ranking.problem
    assert "true" not in ranking.frame()
    for act in (ranking.plot, lambda: ranking.tau, lambda: sn.correlate(ranking)):
        with pytest.raises(UserError, match="nothing"):
            act()


@pytest.mark.parametrize(
    "how",
    [{"lower_is_better": True}, {"score_columns": "accuracy"}, {"arch_column": "zz"}, {"infinite": "worst"},
     {"average_repeats": True}, {"by": "seed"}],
)  # fmt: skip
def test_what_says_how_scores_are_read_is_refused_with_a_ranking(ranked, how):
    with pytest.raises(UserError, match=f"cannot be compared with `{next(iter(how))}`"):
        sn.correlate(ranked, **how)


def test_arguments_that_contradict_a_ranking_or_its_ground_truth_are_refused(run, ranked):
    with pytest.raises(UserError, match="The ranking is of nb201, not of 'nb101'"):
        sn.correlate(ranked, "nb101", resamples=20)
    with pytest.raises(UserError, match="dataset='cifar100', epochs=12, seed='s1' asks for another"):
        run.rank(30, truth=ranked.truth, dataset="cifar100", epochs=12, seed="s1")


def test_a_ranking_can_be_compared_with_another_table_and_says_what_it_lacks(ranked):
    with pytest.raises(UserError, match="nowhere"):
        sn.correlate(ranked, table="nowhere.parquet")
    few = dataclasses.replace(ranked.scores, indices=np.append(ranked.scores.indices[:-1], 0))
    found = sn.correlate(dataclasses.replace(ranked, scores=few), resamples=20)
    assert "29 of the 30 architectures scored have ground truth and are compared" in found.notes


def test_files_are_written_where_they_are_asked_for_alone(tmp_path):
    keys = {
        "task": {"name": "digits", "train_images": 100, "valid_images": 60},
        "channels": 4,
        "cells": 1,
        "epochs": 1,
        "training": {"batch_size": 50},
    }
    run = sn.train(out=tmp_path / "run", **keys)
    before = sorted(path.name for path in (tmp_path / "run").iterdir())
    sn.rank(tmp_path / "run", 25, **FIGURE)
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == before
    kept = sn.rank(tmp_path / "run", 25, out=tmp_path / "kept", **FIGURE)
    suffix = kept.files.suffix
    assert {path.name for path in (tmp_path / "kept").glob("[!.]*")} == {
        f"scores{suffix}.parquet", f"report{suffix}", f"metrics{suffix}.json",
    }  # fmt: skip
    assert json.loads(kept.files.metrics.read_text())["report"] == json.loads(json.dumps(kept.correlation.as_json()))
    assert pd.read_parquet(kept.files.scores)["index"].tolist() == kept.frame()["index"].tolist()
    assert run.rank(25, **FIGURE).scores.loss.tolist() == kept.scores.loss.tolist()
    with pytest.raises(UserError, match="holds a run already"):
        sn.train(out=tmp_path / "run", **keys)


@pytest.mark.parametrize(
    "call",
    [
        lambda run, out: sn.train(task="digits", out=out),
        lambda run, out: run.rank(5, out=out),
        lambda run, out: sn.compare_free("nb201", "params", out=out),
        lambda run, out: sn.adds(task="digits", out=out),
        lambda run, out: sn.interference(task="digits", out=out),
        lambda run, out: sn.compare_interference(task="digits", against="magic-t", out=out),
        lambda run, out: sn.baselines(out=out),
        lambda run, out: run.rank(12, **FIGURE).correlation.write(str(out)),
    ],
)
def test_a_file_where_a_folder_is_to_be_written_is_one_sentence(run, call, tmp_path):
    (tmp_path / "taken").write_text("mine")
    for out in (tmp_path / "taken", tmp_path / "taken" / "below"):
        with pytest.raises(UserError, match=r"is a file|Not a directory"):
            call(run, out)
    assert (tmp_path / "taken").read_text() == "mine"


@pytest.mark.parametrize(
    ("parts", "keys", "said"),
    [
        ((), {"epochz": 3}, "epoch"),
        ((), {"learning_rate": 0.1}, "training.learning_rate or distribution.learning_rate"),
        ((), {"training": 3}, "section"),
        ((), {"epochs": object()}, "cannot hold"),
        ((), {"epochs": "many"}, "training.epochs"),
        (("a.yaml", "b.yaml"), {}, "one recipe, not 2"),
        (("nowhere.yaml",), {}, "no recipe"),
        ((), {"resume": True}, "name the folder"),
    ],
)
def test_a_recipe_that_cannot_be_used_is_one_sentence(parts, keys, said):
    with pytest.raises(UserError, match=said):
        sn.train(*parts, **keys)


def test_recipes_come_from_objects_files_names_and_changes(tmp_path):
    from supernet.harness.report.training.wanted import wanted

    recipe = sn.Recipe().override(["training.epochs=3"])
    recipe.save(tmp_path / "mine.yaml")
    assert wanted(recipe) == wanted(tmp_path / "mine.yaml") == wanted(str(tmp_path / "mine.yaml")) == recipe
    assert wanted("cifar10-16", "training.epochs=2", seed=4).training.epochs == 2
    assert wanted(recipe, seed=np.int64(4), training={"nesterov": True}).seed == 4
    assert wanted(recipe, size=None, amp=False) == recipe


def test_a_ranking_of_a_run_and_of_its_super_net_are_one(run):
    asked = {"settings": "evaluation.bn=recalibrate", "resamples": 20}
    assert sn.rank(run, [16, 44], **asked).scores.loss.tolist() == run.rank([16, 44], **asked).scores.loss.tolist()


@pytest.mark.parametrize(
    ("call", "said"),
    [
        (lambda run: sn.rank(3), "takes a trained super-net"),
        (lambda run: run.rank(5, resamples=1), "20 resamples or more"),
        (lambda run: run.rank(5, images=0), "evaluation.images"),
        (lambda run: run.rank(5, settings="training.epochs=3"), "keys of the evaluation section"),
        (lambda run: run.rank(5, sample_seed=-1), "at least 0"),
        (lambda run: run.rank(5, sample_seed=1.5), "must be a whole number"),
        (lambda run: run.rank(5, resamples=20.0), "20 resamples or more"),
        (lambda run: sn.free_scores("nb201", "live-params", 3, image=8), "did you mean images"),
        (lambda run: sn.free_scores("nb201", "live-params", 3, device="cudda"), "no device 'cudda'"),
        (lambda run: sn.TSE(run, out=__file__), "is a file"),
        (lambda run: sn.TSE(run, best="x"), "best is a share"),
        (lambda run: sn.Shifted(run, label_smoothing="x"), "label_smoothing is a share from 0 to 1"),
        (lambda run: sn.Angle("x").within, "takes a trained super-net, not 'x'"),
        (lambda run: sn.score("x", {"a": []}, 5), "takes a trained super-net, not 'x'"),
        (lambda run: sn.fuse({"a": ["x", "y"]}), "'a' are numbers"),
        (lambda run: sn.fuse({"a": [1, 2]}, {"a": "x"}), "weights of scores are numbers"),
        (lambda run: sn.adds(task="digits", images=0, out="nowhere"), "evaluation.images"),
        (lambda run: sn.correlate({16: 1.0}, "nb201", "digits", fractions=0.5), "`fractions` is a list"),
        (lambda run: sn.TSE(run, seed=-1), "seed is a whole number of at least 0"),
        (lambda run: sn.Shifted(run, seed=1.5), "seed is a whole number of at least 0"),
        (lambda run: sn.Shifted(run, label_smoothing=2.0), "label_smoothing is a share from 0 to 1"),
        (lambda run: sn.correlate([1.0, 2.0], "nb201", "digits"), "Scores are a file"),
        (lambda run: sn.correlate({16: 1.0}, "nb201", "digits", seed=-1), "at least 0"),
        (lambda run: sn.correlate({16: 1.0}, "nb201", "digits", resamples=0), "20 resamples or more"),
        (lambda run: sn.study("quik"), "Did you mean quick"),
        (lambda run: sn.search("random", "12q", dataset="digits", workers=0), "at least 1 worker"),
        (lambda run: sn.search("random", 12, dataset="digits"), "Invalid budget"),
        (lambda run: sn.search([], "12q", dataset="digits"), "algorithm"),
        (lambda run: sn.train(3), "A recipe is"),
        (lambda run: sn.train({"epochs": 3}), "epochs"),
    ],
)
def test_calls_that_cannot_be_answered_are_one_sentence(run, call, said):
    with pytest.raises(UserError, match=said) as raised:
        call(run)
    assert len(str(raised.value)) < 1500


# ---- studies, searches, queries, baselines -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    folder = tmp_path_factory.mktemp("study")
    write_truth(folder)
    path = write_study(folder / "tiny.yaml", seeds=[0], last_epochs=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(shelf.ENVIRONMENT, str(folder))
        patch.setattr(shelf, "EMBEDDED", folder / "none")
        kept = sn.study(path, "training.epochs=1", out=folder / "results")
        loose = sn.study(path, "training.epochs=1")
    return folder, kept, loose


def test_a_study_is_one_call(studied):
    folder, kept, loose = studied
    assert kept.frame("runs")["state"].tolist() == ["done", "done"]
    assert kept.page.is_file()
    assert kept.page.is_relative_to(folder / "results" / "reports")
    assert loose.page is None
    assert sorted(path.name for path in folder.iterdir()) == ["results", "tiny.parquet", "tiny.yaml"]
    same = [result.frame().drop(columns=["train_seconds", "score_seconds"]) for result in (kept, loose)]
    pd.testing.assert_frame_equal(*same)
    for what in ("effects", "operations", "seeds", "proxy"):
        assert isinstance(kept.plot(what), Figure)
    assert "path-dropout=0.2" in kept._repr_html_()
    assert kept.findings[0] in kept._repr_html_()
    for act in (kept.frame, kept.plot):
        with pytest.raises(UserError, match="did you mean effects"):
            act("efects")


def test_a_study_of_failed_runs_says_why(tmp_path, monkeypatch):
    write_truth(tmp_path)
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tmp_path))
    path = write_study(tmp_path / "tiny.yaml", seeds=[0], last_epochs=1)
    with pytest.raises(UserError, match=r"No run of the base is done.*\nbase: .*validation|images"):
        sn.study(path, "training.epochs=1", "evaluation.images=60")


def test_a_finished_study_is_queried_in_sql(studied):
    folder, kept, _ = studied
    taus = sn.query("SELECT hash, kendall_tau FROM measures ORDER BY hash", folder / "results")
    hashes = {row.hashes[seed]: tau for row in kept.analysis.rows for seed, tau in row.taus.items()}
    assert dict(zip(taus["hash"], taus["kendall_tau"], strict=True)) == pytest.approx(hashes)
    assert taus.attrs["left_out"] == []
    with pytest.raises(UserError, match="no results folder"):
        sn.query("SELECT 1", folder / "nowhere")


def test_a_search_is_one_call(tmp_path):
    found = sn.search("random", "12q", dataset="digits", seeds=3)
    assert set(found.frame()["algorithm"]) == {"random"}
    assert list(Path.cwd().iterdir()) == []
    assert isinstance(found.plot(), Figure)
    assert found.findings[0] == found.headline
    assert found.headline in found._repr_html_()
    kept = sn.search(["random"], "12q", dataset="digits", seeds=3, out=tmp_path)
    assert kept.page.is_file()
    assert not kept.lacking
    pd.testing.assert_frame_equal(kept.frame("picks"), found.frame("picks"))
    with pytest.raises(UserError, match="did you mean final"):
        found.frame("finl")
    for wrong, said in ((("raе", "12q"), "no search algorithm"), (("rea", "12x"), "Invalid budget")):
        with pytest.raises(UserError, match=said):
            sn.search(*wrong, dataset="digits")
    with pytest.raises(UserError, match="no executor 'locl'; did you mean local"):
        sn.search("random", "12q", dataset="digits", executor="locl")


def test_baselines_of_the_tables_that_ship(tmp_path):
    found = sn.baselines(resamples=20, out=tmp_path)
    frame = found.frame()
    assert {"nb201-digits", "nb1shot1-digits"} & {name.replace("1shot1-1", "1shot1") for name in frame["table"]}
    assert frame["kendall_tau"].between(-1, 1).all()
    assert isinstance(found.plot(), Figure)
    assert len(list(tmp_path.glob("*/*/report.json"))) == len(frame)
    with pytest.raises(UserError, match="numbered from 0"):
        found.plot(number=99)
