"""A run of a study or a search that another machine goes on with names both."""

import pytest
from made_up_sharing import FEW, made_truth, spec_of

from supernet.harness.runs.devices import mixture
from supernet.harness.runs.execute import execute
from supernet.harness.search import sharing
from supernet.harness.training import folder as run_folder


class Killed(BaseException):
    pass


def killed(*_):
    raise Killed


@pytest.fixture
def on(monkeypatch, store):
    """Make a run on a machine whose device has this name, perhaps with a function that ends the process."""
    found = run_folder.environment("cpu")

    def on(device, spec, ends=None):
        with monkeypatch.context() as patch:
            patch.setattr(run_folder, "environment", lambda _="cpu": {**found, "device": device})
            if ends:
                patch.setattr(*ends)
                with pytest.raises(Killed):
                    execute(spec, store)
            else:
                assert execute(spec, store) == "done", store.failure(spec.hash)
                return store.read(spec.hash).environment["device"]

    return on


def test_a_run_that_one_machine_trains_and_another_scores_names_both(spec, on):
    on("GPU A", spec, ("supernet.harness.study.make._gathered", killed))
    assert on("GPU B", spec) == "GPU A + GPU B"


def test_a_search_that_two_machines_train_names_both(tmp_path, on):
    def state(run, arch, state=sharing._state):
        return killed() if run.epoch == 2 else state(run, arch)

    search = spec_of("gaea-darts-erm", made_truth(tmp_path), "66p", changes=FEW)
    on("GPU A", search, ("supernet.harness.search.sharing._state", state))
    assert on("GPU B", search) == "GPU A + GPU B"


def test_runs_that_were_each_made_on_two_devices_are_a_mixture(spec, store, on):
    on("GPU A", spec, ("supernet.harness.study.make._gathered", killed))
    on("GPU B", spec)
    assert "different devices: 'GPU A + GPU B' (1)." in mixture([store.read(spec.hash)])


def test_a_run_on_one_device_is_no_mixture(spec, store, on):
    on("GPU A", spec)
    assert mixture([store.read(spec.hash)]) is None
