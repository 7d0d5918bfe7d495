"""How far training amplifies rounding, and that a GPU differs from a CPU by no more than that.

Differences are those of logits after eight float32 steps, relative to the largest logit.
"""

import pytest
import torch
import torch.nn.functional as F

from supernet.benchmarks.tasks.split import Split
from supernet.benchmarks.tasks.task import Task
from supernet.harness.supernet.kernels import eager
from supernet.harness.training import loop
from supernet.harness.training.run import own_random_numbers, remake, start
from supernet.heuristics.recipe import Recipe

ARCH = (3, 2, 1, 4, 3, 2)
SIZE, BATCH, STEPS = 8, 32, 8
LAWS = {"uniform": [], "fair": ["sampling.law=fair", "sampling.with_none=false"]}
AMPLIFIED = 1e-3
"""Less than any difference that a fault makes here, and more than any that rounding makes."""


def noise():
    generator = torch.Generator().manual_seed(0)
    pixels = torch.randint(256, (BATCH * STEPS, 3, SIZE, SIZE), dtype=torch.uint8, generator=generator)
    labels = torch.randint(10, (BATCH * STEPS,), generator=generator)
    split = Split(pixels.to(memory_format=torch.channels_last), labels)
    return Task("noise", 10, split, split, split, (0.5,) * 3, (0.25,) * 3, 1, True)


def logits(law, *, dtype=torch.float32, device="cpu", change=lambda network: None):
    """Logits of an architecture after the steps."""
    changes = ["network.channels=8", "network.cells=1", f"training.batch_size={BATCH}", "training.epochs=1"]
    run = start(Recipe().override([*changes, "training.learning_rate=0.01", *LAWS[law]]), task=noise(), device=device)
    run.network.to(dtype)
    change(run.network)
    remake(run, restart=False)
    x = torch.randn(BATCH, 3, SIZE, SIZE, generator=torch.Generator().manual_seed(0)).to(device, dtype)
    with own_random_numbers(run.device):
        step = loop.stepper(run)
        loop.begin_epoch(run, 0)
        for _ in loop.batches(run):
            run.context.images = run.context.images.to(dtype)
            step()
            run.context.step += 1
    with torch.inference_mode():
        return run.network(x.to(memory_format=torch.channels_last), ARCH).double().cpu()


def difference(found, wanted):
    return float((found - wanted).abs().max() / wanted.abs().max())


def perturbed(network):
    """Every weight moves by about one unit in its last place."""
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in network.parameters():
            weight.mul_(1 + (torch.randint(2, weight.shape, generator=generator) * 2 - 1) * 1e-7)


def shifted(ctx, grad):
    """The gradient of average pooling with every pixel taking that of its neighbour above and to the left."""
    height, width = grad.shape[2:]
    padded = F.pad(grad * eager._inverse_counts(height, width, grad.device, grad.dtype), (1, 0, 1, 0))
    return eager._window_sum(padded)[:, :, :height, :width]


@pytest.mark.parametrize("law", LAWS)
def test_rounding_changes_trained_logits_little(law):
    single, exact = logits(law), logits(law, dtype=torch.float64)
    assert 0 < difference(single, exact) < AMPLIFIED
    assert 0 < difference(logits(law, change=perturbed), single) < AMPLIFIED


def test_a_wrong_gradient_changes_them_more(monkeypatch):
    right = logits("uniform")
    monkeypatch.setattr(eager._AveragePool, "backward", staticmethod(shifted))
    assert difference(logits("uniform"), right) > 2 * AMPLIFIED


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU")
@pytest.mark.parametrize("law", LAWS)
def test_a_gpu_trains_what_a_cpu_does(law, monkeypatch):
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", False)
    monkeypatch.setattr(torch.backends.cuda.matmul, "allow_tf32", False)
    assert difference(logits(law, device="cuda"), logits(law)) < AMPLIFIED
