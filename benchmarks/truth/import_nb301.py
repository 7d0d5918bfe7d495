"""Import of the training records of NAS-Bench-301, which its surrogates were fitted to (Zela et al., ICLR 2022).

A record is a JSON file about one network with cells of DARTS, trained on CIFAR-10: the cells and the settings of the
training under `optimized_hyperparamater_config` (spelled so), the validation accuracy in `info`, the test accuracy and
the seconds of the training. The format is that which nasbench301/surrogate_models/utils.py and representations.py of
automl/nasbench301 read; no surrogate is needed.

What drew an architecture is the name of its folder: `rs` for random search, others for algorithms that prefer good
ones. Only the former are a uniform sample of the space (without `none`, which the benchmark leaves out).
"""

from __future__ import annotations

import hashlib
import json
import sys
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from supernet.benchmarks.errors import BadArchitecture, BadTable
from supernet.benchmarks.spaces import darts_costs
from supernet.benchmarks.spaces.choices import Arch
from supernet.benchmarks.spaces.darts import DARTS, NODES, OFFICIAL, OPS
from supernet.benchmarks.truth.fields import number_in, whole_in
from supernet.benchmarks.truth.nb301_sources import Record, Records
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.benchmarks.truth.training import Training
from supernet.benchmarks.wording import quoted

DATASET = "cifar10"
TRAIN_IMAGES = 40_000
"""A fifth of the training images validates: `validation_split` of the benchmark's data_generation/run_proxy.py."""
CONFIG = "optimized_hyperparamater_config"
NETWORK = "NetworkSelectorDatasetInfo:darts:"
"""What the names of the cells, the width and the depth begin with."""
EPOCHS = "SimpleLearningrateSchedulerSelector:cosine_annealing:T_max"
WIDEST, DEEPEST, LONGEST = 1_000, 100, 10_000
"""Largest width, depth and number of epochs that is read: our choice, so that a damaged record costs no time."""
ALIKE = 0.9
"""Share of networks whose recorded parameters must exceed those of their cells by one number for this to be a rule that
the others break: our choice."""
_SPACE = DARTS()


@dataclass(frozen=True)
class _Network:
    """One trained network."""

    where: str
    drawn_by: str
    arch: Arch
    settings: str
    """All settings but the cells, to compare."""
    shape: tuple[int, int, int]
    """Channels of the first stage, cells, epochs."""
    params: int | None
    """As recorded; None if it is not."""
    results: tuple[float, float, float]
    """Validation and test accuracy in percent, and seconds of training."""


def import_nb301(
    source: Path, target: Path, *, progress: Callable[[int, int], None] = lambda done, total: None
) -> GroundTruth:
    """Write the ground-truth table of NAS-Bench-301's training records.

    Columns are `arch`, `drawn_by`, `trainings`, `cifar10.params` and `cifar10.flops` as the space computes them,
    `cifar10.{valid,test}.eE.{one,mean}` after E epochs, and `cifar10.train_seconds.eE`. An architecture with several
    trainings has the first one in the order of paths as `one`, and their mean as `mean`. Networks with other settings
    than most are left out, since their accuracies do not rank cells.

    Args:
        source: the folder that the benchmark's archive unpacks to, one of its subfolders, or the archive.
        progress: called with the number of records that were read, and of all.

    Raises:
        BadTable: a record is damaged, is about another search space, or has parameters that are not those of its cells;
            or accuracies are fractions. Nothing is written then.
    """
    records, digest = Records(source), hashlib.sha256()
    networks = []
    for number, record in enumerate(records):
        digest.update(hashlib.sha256(record.content).digest())
        networks.append(_network(record))
        progress(number + 1, len(records))
    most, count = Counter(network.settings for network in networks).most_common(1)[0]
    kept = [network for network in networks if network.settings == most]
    _check_unit(source, kept)
    params, flops = _costs(kept)
    check = _checked_params(kept, params)
    rows: dict[Arch, list[int]] = defaultdict(list)
    for place, network in enumerate(kept):
        rows[network.arch].append(place)
    about = _about(kept, rows, len(networks) - count)
    write_table(
        target,
        _columns(kept, rows, params, flops),
        {**about, "source": source.name, "source_sha256": digest.hexdigest(), "source_check": check},
    )
    return GroundTruth(target)


def _check_unit(source: Path, kept: list[_Network]) -> None:
    """Check that accuracies are percentages: fractions would be read as accuracies below one percent.

    Raises:
        BadTable: they are fractions.
    """
    valid, test, _ = np.max([network.results for network in kept], axis=0)
    if min(valid, test) <= 1:
        raise BadTable(
            f"{source}: the best validation accuracy is {valid:g} and the best test accuracy {test:g}. Numbers up to 1 "
            "are fractions, where NAS-Bench-301 has percentages. Give the records as its authors published them."
        )


def _columns(kept: list[_Network], rows: Mapping[Arch, list[int]], params: Any, flops: Any) -> dict[str, Any]:
    epochs = kept[0].shape[2]
    first = np.array([places[0] for places in rows.values()])
    results = np.array([network.results for network in kept])
    means = np.array([results[places].mean(0) for places in rows.values()])
    measured = {}
    for number, split in enumerate(("valid", "test")):
        measured[f"{DATASET}.{split}.e{epochs}.one"] = results[first, number]
        measured[f"{DATASET}.{split}.e{epochs}.mean"] = means[:, number]
    return {
        "arch": _SPACE.strings(list(rows)),
        "drawn_by": [kept[place].drawn_by for place in first],
        "trainings": np.array([len(places) for places in rows.values()], dtype=np.int32),
        f"{DATASET}.params": params[first],
        f"{DATASET}.flops": flops[first],
        **measured,
        f"{DATASET}.train_seconds.e{epochs}": means[:, 2],
    }


def _about(kept: list[_Network], rows: Mapping[Arch, list[int]], others: int) -> dict[str, Any]:
    width, depth, _ = kept[0].shape
    cells = (depth - 2) // 3
    ours = cells > 0 and depth == darts_costs.layers_of(cells)
    drawn = Counter(kept[places[0]].drawn_by for places in rows.values())
    said = ", ".join(f"{name} {number:,}" for name, number in drawn.most_common())
    uniform = "" if set(drawn) == {"rs"} else "; only those of rs were drawn uniformly"
    apart = f", without {others:,} trainings with other settings" if others else ""
    return {
        "space": DARTS.name,
        "family": f"NAS-Bench-301, trained cells of DARTS, width {width} and depth {depth}",
        "accuracy_unit": "percent",
        "sample": f"{len(rows):,} pairs of cells in {len(kept):,} trainings{apart}, drawn by: {said}{uniform}",
        **(Training(width, cells, TRAIN_IMAGES).about() if ours else {}),
    }


def _costs(kept: list[_Network]) -> tuple[Any, Any]:
    """Parameters and multiply-accumulates of all networks, which have one shape: (n,) each."""
    width, depth, _ = kept[0].shape
    states, ops = _SPACE.edges([network.arch for network in kept])
    classes, size = OFFICIAL.data_sets[DATASET]
    return darts_costs.network_costs(states, ops, OPS, darts_costs.placed(width, depth), size, classes)


def _checked_params(kept: list[_Network], counted: Any) -> str:
    """Compare recorded parameters with those of the cells: both may differ by what all networks share.

    Returns:
        What was compared.

    Raises:
        BadTable: they differ by one number for nearly all networks, but not for all.
    """
    recorded = [place for place, network in enumerate(kept) if network.params is not None]
    beyond = [int(kept[place].params or 0) - int(counted[place]) for place in recorded]
    common, count = Counter(beyond).most_common(1)[0] if beyond else (0, 0)
    unverified = "no checksum of the records is published, so that altered accuracies would go unnoticed"
    if not beyond:
        return f"the records state no parameters; {unverified}"
    if count == len(beyond):
        shared = f", and {common:,} more in each, as of an auxiliary head" if common else ""
        return f"the parameters in {count:,} records are those of their cells{shared}; {unverified}"
    if count >= ALIKE * len(beyond):
        wrong = next(place for place, more in zip(recorded, beyond, strict=True) if more != common)
        raise BadTable(
            f"{kept[wrong].where} was altered: it states {kept[wrong].params:,} parameters, where its cells give "
            f"{counted[wrong] + common:,}; {count:,} of {len(beyond):,} networks have those of their cells. Unpack or "
            "download the records again."
        )
    return f"the parameters in the records are not those of the cells by any rule known to us; {unverified}"


# ---- reading ---------------------------------------------------------------------------------------------


def _network(record: Record) -> _Network:
    try:
        item = json.loads(record.content)
        if not isinstance(item, dict) or not isinstance(item.get(CONFIG), dict):
            raise ValueError(f"it has no object {CONFIG!r}")
        config, info = item[CONFIG], item.get("info")
        if not isinstance(info, list) or not info or not isinstance(info[0], dict):
            raise ValueError("`info` is not a list with an object")
        cells = {f"{NETWORK}{part}{cell}" for part in ("edge_", "inputs_node_") for cell in ("normal_", "reduce_")}
        settings = {key: value for key, value in config.items() if not key.startswith(tuple(cells))}
        return _Network(
            record.where,
            record.folder,
            _SPACE.arch_of({"normal": _cell(config, "normal"), "reduce": _cell(config, "reduce"), **_CONCAT}),
            sys.intern(json.dumps(settings, sort_keys=True)),  # nearly all are equal
            (
                whole_in(config, f"{NETWORK}init_channels", 1, WIDEST),
                whole_in(config, f"{NETWORK}layers", 1, DEEPEST),
                whole_in(config, EPOCHS, 1, LONGEST),
            ),
            whole_in(info[0], "model_parameters", 1, 1 << 40) if "model_parameters" in info[0] else None,
            (
                number_in(info[0], "val_accuracy", 0, 100),
                number_in(item, "test_accuracy", 0, 100),
                number_in(item, "runtime", 0, 1e9),
            ),
        )
    except (ValueError, RecursionError, BadArchitecture) as error:
        reason = "it is not JSON, or is cut off" if isinstance(error, json.JSONDecodeError) else str(error)
        raise BadTable(
            f"{record.where} is not a record of NAS-Bench-301: {reason[:400]}. Give the files as its authors "
            "published them."
        ) from None


_CONCAT = {name: list(range(2, NODES + 2)) for name in ("normal_concat", "reduce_concat")}


def _cell(config: Mapping[str, Any], cell: str) -> list[list[Any]]:
    """The edges of a cell, two for each node: operation and state.

    Edges are numbered node by node, in the order of the states that they read. The first node reads both inputs of the
    cell; of others, `inputs_node` says which two states they read, such as "0_2".
    """
    edges, first = [], 0
    for node in range(2, NODES + 2):
        named = "0_1" if node == 2 else _text(config, f"{NETWORK}inputs_node_{cell}_{node}")
        states = named.split("_")
        if len(states) != 2 or not all(state.isascii() and state.isdecimal() and len(state) == 1 for state in states):
            raise ValueError(f"inputs_node_{cell}_{node} is {quoted(named)}, not two states such as '0_1'")
        for state in map(int, states):
            if state >= node:
                raise ValueError(f"{cell}: node {node} reads state {state}, which does not precede it")
            edges.append([_text(config, f"{NETWORK}edge_{cell}_{first + state}"), state])
        first += node
    return edges


def _text(part: Mapping[str, Any], name: str) -> str:
    value = part.get(name)
    if not isinstance(value, str):
        raise ValueError(f"{name} is {quoted(value)}, not a text" if name in part else f"it lacks {name}")
    return value
