"""The methods appendix of a study, from its recipes and what its runs recorded."""

from __future__ import annotations

from typing import Any

from supernet.harness.runs.store import Result, Store
from supernet.harness.statistics import seeds
from supernet.harness.study.analysis import Analysis
from supernet.harness.study.overview import mean_tau, state_of
from supernet.harness.study.plan import Study


def methods(study: Study, store: Store, analysis: Analysis) -> dict[str, Any]:
    """Text, base recipe, settings, environments and the checklist of Lindauer and Hutter (JMLR 2020)."""
    settings = study.settings(mean_tau(store))
    done = [
        store.read(spec.hash)
        for setting in settings
        for spec in study.runs(setting)
        if state_of(spec, store)[0] in ("done", "diverged")
    ]
    base = study.base.as_dict()
    base.pop("seed")
    return {
        "text": _text(study, analysis, done),
        "recipe": base,
        "settings": [
            {"label": setting.label, "changes": _changes(study.base.as_dict(), setting.recipe.as_dict())}
            for setting in settings
        ],
        "environment": _environments(done),
        "checklist": _checklist(study, analysis, done),
    }


def _text(study: Study, a: Analysis, done: list[Result]) -> list[str]:
    measure = study.truth.measure
    training = study.base.training
    return [
        f"{len(a.rows)} settings of a super-net of {a.space}: the base with {len(a.base_seeds)} seeds "
        f"({_span(a.base_seeds)}), every other setting with {len(a.seeds)} ({_span(a.seeds)}); {len(done)} runs "
        "are done. "
        f"The base trains {training.epochs} epochs of {study.base.task.name} in batches of {training.batch_size}; the "
        "others differ from it as listed.",
        f"Every run scores the same {a.architectures:,} architectures on the same {a.images:,} validation images with "
        f"its shared weights, by {study.base.evaluation.metric} unless its setting differs in that, and is "
        f"compared with {measure} of {a.truth}.",
        "Kendall tau is tau-b. Sparse tau floors the true accuracies to bins of 0.1 or 1 percentage points before "
        "tau-b is taken, after the text of Yu et al. (2021); their released code bins positions too.",
        "A mean over three or more seeds has a t interval on the scale of atanh. Variances between seeds are squeezed "
        f"towards that of all settings (Smyth, 2004); a base of {seeds.OWN_VARIANCE} or more seeds keeps its own. "
        "The variance "
        f"from the choice of architectures, by {a.resamples:,} bootstrap resamples that all runs share, is added.",
        "A difference from the base is one of means over all seeds that are there, unpaired, since runs with "
        "equal seeds "
        "under different settings share nothing. Its p-value is averaged over what the variances of both means can be "
        "(Behrens and Fisher's problem; Ghosh and Kim, 2001, where nothing is squeezed). P-values and intervals "
        "are Dunnett-corrected: all intervals of differences hold together with 95 %. The smallest detectable effect "
        "is what a typical comparison finds with a probability of 80 %. Diverged runs have no tau and are "
        "counted; a setting "
        "of which more than a third diverged has no mean. Collapsed runs count in the mean.",
        "The regret of a ranking's first k is the true accuracy lost by the best of them against the best "
        "architecture scored, in percentage points. P(surpass random) is the probability that the ranking's first "
        "is not beaten by the best of ten architectures drawn at random.",
        "The attainable tau is that of a perfect ranker against the mean of the ground truth's repeats, by the "
        "tau between "
        "single repeats and the Spearman-Brown formula. Over-ranked operations are given beyond regression to "
        "the mean: "
        "the mean over uses of predicted less true percentile, less (rho - 1)(true - 50), rho being Spearman's.",
    ]


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
    return {key: ", ".join(sorted({str(result.environment.get(key)) for result in done})) for key in keys}


def _checklist(study: Study, a: Analysis, done: list[Result]) -> list[dict[str, str]]:
    """Best practices for scientific research on NAS, as far as recorded facts answer them."""
    seconds = sum(result.ledger["train_seconds"] + result.ledger["score_seconds"] for result in done)
    commits = sorted({str(result.environment.get("commit")) for result in done})
    base = study.base
    return [
        {
            "question": "Is the code for training and evaluation available?",
            "answer": f"Yes: this project, at commit {', '.join(commits)}.",
        },
        {
            "question": "Are the space, the training pipeline and its hyper-parameters given exactly?",
            "answer": f"Space {a.space}; the whole recipe is above, and in every run's spec.json.",
        },
        {
            "question": "Do all compared methods use the same space, data and evaluation protocol?",
            "answer": "Yes, but for what a heuristic itself changes, as the settings list says. All score the same "
            "architectures.",
        },
        {
            "question": "Are test data kept out of the search?",
            "answer": "Scores use validation images alone. The truth compared with is "
            f"{study.truth.measure.split} accuracy. "
            + (
                "A staged plan keeps the value whose scores agree best with it, so that later stages have been chosen "
                "by it, and their tau is too high for a new space."
                if study.design == "staged"
                else "No run sees that before its report."
            ),
        },
        {
            "question": "Are several runs done, and are the seeds given?",
            "answer": f"Seeds {_span(study.base_seeds)} of the base, {_span(study.seeds)} of the other settings.",
        },
        {
            "question": "Are results given with their uncertainty?",
            "answer": "Intervals over seeds and architectures, Dunnett-corrected p-values, and the smallest "
            "detectable effect.",
        },
        {
            "question": "Is there a comparison with simple baselines?",
            "answer": f"Parameter count as the score (tau {a.params_tau:.3f}), and random search in P(surpass random).",
        },
        {
            "question": "Are ablations one factor at a time?",
            "answer": f"The plan is {study.design}.",
        },
        {
            "question": "Are time and hardware reported?",
            "answer": f"{seconds / 3600:.2f} hours in all runs, in the environment above; per setting in the table.",
        },
        {
            "question": "Are all runs reported, failed ones too?",
            "answer": _lost(a) or "Yes: all planned runs are done.",
        },
        {
            "question": "Is the ground truth a tabular benchmark, and which?",
            "answer": f"{a.truth}: {study.truth.measure}; contents {study.truth.digest[:16]}.",
        },
        {
            "question": "How were the base's hyper-parameters chosen?",
            "answer": "Not recorded by the runs: see where the study's file comes from. "
            f"Its learning rate is {base.training.learning_rate}, its sampling law {base.sampling.law}.",
        },
    ]


def _lost(a: Analysis) -> str:
    lost = [
        f"{row.label} seed {seed}: {state}" for row in a.rows for seed, state in row.states.items() if state != "done"
    ]
    return "; ".join(lost)
