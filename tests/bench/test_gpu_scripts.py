"""The scripts for a GPU, tried on a CPU with tiny networks and images of noise."""

import json
import sys
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest

sys.path.insert(0, str(Path(__file__).parent))

import bare
import gpu
import gpu_campaign
import gpu_correct
import gpu_speed

NETWORK = {"network.channels": 4, "network.cells": 1}


def test_static_steps_pass_the_check_of_correctness():
    found = gpu_correct.compare(bare.noise_task(8, 64), {**gpu.TINY["check"], "sampling.law": "fair"}, "cpu")
    assert found[f"{gpu_correct.ONE_BY_ONE}: gradient in float64"] == 0
    assert 0 < found[f"{gpu_correct.PLAIN}: gradient in float64"] < 1e-9
    assert 0 < found[f"{gpu_correct.FUSED}: first float32 step"] < 1e-3
    assert 0 < found["rounding on the CPU, eight steps"] < 1e-3


def test_rankings_in_blocks_and_one_by_one_are_timed_on_the_same_architectures():
    changes = {**NETWORK, "evaluation.images": 10, "evaluation.batch_size": 10}
    found = gpu_speed.ranking(bare.noise_task(8, 10), changes, "cpu", 2, 5, 1e9)
    assert (found["architectures"], found["one by one"]) == (8, 5)
    assert found["tau between the two rankings"] > 0.9
    assert found["largest difference of losses"] < 1e-4
    assert found["seconds of the whole space in blocks"] > found["seconds in blocks"] > 0


def test_steps_are_timed_after_they_are_warm():
    task = bare.noise_task(8, 16 * 17)
    changes = {**NETWORK, "training.batch_size": 16}
    seconds, before, memory = gpu_speed.step_seconds(task, changes, "cpu", gpu_correct.FUSED, 0.0)
    assert min(seconds, before) > 0
    assert memory is None
    with pytest.raises(ValueError, match="too few images"):
        gpu_speed.step_seconds(bare.noise_task(8, 32), changes, "cpu", gpu_correct.FUSED, 0.0)


def test_an_epoch_is_as_long_as_its_steps(monkeypatch):
    monkeypatch.setattr(gpu_speed, "step_seconds", lambda *_: (0.5, 3.0, 2.0))
    changes = {**NETWORK, "training.batch_size": 100}
    found = gpu_speed.epoch(bare.noise_task(8, 8), changes, "cpu", gpu_correct.FUSED, 0.0, 1e6)
    bound = gpu_speed.least_bytes(4, 1, 8, amp=False) * 50_000 / 1e6
    assert found == {"seconds": 250.0, "seconds before": 3.0, "peak GiB": 2.0, "share of the bound": bound / 250}


def test_least_traffic_grows_with_the_network_and_halves_with_bfloat16():
    # One cell per stage of 4, 8 and 16 channels on 8, 4 and 2 pixels per side: 448 activations, 42 passes of 4 bytes.
    assert gpu_speed.least_bytes(4, 1, 8, amp=False) == 448 * 42 * 4
    assert gpu_speed.least_bytes(4, 3, 8, amp=True) == 3 * 448 * 42 * 2
    assert gpu_speed.least_bytes(4, 1, 8, amp=False, backward=False) == 448 * 15 * 4


def test_results_are_written_after_every_step_and_one_error_stops_no_other(tmp_path, monkeypatch, capsys):
    def seen():
        return json.loads((tmp_path / "gpu.json").read_text())["copy"]

    monkeypatch.setattr(gpu, "steps", lambda *_: {"copy": lambda: 2.0, "broken": lambda: 1 / 0, "after": seen})
    gpu.main(["--device", "cpu", "--tiny", "--out", str(tmp_path)])
    found = json.loads((tmp_path / "gpu.json").read_text())
    assert (found["copy"], found["after"], found["left out"]) == (2.0, 2.0, [])
    assert found["broken"] == {"error": "ZeroDivisionError: division by zero"}
    assert found["environment"]["device"] == "cpu"
    gpu.main(["--device", "cpu", "--tiny", "--out", str(tmp_path), "--seconds", "-1"])
    assert json.loads((tmp_path / "gpu.json").read_text())["left out"] == ["copy", "broken", "after"]


def test_the_steps_cover_what_is_to_be_decided():
    results = {}
    sizes = gpu.FULL | {"images": 4, "rankings": ((2, 2, 1, 1, True), (4, 2, 1, 1, False))}
    names = list(gpu.steps(sizes, "cpu", 0.1, results))
    assert sum(name.startswith("epoch: ") for name in names) == 13
    assert sum(name.startswith("ranking on ") for name in names) == 2
    assert {"kernels", "relative differences from a CPU", "bytes per second of a copy"} < set(names)


def test_a_campaign_goes_on_with_the_plan_of_its_first_call(tmp_path, capsys):
    def call(*more):
        gpu_campaign.main(
            ["uniform", "--out", str(tmp_path), "--device", "cpu", "--tiny", "--archs", "30", "--epochs", "2", *more]
        )

    call("--this-call", "0.000001")
    assert "the same command goes on" in capsys.readouterr().out
    assert not (tmp_path / "scores.csv").exists()
    call("--this-call", "600", "--epochs", "9")
    frame = pd.read_csv(tmp_path / "scores.csv")
    assert frame["index"].tolist() == list(range(30))
    kept = json.loads((tmp_path / "provenance.json").read_text())
    assert kept["plan"]["recipe"]["training"]["epochs"] == 2
    assert kept["plan"]["name"] == "uniform"
    arrays = np.load(tmp_path / "scores.npz")
    np.testing.assert_allclose(-arrays["loss"], frame["negative_loss"])
    with pytest.raises(SystemExit, match="campaign of the recipe uniform"):
        gpu_campaign.main(["fair-split", "--out", str(tmp_path), "--device", "cpu", "--tiny"])


def test_a_campaign_plans_the_epochs_that_fit(tmp_path, monkeypatch):
    monkeypatch.setattr(gpu_campaign, "TRIAL_STEPS", 1)
    monkeypatch.setattr(gpu_campaign, "scoring_seconds", lambda *_: 100.0)
    monkeypatch.setattr(gpu_campaign, "saving_seconds", lambda *_: 1.0)
    cost = SimpleNamespace(whole=SimpleNamespace(seconds=3.0))
    monkeypatch.setattr(gpu_campaign, "epoch_cost", lambda *_, **__: cost)
    task, archs = bare.noise_task(8, 40), np.arange(5)
    given = SimpleNamespace(tiny=True, seed=3, images=None, epochs=None, seconds=1000.0, device="cpu")
    plan = gpu_campaign.planned("fair-split", given, task, archs, gpu_campaign.time.perf_counter())
    most = int((gpu_campaign.SPARE * 1000 - 100) / 4)
    assert plan["recipe"]["training"]["epochs"] in (most - 1, most), "less the moment that planning itself took"
    assert plan["recipe"]["seed"] == 3
