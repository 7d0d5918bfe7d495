"""`supernet train`, `rank` and `heuristics` as a person uses them, on the embedded task."""

import json
import os
import signal
import subprocess
import sys
import time

import pandas as pd
import pytest
import yaml

RECIPE = {
    "task": {"name": "digits", "train_images": 320, "valid_images": 100},
    "network": {"channels": 4, "cells": 1},
    "training": {"epochs": 2, "batch_size": 80},
    "sampling": {"law": "fair", "batch": "split"},
    "evaluation": {"images": 100, "batch_size": 100},
}


@pytest.fixture
def supernet(made_up, tmp_path):
    def run(*arguments, expect=0):
        done = subprocess.run(
            command(*arguments), capture_output=True, text=True, env=environment(made_up), timeout=200
        )
        assert "Traceback" not in done.stderr, done.stderr
        assert done.returncode == expect, done.stderr
        return done.stdout + done.stderr

    (tmp_path / "recipe.yaml").write_text(yaml.safe_dump(RECIPE))
    return run


def command(*arguments):
    return [sys.executable, "-m", "harness.cli", *map(str, arguments)]


def environment(data):
    return {**os.environ, "SUPERNET_DATA": str(data), "OMP_NUM_THREADS": "1"}


def test_train_and_rank_a_sample(supernet, tmp_path):
    out = tmp_path / "run"
    text = supernet("train", tmp_path / "recipe.yaml", "training.epochs=1", "--out", out)
    assert "Trained 1 epoch in" in text
    assert yaml.safe_load((out / "recipe.yaml").read_text())["training"]["epochs"] == 1
    assert json.loads((out / "status.json").read_text())["state"] == "trained"
    text = supernet(
        "rank", out, "--archs", 60, "--images", 50, "--dataset", "cifar10", "--epochs", 200, "--resamples", 20
    )
    assert "Scored 60 architectures" in text
    assert "params (baseline)" in text
    scores = pd.read_parquet(out / "scores.parquet")
    assert len(scores) == 60
    assert scores["accuracy"].between(0, 100).all()
    assert json.loads((out / "metrics.json").read_text())["images"] == 50
    assert (out / "report" / "tau-by-fraction.png").exists()
    assert "holds a run already" in supernet("train", tmp_path / "recipe.yaml", "--out", out, expect=1)


def test_a_killed_training_resumes_to_the_same_ranking(supernet, made_up, tmp_path):
    recipe = [tmp_path / "recipe.yaml", "training.epochs=4"]
    supernet("train", *recipe, "--out", tmp_path / "whole")
    process = subprocess.Popen(command("train", *recipe, "--out", tmp_path / "killed"), env=environment(made_up))
    try:
        deadline = time.monotonic() + 100
        while not (tmp_path / "killed" / "checkpoint.pt").exists() and time.monotonic() < deadline:
            time.sleep(0.01)
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()
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
        ("network.ws_bn=true", "is for the 1Shot1 spaces"),
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
