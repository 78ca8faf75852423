"""A project whose tests are rules: run once, and each rule is looked up in the result."""

from __future__ import annotations

import fcntl
import json
import pickle
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, TypeVar
from xml.etree import ElementTree

import pytest

from tests.support.project import PROJECTS, Project
from tests.support.variables import clean_environment

T = TypeVar("T")

INI = "[pytest]\nasyncio_default_fixture_loop_scope = function\n"


class RulesProject:
    """One run of files of tests/projects whose tests are rules, each with its own outcome."""

    def __init__(self, path: Path, files: list[str], *arguments: str, env: Mapping[str, str]) -> None:
        self.path = path
        project = Project(path)
        project.write("pytest.ini", INI)
        project.use(*files)
        command = [sys.executable, "-m", "pytest", "-p", "no:hypothesispytest", "--junitxml=junit.xml", *arguments]
        done = subprocess.run(
            command, cwd=path, env=clean_environment(env), capture_output=True, text=True, timeout=100, check=False
        )
        self.status, self.output = done.returncode, done.stdout + done.stderr
        self.usage: dict[str, Any] = json.loads((path / ".dgbudget/report/usage.json").read_text(encoding="utf-8"))
        self.wrong: dict[str, str] = {}
        self.ran: set[str] = set()
        for case in ElementTree.parse(path / "junit.xml").iter("testcase"):
            name = case.attrib["name"]
            self.ran.add(name)
            for child in case:
                if child.tag in {"failure", "error", "skipped"}:
                    self.wrong[name] = self.wrong.get(name, "") + f"{child.tag}: {child.text}"

    def check(self, test: str) -> None:
        """Fail unless this test ran and passed."""
        assert any(name == test or name.startswith(f"{test}[") for name in self.ran), self.output
        wrong = [text for name, text in self.wrong.items() if name == test or name.startswith(f"{test}[")]
        assert not wrong, "\n".join(wrong)

    def sessions(self, test: str) -> list[dict[str, Any]]:
        return [session for session in self.usage["sessions"] if session["nodeid"].endswith(f"::{test}")]


def rules_in(file: str) -> list[str]:
    """Return the names of the tests in a file of tests/projects."""
    source = (PROJECTS / file).read_text(encoding="utf-8")
    return re.findall(r"^(?:async )?def (test_\w+)", source, re.MULTILINE)


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], T]) -> T:
    """Return what ``make`` makes in a new folder; of all workers only the first one makes it, the others read it."""
    base = factory.getbasetemp()
    shared = base.parent if base.name.startswith("popen-") else base
    made = shared / f"{name}.pickle"
    with (shared / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            made.write_bytes(pickle.dumps(make(factory.mktemp(name))))
    result: T = pickle.loads(made.read_bytes())
    return result
