import datetime
import os
import time

import pytest
import yaml
from tiny import CONTENT, write_study

from supernet.benchmarks.truth import shelf
from supernet.benchmarks.truth.table import Measure
from supernet.harness.runs.execute import execute
from supernet.harness.runs.job import Truth
from supernet.harness.study import reading
from supernet.harness.study.plan import StudyError, mean_tau
from supernet.harness.study.reading import load_study, studies


def labels(settings):
    return [setting.label for setting in settings]


def no_results(_):
    return None


# ---- mistakes --------------------------------------------------------------------------------------------------------

TRUTH = CONTENT["truth"]
MISTAKES = [
    ({"heuristics": {"path-dropuot": [0.2]}}, "there is no heuristic 'path-dropuot'; did you mean path-dropout?"),
    ({"heuristics": {"zzz": [0.2]}}, "`supernet heuristics` lists them"),
    ({"heuristics": {"batch-norm": ["plain"]}}, "The heuristic batch-norm has no value 'plain'; it has affine-batch,"),
    ({"heuristics": {"ws-bn": "all"}}, "The heuristic ws-bn is for nb1shot1-1, nb1shot1-2, nb1shot1-3, not for nb201"),
    ({"heuristics": {"path-dropout": [2]}}, "network.path_dropout is 2.0, but must lie in [0, 1)"),
    ({"heuristics": {"channels": ["many"]}}, "network.channels is 'many', but must be int"),
    ({"heuristics": {"path-dropout": 0.2}}, "heuristics.path-dropout is 0.2, but must be `all` or a list of values"),
    ({"heuristics": {"schedule": "step"}}, "heuristics.schedule is 'step', but must be `all` or a list of values"),
    ({"heuristics": {"path-dropout": [0.2, 0.2]}}, "heuristics.path-dropout has the value 0.2 twice"),
    ({"heuristics": [["clip"]]}, "heuristics must be `all`, a list of names, or names with lists of values"),
    ({"heuristics": "path-dropout"}, "heuristics must be `all`, a list of names, or names with lists of values"),
    ({"heuristics": None}, "heuristics must be `all`, a list of names, or names with lists of values"),
    ({"sedes": [1]}, "there is no key 'sedes'; did you mean seeds?"),
    ({"seeds": 0}, "seeds is 0, but must be a number of seeds from 1 to 1,000, or a list of whole numbers"),
    ({"seeds": 10**9}, "seeds is 1000000000, but must be a number of seeds"),
    ({"seeds": {"base": 4}}, "seeds names seeds of `base` and of `others`"),
    ({"seeds": {"base": 4, "other": 2}}, "seeds names seeds of `base` and of `others`"),
    ({"seeds": {"base": 4, "others": 2, "channels=99": 6}}, "seeds has no setting 'channels=99'; there is base"),
    ({"seeds": {"base": 4, "others": 2, "channels=8": 0}}, "seeds.'channels=8' is 0, but must be a number of seeds"),
    ({"margin": 0}, "margin is 0, but must be a difference of tau between 0 and 1"),
    ({"margin": "small"}, "margin is 'small', but must be"),
    ({"margin": float("nan")}, "margin is nan, but must be"),
    ({"seeds": {"base": [1, 1], "others": 2}}, "seeds.base is [1, 1]: a seed is given twice"),
    ({"seeds": {"base": "many", "others": 2}}, "seeds.base is 'many', but must be a number of seeds"),
    ({"seeds": []}, "seeds is [], but must be a number of seeds"),
    ({"seeds": [0.5]}, "seeds is [0.5], but must be a number of seeds"),
    ({"seeds": [True]}, "seeds is [True], but must be a number of seeds"),
    ({"seeds": [-1]}, "seeds is [-1], but must be a number of seeds"),
    ({"seeds": [1, 0, 1]}, "a seed is given twice"),
    ({"sample": "half"}, "sample is 'half', but must be `all` or a number of architectures"),
    ({"sample": 1}, "sample is '1', but must be"),
    ({"sample": -5}, "sample is '-5', but must be"),
    ({"last_epochs": 0}, "last_epochs is 0, but must be a whole number of at least 1"),
    ({"last_epochs": 1.5}, "last_epochs is 1.5, but must be"),
    ({"plan": "random"}, "plan is 'random', but must be one of one-factor, listed, grid, staged"),
    ({"plan": ["grid"]}, "plan is ['grid'], but must be one of"),
    ({"space": "nb102"}, "there is no space 'nb102'"),
    ({"recipe": {"training": {"epoch": 3}}}, "there is no key 'training.epoch'; did you mean training.epochs?"),
    ({"recipe": {"trainin": {}}}, "there is no key 'trainin'; did you mean training?"),
    ({"recipe": {"sampling": {"law": "unifrom"}}}, "did you mean uniform?"),
    ({"recipe": "cifar10-16"}, "recipe must hold keys and values, not 'cifar10-16'"),
    ({"truth": TRUTH | {"dataset": "mnist"}}, "there is no data set 'mnist'. Data sets: digits."),
    ({"truth": TRUTH | {"epochs": 7}}, "7 epochs"),
    ({"truth": TRUTH | {"table": "nowhere"}}, "There is no ground-truth table 'nowhere'"),
    ({"truth": {"dataset": "mnist"}}, "No table at hand has mnist test, mean for nb201"),
    ({"truth": {"tabel": "tiny"}}, "there is no key 'truth.tabel'; did you mean truth.table?"),
    ({"truth": "tiny"}, "truth must hold keys and values, not 'tiny'"),
    ({"space": "nb201", "recipe": {"space": "nb201"}}, "space is given twice"),
    ({"plugins": ["nowhere.py"]}, "nowhere.py cannot be read: No such file or directory"),
    ({"plugins": "mine.py"}, "plugins is 'mine.py', but must be a list of files"),
    ({"plugins": ["/dev/zero"]}, "plugins names '/dev/zero', which is not a file"),
    ({"plugins": ["a\0b"]}, "plugins names 'a\\x00b', which cannot be the name of a file"),
    ({"plugins": ["x" * 50_000]}, "plugins names 'xxx"),
    ({"title": ["a", "b"]}, "title has the value ['a', 'b'], but must be text or a number"),
    ({"title": 1 << 5000}, "title has the value a whole number of 5,001 bits"),
    ({"sample": "9" * 5000}, "(5,000 characters), but must be text or a number of at most 1,000 characters"),
    ({"sample": ["all"]}, "sample has the value ['all'], but must be text"),
    ({"last_epochs": 10**400}, "last_epochs is a whole number of 1,329 bits, but must be"),
    ({"last_epochs": True}, "last_epochs is True, but must be"),
    ({"seeds": [0] * 5000}, "seeds is a list of 5,000 items"),
    ({"heuristics": {"clip": [[1]]}}, "heuristics.clip has the value [1], but must be text or a number"),
    ({"heuristics": {"clip": list(range(1001))}}, "heuristics.clip has 1,001 values; at most 1,000 are supported"),
    ({"heuristics": {"x" * 50_000: None}}, "there is no heuristic 'xxx"),
    ({"x" * 50_000: 1}, "there is no key 'xxx"),
    ({"truth": TRUTH | {"dataset": ["digits"]}}, "truth.dataset has the value ['digits'], but must be text"),
    ({"truth": TRUTH | {"epochs": {"a": 1}}}, "truth.epochs has the value {'a': 1}, but must be text"),
    ({"truth": TRUTH | {"table": "x" * 50_000}}, "truth.table has the value 'xxx"),
    ({"recipe": {"training": {"lr": 0.1}}}, "there is no key 'training.lr'; did you mean training.learning_rate?"),
    ({"recipe": {"seed": float("nan")}}, "seed is nan, but must be int"),
    ({"recipe": {"training": {"clip": float("inf")}}}, "training.clip is inf, but must be at most 1e+30"),
]


@pytest.mark.parametrize(("change", "message"), MISTAKES, ids=str)
def test_a_mistake_is_named_with_the_file_and_the_nearest_right_word(study, change, message):
    with pytest.raises(StudyError) as error:
        study(**change)
    assert message in str(error.value)
    assert "tiny.yaml" in str(error.value)
    assert len(str(error.value)) < 1500


def laughs():
    text = "&a0 [x, x]"
    for level in range(1, 9):
        text = f"&a{level} [{text}, {', '.join([f'*a{level - 1}'] * 9)}]"
    return text


@pytest.mark.parametrize("key", reading.KEYS)
def test_a_file_that_stands_for_much_is_refused_at_once_wherever_it_does(key, tmp_path):
    for bomb in (laughs(), "[" * 5000 + "]" * 5000, "{a: " * 5000 + "}" * 5000, "[" * 49 + "]" * 49, "!!bool x"):
        lines = {"heuristics": "all", "title": "Mine"} | {key: bomb}
        (tmp_path / "s.yaml").write_text("".join(f"{name}: {value}\n" for name, value in lines.items()))
        began = time.process_time()
        with pytest.raises(StudyError) as error:
            load_study(tmp_path / "s.yaml")
        assert time.process_time() - began < 2
        assert len(str(error.value)) < 600


def test_a_grid_has_a_bound(study):
    values = [round(0.001 * k, 3) for k in range(1, 400)]
    grid = study(plan="grid", heuristics={"path-dropout": values, "learning-rate": [*values]})
    with pytest.raises(StudyError, match="has 159,201 combinations; at most 100,000 are supported"):
        grid.settings(no_results)


def test_titles_may_be_numbers_and_dates(study):
    assert study(title=2026).title == "2026"
    assert study(title=datetime.date(2026, 1, 2)).title == "2026-01-02"


def test_a_file_whose_name_is_not_utf8_makes_a_study_of_a_printable_name(truth, tmp_path):
    path = write_study(tmp_path / os.fsdecode(b"\xff{x}.yaml"))
    chosen = load_study(path)
    assert chosen.name == "\\xff{x}"
    assert chosen.title == "A tiny study"
    chosen.title.encode()


def test_an_empty_recipe_is_the_default_one(study):
    assert study(recipe=None).base.training.epochs == 100


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a list: [", "is not valid YAML"),
        (b"\xff\xfe\x00\x01", "is not valid YAML"),
        (b"\xe4\xf6", "is not valid YAML"),
        (b"", "it is not a study"),
        (b"only words", "it is not a study"),
        (b"[1, 2]", "it is not a study"),
        (b"training: {epochs: 3}", "a recipe alone goes to `supernet train`"),
    ],
)
def test_files_that_hold_no_study(truth, tmp_path, content, message):
    (tmp_path / "s.yaml").write_bytes(content)
    with pytest.raises(StudyError, match=r"s\.yaml") as error:
        load_study(tmp_path / "s.yaml")
    assert message in str(error.value)
    assert "\n" not in str(error.value)


def test_a_study_that_is_not_there_is_named_with_the_nearest(tmp_path):
    with pytest.raises(StudyError, match=r"There is no study 'quik': .*nb201-paper.* Did you mean quick\?"):
        load_study("quik")
    with pytest.raises(StudyError, match=r"There is no study .*mine\.yaml"):
        load_study(tmp_path / "mine.yaml")
    with pytest.raises(StudyError, match="cannot be read: Is a directory"):
        load_study(tmp_path)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=3", "did you mean training.epochs?"),
        ("training.epochs", "is not of the form key=value"),
        ("network.ws_bn=true", "is for nb1shot1-1, nb1shot1-2, nb1shot1-3"),
    ],
)
def test_overrides_that_cannot_be_used(study, change, message):
    with pytest.raises(StudyError) as error:
        study(change)
    assert message in str(error.value)
    assert f"--set {change}" in str(error.value)
    assert "tiny.yaml" not in str(error.value), "the file is not at fault"


def test_many_long_overrides_make_a_short_message(study):
    with pytest.raises(StudyError) as error:
        study(*(f"{'x' * 50_000}{k}=1" for k in range(50)))
    assert len(str(error.value)) < 1500


def test_overrides_change_the_base(study):
    assert study("training.epochs=9", "network.channels=16").base.training.epochs == 9


def test_a_grid_of_what_cannot_be_combined_is_an_error(study):
    chosen = study(plan="grid", heuristics={"path-sampling": ["classes"], "per-cell": [True]})
    said = r"per-cell=true cannot be had with path-sampling=classes: .* but law=classes draws whole architectures"
    with pytest.raises(StudyError, match=said):
        chosen.settings(no_results)


def test_a_staged_plan_leaves_out_what_does_not_go_with_what_stays(study):
    chosen = study(plan="staged", heuristics={"path-sampling": ["classes"], "per-cell": [True]})
    better = chosen.settings(lambda run: 0.9 if run.recipe.sampling.law == "classes" else 0.1)
    assert labels(better) == ["base", "path-sampling=classes"]
    assert len(chosen.settings(lambda run: 0.1 if run.recipe.sampling.law == "classes" else 0.9)) == 3


def test_a_study_with_overrides_has_a_name_of_its_own(study):
    names = {study().name, study("training.epochs=9").name, study("training.epochs=7").name}
    assert len(names) == 3
    assert study("training.epochs=9").name == study("training.epochs=9").name


# ---- plug-ins --------------------------------------------------------------------------------------------------------

MINE = """
from supernet.heuristics.hooks import Method
from supernet.heuristics.routes import Path
from supernet.heuristics.registry import method

@method("repeat", what="one operation everywhere", source="mine")
class Repeated(Method):
    paths: int = 2
    def plan(self, ctx):
        options = ctx.space.cardinalities
        drawn = ctx.random(self).integers(options[:self.paths])
        return [Path((int(op),) * len(options)) for op in drawn]
"""


def test_a_heuristic_of_ones_own_in_one_file(study, store, tmp_path):
    (tmp_path / "mine.py").write_text(MINE)
    chosen = study(plugins=["mine.py"], heuristics={"repeat": "all", "repeat.paths": [1, 2]}, seeds=[0])
    (_, base), (setting, run), (one, _), (two, same) = chosen.plan()
    assert (one.label, two.label) == ("repeat.paths=1", "repeat.paths=2")
    assert same.hash == run.hash, "the default"
    assert setting.label == "repeat=on"
    assert [chosen.name for chosen in run.recipe.methods] == ["repeat"]
    for spec in (base, run):
        assert execute(spec, store) == "done", store.failure(spec.hash)
    taus = [mean_tau(store)(spec) for spec in (base, run)]
    assert taus[0] != taus[1]
    images = [store.read(spec.hash).ledger["train_images"] for spec in (base, run)]
    assert images[1] == 2 * images[0]


def test_runs_of_equal_plug_ins_are_the_same_wherever_they_lie(study, tmp_path):
    def names(file):
        plan = study(plugins=[file], heuristics={"repeat": "all"}).plan()
        return [[run.hash for _, run in plan if bool(run.recipe.methods) == uses] for uses in (False, True)]

    for file in ("one.py", "two.py"):
        (tmp_path / file).write_text(MINE)
    base, using = names("one.py")
    assert names("two.py") == [base, using]
    (tmp_path / "two.py").write_text(MINE + "\n")
    again, changed = names("two.py")
    assert again == base, "runs that do not use it"
    assert not set(changed) & set(using)


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("1 / 0", "cannot be imported: ZeroDivisionError: division by zero"),
        ("import nowhere_at_all", "cannot be imported: ModuleNotFoundError: No module named 'nowhere_at_all'"),
        ("this is", "cannot be imported: SyntaxError"),
    ],
)
def test_a_plug_in_that_raises_is_named_with_its_error(study, tmp_path, code, message):
    (tmp_path / "bad.py").write_text(code)
    for _ in range(2):
        with pytest.raises(StudyError) as error:
            study(plugins=["bad.py"])
        assert f"The plug-in {tmp_path / 'bad.py'} {message}" in str(error.value)


def test_a_plug_in_must_be_python(study, tmp_path):
    (tmp_path / "mine.txt").write_text("")
    with pytest.raises(StudyError, match=r"mine\.txt is not a Python file"):
        study(plugins=["mine.txt"])


# ---- the studies that ship -------------------------------------------------------------------------------------------

YU_ON_NB201 = {
    "batch-norm", "learning-rate", "schedule", "epochs", "weight-decay", "path-sampling", "ofa-kernel", "path-dropout",
    "global-dropout", "op-on", "layers", "training-portion", "batch-size", "channels",
}  # fmt: skip


SOME_HEURISTICS = {"my-heuristic", "cifar10-16-recipe", "quick", "quick-darts", "quick-screen", "remedies"}
ALL_HEURISTICS = {"nb1shot1-paper", "nb201-paper", "nb201-small", "nds-paper", "quick-all", "quick-1shot1"}


def test_studies_ship_and_recipes_are_not_among_them():
    assert studies() == sorted(SOME_HEURISTICS | ALL_HEURISTICS)


@pytest.mark.parametrize("name", studies())
def test_shipped_studies_are_sound_whatever_ground_truth_there_is(name, monkeypatch):
    anything = Truth("any", Measure("digits", "test", "1", "mean"), "0")
    monkeypatch.setattr(reading, "_truth", lambda content, base: anything)
    chosen = load_study(name)
    rows = chosen.plan(lambda run: 0.5)
    assert len({run.hash for _, run in rows}) == len(rows)
    assert len(chosen.seeds) in ({1} if chosen.design == "screen" else {3, 4})
    if name in ALL_HEURISTICS:
        names = {heuristic.name for heuristic, _ in chosen.factors}
        on_1shot1 = YU_ON_NB201 - {"op-on"} | {"dynamic-channels", "ws-bn"}
        assert names >= (on_1shot1 if "1shot1" in name else YU_ON_NB201)
        varied = " ".join(setting.heuristic for setting, _ in rows)
        assert all(name in varied for name in names)


@pytest.mark.parametrize("name", studies())
def test_shipped_studies_find_their_ground_truth(name, data_dir):
    content = yaml.safe_load((reading.FOLDER / f"{name}.yaml").read_text())
    table = content["truth"].get("table")
    if table and not (shelf.EMBEDDED / f"{table}.parquet").exists():
        pytest.skip(f"{table} is not built")
    official = Measure("cifar10", "test", "100", "mean")
    if name == "nds-paper" and not any(shelf.covers(each, "darts") and official in each for each in shelf.tables()[0]):
        pytest.skip("the official table of DARTS cells is not in $SUPERNET_DATA")
    chosen = load_study(name)
    assert chosen.truth.measure in chosen.truth.open(chosen.base.space)


def test_the_base_can_have_more_seeds_than_the_others(study):
    chosen = study(seeds={"base": 4, "others": [7, 5]}, heuristics={"channels": [8, 16]})
    base, first, second = chosen.settings(lambda run: None)
    assert [run.recipe.seed for run in chosen.runs(base)] == [0, 1, 2, 3]
    assert [run.recipe.seed for run in chosen.runs(first)] == [7, 5] == [run.recipe.seed for run in chosen.runs(second)]
    labels = [(setting.label, run.recipe.seed) for setting, run in chosen.plan()]
    half = [("base", 0), ("base", 1), ("channels=8", 7), ("channels=16", 7)]
    assert labels == [*half, ("base", 2), ("base", 3), ("channels=8", 5), ("channels=16", 5)]
    alike = study(seeds=[0, 1], heuristics={"channels": [8, 16]})
    assert {run.hash for run in alike.runs(base)} < {run.hash for run in chosen.runs(base)}


def test_a_number_of_seeds_counts_from_0(study):
    chosen = study(seeds=3, heuristics={"channels": [8]})
    assert chosen.seeds == chosen.base_seeds == (0, 1, 2)
