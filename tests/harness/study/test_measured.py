"""What methods measure in the course of training is part of a run in the store."""

import pytest
from tiny import changed

from supernet.harness.runs.execute import execute
from supernet.harness.runs.store import MEASURED


def test_measurements_are_in_the_run_and_apart_in_its_ledger(spec, store):
    measured = changed(spec, "methods.disturbance.pairs=1", "methods.disturbance.images=20", "training.epochs=2")
    plain = changed(spec, "training.epochs=2")
    for one in (measured, plain):
        assert execute(one, store) == "done", store.failure(one.hash)
    with_rows, without = store.read(measured.hash), store.read(plain.hash)
    frame = with_rows.measured()
    assert sorted(frame["epoch"].unique()) == [1, 2]
    assert set(frame["method"]) == {"disturbance"}
    assert len(frame) == 2 * 5
    assert with_rows.metrics == without.metrics
    assert with_rows.ledger["train_images"] == without.ledger["train_images"]
    assert with_rows.ledger["measure_passes"] == pytest.approx(2 * 5 * 20 * (1 + 2 / 3) / 50)
    assert with_rows.ledger["measure_seconds"] > 0
    assert without.measured().empty
    assert not (without.path / MEASURED).exists()
    assert "measure_seconds" not in without.ledger
