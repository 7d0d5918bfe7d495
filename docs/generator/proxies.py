"""The reference of scores without training, from their registry and from the rules that fuse them."""

from __future__ import annotations

from docs.generator.markdown import code, page, table, text
from supernet.harness.scoring.proxies.registry import COUNTS, PROXIES
from supernet.harness.scoring.rules import RULES


def scores_page() -> str:
    """Return the page with all scores and rules."""
    counts = table(("count", "what is counted"), [(code(name), text(what)) for name, what in COUNTS.items()])
    rows = [
        (code(p.name), text(p.what), text(p.formula), "negated" if p.direction == "negated" else "", text(p.passes),
         text(p.source))
        for p in PROXIES.values()
    ]  # fmt: skip
    scores = table(("score", "what it measures", "formula", "sign", "cost", "source"), rows)
    rules = table(
        ("rule", "terms", "what its choice has seen"),
        [
            (
                code(rule.name),
                text(" + ".join(f"{weight:g} {name}" for name, weight in rule.free))
                + (f" + {rule.trained:g} super-net" if rule.trained else ""),
                text(rule.card),
            )
            for rule in RULES.values()
        ],
    )
    introduction = (
        "Every score is higher where an architecture is better; a score whose published quantity is lower there is "
        "negated. [Scores without training](../free-scores.md) says how they are computed, compared and fused."
    )
    return page("# Scores without training", introduction, "## Counts", counts, "## Untrained networks", scores,
                "## Rules", rules)  # fmt: skip
