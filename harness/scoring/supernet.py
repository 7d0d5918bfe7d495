"""Scores of many architectures under one super-net: the same images for all, shared work done once.

Architectures that compute the same thing are scored once. In NAS-Bench-201 they are visited in the order of their
decisions, so that what the first cell has in common with the architecture before is kept: over the whole space
the first cell costs about as much as the sums of its edges. On a CPU every thread scores architectures of its own,
which keeps threads busier than sharing each operation does, and makes scores the same for any number of threads.
Memory does not grow with the number of architectures or images.
"""

from __future__ import annotations

import dataclasses
import hashlib
import io
import itertools
import re
import threading
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import torch
import torch.nn.functional as F
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.files import replace, whole, write_bytes
from supernet.benchmarks.regular import read_plain
from supernet.benchmarks.sealed import Unsealed, put_aside, sealed, unsealed
from supernet.benchmarks.spaces import Arch, SearchSpace, space
from supernet.benchmarks.spaces.nb201 import EDGES, NONE
from supernet.benchmarks.tasks.loader import eval_batches, train_batches
from supernet.benchmarks.tasks.split import Split
from supernet.harness.supernet.nb201.net import NB201Net
from supernet.harness.supernet.ops import BatchNorm
from supernet.harness.training.loop import Run
from supernet.heuristics.hooks import Routing
from supernet.heuristics.recipe import EvaluationSection, NetworkSection

SCORES = "scores.parquet"
PARTIAL = ".scores.partial.npz"
SAVE_SECONDS = 15.0
TELL_SECONDS = 1.0
IDENTITY = re.compile(r"[0-9a-f]{64}")
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
    evaluation: EvaluationSection | None = None,
    out: Path | None = None,
    keep: Callable[[Scores], object] | None = None,
    progress: Callable[[int, int], None] | None = None,
    notice: Callable[[str], None] | None = None,
) -> Scores:
    """Score architectures with shared weights, on the validation images.

    Args:
        indices: which architectures; the whole space without.
        images: score on the first of these instead.
        evaluation: the protocol; that of the recipe without.
        out: folder in which an interrupted ranking leaves what it has, and goes on from.
        keep: called with the scores before `out` loses what an interrupted ranking goes on from.
        progress: called with (architecture, batch) pairs done and in all.
        notice: called with a sentence for the user where something in `out` is damaged.

    Raises:
        UserError: more scoring images than the task validates on, or a protocol that the recipe's network does not
            allow; no architectures.
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
    members, position = np.unique(_first_alike(within, run.recipe.network, rows), return_inverse=True)
    archs = within.archs(members)
    order = np.lexsort(archs.T[::-1])
    ordered: list[Arch] = [tuple(arch) for arch in archs[order].tolist()]
    work = _Work(run, protocol, images.take(slice(0, protocol.images)))
    sums = _scored(work, ordered, out / PARTIAL if out else None, progress, notice)
    by_member = np.empty_like(sums)
    by_member[order] = sums
    loss, correct = by_member[position].T
    scores = Scores(
        indices=rows,
        accuracy=100 * correct / protocol.images,
        loss=loss / protocol.images,
        images=protocol.images,
        distinct=len(ordered),
        seconds=time.perf_counter() - started,
    )
    if keep:
        keep(scores)
    if out:
        (out / PARTIAL).unlink(missing_ok=True)
    return scores


class _Work:
    """What all architectures of a ranking are scored on, and how."""

    def __init__(self, run: Run, protocol: EvaluationSection, images: Split) -> None:
        self.run, self.protocol = run, protocol
        recalibrate = protocol.bn == "recalibrate"
        # Each batch passes over all architectures; recalibration, done once for each, wants all images in one pass.
        size = min(protocol.batch_size, protocol.images)
        self.batches = list(eval_batches(images, run.task, protocol.images if recalibrate else size))
        self.calibration = _calibration(run, size, protocol.recalibration_batches) if recalibrate else []

    def identity(self, archs: list[Arch]) -> str:
        """A digest of all that the scores of these architectures depend on, weights and images included."""
        recipe, protocol = self.run.recipe, self.protocol
        how = (recipe.hash, protocol.bn, protocol.batch_size, self.run.device.type, torch.__version__, archs)
        digest = hashlib.sha256(repr(how).encode())
        for name, value in self.run.network.state_dict().items():
            _add(digest, name, value)
        for x, y in self.batches:
            _add(digest, "images", x)
            _add(digest, "labels", y)
        for x in self.calibration:
            _add(digest, "calibration", x)
        return digest.hexdigest()


def _add(digest: hashlib._Hash, name: str, value: Tensor) -> None:
    digest.update(f"{name} {value.dtype} {tuple(value.shape)}".encode())
    digest.update(np.ascontiguousarray(value.detach().cpu().numpy()).data)


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


def chosen(within: SearchSpace, count: int, seed: int, among: NDArray[np.int64] | None = None) -> NDArray[np.int64]:
    """Architectures sampled uniformly among these (without: among all distinct ones), in ascending order: (count,).

    Raises:
        UserError: the count is below 1, or there are not as many.
    """
    if count < 1:
        raise UserError(f"A sample has at least 1 architecture, not {count:,}.")
    if among is None and not within.enumerable:  # hardly any of so many are drawn twice
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


def _first_alike(within: SearchSpace, network: NetworkSection, rows: NDArray[np.int64]) -> NDArray[np.int64]:
    """For each architecture the first of those that this super-net cannot tell apart: (n,)."""
    if network.partial_channels > 1:  # channels pass by edges that lead nowhere, too
        return rows
    return within.same_computation(rows)


def _scored(
    work: _Work,
    archs: list[Arch],
    partial: Path | None,
    progress: Callable[[int, int], None] | None,
    notice: Callable[[str], None] | None,
) -> NDArray[np.float64]:
    """Summed loss and correct images of each architecture: (architectures, 2).

    A third column counts batches, so that an interrupt cannot part a sum from its count.
    """
    identity = work.identity(archs) if partial else ""
    sums, done = _resume(partial, identity, len(archs), notice) if partial else _nothing(len(archs))
    sums = sums.to(work.run.device)  # where nothing waits for them
    total = len(archs) * len(work.batches)
    last_saved = last_told = time.perf_counter()
    try:
        with _scoring(work.run.network, work.protocol.bn):
            for number, batch in enumerate(work.batches):
                first = max(0, done - number * len(archs))
                if first >= len(archs):
                    continue
                with closing(_in_threads(work, batch, archs[first:])) as found:
                    for k, summed in enumerate(found, first):
                        sums[k] += summed
                        done += 1
                        now = time.perf_counter()
                        if progress and (done % 16 == 0 or now - last_told > TELL_SECONDS):
                            last_told = now
                            progress(done, total)
                        if partial and now - last_saved > SAVE_SECONDS:
                            _save(partial, identity, sums)
                            last_saved = time.perf_counter()
    except KeyboardInterrupt:
        if partial:
            _save(partial, identity, sums)
        raise
    if partial:  # until the scores are kept elsewhere
        _save(partial, identity, sums)
    return sums[:, :2].cpu().numpy()


@contextmanager
def _scoring(network: torch.nn.Module, bn: str) -> Iterator[None]:
    """The network as scoring needs it, and as it was afterwards."""
    was_training = network.training
    network.eval()
    try:
        with torch.inference_mode(), _statistics(network, bn):
            yield
    finally:
        network.train(was_training)


def _in_threads(work: _Work, batch: Batch, archs: list[Arch]) -> Generator[Tensor, None, None]:
    """What `_summed` gives, in its order, on as many threads as there may be."""
    threads = torch.get_num_threads()
    if threads == 1 or work.run.device.type != "cpu" or work.calibration:  # recalibration changes modules
        yield from _summed(work, batch, archs)
        return

    ended = threading.Event()

    def score(block: list[Arch]) -> list[Tensor]:
        with torch.inference_mode():  # known to one thread only
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
    """Summed loss, correct images and one batch of each architecture: (3,)."""
    (x, y), run = batch, work.run
    with torch.autocast(run.device.type, dtype=torch.bfloat16, enabled=run.recipe.training.amp):
        if work.calibration:
            logits = _recalibrated(run.network, x.split(work.protocol.batch_size), archs, work.calibration)
        else:
            logits = logits_of(run.network, x, archs)
        for output in logits:
            loss = F.cross_entropy(output.float(), y, reduction="sum")
            yield torch.stack([loss, (output.argmax(1) == y).sum(), torch.ones_like(loss)])


# ---- what an interrupted ranking leaves ------------------------------------------------------------------------------


def _nothing(count: int) -> tuple[Tensor, int]:
    return torch.zeros(count, 3, dtype=torch.float64), 0


def _save(path: Path, identity: str, sums: Tensor) -> None:
    content = io.BytesIO()
    np.savez(content, identity=identity, sums=sums.cpu().numpy())
    write_bytes(path, sealed(content.getbuffer()))


def _read(path: Path) -> tuple[str, NDArray[np.float64]] | None:
    """Identity and sums in a file that `_save` wrote, None where there is no file.

    Raises:
        Unsealed: it is not what was written.
        OSError: it cannot be read.
    """
    try:
        data = read_plain(path)
    except FileNotFoundError:
        return None
    content = unsealed(data)
    try:
        with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
            identity, sums = str(arrays["identity"]), arrays["sums"]
    except MemoryError:
        raise
    except Exception as error:  # whatever content under a right checksum leads to
        raise Unsealed(f"it does not hold sums: {type(error).__name__}") from None
    if sums.dtype != np.float64 or sums.ndim != 2 or sums.shape[1] != 3 or not IDENTITY.fullmatch(identity):
        raise Unsealed("it does not hold sums")
    return identity, sums


def _resume(path: Path, identity: str, count: int, notice: Callable[[str], None] | None = None) -> tuple[Tensor, int]:
    """Sums as `_scored` has them, and how many pairs of architecture and batch are in them.

    What another ranking has left is kept beside `path`, and comes back when that ranking goes on. What is damaged is
    renamed, and said.
    """
    try:
        found = _read(path)
        if found is None or found[0] != identity:
            if found is not None:
                replace(path, _beside(path, found[0]))
            if _beside(path, identity).exists():
                replace(_beside(path, identity), path)
            found = _read(path)
        if found is not None and found[0] == identity and len(found[1]) == count:
            return torch.from_numpy(found[1]), int(found[1][:, 2].sum())
    except Unsealed as damage:
        aside = put_aside(path)
        if notice:
            notice(
                f"What an interrupted ranking left in {path} is damaged: {damage}. It is kept as {aside.name}, and "
                "scoring starts from the beginning."
            )
    return _nothing(count)


def _beside(path: Path, identity: str) -> Path:
    return path.with_name(f".scores-{identity[:16]}.partial.npz")


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
    # What the first cell shares is the business of this one super-net, whose module has the fast way.
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


def _calibration(run: Run, size: int, count: int) -> list[Tensor]:
    """Images of as many training batches as asked for: of one epoch, then of the epochs that follow."""
    batches = (
        images
        for epoch in itertools.count()
        for images, _ in train_batches(run.task.train, run.task, size, seed=run.recipe.seed, epoch=epoch)
    )
    return list(itertools.islice(batches, count))


def _recalibrated(
    network: torch.nn.Module, parts: Sequence[Tensor], archs: Sequence[Arch], calibration: Sequence[Tensor]
) -> Iterator[Tensor]:
    """Logits with statistics that each architecture recomputes on the same training batches (Guo et al., 2020)."""
    norms = [m for m in network.modules() if isinstance(m, BatchNorm)]
    kept = [(torch.zeros_like(m.mean), torch.ones_like(m.var)) for m in norms]
    for arch in archs:
        for m, (mean, var) in zip(norms, kept, strict=True):
            m.mean, m.var, m.momentum, m.track, m.use_running = mean, var, None, True, False
            m.reset()
        for images in calibration:
            network(images, arch)
        for m in norms:
            m.track, m.use_running = False, True
        yield torch.cat([network(x, arch) for x in parts])
