"""A user's project, in a folder and in processes of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.drill.drilled_run import PROJECTS as ADVERSARIES
from pytest_dgbudget.ledger.run_lock import is_live
from tests.support.ledger import ends_of_leases
from tests.support.processes import wait_until

# A rule that holds under xdist as well costs three more interpreters to check there.
ALONE_AND_UNDER_XDIST = ["-n0", pytest.param("-n2", marks=pytest.mark.slow)]
# Where pytest-randomly is installed, it would shuffle every project's tests. Hypothesis's plugin is a quarter of what a
# pytest costs, and no project has properties.
_NOT_LOADED = ("-p", "no:cacheprovider", "-p", "no:randomly", "-p", "no:hypothesispytest")
PYTEST = (sys.executable, "-m", "pytest", *_NOT_LOADED)
PROJECTS = Path(__file__).parent.parent / "projects"
EXAMPLES = Path(__file__).parents[2] / "examples"
_ONLY_OURS = shutil.ignore_patterns("__init__.py", "__pycache__")  # packages for the type checker, not for a user


class Project:
    """A project in a folder of its own, and pytests that run in it; at its end it checks what they have left.

    ``expects_log``: the test makes something fail that a gateway logs; ``reads_ledger`` is False where the test breaks
    the ledger.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.expects_log = False
        self.reads_ledger = True
        self._processes: list[subprocess.Popen[str]] = []

    def write(self, name: str, text: str) -> Path:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def use(self, *names: str) -> None:
        """Copy files of tests/projects under their own names, and all that a folder there holds."""
        for name in names:
            source = PROJECTS / name
            if source.is_dir():
                shutil.copytree(source, self.path, dirs_exist_ok=True, ignore=_ONLY_OURS)
            else:
                shutil.copy(source, self.path)

    def use_adversary(self, name: str) -> None:
        """Copy a test that breaks, of those that ``dgbudget drill`` runs, with its conftest."""
        for file in ("conftest.py", name):
            shutil.copy(ADVERSARIES / file, self.path)

    def noted(self, name: str) -> float:
        """Return the instant, in seconds of the monotonic clock, that such a test has noted."""
        return int((self.path / name).read_text(encoding="ascii")) / 1000

    def kill(self, process: subprocess.Popen[str]) -> Result:
        """Kill a pytest with all that it started in its group, and wait for the report that its gateway writes."""
        os.killpg(process.pid, signal.SIGKILL)
        result = self.result(process)
        wait_until((self.path / ".dgbudget/report/usage.json").exists)
        return result

    @property
    def importable(self) -> dict[str, str]:
        """The environment in which modules of the project can be imported, a sitecustomize among them."""
        found = os.environ.get("PYTHONPATH")
        return {"PYTHONPATH": os.pathsep.join([str(self.path), *([found] if found else [])])}

    def start(
        self, *arguments: str, env: Mapping[str, str] | None = None, talks: bool = False
    ) -> subprocess.Popen[str]:
        """Start pytest in a process group of its own, so that signals reach it alone.

        ``talks``: its stdin is a pipe that stays open, for a debugger to read.
        """
        return self.launch([*PYTEST, *arguments], env=env, talks=talks)

    def launch(
        self, command: Sequence[str], *, env: Mapping[str, str] | None = None, talks: bool = False
    ) -> subprocess.Popen[str]:
        """Start a command that starts a pytest, as ``start`` does."""
        process = subprocess.Popen(
            command,
            cwd=self.path,
            env={**os.environ, **(env or {})},
            stdin=subprocess.PIPE if talks else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
            # A suite that runs in the background may ignore SIGINT, and that is inherited.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        self._processes.append(process)
        return process

    def run(self, *arguments: str, env: Mapping[str, str] | None = None, timeout: float = 60) -> Result:
        """Run pytest to its end."""
        return self.result(self.start(*arguments, env=env), timeout)

    def result(self, process: subprocess.Popen[str], timeout: float = 60) -> Result:
        output, _ = process.communicate(timeout=timeout)
        return Result(process.returncode, output, self.path)

    def end(self) -> None:
        for process in self._processes:
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
            assert process.stdout is not None
            if not process.stdout.closed:
                process.communicate()
        self._check_what_is_left()

    def _check_what_is_left(self) -> None:
        """Nothing runs, serves or complains any more, and every lease has ended (I6); the ledger sees to the once."""
        left = processes_below(self.path)
        assert not left, f"still running: {left}"
        folder = self.path / ".dgbudget"
        runs = [lock.stem.removeprefix("run-") for lock in folder.glob("run-*.lock")]
        assert not [run for run in runs if is_live(folder, run)], "who serves these runs?"
        logs = [log.read_text(encoding="utf-8") for log in folder.glob("gateway-*.log")]
        assert self.expects_log or not logs, "\n".join(["a gateway deletes its log when nothing went wrong:", *logs])
        leases = ends_of_leases(self.path) if self.reads_ledger and (folder / "ledger.db").exists() else []
        assert None not in leases, f"leases without an end: {leases}"


def processes_below(folder: Path, timeout: float = 10) -> list[str]:
    """Wait until no process works below a folder, as every gateway and emulator of a project does; return the rest.

    Without /proc none are found.
    """
    deadline = time.monotonic() + timeout
    while (left := _working_below(folder)) and time.monotonic() < deadline:
        time.sleep(0.02)
    for pid in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    return list(left.values())


def _working_below(folder: Path) -> dict[int, str]:
    found = {}
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):
            if (process / "cwd").readlink().is_relative_to(folder):
                found[int(process.name)] = (process / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


class Result:
    """How a pytest ended: its exit status, what it printed, and its usage.json."""

    def __init__(self, status: int, output: str, path: Path) -> None:
        self.status = status
        self.output = output
        self.path = path

    @property
    def usage(self) -> dict[str, Any]:
        text = (self.path / ".dgbudget/report/usage.json").read_text(encoding="utf-8")
        document: dict[str, Any] = json.loads(text)
        return document

    def outcomes(self) -> dict[str, str | None]:
        """Return what became of each test's last attempt, by its function's name."""
        return {test["nodeid"].rpartition("::")[2]: test["outcome"] for test in self.usage["tests"]}
