"""Builds the stand-alone network of an architecture of any space."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.spaces import Archs, NB1Shot1, space
from supernet.benchmarks.spaces.nb201_part import NB201Topology
from supernet.harness.supernet.plain import nb101, nb201
from supernet.harness.supernet.plain.network import PlainNetwork
from supernet.harness.supernet.plain.pool import Pool

Build = Callable[[Pool, Archs, int, int, int], PlainNetwork]
"""Makes a network from a pool, one architecture (1, decisions), channels, cells per stage, and classes."""


def _nb201(pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    return nb201.network(pool, tuple(arch[0].tolist()), channels, cells, classes)


def _nb201_topology(pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    within = space(NB201Topology.name)
    assert isinstance(within, NB201Topology)
    return _nb201(pool, within.in_nb201(arch), channels, cells, classes)


def _nb1shot1(name: str, pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    within = space(name)
    assert isinstance(within, NB1Shot1)  # NETWORKS has this function for these spaces only
    return nb101.network(pool, within.cells(arch), channels, cells, classes)


NETWORKS: dict[str, Build] = {
    "nb201": _nb201,
    NB201Topology.name: _nb201_topology,
    **{name: partial(_nb1shot1, name) for name in ("nb1shot1-1", "nb1shot1-2", "nb1shot1-3")},
}
"""Name of a space -> how the network of an architecture is made."""


def plain_network(space_name: str, pool: Pool, arch: Archs, channels: int, cells: int, classes: int) -> PlainNetwork:
    """The stand-alone network of one architecture (1, decisions), with modules from the pool.

    Raises:
        UserError: the space has no such networks.
    """
    if space_name not in NETWORKS:
        raise UserError(f"Architectures of {space_name} have no stand-alone networks to look at.")
    return NETWORKS[space_name](pool, arch, channels, cells, classes)
