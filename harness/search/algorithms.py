"""The search algorithms by name: those that query a benchmark, and those that share weights."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.errors import UserError
from benchmarks.spaces import SearchSpace
from harness.search.algorithm import Maker
from harness.search.bananas import BANANAS
from harness.search.evolution import LocalSearch, RandomSearch, RegularisedEvolution
from harness.search.multifidelity import BOHB, Hyperband, successive_halving
from harness.search.picks import Best, Evolved, Picker, Random, Sampled
from harness.search.pnas import PNAS
from harness.search.reinforce import Reinforce
from harness.search.tpe import TPE
from heuristics.recipe import Recipe, RecipeError


@dataclass(frozen=True)
class Query:
    """An algorithm that looks architectures up in a benchmark."""

    title: str
    source: str
    make: Maker
    fidelities: bool = False
    """Whether it uses the cheaper fidelities, too."""


@dataclass(frozen=True)
class Sharing:
    """An algorithm that trains a super-net and picks an architecture with its weights."""

    title: str
    source: str
    changes: tuple[str, ...]
    """Of the base recipe."""
    pick: Picker


_LEARNED, _SOFTMAX, _SIMPLEX = "sampling.law=distribution", "distribution.model=softmax", "distribution.model=simplex"
_DARTS = (_LEARNED, _SOFTMAX)
_GATES = ("distribution.route=gate",)
_PARTIAL = ("network.partial_channels=4", "distribution.edge_weights=true", "distribution.learning_rate=6e-4")
_ERM = ("distribution.data=train",)
# Rate and absence of `none` as in liamcli/gaea_release, its NAS-Bench-201 configuration.
_GAEA = (_LEARNED, _SIMPLEX, "distribution.learning_rate=0.1")
_WITHOUT_NONE = ("sampling.with_none=false",)

ALGORITHMS: dict[str, Query | Sharing] = {
    "random": Query("Random search", "Li and Talwalkar, UAI 2019", RandomSearch),
    "rea": Query("Regularised evolution", "Real et al., AAAI 2019", RegularisedEvolution),
    "local": Query("Local search", "White et al., UAI 2021", LocalSearch),
    "reinforce": Query("REINFORCE", "Williams, 1992", Reinforce),
    "tpe": Query("TPE", "Bergstra et al., NeurIPS 2011", TPE),
    "bananas": Query("BANANAS", "White et al., AAAI 2021", BANANAS),
    "pnas": Query("PNAS", "Liu et al., ECCV 2018", PNAS),
    "halving": Query("Successive halving", "Jamieson and Talwalkar, AISTATS 2016", successive_halving, True),
    "hyperband": Query("Hyperband", "Li et al., JMLR 2018", Hyperband, True),
    "bohb": Query("BOHB", "Falkner et al., ICML 2018", BOHB, True),
    "rs-ws": Sharing("Random search, shared weights", "Li and Talwalkar, UAI 2019", (), Random()),
    "spos": Sharing("SPOS", "Guo et al., ECCV 2020", (), Evolved()),
    "fairnas": Sharing("FairNAS", "Chu et al., ICCV 2021", ("sampling.law=fair",), Evolved()),
    "enas": Sharing(
        "ENAS",
        "Pham et al., ICML 2018",
        (
            _LEARNED, "distribution.model=controller", "distribution.step=reinforce", "distribution.learning_rate=1e-3",
            "distribution.beta1=0", "distribution.epsilon=1e-3", "distribution.entropy=1e-4",
            "distribution.samples=10", "distribution.updates=10",
        ),
        Sampled(),
    ),
    "darts": Sharing("DARTS, first order", "Liu et al., ICLR 2019", _DARTS, Best()),
    "darts-2": Sharing(
        "DARTS, second order", "Liu et al., ICLR 2019", (*_DARTS, "distribution.step=second-order"), Best()
    ),
    "gdas": Sharing("GDAS", "Dong and Yang, CVPR 2019", (*_DARTS, *_GATES), Best()),
    "pc-darts": Sharing("PC-DARTS", "Xu et al., ICLR 2020", (*_DARTS, *_PARTIAL), Best()),
    "setn": Sharing("SETN", "Dong and Yang, ICCV 2019", ("sampling.law=uniform", _SOFTMAX), Sampled()),
    "sdarts-rs": Sharing(
        "SmoothDARTS, random", "Chen and Hsieh, ICML 2020", (*_DARTS, "distribution.perturbation=random"), Best()
    ),
    "sdarts-adv": Sharing(
        "SmoothDARTS, adversarial",
        "Chen and Hsieh, ICML 2020",
        (*_DARTS, "distribution.perturbation=adversarial"),
        Best(),
    ),
    "parsec": Sharing(
        "PARSEC",
        "Casale et al., 2019",
        # The paper's number of samples and learning rate are not known to us.
        (*_DARTS, "distribution.step=importance", "distribution.samples=8", "distribution.learning_rate=0.01"),
        Best(),
    ),
    "drnas": Sharing(
        "DrNAS, without pruning", "Chen et al., ICLR 2021", (_LEARNED, "distribution.model=dirichlet"), Best()
    ),
    "gaea-darts": Sharing("GAEA DARTS, bilevel", "Li et al., ICLR 2021", (*_GAEA, *_WITHOUT_NONE), Best()),
    "gaea-darts-erm": Sharing(
        "GAEA DARTS, single-level", "Li et al., ICLR 2021", (*_GAEA, *_WITHOUT_NONE, *_ERM), Best()
    ),
    "darts-erm": Sharing("DARTS, single-level", "Liu et al., ICLR 2019", (*_DARTS, *_ERM), Best()),
    "gaea-pc-darts": Sharing(
        "GAEA PC-DARTS, bilevel", "Li et al., ICLR 2021", (*_PARTIAL[:2], *_GAEA), Best()
    ),
    "gaea-pc-darts-erm": Sharing(
        "GAEA PC-DARTS, single-level", "Li et al., ICLR 2021", (*_PARTIAL[:2], *_GAEA, *_ERM), Best()
    ),
    "gaea-gdas": Sharing(
        "GAEA GDAS, bilevel",
        "Li et al., ICLR 2021",
        (*_GAEA, *_GATES, *_WITHOUT_NONE, "distribution.learning_rate=0.01", "distribution.entropy=0.01"),
        Best(),
    ),
    "gaea-gdas-erm": Sharing(
        "GAEA GDAS, single-level",
        "Li et al., ICLR 2021",
        (*_GAEA, *_GATES, *_WITHOUT_NONE, *_ERM, "distribution.learning_rate=0.01", "distribution.entropy=0.01"),
        Best(),
    ),
}  # fmt: skip
"""Name -> algorithm. Hyper-parameters not given here are defaults of the recipe or of the class."""


def named(names: str) -> list[str]:
    """The algorithms of a list with commas.

    Raises:
        UserError: one of them is not known.
    """
    chosen = [name for name in (part.strip() for part in names.split(",")) if name]
    for name in chosen:
        if name not in ALGORITHMS:
            raise UserError(f"There is no search algorithm {name!r}. There are: {', '.join(ALGORITHMS)}.")
    if not chosen:
        raise UserError(f"Name at least one search algorithm. There are: {', '.join(ALGORITHMS)}.")
    return list(dict.fromkeys(chosen))


def recipe_for(algorithm: str, base: Recipe, within: SearchSpace) -> Recipe:
    """The base recipe as the algorithm has it.

    Raises:
        RecipeError: it does not apply to the space, or not to this base.
    """
    sharing = ALGORITHMS[algorithm]
    assert isinstance(sharing, Sharing)
    changes = [change for change in sharing.changes if within.name == "nb201" or change not in _WITHOUT_NONE]
    try:
        return base.override(changes)
    except RecipeError as problem:
        raise RecipeError(f"{algorithm} on {within.name}: {problem}") from None
