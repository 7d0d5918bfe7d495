"""What a GPU does: whether its results are those of a CPU, and how long training and ranking take.

    python tests/bench/gpu.py [--out FOLDER] [--seconds 170]

Needs torch, NumPy, pandas and SciPy, and no data: images are noise, which costs what real ones do. Results are written
to FOLDER/gpu.json after every step, so that a run that is cut off keeps what it has. Steps that would begin after the
time is over are left out and named. `--device cpu --tiny` tries the script itself.
"""

import argparse
import time
import traceback
from functools import partial
from pathlib import Path

import torch
from bare import commit, noise_task
from gpu_correct import FUSED, ONE_BY_ONE, PLAIN, correctness
from gpu_speed import FAIR, LAWS, bandwidth, epoch, ranking

from supernet.benchmarks.files import write_json
from supernet.harness.supernet.kernels import table
from supernet.harness.training.folder import environment

FULL = {
    "network.channels": 16, "network.cells": 5, "size": 32, "images": 20_000, "batches": (256, 1024), "megabytes": 1024,
    "check": {"network.channels": 16, "network.cells": 1, "training.batch_size": 32},
    "rankings": ((1000, 1000, 200, 100, True), (1000, 1000, 20, 60, False), (10_000, 2500, 30, 8, True)),
}  # fmt: skip
TINY = {
    "network.channels": 4, "network.cells": 1, "size": 8, "images": 320, "batches": (16,), "megabytes": 1,
    "check": {"network.channels": 4, "network.cells": 1, "training.batch_size": 8},
    "rankings": ((20, 10, 3, 5, True),),
}  # fmt: skip
"""Sizes of the network, the images and the batches; of the check against a CPU; and of rankings: images, images of a
batch, blocks, architectures that are also ranked one by one, and whether in bfloat16."""


def steps(sizes, device, seconds_each, results):
    """Name -> function, in order of importance; they read the bandwidth that the first one leaves in `results`."""
    network = {key: value for key, value in sizes.items() if key.startswith("network.")}
    task, small = noise_task(sizes["size"], sizes["images"]), noise_task(sizes["size"], 64)
    found = {
        "bytes per second of a copy": lambda: bandwidth(device, sizes["megabytes"]),
        "relative differences from a CPU": lambda: correctness(small, sizes["check"], device),
    }

    def timed(law, batch, amp, way):
        changes = {**network, **LAWS[law], "training.batch_size": batch, "training.amp": amp}
        return epoch(task, changes, device, way, seconds_each, results["bytes per second of a copy"])

    def ranked(images, batch, blocks, one_by_one, amp):
        changes = {**network, "training.amp": amp, "evaluation.images": images, "evaluation.batch_size": batch}
        copied = results["bytes per second of a copy"]
        return ranking(noise_task(sizes["size"], images), changes, device, blocks, one_by_one, copied)

    first, *others = sizes["batches"]
    trainings = [(law, first, True, way) for way in (FUSED, ONE_BY_ONE) for law in LAWS]
    trainings.append((FAIR, first, True, PLAIN))
    trainings += [(law, first, False, way) for way in (FUSED, ONE_BY_ONE) for law in LAWS]
    trainings += [(law, batch, True, way) for batch in others for way in (FUSED, ONE_BY_ONE) for law in LAWS]
    for law, batch, amp, way in trainings:
        name = f"epoch: {law}, batch {batch:,}, {'bfloat16' if amp else 'float32'}, {way}"
        found[name] = partial(timed, law, batch, amp, way)
    for images, batch, blocks, one_by_one, amp in sizes["rankings"]:
        name = f"ranking on {images:,} images in batches of {batch:,}, {'bfloat16' if amp else 'float32'}"
        found[name] = partial(ranked, images, batch, blocks, one_by_one, amp)
    found["kernels"] = lambda: table(torch.device(device))
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
