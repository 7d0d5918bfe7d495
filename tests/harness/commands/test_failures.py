import io
import os
import sys
import tempfile
from concurrent.futures.process import BrokenProcessPool

import click
import numpy as np
import pytest
import torch
from click.testing import CliRunner

from supernet.benchmarks.errors import UserError
from supernet.harness.commands import cli
from supernet.harness.commands.benchmark import benchmark
from supernet.harness.commands.data import data
from supernet.harness.commands.failures import explained
from supernet.harness.commands.study import study


@pytest.fixture
def temporary(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    return tmp_path


def ended(error, monkeypatch, capsys):
    """Exit status and what the command line prints where a command raises this."""

    def raising(**_):
        raise error

    monkeypatch.setattr(cli, "supernet", raising)
    with pytest.raises(SystemExit) as ending:
        cli.main()
    return ending.value.code, capsys.readouterr().err


@pytest.mark.parametrize(
    "error",
    [
        ValueError("Overflow when unpacking long\nsecond line"),
        KeyError("linkname"),
        AttributeError("'NoneType' object has no attribute 'groupdict'"),
        UnicodeEncodeError("utf-8", "\udcff", 0, 1, "surrogates not allowed"),
        RuntimeError("no such operator"),
        OSError("no number"),
        AssertionError(),
        ValueError("x" * 100_000),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_nobody_foresaw_is_one_paragraph_and_a_trace_in_a_file(error, temporary, monkeypatch, capsys):
    code, said = ended(error, monkeypatch, capsys)
    assert code == 1
    assert said.startswith("supernet: An unexpected error stopped the command: ")
    assert type(error).__name__ in said
    assert said.count("\n") == 1
    assert len(said) < 1000
    (trace,) = temporary.iterdir()
    assert str(trace) in said
    content = trace.read_text()
    assert content.startswith("Traceback (most recent call last)")
    assert "raise error" in content


def test_nesting_without_end_is_named(temporary, monkeypatch, capsys):
    code, said = ended(RecursionError("maximum recursion depth exceeded"), monkeypatch, capsys)
    assert code == 1
    assert "The input is nested too deeply to be read." in said
    assert len(list(temporary.iterdir())) == 1


def test_a_trace_that_cannot_be_written_does_not_hide_the_error(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path / "nowhere"))
    code, said = ended(KeyError("x"), monkeypatch, capsys)
    assert code == 1
    assert "KeyError ('x')" in said
    assert "trace-back could not be written to a file: No such file or directory" in said


def out_of_memory():
    for attempt in (lambda: np.empty(10**15), lambda: torch.empty(10**15), lambda: bytearray(10**17)):
        with pytest.raises((MemoryError, RuntimeError)) as error:
            attempt()
        yield error.value
    yield torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 GiB.")
    yield RuntimeError("std::bad_alloc")
    yield OSError(12, "Cannot allocate memory")
    yield ImportError("libx.so.5: failed to map segment from shared object")


def test_lack_of_memory_is_said_in_plain_words(temporary):
    said = [explained(error) for error in out_of_memory()]
    assert len(said) == 7
    assert all(text.startswith("Memory ran out") and "network.channels" in text for text in said)
    assert "when 7.11 PiB more were needed" in said[0]
    assert "when 4000000000000000 bytes more were needed" in said[1]
    assert "when 20.00 GiB more were needed" in said[3]
    assert not list(temporary.iterdir())


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (OSError(28, "No space left on device", "/data/x"), "supernet: No space left on device: /data/x.\n"),
        (OSError(36, "File name too long", "x" * 5000), "supernet: File name too long: 'xxx"),
        (
            OSError(2, "No such file or directory", "a\nb\x1b[2J"),
            "supernet: No such file or directory: 'a\\nb\\x1b[2J'.\n",
        ),
        (BrokenProcessPool("gone"), "supernet: A worker process ended abruptly"),
        (UserError("Say so."), "supernet: Say so.\n"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_the_machine_or_the_user_did_leaves_no_trace(error, message, temporary, monkeypatch, capsys):
    code, said = ended(error, monkeypatch, capsys)
    assert code == 1
    assert said.startswith(message)
    assert len(said) < 500
    assert not list(temporary.iterdir())


def test_interrupting_is_no_failure(temporary, monkeypatch, capsys):
    assert ended(KeyboardInterrupt(), monkeypatch, capsys) == (130, "Interrupted.\n")
    assert ended(click.Abort(), monkeypatch, capsys) == (130, "Interrupted.\n")


@pytest.mark.parametrize(
    ("group", "arguments", "meant"),
    [
        (cli.supernet, ["trian"], "supernet train"),
        (cli.supernet, ["raml"], "supernet rank"),
        (cli.supernet, ["Study"], "supernet study"),
        (cli.supernet, ["heuristic"], "supernet heuristics"),
        (cli.supernet, ["study", "rnu", "quick"], "supernet study run"),
        (study, ["show"], "study list"),
        (data, ["improt", "nb201"], "data import"),
        (data, ["download"], "data fetch"),
        (benchmark, ["biuld", "x"], "benchmark build"),
    ],
)
def test_a_misspelt_command_gets_the_nearest(group, arguments, meant):
    result = CliRunner().invoke(group, arguments)
    assert result.exit_code == 2
    assert "No such command" in result.output
    assert f"Did you mean {meant}?" in result.output


def test_a_command_like_no_other_gets_all(monkeypatch):
    result = CliRunner().invoke(cli.supernet, ["x" * 5000])
    assert result.exit_code == 2
    assert "The commands are spaces, data, heuristics, train" in result.output
    assert len(result.output) < 800


NOT_UTF8 = os.fsdecode(b"\xff.yaml")


@pytest.mark.parametrize(
    "arguments",
    [
        ["study", "status", NOT_UTF8],
        ["train", NOT_UTF8, "--out", "o"],
        ["train", "nowhere-" + NOT_UTF8, "--out", "o"],
    ],
    ids=ascii,
)
def test_file_names_that_are_not_utf8_are_printed_escaped(arguments, tmp_path, monkeypatch, capfdbinary):
    (tmp_path / NOT_UTF8).write_text("heuristics: 3\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "argv", ["supernet", *arguments])
    monkeypatch.setattr(sys, "stderr", io.TextIOWrapper(io.FileIO(2, "w", closefd=False), "utf-8", write_through=True))
    with pytest.raises(SystemExit) as ending:
        cli.main()
    said = capfdbinary.readouterr().err
    assert ending.value.code == 1
    assert b"\\udcff.yaml" in said
    assert said.count(b"\n") == 1
