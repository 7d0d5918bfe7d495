import pytest
from learned import TINY

from harness.train import start


@pytest.fixture(scope="module")
def digits():
    return start(TINY).task
