"""The search algorithms by name: those that query a benchmark, and those that share weights."""

from __future__ import annotations

from dataclasses import dataclass

from benchmarks.errors import UserError
from benchmarks.spaces import SearchSpace
from harness.search.algorithm import Maker
from harness.search.bananas import BANANAS
from harness.search.evolution import LocalSearch, RandomSearch, RegularisedEvolution
from harness.search.multifidelity import BOHB, Hyperband, successive_halving
from harness.search.picks import BestDrawn, BestRandom, Evolved, Likeliest, Picker
from harness.search.pnas import PNAS
from harness.search.reinforce import Reinforce
from harness.search.tpe import TPE
from heuristics.recipe import Recipe, RecipeError


@dataclass(frozen=True)
class QueryAlgorithm:
    """An algorithm that looks architectures up in a benchmark."""

    title: str
    source: str
    make: Maker
    fidelities: bool = False
    """Whether it uses the cheaper fidelities, too."""


@dataclass(frozen=True)
class SharingAlgorithm:
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

ALGORITHMS: dict[str, QueryAlgorithm | SharingAlgorithm] = {
    "random": QueryAlgorithm("Random search", "Li and Talwalkar, UAI 2019", RandomSearch),
    "rea": QueryAlgorithm("Regularised evolution", "Real et al., AAAI 2019", RegularisedEvolution),
    "local": QueryAlgorithm("Local search", "White et al., UAI 2021", LocalSearch),
    "reinforce": QueryAlgorithm("REINFORCE", "Williams, 1992", Reinforce),
    "tpe": QueryAlgorithm("TPE", "Bergstra et al., NeurIPS 2011", TPE),
    "bananas": QueryAlgorithm("BANANAS", "White et al., AAAI 2021", BANANAS),
    "pnas": QueryAlgorithm("PNAS", "Liu et al., ECCV 2018", PNAS),
    "halving": QueryAlgorithm("Successive halving", "Jamieson and Talwalkar, AISTATS 2016", successive_halving, True),
    "hyperband": QueryAlgorithm("Hyperband", "Li et al., JMLR 2018", Hyperband, True),
    "bohb": QueryAlgorithm("BOHB", "Falkner et al., ICML 2018", BOHB, True),
    "rs-ws": SharingAlgorithm("Random search, shared weights", "Li and Talwalkar, UAI 2019", (), BestRandom()),
    "spos": SharingAlgorithm("SPOS", "Guo et al., ECCV 2020", (), Evolved()),
    "fairnas": SharingAlgorithm("FairNAS", "Chu et al., ICCV 2021", ("sampling.law=fair",), Evolved()),
    "enas": SharingAlgorithm(
        "ENAS",
        "Pham et al., ICML 2018",
        (
            _LEARNED, "distribution.model=controller", "distribution.step=reinforce", "distribution.learning_rate=1e-3",
            "distribution.beta1=0", "distribution.epsilon=1e-3", "distribution.entropy=1e-4",
            "distribution.samples=10", "distribution.updates=10",
        ),
        BestDrawn(),
    ),
    "darts": SharingAlgorithm("DARTS, first order", "Liu et al., ICLR 2019", _DARTS, Likeliest()),
    "darts-2": SharingAlgorithm(
        "DARTS, second order", "Liu et al., ICLR 2019", (*_DARTS, "distribution.step=second-order"), Likeliest()
    ),
    "gdas": SharingAlgorithm("GDAS", "Dong and Yang, CVPR 2019", (*_DARTS, *_GATES), Likeliest()),
    "pc-darts": SharingAlgorithm("PC-DARTS", "Xu et al., ICLR 2020", (*_DARTS, *_PARTIAL), Likeliest()),
    "setn": SharingAlgorithm("SETN", "Dong and Yang, ICCV 2019", ("sampling.law=uniform", _SOFTMAX), BestDrawn()),
    "sdarts-rs": SharingAlgorithm(
        "SmoothDARTS, random", "Chen and Hsieh, ICML 2020", (*_DARTS, "distribution.perturbation=random"), Likeliest()
    ),
    "sdarts-adv": SharingAlgorithm(
        "SmoothDARTS, adversarial",
        "Chen and Hsieh, ICML 2020",
        (*_DARTS, "distribution.perturbation=adversarial"),
        Likeliest(),
    ),
    "parsec": SharingAlgorithm(
        "PARSEC",
        "Casale et al., 2019",
        # The paper's number of samples and learning rate are not known to us.
        (*_DARTS, "distribution.step=importance", "distribution.samples=8", "distribution.learning_rate=0.01"),
        Likeliest(),
    ),
    "drnas": SharingAlgorithm(
        "DrNAS, without pruning", "Chen et al., ICLR 2021", (_LEARNED, "distribution.model=dirichlet"), Likeliest()
    ),
    "gaea-darts": SharingAlgorithm(
        "GAEA DARTS, bilevel", "Li et al., ICLR 2021", (*_GAEA, *_WITHOUT_NONE), Likeliest()
    ),
    "gaea-darts-erm": SharingAlgorithm(
        "GAEA DARTS, single-level", "Li et al., ICLR 2021", (*_GAEA, *_WITHOUT_NONE, *_ERM), Likeliest()
    ),
    "darts-erm": SharingAlgorithm("DARTS, single-level", "Liu et al., ICLR 2019", (*_DARTS, *_ERM), Likeliest()),
    "gaea-pc-darts": SharingAlgorithm(
        "GAEA PC-DARTS, bilevel", "Li et al., ICLR 2021", (*_PARTIAL[:2], *_GAEA), Likeliest()
    ),
    "gaea-pc-darts-erm": SharingAlgorithm(
        "GAEA PC-DARTS, single-level", "Li et al., ICLR 2021", (*_PARTIAL[:2], *_GAEA, *_ERM), Likeliest()
    ),
    "gaea-gdas": SharingAlgorithm(
        "GAEA GDAS, bilevel",
        "Li et al., ICLR 2021",
        (*_GAEA, *_GATES, *_WITHOUT_NONE, "distribution.learning_rate=0.01", "distribution.entropy=0.01"),
        Likeliest(),
    ),
    "gaea-gdas-erm": SharingAlgorithm(
        "GAEA GDAS, single-level",
        "Li et al., ICLR 2021",
        (*_GAEA, *_GATES, *_WITHOUT_NONE, *_ERM, "distribution.learning_rate=0.01", "distribution.entropy=0.01"),
        Likeliest(),
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
    assert isinstance(sharing, SharingAlgorithm)
    changes = [change for change in sharing.changes if within.name == "nb201" or change not in _WITHOUT_NONE]
    try:
        return base.override(changes)
    except RecipeError as problem:
        raise RecipeError(f"{algorithm} on {within.name}: {problem}") from None
