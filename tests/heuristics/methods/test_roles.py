"""Teachers and students under a method of a plug-in, and the hooks of a step."""

import pytest
import torch
import torch.nn.functional as F
from learned import TINY, context, one_step, weights_of

from supernet.benchmarks.errors import UserError
from supernet.harness.training.loop import train
from supernet.harness.training.run import start
from supernet.heuristics.hooks import Method
from supernet.heuristics.methods.steps import Accumulate
from supernet.heuristics.registry import method
from supernet.heuristics.routes import Path

pytestmark = pytest.mark.usefixtures("registries")
LARGE, SMALL = (3,) * 6, (2,) * 6


def paths_of(*roles):
    return [Path(LARGE if role != "student" else SMALL, role=role) for role in roles]


@pytest.fixture(autouse=True)
def _roles(registries):
    @method("roles")
    class Roles(Method):
        """Paths of given roles."""

        roles: str = ""

        def plan(self, ctx):
            return paths_of(*self.roles.split())


def law(*roles, changes=()):
    return TINY.override([f"methods.roles.roles={' '.join(roles)}", *changes])


def step(recipe, digits, paths, *more):
    run, ctx = context(recipe, digits)
    return run, one_step(Accumulate(), run, ctx, paths, more)


def test_students_of_any_law_learn_from_their_teacher(digits):
    """As in the sandwich rule, to the bit."""
    paths = paths_of("teacher", "student", "student")
    one, _ = step(law("teacher", "student", "student"), digits, paths)
    other, _ = step(TINY.override(["sampling.law=sandwich"]), digits, paths)
    assert torch.equal(weights_of(one), weights_of(other))
    labels_alone, _ = step(TINY, digits, paths_of("teacher", "main", "main"))
    assert not torch.equal(weights_of(one), weights_of(labels_alone))
    assert train(law("teacher", "student", "student", changes=["training.epochs=1"]), task=digits).epoch == 1


@pytest.mark.parametrize("roles", [("student",), ("main", "student"), ("student", "teacher")], ids=str)
def test_a_student_without_a_teacher_is_refused_before_any_weight_changes(roles, digits):
    recipe = law(*roles)
    run, ctx = context(recipe, digits)
    before = weights_of(run).clone()
    with pytest.raises(UserError, match="method roles plans a path with the role student without"):
        one_step(Accumulate(), run, ctx, paths_of(*roles))
    assert torch.equal(weights_of(run), before)
    with pytest.raises(UserError, match="Plan the teacher first, or add a method"):
        train(recipe, task=digits)


def test_the_teacher_of_an_earlier_step_teaches_nobody(digits):
    recipe = law("teacher", "student")
    run, ctx = context(recipe, digits)
    one_step(Accumulate(), run, ctx, paths_of("teacher", "student"))
    ctx.images, ctx.labels = ctx.images.clone(), ctx.labels.clone()
    with pytest.raises(UserError, match="without one with the role teacher"):
        one_step(Accumulate(), run, ctx, paths_of("student"))


def test_students_that_see_other_images_than_their_teacher_are_refused(digits):
    recipe = law("teacher", "student", changes=["sampling.batch=split"])
    with pytest.raises(UserError, match=r"set sampling\.batch=whole"):
        train(recipe, task=digits)


@pytest.mark.parametrize("batch", ["whole", "split"])
def test_a_single_small_image_cannot_be_normalised(batch, digits):
    recipe = TINY.override([f"sampling.batch={batch}"])
    run, ctx = context(recipe, digits)
    paths = paths_of("main", "main")
    count = len(paths) if batch == "split" else 1
    ctx.images, ctx.labels = ctx.images[:count, :, :4, :4], ctx.labels[:count]
    with pytest.raises(UserError, match=r"single image of 4 pixels .*raise training\.batch_size or task\.size"):
        one_step(Accumulate(), run, ctx, paths)


def test_a_term_of_ones_own_can_teach_students_without_a_teacher(digits):
    recipe = law("student")

    class Variance(Method):
        def path_loss(self, ctx, out):
            return out.logits.var()

    _, result = step(recipe, digits, paths_of("student"), Variance())
    assert torch.isfinite(result.loss)


# ---- the hooks of a step ---------------------------------------------------------------------------------------------


class Recorder(Method):
    captures = True

    def __init__(self):
        self.seen, self.outs = [], []

    def path_loss(self, ctx, out):
        self.seen.append("path_loss")
        self.outs.append(out)

    def step_loss(self, ctx, outs):
        self.seen.append(f"step_loss of {len(outs)}")
        return None

    def after_path(self, ctx, out):
        self.seen.append("after_path")

    def before_update(self, ctx):
        self.seen.append("before_update")

    def after_update(self, ctx):
        self.seen.append("after_update")


def test_hooks_are_called_in_order_with_images_rows_and_features(digits):
    recorder = Recorder()
    run, _ = step(TINY, digits, [Path(LARGE), Path(SMALL)], recorder)
    paths = ["path_loss", "after_path"] * 2
    assert recorder.seen == [*paths, "step_loss of 2", "before_update", "after_update"]
    first, second = recorder.outs
    assert first.rows.tolist() == list(range(32))
    assert torch.equal(first.images, second.images)
    assert len(first.features) == run.network.cell_count
    assert first.features[-1].requires_grad
    with torch.no_grad():
        again = run.network.head(first.features[-1])
    assert again.shape == first.logits.shape


def test_a_loss_over_the_step_is_added_to_those_of_the_paths(digits):
    class OverStep(Method):
        keeps_graph = True

        def step_loss(self, ctx, outs):
            return sum(F.cross_entropy(out.logits, out.labels) for out in outs) / len(outs)

    twice, _ = step(TINY.override(["training.clip=null"]), digits, [Path(LARGE), Path(SMALL)], OverStep())
    rate = TINY.training.learning_rate

    class Double(Method):
        def before_update(self, ctx):
            for p in ctx.network.parameters():
                if p.grad is not None:
                    p.grad *= 2

    doubled, _ = step(TINY.override(["training.clip=null"]), digits, [Path(LARGE), Path(SMALL)], Double())
    assert rate > 0
    torch.testing.assert_close(weights_of(twice), weights_of(doubled), atol=1e-6, rtol=1e-5)


def test_groups_of_parameters_have_learning_rates_of_their_own(digits):
    @method("slow-head")
    class SlowHead(Method):
        """The classifier learns at a part of the rate."""

        scale: float = 0.0

        def parameter_groups(self, ctx):
            return [{"params": list(ctx.network.classifier.parameters()), "scale": self.scale}]

    before = start(TINY.override(["methods.slow-head=true"]), task=digits)
    run = train(TINY.override(["methods.slow-head=true"]), task=digits)
    assert torch.equal(before.network.classifier.weight, run.network.classifier.weight)
    assert not torch.equal(before.network.stem.weight, run.network.stem.weight)


def test_images_can_be_drawn_by_weights(digits):
    @method("odd-images")
    class Odd(Method):
        """Only images of odd numbers."""

        def image_weights(self, ctx):
            return torch.arange(96) % 2

        def before_step(self, ctx):
            assert (ctx.rows % 2 == 1).all()
            assert torch.equal(ctx.labels, digits.train.labels[ctx.rows])

    assert train(TINY.override(["methods.odd-images=true"]), task=digits).epoch == 2
