"""The eager references."""

import pytest
import torch
import torch.nn.functional as F

from supernet.harness.supernet.kernels import eager


def test_pooling_without_a_divisor_sums_over_windows():
    """On a GPU the backward pass of average pooling sums so, and on a CPU by a convolution."""
    x = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    torch.testing.assert_close(F.avg_pool2d(x, 3, 1, 1, divisor_override=1), eager._window_sum(x))


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("layout", [torch.channels_last, torch.contiguous_format])
def test_average_pooling_on_a_gpu_has_the_gradient_of_the_cpu(layout):
    x, grad = (torch.randn(2, 16, 7, 5, dtype=torch.float64).to(memory_format=layout) for _ in range(2))
    outputs = []
    for device in ("cuda", "cpu"):
        leaf = x.to(device).requires_grad_()
        y = eager.avg_pool3x3(leaf)
        y.backward(grad.to(device))
        outputs.append((y.detach().cpu(), leaf.grad.cpu()))
    torch.testing.assert_close(*outputs)


def test_paths_of_a_sum_keep_their_terms_apart():
    terms = [torch.full((1, 2, 2, 2), float(10**number)) for number in range(4)]
    sums = eager.routed(terms, torch.tensor([2, 0, -1, 2]), 4)
    assert sums[:, 0, 0, 0, 0].tolist() == [10.0, 0.0, 1001.0, 0.0]
    assert sums[0].is_contiguous(memory_format=torch.channels_last)
