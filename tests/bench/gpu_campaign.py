"""Trains a super-net at NAS-Bench-201's own scale for a given time, and scores all its 15,625 architectures.

    python tests/bench/gpu_campaign.py RECIPE --out FOLDER --seconds 500 [--this-call 280] [--data FOLDER]

Needs torch, NumPy and pandas, and CIFAR-10 in the data folder (--data or SUPERNET_DATA, which holds
cifar-10-batches-py). RECIPE is one of the names below; --list shows them.

The first call measures what an epoch and the scoring cost, and writes FOLDER/plan.json: as many epochs as fit into
--seconds, with a learning rate that falls as a cosine over exactly these. A call that ends early, after --this-call
seconds or for any other reason, is continued by the same command, which follows that plan. FOLDER/run is a run folder
like that of `supernet train`, with log and checkpoint. At the end, FOLDER has scores.csv and scores.npz (index, arch,
accuracy, negative_loss) and provenance.json (recipe, environment, seconds, digests).

Elsewhere, with the whole project and its ground truth, these commands turn scores into a report:

    supernet correlate --space nb201 --scores FOLDER/scores.csv --dataset cifar10 --split test --epochs 200 --out report
    supernet score nb201 --with live-params,jacob-cov --draws 4 --out free.parquet
    supernet fuse free.parquet FOLDER/scores.csv --space nb201 --rule free-1+supernet --trained negative_loss \
        --out fused.csv
    supernet correlate --space nb201 --scores fused.csv --dataset cifar10 --split test --epochs 200 --out fused
"""

import argparse
import hashlib
import json
import os
import tempfile
import time
from pathlib import Path

import numpy as np
from bare import commit, noise_task, recipe, synchronise

from supernet.benchmarks.files import whole, write_json
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.task import load_task
from supernet.harness.scoring.ranked import frame_of
from supernet.harness.scoring.supernet import rank
from supernet.harness.training.folder import environment, read_log, save
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.harness.training.trial import epoch_cost
from supernet.heuristics.recipe import from_dict

FAIR = {"sampling.law": "fair", "sampling.with_none": False}
STRONG = {"training.learning_rate": 0.2, "training.weight_decay": 7.5e-5}
RECIPES = {
    "fair-split": {**FAIR, **STRONG, "sampling.batch": "split"},
    "fair-split-large": {**FAIR, **STRONG, "sampling.batch": "split", "training.batch_size": 1024},
    "fair-whole": {**FAIR, **STRONG},
    "fair-none": {**STRONG, "sampling.law": "fair", "sampling.batch": "split", "training.batch_size": 320},
    "uniform": {"training.learning_rate": 0.1},
    "uniform-without-none": {"training.learning_rate": 0.1, "sampling.with_none": False},
}
"""Name -> what a recipe sets beside COMMON. `fair-split` ranked best of three that were compared at 20 epochs."""
COMMON = {
    "network.channels": 16, "network.cells": 5, "training.batch_size": 256, "training.final_learning_rate": 0.0,
    "training.nesterov": True, "training.amp": True, "evaluation.images": 1000, "evaluation.batch_size": 1000,
}  # fmt: skip
TINY = {
    "network.channels": 4, "network.cells": 1, "training.batch_size": 20, "evaluation.images": 20,
    "evaluation.batch_size": 20,
}  # fmt: skip
SPARE = 0.92
"""Share of the given seconds that the plan fills, because measured times vary."""
TRIAL_STEPS = 20


class Over(Exception):
    """The time of this call is over."""


def planned(name, given, task, archs, began):
    """The plan of a campaign: its recipe with as many epochs as fit into the given seconds."""
    shape = TINY if given.tiny else {}
    chosen = {**COMMON, **RECIPES[name], **shape, "seed": given.seed}
    if given.images:
        chosen["evaluation.images"] = given.images
        chosen["evaluation.batch_size"] = min(given.images, 2500)
    epochs = given.epochs
    measured = {}
    if epochs is None:
        one = recipe({**chosen, "training.epochs": 1})
        measured["seconds of an epoch"] = epoch_cost(
            one, task=task, device=given.device, steps=TRIAL_STEPS
        ).whole.seconds
        measured["seconds of a checkpoint"] = saving_seconds(one, task, given)
        measured["seconds of scoring"] = scoring_seconds(one, task, given.device, archs)
        left = SPARE * given.seconds - (time.perf_counter() - began) - measured["seconds of scoring"]
        epochs = max(1, int(left / (measured["seconds of an epoch"] + measured["seconds of a checkpoint"])))
    return {"name": name, "recipe": recipe({**chosen, "training.epochs": epochs}).as_dict(), **measured}


def saving_seconds(chosen, task, given):
    """Seconds of writing a checkpoint, which every epoch does."""
    run = start(chosen, task=task, device=given.device)
    with tempfile.TemporaryDirectory(dir=given.out) as folder:
        began = time.perf_counter()
        save(run, Path(folder))
        return time.perf_counter() - began


def scoring_seconds(chosen, task, device, archs):
    """Seconds of scoring the architectures, from that of a part of them."""
    run = start(chosen, task=task, device=device)
    part = archs[:: max(1, len(archs) // 40)]
    rank(run, part)
    synchronise(device)
    began = time.perf_counter()
    scores = rank(run, part)
    synchronise(device)
    members = np.unique(space("nb201").same_computation(archs))
    return (time.perf_counter() - began) * len(members) / scores.distinct


def trained(chosen, task, out, device, deadline):
    """The trained run; raises Over if time is over before it is, after which the last whole epoch is kept."""

    def tell(progress):
        if time.perf_counter() > deadline:
            raise Over(f"{progress.epoch} of {chosen.training.epochs} epochs are done")

    return train(chosen, out / "run", task=task, device=device, resume=True, progress=tell)


def write_scores(run, scores, plan, out, spent):
    """Write scores and what they come from, each file whole or not at all."""
    frame = frame_of(space("nb201"), scores)
    with whole(out / "scores.csv") as partial:
        frame.to_csv(partial, index=False)
    with whole(out / "scores.npz") as partial, partial.open("wb") as file:
        np.savez(file, indices=scores.indices, loss=scores.loss, accuracy=scores.accuracy)
    files = ("scores.csv", "scores.npz", "run/checkpoint.pt", "run/log.jsonl")
    write_json(
        out / "provenance.json",
        {
            "plan": plan,
            "recipe": run.recipe.hash,
            "commit": commit(),
            "environment": environment(run.device),
            "scored": {"architectures": len(frame), "distinct": scores.distinct, "images": scores.images},
            "seconds": {
                "training": sum(entry["seconds"] for entry in read_log(out / "run")),
                "scoring": scores.seconds,
                "last call": spent(),
            },
            "sha256": {name: hashlib.sha256((out / name).read_bytes()).hexdigest() for name in files},
        },
    )


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("recipe", nargs="?", choices=RECIPES)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--data", help="folder with cifar-10-batches-py (default: SUPERNET_DATA)")
    parser.add_argument("--seconds", type=float, default=500.0, help="for the whole campaign")
    parser.add_argument("--this-call", type=float, help="seconds after which this call ends (default: --seconds)")
    parser.add_argument("--epochs", type=int, help="plan this many epochs instead of as many as fit")
    parser.add_argument("--images", type=int, help="validation images to score on (default: 1,000)")
    parser.add_argument("--archs", type=int, help="score only the first architectures, for a trial")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="noise and a tiny network, to try the script itself")
    parser.add_argument("--list", action="store_true", help="list the recipes")
    given = parser.parse_args(arguments)
    if given.list:
        print("\n".join(f"{name}: {changes}" for name, changes in RECIPES.items()))
        return
    if given.recipe is None or given.out is None:
        parser.error("give a recipe and --out FOLDER")
    began = time.perf_counter()
    if given.data:
        os.environ["SUPERNET_DATA"] = given.data
    task = (noise_task(8, 60) if given.tiny else load_task("cifar10")).to(given.device)
    archs = np.arange(len(space("nb201")))[: given.archs]
    given.out.mkdir(parents=True, exist_ok=True)
    if not (given.out / "plan.json").exists():
        write_json(given.out / "plan.json", planned(given.recipe, given, task, archs, began))
    plan = json.loads((given.out / "plan.json").read_text())
    if plan["name"] != given.recipe:
        raise SystemExit(f"{given.out} is a campaign of the recipe {plan['name']}: choose another --out.")
    chosen = from_dict(plan["recipe"])
    deadline = began + (given.this_call or given.seconds)

    def within_time(*_):
        if time.perf_counter() > deadline:
            raise KeyboardInterrupt  # on which a ranking keeps what it has

    try:
        run = trained(chosen, task, given.out, given.device, deadline)
        scores = rank(run, archs, out=given.out / "run", progress=within_time)
    except (Over, KeyboardInterrupt) as why:
        print(f"Time is over ({why or 'scoring has begun'}): the same command goes on from here.")
        return
    write_scores(run, scores, plan, given.out, lambda: time.perf_counter() - began)
    mean = scores.accuracy.mean()
    print(f"{given.out / 'scores.csv'}: {len(archs):,} scores after {run.epoch} epochs, mean accuracy {mean:.2f} %")


if __name__ == "__main__":
    main()
