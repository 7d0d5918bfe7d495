"""What a study found, as plain data: one row per setting, and what holds of all of them."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from supernet.harness.correlation.report import Ceiling
from supernet.harness.statistics.seeds import Difference, Mean
from supernet.harness.study.adds import FreeRanking
from supernet.harness.study.factors import Factors
from supernet.harness.study.free import Free
from supernet.harness.study.structure import Structure

MEANS = (
    "sparse_tau@0.1",
    "sparse_tau@1",
    "tau_top_10",
    "spearman",
    "regret@1",
    "regret@10",
    "supernet_accuracy",
    "surpass_random",
)
"""Metrics of which a report gives means over seeds."""
COSTS = ("train_seconds", "score_seconds", "train_images", "score_images")


@dataclass(frozen=True)
class Row:
    """One setting of a study."""

    heuristic: str
    value: str
    label: str
    family: str
    states: dict[int, str]
    """Seed -> state of its run."""
    hashes: dict[int, str] = field(default_factory=dict)
    """Seed -> name of its run."""
    taus: dict[int, float] = field(default_factory=dict)
    """Seed -> tau-b of its run."""
    tau: Mean | None = None
    """Mean over seeds; None where no run is done, or more than a third diverged."""
    means: dict[str, float | None] = field(default_factory=dict)
    costs: dict[str, float] = field(default_factory=dict)
    difference: Difference | None = None
    """tau less that of the base."""
    regret: Difference | None = None
    """regret@1 less that of the base, percentage points of true accuracy."""
    step: Difference | None = None
    """In a staged plan, tau less that of the setting that this one changes."""
    collapsed: tuple[int, ...] = ()
    """Seeds whose tau lies far below their setting's others; they count in its mean."""
    at_chance: tuple[int, ...] = ()
    """Seeds whose super-net does not classify better than guessing."""
    seed_tau: float | None = None
    """Mean tau-b between the scores of two seeds: how far the ranking depends on the seed."""
    epoch_tau: float | None = None
    """Mean tau-b between the scores of two successive epochs at the end."""
    epoch_sd: float | None = None
    """Standard deviation of tau over the last epochs, mean over seeds."""
    over_ranked: dict[str, float] = field(default_factory=dict)
    """Operation -> percentile points by which architectures are over-ranked, averaged over its uses."""
    excess: dict[str, Mean] = field(default_factory=dict)
    """Operation -> what of that is more than regression to the mean, with an interval over seeds."""
    partial_difference: Difference | None = None
    """Partial tau given parameter count less that of the base: a second outcome, with a Dunnett correction of its
    own."""
    adds: Mean | None = None
    """What the super-nets add to tau of the training-free ranking, mean over seeds (`study.adds`)."""
    adds_difference: Difference | None = None
    """That less what the base's super-nets add: a third outcome, with a Dunnett correction of its own."""

    @property
    def diverged(self) -> tuple[int, ...]:
        """Seeds whose run diverged."""
        return tuple(seed for seed, state in self.states.items() if state == "diverged")


@dataclass(frozen=True)
class Proxy:
    """How far the accuracy of super-nets goes with their tau."""

    over_settings: float
    """Kendall's tau-b between mean accuracy and mean tau of the settings."""
    settings: int
    within: float | None
    """Pearson's r over runs, of deviations from their settings' means; None without repeated seeds."""
    within_low: float | None
    within_high: float | None
    runs: int


@dataclass(frozen=True)
class Analysis:
    """What a study found so far."""

    name: str
    title: str
    space: str
    measure: dict[str, str]
    truth: str
    architectures: int
    images: int
    seeds: tuple[int, ...]
    """Seeds of every setting but the base."""
    base_seeds: tuple[int, ...]
    design: str
    resamples: int
    level: float
    params_tau: float
    params_top10: float | None
    beside_params: Difference | None
    """tau of the base less that of parameter count."""
    ceiling: Ceiling | None
    rows: list[Row]
    """The base first."""
    proxy: Proxy | None
    detectable: float | None
    """Smallest true difference of tau that this design finds with 80 % power after Dunnett's correction."""
    omnibus_p: float | None
    """That all settings have the same mean tau (F test)."""
    seed_sd: float | None
    """Pooled standard deviation of tau between seeds of one setting."""
    seed_df: float
    """Degrees of freedom of that."""
    sampling: float
    """Variance of a typical difference of tau from the sampling of architectures."""
    margin: float
    """Differences of tau below this are negligible to whoever made the study."""
    looked: tuple[str, ...]
    """Settings whose seeds were chosen one by one."""
    command: str
    """What follows `supernet study run` on a command line, as far as it tells the study."""
    findings: list[str]
    free_ranking: FreeRanking | None = None
    """The training-free ranking that super-nets are set beside; None where none is known of the space."""
    structure: Structure | None = None
    """Which architectures are displaced, and why."""
    free: Free | None = None
    """What changes rankings at no cost of training."""
    factors: Factors | None = None
    """Effects of the heuristics on average over the others, of plans that vary several at once."""

    @property
    def base(self) -> Row:
        return self.rows[0]

    @property
    def finds(self) -> float | None:
        """`detectable`, if tau can differ from that of the base by so much; None if no possible difference is found."""
        largest = 1 + abs(self.base.tau.value) if self.base.tau else 2.0
        return self.detectable if self.detectable is not None and self.detectable <= largest else None

    @property
    def missing(self) -> int:
        """Number of runs that did not end: not done, and not diverged."""
        return sum(state not in ("done", "diverged") for row in self.rows for state in row.states.values())

    @property
    def tested(self) -> list[Row]:
        """Settings that are compared with the base by a test."""
        return [row for row in self.rows[1:] if row.difference and row.difference.p is not None]

    @property
    def clear(self) -> list[Row]:
        """Settings that clearly change tau, the largest change first."""
        found = [(row.difference.value, row) for row in self.tested if row.difference and row.difference.clear]
        return [row for _, row in sorted(found, key=lambda pair: -abs(pair[0]))]

    @property
    def negligible(self) -> list[Row]:
        """Settings that do not clearly change tau and are shown to change it by less than the margin."""
        return [row for row in self._unclear if row.difference and row.difference.negligible(self.margin)]

    @property
    def undecided(self) -> list[Row]:
        """Settings of which neither is shown."""
        return [row for row in self._unclear if row.difference and not row.difference.negligible(self.margin)]

    @property
    def _unclear(self) -> list[Row]:
        return [row for row in self.tested if row.difference and not row.difference.clear]

    @property
    def has_factors(self) -> bool:
        """Whether there are effects on average over the other heuristics."""
        return self.factors is not None and bool(self.factors.main)

    def as_json(self) -> dict[str, Any]:
        """Every figure, for JSON."""
        return asdict(self)
