"""What scores add to a training-free ranking: the table of the terminal, of the page, and of files."""

from __future__ import annotations

import pandas as pd
from rich import box
from rich.table import Table
from rich.text import Text

from supernet.benchmarks.wording import encodable, shown
from supernet.harness.correlation.added import Added, Gain
from supernet.harness.correlation.report import Report
from supernet.harness.report.correlation.text import LONGEST, interval_text
from supernet.harness.report.correlation.verdict import called
from supernet.harness.report.html.markup import Html, el, join
from supernet.harness.statistics.printed import number, p_text, with_interval

ADDED = "added"
"""Name of the table."""
HEADS = (
    "score", "adds to τ [95 %]", "p (Holm)", "τ together", "adds within top 10 % [95 %]", "Δ regret@1",
    "partial τ given free",
)  # fmt: skip


def frame(added: Added) -> pd.DataFrame:
    """A row for each score with every number, first that of the training-free ranking alone."""
    rows = [{"score": added.rule, "tau": added.tau.value, "top10": added.top10 and added.top10.value,
             "regret@1": added.regret}]  # fmt: skip
    for name, gain in added.gains.items():
        rows.append(
            {
                "score": encodable(name),
                "tau": gain.fused_tau,
                "adds": gain.tau.value,
                "adds_low": gain.tau.low,
                "adds_high": gain.tau.high,
                "p": gain.tau.p,
                "p_holm": gain.p_holm,
                "adds_top10": gain.top10 and gain.top10.value,
                "adds_top10_low": gain.top10 and gain.top10.low,
                "adds_top10_high": gain.top10 and gain.top10.high,
                "regret@1": added.regret + gain.regret,
                "partial_tau_given_free": gain.partial,
            }
        )
    return pd.DataFrame(rows)


def short(added: Added) -> pd.DataFrame:
    """The table of a paper and of a terminal: one row per score, as text."""
    return pd.DataFrame([dict(zip(HEADS, _cells(name, gain), strict=True)) for name, gain in added.gains.items()])


def _cells(name: str, gain: Gain) -> list[str]:
    return [
        shown(name, LONGEST),
        with_interval(gain.tau, "+.3f"),
        p_text(gain.p_holm),
        f"{gain.fused_tau:.3f}",
        "" if gain.top10 is None else with_interval(gain.top10, "+.3f"),
        number(gain.regret, "+.2f"),
        number(gain.partial),
    ]


def terminal(report: Report) -> Table | None:
    """The table that `supernet correlate` prints; None where no training-free ranking is known."""
    added = report.added
    if added is None:
        return None
    top = f", within the true top 10 % {interval_text(added.top10)}" if added.top10 else ""
    title = f"What a score adds to {added.rule}: tau-b {interval_text(added.tau)}{top}, regret@1 {added.regret:.2f}"
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=title, title_justify="left")
    for head in HEADS:
        table.add_column(head.replace("τ", "tau"), justify="left" if head == "score" else "right")
    for name, gain in added.gains.items():
        table.add_row(*map(Text, _cells(name, gain)))
    return table


def section(report: Report) -> Html:
    """The section of the page."""
    added = report.added
    if added is None:
        return el("p", "No training-free ranking of these architectures is known, with which scores could be fused.")
    about = (
        f"Does a score know anything that can be had without training? {added.rule} ranks these architectures "
        f"with a τ of {with_interval(added.tau)} without any training. A score "
        f"is fused with it by the logarithms of ranks, with the weight {added.weight:g}; what it adds is τ of the "
        "fusion minus τ of the training-free ranking, paired on the same resamples of the architectures."
    )
    heads = el("thead", el("tr", *(el("th", head, scope="col") for head in HEADS)))
    rows = [
        el(
            "tr",
            el("th", called(name), scope="row"),
            *(el("td", cell, class_="num") for cell in _cells(name, gain)[1:]),
        )
        for name, gain in added.gains.items()
    ]
    table = el("table", heads, el("tbody", *rows))
    return join(
        [
            el("p", about),
            el("div", table, class_="scroll", tabindex=0, role="region", aria_labelledby="added-title"),
            el("p", f"Regret@1 is that of the fusion minus that of {added.rule} ({added.regret:.2f}).", class_="hint"),
            el("p", f"{added.rule}: {added.about}", class_="soft"),
        ]
    )
