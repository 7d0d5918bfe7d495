import pytest
from learned import TINY

from supernet.harness.training.run import start


@pytest.fixture(scope="module")
def digits():
    return start(TINY).task
