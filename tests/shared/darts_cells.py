"""Pairs of DARTS cells as plain lists of nodes, for tests."""

from hypothesis import strategies as st

from supernet.benchmarks.spaces import space
from supernet.benchmarks.spaces.darts import CELLS, NONE, OPS

SPACE = space("darts")
V2 = (
    "Genotype(normal=[('sep_conv_3x3', 0), ('sep_conv_3x3', 1), ('sep_conv_3x3', 0), ('sep_conv_3x3', 1), "
    "('sep_conv_3x3', 1), ('skip_connect', 0), ('skip_connect', 0), ('dil_conv_3x3', 2)], normal_concat=[2, 3, 4, 5], "
    "reduce=[('max_pool_3x3', 0), ('max_pool_3x3', 1), ('skip_connect', 2), ('max_pool_3x3', 1), "
    "('max_pool_3x3', 0), ('skip_connect', 2), ('skip_connect', 2), ('max_pool_3x3', 1)], "
    "reduce_concat=[2, 3, 4, 5])"
)
"""The second-order cells of DARTS, as the authors print them."""
archs = st.tuples(*(st.integers(0, len(decision) - 1) for decision in SPACE.decisions))
with_dead = st.tuples(
    *(
        st.sampled_from((0, 0, 3, 4)) if isinstance(decision.options[0], str) else st.integers(0, len(decision) - 1)
        for decision in SPACE.decisions
    )
)
"""Architectures with many operations that carry nothing, and few others."""


def genotype_of(cells, concat=(2, 3, 4, 5)):
    """The fields of a genotype whose cells are nodes of ((state, operation), (state, operation))."""
    edges = {
        name: [[OPS[op], state] for node in cell for state, op in node] for name, cell in zip(CELLS, cells, strict=True)
    }
    return {**edges, **{f"{name}_concat": list(concat) for name in CELLS}}


def nodes_of(arch):
    """Both cells as lists of nodes of two (state, operation) pairs."""
    return [[((a, first), (b, second)) for a, first, b, second in cell] for cell in SPACE.cells(arch)]


def plain_live(cell):
    """The live (state, operation) pairs of each node, found one node at a time."""
    carries, nodes = [True, True], []
    for node in cell:
        nodes.append([(state, op) for state, op in node if op != NONE and carries[state]])
        carries.append(bool(nodes[-1]))
    return nodes
