"""What tests of queries share: made-up ground truth as all that there is, and a store with a small study."""

import pytest
from made_up_runs import publish

from supernet.benchmarks.truth import shelf
from supernet.harness.runs.store import Store


@pytest.fixture(autouse=True)
def _ground_truth(made_up, monkeypatch, tmp_path):
    monkeypatch.setenv(shelf.ENVIRONMENT, str(made_up))
    monkeypatch.setattr(shelf, "EMBEDDED", tmp_path / "no embedded tables")


@pytest.fixture
def store(tmp_path):
    return Store(tmp_path / "runs of 50% [x]'s *")


@pytest.fixture
def study(store):
    """A base with three seeds, two changes of which one alters two keys, one diverged run, and another space."""
    for seed, tau in enumerate((0.5, 0.6, 0.7)):
        publish(store, seed=seed, tau=tau, accuracy=50 + seed)
    for seed, tau in enumerate((0.6, 0.8, 0.75)):
        publish(store, "training.learning_rate=0.1", seed=seed, tau=tau, accuracy=70, train_seconds=90 + seed)
    for seed, tau in enumerate((0.3, 0.2)):
        publish(store, "network.bn_track=true", "evaluation.bn=running", seed=seed, tau=tau, accuracy=60)
    publish(store, "network.bn_track=true", "evaluation.bn=running", seed=2, problem="The loss is not finite.")
    for seed in range(2):
        publish(store, seed=seed, within="nb1shot1-1", tau=0.1)
    return store
