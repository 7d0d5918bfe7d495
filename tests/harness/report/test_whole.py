import subprocess
import sys
import threading
import time

import pytest

from supernet.benchmarks.errors import UserError
from supernet.harness.report import whole
from supernet.harness.report.whole import writing

FILES = ("figures/a.svg", "tables/a.csv", "report.json", "index.html")


def write(out, text):
    """A report whose every file says the same."""
    with writing(out) as folder:
        for name in FILES:
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).write_text(text)


STOPS = """
import sys, time
from pathlib import Path
from supernet.harness.report.whole import writing

out, *names = sys.argv[1:]
with writing(Path(out)) as folder:
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("new")
    print("written", flush=True)
    time.sleep(3600)
"""
"""Writes some files of a report, and stops."""


def read(out):
    return {name: (out / name).read_text() for name in FILES if (out / name).exists()}


def test_a_report_is_put_in_place_and_nothing_else_is_left(tmp_path):
    write(tmp_path / "deep" / "report", "one")
    (tmp_path / "deep" / "report" / "notes.txt").write_text("the user's own")
    write(tmp_path / "deep" / "report", "two")
    assert read(tmp_path / "deep" / "report") == dict.fromkeys(FILES, "two")
    assert (tmp_path / "deep" / "report" / "notes.txt").read_text() == "the user's own"
    assert not list(tmp_path.rglob("*.partial"))


def test_an_error_leaves_the_old_report(tmp_path):
    write(tmp_path / "report", "one")
    (tmp_path / "report" / "tables" / "a.csv").unlink()
    (tmp_path / "report" / "tables").rmdir()
    with pytest.raises(FileNotFoundError), writing(tmp_path / "report") as folder:
        (folder / "none" / "index.html").write_text("two")
    write(tmp_path / "report", "one")
    with pytest.raises(TypeError):
        write(tmp_path / "report", None)
    assert read(tmp_path / "report") == dict.fromkeys(FILES, "one")
    assert not list(tmp_path.rglob("*.partial"))


def test_what_does_not_belong_there_is_refused_before_anything_is_written(tmp_path):
    def refuse():
        raise UserError("another's")

    with pytest.raises(UserError, match="another's"), writing(tmp_path / "report", check=refuse):
        pass
    assert not (tmp_path / "report").exists()


def test_the_page_moves_last(tmp_path, monkeypatch):
    moved = []
    replace = type(tmp_path).replace
    monkeypatch.setattr(type(tmp_path), "replace", lambda path, to: (moved.append(path.name), replace(path, to))[1])
    write(tmp_path / "report", "one")
    assert sorted(moved[:-1]) == ["a.csv", "a.svg", "report.json"]
    assert moved[-1] == "index.html"


def test_a_killed_writer_leaves_the_old_report_and_the_next_one_tidies_up(tmp_path):
    out = tmp_path / "report"
    write(out, "old")
    for count in range(len(FILES) + 1):
        command = [sys.executable, "-c", STOPS, out, *FILES[:count]]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout.readline() == "written\n"
            process.kill()
        assert read(out) == dict.fromkeys(FILES, "old")
        assert len(list(tmp_path.glob(".report-*.partial"))) == 1, "earlier ones are removed"
    write(out, "last")
    assert not list(tmp_path.glob(".report-*.partial"))


def test_writers_wait_for_each_other_with_a_word(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(whole, "PATIENCE", 0.1)
    monkeypatch.setattr(whole, "REMIND", 0.1)
    inside, most, ended = [], [], []
    said, echo = threading.Event(), whole.click.echo
    monkeypatch.setattr(whole.click, "echo", lambda *text, **how: (echo(*text, **how), said.set()))

    def work(text):
        with writing(tmp_path / "report") as folder:
            inside.append(text)
            most.append(len(inside))
            for name in FILES:
                (folder / name).parent.mkdir(exist_ok=True)
                (folder / name).write_text(text)
            assert said.wait(60), "no other writer waits with a word"
            time.sleep(0.01)
            inside.remove(text)
            ended.append(text)

    threads = [threading.Thread(target=work, args=(text,)) for text in "abcd"]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert max(most) == 1
    assert read(tmp_path / "report") == dict.fromkeys(FILES, ended[-1])
    assert f"Waiting for another process, which writes the report {tmp_path / 'report'}." in capsys.readouterr().err


def test_a_file_where_a_folder_should_be_is_said(tmp_path):
    (tmp_path / "reports").touch()
    with pytest.raises(NotADirectoryError), writing(tmp_path / "reports" / "tiny"):
        pass


def test_a_report_may_have_the_longest_name_that_there_is(tmp_path):
    write(tmp_path / ("x" * 255), "one")
    assert read(tmp_path / ("x" * 255)) == dict.fromkeys(FILES, "one")
