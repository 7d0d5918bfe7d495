"""How long each candidate of each fused operation takes, beside the time that its memory traffic takes at least."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from typing import Any, TypedDict

import numpy as np
import torch
from torch import Tensor

from supernet.benchmarks.errors import UserError
from supernet.harness.supernet.kernels import operations
from supernet.harness.supernet.kernels.choice import CANDIDATES, use

SHAPES = ((256, 16, 32, 32), (256, 32, 16, 16), (256, 64, 8, 8))
"""(n, channels, height, width) of the three stages of NAS-Bench-201's network on CIFAR-10, for a batch of 256."""
DTYPES = (torch.bfloat16, torch.float32)
PATHS = 4
"""Paths of a strictly fair step without `none`."""
COPIED = 1 << 28
"""Bytes of the tensor whose copy measures the bandwidth of a GPU's memory: more than its caches hold."""
REPEATS = 20
"""Calls that are timed together."""


class Row(TypedDict, total=False):
    """What one candidate does with one shape, forward and backward together, in types that JSON has."""

    operation: str
    terms: str
    """What the operation is given."""
    shape: list[int]
    """Of one tensor: [n, channels, height, width]."""
    dtype: str
    candidate: str
    microseconds: float
    """Median of a forward and backward pass; on a GPU replayed from a CUDA graph, without launches from Python."""
    bytes: int
    """What must be read and written at least: each pass over a tensor counts once, and nothing is counted as cached."""
    roofline: float
    """The time for `bytes` at the bandwidth of a large copy, divided by the time taken. Tensors that fit into a cache
    may be faster, beyond 1."""
    first_seconds: float
    """Seconds of the first pass, in which the candidate is compiled for this shape unless a cache on disk has it."""
    error: str
    """Why there are no times."""


@dataclass(frozen=True)
class Case:
    """One operation on made-up inputs."""

    operation: str
    terms: str
    compute: Callable[[], Sequence[Tensor]]
    inputs: Sequence[Tensor]
    passes: int
    """Tensors of one path that are read or written at least, forward and backward."""


def table(
    device: str | torch.device,
    shapes: Sequence[tuple[int, int, int, int]] = SHAPES,
    dtypes: Sequence[torch.dtype] = DTYPES,
    candidates: Sequence[str] = ("eager", "triton"),
    seconds: float = 60,
) -> list[Row]:
    """Measure the operations on a device.

    Args:
        shapes: (n, channels, height, width) of one tensor of one path.
        candidates: names of candidates; those that a machine cannot run are left out.
        seconds: measurements that would begin after this time are left out, the last shapes first. Most of the time
            goes into compilation.
    """
    device, began = torch.device(device), time.perf_counter()
    bandwidth = copy_bandwidth(device)
    rows = []
    for dtype, shape in product(dtypes, shapes):
        for name, case in product(candidates, list(_cases(shape, dtype, device))):
            in_time = time.perf_counter() - began < seconds
            if in_time and name in CANDIDATES[case.operation] and _usable(name, case):
                rows.append(_row(case, name, bandwidth))
    return rows


def copy_bandwidth(device: torch.device) -> float:
    """Bytes per second that a copy of a large tensor reads and writes."""
    size = COPIED if device.type == "cuda" else COPIED >> 4
    x = torch.zeros(size, dtype=torch.uint8, device=device)
    y = torch.empty_like(x)
    return 2 * size / _seconds(lambda: y.copy_(x), device)


def _cases(shape: tuple[int, int, int, int], dtype: torch.dtype, device: torch.device) -> Iterator[Case]:
    """All operations as a fair step, a single path and a reduction use them."""

    def images(*leading: int) -> Tensor:
        n, channels, height, width = shape
        x = torch.randn(*leading, n, height, width, channels, device=device).movedim(-1, -3)
        return x.to(dtype).requires_grad_()

    one, two, skip = images(), images(), images()
    # Forward, a part is read for its statistics and for the sum; backward, it and dy are read twice, and dx is written.
    yield Case("batch_norm_add", "1 part", lambda: [operations.batch_norm_add([one])], [one], 2 + 1 + 5)
    yield Case(
        "batch_norm_add",
        "2 parts, 1 skip",
        lambda: [operations.batch_norm_add([one, two], skips=[skip])],
        [one, two, skip],
        2 * 2 + 1 + 1 + 2 * 5,
    )
    terms = [images() for _ in range(4 * 2)]  # of two edges: two convolutions, a skip and pooling each
    path = torch.tensor([0, 1, 2, 3, 2, 3, 0, 1], device=device)
    yield Case(
        "batch_norm_add",
        "4 parts, 4 skips, 4 paths",
        lambda: [operations.batch_norm_add(terms[:4], skips=terms[4:], path=path, paths=PATHS)],
        terms,
        4 * 2 + 4 + PATHS + 4 * 5 + 2 * 4,
    )
    yield Case("avg_pool3x3", "1 tensor", lambda: [operations.avg_pool3x3(one)], [one], 4)


def _usable(candidate: str, case: Case) -> bool:
    if candidate != "triton":
        return True
    try:
        with use(candidate):
            from supernet.harness.supernet.kernels import triton

            return triton.takes(case.inputs)
    except UserError:
        return False


def _row(case: Case, candidate: str, bandwidth: float) -> Row:
    x = case.inputs[0]
    row = Row(
        operation=case.operation,
        terms=case.terms,
        shape=list(x.shape[-4:]),
        dtype=str(x.dtype).removeprefix("torch."),
        candidate=candidate,
    )
    try:
        row |= _times(case, candidate, bandwidth)
    except Exception as error:  # what one candidate cannot do must not hide what the others can
        row["error"] = f"{type(error).__name__}: {str(error)[:300]}"
    return row


def _times(case: Case, candidate: str, bandwidth: float) -> Row:
    x = case.inputs[0]
    with use("eager"):
        grads = [torch.randn_like(y) for y in case.compute()]

    def run() -> Any:
        return torch.autograd.grad(case.compute(), case.inputs, grads)

    with use(candidate):
        began = time.perf_counter()
        run()
        _wait(x.device)
        first = time.perf_counter() - began
        seconds = _seconds(run, x.device)
    moved = case.passes * x.element_size() * math.prod(x.shape[-4:])
    return Row(microseconds=seconds * 1e6, bytes=moved, roofline=moved / bandwidth / seconds, first_seconds=first)


def _seconds(run: Callable[[], Any], device: torch.device) -> float:
    """Median seconds of a call."""
    if device.type == "cuda":
        return _replayed(run, device)
    run()
    taken = []
    for _ in range(REPEATS):
        began = time.perf_counter()
        run()
        taken.append(time.perf_counter() - began)
    return float(np.median(taken))


def _replayed(run: Callable[[], Any], device: torch.device) -> float:
    """Median seconds of a call in a CUDA graph of several."""
    stream = torch.cuda.Stream(device)
    stream.wait_stream(torch.cuda.current_stream(device))
    with torch.cuda.stream(stream):
        for _ in range(3):
            run()
    torch.cuda.current_stream(device).wait_stream(stream)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        for _ in range(REPEATS):
            run()
    taken = []
    for _ in range(7):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        graph.replay()
        end.record()
        torch.cuda.synchronize(device)
        taken.append(start.elapsed_time(end) / 1e3 / REPEATS)
    return float(np.median(taken))


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
