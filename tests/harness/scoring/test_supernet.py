import copy
import threading
from dataclasses import replace

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import recipe

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.sealed import sealed, unsealed
from supernet.benchmarks.spaces import space
from supernet.benchmarks.tasks.loader import eval_batches, train_batches
from supernet.benchmarks.tasks.split import Split
from supernet.harness.scoring import partial
from supernet.harness.scoring.norms import statistics
from supernet.harness.scoring.supernet import chosen, rank
from supernet.harness.training.loop import train
from supernet.harness.training.run import start

SPACE = space("nb201")


@pytest.fixture(scope="module")
def run(task):
    return train(recipe("evaluation.batch_size=20", "network.bn_track=true"), task=task)


def one_by_one(run, indices):
    """The plain way: every architecture and batch on its own, through the network's forward."""
    protocol = run.recipe.evaluation
    images = run.task.valid.take(slice(0, protocol.images))
    rows = []
    run.network.eval()
    with torch.no_grad(), statistics(run.network, protocol.bn):
        for arch in SPACE.archs(indices).tolist():
            loss = correct = 0.0
            for x, y in eval_batches(images, run.task, protocol.batch_size):
                logits = run.network(x, tuple(arch))
                loss += float(F.cross_entropy(logits, y, reduction="sum"))
                correct += float((logits.argmax(1) == y).sum())
            rows.append((loss / protocol.images, 100 * correct / protocol.images))
    run.network.train()
    return np.array(rows).T


@pytest.mark.parametrize("bn", ["batch", "running"])
def test_shared_work_changes_no_score(run, bn):
    run.recipe = run.recipe.override([f"evaluation.bn={bn}"])
    indices = np.random.default_rng(0).choice(15625, 150, replace=False)
    scores = rank(run, indices)
    loss, accuracy = one_by_one(run, indices)
    np.testing.assert_allclose(scores.loss, loss, rtol=0, atol=1e-5)
    np.testing.assert_allclose(scores.accuracy, accuracy, rtol=0, atol=100 / 40 + 1e-9)
    assert (scores.accuracy == accuracy).mean() > 0.99


def test_architectures_that_compute_the_same_are_scored_once(run):
    classes = SPACE.classes("computation")
    indices = np.flatnonzero(classes < 40)  # classes with all their members, up to hundreds each
    scores = rank(run, indices)
    assert scores.distinct == len(np.unique(classes[indices])) < len(indices) / 5
    where = {index: row for row, index in enumerate(indices.tolist())}
    assert (scores.loss == scores.loss[[where[c] for c in classes[indices].tolist()]]).all()
    loss, _ = one_by_one(run, indices[::40])
    np.testing.assert_allclose(scores.loss[::40], loss, atol=1e-5)


def test_with_partial_channels_every_architecture_is_scored_itself(task):
    changes = ("network.partial_channels=2", "network.bn_affine=false", "sampling.law=distribution")
    run = train(recipe(*changes, "distribution.model=softmax"), task=task)
    indices = np.flatnonzero(SPACE.classes("computation") < 40)[::30]
    scores = rank(run, indices)
    loss, _ = one_by_one(run, indices)
    assert scores.distinct == len(indices)
    np.testing.assert_allclose(scores.loss, loss, rtol=0, atol=1e-5)


def test_ranking_leaves_the_network_as_it_was(run):
    before = {name: value.clone() for name, value in run.network.state_dict().items()}
    for bn in ("batch", "running", "recalibrate"):
        run.recipe = run.recipe.override([f"evaluation.bn={bn}"])
        rank(run, range(5))
    after = run.network.state_dict()
    assert all(torch.equal(before[name], after[name]) for name in before)
    assert run.network.training


def test_recalibration_is_by_architecture_and_repeatable(run):
    run.recipe = run.recipe.override(["evaluation.bn=recalibrate", "evaluation.recalibration_batches=2"])
    together, alone = rank(run, range(10)), rank(run, [7])
    assert alone.loss[0] == pytest.approx(together.loss[7], abs=1e-6)
    assert (rank(run, range(10)).loss == together.loss).all()
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    assert not np.allclose(rank(run, range(10)).loss, together.loss)


def test_each_architecture_is_recalibrated_once(run):
    run.recipe = run.recipe.override(["evaluation.bn=recalibrate", "evaluation.recalibration_batches=3"])
    sizes = []
    hook = run.network.register_forward_pre_hook(lambda _, inputs: sizes.append(len(inputs[0])))
    try:
        scores = rank(run, range(4))
    finally:
        hook.remove()
    batches = [20] * (run.recipe.evaluation.images // 20)
    assert len(batches) > 1
    assert sizes == scores.distinct * (3 * [20] + batches)


def interrupted(run, out, indices, after=1, **options):
    """Leave a ranking of which some pairs of architecture and batch are done."""

    def stop(done, _):
        if done >= after:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank(run, indices, out=out, progress=stop, **options)


DAMAGE = {
    "empty": lambda data: b"",
    "no archive": lambda data: b"PK\x03\x04 no archive",
    "a block is missing": lambda data: data[:200] + data[900:],
    "a sum is altered": lambda data: data[:700] + bytes([data[700] ^ 1]) + data[701:],
    "other content under a right checksum": lambda data: sealed(b"not an archive"),
    "as it was without checksums": lambda data: bytes(unsealed(data)),
}


@pytest.mark.parametrize("how", DAMAGE)
def test_a_damaged_partial_ranking_is_put_aside_and_said(run, tmp_path, how):
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    interrupted(run, tmp_path, range(90), 48)
    path = tmp_path / partial.NAME
    damaged = DAMAGE[how](path.read_bytes())
    path.write_bytes(damaged)
    said, counted = [], []
    scores = rank(run, range(90), out=tmp_path, notice=said.append, progress=lambda done, _: counted.append(done))
    assert (scores.loss == rank(run, range(90)).loss).all()
    assert min(counted) <= 16, "nothing of it is used"
    assert len(said) == 1
    assert "is damaged" in said[0]
    assert (tmp_path / f"{partial.NAME}.damaged-1").read_bytes() == damaged
    assert not path.exists()


@pytest.fixture(params=[1, 2])
def threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("threads")
@pytest.mark.parametrize("stop_at", [16, 80, 160])
def test_an_interrupted_ranking_goes_on_where_it_stopped(run, tmp_path, stop_at):
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    indices = np.arange(100)
    expected = rank(run, indices)

    def interrupt(done, _):
        if done == stop_at:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        rank(run, indices, out=tmp_path, progress=interrupt)
    assert (tmp_path / partial.NAME).exists()
    counted = []
    scores = rank(run, indices, out=tmp_path, progress=lambda done, _: counted.append(done))
    assert (scores.loss == expected.loss).all()
    assert (scores.accuracy == expected.accuracy).all()
    assert min(counted) > stop_at
    assert not (tmp_path / partial.NAME).exists()


def other_weights(run):
    with torch.no_grad():
        run.network.classifier.weight += 0.1
    return {}


def other_images(run):
    return {"images": run.task.test}


def other_labels(run):
    images = run.task.valid
    return {"images": Split(images.images, images.labels.flip(0))}


def other_protocol(run):
    return {"evaluation": replace(run.recipe.evaluation, bn="running")}


def other_calibration(run):
    return {"evaluation": replace(run.recipe.evaluation, bn="recalibrate", recalibration_batches=2)}


@pytest.mark.parametrize(
    "other", [other_weights, other_images, other_labels, other_protocol, other_calibration], ids=lambda f: f.__name__
)
def test_a_partial_ranking_goes_on_with_the_same_weights_images_and_protocol_alone(run, tmp_path, other):
    run = copy.deepcopy(run)
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    calibrated = {"evaluation": replace(run.recipe.evaluation, bn="recalibrate", recalibration_batches=1)}
    interrupted(run, tmp_path, range(90), 48, **(calibrated if other is other_calibration else {}))
    options, counted = other(run), []
    scores = rank(run, range(90), out=tmp_path, progress=lambda done, _: counted.append(done), **options)
    assert min(counted) <= 16
    assert (scores.loss == rank(run, range(90), **options).loss).all()


def test_a_ranking_goes_on_also_after_another_one_in_the_same_folder(run, tmp_path):
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    interrupted(run, tmp_path, range(90), 80)
    interrupted(run, tmp_path, range(30), 16)
    rank(run, range(5), out=tmp_path)
    for indices, least in ((range(30), 16), (range(90), 80)):
        counted = []
        scores = rank(run, indices, out=tmp_path, progress=lambda done, _, counted=counted: counted.append(done))
        assert min(counted) > least
        assert (scores.loss == rank(run, indices).loss).all()
    assert list(tmp_path.iterdir()) == []


def test_what_a_ranking_has_stays_until_its_scores_are_kept(run, tmp_path):
    run.recipe = run.recipe.override(["evaluation.bn=batch"])

    def full(_):
        raise OSError(28, "No space left on device")

    with pytest.raises(OSError, match="No space"):
        rank(run, range(40), out=tmp_path, keep=full)
    counted = []
    rank(run, range(40), out=tmp_path, progress=lambda done, _: counted.append(done))
    assert counted == [], "nothing is scored again"


@pytest.mark.parametrize("memory", [MemoryError(), OSError(5, "Input/output error")], ids=repr)
def test_what_the_machine_refuses_is_no_damage_of_a_partial_ranking(run, tmp_path, monkeypatch, memory):
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    interrupted(run, tmp_path, range(30), 16)

    def refused(*_, **__):
        raise memory

    monkeypatch.setattr(
        *(("supernet.benchmarks.regular.open_plain", refused) if isinstance(memory, OSError) else (np, "load", refused))
    )
    with pytest.raises(type(memory)):
        rank(run, range(30), out=tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == [partial.NAME]


def test_the_protocol_is_a_parameter(run):
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    running = rank(run, range(20), evaluation=replace(run.recipe.evaluation, bn="running"))
    assert run.recipe.evaluation.bn == "batch"
    assert not np.allclose(running.loss, rank(run, range(20)).loss)
    run.recipe = run.recipe.override(["evaluation.bn=running"])
    assert (running.loss == rank(run, range(20)).loss).all()
    untracked = start(recipe("network.bn_track=false"), task=run.task)
    with pytest.raises(UserError, match=r"evaluation.bn=running needs network.bn_track=true"):
        rank(untracked, range(3), evaluation=run.recipe.evaluation)


@pytest.mark.parametrize(("asked", "epochs"), [(10, 1), (25, 3)])
def test_recalibration_sees_as_many_batches_as_asked_for(run, asked, epochs):
    """An epoch of the made-up task has 10 batches of 20."""
    protocol = replace(run.recipe.evaluation, bn="recalibrate", recalibration_batches=asked, batch_size=20)
    seen = []
    hook = run.network.register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    try:
        rank(run, [7], evaluation=protocol)
    finally:
        hook.remove()
    batches = [
        images
        for epoch in range(epochs)
        for images, *_ in train_batches(run.task.train, run.task, 20, seed=run.recipe.seed, epoch=epoch)
    ][:asked]
    assert len(batches) == asked
    assert all(torch.equal(a, b) for a, b in zip(seen, batches, strict=False))
    assert len(seen) == asked + protocol.images // 20


def test_no_architectures_are_an_error(run):
    with pytest.raises(UserError, match="no architectures to score"):
        rank(run, [])


def test_a_partial_ranking_of_other_architectures_is_not_mixed_in(run, tmp_path):
    interrupted(run, tmp_path, np.arange(100))
    np.testing.assert_array_equal(rank(run, np.arange(50, 90), out=tmp_path).loss, rank(run, np.arange(50, 90)).loss)


def test_the_same_seed_gives_the_same_ranking(task):
    scores = [rank(train(recipe("sampling.law=fair"), task=task), range(50)) for _ in range(2)]
    assert (scores[0].loss == scores[1].loss).all()


def test_more_images_than_there_are_is_an_error(task):
    with pytest.raises(UserError, match=r"evaluation.images is 1,000, but there are 60 images to score on"):
        rank(start(recipe("evaluation.images=1000"), task=task), range(3))


def test_samples_are_distinct_and_reproducible():
    sample = chosen(SPACE, 500, 0)
    assert len(set(sample.tolist())) == 500
    assert (sample == chosen(SPACE, 500, 0)).all()
    assert not (sample == chosen(SPACE, 500, 1)).all()
    assert (chosen(SPACE, 20, 0, np.arange(100, 120)) == np.arange(100, 120)).all()
    shot = space("nb1shot1-1")
    assert len(shot.distinct()) == 2685
    with pytest.raises(UserError, match="2,685 distinct architectures, not 9,999"):
        chosen(shot, 9999, 0)
    with pytest.raises(UserError, match="20 architectures with ground truth to sample among, not 21"):
        chosen(SPACE, 21, 0, np.arange(20))
    with pytest.raises(UserError, match="at least 1 architecture, not 0"):
        chosen(SPACE, 0, 0)


@pytest.mark.parametrize("number", [1, 2, 3])
def test_one_shot_spaces_are_ranked_by_pruned_graph(task, number):
    within = space(f"nb1shot1-{number}")
    small = recipe(f"space={within.name}", "network.channels=8", "training.epochs=1", "sampling.law=architectures")
    trained = train(small, task=task)
    members = within.subset("unique-pruned")[:6]
    classes = within.classes("pruned")
    twins = [int(np.flatnonzero(classes == m)[-1]) for m in members]
    scores = rank(trained, [*members.tolist(), *twins])
    assert scores.distinct == 6
    assert (scores.loss[:6] == scores.loss[6:]).all()
    x, y = next(iter(eval_batches(trained.task.valid.take(slice(0, 40)), trained.task, 40)))
    trained.network.eval()
    with torch.no_grad(), statistics(trained.network, "batch"):
        expected = [float(F.cross_entropy(trained.network(x, within.arch(m)), y)) for m in members]
    np.testing.assert_allclose(scores.loss[:6], expected, atol=1e-5)


def test_a_single_cell_trains_as_the_benchmark_builds_it(task):
    within = space("nb1shot1-1")
    arch = within.arch(1234)
    alone = recipe(
        f"space={within.name}", "sampling.law=fixed", f"sampling.architecture={within.string(arch)}", "network.cells=3"
    ).override(["network.channels=16"])
    run = start(alone, task=task)
    counted = sum(p.numel() for p in run.network.parameters())
    assert counted == within.cells(arch).params(stem=16, modules=3, classes=4)[0]
    assert np.isfinite(train(alone, task=task).log[-1]["loss"])


def test_threads_share_architectures_and_change_no_bit(run):
    run.recipe = run.recipe.override(["evaluation.bn=batch"])
    before, threads = torch.get_num_threads(), {}
    hook = run.network.head
    run.network.head = lambda x: (threads.setdefault(threading.get_ident(), torch.get_num_threads()), hook(x))[1]
    try:
        torch.set_num_threads(1)
        alone = rank(run, range(400))
        assert threads == {threading.get_ident(): 1}
        torch.set_num_threads(3)
        together = rank(run, range(400))
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
        run.network.head = hook
    assert len(threads) > 2
    assert set(threads.values()) == {1}
    assert (together.loss == alone.loss).all()
    assert (together.accuracy == alone.accuracy).all()
