"""nlc: the nonlinearity coefficient, how far a network is from a linear function of its input."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from supernet.harness.scoring.proxies.hooks import hooked
from supernet.harness.scoring.proxies.proxy import Look, Proxy


def nlc(look: Look) -> float:
    """The negative nonlinearity coefficient of the logits over the images: -1 for a linear network, lower for others.

    Expectations and covariances are those of the images. The Jacobian is that of one image's logits by the same image,
    with the means and variances of batch norm held constant. The paper finds that the test error is lowest for networks
    with a coefficient between about 1 and 3, and does not say which of these is better: the sign is our choice.
    """
    images = look.images.clone().requires_grad_()
    with hooked(look.network, nn.BatchNorm2d, with_constant_statistics):
        logits = look.network(images)
    variance = logits.detach().double().var(0, unbiased=False).sum()
    centred = (look.images - look.images.mean(0)).flatten(1).double()
    change = torch.zeros_like(variance)
    for logit in logits.T:  # images do not depend on each other, so that one pass has the gradients of all
        (gradients,) = torch.autograd.grad(logit.sum(), images, retain_graph=True)
        change += (gradients.flatten(1).double() @ centred.T).square().mean()  # g' Cov(x) g, and the mean over images
    return -float((change / variance).sqrt())


def with_constant_statistics(norm: nn.BatchNorm2d, inputs: tuple[Tensor, ...], output: Tensor) -> Tensor:
    """The output of a batch norm as a function of its input, with the batch's means and variances as constants."""
    (x,) = inputs
    still = x.detach()
    mean, variance = still.mean((0, 2, 3)), still.var((0, 2, 3), unbiased=False)
    return F.batch_norm(x, mean, variance, norm.weight, norm.bias, training=False, eps=norm.eps)


PROXY = Proxy(
    name="nlc",
    what="how close the network is to a linear function of its input",
    formula="-sqrt(mean_x trace(J(x) Cov(x) J(x)') / trace(Cov(f))), J: Jacobian of the logits f(x)",
    source="Philipp and Carbonell, 2018 (arXiv 1806.00179)",
    measure=nlc,
    direction="negated",
    passes="1 forward and k backward, k: number of classes",
)
