"""The views of a store, and what a query may not do."""

import os
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from made_up_runs import ENVIRONMENT, LEDGER, TRUTH, publish, random_scores
from scipy import stats

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth import shelf
from supernet.harness.query import views
from supernet.harness.query.database import Database, query
from supernet.harness.query.questions import QUESTIONS
from supernet.harness.runs import store as files
from supernet.harness.runs.job import Truth
from supernet.harness.runs.store import Store
from supernet.harness.study.make import measures
from supernet.harness.study.spec import RunSpec
from supernet.heuristics.recipe import Recipe

# ---- views -------------------------------------------------------------------------------------------------------


def test_runs_has_every_key_of_the_recipe_with_its_type(study):
    frame = query(study, "SELECT * FROM runs")
    assert len(frame) == 11
    assert frame["state"].value_counts().to_dict() == {"done": 10, "diverged": 1}
    for section, content in Recipe().as_dict().items():
        for key in content if isinstance(content, dict) else ():
            assert f"{section}_{key}" in frame
    results = {result.hash: result for result in study.results()[0]}
    for row in frame.to_dict("records"):
        result = results[row["hash"]]
        recipe = result.spec["recipe"]
        assert row["seed"] == recipe["seed"]
        assert row["training_learning_rate"] == recipe["training"]["learning_rate"]
        assert row["network_bn_track"] == recipe["network"]["bn_track"]
        assert row["path"] == str(result.path)
        assert (row["truth_table"], row["truth_dataset"], row["truth_epochs"]) == ("nb201.parquet", "cifar10", "200")
        assert row["truth_digest"] == TRUTH.digest
        assert row["score_images"] == LEDGER["score_images"]
        assert {name: row[name] for name in ENVIRONMENT} == ENVIRONMENT
    kinds = query(study, "SELECT column_name, column_type FROM (DESCRIBE runs)").set_index("column_name")["column_type"]
    expected = {
        "training_epochs": "BIGINT", "training_clip": "DOUBLE", "training_amp": "BOOLEAN", "task_size": "BIGINT",
        "sampling_law": "VARCHAR", "sampling_architecture": "VARCHAR", "train_seconds": "DOUBLE",
        "train_images": "BIGINT", "score_images": "BIGINT", "plugins": "VARCHAR", "sample": "VARCHAR",
    }  # fmt: skip
    assert kinds[list(expected)].to_dict() == expected


def test_settings_and_cohorts_say_what_differs_in_the_seed_and_what_can_be_compared(study):
    frame = query(study, "SELECT * FROM runs")
    assert frame.groupby("setting")["seed"].nunique().sort_values().tolist() == [2, 3, 3, 3]
    assert frame.groupby("cohort")["space"].unique().map(list).tolist() in (
        [["nb201"], ["nb1shot1-1"]],
        [["nb1shot1-1"], ["nb201"]],
    )


def test_metrics_are_there_long_and_wide(study):
    results = study.results()[0]
    long = query(study, "SELECT * FROM metrics")
    expected = {
        (r.hash, name): value for r in results for name, value in r.metrics.items() if name != "kendall_tau_by_epoch"
    }
    assert len(long) == len(expected)
    for run, name, value in long.itertuples(index=False):
        assert value == expected[run, name] or (np.isnan(value) and expected[run, name] is None)
    wide = query(study, "SELECT hash, kendall_tau, regret_1, sparse_tau_0_1, tau_top_10, regret_10 FROM measures")
    assert len(wide) == 10
    assert wide.set_index("hash")["kendall_tau"].to_dict() == {
        r.hash: r.metrics["kendall_tau"] for r in results if r.metrics
    }
    assert wide["tau_top_10"].isna().all()


def test_measures_has_a_column_for_every_metric_of_a_run(store, truth201):
    spec = RunSpec(Recipe(), Truth.find("nb201", TRUTH.measure))
    metrics = measures(spec, truth201, random_scores("nb201", 200, seed=0))
    columns = set(query(store, "SELECT * FROM measures"))
    assert {name.replace("@", "_").replace(".", "_") for name in metrics} - {"kendall_tau_by_epoch"} <= columns


def test_epochs_join_the_training_log_with_tau(store):
    run = publish(store, tau=0.5, last_epochs=2)
    lost = publish(store, seed=1, problem="The loss is not finite.")
    frame = query(store, "SELECT * FROM epochs ORDER BY epoch")
    first = frame[frame["hash"] == run]
    assert first["epoch"].tolist() == [1, 2, 3]
    np.testing.assert_allclose(first["kendall_tau"], [np.nan, 0.4, 0.5])
    np.testing.assert_allclose(first["loss"], [1, 1 / 2, 1 / 3])
    assert frame[frame["hash"] == lost]["loss"].isna().all()
    names = ["hash", "epoch", "kendall_tau", "loss", "accuracy", "learning_rate", "seconds", "images_per_second"]
    assert list(frame) == names


WAYS = ("quarter", "bn_batch", "bn_recalibrate", "bn_running")


def test_scores_are_those_of_the_files(study):
    frame = query(study, 'SELECT * FROM scores ORDER BY hash, "index"')
    parts = [result.scores().assign(hash=result.hash) for result in study.results()[0] if result.state == "done"]
    expected = pd.concat(parts).sort_values(["hash", "index"], ignore_index=True)
    own = ["hash", "epoch", "index", "arch", "accuracy", "negative_loss", "true_accuracy", "params"]
    expected = expected.rename(columns={"true": "true_accuracy"})[own]
    pd.testing.assert_frame_equal(frame[own], expected, check_dtype=False)
    more = [f"{way}_{score}" for way in WAYS for score in ("accuracy", "negative_loss")]
    assert list(frame) == own + more
    assert frame[more].isna().all(axis=None), "these files have no scores of other ways"
    one = expected["hash"].iloc[0]
    assert query(study, f"SELECT count(*) AS n FROM scores WHERE hash = '{one}'")["n"].tolist() == [3]


@pytest.mark.parametrize("metric", ["loss", "accuracy"])
def test_ranks_go_by_what_the_recipe_ranks_by_and_share_ties(store, metric):
    first = random_scores("nb201", 60, seed=1).assign(epoch=2)
    last = random_scores("nb201", 60, seed=2).assign(accuracy=np.repeat(np.arange(12.0), 5))
    publish(store, f"evaluation.metric={metric}", frame=pd.concat([first, last]), last_epochs=2)
    frame = query(store, 'SELECT * FROM ranks ORDER BY "index"')
    score = last["negative_loss" if metric == "loss" else "accuracy"]
    for name, values in (("score_percentile", score), ("true_percentile", last["true"])):
        np.testing.assert_allclose(frame[name], 100 * (stats.rankdata(values) - 1) / 59)
    np.testing.assert_allclose(frame["over_ranked"], frame["score_percentile"] - frame["true_percentile"])


def test_ground_truth_is_long_and_leaves_out_what_was_not_measured(store, truth201, truth101):
    frame = query(
        store,
        "SELECT key, accuracy FROM ground_truth WHERE table_name = 'nb201.parquet' AND dataset = 'cifar10' "
        "AND split = 'test' AND epochs = '200' AND seed = 's2'",
    )
    np.testing.assert_array_equal(frame["key"], truth201.keys())
    np.testing.assert_array_equal(frame["accuracy"], truth201.accuracy("cifar10", "test", 200, "s2"))
    counts = query(
        store, "SELECT table_name, space, epochs, seed, count(*) AS n FROM ground_truth GROUP BY ALL ORDER BY ALL"
    )
    assert counts.to_numpy().tolist() == [
        ["nb101.parquet", "nb101", "108", "mean", len(truth101)],
        ["nb201.parquet", "nb201", "12", "mean", len(truth201) - 100],
        *(["nb201.parquet", "nb201", "200", seed, len(truth201)] for seed in ("mean", "s1", "s2")),
    ]


def test_the_base_is_the_setting_that_most_others_are_near_to(study):
    frame = query(study, "SELECT * FROM changes JOIN runs USING (hash) WHERE space = 'nb201' ORDER BY keys, seed")
    assert frame.groupby("change", sort=False)["keys"].first().to_dict() == {
        "base": 0,
        "training.learning_rate=0.1": 1,
        "evaluation.bn=running, network.bn_track=true": 2,
    }
    assert (frame["base"] == (frame["change"] == "base")).all()
    assert frame.loc[frame["base"], "training_learning_rate"].unique().tolist() == [0.025]


def test_the_base_is_the_one_with_most_runs_of_two_settings_that_differ_in_one_key(store):
    publish(store)
    for seed in range(2):
        publish(store, "training.momentum=0.8", seed=seed)
    frame = query(store, "SELECT change, count(*) AS n FROM changes GROUP BY change ORDER BY n")
    assert frame.to_numpy().tolist() == [["training.momentum=0.9", 1], ["base", 2]]


def test_views_are_there_before_any_run_with_the_same_columns(store, tmp_path):
    other = Store(tmp_path / "other")
    publish(other)
    with Database(store) as empty, Database(other) as full:
        for view in views.VIEWS:
            assert empty.columns(view) == full.columns(view)
            if view != "ground_truth":
                assert empty.query(f"SELECT * FROM {view}").empty
        for ready in QUESTIONS.values():
            assert empty.query(ready.sql).empty


def test_without_ground_truth_its_view_is_empty(store, monkeypatch, tmp_path):
    (tmp_path / "nothing").mkdir()
    monkeypatch.setenv(shelf.ENVIRONMENT, str(tmp_path / "nothing"))
    assert query(store, "SELECT * FROM ground_truth").empty


def test_damaged_runs_are_named_and_left_out(study):
    run = study.hashes()[0]
    (study.root / run / files.METRICS).write_text("{}")
    with Database(study) as database:
        assert len(database.problems) == 1
        assert f"{run} is damaged: metrics.json was altered" in database.problems[0]
        assert database.query("SELECT count(*) AS n FROM runs")["n"].tolist() == [10]
        for view in ("metrics", "scores", "epochs", "changes", "recipes"):
            assert database.query(f"SELECT * FROM {view} WHERE hash = '{run}'").empty
    with pytest.warns(UserWarning, match="metrics.json was altered"):
        query(study, "SELECT 1")


def test_runs_of_another_version_keep_the_keys_that_this_one_lacks(store):
    publish(store)
    run = publish(store, seed=1)
    spec = store.read(run).spec
    del spec["recipe"]["training"]["amp"]
    spec["recipe"]["training"] |= {"ema": 0.5, "clip": "none"}
    folder = store.root / run
    files.write_json(folder / files.SPEC, spec)
    sums = {path.name: files.digest(path) for path in folder.iterdir() if path.name != files.SUMS}
    files.write_json(folder / files.SUMS, sums)
    frame = query(store, "SELECT * FROM runs JOIN changes USING (hash) ORDER BY seed")
    assert frame["training_clip"].tolist() == ["5.0", "none"]
    np.testing.assert_array_equal(frame["training_ema"], [np.nan, 0.5])
    assert frame["training_amp"].isna().tolist() == [False, True]
    assert frame["change"].nunique() == 2


# ---- mistakes ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sql", "messages"),
    [
        ("SELECT tau FROM measures", ["no column 'tau' in", "Similar ones: ", "kendall_tau in measures"]),
        ("SELECT runs.learning_rate FROM runs", ["no column 'learning_rate'", "training_learning_rate in runs"]),
        ("SELECT kendal_tau FROM runs", ["no column 'kendal_tau' in", "kendall_tau in measures"]),
        ("SELECT xyzzy FROM runs", ["no column 'xyzzy' in", "the views are runs, measures"]),
        (f"SELECT {'x' * 5000} FROM runs", ["no column 'xxx"]),
        ("SELECT * FROM run", ["There is no view 'run': did you mean runs?"]),
        ("SELECT * FROM qqq", ["There is no view 'qqq': there is runs, measures"]),
        ("SELEC 1", ['syntax error at or near "SELEC"']),
        ("SELECT sum(hash) FROM scores", ["No function matches", "The views are"]),
        (
            "SELECT epochs = 200 FROM ground_truth WHERE key::INT > 0",
            ["Could not convert", "The views are"],
        ),
        ("", ["this is nothing"]),
        ("SELECT 1; SELECT 2", ["this is SELECT and SELECT"]),
        ("SELECT '\udcff'", [r"\udcff", "not Unicode text"]),
    ],
)
def test_mistakes_in_sql_end_in_one_paragraph(study, sql, messages):
    with Database(study) as database, pytest.raises(UserError) as error:
        database.query(sql)
    for message in messages:
        assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert "LINE 1" not in str(error.value)
    assert len(str(error.value)) < 700


@pytest.mark.parametrize(
    "sql",
    [
        "COPY (SELECT 1) TO '{file}'",
        "COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
        "WITH x AS (COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)) SELECT * FROM x",
        "EXPLAIN ANALYZE COPY (SELECT 1) TO '{file}' (USE_TMP_FILE false)",
        "SELECT * FROM read_parquet('{file}')",
        "SELECT * FROM read_text('{file}')",
        "SELECT * FROM '{file}'",
        "ATTACH '{file}.db'",
        "EXPORT DATABASE '{file}.exported'",
        "CREATE TABLE mine AS SELECT 1",
        "DROP VIEW runs",
        "DELETE FROM runs",
        "WITH x AS (DELETE FROM runs RETURNING *) SELECT * FROM x",
        "WITH x AS (INSERT INTO failures VALUES ('a', 'b') RETURNING *) SELECT * FROM x",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "INSTALL httpfs",
        "SELECT * FROM study",
    ],
)
def test_nothing_can_be_written_nor_other_files_read(study, sql):
    file = study.root / study.hashes()[0] / files.SCORES
    before = sorted((path, path.read_bytes()) for path in study.root.rglob("*") if path.is_file())
    with Database(study) as database:
        with pytest.raises(UserError):
            database.query(sql.format(file=str(file).replace("'", "''")))
        assert len(database.query("SELECT * FROM runs")) == 11
        assert database.query("SELECT * FROM failures").empty
    assert sorted((path, path.read_bytes()) for path in study.root.rglob("*") if path.is_file()) == before


def test_the_folder_for_what_does_not_fit_into_memory_is_nobody_elses_and_goes_away(study):
    with Database(study) as database:
        folder = Path(database.query("SELECT current_setting('temp_directory') AS folder")["folder"][0])
        assert folder.is_dir()
        assert folder.stat().st_mode & 0o077 == 0
        assert folder.name != f"supernet-query-{os.getpid()}"
    assert not folder.exists()


def test_names_that_are_not_valid_text_are_escaped(store):
    run = publish(store)
    content = files.read_json(store.root / run / files.ENVIRONMENT) | {"machine": "b\udcff", "Device": "\ud800"}
    files.write_json(store.root / run / files.ENVIRONMENT, content)
    sums = {path.name: files.digest(path) for path in (store.root / run).iterdir() if path.name != files.SUMS}
    files.write_json(store.root / run / files.SUMS, sums)
    store.fail("x\udcff", "no \udcff")
    with Database(store) as database:
        assert database.query("SELECT machine FROM runs")["machine"].tolist() == ["b\\udcff"]
        assert database.query("SELECT * FROM failures").values.tolist() == [["x\\udcff", "no \\udcff"]]


def test_a_file_that_vanishes_is_named(study):
    with Database(study) as database:
        next(study.root.rglob(files.SCORES)).unlink()
        with pytest.raises(UserError, match=r"The question cannot be answered.*scores\.parquet"):
            database.query("SELECT sum(accuracy) FROM scores")


def test_nothing_heavy_is_imported():
    code = (
        "import sys, supernet.harness.commands.query, supernet.harness.query.database\n"
        "print({'torch', 'scipy'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.strip() == "set()"


def test_an_undamaged_store_warns_of_nothing(study):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        query(study, "SELECT 1")
