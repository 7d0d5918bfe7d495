"""What readers see of a store while other processes publish runs, move them aside, or look at them, too."""

from supernet.harness.runs.execute import execute
from supernet.harness.runs.state import state_of
from supernet.harness.runs.store import Store


def test_a_run_that_is_published_between_two_looks_is_done(spec, store, monkeypatch):
    held = Store.held

    def publishing(self, run):
        """The maker publishes the run and lets go of it just before a reader asks whether it is held."""
        assert execute(spec, store) == "done"
        return held(self, run)

    monkeypatch.setattr(Store, "held", publishing)
    assert state_of(spec, store) == ("done", "")
