"""What tests of super-nets share: one thread, and weights and images that are the same at every run."""

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    torch.set_num_threads(1)
    torch.manual_seed(0)
