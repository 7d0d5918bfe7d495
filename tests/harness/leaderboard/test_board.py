import os

import numpy as np
import published
import pytest

from supernet.benchmarks.errors import UserError
from supernet.benchmarks.truth.table import GroundTruth
from supernet.harness.leaderboard import formats
from supernet.harness.leaderboard.board import finite, measure
from supernet.harness.leaderboard.find import addresses, find
from supernet.harness.leaderboard.sources import ENTRIES, digests
from supernet.harness.statistics.metrics import kendall_tau


@pytest.fixture
def table(truth):
    return GroundTruth(truth)


@pytest.fixture
def made(table, tmp_path):
    """A folder with two score files, their entries and their scores."""
    return tmp_path, *published.shelf(tmp_path, table.keys())


def rows_of(folder, entries):
    board = measure(find([folder], entries), entries, resamples=20)
    return board, {row.method: row for row in board.rows}


# ---- files ------------------------------------------------------------------------------------------------------


def test_files_are_found_by_name_and_digest_wherever_they_lie(made):
    folder, entries, _ = made
    (folder / "elsewhere").mkdir()
    (folder / "info" / "one-shot").rename(folder / "elsewhere" / "one-shot")
    (folder / "elsewhere" / "proxies.csv").write_text("another file of this name")
    shelf = find([folder], entries)
    assert shelf.problems == []
    assert all(map(shelf.has, entries))


def test_an_altered_file_in_the_place_of_a_published_one_is_left_out(made):
    folder, entries, _ = made
    with (folder / "info" / "one-shot").open("a") as file:
        file.write(" ")
    shelf = find([folder], entries)
    (problem,) = shelf.problems
    assert "is named as info/one-shot, but its SHA-256 is" in problem
    assert "It was left out." in problem
    assert [shelf.has(entry) for entry in entries] == [False, True]


def test_a_pipe_in_the_place_of_a_published_file_is_left_out(made):
    folder, entries, _ = made
    (folder / "info" / "one-shot").unlink()
    os.mkfifo(folder / "info" / "one-shot")
    (problem,) = find([folder], entries).problems
    assert "it cannot be read, or has more than" in problem


def test_a_folder_that_is_not_there_is_an_error(tmp_path):
    with pytest.raises(UserError, match="There is no folder"):
        find([tmp_path / "none"], ENTRIES)


def test_the_registry_names_each_file_and_ranking_once():
    used = {f"{entry.repository.name}/{file.path}" for entry in ENTRIES for file in entry.files}
    assert used == set(digests())
    assert len({(entry.method, entry.space, entry.measure) for entry in ENTRIES}) == len(ENTRIES) == 42
    assert all(len(digest) == 64 for digest in digests().values())


def test_addresses_fit_a_screen():
    lines = addresses(ENTRIES)
    assert len(lines) <= 20
    assert max(map(len, lines)) <= 160
    for entry in ENTRIES:
        assert any(entry.repository.commit in line for line in lines)


# ---- rows -------------------------------------------------------------------------------------------------------


def test_rows_stand_by_falling_tau_with_the_baseline_among_them(made, table):
    folder, entries, scores = made
    board, rows = rows_of(folder, entries)
    truth = table.accuracy("digits", "test", 5, "mean")
    assert [row.method for row in board.rows] == sorted(rows, key=lambda name: -rows[name].figures.tau.value)
    assert set(rows) == {"one-shot", "jacov", "parameter count", "parameter count of live edges"}
    assert rows["one-shot"].figures.tau.value == kendall_tau(scores["one-shot"], truth)
    assert rows["parameter count"].figures.tau.value == kendall_tau(table.params("digits"), truth)
    assert rows["jacov"].ranked_last == 1
    lowest = np.nan_to_num(scores["jacov"], neginf=-1e300)
    assert rows["jacov"].figures.tau.value == kendall_tau(lowest, truth)
    (ground,) = board.grounds
    assert (ground.architectures, ground.ceiling.repeats) == (60, 2)


def test_super_nets_with_a_file_each_make_one_row(table, tmp_path):
    keys, rng = table.keys(), np.random.default_rng(0)
    contents = [published.operation_lists(keys[k : k + 40], rng.normal(size=40)) for k in (0, 10, 20)]
    entry = published.entry("seed", *contents, read=formats.lists_of_operations)
    published.write(tmp_path, entry, *contents)
    _, rows = rows_of(tmp_path, [entry])
    assert (rows["one-shot"].figures.repeats, rows["one-shot"].figures.architectures) == (3, 60)
    (tmp_path / entry.files[1].path).unlink()
    assert not find([tmp_path], [entry]).has(entry)


@pytest.mark.parametrize(
    ("content", "read", "said"),
    [
        (b"net,zen\n", formats.naslib_proxy("jacov"), "It has no column 'jacov'"),
        (b"{", formats.lists_of_operations, "it is not of that form (JSONDecodeError"),
        (b"index,naswot\n1,2\n1,3\n", formats.indexed("naswot"), "names an architecture twice"),
        (b"index,naswot\n1,2\n99999,3\n", formats.indexed("naswot"), "of 2 architectures that are not in tiny.parquet"),
    ],
)
def test_a_file_that_is_not_what_it_claims_is_left_out_and_named(made, content, read, said):
    folder, entries, _ = made
    wrong = published.entry("wrong", content, read=read, method="wrong")
    published.write(folder, wrong, content)
    board, rows = rows_of(folder, [*entries, wrong])
    assert "wrong" not in rows
    assert "one-shot" in rows
    (problem,) = board.problems
    assert problem.startswith("wrong: ")
    assert said in problem


def test_rankings_without_ground_truth_are_left_out_and_named(made):
    folder, entries, _ = made
    content = published.indexed_csv([1, 2], [0.5, 0.25])
    other = published.entry("c100", content, read=formats.indexed("naswot"), method="other", measure="cifar100/test")
    published.write(folder, other, content)
    board, rows = rows_of(folder, [*entries, other])
    assert "other" not in rows
    assert board.problems[0].startswith("All rankings against nb201 cifar100/test were left out: ")


def test_scores_that_are_no_numbers_share_the_last_place():
    scores, last = finite(np.array([2.0, -np.inf, np.nan, 1.0]))
    assert last == 2
    assert scores[1] == scores[2] < 1.0
    for wrong in ([1.0, np.inf], [np.nan, np.nan]):
        with pytest.raises(UserError, match="no order"):
            finite(np.array(wrong))
