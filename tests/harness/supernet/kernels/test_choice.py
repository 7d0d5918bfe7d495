"""How candidates are chosen, and that the chosen one computes."""

import sys
from types import SimpleNamespace

import pytest
import torch

from supernet.benchmarks.errors import UserError
from supernet.harness.supernet.kernels import ENVIRONMENT, avg_pool3x3, choice, chosen, fused, use


@pytest.fixture(autouse=True)
def unread(monkeypatch):
    """As before anything was chosen or read."""
    monkeypatch.delenv(ENVIRONMENT, raising=False)
    monkeypatch.setattr(choice, "_chosen", None)
    choice.without_triton.cache_clear()
    yield
    choice.without_triton.cache_clear()


@pytest.fixture
def triton(monkeypatch):
    """As if Triton were installed."""
    monkeypatch.setitem(sys.modules, "triton", SimpleNamespace(__version__="3.6.0", __spec__=object()))


def test_the_reference_is_the_default_on_a_cpu():
    assert [chosen(operation, "cpu") for operation in choice.CANDIDATES] == ["eager"] * 3
    assert not fused("avg_pool3x3", torch.zeros(1))


def test_what_was_measured_to_be_fastest_is_the_default_on_a_gpu(monkeypatch, triton):
    assert {operation: chosen(operation, "cuda") for operation in choice.CANDIDATES} == {
        "cells": "triton", "batch_norm_add": "eager", "avg_pool3x3": "eager",
    }  # fmt: skip
    with use("cells=eager"):
        assert chosen("cells", "cuda") == "eager"


def test_without_triton_the_reference_is_the_default_on_a_gpu(monkeypatch):
    monkeypatch.setattr(choice.importlib.util, "find_spec", lambda name: None)
    choice.without_triton.cache_clear()
    assert chosen("cells", "cuda") == "eager"


def test_a_choice_holds_for_a_block_or_from_now_on(triton):
    with use("triton"):
        assert chosen("batch_norm_add") == chosen("avg_pool3x3") == "triton"
        with use(" avg_pool3x3=eager , batch_norm_add=triton"):
            assert (chosen("avg_pool3x3"), chosen("batch_norm_add")) == ("eager", "triton")
        assert chosen("avg_pool3x3") == "triton"
    assert chosen("avg_pool3x3") == "eager"
    use("avg_pool3x3=triton")
    assert chosen("avg_pool3x3") == "triton"
    use("")
    assert chosen("avg_pool3x3") == "eager"


def test_the_variable_chooses_for_the_process(monkeypatch, triton):
    monkeypatch.setenv(ENVIRONMENT, "batch_norm_add=triton")
    assert (chosen("batch_norm_add"), chosen("avg_pool3x3")) == ("triton", "eager")
    with use("eager"):
        assert chosen("batch_norm_add") == "eager"
    assert chosen("batch_norm_add") == "triton"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("fast", "no candidate 'fast'; choose from eager, triton"),
        ("pool=eager", "no operation 'pool'; choose from cells, batch_norm_add, avg_pool3x3"),
        ("cells=compiled", "no candidate of cells 'compiled'; choose from eager, triton"),
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


def test_what_is_not_eager_is_told(triton):
    assert choice.choices("cuda") == {"cells": "triton"}
    with use("avg_pool3x3=triton,cells=eager"):
        assert choice.choices("cuda") == choice.choices("cpu") == {"avg_pool3x3": "triton"}
