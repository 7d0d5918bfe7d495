"""Times on a device: copies, steps of training, and rankings one by one and in blocks."""

import time

import numpy as np
import torch
from bare import recipe, synchronise
from gpu_correct import ONE_BY_ONE, PLAIN, without_tf32
from scipy.stats import kendalltau

from supernet.benchmarks.spaces import space
from supernet.harness.scoring.supernet import rank
from supernet.harness.supernet.kernels import use
from supernet.harness.supernet.nb201.blocks import packed
from supernet.harness.training.loop import batches, begin_epoch, static_rule
from supernet.harness.training.run import start
from supernet.heuristics.methods.steps import Accumulate, Hooks

FAIR = "fair, split batch"
LAWS = {
    FAIR: {"sampling.law": "fair", "sampling.with_none": False, "sampling.batch": "split"},
    "uniform": {"sampling.law": "uniform"},
}
EPOCH = 50_000
"""Images of an epoch."""
WARM_UP = 6
"""Steps before steps are timed; a static step is captured within them."""


def bandwidth(device, megabytes):
    """Bytes per second that a copy reads and writes."""
    x = torch.empty(megabytes << 18, dtype=torch.float32, device=device)
    y = torch.empty_like(x)
    y.copy_(x)
    seconds = []
    for _ in range(5):
        synchronise(device)
        began = time.perf_counter()
        for _ in range(10):
            y.copy_(x)
        synchronise(device)
        seconds.append((time.perf_counter() - began) / 10)
    return 2 * x.nbytes / float(np.median(seconds))


def least_bytes(channels, cells, size, amp, backward=True):
    """Bytes of memory traffic per image and path that fused kernels would need: a bound from below.

    A strictly fair path has on average, of six edges, three convolutions and three skip connections or poolings. A
    convolution reads its input and writes its output, which is read again to be normalised and added; its backward pass
    reads gradient and output for the sums of batch norm and once more, reads the input for the kernel's gradient, and
    writes the input's gradient: 3 and 6 passes over the activations. Another edge reads its input and writes its
    gradient. Each of three nodes is written, and its gradient written and read. Stem, reductions and head are left out.
    """
    forward = 3 * 3 + 3 * 1 + 3
    passes = forward + (3 * 6 + 3 * 1 + 3 * 2 if backward else 0)
    activations = sum(channels * 2**stage * (size >> stage) ** 2 for stage in range(3))
    return passes * cells * activations * (2 if amp else 4)


def step_seconds(task, changes, device, way, seconds):
    """Median seconds of a step once it is warm, of what comes before, and the peak memory in GiB, None on a CPU."""
    began = time.perf_counter()
    chosen = recipe({"training.epochs": 1, **changes})
    run = start(chosen, task=task, device=device)
    with use("cells=eager" if way == PLAIN else ""):
        rule = (None if way == ONE_BY_ONE else static_rule(chosen, run.device)) or Accumulate()
    hooks, ctx = Hooks(list(run.methods.values())), run.context
    begin_epoch(run, 0)
    run.network.train()
    cuda = run.device.type == "cuda"
    if cuda:
        torch.cuda.reset_peak_memory_stats()
    times, warm = [], None
    for number, _ in enumerate(batches(run)):
        if number == WARM_UP:
            synchronise(device)
            warm = time.perf_counter()
        rule.take_step(ctx, run.planner.plan(ctx), hooks)
        ctx.step += 1
        if warm is not None and (number - WARM_UP) % 10 == 9:  # waiting for every step would hide launches
            synchronise(device)
            times.append((time.perf_counter() - warm) / (number - WARM_UP + 1))
            if time.perf_counter() - warm > seconds:
                break
    if not times:
        raise ValueError("the task has too few images to time a step")
    return times[-1], warm - began, torch.cuda.max_memory_allocated() / 2**30 if cuda else None


def epoch(task, changes, device, way, seconds, copied):
    """Seconds of an epoch of 50,000 images, memory, and the share of the bound by memory traffic.

    Args:
        copied: bytes per second of a copy.
    """
    found, first, memory = step_seconds(task, changes, device, way, seconds)
    chosen = recipe(changes)
    network, amp = chosen.network, chosen.training.amp
    bound = least_bytes(network.channels, network.cells, task.size, amp) * EPOCH / copied
    whole = found * EPOCH / chosen.training.batch_size
    return {"seconds": whole, "seconds before": first, "peak GiB": memory, "share of the bound": bound / whole}


def ranking(task, changes, device, blocks, one_by_one, copied):
    """Times of a ranking in blocks and one architecture after the other, and how far scores differ; without TF32.

    Args:
        blocks: number of blocks of the packed space to score.
        one_by_one: number of their architectures to score one after the other.
    """
    chosen = recipe(changes)
    run = start(chosen, task=task, device=device)
    within = space("nb201")
    members = np.unique(within.same_computation(np.arange(len(within))))
    archs = [tuple(arch) for arch in within.archs(members).tolist()]
    places = [place for block in packed(archs)[:blocks] for place in block]
    indices = np.sort(members[places])
    found = {"architectures": len(indices), "one by one": min(one_by_one, len(indices))}
    found["images"] = chosen.evaluation.images
    losses = {}
    every = {True: len(packed(archs)) / blocks, False: len(members) / found["one by one"]}
    for name, in_blocks in (("in blocks", True), ("one by one", False)):
        scored = indices if in_blocks else indices[: found["one by one"]]
        rank(run, indices[:8], in_blocks=in_blocks)
        synchronise(device)
        began = time.perf_counter()
        with without_tf32():
            losses[name] = rank(run, scored, in_blocks=in_blocks).loss
        synchronise(device)
        spent = time.perf_counter() - began
        found[f"seconds {name}"] = spent
        found[f"seconds of the whole space {name}"] = spent * every[in_blocks]
    network, amp = chosen.network, chosen.training.amp
    forward = least_bytes(network.channels, network.cells, task.size, amp, backward=False)
    bound = forward * len(indices) * chosen.evaluation.images / copied
    found["share of the bound in blocks"] = bound / found["seconds in blocks"]
    both = losses["in blocks"][: found["one by one"]], losses["one by one"]
    found["largest difference of losses"] = float(np.abs(both[0] - both[1]).max())
    found["standard deviation of losses"] = float(both[1].std())
    found["tau between the two rankings"] = float(kendalltau(*both)[0])
    return found
