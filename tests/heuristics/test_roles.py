"""Teachers, students, loss terms and update transforms of a plug-in."""

import pytest
import torch
from learned import TINY, context, weights_of

from supernet.benchmarks.errors import UserError
from supernet.harness.training.loop import train
from supernet.heuristics import extras
from supernet.heuristics.hooks import LossTerm, Path, UpdateTransform
from supernet.heuristics.methods import samplers
from supernet.heuristics.methods.losses import losses_for
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.recipe import RecipeError

pytestmark = pytest.mark.usefixtures("registries")
LARGE, SMALL = (3,) * 6, (2,) * 6


class Roles:
    def __init__(self, *roles):
        self.paths = [Path(LARGE if role != "student" else SMALL, role=role) for role in roles]

    def plan(self, ctx):
        return self.paths


def law(*roles, changes=()):
    samplers.register("roles", lambda space, recipe, cells: Roles(*roles))
    return TINY.override(["sampling.law=roles", *changes])


def step(recipe, digits, paths, transforms=(), terms=()):
    run, ctx = context(recipe, digits)
    return run, Accumulate(transforms).run(ctx, paths, [*losses_for(recipe), *terms])


def test_students_of_any_law_learn_from_their_teacher(digits):
    """As in the sandwich rule, to the bit."""
    paths = Roles("teacher", "student", "student").paths
    one, _ = step(law("teacher", "student", "student"), digits, paths)
    other, _ = step(TINY.override(["sampling.law=sandwich"]), digits, paths)
    assert torch.equal(weights_of(one), weights_of(other))
    labels_alone, _ = step(TINY, digits, Roles("teacher", "main", "main").paths)
    assert not torch.equal(weights_of(one), weights_of(labels_alone))
    assert train(law("teacher", "student", "student", changes=["training.epochs=1"]), task=digits).epoch == 1


@pytest.mark.parametrize("roles", [("student",), ("main", "student"), ("student", "teacher")], ids=str)
def test_a_student_without_a_teacher_is_refused_before_any_weight_changes(roles, digits):
    recipe = law(*roles)
    run, ctx = context(recipe, digits)
    before = weights_of(run).clone()
    with pytest.raises(UserError, match="law roles plans a path with the role student without one with the role teac"):
        Accumulate().run(ctx, Roles(*roles).paths, losses_for(recipe))
    assert torch.equal(weights_of(run), before)
    with pytest.raises(UserError, match="Plan the teacher first, or register a loss term"):
        train(recipe, task=digits)


def test_the_teacher_of_an_earlier_step_teaches_nobody(digits):
    recipe = law("teacher", "student")
    _, ctx = context(recipe, digits)
    rule, losses = Accumulate(), losses_for(recipe)
    rule.run(ctx, Roles("teacher", "student").paths, losses)
    ctx.images, ctx.labels = ctx.images.clone(), ctx.labels.clone()
    with pytest.raises(UserError, match="without one with the role teacher"):
        rule.run(ctx, Roles("student").paths, losses)


def test_students_that_see_other_images_than_their_teacher_are_refused(digits):
    recipe = law("teacher", "student", changes=["sampling.batch=split"])
    with pytest.raises(UserError, match=r"set sampling\.batch=whole"):
        train(recipe, task=digits)


@pytest.mark.parametrize("batch", ["whole", "split"])
def test_a_single_small_image_cannot_be_normalised(batch, digits):
    recipe = TINY.override([f"sampling.batch={batch}"])
    _, ctx = context(recipe, digits)
    paths = Roles("main", "main").paths
    count = len(paths) if batch == "split" else 1
    ctx.images, ctx.labels = ctx.images[:count, :, :4, :4], ctx.labels[:count]
    with pytest.raises(UserError, match=r"single image of 4 pixels a side .*raise training\.batch_size or task\.size"):
        Accumulate().run(ctx, paths, losses_for(recipe))


def test_a_term_of_ones_own_can_teach_students_without_a_teacher(digits):
    recipe = law("student")
    _, result = step(recipe, digits, Roles("student").paths, terms=[lambda ctx, path, logits, labels: logits.var()])
    assert torch.isfinite(result.loss)


# ---- extras ----------------------------------------------------------------------------------------------------------


class Recorded:
    def __init__(self):
        self.seen = []


class AfterPath(Recorded):
    def after_path(self, ctx, path):
        self.seen.append("after_path")


class BeforeUpdate(Recorded):
    def before_update(self, ctx):
        self.seen.append("before_update")


class AfterUpdate(Recorded):
    def after_update(self, ctx):
        self.seen.append("after_update")


class Inheriting(UpdateTransform):
    seen = ()


class Term(Recorded, LossTerm):
    def __call__(self, ctx, path, logits, labels):
        self.seen.append("loss")
        return logits.square().mean()


class Both(AfterUpdate, Term):
    pass


CASES = [
    (AfterPath, 0, 1, ["after_path"] * 2),
    (BeforeUpdate, 0, 1, ["before_update"]),
    (AfterUpdate, 0, 1, ["after_update"]),
    (Inheriting, 0, 1, []),
    (Term, 1, 0, ["loss"] * 2),
    (Both, 1, 1, ["loss", "loss", "after_update"]),
]


@pytest.mark.parametrize(("kind", "losses", "changes", "seen"), CASES, ids=lambda case: getattr(case, "__name__", ""))
def test_extras_are_told_apart_by_what_they_define_and_all_of_it_is_called(kind, losses, changes, seen, digits):
    extra = kind()
    extras.register("mine", lambda recipe: extra)
    recipe = TINY.override(["training.extras=mine"])
    terms, transforms = extras.extras_for(recipe)
    assert (terms, transforms) == ([extra] * losses, [extra] * changes)
    step(recipe, digits, [Path(LARGE), Path(SMALL)], transforms, terms)
    assert list(extra.seen) == seen


def test_an_extra_that_is_neither_is_refused_with_its_name():
    extras.register("mine", lambda recipe: Recorded())
    with pytest.raises(
        RecipeError, match="'mine' is neither a loss term nor an update transform: a Recorded cannot be"
    ):
        extras.extras_for(TINY.override(["training.extras=mine"]))
    with pytest.raises(UserError, match="cannot be listed in training"):
        extras.register("a, b", lambda recipe: Recorded())


def test_a_misspelt_extra_gets_the_nearest():
    extras.register("entropy", lambda recipe: Term())
    with pytest.raises(RecipeError, match=r"registered are: entropy\. Did you mean entropy\?"):
        extras.extras_for(TINY.override(["training.extras=entrpy"]))
