from dataclasses import replace

from harness.study.estimate import Stopwatch


def test_what_a_distribution_learns_is_timed_whenever_it_begins(spec):
    changes = ["sampling.law=distribution", "distribution.model=softmax", "training.epochs=6"]
    at_once, late = (
        replace(spec, recipe=spec.recipe.override([*changes, f"distribution.start_epoch={epoch}"])) for epoch in (0, 3)
    )
    watch = Stopwatch()
    assert watch.seconds(at_once) > 0
    assert watch.seconds(late) == watch.seconds(at_once)  # the same work, not timed again
