"""The report.json of studies, made up: as much of it as a comparison of studies reads."""

import json


def content(name, effects, /, *, recipe=None, runs=None, **others):
    """A report's content.

    Args:
        effects: label -> (difference from the base, its standard error or None).
        recipe: the base recipe; None leaves it out, as earlier versions did.
        runs: prefix of the names of its runs; the study's name unless given.
        others: further keys, or other values of those that are here.
    """
    prefix = runs or name
    rows = [_row("base", "as given", "base", prefix, None)]
    for label, (value, error) in effects.items():
        heuristic, _, given = label.partition("=")
        difference = {
            "value": value, "low": value - 0.1, "high": value + 0.1, "p": 0.01, "p_corrected": 0.04, "q": 0.02,
        }  # fmt: skip
        rows.append(_row(heuristic, given, label, prefix, difference | ({} if error is None else {"se": error})))
    made = {
        "name": name, "title": f"Study {name}", "space": "nb201", "truth": "made up",
        "measure": {"dataset": "cifar10", "split": "test", "epochs": "200", "seed": "mean"},
        "architectures": 400, "images": 200, "seeds": [0, 1, 2], "base_seeds": [0, 1, 2, 3], "design": "one-factor",
        "params_tau": 0.58, "ceiling": {"attainable": 0.96}, "rows": rows,
    }  # fmt: skip
    return made | ({} if recipe is None else {"recipe": recipe}) | others


def _row(heuristic, value, label, prefix, difference):
    return {
        "heuristic": heuristic, "value": value, "label": label, "states": {"0": "done", "1": "failed"},
        "hashes": {"0": f"{prefix}-{label}-0", "1": f"{prefix}-{label}-1"}, "taus": {"0": 0.4},
        "tau": {"value": 0.4, "low": 0.3, "high": 0.5, "seeds": 3}, "difference": difference,
    }  # fmt: skip


def write(folder, name, effects, /, **others):
    """Write a report to folder/NAME/report.json: the path of its folder."""
    (folder / name).mkdir(parents=True)
    (folder / name / "report.json").write_text(json.dumps(content(name, effects, **others)))
    return folder / name
