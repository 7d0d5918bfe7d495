"""The kernels of batch norms that are summed: statistics, the sum, and their backward passes.

A tensor is `rows` rows (pixels of images) of C channels. A program reads a tile of ROWS x CHANNELS. The statistics of
tiles are merged by the formula of Chan, Golub and LeVeque (1979), so that no large sums of squares are subtracted
from each other.
"""

import triton
import triton.language as tl


@triton.jit
def _tile(rows, C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr):
    """Offset of this program's tile, offsets in it, which of its elements exist, and its channels."""
    first = tl.program_id(0).to(tl.int64) * ROWS
    row = tl.arange(0, ROWS)
    channel = tl.program_id(2) * CHANNELS + tl.arange(0, CHANNELS)
    inside = (row < rows - first)[:, None] & (channel < C)[None, :]
    return first * C, row[:, None] * C + channel[None, :], inside, channel


@triton.jit
def _seen(rows, block, ROWS: tl.constexpr):
    """How many rows a block has."""
    return tl.maximum(tl.minimum(rows - block * ROWS, ROWS), 0).to(tl.float32)


@triton.jit(do_not_specialize=["rows", "blocks"])
def statistics(
    xs, found, rows, blocks, COUNT: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr
):
    """Per tile of each part: means of channels, and sums of squared deviations from them: (2, COUNT, blocks, C)."""
    base, at, inside, channel = _tile(rows, C, ROWS, CHANNELS)
    block, part = tl.program_id(0), tl.program_id(1)
    seen = _seen(rows, block, ROWS)
    to = found + (part * blocks + block) * C + channel
    for i in tl.static_range(COUNT):
        if part == i:
            x = tl.load(xs[i] + base + at, mask=inside, other=0.0).to(tl.float32)
            mean = tl.sum(x, 0) / seen
            away = tl.where(inside, x - mean[None, :], 0.0)
            tl.store(to, mean, mask=channel < C)
            tl.store(to + COUNT * blocks * C, tl.sum(away * away, 0), mask=channel < C)


@triton.jit(do_not_specialize=["rows", "blocks"])
def merge(
    found, saved, eps, rows, blocks,
    COUNT: tl.constexpr, TURNS: tl.constexpr, BLOCKS: tl.constexpr,
    C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Mean and 1 / sqrt(var + eps) of each part and channel: (2, COUNT, C); reads BLOCKS blocks at each turn."""
    part = tl.program_id(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    means = found + part * blocks * C
    spreads = means + COUNT * blocks * C
    total = tl.zeros((CHANNELS,), tl.float32)
    for turn in range(TURNS):
        block = turn * BLOCKS + tl.arange(0, BLOCKS)
        inside = (block < blocks)[:, None] & (channel < C)[None, :]
        mean = tl.load(means + block[:, None] * C + channel[None, :], mask=inside, other=0.0)
        total += tl.sum(mean * _seen(rows, block, ROWS)[:, None], 0)
    centre = total / rows
    spread = tl.zeros((CHANNELS,), tl.float32)
    for turn in range(TURNS):
        block = turn * BLOCKS + tl.arange(0, BLOCKS)
        inside = (block < blocks)[:, None] & (channel < C)[None, :]
        at = block[:, None] * C + channel[None, :]
        away = tl.load(means + at, mask=inside, other=0.0) - centre[None, :]
        within = tl.load(spreads + at, mask=inside, other=0.0)
        spread += tl.sum(tl.where(inside, within + away * away * _seen(rows, block, ROWS)[:, None], 0.0), 0)
    tl.store(saved + part * C + channel, centre, mask=channel < C)
    tl.store(saved + (COUNT + part) * C + channel, tl.rsqrt(spread / rows + eps), mask=channel < C)


@triton.jit
def _normal(x, saved, part, inside, channel, COUNT: tl.constexpr, C: tl.constexpr):
    """A tile of a part less its mean, in units of its standard deviation."""
    known = channel < C
    mean = tl.load(saved + part * C + channel, mask=known, other=0.0)
    inverse = tl.load(saved + (COUNT + part) * C + channel, mask=known, other=0.0)
    return (tl.load(x, mask=inside, other=0.0).to(tl.float32) - mean[None, :]) * inverse[None, :]


@triton.jit
def _scaled(x, saved, weight, bias, part, inside, channel, COUNT: tl.constexpr, C: tl.constexpr, AFFINE: tl.constexpr):
    normal = _normal(x, saved, part, inside, channel, COUNT, C)
    if AFFINE:
        scale = tl.load(weight + part * C + channel, mask=channel < C, other=0.0).to(tl.float32)
        shift = tl.load(bias + part * C + channel, mask=channel < C, other=0.0).to(tl.float32)
        normal = normal * scale[None, :] + shift[None, :]
    return normal


@triton.jit(do_not_specialize=["rows"])
def join(
    xs, skips, saved, weight, bias, path, y, rows,
    COUNT: tl.constexpr, SKIPS: tl.constexpr, AFFINE: tl.constexpr, ROUTED: tl.constexpr,
    C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """The sum of the terms of a path; all terms belong to it unless ROUTED."""
    base, at, inside, channel = _tile(rows, C, ROWS, CHANNELS)
    p = tl.program_id(1)
    total = tl.zeros((ROWS, CHANNELS), tl.float32)
    for i in tl.static_range(COUNT):
        if ROUTED:
            if tl.load(path + i) == p:
                total += _scaled(xs[i] + base + at, saved, weight, bias, i, inside, channel, COUNT, C, AFFINE)
        else:
            total += _scaled(xs[i] + base + at, saved, weight, bias, i, inside, channel, COUNT, C, AFFINE)
    for j in tl.static_range(SKIPS):
        if ROUTED:
            if tl.load(path + COUNT + j) == p:
                total += tl.load(skips[j] + base + at, mask=inside, other=0.0).to(tl.float32)
        else:
            total += tl.load(skips[j] + base + at, mask=inside, other=0.0).to(tl.float32)
    to = y + p.to(tl.int64) * rows * C + base + at
    tl.store(to, total.to(y.dtype.element_ty), mask=inside)


@triton.jit
def _gradient(grad, path, part, base, at, rows, inside, C: tl.constexpr, ROUTED: tl.constexpr):
    """The tile of the gradient of the sum that a part belongs to; 0 for a part that belongs to none."""
    kept = True
    if ROUTED:
        p = tl.load(path + part)
        kept = p >= 0
        grad += tl.maximum(p, 0) * rows * C
    dy = tl.load(grad + base + at, mask=inside, other=0.0).to(tl.float32)
    return tl.where(kept, dy, 0.0)


@triton.jit(do_not_specialize=["rows", "blocks"])
def reduce(
    xs, saved, grad, path, found, rows, blocks,
    COUNT: tl.constexpr, ROUTED: tl.constexpr, C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Per tile of each part: sums over rows of dy, and of dy times the normalised part: (2, COUNT, blocks, C)."""
    base, at, inside, channel = _tile(rows, C, ROWS, CHANNELS)
    block, part = tl.program_id(0), tl.program_id(1)
    dy = _gradient(grad, path, part, base, at, rows, inside, C, ROUTED)
    to = found + (part * blocks + block) * C + channel
    tl.store(to, tl.sum(dy, 0), mask=channel < C)
    for i in tl.static_range(COUNT):
        if part == i:
            normal = _normal(xs[i] + base + at, saved, i, inside, channel, COUNT, C)
            tl.store(to + COUNT * blocks * C, tl.sum(dy * normal, 0), mask=channel < C)


@triton.jit(do_not_specialize=["blocks"])
def total(
    found, sums, blocks,
    COUNT: tl.constexpr, TURNS: tl.constexpr, BLOCKS: tl.constexpr, C: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Sums over tiles: (2, COUNT, C), the gradients of shifts and of scales."""
    part = tl.program_id(0)
    channel = tl.program_id(1) * CHANNELS + tl.arange(0, CHANNELS)
    for which in tl.static_range(2):
        value = tl.zeros((CHANNELS,), tl.float32)
        for turn in range(TURNS):
            block = turn * BLOCKS + tl.arange(0, BLOCKS)
            inside = (block < blocks)[:, None] & (channel < C)[None, :]
            at = ((which * COUNT + part) * blocks + block[:, None]) * C + channel[None, :]
            value += tl.sum(tl.load(found + at, mask=inside, other=0.0), 0)
        tl.store(sums + (which * COUNT + part) * C + channel, value, mask=channel < C)


@triton.jit(do_not_specialize=["rows"])
def spread(
    xs, saved, weight, sums, grad, path, to, rows,
    COUNT: tl.constexpr, AFFINE: tl.constexpr, ROUTED: tl.constexpr,
    C: tl.constexpr, ROWS: tl.constexpr, CHANNELS: tl.constexpr,
):  # fmt: skip
    """Gradients of parts: weight / std * (dy - mean(dy) - normal * mean(dy * normal)): (COUNT, rows, C)."""
    base, at, inside, channel = _tile(rows, C, ROWS, CHANNELS)
    part = tl.program_id(1)
    known = channel < C
    dy = _gradient(grad, path, part, base, at, rows, inside, C, ROUTED)
    shift = tl.load(sums + part * C + channel, mask=known, other=0.0) / rows
    slope = tl.load(sums + (COUNT + part) * C + channel, mask=known, other=0.0) / rows
    scale = tl.load(saved + (COUNT + part) * C + channel, mask=known, other=0.0)
    if AFFINE:
        scale *= tl.load(weight + part * C + channel, mask=known, other=0.0).to(tl.float32)
    here = to + part.to(tl.int64) * rows * C + base + at
    for i in tl.static_range(COUNT):
        if part == i:
            normal = _normal(xs[i] + base + at, saved, i, inside, channel, COUNT, C)
            dx = scale[None, :] * (dy - shift[None, :] - normal * slope[None, :])
            tl.store(here, dx.to(to.dtype.element_ty), mask=inside)
