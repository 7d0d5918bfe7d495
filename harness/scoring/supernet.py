"""Scores of many architectures under one super-net, on the same images, with shared work done once.

Architectures that compute the same function are scored once. In NAS-Bench-201, architectures are visited in the order
of their decisions, and what the first cell has in common with the architecture before is kept: over the whole space,
the first cell costs about as much as the sums of its edges. On a CPU, every thread scores its own architectures, which
keeps threads busier than sharing each operation would, and makes scores the same for any number of threads. On a GPU,
architectures are scored in blocks, which are replayed as a CUDA graph (`harness.supernet.nb201.blocks`). Memory does
not grow with the number of architectures or images.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import whole
from supernet.benchmarks.spaces import Arch, SearchSpace, space
from supernet.benchmarks.tasks.loader import eval_batches
from supernet.benchmarks.tasks.split import Split
from supernet.harness.scoring import blocks
from supernet.harness.scoring import partial as partial_scores
from supernet.harness.scoring.norms import calibration_images, recalibrated, statistics
from supernet.harness.supernet.nb201.blocks import Blocks
from supernet.harness.training.run import Run
from supernet.heuristics.methods.apart import Several
from supernet.heuristics.recipe import EvaluationSection
from supernet.heuristics.routes import Routing

SCORES = "scores.parquet"
SAVE_SECONDS = 15.0
"""Seconds between two saves of an unfinished ranking, which is what a kill can lose; an interrupt loses nothing."""
TELL_SECONDS = 1.0
"""Seconds after which progress is reported even if fewer than TELL_PAIRS pairs have been scored since."""
TELL_PAIRS = 16
"""(architecture, batch) pairs between two reports of progress."""
BLOCK = 64
"""Consecutive architectures that a thread scores as one task."""


class Batch(NamedTuple):
    """Images that are scored in one pass."""

    images: Tensor
    labels: Tensor
    first: int
    """How many of them, from the start on, belong to the first images that also have scores of their own."""


@dataclass(frozen=True)
class First:
    """Scores on the first of the scoring images, from the same pass as those on all of them."""

    images: int
    accuracy: NDArray[np.float64]
    """Percent of these images: (n,)."""
    loss: NDArray[np.float64]
    """Mean cross-entropy: (n,)."""


@dataclass(frozen=True)
class Scores:
    """Accuracies and losses of n architectures under one super-net."""

    indices: NDArray[np.int64]
    accuracy: NDArray[np.float64]
    """Percent of the scoring images: (n,)."""
    loss: NDArray[np.float64]
    """Mean cross-entropy: (n,)."""
    images: int
    """Number of scoring images."""
    distinct: int
    """Number of architectures that were computed; each of the others computes the same function as one of them."""
    seconds: float
    """Wall-clock time of scoring."""
    first: First | None = None
    """Scores on the first images alone, where they are asked for."""


def rank(
    run: Run,
    indices: ArrayLike | None = None,
    *,
    images: Split | None = None,
    evaluation: EvaluationSection | None = None,
    first: int = 0,
    out: Path | None = None,
    keep: Callable[[Scores], object] | None = None,
    progress: Callable[[int, int], None] | None = None,
    notice: Callable[[str], None] | None = None,
    in_blocks: bool | None = None,
) -> Scores:
    """Score architectures with shared weights, on the validation images.

    Args:
        run: the trained super-net.
        indices: the architectures, (n,); by default the whole space.
        images: images to score on, instead of the validation images; the first ones are used.
        evaluation: the evaluation protocol; by default that of the recipe.
        first: how many of the scoring images, from the start on, also get scores of their own. They come from the same
            pass, which costs no images; where batch norm uses the statistics of a batch, these are of the whole batch.
        out: folder in which an interrupted ranking is saved, and from which it continues.
        keep: called with the scores before the saved state in `out` is deleted.
        progress: called with the number of (architecture, batch) pairs that are done, and of all pairs.
        notice: called with a sentence for the user if something in `out` is damaged.
        in_blocks: whether to compute architectures in blocks; by default, that is done on a GPU if the network and the
            protocol allow it and memory is enough. Scores differ by rounding alone.

    Raises:
        UserError: there are fewer images than the protocol scores on, or no architectures; or the recipe's network
            does not allow the protocol, or blocks where they are asked for.
    """
    within = space(run.recipe.space)
    protocol = dataclasses.replace(run.recipe, evaluation=evaluation or run.recipe.evaluation).evaluation
    images = run.task.valid if images is None else images
    if protocol.images > len(images):
        raise UserError(f"evaluation.images is {protocol.images:,}, but there are {len(images):,} images to score on.")
    started = time.perf_counter()
    rows = within.every_index("a ranking of the space") if indices is None else within.checked_indices(indices)
    if not len(rows):
        raise UserError("There are no architectures to score.")
    members, position = np.unique(first_alike(run, rows), return_inverse=True)
    archs = within.archs(members)
    work = _Work(run, protocol, images.take(slice(0, protocol.images)), min(first, protocol.images))
    if in_blocks or (in_blocks is None and blocks.pay(run, protocol.bn, work.batches[0].images)):
        work.blocks, order = blocks.made(run, protocol.bn, archs)
    else:
        order = np.lexsort(archs.T[::-1])
    ordered: list[Arch] = [tuple(arch) for arch in archs[order].tolist()]
    sums = _scored(work, ordered, out / partial_scores.NAME if out else None, progress, notice)
    by_member = np.empty_like(sums)
    by_member[order] = sums
    loss, correct, *of_first = by_member[position].T
    scores = Scores(
        indices=rows,
        accuracy=100 * correct / protocol.images,
        loss=loss / protocol.images,
        images=protocol.images,
        distinct=len(ordered),
        seconds=time.perf_counter() - started,
        first=First(work.first, 100 * of_first[1] / work.first, of_first[0] / work.first) if work.first else None,
    )
    if keep:
        keep(scores)
    if out:
        (out / partial_scores.NAME).unlink(missing_ok=True)
    return scores


class _Work:
    """The network, images and protocol that all architectures of a ranking share."""

    def __init__(self, run: Run, protocol: EvaluationSection, images: Split, first: int = 0) -> None:
        self.run, self.protocol, self.first = run, protocol, first
        self.blocks: Blocks | None = None
        recalibrate = protocol.bn == "recalibrate"
        # Each batch passes over all architectures; recalibration, done once for each, wants all images in one pass.
        size = min(protocol.batch_size, protocol.images)
        passed = protocol.images if recalibrate else size
        self.batches = [
            Batch(x, y, min(max(0, first - number * passed), len(y)))
            for number, (x, y) in enumerate(eval_batches(images, run.task, passed))
        ]
        self.calibration = calibration_images(run, size, protocol.recalibration_batches) if recalibrate else []

    @property
    def columns(self) -> int:
        """Numbers that are summed for each architecture: loss, correct images, both of the first ones, and batches."""
        return 5 if self.first else 3

    def identity(self, archs: list[Arch]) -> str:
        """A digest of all that the scores of these architectures depend on, weights and images included."""
        recipe, protocol = self.run.recipe, self.protocol
        how = (
            recipe.hash,
            protocol.bn,
            protocol.batch_size,
            self.first,
            self.run.device.type,
            torch.__version__,
            archs,
        )
        digest = hashlib.sha256(repr(how).encode())
        for name, value in self.run.network.state_dict().items():
            add_to(digest, name, value)
        for batch in self.batches:
            add_to(digest, "images", batch.images)
            add_to(digest, "labels", batch.labels)
        for x in self.calibration:
            add_to(digest, "calibration", x)
        return digest.hexdigest()


def add_to(digest: hashlib._Hash, name: str, value: Tensor) -> None:
    """Add a tensor, by name, type, shape and content, to a digest."""
    digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
    digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).data)


def accuracy_of(run: Run, routing: Routing) -> float:
    """Accuracy in percent of one routing, relaxed or not, on the scoring images, with the statistics of each batch."""
    protocol, network = run.recipe.evaluation, run.network
    images = run.task.valid.take(slice(0, protocol.images))
    was_training, correct = network.training, 0
    network.eval()
    try:
        autocast = torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.recipe.training.amp)
        with torch.inference_mode(), autocast, statistics(network, "batch"):
            for x, y in eval_batches(images, run.task, min(protocol.batch_size, protocol.images)):
                correct += int((network(x, routing).argmax(1) == y).sum())
    finally:
        network.train(was_training)
    return 100 * correct / len(images)


def images_passed(protocol: EvaluationSection, networks: int) -> int:
    """Images that are passed forward to score this many networks, those of recalibration included."""
    size = min(protocol.batch_size, protocol.images)
    again = protocol.recalibration_batches * size if protocol.bn == "recalibrate" else 0
    return networks * (protocol.images + again)


def chosen(within: SearchSpace, count: int, seed: int, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Indices of architectures sampled uniformly, ascending: (count,).

    Args:
        seed: seed of the sample.
        among: indices to sample from; by default all distinct architectures.

    Raises:
        UserError: the count is below 1, or larger than the number of architectures to sample from.
    """
    if count < 1:
        raise UserError(f"A sample has at least 1 architecture, not {count:,}.")
    if among is None and not within.enumerable:  # repeats are rare in a space of this size
        return np.sort(within.sample(np.random.default_rng(seed), count))
    pool = within.distinct() if among is None else among
    if count > len(pool):
        kind = "distinct architectures" if among is None else "architectures with ground truth to sample among"
        raise UserError(f"{within.name} has {len(pool):,} {kind}, not {count:,}.")
    return np.sort(within.sample(np.random.default_rng(seed), count, among=pool))


def write_scores(frame: pd.DataFrame, path: Path) -> None:
    """Write scores as Parquet with page checksums, whole or not at all."""
    with whole(path) as partial:
        frame.to_parquet(partial, write_page_checksum=True)


def first_alike(run: Run, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each architecture, the first of those for which this super-net computes the same function: (n,)."""
    if run.recipe.network.partial_channels > 1:  # on every edge, some channels pass by the operation, even if `none`
        return rows
    within = space(run.recipe.space)
    alike = within.same_computation(rows)
    if not isinstance(run.network, Several):
        return alike
    # The same computation with other weights is another function.
    keys = np.column_stack([alike, run.network.weight_sets(within.archs(rows))])
    _, first, inverse = np.unique(keys, axis=0, return_index=True, return_inverse=True)
    return np.asarray(rows[first][inverse.ravel()])


def _scored(
    work: _Work,
    archs: list[Arch],
    partial: Path | None,
    progress: Callable[[int, int], None] | None,
    notice: Callable[[str], None] | None,
) -> NDArray[np.float64]:
    """Summed loss and number of correct images of each architecture, and those of the first images: (architectures, 2)
    or, with first images, (architectures, 4).

    While they are added up, a last column counts batches, so that an interrupt cannot separate a sum from its count.
    """
    identity, columns = work.identity(archs) if partial else "", work.columns
    sums, done = (
        partial_scores.resume(partial, identity, len(archs), notice, columns)
        if partial
        else partial_scores.nothing(len(archs), columns)
    )
    sums = sums.to(work.run.device)  # where adding to them does not wait for the device
    total = len(archs) * len(work.batches)
    last_saved = last_told = time.perf_counter()
    try:
        with _scoring(work.run.network, work.protocol.bn):
            for number, batch in enumerate(work.batches):
                first = max(0, done - number * len(archs))
                if first >= len(archs):
                    continue
                with closing(_found(work, batch, archs, first)) as found:
                    for summed in found:
                        sums[first : first + len(summed)] += summed
                        before, first, done = done, first + len(summed), done + len(summed)
                        now = time.perf_counter()
                        told = done // TELL_PAIRS > before // TELL_PAIRS
                        if progress and (told or now - last_told > TELL_SECONDS):
                            last_told = now
                            progress(done, total)
                        if partial and now - last_saved > SAVE_SECONDS:
                            partial_scores.save(partial, identity, sums)
                            last_saved = time.perf_counter()
    except KeyboardInterrupt:
        if partial:
            partial_scores.save(partial, identity, sums)
        raise
    if partial:  # in case the caller is interrupted before it has kept the scores
        partial_scores.save(partial, identity, sums)
    return sums[:, :-1].cpu().numpy()


@contextmanager
def _scoring(network: torch.nn.Module, bn: str) -> Iterator[None]:
    """Set the network to evaluation, with the protocol's batch norm, and restore it afterwards."""
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(), statistics(network, bn):
            yield
    finally:
        network.train(was_training)


def _found(work: _Work, batch: Batch, archs: list[Arch], first: int) -> Generator[Tensor, None, None]:
    """The results of the architectures from number `first` on, in order: (some, columns) each."""
    if work.blocks is not None:
        part = batch.first if work.first else None
        yield from blocks.summed(work.blocks, batch.images, batch.labels, first, part)
        return
    with closing(_in_threads(work, batch, archs[first:])) as found:
        for summed in found:
            yield summed[None]


def _in_threads(work: _Work, batch: Batch, archs: list[Arch]) -> Generator[Tensor, None, None]:
    """The results of `_summed`, in its order, computed on the available threads."""
    threads = torch.get_num_threads()
    if threads == 1 or work.run.device.type != "cpu" or work.calibration:  # recalibration changes modules
        yield from _summed(work, batch, archs)
        return

    ended = threading.Event()

    def score(block: list[Arch]) -> list[Tensor]:
        with torch.inference_mode():  # each thread has its own mode
            return list(itertools.takewhile(lambda _: not ended.is_set(), _summed(work, batch, block)))

    pool = ThreadPoolExecutor(threads, initializer=torch.set_num_threads, initargs=(1,))
    try:
        for block in pool.map(score, [archs[k : k + BLOCK] for k in range(0, len(archs), BLOCK)]):
            yield from block
    finally:
        ended.set()
        pool.shutdown(cancel_futures=True)
        torch.set_num_threads(threads)


def _summed(work: _Work, batch: Batch, archs: Sequence[Arch]) -> Iterator[Tensor]:
    """Yield the numbers of a batch that are summed for each architecture: (columns,)."""
    (x, y, first), run = batch, work.run
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.recipe.training.amp):
        if work.calibration:
            logits = recalibrated(run.network, x.split(work.protocol.batch_size), archs, work.calibration)
        else:
            logits = run.network.logits_of(x, archs)
        for output in logits:
            loss, correct = _loss_and_correct(output, y)
            of_first = _loss_and_correct(output[:first], y[:first]) if work.first else ()
            yield torch.stack([loss, correct, *of_first, torch.ones_like(loss)])


def _loss_and_correct(logits: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
    """Summed cross-entropy and number of correct images, which are 0 without images."""
    return F.cross_entropy(logits.float(), labels, reduction="sum"), (logits.argmax(1) == labels).sum()
