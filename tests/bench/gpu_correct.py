"""Whether a GPU computes what a CPU does: one step in float64, the first step and eight steps in float32.

Every figure is the largest difference of an entry, relative to the largest entry. The reference is the CPU, paths one
by one. How far rounding alone goes is shown by the same steps on the CPU in float32 and in float64.
"""

from contextlib import contextmanager

import numpy as np
import torch
from bare import recipe

from supernet.harness.supernet.kernels import use
from supernet.harness.training.loop import static_rule
from supernet.harness.training.run import optimiser_for, start
from supernet.heuristics.methods.steps import Accumulate, Hooks

FUSED, PLAIN, ONE_BY_ONE = "fused kernels", "one computation without fused kernels", "one by one"
"""Ways of taking a step. On a CPU, none has fused kernels; steps of single paths are one computation only with them."""
LAWS = {
    "fair": {"sampling.law": "fair", "sampling.with_none": False},
    "uniform": {"sampling.law": "uniform"},
}
PROBE = (3, 2, 1, 4, 3, 2)
"""The architecture whose logits are compared after eight steps."""


def trained(task, changes, device, dtype, steps, way):
    """Change of all weights over some steps, and the probe's logits afterwards, as float64 on the CPU."""
    chosen = recipe({"training.learning_rate": 0.01, "training.epochs": 1, **changes})
    run = start(chosen, task=task, device=device)
    ctx, device = run.context, run.device
    ctx.network.to(dtype)
    ctx.optimiser = optimiser_for(chosen, list(run.methods.values()), ctx)
    with use("cells=eager" if way == PLAIN else ""):
        rule = (None if way == ONE_BY_ONE else static_rule(chosen, device)) or Accumulate()
    hooks = Hooks(list(run.methods.values()))
    ctx.rng = np.random.default_rng(0)
    generator = torch.Generator().manual_seed(0)
    count, size = chosen.training.batch_size, task.size
    before = weights(ctx.network)
    for _ in range(steps):
        images = torch.randn(count, 3, size, size, dtype=torch.float64, generator=generator)
        ctx.images = images.to(device, dtype).contiguous(memory_format=torch.channels_last)
        ctx.labels = torch.randint(10, (count,), generator=generator).to(device)
        ctx.rows = torch.arange(count, device=device)
        rule.take_step(ctx, run.planner.plan(ctx), hooks)
    ctx.network.eval()
    with torch.inference_mode():
        logits = ctx.network(ctx.images, PROBE).double().cpu()
    return weights(ctx.network) - before, logits


def weights(network):
    return torch.cat([p.detach().double().cpu().flatten() for p in network.parameters()])


def difference(found, reference):
    return float((found - reference).abs().max() / reference.abs().max())


def compare(task, changes, device):
    """Differences of a device from the CPU for one recipe, with each way of taking its steps."""

    def steps(device, way, dtype, count):
        return trained(task, changes, device, dtype, count, way)

    def measured(device, way):
        """What is compared. Fused kernels do not compute in float64."""
        found = {} if way == FUSED else {"gradient in float64": steps(device, way, torch.float64, 1)[0]}
        found["first float32 step"] = steps(device, way, torch.float32, 1)[0]
        found["logits after eight float32 steps"] = steps(device, way, torch.float32, 8)[1]
        return found

    reference = measured("cpu", ONE_BY_ONE)
    exact = steps("cpu", ONE_BY_ONE, torch.float64, 8)[1]
    found = {"rounding on the CPU, eight steps": difference(reference["logits after eight float32 steps"], exact)}
    for way in (ONE_BY_ONE, PLAIN, FUSED):
        for what, value in measured(device, way).items():
            found[f"{way}: {what}"] = difference(value, reference[what])
    return found


def correctness(task, shape, device):
    """Law -> differences of a device from the CPU, without TF32 on the device.

    Args:
        shape: keys of the recipe that set the size of network and batch.
    """
    with without_tf32():
        return {law: compare(task, {**shape, **changes}, device) for law, changes in LAWS.items()}


@contextmanager
def without_tf32():
    """Compute products of float32 values in float32."""
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
