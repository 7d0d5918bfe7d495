"""Tables in LaTeX, ready to be pasted into a paper: booktabs is the only package that they need."""

from __future__ import annotations

import math
import re

import pandas as pd

LATEX = {character: "\\" + character for character in "%_&#${}"} | {
    "\\": r"\textbackslash{}", "~": r"\textasciitilde{}", "^": r"\textasciicircum{}", "|": r"\textbar{}",
    "<": r"\textless{}", ">": r"\textgreater{}", "τ": r"$\tau$", "Δ": r"$\Delta$", "±": r"$\pm$", "≤": r"$\le$",
    "−": r"$-$", "–": "--", "×": r"$\times$", "→": r"$\to$",
}  # fmt: skip
"""Character -> how LaTeX has it."""
PACKAGES = r"% Needs \usepackage{booktabs} in the preamble."
DIGITS = 4
"""Significant digits of the largest number of a column; all numbers of the column have its number of decimals."""

_HYPHEN = re.compile(r"(?<![\w.)])-(?=[\d.])")
_NUMBER = re.compile(r"[-+−]?[<\d.]")


def latex(frame: pd.DataFrame, caption: str = "", label: str = "", note: str = "") -> str:
    """A table with numbers that are aligned right, with equal decimals in each column.

    A star at the end of a cell hangs over, so that it does not move the digits.

    Args:
        caption: text of the caption; without one, the result is the tabular alone.
        label: what \\ref calls the table.
        note: a text below the table, such as what a star means.
    """
    columns = [(str(name), *_cells(frame.iloc[:, k])) for k, name in enumerate(frame.columns)]
    lines = [rf"\begin{{tabular}}{{{''.join('r' if right else 'l' for _, right, _ in columns)}}}", r"\toprule"]
    # Headings stand over the column as its cells do.
    lines.append(" & ".join(escaped(name) for name, _, _ in columns) + r" \\")
    lines.append(r"\midrule")
    lines += [" & ".join(cells[k] for _, _, cells in columns) + r" \\" for k in range(len(frame))]
    lines += [r"\bottomrule", r"\end{tabular}"]
    if not caption:
        return "\n".join([PACKAGES, *lines, ""])
    head = [PACKAGES, r"\begin{table}[t]", r"\centering", rf"\caption{{{escaped(caption)}}}"]
    if label:
        head.append(rf"\label{{{_key(label)}}}")
    below = ["", rf"\vspace{{2pt}}{{\footnotesize {_starred(note)}}}"] if note else []
    return "\n".join([*head, *lines, *below, r"\end{table}", ""])


def escaped(text: object) -> str:
    """Text as LaTeX shows it, with minus signs before numbers."""
    signed = _HYPHEN.sub("−", str(text))
    return "".join(LATEX.get(character, character) for character in signed)


def _key(label: str) -> str:
    """A label of the characters that every engine accepts."""
    return re.sub(r"[^\w:.+-]+", "-", label, flags=re.ASCII).replace("_", "-")


def _starred(text: str) -> str:
    return escaped(text).replace("*", "$^{*}$", 1)


def _cells(column: pd.Series) -> tuple[bool, list[str]]:
    """Whether a column is aligned right, and its cells."""
    values = [None if value is None or (isinstance(value, float) and math.isnan(value)) else value for value in column]
    known = [value for value in values if value is not None and value != ""]
    if known and all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in known):
        form = _form([float(value) for value in known])
        return True, ["" if value is None or value == "" else escaped(format(float(value), form)) for value in values]
    texts = ["" if value is None else str(value) for value in values]
    right = bool(known) and all(_NUMBER.match(text) for text in texts if text)
    hanging = [
        escaped(text[:-1]) + r"\rlap{$^{*}$}" if text.endswith("*") and text != "*" else escaped(text) for text in texts
    ]
    return right, hanging


def _form(values: list[float]) -> str:
    """The format of a column of numbers: as many decimals as give the largest DIGITS digits, none for whole numbers."""
    largest = max((abs(value) for value in values if math.isfinite(value)), default=0.0)
    if all(value == round(value) for value in values if math.isfinite(value)) or largest == 0:
        return ".0f"
    return f".{min(4, max(0, DIGITS - 1 - math.floor(math.log10(largest))))}f"
