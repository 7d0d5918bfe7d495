from dataclasses import replace

from supernet.harness.study.estimate import Stopwatch, busy


def test_what_a_distribution_learns_is_timed_whenever_it_begins(spec):
    changes = ["sampling.law=distribution", "distribution.model=softmax", "training.epochs=6"]
    at_once, late = (
        replace(spec, recipe=spec.recipe.override([*changes, f"distribution.start_epoch={epoch}"])) for epoch in (0, 3)
    )
    watch = Stopwatch()
    assert watch.seconds(at_once) > 0
    assert watch.seconds(late) == watch.seconds(at_once)  # the same work, not timed again


def test_a_busy_machine_is_named(monkeypatch):
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    monkeypatch.setattr("os.getloadavg", lambda: (6.2, 0, 0))
    assert busy() == "The machine is busy (load 6.2 on 2 cores): the estimates are too long."
    monkeypatch.setattr("os.getloadavg", lambda: (3.0, 9, 9))
    assert busy() is None
