"""What the page of a study is made from, made up: 11 settings, two of them unfinished, and 300 architectures."""

import matplotlib as mpl
import numpy as np
from scipy.stats import kendalltau

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.nb201 import OPS
from supernet.harness.correlation.report import Ceiling
from supernet.harness.report.html.points import Scatter, Scores
from supernet.harness.report.study.content import Answer, Changed, Methods
from supernet.harness.report.style import PALETTE, paper, save
from supernet.harness.statistics.blocks import Blocked
from supernet.harness.statistics.seeds import Difference, Mean
from supernet.harness.study.free import Ensemble, Free, Statistics
from supernet.harness.study.results import Analysis, Proxy, Row
from supernet.heuristics.recipe import Recipe

mpl.use("Agg")
from matplotlib import pyplot as plt

EVIL = '</script><script>document.title="taken"</script><b>&amp;'
"""Text that takes over a page on which it becomes markup."""
FAMILIES = {"learning-rate": "protocol", "path-sampling": "protocol", "op-on": "mapping", "clip": "unreported details"}
VALUES = {
    "learning-rate": ("0.01", "0.05", "0.1", "0.2"),
    "path-sampling": ("random-a", "classes", "fair-nas"),
    "op-on": ("node",),
    "clip": ("null", "0.25"),
}
SEEDS = (0, 1, 2)


def estimate(value, half):
    return {"value": value, "low": value - half, "high": value + half}


def row(heuristic, value, rng, *, family="", states=("done",) * 3):
    """A row of an analysis with numbers of a plausible size; None throughout where no run is done."""
    base = heuristic == "base"
    label = "base" if base else f"{heuristic}={value}"
    empty = {
        "heuristic": heuristic, "value": value, "label": label, "family": family,
        "states": dict(zip(SEEDS, states, strict=True)), "hashes": {seed: f"{label}-{seed}" for seed in SEEDS},
        "taus": {}, "tau": None, "means": {}, "costs": {}, "difference": None, "step": None, "collapsed": (),
        "at_chance": (), "seed_tau": None, "epoch_tau": None, "epoch_sd": None, "over_ranked": {}, "excess": {},
    }  # fmt: skip
    if "done" not in states:
        return empty
    effect = 0.0 if base else float(rng.normal(0, 0.05))
    p = max(2 / 2001, float(np.exp(-abs(effect) * 90)))
    return {
        **empty,
        "taus": {seed: 0.5 + effect for seed, state in empty["states"].items() if state == "done"},
        "tau": {**estimate(0.5 + effect, 0.021), "seeds": 3},
        "means": {
            "sparse_tau@0.1": 0.51 + effect, "sparse_tau@1": 0.54 + effect, "tau_top_10": 0.08 + effect / 2,
            "spearman": 0.7 + effect, "regret@1": abs(float(rng.normal(1, 0.5))), "regret@10": 0.1,
            "supernet_accuracy": 42.0 + 60 * effect, "surpass_random": 0.9,
        },
        "costs": {"train_seconds": float(rng.uniform(600, 700)), "train_images": 1.2e6, "score_seconds": 90.0},
        "difference": None if base else {**estimate(effect, 0.02), "p": p, "p_corrected": min(1, 10 * p), "q": p},
        "seed_tau": 0.81, "epoch_tau": 0.93, "epoch_sd": None if heuristic == "clip" else 0.004,
        "over_ranked": dict.fromkeys(OPS, 1.0),
        "excess": {op: {**estimate(float(rng.normal(0, 6)), 2.0), "seeds": 3} for op in OPS},
    }  # fmt: skip


def study(folder):
    """What `page` takes, as plain values (see `typed`): 11 settings, two of them unfinished, and 300 architectures."""
    rng = np.random.default_rng(0)
    rows = [row("base", "as given", rng)]
    for heuristic, values in VALUES.items():
        rows += [row(heuristic, value, rng, family=FAMILIES[heuristic]) for value in values]
    rows[4] = row("learning-rate", "0.2", rng, family="protocol", states=("diverged", "failed", "missing"))
    rows[6] = row("path-sampling", "classes", rng, family="protocol", states=("done", "diverged", "running"))
    nb201 = space("nb201")
    chosen = nb201.sample(rng, 300)
    true = 90 + 4 * np.tanh(rng.normal(size=300))
    runs = []
    for one in reversed(rows):
        for seed in one["taus"]:
            scores = -2 + 0.05 * (true - 90) + 0.1 * rng.normal(size=300)
            tau = kendalltau(scores, true).statistic
            runs.append(
                {
                    "label": one["label"],
                    "seed": seed,
                    "tau": tau,
                    "hash": f"{one['label']}-{seed}",
                    "scores": scores.tolist(),
                }
            )
    analysis = {
        "name": "quick", "title": "What changes how a super-net ranks", "space": "nb201",
        "measure": {"dataset": "cifar10", "split": "test", "epochs": "200", "seed": "mean"},
        "truth": "NATS-Bench tss v1.0 records", "architectures": 15625, "images": 1000, "seeds": SEEDS,
        "base_seeds": SEEDS, "design": "one-factor", "resamples": 2000, "level": 0.95, "params_tau": 0.578,
        "params_top10": 0.08,
        "beside_params": {**estimate(-0.078, 0.02), "p": 0.001, "p_corrected": 0.001, "q": None},
        "ceiling": {
            "tau": 0.914, "top10": 0.67, "attainable": 0.965, "attainable_top10": 0.82, "repeats": 3,
            "source": "cifar10-valid valid, 200 epochs", "pairs": [],
        },
        "rows": rows, "detectable": 0.134, "omnibus_p": 0.002, "seed_sd": 0.041,
        "seed_df": 18.0, "sampling": 0.0001, "margin": 0.05, "looked": (), "command": "quick",
        "proxy": {
            "over_settings": 0.31, "settings": 9, "within": 0.2, "within_low": -0.1, "within_high": 0.5, "runs": 25,
        },
        "free": Free(
            metric=blocked(0.056, 0.02), epochs=None, last_epochs=1, images=blocked(0.02, 0.03),
            ensembles=[Ensemble("base", 3, 0.5, Mean(0.04, None, None, 3))],
            statistics=[Statistics("batch", "recalibrate", blocked(-0.03, 0.02))],
        ),
        "findings": [
            "Over 3 seeds, the base ranks 15,625 architectures with a Kendall tau of 0.50 [0.48, 0.52], worse than "
            "parameter count alone (0.58).",
            "3 of 9 changes clearly change tau. Up: learning-rate=0.1 (+0.06 [+0.04, +0.08]). Down: op-on=node (-0.07 "
            "[-0.09, -0.05]).",
            "Not among the results: learning-rate=0.2 (seed 0: diverged), learning-rate=0.2 (seed 1: failed).",
        ],
    }  # fmt: skip
    scatter = {
        "archs": nb201.strings(nb201.archs(chosen)),
        "cells": [[graph.as_json() for graph in nb201.layout(arch)] for arch in nb201.archs(chosen).tolist()],
        "true": true.round(3).tolist(),
        "runs": runs,
        "note": "300 of the 15,625 architectures, drawn at random; ranks are among those shown.",
    }
    methods = {
        "text": ["Every run scores the same architectures on the same images.", "Kendall tau is tau-b."],
        "recipe": Recipe().as_dict(),
        "settings": [
            {"label": one["label"], "changes": ["training.learning_rate: 0.025 -> 0.1"] * (k > 0)}
            for k, one in enumerate(rows)
        ],
        "environment": {"python": "3.12.3", "torch": "2.9.0", "device": "cpu", "commit": None, "threads": 2},
        "checklist": [{"question": "Are several runs done, and are the seeds given?", "answer": "Seeds 0, 1, 2."}],
    }
    return {
        "analysis": analysis,
        "scatter": scatter,
        "figures": figures(folder, rows),
        "methods": methods,
    }


def blocked(value, half):
    """A mean over settings of a difference within runs."""
    return Blocked(value, value - half, value + half, 0.3 if half > abs(value) else 0.004, 0.6, 25, 9)


def typed(study):
    """The arguments of `page`, from the plain values of `study`."""
    a, methods, scatter = study["analysis"], study["methods"], study["scatter"]
    optional = {"ceiling": Ceiling, "proxy": Proxy, "beside_params": Difference}
    known = {key: make(**a[key]) if a[key] else None for key, make in optional.items()}
    return {
        "analysis": Analysis(**a | known | {"rows": [_row(**row) for row in a["rows"]]}),
        "scatter": Scatter(**scatter | {"runs": [Scores(**run) for run in scatter["runs"]]}),
        "figures": study["figures"],
        "methods": Methods(
            **methods
            | {"settings": [Changed(**setting) for setting in methods["settings"]]}
            | {"checklist": [Answer(**answer) for answer in methods["checklist"]]}
        ),
    }


def _row(tau, difference, excess, **plain):
    return Row(
        tau=tau and Mean(**tau),
        difference=difference and Difference(**difference),
        excess={name: Mean(**mean) for name, mean in excess.items()},
        **plain,
    )


def figures(folder, rows):
    """Two real figures whose SVGs use the same ids."""
    texts = {}
    tested = [one for one in rows if one["difference"]]
    with paper():
        for caption, width in (("Effect of each change on tau", 6), ("Super-net accuracy as a proxy of tau", 3.4)):
            figure, axis = plt.subplots(figsize=(width, 2.5))
            if width > 5:
                axis.errorbar(
                    [one["difference"]["value"] for one in tested],
                    range(len(tested)),
                    xerr=0.02,
                    fmt="o",
                    color=PALETTE[0],
                )
                axis.set_yticks(range(len(tested)), [one["label"] for one in tested])
            else:
                axis.imshow(np.arange(12).reshape(3, 4), rasterized=True)
            texts[caption] = save(figure, folder, f"figure{width}")[1].read_text(encoding="utf-8")
        plt.close("all")
    return texts
