import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from tiny import begin, changed, kill, make, outcome, wait_for

from supernet.benchmarks import regular
from supernet.benchmarks.spaces import space
from supernet.harness.runs.execute import execute
from supernet.harness.runs.state import state_of
from supernet.harness.runs.store import Store
from supernet.harness.scoring.supernet import rank
from supernet.harness.statistics import metrics
from supernet.harness.study.make import SCORE_COLUMNS, _read_scores, measures
from supernet.harness.study.plan import mean_tau
from supernet.harness.training import folder as run_folder
from supernet.harness.training.loop import train
from supernet.harness.training.meter import EpochMeter
from supernet.harness.training.run import start, task_of

# ---- what a run says -------------------------------------------------------------------------------------------------


def test_scores_are_those_of_the_trained_super_net_after_each_of_the_last_epochs(spec, undisturbed):
    frame = undisturbed.read(spec.hash).scores()
    table = spec.truth.open("nb201")
    indices = spec.architectures(table)
    assert frame["epoch"].tolist() == [2] * 20 + [3] * 20
    last = frame[frame["epoch"] == 3]
    np.testing.assert_array_equal(last["index"], indices)
    scores = rank(train(spec.recipe, task=task_of(spec.recipe.task)), indices)
    np.testing.assert_array_equal(last["accuracy"], scores.accuracy)
    np.testing.assert_array_equal(last["negative_loss"], -scores.loss)
    assert last["arch"].tolist() == [space("nb201").string(arch) for arch in space("nb201").archs(indices).tolist()]
    rows = table.rows(last["arch"].tolist())
    np.testing.assert_array_equal(last["true"], table.accuracy("digits", "test", 5, "mean", rows))
    np.testing.assert_array_equal(last["params"], table.params("digits", rows))


def test_metrics_are_those_of_the_scores(spec, undisturbed):
    result = undisturbed.read(spec.hash)
    frame = result.scores()
    last = frame[frame["epoch"] == 3]
    x, y = last["accuracy"].to_numpy(), last["true"].to_numpy()
    before = frame[frame["epoch"] == 2]
    tau = metrics.kendall_tau(x, y)
    assert result.metrics == {
        "architectures": 20,
        "kendall_tau": tau,
        "kendall_tau_by_epoch": [metrics.kendall_tau(before["accuracy"], before["true"]), tau],
        "spearman": metrics.spearman(x, y),
        "tau_top_10": None,
        "supernet_accuracy": x.mean(),
        "params_tau": metrics.kendall_tau(last["params"], y),
        "accuracy_tau": tau,
        "negative_loss_tau": metrics.kendall_tau(last["negative_loss"], y),
        "sparse_tau@0.1": metrics.sparse_tau_binned(x, y, 0.1),
        "sparse_tau@1": metrics.sparse_tau_binned(x, y, 1),
        "regret@1": metrics.regret_at(x, y, 1),
        "regret@10": metrics.regret_at(x, y, 10),
        "surpass_random": metrics.surpass_random_exact(x, y, 1, 10),
        "quarter_tau": metrics.kendall_tau(last["quarter_accuracy"], y),
    }


def test_scores_of_an_interrupted_run_of_an_earlier_version_are_used(spec, store, stopped):
    path = stopped(spec, store.root) / ".scores-2.parquet"
    _read_scores(path)[SCORE_COLUMNS].to_parquet(path, write_page_checksum=True)
    assert execute(spec, store) == "done"
    known = store.read(spec.hash).scores().groupby("epoch")["quarter_accuracy"].count()
    assert known.to_dict() == {2: 0, 3: 20}


def test_the_ranking_is_by_the_score_that_the_recipe_names(spec, store):
    by_loss = changed(spec, "evaluation.metric=loss")
    assert execute(by_loss, store) == "done"
    result = store.read(by_loss.hash)
    last = result.scores()[lambda frame: frame["epoch"] == 3]
    assert result.metrics["kendall_tau"] == metrics.kendall_tau(last["negative_loss"], last["true"])
    assert result.metrics["kendall_tau"] == result.metrics["negative_loss_tau"] == mean_tau(store)(by_loss)
    assert result.metrics["regret@1"] == metrics.regret_at(last["negative_loss"], last["true"], 1)


def test_the_ledger_counts_what_was_spent(spec, undisturbed):
    ledger = undisturbed.read(spec.hash).ledger
    assert ledger["train_images"] == 3 * 4 * 50
    assert ledger["truth_queries"] == 20
    assert 0 < ledger["score_images"] <= 2 * 20 * 50
    assert ledger["score_images"] % (2 * 50) == 0
    assert ledger["train_seconds"] > 0
    assert ledger["score_seconds"] > 0


def test_landmarks_are_charged_and_left_out_of_the_ranking(spec, store, undisturbed):
    taught = changed(spec, "methods.landmarks.count=30", "methods.landmarks.begin=0")
    assert execute(taught, store) == "done"
    result = store.read(taught.hash)
    ranked, all_of_them = set(result.scores()["index"]), set(undisturbed.read(spec.hash).scores()["index"])
    assert result.ledger["method_queries"] == 30
    assert ranked < all_of_them
    assert len(ranked) == result.metrics["architectures"] == result.ledger["truth_queries"]


def test_progress_grows_to_the_end(spec, store, monkeypatch):
    monkeypatch.setattr(EpochMeter, "INTERVAL", 0)
    told = []
    execute(spec, store, report=lambda share, text: told.append((share, text)))
    shares = [share for share, _ in told]
    assert shares == sorted(shares)
    assert 0 < shares[0] < shares[-1] <= 1
    assert told[0][1].startswith("epoch 1/3, loss ")
    assert told[-1][1] == "scoring"
    assert store.progress(spec.hash) is None


def test_more_last_epochs_than_epochs_are_all_epochs(spec, store):
    short = changed(spec, "training.epochs=1")
    assert execute(short, store) == "done"
    assert store.read(short.hash).scores()["epoch"].unique().tolist() == [1]
    assert len(store.read(short.hash).metrics["kendall_tau_by_epoch"]) == 1


# ---- interruptions ---------------------------------------------------------------------------------------------------


def test_a_run_killed_after_an_epoch_ends_with_the_same_bytes(spec, store, tmp_path):
    long = changed(spec, "training.epochs=12")
    process = begin(make, long.as_dict(), store.root)
    wait_for((store.root / ".work" / long.hash / "checkpoint.pt").exists)
    kill(process)
    assert long.hash not in store
    assert state_of(long, store) == ("missing", "")
    resumed_from = torch.load(store.root / ".work" / long.hash / "checkpoint.pt", weights_only=True)["epoch"]
    assert resumed_from >= 1
    whole = Store(tmp_path / "whole")
    assert execute(long, store) == execute(long, whole) == "done"
    assert outcome(store, long.hash) == outcome(whole, long.hash)
    losses = [[(entry["epoch"], entry["loss"]) for entry in each.read(long.hash).log()] for each in (store, whole)]
    assert losses[0] == losses[1]
    assert store.read(long.hash).ledger["train_images"] == whole.read(long.hash).ledger["train_images"]


class Killed(BaseException):
    pass


@pytest.mark.long
def test_a_run_killed_before_any_step_on_disk_ends_with_the_same_bytes(spec, store, tmp_path, monkeypatch):
    short = replace(changed(spec, "training.epochs=2", "training.batch_size=200", "evaluation.images=20"), sample="5")
    states = []

    def watched(name, method):
        def call(path, *arguments, **options):
            if path.is_relative_to(store.root) and (name != "unlink" or path.exists()):
                states.append(f"{len(states)} {name} {path.name}")
                shutil.copytree(store.root, tmp_path / states[-1])
            return method(path, *arguments, **options)

        return call

    with monkeypatch.context() as patch:
        for name in ("replace", "unlink", "mkdir"):
            patch.setattr(Path, name, watched(name, getattr(Path, name)))
        assert execute(short, store) == "done"
    assert len(states) > 20
    for state in states:
        assert execute(short, killed := Store(tmp_path / state)) == "done", (state, killed.failure(short.hash))
        assert outcome(killed, short.hash) == outcome(store, short.hash), state


def spoilt(path, *places):
    content = bytearray(path.read_bytes())
    for place in places:
        content[int(place * (len(content) - 1))] ^= 4
    path.write_bytes(content)


SPOIL = {
    "cut short": lambda path: path.write_bytes(path.read_bytes()[:-1000]),
    "empty": lambda path: path.write_bytes(b""),
    "something else": lambda path: path.write_bytes(b"something else"),
    "another file": lambda path: torch.save({"epoch": 1}, path),
    "a bit among the weights": lambda path: spoilt(path, 0.3),
    "bits everywhere": lambda path: spoilt(path, *np.linspace(0, 1, 40)),
}


@pytest.fixture(scope="module")
def stopped(tables, tmp_path_factory):
    """Make a store in which a run stopped before its end: the folder of its work."""
    kept = {}

    def stop(spec, root):
        if not kept:
            kept["at"] = Store(tmp_path_factory.mktemp("stopped") / "runs")
            with pytest.MonkeyPatch.context() as patch:

                def gathered(*_):
                    raise Killed

                patch.setattr("supernet.harness.study.make._gathered", gathered)
                with pytest.raises(Killed):
                    execute(spec, kept["at"])
        shutil.copytree(kept["at"].root, root, dirs_exist_ok=True)
        return root / ".work" / spec.hash

    return stop


@pytest.mark.parametrize("how", SPOIL)
@pytest.mark.parametrize("name", ["checkpoint.pt", ".scores-2.parquet"])
def test_damage_to_an_unfinished_run_costs_its_own_work_alone(name, how, spec, store, stopped, undisturbed):
    work = stopped(spec, store.root)
    SPOIL[how](work / name)
    assert execute(spec, store) == "done", store.failure(spec.hash)
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)
    assert len(store.read(spec.hash).log()) == 3


def test_columns_altered_without_a_trace_are_seen(spec, store, stopped, undisturbed):
    path = stopped(spec, store.root) / ".scores-2.parquet"
    pd.read_parquet(path).rename(columns={"accuracy": "eccuracy"}).to_parquet(path)
    assert execute(spec, store) == "done", store.failure(spec.hash)
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)


@pytest.mark.parametrize("error", [torch.OutOfMemoryError("no memory"), OSError(5, "Input/output error")], ids=repr)
def test_an_error_of_the_machine_is_not_taken_for_damage(error, spec, store, stopped, undisturbed, monkeypatch):
    work = stopped(spec, store.root)
    content = (work / "checkpoint.pt").read_bytes()

    def refused(*_, **__):
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(*((regular, "open_plain") if isinstance(error, OSError) else (torch, "load")), refused)
        assert execute(spec, store) == "failed"
    assert (work / "checkpoint.pt").read_bytes() == content
    assert execute(spec, store) == "done"
    assert outcome(store, spec.hash) == outcome(undisturbed, spec.hash)


def test_no_epoch_of_the_log_is_lost_between_checkpoint_and_log(spec, store, monkeypatch):
    write = run_folder.write_log

    def full(run, out):
        if run.epoch == 3:
            raise OSError(28, "No space left on device")
        write(run, out)

    with monkeypatch.context() as patch:
        patch.setattr(run_folder, "write_log", full)
        assert execute(spec, store) == "failed"
    assert execute(spec, store) == "done"
    assert [entry["epoch"] for entry in store.read(spec.hash).log()] == [1, 2, 3]


def test_no_altered_bit_of_a_checkpoint_goes_unseen(spec, store, stopped):
    path = stopped(spec, store.root) / "checkpoint.pt"
    task, content = task_of(spec.recipe.task), path.read_bytes()
    right = start(spec.recipe, task=task)
    run_folder.restore(right, path.parent)
    seen = 0
    for place in np.random.default_rng(0).random(25):
        path.write_bytes(content)
        spoilt(path, place)
        run = start(spec.recipe, task=task)
        try:
            run_folder.restore(run, path.parent)
        except run_folder.DamagedCheckpoint:
            seen += 1
            continue
        assert (run.epoch, run.log) == (right.epoch, right.log)
        for a, b in zip(run.network.state_dict().values(), right.network.state_dict().values(), strict=True):
            assert torch.equal(a, b)
    assert seen > 10


# ---- runs that do not work out ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (["training.learning_rate=1e6"], r"The loss is nan in epoch 1 by step 4: the run diverged. Lower training\."),
        (["training.learning_rate=1e30", "training.epochs=1", "training.batch_size=200"], "Scores are not finite"),
    ],
)
def test_a_diverged_run_says_why_and_is_not_made_again(changes, reason, spec, store, monkeypatch):
    wild = changed(spec, "training.clip=null", *changes)
    assert execute(wild, store) == "diverged"
    state, why = state_of(wild, store)
    assert state == "diverged"
    assert why.startswith(reason.replace("\\", ""))
    assert str(store.root) not in why
    result = store.read(wild.hash)
    assert result.metrics == {}
    assert result.ledger["train_images"] > 0
    assert result.ledger["truth_queries"] == 0
    assert not (result.path / "scores.parquet").exists()
    assert store.whole(wild.hash)
    assert mean_tau(store)(wild) == -1.0
    monkeypatch.setattr("supernet.harness.study.make.train", None)
    assert execute(wild, store) == "diverged"


RAISING = """
from supernet.heuristics.hooks import Method
from supernet.heuristics.registry import method

@method("raising")
class Raising(Method):
    def path_loss(self, ctx, out):
        if ctx.epoch == 1:
            raise RuntimeError("no such luck,\\n  really")
"""


def test_a_run_that_raises_fails_with_its_reason_and_stops_nobody(study, store, tmp_path):
    (tmp_path / "mine.py").write_text(RAISING)
    chosen = study(plugins=["mine.py"], seeds=[0])
    base = chosen.plan()[0][1]
    bad = changed(base, "methods.raising=true")
    assert [execute(spec, store) for spec in (bad, base)] == ["failed", "done"]
    assert state_of(bad, store) == ("failed", "RuntimeError: no such luck, really")
    assert "test_a_run_that_raises" in json.loads((store.root / ".failed" / f"{bad.hash}.json").read_text())["trace"]
    assert store.hashes() == [base.hash]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ("training.batch_size=999", "A batch of 999 cannot be made of 200 training images"),
        ("evaluation.images=51", "evaluation.images is 51, but there are 50 images to score on"),
        ("task.name=cifar10", "cifar-10"),
    ],
)
def test_what_cannot_be_done_fails_with_its_reason(change, reason, spec, store):
    bad = changed(spec, *(change, "task.valid_images=50"))
    assert execute(bad, store) == "failed"
    assert reason in state_of(bad, store)[1]
    assert "Error" not in state_of(bad, store)[1]


def test_a_failure_is_forgotten_when_the_run_is_done(spec, store):
    store.fail(spec.hash, "out of luck")
    assert execute(spec, store) == "done"
    assert store.failure(spec.hash) is None


def test_a_run_of_changed_ground_truth_fails(spec, store, tmp_path, monkeypatch):
    from tiny import write_truth

    monkeypatch.setenv("SUPERNET_DATA", str(tmp_path))
    write_truth(tmp_path, shift=1)
    assert execute(spec, store) == "failed"
    assert "has changed since this run was planned. Plan the run again." in store.failure(spec.hash)


def test_equal_scores_are_still_a_result(spec):
    table = spec.truth.open("nb201")
    indices = spec.architectures(table)
    constant = {"epoch": 1, "index": indices, "accuracy": 10.0, "negative_loss": -2.3, "true": range(20)}
    found = measures(spec, table, pd.DataFrame({**constant, "params": range(20)}))
    assert found["kendall_tau"] == 0.0
    assert found["params_tau"] == 1.0


def test_more_images_than_there_are_are_noticed_before_training(spec, store, monkeypatch):
    monkeypatch.setattr("supernet.harness.study.make.train", None)
    bad = changed(spec, "evaluation.images=51", "task.valid_images=50")
    assert execute(bad, store) == "failed"
    assert "evaluation.images is 51, but there are 50 images to score on" in store.failure(bad.hash)


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (MemoryError(), "Memory ran out. Free some memory, or make"),
        (
            torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB. GPU 0 has 79.1 GiB"),
            "Memory ran out on the GPU when 2.00 GiB more were needed. Free some memory, or make",
        ),
    ],
)
def test_memory_that_runs_out_is_said(spec, store, monkeypatch, error, said):
    def full(*_, **__):
        raise error

    monkeypatch.setattr("supernet.harness.study.make.train", full)
    assert execute(spec, store) == "failed"
    found = store.failure(spec.hash)
    assert found.startswith(f"While this run was made: {said}")
    assert "evaluation.batch_size" in found
    assert "--workers" in found
