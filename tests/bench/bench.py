"""Speed as ratios of runs made side by side on this machine: `make bench`, ranking on all cores, the rest on one.

The compared things take turns, architecture by architecture; of each its median time counts. Ratios are those of
the total times, that is of throughput over the sampled architectures.
"""

import argparse
import os
import resource
import time

import numpy as np
import torch
import torch.nn.functional as F
from bare import noise_task
from plain import PlainTrainer

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201 import CONV1X1, CONV3X3
from supernet.harness.scoring.supernet import rank
from supernet.harness.supernet.nb201.plan import program
from supernet.harness.training.run import start
from supernet.heuristics.methods.steps import Accumulate, Hooks
from supernet.heuristics.recipe import Recipe

SETTINGS = {"C=16 N=5 32x32 batch 64": (16, 5, 32, 64), "C=8 N=1 16x16 batch 128": (8, 1, 16, 128)}


class OurTrainer:
    """One step of the loop in harness/training/loop.py, as the loop takes it."""

    def __init__(self, channels, cells, size, batch):
        changes = [f"network.channels={channels}", f"network.cells={cells}", f"training.batch_size={batch}"]
        recipe = Recipe().override(changes)
        run = start(recipe, task=noise_task(size, batch))
        self.ctx, self.sampler = run.context, run.planner
        self.ctx.rng, self.ctx.rows = np.random.default_rng(0), torch.arange(batch)
        self.rule, self.hooks = Accumulate(), Hooks(list(run.methods.values()))

    def step(self, x, y, plan=None):
        self.ctx.images, self.ctx.labels = x, y
        self.rule.take_step(self.ctx, plan or self.sampler.plan(self.ctx), self.hooks)


class Roofline:
    """Forward and backward of the convolutions alone that a step of ours computes."""

    def __init__(self, channels, cells, size, batch):
        self.cells, self.size, self.batch = cells, size, batch
        self.widths = [channels * 2**stage for stage in range(3)]
        self.tensors = {}

    def conv(self, inputs, outputs, kernel, stride, size):
        key = (inputs, outputs, kernel, stride, size)
        if key not in self.tensors:
            layout = {"memory_format": torch.channels_last}
            x = torch.randn(self.batch, inputs, size, size).to(**layout).requires_grad_(inputs != 3)
            w = torch.randn(outputs, inputs, kernel, kernel).to(**layout).requires_grad_()
            g = torch.randn(self.batch, outputs, size // stride, size // stride).to(**layout)
            self.tensors[key] = (x, w, g)
        x, w, g = self.tensors[key]
        out = F.conv2d(x, w, stride=stride, padding=kernel // 2)
        torch.autograd.grad(out, [t for t in (x, w) if t.requires_grad], g)

    def step(self, arch):
        live = [op for plan in program(arch) if plan for _, _, op in plan.convs]
        kernels = [3] * live.count(CONV3X3) + [1] * live.count(CONV1X1)
        self.conv(3, self.widths[0], 3, 1, self.size)
        for stage, width in enumerate(self.widths):
            size = self.size >> stage
            if stage:
                self.conv(width // 2, width, 3, 2, 2 * size)
                self.conv(width, width, 3, 1, size)
                self.conv(width // 2, width, 1, 2, 2 * size)
            for _ in range(self.cells):
                for kernel in kernels:
                    self.conv(width, width, kernel, 1, size)


def timed(call):
    begin = time.perf_counter()
    call()
    return time.perf_counter() - begin


def bench_training(rounds):
    print("Training of the NAS-Bench-201 super-net, uniform sampling, one thread")
    for name, (channels, cells, size, batch) in SETTINGS.items():
        ours = OurTrainer(channels, cells, size, batch)
        plain = PlainTrainer(channels, cells, 10, 0)
        roof = Roofline(channels, cells, size, batch)
        x, y = torch.randn(batch, 3, size, size), torch.randint(10, (batch,))
        fast = x.to(memory_format=torch.channels_last)
        plans = [ours.sampler.plan(ours.ctx) for _ in range(12 if channels == 16 else 60)]
        arch = []
        plain.random.choice = lambda _, arch=arch: arch.pop()
        times = np.empty((rounds, len(plans), 3))
        for row in [times[0], *times]:  # the first to warm up
            for cell, plan in zip(row, plans, strict=True):
                routing = plan[0].routing
                arch[:] = reversed(routing)
                cell[:] = (
                    timed(lambda plan=plan: ours.step(fast, y, plan)),
                    timed(lambda: plain.step(x, y)),
                    timed(lambda routing=routing: roof.step(routing)),
                )
        mine, theirs, convolutions = np.median(times, axis=0).sum(0)
        low, high = np.quantile(times[:, :, 1].sum(1) / times[:, :, 0].sum(1), [0, 1])
        print(
            f"  {name}: {theirs / mine:.2f} x plain eager code [{low:.2f}, {high:.2f} over rounds]; "
            f"{100 * convolutions / mine:.0f} % of the convolution roofline"
        )


def ranking_run(images):
    recipe = Recipe().override(
        ["network.channels=8", "network.cells=1", f"evaluation.images={images}", f"evaluation.batch_size={images}"]
    )
    return start(recipe, task=noise_task(16, images))


def bench_ranking(archs):
    torch.set_num_threads(os.cpu_count() or 1)
    print(f"Ranking with a C=8 N=1 16x16 super-net on 512 images, {torch.get_num_threads()} threads")
    run = ranking_run(512)
    within = space("nb201")
    x = torch.randn(512, 3, 16, 16).to(memory_format=torch.channels_last)
    sample = within.archs(within.sample(np.random.default_rng(0), 150)).tolist()

    def loop():
        with torch.inference_mode():
            run.network.eval()
            return timed(lambda: [run.network(x, tuple(arch)) for arch in sample]) / len(sample)

    loop()
    indices = np.arange(len(within)) if archs is None else within.sample(np.random.default_rng(1), archs)
    before, seconds, after = loop(), timed(lambda: rank(run, indices)), loop()
    single = (before + after) / 2
    print(f"  {len(indices):,} architectures: {single * len(indices) / seconds:.2f} x a loop of single forward passes")
    torch.set_num_threads(1)


def bench_growth():
    print("Ranking as images and architectures double: seconds (linear is 1, 2, 4) and peak memory (flat is 1, 1, 1)")
    within = space("nb201")
    for what, sizes in (("images", (128, 256, 512)), ("architectures", (400, 800, 1600))):
        seconds, peaks = [], []
        for size in sizes:
            run = ranking_run(size if what == "images" else 128)
            count = 400 if what == "images" else size
            # Batches of one size: the work per image must not depend on how many there are.
            run.recipe = run.recipe.override(["evaluation.batch_size=128"])
            indices = within.sample(np.random.default_rng(0), count)
            rank(run, indices[:5])
            seconds.append(timed(lambda: rank(run, indices)))
            peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
        grown = ", ".join(f"{s / seconds[0]:.2f}" for s in seconds)
        print(f"  {what} {sizes}: {grown}; peak memory {', '.join(f'{m / peaks[0]:.2f}' for m in peaks)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--archs", type=int, help="architectures to rank (default: all 15,625)")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    bench_training(arguments.rounds)
    bench_ranking(arguments.archs)
    bench_growth()


if __name__ == "__main__":
    main()
