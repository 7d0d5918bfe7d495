"""The files of single trainings: what is read again, what is damaged, and what is made again."""

import json
from dataclasses import replace

import pytest

from supernet.harness.measured import benchmark as embedded
from supernet.harness.measured import results
from supernet.heuristics.recipe import Recipe

BENCHMARK = embedded.Benchmark("made-up", "nb201", "unique-skip-none", 1, (0,), Recipe())


def identity(benchmark, index):
    return embedded._identity(benchmark, embedded.Job(index, 0, benchmark.recipe.training.epochs))


@pytest.fixture
def kept(tmp_path):
    """A folder with the result of one training, which was never made, and its path."""
    benchmark = BENCHMARK
    (index,) = benchmark.indices().tolist()
    path = tmp_path / f"{index}-s0.json"
    measured = {"train_seconds": 1.0, "valid": 50.0, "test": 51.0}
    results.write_result(path, {**identity(benchmark, index), **measured})
    return benchmark, index, path


def sealed(path, **changes):
    """The file with other values under a checksum that fits."""
    result = json.loads(path.read_text()) | changes
    del result["sha256"]
    path.write_text(json.dumps(result | {"sha256": results.checksum(result)}))


def test_a_result_is_read_as_it_was_written(kept):
    benchmark, index, path = kept
    result = embedded.result_of(path.parent, benchmark, index, 0)
    assert (result["valid"], result["test"], result["train_seconds"]) == (50.0, 51.0, 1.0)


def test_no_altered_bit_of_a_result_goes_unseen(kept):
    benchmark, index, path = kept
    before, whole = embedded.result_of(path.parent, benchmark, index, 0), path.read_bytes()
    unseen = 0
    for position in range(8 * len(whole)):
        altered = bytearray(whole)
        altered[position // 8] ^= 1 << position % 8
        path.write_bytes(altered)
        result = embedded.result_of(path.parent, benchmark, index, 0)
        assert result is None or result == before
        unseen += result is not None
    assert unseen < len(whole)  # white space between values


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{half",
        b"[]",
        b"null",
        b"3",
        b'"text"',
        b"\xff\xfe",
        b"[" * 100_000,
        b"9" * 5000,
        b"{}" + b" " * 20_000,
        b"{}",
    ],
    ids=lambda content: repr(content[:8]),
)
def test_a_file_that_holds_no_result_is_damaged(content, kept):
    benchmark, index, path = kept
    path.write_bytes(content)
    assert results.read_result(path, identity(benchmark, index)).kind == "damaged"


@pytest.mark.parametrize(
    "change",
    [
        {"test": float("nan")}, {"test": float("inf")}, {"valid": 101.0}, {"valid": -0.5}, {"test": True},
        {"test": "51.0"}, {"test": [51.0]}, {"train_seconds": None}, {"train_seconds": -1}, {"test": 10**400},
    ],
    ids=str,
)  # fmt: skip
def test_impossible_values_are_damage_whatever_the_checksum(change, kept):
    benchmark, index, path = kept
    sealed(path, **change)
    assert results.read_result(path, identity(benchmark, index)).kind == "damaged"


@pytest.mark.parametrize("change", [{"recipe": "another"}, {"seed": 1}, {"format": 4}, {"digits_version": 99}], ids=str)
def test_results_of_another_recipe_or_version_are_not_reused(change, kept):
    benchmark, index, path = kept
    sealed(path, **change)
    assert results.read_result(path, identity(benchmark, index)).kind == "outdated"


def test_damaged_and_old_results_are_said_kept_and_made_again(kept, monkeypatch):
    benchmark, index, path = kept
    benchmark = replace(benchmark, seeds=(0, 1, 2), name=path.parent.name)
    whole = json.loads(path.read_text())
    damaged, old = path.with_name(f"{index}-s1.json"), path.with_name(f"{index}-s2.json")
    damaged.write_text(json.dumps(whole | {"seed": 1, "test": 99.0}))
    old.write_text(json.dumps({key: value for key, value in whole.items() if key != "sha256"} | {"seed": 2}))
    monkeypatch.setattr(embedded, "train_all", lambda benchmark, jobs, *_: made.extend(jobs) or [])
    monkeypatch.setattr(embedded, "assemble", lambda *_: None)
    for attempt in (1, 2):
        said, made = [], []
        embedded.build(benchmark, path.parent.parent, say=said.append)
        assert made == [embedded.Job(index, 1, 100), embedded.Job(index, 2, 100)]
        if attempt == 1:
            assert said[0].startswith(
                f"1 training(s) have damaged files and are made again ({damaged.name}: the checksum"
            )
        assert said[-1].startswith("1 training(s) are of another recipe or an earlier version")
        assert not damaged.exists()
        damaged.write_text("{half")
    kept_aside = sorted(file.name for file in (path.parent / results.DAMAGED).iterdir())
    assert kept_aside == [f"{index}-s1-1.json", f"{index}-s1-2.json"]


def test_a_result_that_may_not_be_read_is_not_taken_for_missing(kept):
    benchmark, index, path = kept
    path.unlink()
    path.mkdir()
    with pytest.raises(OSError, match="Is a directory"):
        embedded.result_of(path.parent, benchmark, index, 0)


def test_two_processes_that_move_one_damaged_file_aside_move_it_once(kept, monkeypatch):
    _, _, path = kept

    def late(source, target, move=results.replace):
        """Another process moves the file just before this one does."""
        monkeypatch.setattr(results, "replace", move)
        results.move_aside(source)
        move(source, target)

    monkeypatch.setattr(results, "replace", late)
    results.move_aside(path)
    assert [kept.name for kept in (path.parent / results.DAMAGED).iterdir()] == [f"{path.stem}-1.json"]


def test_an_environment_of_another_form_is_damage(kept):
    benchmark, index, path = kept
    sealed(path, environment={"device": ["cpu"]})
    found = results.read_result(path, identity(benchmark, index))
    assert (found.kind, found.reason) == ("damaged", "environment is not one")
