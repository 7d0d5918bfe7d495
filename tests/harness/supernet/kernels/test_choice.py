"""How candidates are chosen, and that the chosen one computes."""

import sys
from types import SimpleNamespace

import pytest
import torch

from supernet.benchmarks.errors import UserError
from supernet.harness.supernet.kernels import ENVIRONMENT, avg_pool3x3, choice, chosen, compiled, fused, use


@pytest.fixture(autouse=True)
def unread(monkeypatch):
    """As before anything was chosen or read."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(choice, "_chosen", None)


def test_the_reference_is_the_default_on_every_device():
    assert [chosen(operation, kind) for operation in choice.CANDIDATES for kind in ("cpu", "cuda")] == ["eager"] * 8
    assert not fused("avg_pool3x3", torch.zeros(1))


def test_what_was_measured_to_be_fastest_is_the_default_on_a_gpu(monkeypatch):
    monkeypatch.setattr(choice, "BEST_ON_CUDA", {"avg_pool3x3": "compiled"})
    assert (chosen("avg_pool3x3", "cuda"), chosen("avg_pool3x3", "cpu")) == ("compiled", "eager")
    with use("eager"):
        assert chosen("avg_pool3x3", "cuda") == "eager"


def test_a_choice_holds_for_a_block_or_from_now_on():
    with use("compiled"):
        assert chosen("batch_norm_add") == chosen("avg_pool3x3") == "compiled"
        assert chosen("relu_gather") == "eager"  # torch.compile is not tried for it
        with use(" avg_pool3x3=eager , batch_norm_add=compiled"):
            assert (chosen("avg_pool3x3"), chosen("batch_norm_add")) == ("eager", "compiled")
        assert chosen("avg_pool3x3") == "compiled"
    assert chosen("avg_pool3x3") == "eager"
    use("avg_pool3x3=compiled")
    assert chosen("avg_pool3x3") == "compiled"
    use("")
    assert chosen("avg_pool3x3") == "eager"


def test_the_variable_chooses_for_the_process(monkeypatch):
    monkeypatch.setenv(ENVIRONMENT, "batch_norm_add=compiled")
    assert (chosen("batch_norm_add"), chosen("avg_pool3x3")) == ("compiled", "eager")
    with use("eager"):
        assert chosen("batch_norm_add") == "eager"
    assert chosen("batch_norm_add") == "compiled"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "no candidate 'fast'; choose from compiled, eager, triton"),
        ("pool=eager", "no operation 'pool'; choose from batch_norm_add, avg_pool3x3"),
        ("relu_gather=compiled", "no candidate of relu_gather 'compiled'; choose from eager, triton"),
        ("x" * 1000, r"1,000 characters"),
    ],
)
def test_unknown_names_are_refused(text, message, monkeypatch):
    with pytest.raises(UserError, match=message) as refused:
        use(text)
    assert len(str(refused.value)) < 500
    monkeypatch.setenv(ENVIRONMENT, text)
    with pytest.raises(UserError, match=message):
        avg_pool3x3(torch.zeros(1, 1, 2, 2))


def test_triton_must_be_installed(monkeypatch):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="need the package triton"):
        use("triton")


def test_triton_must_be_new_enough(monkeypatch):
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(__version__="3.2.0", __spec__=object()))
    with pytest.raises(UserError, match=r"Triton 3\.3 or later.*here is 3\.2\.0"):
        use("batch_norm_add=triton")


def test_what_is_not_eager_is_told():
    assert choice.choices("cuda") == {}
    with use("avg_pool3x3=compiled,relu_gather=eager"):
        assert choice.choices("cpu") == {"avg_pool3x3": "compiled"}


def test_compiled_pieces_give_what_the_reference_gives(monkeypatch):
    from supernet.harness.supernet.kernels import batch_norm_add

    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")  # traces both passes, and calls no compiler
    torch.manual_seed(0)
    xs = [torch.randn(3, 4, 5, 5, requires_grad=True) for _ in range(3)]
    affine = [torch.randn(4, requires_grad=True) for _ in range(4)]
    path = torch.tensor([1, 0, 1])
    weights = torch.rand(2, 3, 4, 5, 5)
    results = []
    for name in ("compiled", "eager"):
        with use(name):
            outputs = [
                batch_norm_add(xs[:2], affine[:2], affine[2:], skips=xs[2:]),
                batch_norm_add(xs[:2], affine[:2], affine[2:], skips=xs[2:], path=path, paths=2),
                avg_pool3x3(xs[0]),
            ]
            total = sum((y * weights[0] if y.dim() == 4 else y * weights).sum() for y in outputs)
            results.append([*outputs, *torch.autograd.grad(total, xs + affine)])
    for found, wanted in zip(*results, strict=True):
        torch.testing.assert_close(found, wanted, rtol=1e-4, atol=1e-5)
