"""The kernels of NAS-Bench-201's cells for several paths at once. Each operation of an edge serves one path at most.

What changes from step to step is data: `ops`, the operation of each path on each edge, (edges, paths), and `path`, the
path that each convolution serves or -1, (edges, 2), 1x1 before 3x3. A convolution that serves no path is not computed,
and nothing is copied from one path to another: each kernel reads the path that it needs where it lies.

Nodes and their gradients are (slots, paths, rows, C), where a row is a pixel of an image and node k of a cell lies in
slot (base + k) modulo the number of slots. Outputs of convolutions are (edges x 2, rows, C). A program reads ROWS rows
and all C channels; WIDE is C rounded up to a power of 2, and at least 16, which is what matrix units take.

Edges into node t come from nodes 0 to t - 1 and have the numbers t (t - 1) / 2 + source.
"""

import triton
import triton.language as tl

NODES = tl.constexpr(4)
SKIP, CONV1X1, CONV3X3, POOL = tl.constexpr(1), tl.constexpr(2), tl.constexpr(3), tl.constexpr(4)
SLICES = tl.constexpr(10)
"""Matrices of an edge: the nine of its 3x3 convolution, row by row, and that of its 1x1 convolution."""


@triton.jit
def _place(slot, p, paths, rows, C: tl.constexpr):
    """Where the values of a path begin in (slots, paths, rows, C)."""
    return (slot * paths + p).to(tl.int64) * rows * C


@triton.jit
def _inside(row, rows, down, right, H: tl.constexpr, W: tl.constexpr):
    """Whether the pixel that lies `down` and `right` of each row's pixel is in the same image."""
    h, w = (row // W) % H + down, row % W + right
    return (row < rows) & (h >= 0) & (h < H) & (w >= 0) & (w < W)


@triton.jit
def _rectified(x):
    """ReLU, which leaves not-a-number as it is."""
    wide = x.to(tl.float32)
    return tl.where(wide < 0, 0.0, wide).to(x.dtype)


@triton.jit
def _windows(x, row, rows, channel, ADJOINT: tl.constexpr, H: tl.constexpr, W: tl.constexpr, C: tl.constexpr):
    """Means over 3x3 windows within images; or the adjoint: sums of values, each divided by its window's count."""
    total = tl.zeros((row.shape[0], channel.shape[0]), tl.float32)
    h, w = (row // W) % H, row % W
    for tap in range(9):
        down, right = tap // 3 - 1, tap % 3 - 1
        inside = _inside(row, rows, down, right, H, W)[:, None] & (channel < C)[None, :]
        value = tl.load(x + (row + down * W + right)[:, None] * C + channel[None, :], mask=inside, other=0.0)
        value = value.to(tl.float32)
        if ADJOINT:
            value /= _count(h + down, w + right, H, W)[:, None]
        total += value
    if not ADJOINT:
        total /= _count(h, w, H, W)[:, None]
    return total


@triton.jit
def _count(h, w, H: tl.constexpr, W: tl.constexpr):
    """Pixels of the image in the 3x3 window around a pixel; 1 for pixels far outside."""
    high = tl.minimum(h + 1, H - 1) - tl.maximum(h - 1, 0) + 1
    wide = tl.minimum(w + 1, W - 1) - tl.maximum(w - 1, 0) + 1
    return tl.maximum(high * wide, 1).to(tl.float32)


@triton.jit(do_not_specialize=["base", "slots", "first", "paths", "rows", "blocks"])
def convolve(
    nodes, weights, path, outs, found, base, slots, first, paths, rows, blocks,
    H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Convolutions after ReLU on the edges from number `first` on, and the statistics of each block of rows.

    `found` gets means and sums of squared deviations: (edges x 2, 2, blocks, C).
    """
    block, j = tl.program_id(0), tl.program_id(1)
    source, large = j // 2, j % 2
    edge = first + source
    place = edge * 2 + large
    p = tl.load(path + place).to(tl.int32)
    if p >= 0:
        x = nodes + _place((base + source) % slots, p, paths, rows, C)
        row = block * ROWS + tl.arange(0, ROWS)
        channel = tl.arange(0, WIDE)
        known = channel < C
        y = tl.zeros((ROWS, WIDE), tl.float32)
        for tap in range(4 - 4 * large, 5 + 4 * large):
            down, right = tap // 3 - 1, tap % 3 - 1
            inside = _inside(row, rows, down, right, H, W)[:, None] & known[None, :]
            a = tl.load(x + (row + down * W + right)[:, None] * C + channel[None, :], mask=inside, other=0.0)
            a = _rectified(a)
            matrix = weights + (edge * SLICES + tl.where(large == 1, tap, 9)) * C * C
            b = tl.load(
                matrix + channel[None, :] * C + channel[:, None], mask=known[None, :] & known[:, None], other=0.0
            )
            y = tl.dot(a, b, y, input_precision=PRECISION)
        here = outs + place.to(tl.int64) * rows * C
        y = y.to(outs.dtype.element_ty)
        exists = (row < rows)[:, None] & known[None, :]
        tl.store(here + row[:, None] * C + channel[None, :], y, mask=exists)
        y = y.to(tl.float32)
        mean = tl.sum(y, 0) / tl.minimum(rows - block * ROWS, ROWS)
        away = tl.where(exists, y - mean[None, :], 0.0)
        to = found + (place * 2 * blocks + block) * C + channel
        tl.store(to, mean, mask=known)
        tl.store(to + blocks * C, tl.sum(away * away, 0), mask=known)


@triton.jit(do_not_specialize=["first", "rows", "blocks", "eps"])
def merge(
    path, found, saved, eps, first, rows, blocks, tile_rows,
    C: tl.constexpr, WIDE: tl.constexpr, BLOCKS: tl.constexpr,
):  # fmt: skip
    """Mean and 1 / sqrt(variance + eps) of convolutions, (edges x 2, 2, C), by the formula of Chan et al. (1979)."""
    place = first * 2 + tl.program_id(0)
    if tl.load(path + place) >= 0:
        channel = tl.arange(0, WIDE)
        known = channel < C
        means = found + place * 2 * blocks * C
        mean = tl.zeros((WIDE,), tl.float32)
        for start in range(0, blocks, BLOCKS):
            block = start + tl.arange(0, BLOCKS)
            seen = tl.maximum(tl.minimum(rows - block * tile_rows, tile_rows), 0).to(tl.float32)
            inside = (block < blocks)[:, None] & known[None, :]
            part = tl.load(means + block[:, None] * C + channel[None, :], mask=inside, other=0.0)
            mean += tl.sum(part * seen[:, None], 0)
        mean /= rows
        square = tl.zeros((WIDE,), tl.float32)
        for start in range(0, blocks, BLOCKS):
            block = start + tl.arange(0, BLOCKS)
            seen = tl.maximum(tl.minimum(rows - block * tile_rows, tile_rows), 0).to(tl.float32)
            inside = (block < blocks)[:, None] & known[None, :]
            at = means + block[:, None] * C + channel[None, :]
            away = tl.where(inside, tl.load(at, mask=inside, other=0.0) - mean[None, :], 0.0)
            square += tl.sum(tl.load(at + blocks * C, mask=inside, other=0.0) + away * away * seen[:, None], 0)
        to = saved + place * 2 * C + channel
        tl.store(to, mean, mask=known)
        tl.store(to + C, tl.rsqrt(square / rows + eps), mask=known)


@triton.jit
def _normal(outs, saved, place, rows, at, inside, channel, C: tl.constexpr):
    """Outputs of a convolution, with mean 0 and variance 1."""
    known = channel < C
    mean = tl.load(saved + place * 2 * C + channel, mask=known, other=0.0)
    scale = tl.load(saved + place * 2 * C + C + channel, mask=known, other=0.0)
    x = tl.load(outs + place.to(tl.int64) * rows * C + at, mask=inside, other=0.0).to(tl.float32)
    return (x - mean[None, :]) * scale[None, :]


@triton.jit(do_not_specialize=["base", "slots", "target", "paths", "rows"])
def join(
    nodes, ops, outs, saved, gain, shift, base, slots, target, paths, rows,
    AFFINE: tl.constexpr, H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """The node `target` of each path: the sum of what its operations give; 0 where it has none."""
    p = tl.program_id(1)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, WIDE)
    at = row[:, None] * C + channel[None, :]
    inside = (row < rows)[:, None] & (channel < C)[None, :]
    total = tl.zeros((ROWS, WIDE), tl.float32)
    for source in range(target):
        edge = target * (target - 1) // 2 + source
        op = tl.load(ops + edge * paths + p).to(tl.int32)
        x = nodes + _place((base + source) % slots, p, paths, rows, C)
        if op == SKIP:
            total += tl.load(x + at, mask=inside, other=0.0).to(tl.float32)
        elif op == POOL:
            total += _windows(x, row, rows, channel, False, H, W, C)
        elif (op == CONV1X1) | (op == CONV3X3):
            place = edge * 2 + op - CONV1X1
            y = _normal(outs, saved, place, rows, at, inside, channel, C)
            if AFFINE:
                y *= tl.load(gain + place * C + channel, mask=channel < C, other=0.0)[None, :]
                y += tl.load(shift + place * C + channel, mask=channel < C, other=0.0)[None, :]
            total += y
    to = nodes + _place((base + target) % slots, p, paths, rows, C) + at
    tl.store(to, total.to(nodes.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["base", "target", "paths", "rows", "blocks"])
def reduce(
    grads, path, outs, saved, found, base, target, paths, rows, blocks,
    C: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Per block of rows and convolution into `target`: sums of dy, and of dy times the normalised output."""
    block = tl.program_id(0)
    place = target * (target - 1) + tl.program_id(1)
    p = tl.load(path + place).to(tl.int32)
    if p >= 0:
        row = block * ROWS + tl.arange(0, ROWS)
        channel = tl.arange(0, WIDE)
        at = row[:, None] * C + channel[None, :]
        inside = (row < rows)[:, None] & (channel < C)[None, :]
        dy = tl.load(grads + _place((base + target) % NODES, p, paths, rows, C) + at, mask=inside, other=0.0)
        dy = dy.to(tl.float32)
        normal = _normal(outs, saved, place, rows, at, inside, channel, C)
        to = found + (place * 2 * blocks + block) * C + channel
        tl.store(to, tl.sum(dy, 0), mask=channel < C)
        tl.store(to + blocks * C, tl.sum(dy * normal, 0), mask=channel < C)


@triton.jit(do_not_specialize=["first", "blocks"])
def total(path, found, sums, first, blocks, C: tl.constexpr, WIDE: tl.constexpr, BLOCKS: tl.constexpr):
    """Sums over blocks, (edges x 2, 2, C), which are the gradients of shifts and of scales; 0 without a path."""
    place = first * 2 + tl.program_id(0)
    channel = tl.arange(0, WIDE)
    known = channel < C
    first_sum, second_sum = tl.zeros((WIDE,), tl.float32), tl.zeros((WIDE,), tl.float32)
    if tl.load(path + place) >= 0:
        for start in range(0, blocks, BLOCKS):
            block = start + tl.arange(0, BLOCKS)
            inside = (block < blocks)[:, None] & known[None, :]
            at = found + (place * 2 * blocks + block[:, None]) * C + channel[None, :]
            first_sum += tl.sum(tl.load(at, mask=inside, other=0.0), 0)
            second_sum += tl.sum(tl.load(at + blocks * C, mask=inside, other=0.0), 0)
    to = sums + place * 2 * C + channel
    tl.store(to, first_sum, mask=known)
    tl.store(to + C, second_sum, mask=known)


@triton.jit(do_not_specialize=["base", "target", "paths", "rows"])
def spread(
    grads, path, outs, saved, gain, sums, dx, base, target, paths, rows,
    AFFINE: tl.constexpr, C: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr,
):  # fmt: skip
    """Gradients of convolutions into `target`: gain / std (dy - mean(dy) - normal mean(dy normal))."""
    place = target * (target - 1) + tl.program_id(1)
    p = tl.load(path + place).to(tl.int32)
    if p >= 0:
        row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
        channel = tl.arange(0, WIDE)
        known = channel < C
        at = row[:, None] * C + channel[None, :]
        inside = (row < rows)[:, None] & known[None, :]
        dy = tl.load(grads + _place((base + target) % NODES, p, paths, rows, C) + at, mask=inside, other=0.0)
        dy = dy.to(tl.float32)
        normal = _normal(outs, saved, place, rows, at, inside, channel, C)
        offset = tl.load(sums + place * 2 * C + channel, mask=known, other=0.0) / rows
        slope = tl.load(sums + place * 2 * C + C + channel, mask=known, other=0.0) / rows
        scale = tl.load(saved + place * 2 * C + C + channel, mask=known, other=0.0)
        if AFFINE:
            scale *= tl.load(gain + place * C + channel, mask=known, other=0.0)
        value = scale[None, :] * (dy - offset[None, :] - normal * slope[None, :])
        tl.store(dx + place.to(tl.int64) * rows * C + at, value.to(dx.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["base", "slots", "source", "paths", "rows"])
def pull(
    nodes, grads, weights, ops, dx, base, slots, source, paths, rows,
    H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """The gradient of the node `source` of each path, from those of the nodes and convolutions that read it."""
    p = tl.program_id(1)
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)
    channel = tl.arange(0, WIDE)
    known = channel < C
    at = row[:, None] * C + channel[None, :]
    inside = (row < rows)[:, None] & known[None, :]
    passed = tl.zeros((ROWS, WIDE), tl.float32)
    rectified = tl.zeros((ROWS, WIDE), tl.float32)
    for target in range(source + 1, NODES):
        edge = target * (target - 1) // 2 + source
        op = tl.load(ops + edge * paths + p).to(tl.int32)
        dy = grads + _place((base + target) % NODES, p, paths, rows, C)
        if op == SKIP:
            passed += tl.load(dy + at, mask=inside, other=0.0).to(tl.float32)
        elif op == POOL:
            passed += _windows(dy, row, rows, channel, True, H, W, C)
        elif (op == CONV1X1) | (op == CONV3X3):
            large = op - CONV1X1
            d = dx + (edge * 2 + large).to(tl.int64) * rows * C
            for tap in range(4 - 4 * large, 5 + 4 * large):
                down, right = 1 - tap // 3, 1 - tap % 3  # the output that reads this pixel with this tap
                here = _inside(row, rows, down, right, H, W)[:, None] & known[None, :]
                a = tl.load(d + (row + down * W + right)[:, None] * C + channel[None, :], mask=here, other=0.0)
                matrix = weights + (edge * SLICES + tl.where(large == 1, tap, 9)) * C * C
                b = tl.load(
                    matrix + channel[:, None] * C + channel[None, :], mask=known[:, None] & known[None, :], other=0.0
                )
                rectified = tl.dot(a, b, rectified, input_precision=PRECISION)
    x = tl.load(nodes + _place((base + source) % slots, p, paths, rows, C) + at, mask=inside, other=0.0)
    value = passed + tl.where(x.to(tl.float32) <= 0, 0.0, rectified)
    to = grads + _place((base + source) % NODES, p, paths, rows, C) + at
    tl.store(to, value.to(grads.dtype.element_ty), mask=inside)


@triton.jit(do_not_specialize=["base", "slots", "paths", "rows", "share"])
def correlate(
    nodes, path, dx, found, base, slots, paths, rows, share,
    H: tl.constexpr, W: tl.constexpr, C: tl.constexpr, WIDE: tl.constexpr, ROWS: tl.constexpr, PRECISION: tl.constexpr,
):  # fmt: skip
    """Gradients of the matrices over `share` rows: (parts, edges x SLICES, C outputs, C inputs); 0 without a path."""
    part, number = tl.program_id(0), tl.program_id(1)
    edge, piece = number // SLICES, number % SLICES
    target = 1 + (edge >= 1).to(tl.int32) + (edge >= 3).to(tl.int32)
    source = edge - target * (target - 1) // 2
    large = (piece < 9).to(tl.int32)
    tap = tl.where(large == 1, piece, 4)
    down, right = tap // 3 - 1, tap % 3 - 1
    place = edge * 2 + large
    p = tl.load(path + place).to(tl.int32)
    channel = tl.arange(0, WIDE)
    known = channel < C
    y = tl.zeros((WIDE, WIDE), tl.float32)
    if p >= 0:
        x = nodes + _place((base + source) % slots, p, paths, rows, C)
        d = dx + place.to(tl.int64) * rows * C
        for start in range(part * share, tl.minimum((part + 1) * share, rows), ROWS):
            row = start + tl.arange(0, ROWS)
            exists = (row < rows)[:, None] & known[None, :]
            b = tl.load(d + row[:, None] * C + channel[None, :], mask=exists, other=0.0)
            inside = _inside(row, rows, down, right, H, W)[:, None] & known[None, :]
            a = tl.load(x + (row + down * W + right)[:, None] * C + channel[None, :], mask=inside, other=0.0)
            a = _rectified(a)
            y = tl.dot(tl.trans(b), a, y, input_precision=PRECISION)
    to = found + (part * tl.num_programs(1) + number).to(tl.int64) * C * C
    tl.store(to + channel[:, None] * C + channel[None, :], y, mask=known[:, None] & known[None, :])
