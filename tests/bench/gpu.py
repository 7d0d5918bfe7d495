"""What a GPU does: training and ranking at NAS-Bench-201's own scale, and whether its results are those of a CPU.

    python tests/bench/gpu.py [--out FOLDER]

Needs a CUDA device and no data: images are noise, which costs what real ones do.
"""

import argparse
import json
import time
from pathlib import Path

import numpy as np
import torch
from bench import noise_task

from supernet.benchmarks.spaces import space
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.folder import environment
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.recipe import Recipe

FAIR = ["sampling.law=fair", "sampling.with_none=false"]


def recipe(*changes):
    common = ["network.channels=16", "network.cells=5", "training.batch_size=256", "training.epochs=1"]
    return Recipe().override([*common, *changes])


def epoch_seconds(task, *changes):
    """Seconds of an epoch once graphs are captured and kernels chosen, as the median of three."""
    chosen = recipe("training.epochs=4", *changes)
    run = train(chosen, task=task, device="cuda")
    return float(np.median([entry["seconds"] for entry in run.log[1:]]))


def same_as_on_cpu():
    """Largest difference of logits after a few float32 steps on either device, strictly fair and uniform."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = False
    task = noise_task(32, 512)
    differences = {}
    for name, changes in (("fair, CUDA graph", FAIR), ("uniform", ["sampling.law=uniform"])):
        small = recipe("network.cells=1", "training.batch_size=64", "training.learning_rate=0.01", *changes)
        arch = (3, 2, 1, 4, 3, 2)
        logits = []
        for device in ("cpu", "cuda"):
            run = train(small, task=task, device=device)
            x = torch.randn(64, 3, 32, 32, generator=torch.Generator().manual_seed(0)).to(device)
            with torch.inference_mode():
                run.network.eval()
                logits.append(run.network(x.to(memory_format=torch.channels_last), arch).float().cpu())
        differences[name] = float((logits[0] - logits[1]).abs().max() / logits[0].abs().max())
    return differences


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--archs", type=int, default=15_625)
    arguments = parser.parse_args()
    if not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device here.")
    torch.backends.cudnn.benchmark = True
    found = {"environment": environment("cuda"), "relative difference from a CPU": same_as_on_cpu()}
    task = noise_task(32, 50_000)
    found["seconds of an epoch of 50,000 images"] = {
        "uniform, float32": epoch_seconds(task),
        "uniform, bfloat16": epoch_seconds(task, "training.amp=true"),
        "fair, bfloat16, CUDA graph, split batch": epoch_seconds(
            task, "training.amp=true", "sampling.batch=split", *FAIR
        ),
        "fair, bfloat16, CUDA graph, whole batch": epoch_seconds(task, "training.amp=true", *FAIR),
    }
    images = 10_000
    run = start(
        recipe("training.amp=true", f"evaluation.images={images}", "evaluation.batch_size=2500"),
        task=noise_task(32, images),
        device="cuda",
    )
    chosen = space("nb201").sample(np.random.default_rng(0), arguments.archs)
    rank(run, chosen[:20])
    began = time.perf_counter()
    rank(run, np.sort(chosen))
    torch.cuda.synchronize()
    found[f"seconds to rank {arguments.archs:,} architectures on {images:,} images"] = time.perf_counter() - began
    text = json.dumps(found, indent=1)
    print(text)
    if arguments.out:
        arguments.out.mkdir(parents=True, exist_ok=True)
        (arguments.out / "gpu.json").write_text(text + "\n")


if __name__ == "__main__":
    main()
