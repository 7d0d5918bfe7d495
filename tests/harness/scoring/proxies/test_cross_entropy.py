"""The loss, its gradients and the layers that scores look at."""

import numpy as np
import pytest
import torch
from untrained import PROBES, tiny

from supernet.harness.scoring.proxies.cross_entropy import gradients, loss, weights
from supernet.harness.scoring.proxies.probe import Sight


def test_the_loss_is_the_mean_negative_log_likelihood():
    look = tiny()
    logits = look.network(look.images).detach().numpy()
    likelihoods = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = -np.mean([np.log(row[label]) for row, label in zip(likelihoods, look.labels, strict=True)])
    assert float(loss(look).detach()) == pytest.approx(expected, rel=1e-12)


def test_weights_are_those_of_convolutions_and_the_classifier():
    look = Sight(PROBES[1], 0).look(90, "kaiming")
    named = {name for name, parameter in look.network.named_parameters() if parameter.dim() > 1}
    found = {id(weight) for weight in weights(look.network)}
    assert found == {id(parameter) for name, parameter in look.network.named_parameters() if name in named}


def test_what_the_value_does_not_depend_on_has_gradient_zero():
    one, other = torch.ones(2, requires_grad=True), torch.ones(3, requires_grad=True)
    assert [g.tolist() for g in gradients((3 * one).sum(), [one, other])] == [[3, 3], [0, 0, 0]]
    assert one.grad is None
