"""Import of the official NDS files about DARTS, `DARTS_fix-w-d.json` and `DARTS.json` (Radosavovic et al., ICCV 2019).

Each file is a JSON list of 5,000 networks with random cells, each trained once on all training images of CIFAR-10. An
entry has the genotype, the width and the depth of a network (`net`), its training (`optim`), its costs, and its errors
in percent after every epoch. The format allows nodes that read one state twice. Cells with such nodes are not in the
search space of DARTS, whose nodes read two different states; they are checked like the others, and left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from supernet.benchmarks.errors import BadArchitecture, BadTable
from supernet.benchmarks.regular import read_regular
from supernet.benchmarks.spaces import darts_costs, genotype
from supernet.benchmarks.spaces.choices import Arch
from supernet.benchmarks.spaces.darts import DARTS, NODES, OFFICIAL, OPS, SameState
from supernet.benchmarks.truth.fields import number_in, whole_in
from supernet.benchmarks.truth.table import GroundTruth, write_table
from supernet.benchmarks.truth.training import Training
from supernet.benchmarks.wording import quoted

ENTRIES = 5_000
"""Number of networks in each official file about DARTS."""
MOST_BYTES = 1 << 30
"""Largest file that is read: our choice. 5,000 networks with four curves over 100 epochs take about 40 megabytes."""
MOST_ENTRIES = 100_000
WIDEST, DEEPEST, LONGEST = 1_000, 100, 10_000
"""Largest width, depth and number of epochs that is read: our choice, so that a damaged file costs no time."""
ROUNDED = 0.01
"""Largest difference in percent between an error and its rounded form."""
DATASET = "cifar10"
_SPACE = DARTS()


@dataclass(frozen=True)
class _Entry:
    """One trained network."""

    cells: tuple[genotype.Cell, genotype.Cell]
    arch: Arch | None
    """None if the cells are not in the search space, because a node reads one state twice."""
    network: tuple[int, int, bool]
    """Channels of the first stage, number of cells, and whether training used an auxiliary head."""
    training: tuple[int, float, float]
    """Epochs, learning rate and weight decay."""
    costs: tuple[int, int]
    """Parameters and multiply-accumulates."""
    accuracies: tuple[float, float]
    """On the test and on the training images after the last epoch, in percent."""


def import_nds(source: Path, target: Path, *, allow_partial: bool = False) -> GroundTruth:
    """Write the ground-truth table of an official NDS file about DARTS, in the order of the file.

    Columns are `arch`, `width`, `depth`, `cifar10.params` without auxiliary heads, `cifar10.flops` as the file states
    them, and `cifar10.{test,train}.eE.{one,mean}` after the last of E epochs; there is one training for each
    architecture, so that `mean` equals `one`. If all networks have one width and a depth that our networks can have,
    the metadata say so, and `supernet data verify` recomputes the parameters. In `DARTS.json` widths and depths vary,
    so that accuracies do not depend on the cells alone.

    Args:
        allow_partial: also accept a file with fewer than 5,000 networks.

    Raises:
        BadTable: the file is damaged, describes other networks, has parameters that are not those of its networks, has
            fractions in place of percentages, or is incomplete. Nothing is written then.
    """
    content = read_regular(source, MOST_BYTES)
    entries = [_entry(source, number, item) for number, item in enumerate(_list(source, content))]
    if len(entries) < ENTRIES and not allow_partial:
        raise BadTable(
            f"{source} is incomplete: it has {len(entries):,} networks, an official file has {ENTRIES:,}. Download it "
            "again, or allow a partial import if it is meant to hold a part of the benchmark."
        )
    _check_training(source, entries)
    _check_unit(source, entries)
    params = _checked_params(source, entries)
    kept = _kept(source, entries)
    of_cells = params[[entry.arch is not None for entry in entries]]
    write_table(target, _columns(kept, of_cells), _about(source, content, entries, kept))
    return GroundTruth(target)


def _kept(source: Path, entries: list[_Entry]) -> list[_Entry]:
    """The entries whose cells are in the search space, each pair of cells once."""
    kept = [entry for entry in entries if entry.arch is not None]
    if not kept:
        raise BadTable(
            f"{source}: none of its {len(entries):,} networks is in the search space of DARTS, because each has a node "
            "that reads one state twice."
        )
    if len({entry.arch for entry in kept}) < len(kept):
        raise BadTable(
            f"{source} has two networks with the same cells, an official file never does. Download it again."
        )
    return kept


def _columns(kept: list[_Entry], params: NDArray[np.int64]) -> dict[str, Any]:
    epochs = kept[0].training[0]
    test, train = zip(*(entry.accuracies for entry in kept), strict=True)
    flops = [entry.costs[1] for entry in kept]
    measured = {
        f"{DATASET}.{split}.e{epochs}.{seed}": np.array(values)
        for split, values in (("test", test), ("train", train))
        for seed in ("one", "mean")
    }
    return {
        "arch": _SPACE.strings([entry.arch for entry in kept if entry.arch is not None]),
        "width": np.array([entry.network[0] for entry in kept], dtype=np.int32),
        "depth": np.array([entry.network[1] for entry in kept], dtype=np.int32),
        f"{DATASET}.params": params,
        f"{DATASET}.flops": np.array(flops, dtype=np.int64),
        **measured,
    }


def _about(source: Path, content: bytes, entries: list[_Entry], kept: list[_Entry]) -> dict[str, Any]:
    networks = {entry.network[:2] for entry in kept}
    width, depth = kept[0].network[:2]
    cells = (depth - 2) // 3
    alike = len(networks) == 1 and cells > 0 and depth == darts_costs.layers_of(cells)
    what = f"width {width} and depth {depth}" if len(networks) == 1 else "varying width and depth"
    return {
        "space": DARTS.name,
        "family": f"NDS, random cells of DARTS, {what}",
        "accuracy_unit": "percent",
        "source": source.name,
        "source_sha256": hashlib.sha256(content).hexdigest(),
        "source_check": "the parameters of each network are those of its cells, width and depth; no checksum of the "
        "file is published, so that altered accuracies would go unnoticed",
        "sample": f"the {len(kept):,} of {len(entries):,} random pairs of cells without a node that reads one state "
        "twice",
        **(Training(width, cells, OFFICIAL.train_images[DATASET]).about() if alike else {}),
    }


# ---- checks of all entries -------------------------------------------------------------------------------


def _check_training(source: Path, entries: list[_Entry]) -> None:
    other = next((n for n, entry in enumerate(entries) if entry.training != entries[0].training), None)
    if other is not None:
        (epochs, rate, decay), (other_epochs, other_rate, other_decay) = entries[0].training, entries[other].training
        raise BadTable(
            f"{source}: its networks were not trained alike: the first one for {epochs} epochs with learning rate "
            f"{rate:g} and weight decay {decay:g}, network {other} (from 0) for {other_epochs} with {other_rate:g} and "
            f"{other_decay:g}. Their accuracies do not rank cells; import DARTS_fix-w-d.json or DARTS.json."
        )


def _check_unit(source: Path, entries: list[_Entry]) -> None:
    """Check that errors are percentages: fractions would be read as errors below one percent.

    Raises:
        BadTable: they are fractions.
    """
    least = min(entry.accuracies[0] for entry in entries)
    if least >= 99:
        raise BadTable(
            f"{source}: the largest final test error is {100 - least:g}, so that errors are fractions, where NDS has "
            "percentages. Give DARTS_fix-w-d.json or DARTS.json as its authors published them."
        )


def _checked_params(source: Path, entries: list[_Entry]) -> NDArray[np.int64]:
    """Compare the parameters of all networks with those that their cells, widths and depths have.

    Returns:
        The parameters without auxiliary heads, which only training uses: (entries,).

    Raises:
        BadTable: they differ.
    """
    given = np.array([entry.costs[0] for entry in entries])
    plain, heads = np.zeros_like(given), np.zeros_like(given)
    states, ops = (np.array(part) for part in zip(*(_numbers(entry.cells) for entry in entries), strict=True))
    by_network: dict[tuple[int, int, bool], list[int]] = {}
    for number, entry in enumerate(entries):
        by_network.setdefault(entry.network, []).append(number)
    classes, size = OFFICIAL.data_sets[DATASET]
    for (width, depth, auxiliary), rows in by_network.items():
        network = darts_costs.placed(width, depth)
        plain[rows], _ = darts_costs.network_costs(states[rows], ops[rows], OPS, network, size, classes)
        heads[rows] = auxiliary * darts_costs.auxiliary_params(network, classes)
    wrong = np.flatnonzero(given != plain + heads)
    if len(wrong):
        raise BadTable(
            f"{source}: {len(wrong):,} of {len(given):,} networks have other parameters than their cells, width and "
            f"depth give for CIFAR-10: network {wrong[0]} (from 0) has {given[wrong[0]]:,} instead of "
            f"{(plain + heads)[wrong[0]]:,}. The file was altered, or is about another data set (as those named "
            "_in.json)."
        )
    return plain


def _numbers(cells: tuple[genotype.Cell, genotype.Cell]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The state that each input of each node reads, and its operation: (2, 4, 2) each."""
    states = np.array([[state for _, state in cell] for cell in cells])
    ops = np.array([[OPS.index(op) for op, _ in cell] for cell in cells])
    return states.reshape(2, NODES, 2), ops.reshape(2, NODES, 2)


# ---- reading ---------------------------------------------------------------------------------------------


def _list(source: Path, content: bytes) -> list[Any]:
    """The entries of a file.

    Raises:
        BadTable: it is not a list in JSON.
    """
    try:
        found = json.loads(content)
    except (ValueError, RecursionError):
        raise BadTable(f"{source} is not JSON, or is cut off. Unpack or download it again.") from None
    if isinstance(found, dict) and {"top", "mid"} <= set(found):
        raise BadTable(
            f"{source} has two parts, `top` and `mid`, in which learning rates and weight decays vary. Their "
            "accuracies do not rank cells; import DARTS_fix-w-d.json or DARTS.json."
        )
    if not isinstance(found, list) or not 0 < len(found) <= MOST_ENTRIES:
        raise BadTable(
            f"{source} is not a list of 1 to {MOST_ENTRIES:,} networks, as the NDS files are: it holds {quoted(found)}."
        )
    return found


def _entry(source: Path, number: int, item: Any) -> _Entry:
    try:
        net, optim = _part(item, "net"), _part(item, "optim")
        fields = _part(net, "genotype")
        if not set(genotype.FIELDS) <= set(fields):
            raise ValueError(f"its genotype lacks one of the fields {', '.join(genotype.FIELDS)}")
        cells = genotype.checked_cells(fields, OPS, NODES)
        auxiliary = net.get("aux", False)
        if type(auxiliary) is not bool:
            raise ValueError(f"aux is {quoted(auxiliary)}, not true or false")
        epochs = whole_in(optim, "max_ep", 1, LONGEST)
        return _Entry(
            cells,
            _arch(fields),
            (whole_in(net, "width", 1, WIDEST), whole_in(net, "depth", 1, DEEPEST), auxiliary),
            (epochs, number_in(optim, "base_lr", 0, 1_000), number_in(optim, "wd", 0, 1_000)),
            (whole_in(item, "params", 1, 1 << 40), whole_in(item, "flops", 0, 1 << 50)),
            (_final_accuracy(item, "test", epochs), _final_accuracy(item, "train", epochs)),
        )
    except (ValueError, BadArchitecture) as error:
        raise BadTable(
            f"{source}: network {number} (from 0) is not one of NDS with cells of DARTS: {error}. Give "
            "DARTS_fix-w-d.json or DARTS.json as its authors published them."
        ) from None


def _arch(fields: Mapping[str, Any]) -> Arch | None:
    """The architecture of a genotype; None if a node reads one state twice."""
    try:
        return _SPACE.arch_of(fields)
    except SameState:
        return None


def _part(item: Any, name: str) -> dict[str, Any]:
    part = item.get(name) if isinstance(item, dict) else None
    if not isinstance(part, dict):
        raise ValueError(f"it has no object {name!r}")
    return part


def _final_accuracy(item: Mapping[str, Any], split: str, epochs: int) -> float:
    """The accuracy in percent after the last epoch, from the errors after every epoch."""
    name = f"{split}_ep_top1"
    errors = item.get(name)
    if not isinstance(errors, list) or len(errors) != epochs:
        raise ValueError(f"{name} is not a list of {epochs} errors, one for each epoch")
    for error in errors:
        if type(error) not in (int, float) or not 0 <= error <= 100:
            raise ValueError(f"{name} has the error {quoted(error)}, not one from 0 to 100")
    least = item.get(f"min_{split}_top1", min(errors))
    if type(least) not in (int, float) or not abs(least - min(errors)) <= ROUNDED:
        raise ValueError(f"the least of {name} is {min(errors):g}, but min_{split}_top1 is {quoted(least)}")
    return 100 - float(errors[-1])
