"""The methods appendix of a study, from its recipes and what its runs recorded."""

from __future__ import annotations

from typing import Any

from supernet.benchmarks.wording import counted, listed, quoted
from supernet.harness.report.study.content import Answer, Changed, Methods
from supernet.harness.runs.devices import mixture
from supernet.harness.runs.environments import parts
from supernet.harness.runs.store import Result
from supernet.harness.statistics import spreads
from supernet.harness.study.gathered import Gathered
from supernet.harness.study.on_average import error_in_words
from supernet.harness.study.plan import ROW_SEEDS, Study
from supernet.harness.study.results import Analysis

AGAINST_BASE = (
    "A difference from the base is one of means over all seeds that are there, unpaired, since runs with equal seeds "
    "under different settings share nothing. Tests and intervals solve Behrens and Fisher's problem by integrating "
    "over both variances (as a mixture after Ghosh and Kim, 2001, where variances are not squeezed), and are "
    "Dunnett-corrected: all intervals of differences hold together with 95 %. The smallest detectable effect is what a "
    "typical comparison finds with a probability of 80 %, by Satterthwaite's degrees of freedom."
)
FEW = 3
"""Most settings of the same seeds that are named; our choice."""
LOST = (
    "Diverged runs have no tau and are counted; a setting of which more than a third diverged has no mean. Collapsed "
    "runs count in the mean."
)


def methods(gathered: Gathered, analysis: Analysis) -> Methods:
    """Text, base recipe, settings, environments and the checklist of Lindauer and Hutter (JMLR 2020)."""
    study, done = gathered.study, gathered.ended
    base = study.base.as_dict()
    base.pop("seed")
    return Methods(
        text=[*filter(None, [mixture(done)]), *_text(study, analysis, done)],
        recipe=base,
        settings=[
            Changed(setting.label, _changes(study.base.as_dict(), setting.recipe.as_dict()))
            for setting in gathered.settings
        ],
        environment=_environments(done),
        checklist=[Answer(question, answer) for question, answer in _checklist(study, analysis, done).items()],
    )


def _text(study: Study, a: Analysis, done: list[Result]) -> list[str]:
    measure = study.truth.measure
    training = study.base.training
    return [
        f"{counted(len(a.rows), 'setting', 'settings')} of a super-net of {a.space}: the base with "
        f"{counted(len(a.base_seeds), 'seed', 'seeds')} ({_span(a.base_seeds)}), every other setting with "
        f"{len(a.seeds)} ({_others(study)}){_single(study)}; {len(done)} runs are done. "
        f"The base trains {counted(training.epochs, 'epoch', 'epochs')} of {study.base.task.name} in batches of "
        f"{training.batch_size}; the others differ from it as listed.",
        f"Every run scores the same {a.architectures:,} architectures on the same {a.images:,} validation images with "
        f"its shared weights, by {study.base.evaluation.metric} unless its setting differs in that, and is "
        f"compared with {measure} of {a.truth}.",
        "Kendall tau is tau-b. Sparse tau floors the true accuracies to bins of 0.1 or 1 percentage points before "
        "tau-b is taken, after the text of Yu et al. (2021); their released code bins positions too.",
        "A mean over three or more seeds has a t interval on the scale of atanh. Variances between seeds are squeezed "
        f"towards that of all settings (Smyth, 2004); a base of {spreads.OWN_VARIANCE} or more seeds keeps its own. "
        "The variance "
        f"from the choice of architectures, by {a.resamples:,} bootstrap resamples that all runs share, is added.",
        *([] if study.design == "screen" else [AGAINST_BASE]),
        *([_on_average(a)] if a.factors else []),
        LOST,
        "The regret of a ranking's first k is the true accuracy lost by the best of them against the best "
        "architecture scored, in percentage points. P(surpass random) is the probability that the ranking's first "
        "is not beaten by the best of ten architectures drawn at random.",
        "The displacement of an architecture is its percentile by score minus that expected at its true rank, by "
        "isotonic regression. It is explained by least squares on operations, connections, parameter count (rank), and "
        "depth with live layers, each minus its own expectation at the same true rank (Robinson, 1988); shares are "
        "averaged over all orders of the groups (Lindeman, Merenda and Gold, 1980). The share common to seeds is that "
        "of variance components. Partial taus given parameter count are compared with the base as taus are.",
        "What costs no training is compared within runs: the mean over settings, with the variance pooled within "
        "settings. These intervals hold for these architectures.",
        "The attainable tau is that of a perfect ranker against the mean of the ground truth's repeats, by the "
        "tau between single repeats and the Spearman-Brown formula. That formula does not hold within the truly best "
        "10 %, which are chosen by the same noisy mean; there, the choice is simulated with the noise between repeats. "
        "Over-ranked operations are given beyond regression to the mean: the mean over uses of predicted minus true "
        "percentile, minus (rho - 1)(true - 50), rho being Spearman's. Their intervals hold the spread between seeds "
        "and the choice of architectures, and hold together for all operations of a setting (Bonferroni).",
    ]


def _uncertainty(study: Study, a: Analysis) -> str:
    """What tells how sure the results are."""
    if study.design == "screen":
        tests = a.factors is not None and a.factors.error is not None
        return "Intervals over seeds and architectures" + (", Holm-corrected p-values." if tests else ".")
    if not a.tested:
        return "Intervals over architectures alone, where a setting has one seed: settings are not tested."
    return "Intervals over seeds and architectures, Dunnett-corrected p-values, and the smallest detectable effect."


def _on_average(a: Analysis) -> str:
    """How effects on average over the other heuristics are found."""
    assert a.factors is not None
    design = (
        "The settings are a two-level design of resolution IV: a Hadamard matrix folded over, in which no main effect "
        "is mixed with an interaction of two heuristics"
        if a.design == "screen"
        else "The settings of the grid are fitted by main effects and interactions of two heuristics"
    )
    return (
        f"{design}. Effects on average over the other heuristics are found by least squares on the settings' means "
        f"over seeds, each of which counts once; {error_in_words(a.factors)}. The variance from the choice of "
        "architectures is added. Intervals are Student's t and hold one by one; p-values are Holm-corrected for all "
        "main effects, and for all interactions."
    )


def _others(study: Study) -> str:
    """The seeds of every setting but the base."""
    seeds_ = _span(study.seeds)
    return f"{seeds_}, plus {ROW_SEEDS:,} times the number of its row" if study.design == "screen" else seeds_


def _single(study: Study) -> str:
    """The seeds of settings that have others than the rest."""
    alike: dict[tuple[int, ...], list[str]] = {}
    for label, seeds_ in study.seeds_by:
        alike.setdefault(seeds_, []).append(label)
    parts = [
        f"{f'{len(labels)} settings' if len(labels) > FEW else listed(map(quoted, labels))} with {len(seeds_)} "
        f"({_span(seeds_)})"
        for seeds_, labels in alike.items()
    ]
    return f", except {listed(parts, len(parts))}" if parts else ""


def _seen(done: list[Result]) -> str:
    """Whether runs saw the truth that they are compared with."""
    asked = max((int(result.ledger.get("method_queries", 0)) for result in done), default=0)
    if not asked:
        return "No run sees that before its report."
    return (
        f"Methods of some runs asked for it, on up to {asked:,} architectures a run; architectures that any run asked "
        "about are left out of all rankings."
    )


def _span(seeds_: tuple[int, ...]) -> str:
    """0 to 11, or the seeds one by one."""
    run = len(seeds_) > 2 and list(seeds_) == list(range(seeds_[0], seeds_[0] + len(seeds_)))
    return f"{seeds_[0]} to {seeds_[-1]}" if run else ", ".join(map(str, seeds_))


def _changes(base: dict[str, Any], other: dict[str, Any], prefix: str = "") -> list[str]:
    found = []
    for key, value in other.items():
        if isinstance(value, dict):
            found += _changes(base[key], value, f"{prefix}{key}.")
        elif value != base[key]:
            found.append(f"{prefix}{key}: {base[key]} -> {value}")
    return found


def _environments(done: list[Result]) -> dict[str, str]:
    """Every value that the runs recorded, so that a mixture shows."""
    keys = dict.fromkeys(key for result in done for key in result.environment)
    return {key: ", ".join(_recorded(done, key)) for key in keys}


def _recorded(done: list[Result], key: str) -> list[str]:
    return sorted({part for result in done for part in parts(result.environment.get(key))})


def _checklist(study: Study, a: Analysis, done: list[Result]) -> dict[str, str]:
    """Question -> answer: best practices for scientific research on NAS, as far as recorded facts answer them."""
    seconds = sum(result.ledger["train_seconds"] + result.ledger["score_seconds"] for result in done)
    commits = _recorded(done, "commit")
    base = study.base
    return {
        "Is the code for training and evaluation available?": f"Yes: this project, at commit {', '.join(commits)}.",
        "Are the space, the training pipeline and its hyper-parameters given exactly?": (
            f"Space {a.space}; the whole recipe is above, and in every run's spec.json."
        ),
        "Do all compared methods use the same space, data and evaluation protocol?": (
            "Yes, but for what a heuristic itself changes, as the settings list says. All score the same architectures."
        ),
        "Are test data kept out of the search?": (
            "Scores use validation images alone. Rankings are compared with "
            f"{study.truth.measure.split} accuracies. "
            + (
                "A staged plan keeps the value whose scores agree best with it, so that later stages have been chosen "
                "by it, and their tau is too high for a new space."
                if study.design == "staged"
                else _seen(done)
            )
        ),
        "Are several runs done, and are the seeds given?": (
            f"Seeds {_span(study.base_seeds)} of the base, {_others(study)} of the other settings{_single(study)}."
        ),
        "Are results given with their uncertainty?": _uncertainty(study, a),
        "Is there a comparison with simple baselines?": (
            f"Parameter count as the score (tau {a.params_tau:.3f}), and random search in P(surpass random)."
        ),
        "Are ablations one factor at a time?": f"The plan is {study.design}.",
        "Are time and hardware reported?": (
            f"{seconds / 3600:.2f} hours in all runs, in the environment above; per setting in the table."
        ),
        "Are all runs reported, failed ones too?": _lost(a) or "Yes: all planned runs are done.",
        "Is the ground truth a tabular benchmark, and which?": (
            f"{a.truth}: {study.truth.measure}; contents {study.truth.digest[:16]}."
        ),
        "How were the base's hyper-parameters chosen?": (
            "Not recorded by the runs: see where the study's file comes from. "
            f"Its learning rate is {base.training.learning_rate}, its sampling law {base.sampling.law}."
        ),
    }


def _lost(a: Analysis) -> str:
    lost = [
        f"{row.label} seed {seed}: {state}" for row in a.rows for seed, state in row.states.items() if state != "done"
    ]
    return "; ".join(lost)
