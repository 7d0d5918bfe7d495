"""Scores of many architectures under one super-net: the same images for all, shared work done once.

Architectures that compute the same thing are scored once. In NAS-Bench-201 they are visited in the order of their
decisions, so that what the first cell has in common with the architecture before is kept: over the whole space
the first cell costs about as much as the sums of its edges. On a CPU every thread scores architectures of its own,
which keeps threads busier than sharing each operation does, and makes scores the same for any number of threads.
Memory does not grow with the number of architectures or images.
"""

from __future__ import annotations

import hashlib
import itertools
import threading
import time
import zipfile
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from benchmarks.errors import UserError
from benchmarks.spaces import NB201, Arch, SearchSpace, space
from benchmarks.spaces.nb201 import EDGES, NONE
from benchmarks.tasks.loader import eval_batches, train_batches
from benchmarks.tasks.split import Split
from harness.supernet.nb201 import NB201Net
from harness.supernet.ops import BatchNorm
from harness.train import Run
from heuristics.hooks import Routing
from heuristics.recipe import NetworkSection

SCORES = "scores.parquet"
PARTIAL = ".scores.partial.npz"
SAVE_SECONDS = 15.0
BLOCK = 64
"""Architectures that a thread scores in turn."""

Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True)
class Scores:
    """What a super-net says of n architectures."""

    indices: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    """Percent of the scoring images: (n,)."""
    loss: NDArray[np.float64]
    """Mean cross-entropy: (n,)."""
    images: int
    distinct: int
    """Architectures that were computed; the others compute the same as one of them."""
    seconds: float


def rank(
    run: Run,
    indices: ArrayLike | None = None,
    *,
    images: Split | None = None,
    out: Path | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Scores:
    """Score architectures with shared weights, on the validation images and under the protocol of the recipe.

    Args:
        indices: which architectures; the whole space without.
        images: score on the first of these instead.
        out: folder in which an interrupted ranking leaves what it has, and goes on from.
        progress: called with (architecture, batch) pairs done and in all.

    Raises:
        UserError: more scoring images than the task validates on.
    """
    within = space(run.recipe.space)
    protocol = run.recipe.evaluation
    images = run.task.valid if images is None else images
    if protocol.images > len(images):
        raise UserError(f"evaluation.images is {protocol.images:,}, but there are {len(images):,} images to score on.")
    started = time.perf_counter()
    rows = np.arange(len(within)) if indices is None else within.checked_indices(indices)
    members, position = np.unique(_identical(within, run.recipe.network)[rows], return_inverse=True)
    archs = within.archs(members)
    order = np.lexsort(archs.T[::-1])
    ordered: list[Arch] = [tuple(arch) for arch in archs[order].tolist()]
    scored_on = images.take(slice(0, protocol.images))
    # Each batch passes over all architectures; recalibration, done once for each, wants all images in one pass.
    together = protocol.images if protocol.bn == "recalibrate" else protocol.batch_size
    batches = list(eval_batches(scored_on, run.task, min(together, protocol.images)))
    sums = _scored(run, ordered, batches, out, progress)
    by_member = np.empty_like(sums)
    by_member[order] = sums
    loss, correct = by_member[position].T
    return Scores(
        indices=rows,
        accuracy=100 * correct / protocol.images,
        loss=loss / protocol.images,
        images=protocol.images,
        distinct=len(ordered),
        seconds=time.perf_counter() - started,
    )


def accuracy_of(run: Run, routing: Routing) -> float:
    """Accuracy in percent of one routing, relaxed or not, on the scoring images with statistics of each batch."""
    protocol, network = run.recipe.evaluation, run.network
    images = run.task.valid.take(slice(0, protocol.images))
    was_training, correct = network.training, 0
    network.eval()
    try:
        autocast = torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.recipe.training.amp)
        with torch.inference_mode(), autocast, _statistics(network, "batch"):
            for x, y in eval_batches(images, run.task, min(protocol.batch_size, protocol.images)):
                correct += int((network(x, routing).argmax(1) == y).sum())
    finally:
        network.train(was_training)
    return 100 * correct / len(images)


def chosen(within: SearchSpace, which: str, seed: int) -> NDArray[np.int64]:
    """`all`, or so many architectures sampled uniformly (1Shot1: over distinct cells), in ascending order."""
    distinct = np.arange(len(within)) if isinstance(within, NB201) else within.subset("unique-cell")
    if which == "all":
        return distinct
    if int(which) > len(distinct):
        raise UserError(f"{within.name} has {len(distinct):,} distinct architectures, not {int(which):,}.")
    return np.sort(within.sample(np.random.default_rng(seed), int(which), among=distinct))


def write_scores(frame: pd.DataFrame, out: Path) -> Path:
    """Write scores.parquet whole or not at all."""
    writing = out / f".{SCORES}.partial"
    frame.to_parquet(writing)
    writing.replace(out / SCORES)
    return out / SCORES


def _identical(within: SearchSpace, network: NetworkSection) -> NDArray[np.int64]:
    """For each architecture the first of those that a super-net cannot tell apart: (n,)."""
    if network.partial_channels > 1:  # channels pass by edges that lead nowhere, too
        return np.arange(len(within))
    return within.classes("computation" if isinstance(within, NB201) else "pruned")


def _scored(
    run: Run,
    archs: list[Arch],
    batches: list[Batch],
    out: Path | None,
    progress: Callable[[int, int], None] | None,
) -> NDArray[np.float64]:
    """Summed loss and correct images of each architecture: (architectures, 2).

    A third column counts batches, so that an interrupt cannot part a sum from its count.
    """
    partial = out / PARTIAL if out else None
    sizes = [len(y) for _, y in batches]
    identity = hashlib.sha256(repr((run.recipe.hash, run.epoch, sizes, archs)).encode()).hexdigest()
    sums, done = _resume(partial, identity, len(archs))
    sums = sums.to(run.device)  # where nothing waits for them
    saved = time.perf_counter()
    network, protocol = run.network, run.recipe.evaluation
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(), _statistics(network, protocol.bn):
            for number, batch in enumerate(batches):
                first = max(0, done - number * len(archs))
                if first >= len(archs):
                    continue
                with closing(_in_threads(run, batch, archs[first:])) as found:
                    for k, summed in enumerate(found, first):
                        sums[k] += summed
                        done += 1
                        if progress and done % 16 == 0:
                            progress(done, len(archs) * len(batches))
                        if partial and time.perf_counter() - saved > SAVE_SECONDS:
                            _save(partial, identity, sums)
                            saved = time.perf_counter()
    except KeyboardInterrupt:
        if partial:
            _save(partial, identity, sums)
        raise
    finally:
        network.train(was_training)
    if partial:
        partial.unlink(missing_ok=True)
    return sums[:, :2].cpu().numpy()


def _in_threads(run: Run, batch: Batch, archs: list[Arch]) -> Generator[Tensor, None, None]:
    """What `_summed` gives, in its order, on as many threads as there may be."""
    threads = torch.get_num_threads()
    if threads == 1 or run.device.type != "cpu" or run.recipe.evaluation.bn == "recalibrate":  # which changes modules
        yield from _summed(run, batch, archs)
        return

    ended = threading.Event()

    def work(block: list[Arch]) -> list[Tensor]:
        with torch.inference_mode():  # known to one thread only
            return list(itertools.takewhile(lambda _: not ended.is_set(), _summed(run, batch, block)))

    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for block in pool.map(work, [archs[k : k + BLOCK] for k in range(0, len(archs), BLOCK)]):
            yield from block
    finally:
        ended.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _summed(run: Run, batch: Batch, archs: Sequence[Arch]) -> Iterator[Tensor]:
    """Summed loss, correct images and one batch of each architecture: (3,)."""
    (x, y), protocol = batch, run.recipe.evaluation
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.recipe.training.amp):
        if protocol.bn == "recalibrate":
            logits = _recalibrated(run, x.split(protocol.batch_size), archs)
        else:
            logits = logits_of(run.network, x, archs)
        for output in logits:
            loss = F.cross_entropy(output.float(), y, reduction="sum")
            yield torch.stack([loss, (output.argmax(1) == y).sum(), torch.ones_like(loss)])


def _resume(partial: Path | None, identity: str, count: int) -> tuple[Tensor, int]:
    if partial and partial.exists():
        unreadable = suppress(ValueError, KeyError, EOFError, zipfile.BadZipFile)
        with unreadable, partial.open("rb") as file, np.load(file) as content:
            if str(content["identity"]) == identity:
                sums = torch.from_numpy(content["sums"])
                if sums.shape == (count, 3):
                    return sums, int(sums[:, 2].sum())
    return torch.zeros(count, 3, dtype=torch.float64), 0


def _save(partial: Path, identity: str, sums: Tensor) -> None:
    writing = partial.with_name(partial.name + ".writing.npz")
    np.savez(writing, identity=identity, sums=sums.cpu().numpy())
    writing.replace(partial)


class _statistics:
    """Batch norm as the protocol wants it, and as it was afterwards."""

    def __init__(self, network: torch.nn.Module, bn: str) -> None:
        self._norms = [m for m in network.modules() if isinstance(m, BatchNorm)]
        self._bn = bn

    def __enter__(self) -> None:
        self._before = [(m.track, m.use_running, m.momentum, m.mean, m.var, m.batches) for m in self._norms]
        for m in self._norms:
            m.track, m.use_running = False, self._bn == "running"

    def __exit__(self, *_: object) -> None:
        for m, before in zip(self._norms, self._before, strict=True):
            m.track, m.use_running, m.momentum, m.mean, m.var, m.batches = before


def logits_of(network: torch.nn.Module, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
    """Logits of each architecture on one batch, in the order given (fastest when sorted)."""
    if isinstance(network, NB201Net) and not network.all_cells[0].partial:
        yield from _with_shared_first_cell(network, x, archs)
    else:
        for arch in archs:
            yield network(x, arch)


def _with_shared_first_cell(network: NB201Net, x: Tensor, archs: Sequence[Arch]) -> Iterator[Tensor]:
    """Logits of each architecture; what the first cell shares with the architecture before is not computed again."""
    cell = network.all_cells[0]
    start = network.stem(x)
    nodes: list[Tensor | None] = [start, None, None]
    rectified: list[Tensor | None] = [None] * 3
    outputs: dict[tuple[int, int], Tensor] = {}
    before: Arch = (-1,) * len(EDGES)

    def contribution(edge: int, op: int) -> Tensor | None:
        source = EDGES[edge][0]
        value = nodes[source]
        if op == NONE or value is None:
            return None
        if (edge, op) not in outputs:
            if cell.is_convolution(op):
                positive = rectified[source]
                if positive is None:
                    positive = rectified[source] = F.relu(value)
                outputs[edge, op] = cell.conv(edge, op, positive)
            else:
                outputs[edge, op] = cell.pass_through(op, value)
        return outputs[edge, op]

    def total(edges: Sequence[int], arch: Arch) -> Tensor | None:
        terms = [term for edge in edges if (term := contribution(edge, arch[edge])) is not None]
        if len(terms) < 2:
            return terms[0] if terms else None
        value = terms[0] + terms[1]
        for term in terms[2:]:
            value += term
        return value

    def forget(node: int) -> None:
        rectified[node] = None
        for edge, op in list(outputs):
            if EDGES[edge][0] == node:
                del outputs[edge, op]

    for arch in archs:
        if arch[0] != before[0]:
            forget(1)
            nodes[1] = total((0,), arch)
        if arch[:3] != before[:3]:
            forget(2)
            nodes[2] = total((1, 2), arch)
        before = arch
        end = total((3, 4, 5), arch)
        yield network.after(torch.zeros_like(start) if end is None else end, arch, 1)


def _recalibrated(run: Run, parts: Sequence[Tensor], archs: Sequence[Arch]) -> Iterator[Tensor]:
    """Logits with statistics that each architecture recomputes on the same training batches (Guo et al., 2020)."""
    count = run.recipe.evaluation.recalibration_batches
    calibration = []
    for images, _ in train_batches(run.task.train, run.task, len(parts[0]), seed=run.recipe.seed, epoch=0):
        calibration.append(images)
        if len(calibration) == count:
            break
    norms = [m for m in run.network.modules() if isinstance(m, BatchNorm)]
    kept = [(torch.zeros_like(m.mean), torch.ones_like(m.var)) for m in norms]
    for arch in archs:
        for m, (mean, var) in zip(norms, kept, strict=True):
            m.mean, m.var, m.momentum, m.track, m.use_running = mean, var, None, True, False
            m.reset()
        for images in calibration:
            run.network(images, arch)
        for m in norms:
            m.track, m.use_running = False, True
        yield torch.cat([run.network(x, arch) for x in parts])
