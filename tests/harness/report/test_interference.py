"""The report on interference: trends and means against plain computations on made-up rows."""

import io
import json

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from rich.console import Console
from scipy.stats import spearmanr

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.harness.commands.interference import interference as command
from supernet.harness.report.interference.compared import ComparedInterference, compare_interference, folders
from supernet.harness.report.interference.observed import levels, trends
from supernet.harness.report.interference.result import InterferenceReport


def made_up(seed, slope=-0.1, epochs=(2, 4)):
    """Rows of one super-net: pairs at four distances, two shared operations each."""
    rng, rows = np.random.default_rng(seed), []
    for epoch in epochs:
        for pair in range(24):
            distance = 1 + pair % 4
            for cell in (1, 2):
                inputs = rng.uniform()
                cosine = 0.5 + slope * distance + 0.3 * inputs + 0.02 * rng.normal()
                rows.append(
                    {
                        "method": "interference",
                        "epoch": epoch,
                        "pair": pair,
                        "distance": distance,
                        "cell": cell,
                        "cosine": cosine,
                        "inputs": inputs,
                        "output_gradients": rng.uniform(),
                    }
                )
            rows.append({"method": "disturbance", "epoch": epoch, "pair": pair, "distance": distance,
                         "change": 0.01 * distance + 0.05 * rng.normal()})  # fmt: skip
    return pd.DataFrame(rows)


FRAMES = [made_up(seed) for seed in range(4)]


def test_trends_are_correlations_within_super_nets_and_their_mean_over_them():
    found = {trend.what: trend for trend in trends([frame[frame["epoch"] == 4] for frame in FRAMES])}
    distance = found["cosine of gradients, by number of differing decisions"]
    expected = []
    for frame in FRAMES:
        there = frame[(frame["method"] == "interference") & (frame["epoch"] == 4)]
        pairs = [(g["distance"].iloc[0], g["cosine"].mean()) for _, g in there.groupby("pair")]
        expected.append(spearmanr(*zip(*pairs, strict=True)).statistic)
    np.testing.assert_allclose(distance.values, expected)
    assert distance.mean.value == pytest.approx(np.mean(expected))
    assert distance.mean.low < distance.mean.value < distance.mean.high < 0
    assert distance.verdict == "seen"
    assert found["cosine of gradients, by similarity of inputs"].verdict == "seen"
    assert found["cosine of gradients, by similarity of output gradients"].verdict == "undecided"


def test_the_opposite_of_what_is_published_is_said():
    (first, *_) = trends([made_up(seed, slope=0.1, epochs=(1,)) for seed in range(4)])
    assert first.verdict == "the opposite is seen"
    (first, *_) = trends(FRAMES[:2])
    assert first.verdict.startswith("not tested")


def test_means_are_over_super_nets():
    found = levels([frame[frame["epoch"] == 4] for frame in FRAMES], "disturbance", "distance", "change")
    assert [level.at for level in found] == [1, 2, 3, 4]
    rows = pd.concat(FRAMES)
    one = rows[(rows["method"] == "disturbance") & (rows["epoch"] == 4) & (rows["distance"] == 3)]["change"]
    assert found[2].mean.value == pytest.approx(one.mean())
    assert found[2].mean.seeds == 4


def test_files_hold_every_number(tmp_path):
    report = InterferenceReport(sn.Recipe(), [0, 1, 2, 3], FRAMES)
    report.write(tmp_path / "report")
    assert {p.name for p in (tmp_path / "report").iterdir()} == {
        "trends.csv", "interference.json", "interference.svg", "interference.png",
    }  # fmt: skip
    table = pd.read_csv(tmp_path / "report" / "trends.csv")
    np.testing.assert_allclose(table["mean"], [trend.mean.value for trend in report.trends], rtol=1e-5)
    told = json.loads((tmp_path / "report" / "interference.json").read_text())
    assert set(told["panels"]) == {"cosine by distance", "cosine by cell", "cosine by epoch", "change by distance"}


def in_turn(seed, cosine, change):
    """Rows of a super-net whose steps follow each other, over two epochs, beside those of the other measures."""
    rng = np.random.default_rng(seed)
    rows = [
        {"method": "successive", "epoch": epoch, "cosine": cosine + 0.1 * rng.normal(),
         "change": change + 0.1 * rng.normal()}
        for epoch in (2, 4) for _ in range(40)
    ]  # fmt: skip
    return pd.concat([made_up(seed), pd.DataFrame(rows)])


def test_a_remedy_is_compared_over_super_nets_on_every_outcome(tmp_path):
    rows = {
        "base": [in_turn(seed, 0.3, 0.2) for seed in range(4)],
        "magic-t": [in_turn(seed, 0.6, 0.2) for seed in range(10, 14)],
        "di-ws": [in_turn(seed, 0.3, 0.05) for seed in range(20, 24)],
    }
    found = ComparedInterference({k: InterferenceReport(sn.Recipe(), [0, 1, 2, 3], v) for k, v in rows.items()})
    turns, steps, same, plain = found.outcomes
    assert [turns.verdict(k) for k in ("magic-t", "di-ws")] == ["falls", "undecided"]
    assert [steps.verdict(k) for k in ("magic-t", "di-ws")] == ["undecided", "falls"]
    nets = [f[f["method"] == "successive"]["cosine"].mean() for f in rows["magic-t"]]
    assert turns.means["magic-t"].value == pytest.approx(np.mean(nets))
    last = [f[(f["method"] == "interference") & (f["epoch"] == 4)]["cosine"].mean() for f in rows["base"]]
    assert same.means["base"].value == pytest.approx(np.mean(last))
    assert plain.means["base"].seeds == 4
    found.write(tmp_path / "report")
    table = pd.read_csv(tmp_path / "report" / "compared.csv")
    assert len(table) == 4 * 3
    assert set(table["here"].dropna()) <= {"falls", "rises", "undecided"}
    assert (tmp_path / "report" / "compared.png").stat().st_size > 1000
    assert found._repr_html_().count("<tr>") == 1 + len(table)
    console = Console(width=200, record=True, file=io.StringIO())
    console.print(found)
    assert "are found with a probability of 80 %" in console.export_text()


def test_a_change_that_cannot_be_made_is_refused_before_any_training(tmp_path):
    with pytest.raises(UserError, match="magic-x"):
        compare_interference("cifar10-16", against=["di-ws", "magic-x"], out=tmp_path)
    with pytest.raises(UserError, match="magic-x"):
        compare_interference("cifar10-16", against="magic-x", out=tmp_path)
    assert not list(tmp_path.iterdir())


def test_every_change_has_a_folder_of_its_own():
    base = sn.Recipe()
    changed = {
        text: base.override([text])
        for text in ("methods.few-shot.groups=0,1/2,3,4", "methods.few-shot.groups=0/1,2,3,4", "training.epochs=3")
    }
    names = folders(changed)
    assert names["training.epochs=3"] == "training.epochs=3"
    assert len(set(names.values())) == 3
    assert all(name.startswith("methods.few-shot.groups=0_1_2_3_4-") for name in list(names.values())[:2])
    assert folders(dict(reversed(changed.items()))) == names


def test_the_command_trains_measures_and_goes_on(tmp_path):
    small = [
        "task.name=digits", "task.size=null", "task.train_images=64", "task.valid_images=40", "network.channels=4",
        "training.epochs=1", "training.batch_size=32", "sampling.law=uniform", "sampling.batch=whole",
        "methods.interference.images=16", "methods.disturbance.images=16", "methods.successive.images=16",
    ]  # fmt: skip
    arguments = [
        "cifar10-16",
        *small,
        "--against",
        "magic-t training.learning_rate=0.1",
        "--seeds",
        "2",
        "--pairs",
        "1",
        "--every",
        "1",
        "--workers",
        "1",
        "--out",
        str(tmp_path),
    ]
    said = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert said.exit_code == 0
    assert "cosine of gradients, by number of differing decisions" in said.output
    assert "change of the loss of the architecture before by a step" in said.output
    first = json.loads((tmp_path / "base" / "report" / "interference.json").read_text())
    assert first["seeds"] == [0, 1]
    told = json.loads((tmp_path / "report" / "compared.json").read_text())
    assert told["recipes"]["magic-t training.learning_rate=0.1"]["training"]["learning_rate"] == 0.1
    again = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert again.output == said.output


def test_impossible_numbers_of_super_nets_are_refused(tmp_path):
    with pytest.raises(UserError, match="seeds"):
        sn.interference(task="digits", seeds=0, out=tmp_path)
