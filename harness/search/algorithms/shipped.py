"""The search algorithms that belong to the project."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from types import MappingProxyType

from supernet.harness.search.algorithms.bananas import BANANAS
from supernet.harness.search.algorithms.ctnas import CTNAS
from supernet.harness.search.algorithms.evolution import LocalSearch, RandomSearch, RegularisedEvolution
from supernet.harness.search.algorithms.kinds import Algorithm, QueryAlgorithm, SharingAlgorithm
from supernet.harness.search.algorithms.mfkd import MFKD
from supernet.harness.search.algorithms.multifidelity import BOHB, Hyperband, successive_halving
from supernet.harness.search.algorithms.pnas import PNAS
from supernet.harness.search.algorithms.ranknosh import RankNOSH
from supernet.harness.search.algorithms.reinforce import Reinforce
from supernet.harness.search.algorithms.tenas import TENAS
from supernet.harness.search.algorithms.tpe import TPE
from supernet.harness.search.picks import (
    BestDrawn,
    BestOfLeaves,
    BestRandom,
    Evolved,
    LeastDispensable,
    Likeliest,
    Searched,
)

_LEARNED, _SOFTMAX, _SIMPLEX = "sampling.law=distribution", "distribution.model=softmax", "distribution.model=simplex"
_DARTS = (_LEARNED, _SOFTMAX)
_GATES = ("distribution.route=gate",)
_PARTIAL = ("network.partial_channels=4", "distribution.edge_weights=true", "distribution.learning_rate=6e-4")
_ERM = ("distribution.data=train",)
# The learning rate and the absence of `none` are those of the NAS-Bench-201 configuration of liamcli/gaea_release.
_GAEA = (_LEARNED, _SIMPLEX, "distribution.learning_rate=0.1")
WITHOUT_NONE = ("sampling.with_none=false",)

_BOTH = "shares weights and queries"

_ROWS: dict[str, Algorithm] = {
    "random": QueryAlgorithm("Random search", "Li and Talwalkar, UAI 2019", RandomSearch, starts=10),
    "rea": QueryAlgorithm("Regularised evolution", "Real et al., AAAI 2019", RegularisedEvolution, starts=10),
    "local": QueryAlgorithm("Local search", "White et al., UAI 2021", LocalSearch),
    "reinforce": QueryAlgorithm("REINFORCE", "Williams, 1992", Reinforce),
    "tpe": QueryAlgorithm("TPE", "Bergstra et al., NeurIPS 2011", TPE, starts=10),
    "bananas": QueryAlgorithm("BANANAS", "White et al., AAAI 2021", BANANAS, starts=10),
    "pnas": QueryAlgorithm("PNAS", "Liu et al., ECCV 2018", PNAS),
    "halving": QueryAlgorithm("Successive halving", "Jamieson and Talwalkar, AISTATS 2016", successive_halving, True),
    "hyperband": QueryAlgorithm("Hyperband", "Li et al., JMLR 2018", Hyperband, True),
    "bohb": QueryAlgorithm("BOHB", "Falkner et al., ICML 2018", BOHB, True, code="3"),
    "rank-nosh": QueryAlgorithm("RANK-NOSH", "Wang et al., ICCV 2021", RankNOSH, True),
    "ctnas": QueryAlgorithm("CTNAS", "Chen et al., CVPR 2021", CTNAS),
    "mf-kd": QueryAlgorithm("MF-KD's co-kriging", "Trofimov et al., 2020", MFKD, True, code="2"),
    "mf-kd-distil": QueryAlgorithm("MF-KD", "Trofimov et al., 2020", MFKD, True, code="2", distils=True),
    "te-nas": QueryAlgorithm("TE-NAS", "Chen et al., ICLR 2021", TENAS()),
    "rs-ws": SharingAlgorithm("Random search, shared weights", "Li and Talwalkar, UAI 2019", (), BestRandom()),
    "spos": SharingAlgorithm("SPOS", "Guo et al., ECCV 2020", (), Evolved()),
    "fairnas": SharingAlgorithm("FairNAS", "Chu et al., ICCV 2021", ("sampling.law=fair",), Evolved()),
    "gm-nas": SharingAlgorithm(
        "GM-NAS, uniform sampling", "Hu et al., ICLR 2022", ("methods.gm-split=true",), BestOfLeaves(), spends=_BOTH
    ),
    "landmarks": SharingAlgorithm(
        # The paper searches by this evolution, too, with a population of 50, samples of 10 and 1,000 scores.
        "Landmark regularisation", "Yu, Ranftl and Salzmann, CVPR 2021", ("methods.landmarks=true",),
        Searched(partial(RegularisedEvolution, population=20, sample=5)), spends=_BOTH,
    ),
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
        # We do not know the paper's number of samples and learning rate; these are our choice.
        (*_DARTS, "distribution.step=importance", "distribution.samples=8", "distribution.learning_rate=0.01"),
        Likeliest(),
        code="3",
    ),
    "drnas": SharingAlgorithm(
        "DrNAS, without pruning", "Chen et al., ICLR 2021", (_LEARNED, "distribution.model=dirichlet"), Likeliest()
    ),
    "drnas-pruned": SharingAlgorithm(
        "DrNAS, pruned to 3 options half-way, without widening",
        "Chen et al., ICLR 2021",
        (_LEARNED, "distribution.model=dirichlet", "distribution.kept_options=3"),
        Likeliest(),
    ),
    "darts-pt": SharingAlgorithm(
        "DARTS with perturbation-based selection, without tuning", "Wang et al., ICLR 2021", _DARTS, LeastDispensable()
    ),
    "snas": SharingAlgorithm(
        "SNAS",
        "Xie et al., ICLR 2019",
        # The temperatures are those of skhu101/GM-NAS on NAS-Bench-201.
        (*_DARTS, *_ERM, "distribution.route=concrete", "distribution.temperature=1"),
        Likeliest(),
    ),
    "reinmax": SharingAlgorithm(
        "DARTS with ReinMax", "Liu et al., NeurIPS 2023", (*_DARTS, "distribution.route=reinmax"), Likeliest()
    ),
    "single-stage": SharingAlgorithm(
        "Single-stage DARTS, annealed",
        "The devil is in discretization discrepancy, 2024",
        # The temperatures are our choice.
        (*_DARTS, "distribution.route=annealed", "distribution.temperature=1"),
        Likeliest(),
    ),
    "gaea-darts": SharingAlgorithm(
        "GAEA DARTS, bilevel", "Li et al., ICLR 2021", (*_GAEA, *WITHOUT_NONE), Likeliest()
    ),
    "gaea-darts-erm": SharingAlgorithm(
        "GAEA DARTS, single-level", "Li et al., ICLR 2021", (*_GAEA, *WITHOUT_NONE, *_ERM), Likeliest()
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
        (*_GAEA, *_GATES, *WITHOUT_NONE, "distribution.learning_rate=0.01", "distribution.entropy=0.01"),
        Likeliest(),
    ),
    "gaea-gdas-erm": SharingAlgorithm(
        "GAEA GDAS, single-level",
        "Li et al., ICLR 2021",
        (*_GAEA, *_GATES, *WITHOUT_NONE, *_ERM, "distribution.learning_rate=0.01", "distribution.entropy=0.01"),
        Likeliest(),
    ),
}  # fmt: skip

SHIPPED: Mapping[str, Algorithm] = MappingProxyType(_ROWS)
"""Name -> algorithm. Hyper-parameters that are not given here are the defaults of the recipe or of the class."""
