"""What a GPU does: whether its results are those of a CPU, and how long training and ranking take.

    python tests/bench/gpu.py [--out FOLDER] [--seconds 170]

Needs torch, NumPy and pandas, and no data: images are noise, which costs what real ones do. Results are written to
FOLDER/gpu.json after every step, so that a run that is cut off keeps what it has. Steps that would begin after the time
is over are left out and named. `--device cpu --tiny` tries the script itself.
"""

import argparse
import time
import traceback
from functools import partial
from pathlib import Path

import torch
from bare import commit, noise_task
from gpu_correct import correctness
from gpu_speed import LAWS, bandwidth, epoch, ranking

from supernet.benchmarks.files import write_json
from supernet.harness.supernet.kernels import table, use, without_triton
from supernet.harness.training.folder import environment

FULL = {
    "network.channels": 16, "network.cells": 5, "size": 32, "images": 20_000, "batches": (256, 1024), "megabytes": 1024,
    "check": {"network.channels": 16, "network.cells": 1, "training.batch_size": 64}, "rankings": ((1000, 1000, 100),
    (10_000, 2500, 40)),
}  # fmt: skip
TINY = {
    "network.channels": 4, "network.cells": 1, "size": 8, "images": 320, "batches": (16,), "megabytes": 1,
    "check": {"network.channels": 4, "network.cells": 1, "training.batch_size": 8}, "rankings": ((20, 10, 3),),
}  # fmt: skip
"""Sizes of the network, the images and the batches; of the check against a CPU; and of rankings: images, images of a
batch, blocks."""


def kernels(device):
    """The table of the project's own kernels; what torch compiles takes too long here."""
    return table(device, candidates=("eager", "triton"))


def with_triton(call):
    """The result of a call for which kernels in Triton are chosen, or why they cannot be."""
    if missing := without_triton():
        return missing
    with use("triton"):
        return call()


def steps(sizes, device, seconds_each, results):
    """Name -> function, in order of importance; they read the bandwidth that the first one leaves in `results`."""
    network = {key: value for key, value in sizes.items() if key.startswith("network.")}
    task, small = noise_task(sizes["size"], sizes["images"]), noise_task(sizes["size"], 64)
    found = {
        "bytes per second of a copy": lambda: bandwidth(device, sizes["megabytes"]),
        "relative differences from a CPU": lambda: correctness(small, sizes["check"], device),
    }

    def timed(changes, static):
        copied = results["bytes per second of a copy"]
        return epoch(task, {**network, **changes}, device, static, seconds_each, copied)

    def ranked(images, batch, blocks):
        changes = {"training.amp": True, "evaluation.images": images, "evaluation.batch_size": batch}
        noise = noise_task(sizes["size"], images)
        return ranking(noise, {**network, **changes}, device, blocks, results["bytes per second of a copy"])

    for number, (images, batch, blocks) in enumerate(sizes["rankings"]):
        if number == 0:
            found[f"ranking on {images:,} images in batches of {batch:,}"] = partial(ranked, images, batch, blocks)
    for batch in sizes["batches"]:
        for law, changes in LAWS.items():
            for precision in ("bfloat16", "float32"):
                for static in (True, False):
                    name = f"epoch: {law}, batch {batch:,}, {precision}, {'static' if static else 'one by one'}"
                    settings = {"training.batch_size": batch, "training.amp": precision == "bfloat16", **changes}
                    found[name] = partial(timed, settings, static)
    for batch in sizes["batches"]:
        for law, changes in LAWS.items():
            settings = {"training.batch_size": batch, "training.amp": True, **changes}
            name = f"epoch: {law}, batch {batch:,}, bfloat16, static, kernels in Triton"
            found[name] = partial(with_triton, partial(timed, settings, True))
    found["differences from a CPU, kernels in Triton"] = partial(
        with_triton, partial(correctness, small, sizes["check"], device)
    )
    found["kernels"] = lambda: kernels(torch.device(device))
    for images, batch, blocks in sizes["rankings"][1:]:
        found[f"ranking on {images:,} images in batches of {batch:,}"] = partial(ranked, images, batch, blocks)
    return found


def attempted(call):
    """The result of a step, or the last line of its error: one step must not take the others with it."""
    try:
        return call()
    except Exception as error:
        traceback.print_exc()
        return {"error": f"{type(error).__name__}: {str(error)[:300]}"}


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path("results/gpu"))
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true")
    parser.add_argument("--seconds", type=float, default=170.0)
    given = parser.parse_args(arguments)
    began = time.perf_counter()
    if torch.device(given.device).type == "cuda" and not torch.cuda.is_available():
        raise SystemExit("There is no CUDA device here; --device cpu --tiny tries the script itself.")
    given.out.mkdir(parents=True, exist_ok=True)
    results = {"environment": environment(given.device), "commit": commit(), "seconds": {}, "left out": []}
    for name, call in steps(TINY if given.tiny else FULL, given.device, 0.1 if given.tiny else 1.0, results).items():
        started = time.perf_counter()
        if started - began > given.seconds:
            results["left out"].append(name)
        else:
            results[name] = attempted(call)
            results["seconds"][name] = time.perf_counter() - started
            print(f"{time.perf_counter() - began:6.1f} s  {name}: {results[name]}", flush=True)
        write_json(given.out / "gpu.json", results)
    print(f"{given.out / 'gpu.json'}: {len(results['left out'])} steps left out for lack of time")


if __name__ == "__main__":
    main()
