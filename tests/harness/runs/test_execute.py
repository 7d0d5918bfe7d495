import json
import os
import re
import subprocess
import sys

from supernet.harness.runs import commit as commits
from supernet.harness.runs import execute
from supernet.harness.runs.store import Store


def test_a_spec_comes_back_from_its_plain_values(spec):
    assert execute.job(json.loads(json.dumps(spec.as_dict()))) == spec


def test_makers_are_imported_when_a_job_of_their_kind_is_made():
    code = """
import json, sys
import supernet.harness.runs.execute, supernet.harness.runs.executors, supernet.harness.runs.state
print(json.dumps(list(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", code], timeout=100, capture_output=True, check=True)
    imported = json.loads(done.stdout)
    assert "supernet.harness.runs.execute" in imported
    late = re.compile(r"(supernet\.harness\.study|supernet\.harness\.search|torch)(\.|$)")
    assert [name for name in imported if late.match(name)] == []


def test_a_kind_without_a_maker_is_a_failure_of_its_run(tmp_path):
    class Odd:
        kind, hash = "odd", "0123456789abcdef"

    assert execute.execute(Odd(), Store(tmp_path)) == "failed"
    assert "odd" in Store(tmp_path).failure(Odd.hash)


def test_the_commit_is_the_projects_own(tmp_path, monkeypatch):
    commits.commit.cache_clear()
    package = tmp_path / "project" / "site-packages" / "harness" / "runs"
    package.mkdir(parents=True)
    git = ["git", "-c", "user.name=x", "-c", "user.email=x@x", "-C", str(tmp_path / "project")]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "theirs"]):
        subprocess.run([*git, *command], check=True)
    monkeypatch.setattr(commits, "__file__", str(package / "commit.py"))
    assert commits.commit() is None, "that of the repository around an installed package"
    (tmp_path / "project" / "harness" / "runs").mkdir(parents=True)
    monkeypatch.setattr(commits, "__file__", str(tmp_path / "project" / "harness" / "runs" / "commit.py"))
    commits.commit.cache_clear()
    head = commits.commit()
    assert len(head) == 12
    (tmp_path / "project" / "file").write_text("first")
    subprocess.run([*git, "add", "file"], check=True)
    index = tmp_path / "project" / ".git" / "index"
    before = index.read_bytes()
    os.utime(tmp_path / "project" / "file", (1, 1))  # for which git would like to write its index
    commits.commit.cache_clear()
    assert commits.commit() == f"{head}+"
    assert index.read_bytes() == before
    commits.commit.cache_clear()
