"""One file of a user's own, through every command: a sampler, a loss, a heuristic and a search algorithm."""

import json

import numpy as np
import pytest
from click.testing import CliRunner

import supernet as sn
from supernet.benchmarks.spaces import space
from supernet.benchmarks.truth.table import write_table
from supernet.harness.commands.cli import supernet
from supernet.harness.search.algorithms.registry import ALGORITHMS, forget

MINE = '''
import supernet as sn
from supernet.harness.search.algorithms.registry import register_sharing
from supernet.harness.search.picks import BestRandom

@sn.method("lazy", source="me")
class Lazy(sn.Method):
    """Uniform paths, each of which stays for a few steps."""
    stay: int = 2
    """Steps for which a path stays."""
    def plan(self, ctx):
        if ctx.step % self.stay == 0 or not hasattr(self, "_arch"):
            self._arch = tuple(ctx.random(self).integers(ctx.space.cardinalities).tolist())
        return [sn.Path(self._arch)]
    def state_dict(self):
        return {"arch": list(self._arch)}
    def load_state_dict(self, state, ctx):
        self._arch = tuple(state["arch"])

@sn.method("confident", source="me")
class Confident(sn.Method):
    """Adds a penalty on the entropy of predictions."""
    weight: float = 0.1
    """Factor of the penalty."""
    def path_loss(self, ctx, out):
        p = out.logits.softmax(1)
        return -self.weight * (p * p.clamp(min=1e-9).log()).sum(1).mean()

@sn.heuristic("gentle", values=[0.01, 0.02], source="me")
def gentle(rate):
    """Small learning rates without momentum."""
    return [f"training.learning_rate={rate}", "training.momentum=0"]

register_sharing("lazy-ws", ["methods.lazy.stay=3"], BestRandom(4, 2), title="Lazy")
'''
SMALL = [
    "task.name=digits", "task.train_images=64", "task.valid_images=64", "network.channels=4", "network.cells=1",
    "training.epochs=2", "training.batch_size=32", "evaluation.images=64",
]  # fmt: skip


@pytest.fixture(autouse=True)
def _forgotten(registries):
    yield
    if "lazy-ws" in ALGORITHMS:
        forget("lazy-ws")


@pytest.fixture
def file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(MINE)
    (tmp_path / "recipe.yaml").write_text("plugins: [mine.py]\nmethods: [lazy]\n")
    return tmp_path / "mine.py"


@pytest.fixture
def table(tmp_path):
    """Made-up accuracies of the whole space, so that a report of searches has nothing to measure."""
    within, rng = space("nb201"), np.random.default_rng(0)
    columns = {"arch": [within.string(arch) for arch in within.archs().tolist()]}
    columns |= {f"digits.{split}.e1.s0": rng.normal(50, 5, len(within)) for split in ("valid", "test")}
    columns |= {name: rng.uniform(50, 150, len(within)) for name in ("digits.train_seconds.e1", "digits.flops")}
    about = {
        "space": "nb201",
        "family": "made up",
        "accuracy_unit": "percent",
        "recipe": {"task": {"train_images": 500}},
    }
    write_table(tmp_path / "made.parquet", columns, about)
    return tmp_path / "made.parquet"


@pytest.fixture
def no_figures(monkeypatch):
    monkeypatch.setattr("supernet.harness.report.correlation.figures.draw", lambda *_: [])
    for report in ("study", "search"):
        monkeypatch.setattr(f"supernet.harness.report.{report}.figures.draw", lambda *_: {})


def called(*arguments):
    done = CliRunner().invoke(supernet, [str(argument) for argument in arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


@pytest.mark.usefixtures("no_figures")
def test_one_file_trains_ranks_is_swept_in_a_study_and_searches(file, table, tmp_path):
    (tmp_path / "base.yaml").write_text("{}\n")
    options = ["--plugin", file]
    methods = ["methods.lazy.stay=3", "methods.confident.weight=0.5"]
    called("train", "base.yaml", *SMALL, *methods, "--out", "run", *options)
    called("train", "recipe.yaml", *SMALL, "--out", "other")
    called("rank", "run", "--archs", 20, "--resamples", 20)
    assert json.loads((tmp_path / "run" / "metrics.json").read_text())
    (tmp_path / "study.yaml").write_text(
        "plugins: [mine.py]\nspace: nb201\nseeds: [0]\nsample: 20\n"
        "truth: {dataset: digits, split: test, seed: mean}\nrecipe:\n  task: {name: digits, train_images: 64,"
        " valid_images: 64}\n  network: {channels: 4, cells: 1}\n  training: {epochs: 1, batch_size: 32}\n"
        "  evaluation: {images: 64}\nheuristics:\n  confident.weight: [0.5]\n  gentle: [0.02]\n"
    )
    called("study", "run", "study.yaml", "--executor", "process")
    question = "SELECT methods, value FROM runs JOIN recipes USING (hash) WHERE key = 'methods.confident.weight'"
    found = called("query", question, "--format", "csv")
    assert "confident(weight=0.5),0.5" in found
    plan = called("study", "plan", "study.yaml")
    assert "confident.weight=0.5" in plan
    assert "gentle=0.02" in plan
    searched = ["search", "--dataset", "digits", "--algorithms", "lazy-ws", "--budget", "15p", "--seeds", 1]
    shared = [part for change in SMALL for part in ("--set", change)]
    called(*searched, *shared, *options, "--table", table, "--executor", "process")


def test_in_a_session_a_decorated_class_is_enough(tmp_path):
    @sn.method("still")
    class Still(sn.Method):
        """One path, always."""

        option: int = 3

        def plan(self, ctx):
            return [sn.Path((self.option,) * len(ctx.space.decisions))]

    run = sn.train(*SMALL, methods=[{"name": "still", "option": 2}])
    assert run.log[-1]["passes"] == 2
    with pytest.raises(sn.UserError, match="no method 'sitll'; did you mean still"):
        sn.train(*SMALL, methods=["sitll"])


def test_landmarks_are_charged_and_left_out_of_the_ranking():
    run = sn.train(*SMALL, methods=[{"name": "landmarks", "count": 10, "begin": 0}], seed=1)
    assert len(run.run.asked) == 10
    ranked = run.rank(30, resamples=20)
    assert not set(ranked.scores.indices) & set(run.run.asked)
