"""Official records of NAS-Bench-201, one per architecture, read and checked.

The records are read with the classes of the nas-bench-201 package.
"""

from __future__ import annotations

import math
import pickle
import re
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadTable
from supernet.benchmarks.spaces import NB201
from supernet.benchmarks.spaces.nb201 import DATASETS
from supernet.benchmarks.wording import quoted

SPLITS = {"x-valid": "valid", "x-test": "test", "ori-test": "heldout"}
"""Evaluation set of a record -> split name; `ori-test` is the test set itself if the data set is CIFAR-10."""

_SPACE = NB201()


@dataclass(frozen=True)
class Record:
    """The official results of one architecture."""

    index: int
    values: dict[str, float]
    """Column -> value."""
    curves: list[dict[str, Any]]
    """Rows of the CURVES schema."""


def record_of(where: str, index: int, states: dict[str, Any], names: tuple[str, str] = ("12", "200")) -> Record:
    """Read the results of one architecture for both training budgets, whose keys in `states` are `names`.

    Accuracies are those after the last epoch; `mean` is over the seeds in the record.

    Raises:
        BadTable: the record is malformed, or is about another architecture.
    """
    from nas_201_api.api_utils import ArchResults

    try:
        expected = _SPACE.string(_SPACE.arch(index))
        values: dict[str, float] = {}
        curves: list[dict[str, Any]] = []
        for epochs, name in zip(("12", "200"), names, strict=True):
            if type(states[name]) not in (dict, OrderedDict):  # the class would load a file whose name is a text
                raise TypeError(f"what it has of {epochs} epochs is not a dictionary")
            results = ArchResults.create_from_state_dict(states[name])
            if results.arch_str != expected:
                raise BadTable(f"{where} is about {quoted(results.arch_str)}, but architecture {index} is {expected}.")
            if not results.get_dataset_names():
                raise BadTable(f"{where} has no runs of {epochs} epochs.")
            for original in results.get_dataset_names():
                dataset = original.lower()
                if dataset not in DATASETS:
                    raise BadTable(
                        f"{where} has results on {quoted(original)}, which is not a data set of the benchmark."
                    )
                runs = [(seed, results.query(original, seed)) for seed in results.get_dataset_seeds(original)]
                if len({seed for seed, _ in runs}) != len(runs) or not all(type(seed) is int for seed, _ in runs):
                    raise ValueError(f"its runs on {dataset} do not have distinct seeds")
                if any(run.epochs != int(epochs) for _, run in runs):
                    raise BadTable(f"{where} has other runs than those of {epochs} epochs under {name!r}.")
                for seed, run in runs:
                    _check_run(f"{where}: {dataset}, {epochs} epochs, seed {seed}", run)
                values |= _accuracies(dataset, epochs, runs)
                values |= _costs(dataset, epochs, results.get_compute_costs(original))
                for seed, run in runs:
                    key = {"index": index, "dataset": dataset, "epochs": epochs, "seed": f"s{seed}"}
                    curves += [
                        {**key, "series": what, "values": values} for what, values in _series(dataset, run).items()
                    ]
    except BadTable:
        raise
    except Exception as error:  # a malformed record can raise anything
        raise BadTable(f"{where} is not a NAS-Bench-201 record ({reason(error)}).") from None
    _check_values(where, values)
    return Record(index, values, curves)


def _check_run(where: str, run: Any) -> None:
    """Raise BadTable if an accuracy or time of one run is impossible, after any epoch."""
    for name in ("train_acc1es", "eval_acc1es"):
        for epoch, value in getattr(run, name).items():
            if not 0 <= value <= 100:
                raise BadTable(
                    f"{where} has the accuracy {quoted(value)} after {quoted(epoch)}, outside 0 … 100 percent."
                )
    for times in (run.train_times, run.eval_times):
        for epoch, seconds in (times or {}).items():
            if not 0 <= seconds < math.inf:
                raise BadTable(f"{where} took {quoted(seconds)} seconds for {quoted(epoch)}, which cannot be.")
    for seconds in run.latency or ():
        if not (0 <= seconds < math.inf or seconds == -1):  # -1 stands for a latency that was not measured
            raise BadTable(f"{where} has the latency {quoted(seconds)}, which cannot be.")


def _check_values(where: str, values: Mapping[str, float]) -> None:
    """Raise BadTable for impossible values: numbers that are not finite, negative times, no parameters."""
    for name, value in values.items():
        what = name.partition(".")[2]
        if what in ("params", "flops"):
            possible, kind = 0 < value < math.inf, "a count"
        elif what == "latency_seconds" or what.startswith("train_seconds"):
            possible, kind = 0 <= value < math.inf, "a time"
        else:
            possible, kind = 0 <= value <= 100, "within 0 … 100 percent"
        if not possible:
            raise BadTable(f"{where}: {name} is {quoted(value)}, which is not {kind}.")


def _split(dataset: str, name: str) -> str:
    return "test" if name == "ori-test" and dataset in ("cifar10", "cifar10-valid") else SPLITS[name]


def _accuracies(dataset: str, epochs: str, runs: list[tuple[int, Any]]) -> dict[str, float]:
    per_split: dict[str, dict[int, float]] = {}
    for seed, run in runs:
        per_split.setdefault("train", {})[seed] = float(run.get_train()["accuracy"])
        for name in run.get_eval_set():
            per_split.setdefault(_split(dataset, name), {})[seed] = float(run.get_eval(name)["accuracy"])
    values: dict[str, float] = {}
    for split, by_seed in per_split.items():
        values |= {f"{dataset}.{split}.e{epochs}.s{seed}": accuracy for seed, accuracy in by_seed.items()}
        values[f"{dataset}.{split}.e{epochs}.mean"] = float(np.mean(list(by_seed.values())))
    return values


def _costs(dataset: str, epochs: str, costs: dict[str, Any]) -> dict[str, float]:
    found = {
        f"{dataset}.params": round(costs["params"] * 1e6),
        f"{dataset}.flops": round(costs["flops"] * 1e6),
        f"{dataset}.latency_seconds": costs["latency"],
        f"{dataset}.train_seconds.e{epochs}": costs["T-train@total"],
    }
    return {name: float(value) for name, value in found.items() if value is not None}


def _series(dataset: str, run: Any) -> dict[str, NDArray[np.float32]]:
    """Per-epoch curves of one run; NaN for the epochs at which a set was not evaluated."""
    epochs = range(run.epochs)
    series = {
        "train.accuracy": [run.train_acc1es.get(epoch, np.nan) for epoch in epochs],
        "train.loss": [run.train_losses.get(epoch, np.nan) for epoch in epochs],
    }
    for name in run.get_eval_set():
        for what, source in (("accuracy", run.eval_acc1es), ("loss", run.eval_losses)):
            values = [source.get(f"{name}@{epoch}", np.nan) for epoch in epochs]
            series[f"{_split(dataset, name)}.{what}"] = values
    return {name: np.array(values, dtype=np.float32) for name, values in series.items()}


def reason(error: Exception) -> str:
    """Kind and first sentence of an error, without torch's advice on how to run the refused code."""
    refused = error.__context__ if isinstance(error, pickle.UnpicklingError) else None
    said = (refused or error).args  # arguments may be any values, so only bounded text is made of them
    text = said[0] if len(said) == 1 and isinstance(said[0], str) else ", ".join(map(quoted, said[:3]))
    text = repr(text) if isinstance(error, KeyError) and len(said) == 1 and isinstance(said[0], str) else text
    sentence = re.split(r"\.\s|\n", text[:2000], maxsplit=1)[0][:300]
    return f"{type(error).__name__}: {sentence}".rstrip(" .:")
