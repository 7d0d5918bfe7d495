"""What tests of runs share: a store of one's own with finished runs."""

import shutil

import pytest

from supernet.harness.runs.store import Store


@pytest.fixture
def copied(undisturbed, tmp_path):
    """A store of its own with the finished runs of the tiny study."""
    shutil.copytree(undisturbed.root, tmp_path / "runs")
    return Store(tmp_path / "runs")
