"""`supernet train`, `rank` and `heuristics` as a person uses them, on the embedded task."""

import json
import shutil
import sys

import pandas as pd
import pytest
import yaml
from click.testing import CliRunner
from tiny import begin, kill, wait_for

from supernet.benchmarks.errors import UserError
from supernet.harness.commands import cli
from supernet.harness.training.loop import train
from supernet.heuristics.recipe import Recipe

RECIPE = {
    "task": {"name": "digits", "train_images": 160, "valid_images": 100},
    "network": {"channels": 4, "cells": 1},
    "training": {"epochs": 2, "batch_size": 80},
    "sampling": {"law": "fair", "batch": "split"},
    "evaluation": {"images": 100, "batch_size": 100},
}


@pytest.fixture
def supernet(made_up, tmp_path, monkeypatch, capsys):
    """Run the command in this process: what it says."""
    monkeypatch.setenv("SUPERNET_DATA", str(made_up))
    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))

    def run(*arguments, expect=0):
        monkeypatch.setattr(sys, "argv", ["supernet", *map(str, arguments)])
        code = 0
        try:
            cli.main()
        except SystemExit as end:
            code = end.code
        said = capsys.readouterr()
        assert code == expect, said
        return said.out + said.err

    return run


@pytest.fixture
def no_figures(monkeypatch):
    """Figures take long."""
    monkeypatch.setattr("supernet.harness.report.correlation.figures.draw", lambda *_: [])


def command(*arguments):
    """The command in a process that has everything imported already."""
    sys.argv = ["supernet", *map(str, arguments)]
    cli.main()


def test_train_and_rank_a_sample(supernet, tmp_path):
    out = tmp_path / "run"
    text = supernet("train", tmp_path / "recipe.yaml", "training.epochs=1", "--out", out)
    assert "Trained 1 epoch in" in text
    assert yaml.safe_load((out / "recipe.yaml").read_text())["training"]["epochs"] == 1
    assert json.loads((out / "status.json").read_text())["state"] == "trained"
    text = supernet("rank", out, "--archs", 60, "--dataset", "cifar10", "--epochs", 200, "--resamples", 20)
    assert "Scored 60 architectures" in text
    assert "params (baseline)" in text
    scores = pd.read_parquet(out / "scores.parquet")
    assert len(scores) == 60
    assert scores["accuracy"].between(0, 100).all()
    assert json.loads((out / "metrics.json").read_text())["images"] == 100
    assert (out / "report" / "tau-by-fraction.png").exists()
    assert f"Report: {out / 'report' / 'index.html'}" in text
    page = (out / "report" / "index.html").read_text(encoding="utf-8")
    assert "This super-net" in page
    assert f"supernet train {out}/recipe.yaml" in page
    assert "holds a run already" in supernet("train", tmp_path / "recipe.yaml", "--out", out, expect=1)


@pytest.mark.usefixtures("no_figures")
def test_a_killed_training_resumes_to_the_same_ranking(supernet, tmp_path):
    recipe = [tmp_path / "recipe.yaml", "training.epochs=4"]
    supernet("train", *recipe, "--out", tmp_path / "whole")
    process = begin(command, "train", *recipe, "--out", tmp_path / "killed", "--threads", 1)
    try:
        wait_for((tmp_path / "killed" / "checkpoint.pt").exists)
    finally:
        kill(process)
    supernet("train", *recipe, "--out", tmp_path / "killed", "--resume")
    listed = tmp_path / "list.csv"
    listed.write_text("index\n" + "\n".join(map(str, range(30))))
    for name in ("whole", "killed"):
        assert "Scored 30 architectures" in supernet("rank", tmp_path / name, "--archs", listed, "--resamples", 20)
    one, two = (pd.read_parquet(tmp_path / name / "scores.parquet") for name in ("whole", "killed"))
    pd.testing.assert_frame_equal(one, two, check_exact=True)


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("training.epoch=3", "did you mean training.epochs?"),
        ("task.name=mnist", "mnist"),
        ("network.ws_bn=true", "is for nb1shot1-1, nb1shot1-2, nb1shot1-3"),
    ],
)
def test_recipes_that_cannot_be_used_end_in_a_clear_message(supernet, tmp_path, override, message):
    assert message in supernet("train", tmp_path / "recipe.yaml", override, "--out", tmp_path / "run", expect=1)
    assert not (tmp_path / "run" / "status.json").exists()


def test_the_catalogue_is_printed_by_space(supernet):
    text = supernet("heuristics")
    for name in ("batch-norm", "path-sampling", "dynamic-channels", "ofa-kernel", "unsampled"):
        assert name in text
    assert "dynamic-channels" not in supernet("heuristics", "--space", "nb201")


# ---- a run that is trained already ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    out = tmp_path_factory.mktemp("trained") / "run"
    changes = ["task.name=digits", "task.train_images=200", "task.valid_images=100", "task.test_images=20"]
    changes += ["network.channels=4", "network.cells=1", "network.bn_track=true", "training.epochs=1"]
    changes += ["training.batch_size=100", "training.learning_rate=0", "training.final_learning_rate=0"]
    train(Recipe().override([*changes, "evaluation.images=50", "evaluation.batch_size=50"]), out)
    return out


@pytest.fixture
def called(made_up, monkeypatch, no_figures):
    """Run a command without figures; all that it said."""

    def call(*arguments):
        monkeypatch.setenv("SUPERNET_DATA", str(made_up))
        done = CliRunner().invoke(cli.supernet, [*map(str, arguments)], standalone_mode=False)
        if done.exception and not isinstance(done.exception, UserError | SystemExit):
            raise done.exception
        return done.output + (str(done.exception) if done.exception else "")

    return call


@pytest.fixture
def run_dir(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "run")
    return tmp_path / "run"


TRUTH = ["--dataset", "cifar10", "--epochs", 12, "--resamples", 20]


def test_a_sample_has_ground_truth_and_chance_is_said(called, run_dir):
    text = called("rank", run_dir, "--archs", 40, *TRUTH)
    scores = pd.read_parquet(run_dir / "scores.parquet")
    assert len(scores) == 40
    assert (scores["index"] >= 100).all(), "the first hundred have no ground truth for 12 epochs"
    assert "have ground truth and are compared" not in text
    assert "the super-net classifies no better than chance" in text
    assert "10 classes): train it longer before you read its ranking." in text
    assert json.loads((run_dir / "metrics.json").read_text())["chance"]["at_chance"] is True


def test_another_protocol_has_files_of_its_own(called, run_dir):
    called("rank", run_dir, "--archs", 12, *TRUTH)
    before = {p.name: p.read_bytes() for p in run_dir.iterdir() if p.is_file()}
    text = called("rank", run_dir, "--archs", 12, "--set", "evaluation.bn=running", *TRUTH)
    called("rank", run_dir, "--archs", 12, "--images", 40, *TRUTH)
    assert {name: (run_dir / name).read_bytes() for name in before} == before
    assert "files of their own" in text
    others = sorted(run_dir.glob("scores-*.parquet"))
    assert len(others) == len([*run_dir.glob("report-*")]) == 2
    tables = [pd.read_parquet(path)["negative_loss"] for path in (run_dir / "scores.parquet", *others)]
    assert not tables[0].equals(tables[1])
    protocols = [json.loads(path.read_text())["evaluation"] for path in run_dir.glob("metrics-*.json")]
    assert {(p["bn"], p["images"]) for p in protocols} == {("running", 50), ("batch", 40)}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--archs", "0"], "--archs (`archs`) is 0"),
        (["--archs", "-4"], "--archs (`archs`) is -4"),
        (["--archs", "15600"], "has 15,525 architectures with ground truth to sample among, not 15,600"),
        (["--archs", "9" * 5000], "ground truth to sample among, not 999,999,999,999,999,999"),
        (["--archs", "EMPTY"], "lists no architectures"),
        (["--archs", "12", "--sample-seed", "-1"], "--sample-seed (`sample_seed`) is -1"),
        (["--set", "network.channels=8"], "keys of the evaluation section"),
        (["--set", "evaluation.bm=batch"], "the section evaluation has evaluation.bn,"),
        (["--set", "evaluation.images=101"], "there are 100 images to score on"),
    ],
)
def test_what_cannot_be_ranked_is_refused_and_replaces_nothing(called, run_dir, tmp_path, arguments, message):
    (run_dir / "scores.parquet").write_bytes(b"earlier scores")
    (tmp_path / "empty.csv").write_text("index\n")
    arguments = [tmp_path / "empty.csv" if a == "EMPTY" else a for a in arguments]
    assert message in called("rank", run_dir, *arguments, *TRUTH)
    assert (run_dir / "scores.parquet").read_bytes() == b"earlier scores"
    assert not (run_dir / "report").exists()


def test_fewer_than_ten_architectures_have_no_report(called, run_dir, tmp_path):
    (tmp_path / "few.csv").write_text("index\n" + "\n".join(map(str, range(91, 109))))
    text = called("rank", run_dir, "--archs", tmp_path / "few.csv", *TRUTH)
    assert "No report: 9 of the 18 architectures scored have ground truth" in text
    assert len(pd.read_parquet(run_dir / "scores.parquet")) == 18
    assert not (run_dir / "report").exists()


def test_without_ground_truth_the_sample_is_of_the_whole_space(called, run_dir):
    text = called("rank", run_dir, "--archs", 12, "--table", "nowhere")
    assert "No report: There is no ground-truth table 'nowhere'" in text
    assert "the sample is drawn from the whole space" in text
    assert len(pd.read_parquet(run_dir / "scores.parquet")) == 12


def test_scores_of_more_architectures_are_kept(called, run_dir):
    called("rank", run_dir, "--archs", 30, *TRUTH)
    before = (run_dir / "scores.parquet").read_bytes()
    text = called("rank", run_dir, "--archs", 12, *TRUTH)
    assert "kept as" in text
    assert (run_dir / "scores.earlier-1.parquet").read_bytes() == before


def test_a_damaged_checkpoint_is_said_and_trained_again_by_resume(called, run_dir):
    path = run_dir / "checkpoint.pt"
    whole = path.read_bytes()
    path.write_bytes(whole[:5000] + whole[9096:])
    text = called("rank", run_dir, "--archs", 12, *TRUTH)
    assert "is damaged: " in text
    assert "Train it again with `supernet train" in text
    text = called("train", run_dir / "recipe.yaml", "--out", run_dir, "--resume")
    assert text.startswith("Note: The checkpoint")
    assert "It is kept as checkpoint.pt.damaged-1" in text
    assert "Trained 1 epoch" in text


def test_resuming_what_is_not_there_is_refused(called, run_dir, tmp_path):
    text = called("train", run_dir / "recipe.yaml", "--out", tmp_path / "none", "--resume")
    assert "holds no run to continue" in text
    assert not (tmp_path / "none").exists()


def test_an_interrupted_training_says_how_to_go_on(called, run_dir, tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("supernet.harness.training.loop.train", interrupted)
    out = tmp_path / "a b"
    done = CliRunner().invoke(cli.supernet, ["train", str(run_dir / "recipe.yaml"), "seed=1", "--out", str(out)])
    assert (
        f"Continue with: supernet train {run_dir / 'recipe.yaml'} seed=1 --out '{out}' --device cpu --resume"
        in done.output
    )


def test_training_without_a_terminal_says_where_it_is(called, run_dir, tmp_path, monkeypatch):
    monkeypatch.setattr("supernet.harness.commands.progress.EVERY", 0.0)
    monkeypatch.setattr("supernet.harness.training.meter.EpochMeter.INTERVAL", 0.0)
    text = called("train", run_dir / "recipe.yaml", "training.batch_size=50", "--out", tmp_path / "other")
    assert "training: epoch 1/1  loss" in text
    assert " left" in text
