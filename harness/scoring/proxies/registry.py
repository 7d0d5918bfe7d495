"""All training-free scores by name. A score is one file here, with a `PROXY` or several `PROXIES`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces.live import LIVE
from supernet.benchmarks.wording import did_you_mean, quoted
from supernet.harness.scoring.proxies import (
    az,
    epe_nas,
    fisher,
    grad_norm,
    grasp,
    jacob_cov,
    naswot,
    nlc,
    ntk,
    regions,
    snip,
    swap,
    synflow,
    zen,
    zico,
)
from supernet.harness.scoring.proxies.proxy import Proxy

_EVERY = [
    *az.PROXIES,
    epe_nas.PROXY,
    fisher.PROXY,
    grad_norm.PROXY,
    grasp.PROXY,
    jacob_cov.PROXY,
    naswot.PROXY,
    nlc.PROXY,
    ntk.PROXY,
    regions.PROXY,
    snip.PROXY,
    swap.PROXY,
    synflow.PROXY,
    zen.PROXY,
    zico.PROXY,
]
PROXIES: Mapping[str, Proxy] = {proxy.name: proxy for proxy in _EVERY}
"""Name -> score of an untrained network."""
COUNTS = {
    **LIVE,
    "params": "trainable parameters of the benchmark's network, with its dead operations where it has them",
    "flops": "multiply-accumulates of the benchmark's network, with its dead operations where it has them",
}
"""Name -> what is counted, without any network."""


def known(names: Sequence[str]) -> list[str]:
    """The names, each once, in the order given.

    Raises:
        UserError: there is no score of one of these names, or there are none.
    """
    every = [*COUNTS, *PROXIES]
    for name in names:
        if name not in every:
            raise UserError(f"There is no training-free score {quoted(name)}; {did_you_mean(name, every)}")
    if not names:
        raise UserError("Name the scores to compute, such as live-params,jacob-cov.")
    return list(dict.fromkeys(names))
