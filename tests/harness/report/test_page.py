"""The text of a study's page."""

import copy
import json
import re
from dataclasses import replace
from html.parser import HTMLParser

import made_up_study
import numpy as np
import pytest
from made_up_study import EVIL, typed

from supernet.harness.report.study import free_table
from supernet.harness.report.study.first_screen import _before
from supernet.harness.report.study.page import page


class Reader(HTMLParser):
    """Ids, references, and whether elements are closed in order."""

    VOID = ("meta", "link", "wbr", "input")

    def __init__(self, text):
        super().__init__()
        self.ids, self.references, self.open, self.scripts, self.text = [], [], [], 0, ""
        self.feed(text)
        self.close()

    def handle_starttag(self, tag, attrs):
        self.handle_startendtag(tag, attrs)
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attrs):
        self.scripts += tag == "script"
        self.ids += [value for key, value in attrs if key == "id"]
        self.references += [value for key, value in attrs if key in ("src", "href", "xlink:href", "data", "action")]

    def handle_data(self, data):
        self.text += data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag


def test_the_page_is_whole_and_refers_to_nothing_outside(study, text):
    read = Reader(text)
    assert read.open == []
    assert len(set(read.ids)) == len(read.ids)
    assert {value[1:].partition("&")[0] for value in read.references if value.startswith("#")} <= set(read.ids)
    assert all(value.startswith(("#", "data:")) for value in read.references)
    assert set(re.findall(r"https?://[^\s\"'<)]+", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.search(r"<!--=|@import|url\((?!#figure-)", text)
    beside = page(**typed(study), files=["tables/effects.csv"])
    assert '<a href="tables/effects.csv" download="">' in beside


def test_every_number_that_matters_is_in_the_text(text):
    shown = Reader(text).text
    for expected in (
        "0.500",
        "0.479 to 0.521",
        "0.578",
        "−0.078 [−0.098, −0.058]",
        "0.965",
        "0.914",
        "15,625",
        "Smallest detectable effect",
        "0.13",
    ):
        assert expected in shown
    assert "1 of 3 seed 1: divergedseed 2: running" in shown
    assert "training.learning_rate: 0.025 → 0.1" in shown
    assert not re.search("&(lt|gt|amp);", shown)
    assert not re.search(r"</?\w", shown.partition("Findings")[2].partition('{"archs"')[0])


def test_equal_input_gives_equal_text(study, text):
    assert page(**typed(copy.deepcopy(study))) == text


def test_no_text_becomes_markup(study):
    study = copy.deepcopy(study)
    study["analysis"]["title"] = study["analysis"]["rows"][1]["label"] = study["scatter"]["runs"][0]["label"] = EVIL
    study["analysis"]["rows"][1] |= {"heuristic": EVIL, "family": EVIL, "states": {0: EVIL, 1: "done", 2: "done"}}
    study["analysis"]["findings"][0] = study["scatter"]["archs"][0] = study["scatter"]["note"] = EVIL
    study["methods"]["text"][0] = study["methods"]["checklist"][0]["answer"] = EVIL
    study["methods"]["recipe"]["space"] = study["methods"]["settings"][1]["label"] = EVIL
    study["figures"][EVIL] = next(iter(study["figures"].values()))
    text = page(**typed(study))
    assert Reader(text).scripts == 2
    assert "<b>" not in text
    data = re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
    assert json.loads(data)["archs"][0] == EVIL


def test_marks_of_the_template_in_a_text_stay_text(study):
    study = copy.deepcopy(study)
    study["analysis"]["findings"] = ["<!--=data-->"]
    assert "&lt;!--=data--&gt;" in page(**typed(study))


def test_what_is_not_known_is_a_dash_and_not_nan(study):
    study = copy.deepcopy(study)
    a = study["analysis"]
    a |= {"ceiling": None, "proxy": None, "detectable": None, "beside_params": None}
    a["rows"][1]["means"] |= {"tau_top_10": None, "regret@1": float("nan")}
    study["scatter"]["runs"][0]["scores"][3] = float("nan")
    text = page(**typed(study))
    assert "NaN" not in text.partition("<script>")[0]
    assert "unknown: this ground truth keeps no repeats apart" in text


def test_a_study_without_finished_runs_has_a_page(study):
    study = copy.deepcopy(study)
    rng = np.random.default_rng(0)
    study["analysis"] |= {
        "rows": [made_up_study.row("base", "as given", rng, states=("missing",) * 3)],
        "ceiling": None, "proxy": None, "detectable": None, "beside_params": None,
        "findings": ["No run of the base is done yet."],
    }  # fmt: skip
    study["scatter"] |= {"runs": [], "true": []}
    study["figures"] = {}
    assert "0 of 3" in page(**typed(study))


def test_runs_of_the_base_come_first_by_seed(text):
    runs = json.loads(re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1])["runs"]
    assert [(run["label"], run["seed"]) for run in runs[:4]] == [
        *(("base", seed) for seed in made_up_study.SEEDS),
        ("learning-rate=0.01", 0),
    ]


def test_scores_that_do_not_match_are_refused(study):
    study = copy.deepcopy(study)
    study["scatter"]["runs"][0]["scores"].pop()
    with pytest.raises(ValueError, match=r"clip=0\.25: 299 values for 300 architectures"):
        page(**typed(study))


@pytest.mark.parametrize(
    ("svg", "problem"),
    [
        ("no drawing", "figure-1 is no SVG"),
        ('<svg xmlns="http://www.w3.org/2000/svg"><image href="http://example.org/a.png"/></svg>', "have to load"),
    ],
)
def test_a_figure_that_cannot_be_inlined_is_refused(study, svg, problem):
    with pytest.raises(ValueError, match=problem):
        page(**typed(study | {"figures": {"Figure": svg}}))


def test_style_rules_of_a_figure_are_its_own(text):
    drawn = text.partition("<body>")[2].partition('<script type="application/json"')[0]
    rules = re.findall(r"<style[^>]*>([^<]*)</style>", drawn)
    assert rules == [f"#figure-{k} *{{stroke-linejoin: round; stroke-linecap: butt}}" for k in (1, 2)]


def test_choices_that_need_no_training_have_a_table(study):
    table = free_table.on_page(typed(study)["analysis"])
    lines = [re.sub("<[^>]+>", "|", line) for line in table.split("<tr>")[2:]]
    assert ["+0.056 [+0.036, +0.076]" in line and "|0.004|" in line for line in lines] == [True, False, False, False]
    assert "all images, instead of the first quarter" in lines[1]
    assert "recalibrated statistics of batch norm, instead of the statistics of each batch" in lines[2]
    assert "|9||25|" in lines[2]
    assert "mean ranks of 3 seeds, instead of one" in lines[3]
    assert "+0.040" in lines[3]
    sides = re.findall(r'class="effect (\w+)"', table)
    assert sides == ["gain", "unclear", "loss", "unclear"]
    assert free_table.on_page(replace(typed(study)["analysis"], free=None)) == ""


@pytest.mark.parametrize(
    ("heuristic", "change", "said"),
    [
        ("learning-rate", "training.learning_rate: 0.05 -> 0.1", "0.05"),
        ("batch-norm", "network.bn_affine: True -> False", "bn_affine true"),
        ("nesterov", "training.nesterov: False -> True", "false"),
        ("replay", "methods: [] -> [replay]", "without"),
    ],
)
def test_what_the_base_has_is_said_beside_a_change(heuristic, change, said):
    assert _before(heuristic, change) == said
