import hashlib
import time
from pathlib import Path

import pytest

from supernet.harness.study.shipped import shipped_recipe
from supernet.heuristics import recipe as recipes
from supernet.heuristics.catalogue import CATALOGUE
from supernet.heuristics.recipe import Recipe, RecipeError


def test_a_recipe_survives_yaml(tmp_path):
    recipe = Recipe().override(["training.epochs=7", "task.size=16", "sampling.law=fair", "training.clip=null"])
    recipe.save(tmp_path / "r.yaml")
    assert recipes.load(tmp_path / "r.yaml") == recipe
    assert (recipe.training.epochs, recipe.task.size, recipe.training.clip) == (7, 16, None)


def test_the_hash_names_the_contents():
    recipe = Recipe()
    assert recipe.hash == Recipe().hash
    assert recipe.override(["seed=1"]).hash != recipe.hash
    assert (
        recipe.override(["training.epochs=7"]).override([f"training.epochs={recipe.training.epochs}"]).hash
        == recipe.hash
    )


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("training.epoch=3", "did you mean training.epochs?"),
        ("trainin.epochs=3", "did you mean training.epochs?"),
        ("training.epochs", "not of the form key=value"),
        ("training=3", "there is no key 'training'"),
        ("training.epochs=many", "training.epochs is 'many', but must be int"),
        ("training.epochs=true", "must be int"),
        ("training.learning_rate=fast", "must be float"),
        ("sampling.law=unifrm", "did you mean uniform?"),
        ("training.epochs=0", "training.epochs is 0, but must be at least 1"),
        ("space=nb202", "no space 'nb202'"),
        ("task.train_portion=1.5", "must lie in (0, 1]"),
        ("network.path_dropout=1.0", "must lie in [0, 1)"),
        ("evaluation.bn=running", "needs network.bn_track=true"),
        ("sampling.law=fixed", "go together"),
        ("network.ws_bn=true", "is for nb1shot1-1, nb1shot1-2, nb1shot1-3"),
        ("network.channel_mode=shuffle", "is for nb1shot1-1, nb1shot1-2, nb1shot1-3"),
        ("training.learning_rate=-1", "training.learning_rate is -1.0, but must be at least 0"),
        ("training.clip=-5", "training.clip is -5.0, but must be at least 0"),
        ("training.label_smoothing=2", "must lie in [0, 1)"),
        ("seed=-1", "seed is -1, but must be at least 0"),
        ("training.warmup_epochs=500", "must be below training.epochs"),
    ],
)
def test_what_cannot_be_used_is_refused_with_the_reason(change, message):
    with pytest.raises(RecipeError) as error:
        Recipe().override([change])
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (["sampling.law=fair", "sampling.paths=3"], "law=fair, which fixes"),
        (["sampling.law=architectures", "sampling.per_cell=true"], "law=architectures draws whole architectures"),
        (["sampling.law=fare"], "did you mean fair"),
        (["space=nb1shot1-1", "sampling.with_none=false"], "nb1shot1-1 has no operation none"),
        (["space=nb1shot1-1", "network.op_on=node"], "operations on nodes already"),
        (["training.momentum=0", "training.nesterov=true"], "nesterov needs"),
        (["sampling.law=sandwich", "sampling.batch=split"], "students and teacher need the same images"),
    ],
)
def test_combinations_that_contradict_are_refused(changes, message):
    with pytest.raises(RecipeError) as error:
        Recipe().override(changes)
    assert message in str(error.value)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("close", "few-shot"),
        ("close", "gm-split"),
        ("close", "k-shot"),
        ("di-ws", "k-shot"),
        ("gm-split", "few-shot"),
        ("landmarks", "reptile"),
        ("prior-rank", "reptile"),
    ],
)
def test_methods_that_work_only_without_each_other_are_refused_in_either_order(one, other):
    said = f"the method {one} cannot be combined with {other}: leave one of them out, since "
    for first, second in ((one, other), (other, one)):
        with pytest.raises(RecipeError, match=said):
            Recipe().override([f"methods.{first}=true", f"methods.{second}=true"])
    for alone in (one, other):
        assert Recipe().override([f"methods.{alone}=true"])


def test_numbers_are_read_as_yaml_and_people_write_them():
    assert Recipe().override(["training.learning_rate=1e-3"]).training.learning_rate == 0.001
    assert Recipe().override(["training.learning_rate=1"]).training.learning_rate == 1.0


def test_files_that_are_no_recipes_are_refused(tmp_path):
    path = tmp_path / "r.yaml"
    with pytest.raises(RecipeError, match="cannot be read"):
        recipes.load(path)
    path.write_text("training: [1, 2")
    with pytest.raises(RecipeError, match="is not valid YAML"):
        recipes.load(path)
    path.write_text("training: 3")
    with pytest.raises(RecipeError, match="training must hold keys and values"):
        recipes.load(path)
    path.write_text("trainings:\n  epochs: 3")
    with pytest.raises(RecipeError, match="did you mean training"):
        recipes.load(path)
    for content in (b"\xff\xfe", b"seed: 2020-13-45"):
        path.write_bytes(content)
        with pytest.raises(RecipeError, match="is not valid YAML"):
            recipes.load(path)
    with pytest.raises(RecipeError, match="seed is '2020-13-45'"):
        Recipe().override(["seed=2020-13-45"])
    path.write_text("{}")
    assert recipes.load(path) == Recipe()
    for content in ("", "# nothing but a comment"):
        path.write_text(content)
        with pytest.raises(RecipeError, match=r"r\.yaml is empty\. A recipe names at least its task"):
            recipes.load(path)
    path.write_text("task: {name: digits")
    with pytest.raises(RecipeError, match="is not valid YAML: line 1, column 20: expected ',' or '}'"):
        recipes.load(path)


def test_a_recipe_is_written_whole_or_not_at_all(tmp_path, monkeypatch):
    path = tmp_path / "r.yaml"
    Recipe().save(path)
    before = path.read_text()

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("yaml.safe_dump", full)
    with pytest.raises(OSError, match="No space"):
        Recipe().override(["seed=3"]).save(path)
    assert path.read_text() == before
    assert [path.name for path in tmp_path.iterdir()] == ["r.yaml"]


@pytest.mark.parametrize("name", CATALOGUE)
def test_every_value_of_the_catalogue_is_an_edit_of_a_recipe(name):
    heuristic = CATALOGUE[name]
    for space in heuristic.spaces:
        base = Recipe(space=space)
        edited = [heuristic.apply(base, value) for value in heuristic.values]
        assert len({recipe.hash for recipe in edited}) == len(edited)
        assert any(recipe.hash != base.hash for recipe in edited)


def test_the_catalogue_refuses_what_does_not_apply():
    with pytest.raises(RecipeError, match="is for nb201"):
        CATALOGUE["op-on"].apply(Recipe(space="nb1shot1-1"), "node")
    with pytest.raises(RecipeError, match="'sideways', but must be one of edge, node"):
        CATALOGUE["op-on"].apply(Recipe(), "sideways")
    with pytest.raises(RecipeError, match="no value 'sideways'; it has random-nas, random-a, classes, fair-nas"):
        CATALOGUE["path-sampling"].apply(Recipe(), "sideways")


def test_a_change_of_what_a_method_does_not_follow_is_refused():
    base = Recipe().override(["methods.reptile=true"])
    with pytest.raises(RecipeError, match=r"reptile does not follow training\.clip, so that clip has no effect"):
        CATALOGUE["clip"].apply(base, next(iter(CATALOGUE["clip"].values)))
    assert CATALOGUE["learning-rate"].apply(base, "0.1").training.learning_rate == 0.1


def test_a_heuristic_of_one_key_takes_other_values_of_it():
    assert CATALOGUE["learning-rate"].apply(Recipe(), "0.07").training.learning_rate == 0.07
    assert CATALOGUE["batch-norm"].key is CATALOGUE["path-sampling"].key is None


def test_names_of_recipes_outlive_keys_added_later():
    """The hash of the default recipe is that of an empty one."""
    assert Recipe().hash == hashlib.sha256(b"{}").hexdigest()[:16]
    changed = Recipe().override(["seed=2", "training.epochs=3"])
    assert changed.hash == hashlib.sha256(b'{"seed": 2, "training": {"epochs": 3}}').hexdigest()[:16]


def test_the_catalogue_has_the_fourteen():
    """Four of the protocol, sampling, five of the mapping (dropout has two), four of low fidelity."""
    fourteen = {
        "batch-norm", "learning-rate", "epochs", "weight-decay", "path-sampling", "dynamic-channels", "ofa-kernel",
        "ws-bn", "path-dropout", "global-dropout", "op-on", "layers", "training-portion", "batch-size", "channels",
    }  # fmt: skip
    assert fourteen <= set(CATALOGUE)


# ---- files and values that would blow up -----------------------------------------------------------------------------


def laughs(levels=9):
    """YAML of a few hundred characters that stands for 9^levels items."""
    text = "&a0 [x, x]"
    for level in range(1, levels):
        text = f"&a{level} [{text}, {', '.join([f'*a{level - 1}'] * 9)}]"
    return text


MERGED = "a0: &a0 {x: 1}\n" + "".join(
    f"a{level}: &a{level} {{<<: [{', '.join([f'*a{level - 1}'] * 9)}]}}\n" for level in range(1, 12)
)
BOMBS = {
    "seed": f"seed: {laughs()}",
    "section": f"training: {laughs()}",
    "key": f"? {laughs()}\n: 1",
    "merge keys": MERGED,
    "lists": "seed: " + "[" * 5000 + "]" * 5000,
    "mappings": "seed: " + "{a: " * 5000 + "}" * 5000,
    "question marks": "? " * 20_000,
    "digits": "seed: " + "9" * 90_000,
    "hexadecimal": "seed: 0x" + "f" * 90_000,
    "number": "training: {learning_rate: 0x" + "f" * 90_000 + "}",
    "text": "task: {name: " + "x" * 90_000 + "}",
    "size": "# " + "x" * 200_000,
    "tag": "seed: !!bool x",
    "python": "seed: !!python/object/apply:os.system ['exit']",
}


@pytest.mark.parametrize("bomb", BOMBS)
def test_small_files_that_stand_for_much_are_refused_at_once(bomb, tmp_path):
    (tmp_path / "r.yaml").write_text(BOMBS[bomb])
    began = time.process_time()
    with pytest.raises(RecipeError) as error:
        recipes.load(tmp_path / "r.yaml")
    assert time.process_time() - began < 2
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("key", ["seed", "task.size", "training.schedule", "sampling.with_none"])
@pytest.mark.parametrize(
    "value", [laughs(), "[" * 5000, "[" * 40 + "]" * 40, "9" * 5000, "x" * 90_000, "\udcff", "!!int ''"]
)
def test_values_of_options_that_stand_for_much_are_refused_at_once(key, value):
    began = time.process_time()
    with pytest.raises(RecipeError) as error:
        Recipe().override([f"{key}={value}"])
    assert time.process_time() - began < 2
    assert len(str(error.value)) < 400


def test_what_is_not_yaml_is_text():
    recipe = Recipe().override(["sampling.law=fixed", "sampling.architecture=*x &y"])
    assert recipe.sampling.architecture == "*x &y"


def test_a_study_is_not_a_recipe(tmp_path):
    (tmp_path / "s.yaml").write_text("title: Mine\nheuristics: all\n")
    with pytest.raises(RecipeError, match=r"s\.yaml is a study, not a recipe: run it with `supernet study run"):
        recipes.load(tmp_path / "s.yaml")
    (tmp_path / "list.yaml").write_text("[1, 2]")
    with pytest.raises(RecipeError, match=r"the recipe must hold keys and values, not \[1, 2\]"):
        recipes.load(tmp_path / "list.yaml")
    (tmp_path / "false.yaml").write_text("false")
    with pytest.raises(RecipeError, match="must hold keys and values, not False"):
        recipes.load(tmp_path / "false.yaml")


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("quick", r"quick is a study, not a recipe: run it with `supernet study run quick`.*\(cifar10-16\)"),
        ("quik", r"no recipe 'quik'.*Did you mean quick, which is a study \(supernet study run\)\?"),
        ("cifar-16", r"no recipe 'cifar-16'.*Did you mean cifar10-16\?"),
        ("x" * 5000, "There is no recipe 'xxx"),
    ],
)
def test_a_shipped_recipe_that_there_is_not(named, message):
    with pytest.raises(RecipeError, match=message) as error:
        shipped_recipe(Path(named))
    assert len(str(error.value)) < 600


@pytest.mark.parametrize("value", CATALOGUE["batch-norm"].values)
def test_values_of_batch_norm_set_the_same_keys_whatever_the_base(value):
    keys = {change.partition("=")[0] for change in CATALOGUE["batch-norm"].values[value]}
    assert keys == {"network.bn_affine", "network.bn_track", "evaluation.bn"}
    tracking = Recipe().override(["network.bn_affine=false", "network.bn_track=true", "evaluation.bn=running"])
    assert CATALOGUE["batch-norm"].apply(tracking, value) == CATALOGUE["batch-norm"].apply(Recipe(), value)
