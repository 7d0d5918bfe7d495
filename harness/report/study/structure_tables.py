"""Tables of the structure of errors and of what costs no training."""

from __future__ import annotations

import pandas as pd

from supernet.harness.statistics.blocks import Blocked
from supernet.harness.statistics.seeds import Mean
from supernet.harness.study.results import Analysis


def structure(analysis: Analysis) -> pd.DataFrame:
    """One line per setting: displacements, what of them is common and explained, tau by size, partial tau.

    Shares are of the variance of displacements, from 0 to 1; negative ones are estimates of a share near 0.
    """
    found = analysis.structure
    if found is None:
        return pd.DataFrame()
    rows = {row.label: row for row in analysis.rows}
    lines = []
    for one, sizes in zip(found.displaced, found.sizes, strict=True):
        row = rows[one.label]
        line: dict[str, object] = {"heuristic": row.heuristic, "value": row.value, "seeds": one.seeds}
        line |= {"displaced_sd": one.sd, **_ends("common", one.common)}
        for share in one.shares:
            name = share.group.replace(" ", "_")
            line |= {name: share.run, f"{name}_common": share.common, f"{name}_chance": share.chance}
        line |= {**_ends("tau_within", sizes.within), **_ends("tau_between", sizes.between)}
        line |= {"from_within": sizes.from_within, "from_between": sizes.from_between}
        d = row.partial_difference
        line |= _ends("partial_tau", sizes.partial)
        line |= {"difference": d and d.value, "difference_low": d and d.low, "difference_high": d and d.high}
        line |= {"p": d and d.p, "p_dunnett": d and d.p_corrected}
        lines.append(line)
    return pd.DataFrame(lines)


def short_structure(analysis: Analysis) -> pd.DataFrame:
    """The structure as a paper prints it: shares in percent, without intervals."""
    frame = structure(analysis)
    groups = [name.removesuffix("_chance") for name in map(str, frame) if name.endswith("_chance")]
    shown = frame[["heuristic", "value"]].copy() if len(frame) else frame
    for name in ("common", *groups) if len(frame) else ():
        shown[f"{name.replace('_', ' ')}, %"] = (100 * frame[name].astype(float)).round(1)
    for name in ("tau_within", "tau_between", "partial_tau") if len(frame) else ():
        shown[name.replace("tau", "τ").replace("_", " ")] = frame[name].astype(float).round(3)
    return shown


def displaced(analysis: Analysis) -> pd.DataFrame:
    """One line per choice: by how many percentile points it displaces architectures in the base's ranking."""
    effects = analysis.structure.effects if analysis.structure else []
    return pd.DataFrame(
        [{"decision": e.decision, "option": e.option, **_ends("points", e.mean)} for e in effects],
        columns=["decision", "option", "points", "points_low", "points_high"],
    )


def free(analysis: Analysis) -> pd.DataFrame:
    """One line per comparison that needs no training: the change of tau, paired by run."""
    found = analysis.free
    if found is None:
        return pd.DataFrame()
    lines = [_blocked("loss minus accuracy", found.metric)] if found.metric else []
    if found.images:
        lines.append(_blocked("all images minus the first quarter", found.images))
    lines += [
        _blocked(f"batch norm in scoring: {one.other} minus {one.own}", one.difference) for one in found.statistics
    ]
    if found.epochs:
        lines.append(_blocked(f"mean ranks of {found.last_epochs} epochs minus the last", found.epochs))
    lines += [
        {
            "change": f"mean ranks of {e.seeds} seeds minus one seed", "settings": e.label, "runs": e.seeds,
            **_ends("difference", e.gain),
        }
        for e in found.ensembles
    ]  # fmt: skip
    names = ["change", "settings", "runs", "difference", "difference_low", "difference_high", "p", "p_settings_equal"]
    return pd.DataFrame(lines, columns=names)


def _blocked(name: str, b: Blocked) -> dict[str, object]:
    return {
        "change": name, "settings": _settings(b.blocks), "runs": b.runs, "difference": b.value,
        "difference_low": b.low, "difference_high": b.high, "p": b.p, "p_settings_equal": b.blocks_p,
    }  # fmt: skip


def _settings(count: int) -> str:
    return f"{count} setting{'s' if count > 1 else ''}"


def _ends(name: str, mean: Mean | None) -> dict[str, object]:
    return {name: mean and mean.value, f"{name}_low": mean and mean.low, f"{name}_high": mean and mean.high}
