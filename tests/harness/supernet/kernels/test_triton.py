"""Kernels in Triton against the eager operations in float64; Triton's interpreter runs them where there is no GPU."""

import pytest
import torch

from supernet.harness.supernet.kernels import avg_pool3x3, batch_norm_add, use, without_triton

if missing := without_triton():
    pytest.skip(missing, allow_module_level=True)
DEVICE = "cuda" if torch.cuda.is_available() else "cpu"

TOLERANCE = {torch.float32: 3e-6, torch.bfloat16: 2**-7}
"""Relative to the largest value. Triton's interpreter cuts off what does not fit into bfloat16, so that it is a unit in
the last place away, where a GPU rounds to half of one."""


@pytest.fixture(autouse=True)
def chosen(small_tiles):
    torch.manual_seed(0)
    with use("triton"):
        yield


def images(*shape, dtype=torch.float32):
    x = torch.randn(*shape).movedim(-1, -3).to(DEVICE, dtype)  # channels last in memory
    return x.requires_grad_()


def compared(operation, inputs, tolerance, reference=None):
    """Compare outputs and gradients with those of the eager operation (or a reference) in float64."""
    doubles = [x.detach().double().requires_grad_() for x in inputs]
    found = operation(*inputs)
    with use("eager"):
        wanted = (reference or operation)(*doubles)
    assert any("_BatchNormAdd" in n or "_AveragePool" in n for n in names(found))
    outputs = [(found, wanted)] if isinstance(found, torch.Tensor) else list(zip(found, wanted, strict=True))
    grads = [torch.randn_like(y) for y, _ in outputs]
    torch.autograd.backward([y for y, _ in outputs], grads)
    torch.autograd.backward([y for _, y in outputs], [g.double() for g in grads])
    for x, exact in [*outputs, *((a.grad, b.grad) for a, b in zip(inputs, doubles, strict=True))]:
        assert x.shape == exact.shape
        scale = float(exact.detach().abs().max()) or 1.0
        assert float((x.detach().double() - exact.detach()).abs().max()) <= tolerance * scale


def names(y):
    return [type(x.grad_fn).__name__ for x in ([y] if isinstance(y, torch.Tensor) else y)]


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize(
    ("shape", "parts", "skips", "affine"),
    [
        ((3, 7, 5, 16), 1, 0, False),
        ((2, 5, 5, 32), 2, 1, True),
        ((3, 3, 3, 64), 3, 0, True),
        ((5, 1, 1, 16), 1, 2, True),
        ((2, 6, 7, 12), 2, 0, False),
    ],
    ids=str,
)
def test_batch_norms_and_their_sum(shape, parts, skips, affine, dtype):
    channels = shape[-1]
    scales = [torch.randn(channels, device=DEVICE).requires_grad_() for _ in range(2 * parts * affine)]
    inputs = [*(images(*shape, dtype=dtype) for _ in range(parts + skips)), *scales]

    def operation(*given):
        xs, rest = given[:parts], given[parts + skips :]
        weight, bias = (rest[:parts], rest[parts:]) if affine else (None, None)
        return batch_norm_add(xs, weight, bias, skips=given[parts : parts + skips])

    compared(operation, inputs, TOLERANCE[dtype] * (1 if dtype == torch.float32 else 2))


@pytest.mark.parametrize("affine", [False, True])
def test_sums_of_each_path(affine):
    """Two edges, each with a permutation of two parts and a skip over three paths."""
    path = torch.tensor([2, 0, 1, 2, 1, 0], device=DEVICE)  # four parts, then two skips
    scales = [torch.randn(16, device=DEVICE).requires_grad_() for _ in range(8 * affine)]

    def operation(*given):
        weight, bias = (given[6:10], given[10:]) if affine else (None, None)
        return batch_norm_add(given[:4], weight, bias, skips=given[4:6], path=path, paths=3)

    def one_by_one(*given):
        weight, bias = (given[6:10], given[10:]) if affine else ([None] * 4, [None] * 4)
        terms = [
            torch.nn.functional.batch_norm(x, None, None, w, b, training=True)
            for x, w, b in zip(given[:4], weight, bias, strict=True)
        ]
        terms += given[4:6]
        return torch.stack([sum(t for t, q in zip(terms, path.tolist(), strict=True) if q == p) for p in range(3)])

    inputs = [*(images(3, 4, 5, 16) for _ in range(6)), *scales]
    compared(operation, inputs, TOLERANCE[torch.float32], one_by_one)


def test_a_large_mean_costs_no_accuracy_of_the_variance():
    x = (images(4, 6, 6, 16).detach() + 1000).requires_grad_()
    compared(lambda part: batch_norm_add([part]), [x], 1e-4)


def test_constant_channels_become_zero():
    x = images(3, 5, 5, 16).detach()
    x[:, 3] = 0.1
    y = batch_norm_add([x.requires_grad_()])
    y.sum().backward()
    y = y.detach()
    assert float(y[:, 3].abs().max()) < 1e-4
    assert float(y[:, 4].std(correction=0)) == pytest.approx(1, abs=1e-3)
    assert bool(x.grad.isfinite().all())


def test_one_value_per_channel_is_refused_as_by_the_reference():
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        batch_norm_add([images(1, 1, 1, 16)])


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("shape", [(2, 7, 5, 16), (3, 1, 1, 32), (2, 1, 4, 64), (1, 3, 2, 12)], ids=str)
def test_average_pooling(shape, dtype):
    compared(avg_pool3x3, [images(*shape, dtype=dtype)], TOLERANCE[dtype])


def test_other_layouts_give_the_same():
    x = images(2, 5, 6, 16)
    standard = x.detach().contiguous().requires_grad_()
    for operation in (avg_pool3x3, lambda part: batch_norm_add([part])):
        assert torch.equal(operation(x), operation(standard))


def test_results_are_the_same_at_every_run():
    x = images(6, 7, 7, 16)
    first, again = (torch.autograd.grad(batch_norm_add([x]), x, torch.ones_like(x)) for _ in range(2))
    assert torch.equal(first[0], again[0])


def test_the_reference_computes_what_the_kernels_do_not_take():
    from supernet.harness.supernet.kernels import triton as kernels

    x = images(2, 5, 5, 16)
    assert kernels.takes([x])
    assert not kernels.takes([x.double()])
    assert not kernels.takes([x, x.bfloat16()])
    assert not kernels.takes([x[:0]])
    assert names(batch_norm_add([x.double()]))[0].startswith("NativeBatchNorm")
