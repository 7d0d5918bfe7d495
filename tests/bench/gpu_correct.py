"""Whether a GPU computes what a CPU does: one step in float64, the first step and eight steps in float32.

Every figure is the largest difference of an entry, relative to the largest entry. The reference is the CPU, paths one
by one. How far rounding alone goes is shown by the same steps on the CPU in float32 and in float64.
"""

import numpy as np
import torch
from bare import recipe

from supernet.harness.training.loop import static_rule
from supernet.harness.training.run import optimiser_for, start
from supernet.heuristics.methods.steps import Accumulate, Hooks

LAWS = {
    "fair": {"sampling.law": "fair", "sampling.with_none": False},
    "uniform": {"sampling.law": "uniform"},
}
PROBE = (3, 2, 1, 4, 3, 2)
"""The architecture whose logits are compared after eight steps."""


def trained(task, changes, device, dtype, steps, static):
    """Change of all weights over some steps, and the probe's logits afterwards, as float64 on the CPU."""
    chosen = recipe({"training.learning_rate": 0.01, "training.epochs": 1, **changes})
    run = start(chosen, task=task, device=device)
    ctx, device = run.context, run.device
    ctx.network.to(dtype)
    ctx.optimiser = optimiser_for(chosen, list(run.methods.values()), ctx)
    rule = static_rule(chosen, capture=device.type == "cuda") if static else Accumulate()
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
    """Differences of a device from the CPU for one recipe, with paths one by one and as a static computation."""

    def steps(device, dtype, count, static):
        return trained(task, changes, device, dtype, count, static)

    reference = {
        "gradient in float64": steps("cpu", torch.float64, 1, False)[0],
        "first float32 step": steps("cpu", torch.float32, 1, False)[0],
        "logits after eight float32 steps": steps("cpu", torch.float32, 8, False)[1],
    }
    exact = steps("cpu", torch.float64, 8, False)[1]
    found = {"rounding on the CPU, eight steps": difference(reference["logits after eight float32 steps"], exact)}
    for static in (False, True):
        name = "static" if static else "one by one"
        values = (
            steps(device, torch.float64, 1, static)[0],
            steps(device, torch.float32, 1, static)[0],
            steps(device, torch.float32, 8, static)[1],
        )
        for (what, expected), value in zip(reference.items(), values, strict=True):
            found[f"{name}: {what}"] = difference(value, expected)
    return found


def correctness(task, shape, device):
    """Law -> differences of a device from the CPU, without TF32 on the device.

    Args:
        shape: keys of the recipe that set the size of network and batch.
    """
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    try:
        return {law: compare(task, {**shape, **changes}, device) for law, changes in LAWS.items()}
    finally:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = before
