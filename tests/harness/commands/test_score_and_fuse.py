"""`supernet score` and `supernet fuse`, and the same from Python."""

import re
import shlex

import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
from click.testing import CliRunner

import supernet as sn
from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import space
from supernet.harness.commands.cli import supernet
from supernet.harness.commands.fuse import fuse
from supernet.harness.commands.score import score
from supernet.harness.scoring.proxies import whole
from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES
from supernet.harness.statistics.fusion import fuse as fusion
from supernet.harness.statistics.fusion import mean_of_ranks

SMALL = {"task": "digits", "images": 4, "channels": 4, "size": 8, "workers": 1}
OPTIONS = ["--task", "digits", "--images", "4", "--channels", "4", "--size", "8", "--workers", "1"]


def run(command, *arguments):
    found = CliRunner().invoke(command, [str(a) for a in arguments], catch_exceptions=False)
    assert found.exit_code == 0, found.output
    return found.output


def test_scores_are_written_with_what_they_were_computed_from(tmp_path):
    out = tmp_path / "scores.parquet"
    said = run(score, "nb201", "--archs", 12, "--draws", 2, "--out", out, *OPTIONS)
    frame = pd.read_parquet(out)
    assert list(frame) == ["index", "arch", "live-params", "jacob-cov", "jacob-cov.0", "jacob-cov.1"]
    assert frame["arch"].tolist() == space("nb201").strings(space("nb201").archs(frame["index"]))
    assert np.isfinite(frame.drop(columns="arch")).all().all()
    draws = frame[["jacob-cov.0", "jacob-cov.1"]].to_numpy().T
    np.testing.assert_allclose(frame["jacob-cov"], mean_of_ranks(draws))
    about = pq.read_schema(out).metadata[b"free_scores"].decode()
    assert '"images": 4' in about
    assert "jacob-cov" in said
    assert "supernet correlate --space nb201" in said
    assert list(tmp_path.iterdir()) == [out]


def test_the_next_command_compares_the_scores_with_what_was_measured_in_the_space(tmp_path):
    said = run(score, "nb201-topology", "--with", "live-params", "--out", tmp_path / "scores.csv", "--task", "digits")
    (command,) = re.findall(r"Next: supernet (.*)", said)
    assert "--dataset digits --split test --epochs 4 " in command
    assert "tau" in run(supernet, *shlex.split(command), "--resamples", "20")


def test_places_that_cannot_be_written_are_refused_at_once(files, tmp_path):
    _, _, paths = files
    before = paths[0].read_bytes()
    for arguments in (["--out", paths[0]], ["--out", tmp_path], ["--out", paths[0] / "x.csv"]):
        found = CliRunner().invoke(fuse, [*map(str, [paths[0], "--space", "nb201", *arguments])])
        assert found.exit_code != 0
        assert re.search("is also a source|is a folder|Not a directory", f"{found.output}{found.exception}")
    assert paths[0].read_bytes() == before
    with pytest.raises(UserError, match="is also a source"):
        sn.fused(paths, "nb201", columns={"loss": 1}).write(paths[1])
    with pytest.raises(UserError, match="is also a source"):
        sn.free_scores("nb201", ["live-params"], archs=paths[0], out=paths[0])
    assert paths[0].read_bytes() == before


def test_columns_of_a_fusion_may_be_named_without_weights(files):
    _, _, paths = files
    weighed = sn.fused(paths, "nb201", columns={"loss": 1.0})
    for names in ("loss", ["loss"]):
        assert sn.fused(paths, "nb201", columns=names).scores.tolist() == weighed.scores.tolist()
    assert "<td>" in weighed._repr_html_()
    assert "best of" in weighed._repr_html_()
    with pytest.raises(UserError, match="no column 'lost'"):
        sn.fused(paths, "nb201", columns=["lost"])


def test_an_interrupted_command_goes_on(tmp_path, monkeypatch):
    out, real, calls = tmp_path / "scores.csv", whole.measured, []

    def failing(sight, index, name):
        calls.append(index)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return real(sight, index, name)

    monkeypatch.setattr(whole, "BLOCK", 2)
    monkeypatch.setattr(whole, "measured", failing)
    arguments = ["nb1shot1-1", "--archs", "10", "--out", str(out), *OPTIONS]
    CliRunner().invoke(score, arguments, standalone_mode=False)
    assert not out.exists()
    run(score, *arguments)
    assert len(calls) == 11  # five, of which the last was lost, and the six that were missing
    assert len(pd.read_csv(out)) == 10


def test_every_score_is_listed():
    said = run(score, "--list")
    assert all(name in said for name in [*COUNTS, *PROXIES])
    assert "[log(v_i" in said


def test_architectures_without_a_value_rank_last():
    within = space("nb201")
    dead = np.flatnonzero(~within.connected(within.archs()))[:1]
    frame = sn.free_scores("nb201", "jacob-cov", [*dead.tolist(), 5, 7, 9], **SMALL).frame()
    assert frame["jacob-cov"].argmin() == 0
    assert np.isfinite(frame["jacob-cov"]).all()


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        ({"scores": "jacob"}, "jacob-cov"),
        ({"draws": 0}, "draws"),
        ({"images": 1}, "images"),
        ({"task": "digit"}, "digits"),
        ({"out": "scores.txt", "archs": [5]}, "parquet"),
    ],
)
def test_what_cannot_be_scored_is_said(arguments, word, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=word):
        sn.free_scores("nb201", **{"archs": [5, 6], **SMALL, **arguments})


# ---- fusion ----------------------------------------------------------------------------------------------------------


@pytest.fixture
def files(tmp_path):
    rng = np.random.default_rng(0)
    first = pd.DataFrame({"index": np.arange(30), "live-params": rng.normal(size=30), "jacob-cov": rng.normal(size=30)})
    second = pd.DataFrame({"index": np.arange(29, 4, -1), "loss": rng.normal(size=25)})
    paths = tmp_path / "free.csv", tmp_path / "net.csv"
    first.to_csv(paths[0], index=False)
    second.to_csv(paths[1], index=False)
    return first, second, paths


def test_a_rule_fuses_columns_of_several_files(files, tmp_path):
    first, second, paths = files
    said = run(
        fuse, *paths, "--space", "nb201", "--rule", "free-1+supernet", "--trained", "loss", "--out", tmp_path / "f.csv"
    )
    found = pd.read_csv(tmp_path / "f.csv")
    assert found["index"].tolist() == list(range(5, 30))
    columns = {name: first[name][5:].to_numpy() for name in ("live-params", "jacob-cov")}
    expected = fusion({**columns, "loss": second["loss"].to_numpy()[::-1]}, {"loss": 0.25})
    np.testing.assert_allclose(found["fused"], expected)
    assert "Only the 25 architectures" in said
    assert "best of the 78 pairs" in said


def test_columns_and_weights_of_ones_own(files, tmp_path):
    first, _, paths = files
    out = tmp_path / "f.parquet"
    run(fuse, paths[0], "--space", "nb201", "--columns", "live-params:2,jacob-cov", "--how", "linear", "--out", out)
    expected = fusion({n: first[n] for n in ("live-params", "jacob-cov")}, {"live-params": 2}, "linear")
    np.testing.assert_allclose(pd.read_parquet(out)["fused"], expected)


def test_several_super_nets_count_by_their_mean_rank(files):
    first, _, paths = files
    nets = pd.DataFrame({"index": np.arange(30), "a": first["jacob-cov"], "b": first["live-params"]})
    nets.to_csv(paths[1], index=False)
    found = sn.fused(paths, "nb201", named="free-1+supernet", trained=["a", "b"])
    columns = {name: first[name] for name in ("live-params", "jacob-cov")}
    np.testing.assert_allclose(found.scores, fusion({**columns, "net": nets[["b", "a"]].to_numpy().T}, {"net": 0.25}))
    assert found.columns == {"live-params": 1, "jacob-cov": 1, "a": 0.125, "b": 0.125}


def test_twins_share_their_scores(files):
    within = space("nb201")
    twin = int(np.flatnonzero(within.twins(np.arange(len(within))) == 0)[1])
    frame = pd.DataFrame({"index": [0, twin, 5], "x": [3.0, 1.0, 2.5]})
    frame.to_csv(files[2][1], index=False)
    found = sn.fused(files[2][1], "nb201", over_twins=True)
    assert found.scores[0] == found.scores[list(found.indices).index(twin)]


@pytest.mark.parametrize(
    ("how", "word"),
    [
        ({"named": "free"}, "free-1"),
        ({"named": "free-1+supernet"}, "score of a super-net"),
        ({"named": "free-1", "trained": "jacob-cov"}, "alone"),
        ({"named": "free-1", "columns": {"jacob-cov": 1.0}}, "not both"),
        ({"columns": {"nothing": 1.0}}, "no column 'nothing'"),
        ({"trained": "jacob-cov"}, "rules"),
    ],
)
def test_what_cannot_be_fused_is_said(files, how, word):
    with pytest.raises(UserError, match=word):
        sn.fused(files[2][0], "nb201", **how)


def test_files_without_a_common_architecture_cannot_be_fused(files, tmp_path):
    pd.DataFrame({"index": [100], "x": [1.0]}).to_csv(tmp_path / "other.csv", index=False)
    with pytest.raises(UserError, match="in all of"):
        sn.fused([files[2][0], tmp_path / "other.csv"], "nb201")


def test_the_rules_are_listed_with_what_their_choice_has_seen():
    said = run(fuse, "--list")
    assert (
        "free-1+supernet: 1 log rank(live-params) + 1 log rank(jacob-cov) + 0.25 log rank(the super-net's score)"
        in said
    )
