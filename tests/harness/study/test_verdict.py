"""The verdict of a study in words, and the file that gives undecided settings more seeds."""

import dataclasses

import pytest
import yaml
from made_up_scores import noisy
from tiny import write_study

from supernet.benchmarks.errors import UserError
from supernet.harness.study import verdict
from supernet.harness.study.analysis import analyse
from supernet.harness.study.extended import extended, write_extended
from supernet.harness.study.findings import findings_of
from supernet.harness.study.gathered import gather
from supernet.harness.study.reading import load_study

RESAMPLES = 40
HEURISTICS = {"channels": [8], "path-dropout": [0.1, 0.2]}
SEEDS = {"base": 6, "others": 3}


@pytest.fixture
def tiny_file(tmp_path):
    """The file of the study that `found` analyses."""
    return write_study(tmp_path / "tiny.yaml", heuristics=HEURISTICS, seeds=SEEDS, sample="all")


@pytest.fixture
def found(many, put, store):
    """A base of six seeds, one setting that is worse for certain, one that is alike and one with much noise."""
    chosen = many(HEURISTICS, seeds=SEEDS)

    def scores(label, seed, y):
        return -noisy(10)(label, seed, y) if label == "channels=8" else noisy(10)(label, seed, y)

    put(chosen, scores)
    return chosen, analyse(gather(chosen, store), resamples=RESAMPLES)


def changed(analysis, **by_label):
    """The analysis with other differences of the settings whose labels begin as named."""
    rows = []
    for row in analysis.rows:
        name = next((name for name in by_label if row.label.startswith(name)), None)
        rows.append(dataclasses.replace(row, difference=by_label[name]) if name else row)
    return dataclasses.replace(analysis, rows=rows)


def test_the_headline_names_what_is_clear_and_which_way(found):
    _, a = found
    assert verdict.headline(a) == "1 of 3 changes clearly changes Kendall's tau: channels=8 lowers it."
    up = dataclasses.replace(a.rows[1].difference, value=0.4)
    assert verdict.headline(changed(a, channels=up)).endswith("channels=8 raises it.")
    unclear = dataclasses.replace(up, p_corrected=0.3)
    assert verdict.headline(changed(a, channels=unclear)) == "None of 3 changes clearly changes Kendall's tau."


def test_what_cannot_be_tested_is_said(many, put, store):
    chosen = many({"channels": [8]}, seeds=[0])
    put(chosen, noisy(10))
    a = analyse(gather(chosen, store), resamples=RESAMPLES)
    assert verdict.headline(a).startswith("No setting can be tested")
    assert verdict.certainty(a) is None
    assert "three seeds or more" in verdict.steps(a)[0].why
    assert [verdict.word(row, a.margin) for row in a.rows[1:]] == ["not tested"]


def test_every_tested_setting_has_one_of_three_verdicts(found):
    _, a = found
    assert {row.label for row in a.clear + a.negligible + a.undecided} == {row.label for row in a.tested}
    assert len(a.clear + a.negligible + a.undecided) == len(a.tested)
    wide, narrow = (dataclasses.replace(a, margin=margin) for margin in (0.99, 1e-6))
    assert {row.label for row in wide.negligible} == {"path-dropout=0.1", "path-dropout=0.2"}
    assert narrow.negligible == []
    assert "2 changes are shown to change tau by less than 0.99" in verdict.certainty(wide)
    assert "2 changes are undecided, which does not mean without effect" in verdict.certainty(narrow)


def test_an_effect_that_is_neither_clear_nor_negligible_is_undecided(found):
    _, a = found
    d = dataclasses.replace(a.rows[2].difference, p_corrected=0.2, within=0.5, expected=0.02)
    assert verdict.word(dataclasses.replace(a.rows[2], difference=d), a.margin) == "undecided"


def test_the_next_step_for_what_is_undecided_is_a_command_that_works(found, tmp_path):
    study, a = found
    a = dataclasses.replace(a, margin=1e-6)
    step = next(step for step in verdict.steps(a) if step.command)
    assert step.command == f"supernet study extend {study.command} --seeds 3"
    assert "6 runs; the smallest difference they find is" in step.why


def test_an_extended_study_has_more_seeds_for_the_undecided_alone(found, tmp_path, tiny_file):
    study, a = found
    content = extended(tiny_file, study, dataclasses.replace(a, margin=1e-6), 2)
    path = write_extended(tiny_file, content, tmp_path)
    again = load_study(path)
    seeds = {setting.label: again.seeds_of(setting) for setting in again.settings(lambda _: None)}
    more = (0, 1, 2, 3, 4)
    assert seeds == {
        "base": tuple(range(6)),
        "channels=8": (0, 1, 2),
        "path-dropout=0.1": more,
        "path-dropout=0.2": more,
    }
    assert {run.hash for _, run in study.plan()} < {run.hash for _, run in again.plan()}
    assert path.name == f"{tiny_file.stem}-extended.yaml"
    assert write_extended(tiny_file, content, tmp_path) == path
    assert write_extended(path, content | {"title": "Other"}, tmp_path).name == f"{tiny_file.stem}-extended-2.yaml"


def test_an_extended_study_keeps_a_base_that_was_changed_on_the_command_line(found, tiny_file):
    study, a = found
    changed = dataclasses.replace(study, base=study.base.override(["network.channels=16"]))
    content = extended(tiny_file, changed, dataclasses.replace(a, margin=1e-6), 2)
    path = tiny_file.with_name("again.yaml")
    path.write_text(yaml.safe_dump(content))
    again = load_study(path)
    assert again.base == changed.base != study.base
    assert {run.hash for _, run in changed.plan()} < {run.hash for _, run in again.plan()}


def test_a_study_without_undecided_settings_is_not_extended(found, tiny_file):
    study, a = found
    with pytest.raises(UserError, match="No setting is undecided"):
        extended(tiny_file, study, dataclasses.replace(a, margin=0.99), 2)
    for design in ("staged", "screen"):
        with pytest.raises(UserError, match=f"A {design}( plan)? cannot be extended"):
            extended(tiny_file, dataclasses.replace(study, design=design), a, 2)
    one = dataclasses.replace(a, rows=[dataclasses.replace(row, difference=None) for row in a.rows])
    with pytest.raises(UserError, match="a test needs two or more seeds of both"):
        extended(tiny_file, study, one, 2)
    one.rows[1].states[0] = "missing"
    with pytest.raises(UserError, match="finish the study first"):
        extended(tiny_file, study, one, 2)


def test_plans_that_only_as_a_whole_can_have_more_seeds_say_what_is_undecided(found):
    _, a = found
    staged = dataclasses.replace(a, design="staged", margin=1e-6)
    assert "2 changes are undecided. To see smaller effects, raise `seeds`" in " ".join(
        step.why for step in verdict.steps(staged)
    )


def test_findings_say_that_seeds_were_chosen_after_a_look(found):
    _, a = found
    words = "were chosen one by one, as after a look at earlier results"
    assert words in " ".join(findings_of(dataclasses.replace(a, looked=("channels=8", "path-dropout=0.1"))))
    assert words not in " ".join(findings_of(a))


def test_the_written_file_is_plain_yaml(found, tmp_path, tiny_file):
    study, a = found
    path = write_extended(tiny_file, extended(tiny_file, study, dataclasses.replace(a, margin=1e-6), 1), tmp_path)
    content = yaml.safe_load(path.read_text())
    assert content["seeds"]["path-dropout=0.1"] == [0, 1, 2, 3]


def test_a_design_that_finds_no_possible_difference_says_so(found):
    _, a = found
    none = dataclasses.replace(a, detectable=2.07)
    assert none.finds is None
    assert "detects no difference reliably, however large" in verdict.certainty(none)
    assert "detects no difference reliably, however large" in " ".join(findings_of(none))
    assert "2.07" not in verdict.certainty(none) + " ".join(findings_of(none))
    some = dataclasses.replace(a, detectable=0.4)
    assert some.finds == 0.4
    assert "detects differences of 0.40 or more" in verdict.certainty(some)
    assert "detects differences of 0.40 or more, with a probability of 80 %" in " ".join(findings_of(some))
    wide = next(step for step in verdict.steps(dataclasses.replace(a, seed_sd=2.0)) if "undecided" in step.why)
    assert "smallest difference" not in wide.why


def test_one_missing_run_is_one(found):
    _, a = found
    rows = [dataclasses.replace(row, states=dict.fromkeys(row.states, "done")) for row in a.rows]
    rows[1].states[0] = "missing"
    assert verdict.steps(dataclasses.replace(a, rows=rows))[0].why == "1 run is not done. This makes it:"


def test_a_base_at_chance_is_said_first_and_is_to_be_trained_longer(found):
    _, a = found
    base, *others = a.rows
    low = dataclasses.replace(a, rows=[dataclasses.replace(base, at_chance=tuple(base.taus)), *others])
    assert verdict.headline(low) == f"The base classifies no better than chance. {verdict.headline(a)}"
    assert "Train the base until it classifies better than chance" in verdict.steps(low)[0].why
    some = dataclasses.replace(a, rows=[dataclasses.replace(base, at_chance=tuple(base.taus)[:1]), *others])
    assert verdict.headline(some) == verdict.headline(a)


def test_seeds_that_were_added_after_a_look_are_said_beside_what_is_clear(found):
    _, a = found
    said = "Seeds were added after a look at earlier results"
    assert said not in verdict.certainty(a)
    clear, unclear = a.clear[0].label, a.undecided[0].label
    assert said in verdict.certainty(dataclasses.replace(a, looked=(clear,)))
    assert said not in verdict.certainty(dataclasses.replace(a, looked=(unclear,)))
