"""Builds the stand-alone network of an architecture of any space."""

from __future__ import annotations

from collections.abc import Mapping

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Archs
from supernet.harness.supernet.plain import darts, nb101, nb201
from supernet.harness.supernet.plain.network import Build, PlainNetwork
from supernet.harness.supernet.plain.pool import Pool

NETWORKS: Mapping[str, Build] = {**nb201.NETWORKS, **nb101.NETWORKS, **darts.NETWORKS}
"""Name of a space -> how the network of an architecture is made."""


def plain_network(space_name: str, pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    """The stand-alone network of one architecture (1, decisions), with modules from the pool.

    Raises:
        UserError: the space has no such networks.
    """
    if space_name not in NETWORKS:
        raise UserError(f"Architectures of {space_name} have no stand-alone networks to look at.")
    return NETWORKS[space_name](pool, arch, channels, cells, classes)
