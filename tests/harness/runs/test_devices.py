from types import SimpleNamespace

import pytest

from supernet.harness.runs import devices, executors
from supernet.harness.study import running


def results(*names):
    return [SimpleNamespace(environment={"device": name}) for name in names]


def test_runs_on_several_devices_are_named_with_their_numbers():
    assert devices.mixture(results("cpu", "cpu")) is None
    assert devices.mixture([]) is None
    said = devices.mixture(results("cpu", "NVIDIA H100", "cpu"))
    assert "'NVIDIA H100' (1), 'cpu' (2)" in said
    assert len(devices.mixture(results("cpu", "x" * 10_000))) < 1000, "a name from a file is cut"


@pytest.mark.parametrize(("visible", "workers"), [(0, 1), (1, 1), (4, 4)])
def test_there_is_a_worker_for_each_gpu(monkeypatch, visible, workers):
    monkeypatch.setattr("torch.cuda.device_count", lambda: visible)
    assert running.cores("cuda") == workers
    assert running.cores("cuda:1") == 1


def test_workers_take_the_gpus_in_turn(monkeypatch):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 2)
    taken = []
    for number in range(5):
        monkeypatch.setattr(executors, "_worker_number", number)
        taken.append(executors._device_of_worker("cuda"))
    assert taken == ["cuda:0", "cuda:1", "cuda:0", "cuda:1", "cuda:0"]
    assert executors._device_of_worker("cuda:1") == "cuda:1"
