"""Several studies beside each other: which effects enter a summary, what differs, and what is refused."""

import json
from pathlib import Path

import made_up_reports
import pytest

from supernet.benchmarks.errors import UserError
from supernet.harness.statistics.bootstrap import holm
from supernet.harness.statistics.random_effects import summarised
from supernet.harness.study.across import NOT_RECORDED, compared
from supernet.harness.study.kept import read_kept

QUICK = Path(__file__).parents[3] / "results" / "reference" / "quick" / "report.json"
A = {"clip=1": (0.10, 0.02), "layers=2": (-0.3, 0.05), "only-a=1": (0.2, 0.1)}
B = {"clip=1": (0.14, 0.03), "layers=2": (-0.1, 0.04)}
C = {"clip=1": (0.11, 0.02)}


@pytest.fixture
def read(tmp_path):
    def read(name, effects, /, **others):
        return read_kept(made_up_reports.write(tmp_path, name, effects, **others) / "report.json")

    return read


def change(found, label):
    (one,) = (change for change in found.changes if change.label == label)
    return one


def test_changes_of_two_or_more_studies_are_summarised(read):
    found = compared([read("a", A), read("b", B), read("c", C)])
    assert [one.label for one in found.changes] == ["clip=1", "layers=2"]
    clip, layers = found.changes
    assert clip.summary == summarised([0.10, 0.14, 0.11], [0.02, 0.03, 0.02])
    assert layers.summary == summarised([-0.3, -0.1], [0.05, 0.04])
    assert [effect and effect.value for effect in layers.effects] == [-0.3, -0.1, None]
    assert [clip.p_holm, layers.p_holm] == pytest.approx(holm([clip.summary.p, layers.summary.p]))
    assert clip.clear
    assert clip.verdict == "raises tau on average"
    assert layers.verdict == "undecided"
    assert "1 of 2 changes" in found.findings[0]
    assert "clip=1 (+0.11" in found.findings[0]
    assert found.findings[1].startswith("For no change")  # of three studies, a prediction has one degree of freedom
    four = compared([*found.studies, read("d", {"clip=1": (0.12, 0.02)})])
    assert four.findings[1] == "The prediction interval of a further study leaves out 0 for clip=1."
    assert "layers=2 (Q test, p = 0.0018" in found.findings[2]


def test_studies_that_share_runs_are_not_summarised(read):
    found = compared([read("a", A), read("b", B, runs="a"), read("c", C)])
    assert all(one.shared and one.summary is None and one.verdict == "no summary" for one in found.changes)
    assert "'a' and 'b' share 2 runs of it or of the base" in change(found, "clip=1").problem
    assert any("clip=1, layers=2: not summarised" in note for note in found.notes)
    assert found.findings[0] == "No change can be summarised over the studies."


def test_a_run_without_a_result_is_not_shared(read, tmp_path):
    path = made_up_reports.write(tmp_path, "b", B) / "report.json"
    content = json.loads(path.read_text())
    for row in content["rows"]:
        row["hashes"]["1"] = f"a-{row['label']}-1"  # it failed in both
    path.write_text(json.dumps(content))
    assert change(compared([read("a", A), read_kept(path)]), "clip=1").summary


def test_reports_without_standard_errors_are_shown_and_enter_no_summary(read):
    old = {label: (value, None) for label, (value, _) in C.items()}
    found = compared([read("a", A), read("b", B), read("old", old)])
    clip = change(found, "clip=1")
    assert clip.summary.studies == 2
    assert clip.effects[2].value == 0.11
    (note,) = (note for note in found.notes if "earlier version" in note)
    assert "'old'" in note
    assert "supernet study report NAME" in note
    alone = compared([read("a2", C), read("old2", old)])
    assert "Fewer than two of its effects have a standard error; none is known in 'old2'" in alone.changes[0].problem


def test_the_report_that_ships_is_one_of_them(read):
    shipped = read_kept(QUICK)
    assert len(shipped.effects) == 6
    assert shipped.recipe is not None
    found = compared([shipped, read("b", {"epochs=8": (-0.3, 0.05)})])
    assert [one.label for one in found.changes] == ["epochs=8"]
    assert found.changes[0].summary is not None


def test_screens_and_untested_changes_are_named(read):
    one_seed = read("b", B)
    for label, effect in one_seed.effects.items():
        one_seed.effects[label] = type(effect)(effect.value, None, None, None, False, False, "not tested")
    found = compared([read("a", A), one_seed, read("s", B, design="screen")])
    assert [effect is None for effect in change(found, "clip=1").effects] == [False, False, True]
    assert any("for want of seeds" in note for note in found.notes)
    assert any(note.startswith("'s': a screen") for note in found.notes)


def test_protocols_hold_what_differs_and_nothing_else(read):
    recipe = {"training": {"epochs": 12, "schedule": "cosine"}, "clip": None, "methods": []}
    other = {"training": {"epochs": 24, "schedule": "cosine"}, "methods": [{"name": "replay"}]}
    found = compared([read("a", A, recipe=recipe), read("b", B, recipe=other, space="nb1shot1-1"), read("old", B)])
    assert found.protocols == {
        "space": ["nb201", "nb1shot1-1", "nb201"],
        "training.epochs": ["12", "24", NOT_RECORDED],
        "clip": ["null", "–", NOT_RECORDED],
        "methods": ["none", "name: replay", NOT_RECORDED],
    }


def test_studies_of_one_name_are_told_apart(read, tmp_path):
    second = read_kept(made_up_reports.write(tmp_path / "other", "a", B, runs="x") / "report.json")
    assert [study.name for study in compared([read("a", A), second]).studies] == ["a", "a (2)"]


def test_what_cannot_be_compared_is_refused(read):
    with pytest.raises(UserError, match="takes 2 to 50 studies, not 1"):
        compared([read("a", A)])
    with pytest.raises(UserError, match=r"No change is in two of these studies.*'d' has other=1"):
        compared([read("c", C), read("d", {"other=1": (0.1, 0.1)})])


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"rows": []}, "damaged"),
        ({"params_tau": "high"}, "'high' is not a number"),
        ({"measure": {}}, "it has no 'dataset'"),
        ({"name": ["a"]}, "is not a text"),
        ({"architectures": -1}, "is not a count"),
        ({"rows": [{"taus": 3}]}, "damaged"),
        ({"recipe": 3}, "damaged"),
    ],
)
def test_damaged_reports_are_named(read, change, said):
    with pytest.raises(UserError, match=rf"The report .*a/report\.json' is damaged .*{said}|is {said}"):
        read("a", A, **change)


def test_other_files_are_no_reports(tmp_path):
    path = tmp_path / "report.json"
    for text, said in (("{}", "not the report of a study"), ("[", "cannot be read")):
        path.write_text(text)
        with pytest.raises(UserError, match=said):
            read_kept(path)
    with pytest.raises(UserError, match="a standard error is 0"):
        read_kept(made_up_reports.write(tmp_path, "z", {"clip=1": (0.1, 0.0)}) / "report.json")
