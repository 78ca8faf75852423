"""What commands write, wherever it goes: closed pipes, full disks, terminals that know ASCII alone, no stdout."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_dgbudget.cli import _COMMANDS, main, output
from tests.cli.conftest import DGBUDGET
from tests.support.ledger import open_ledger
from tests.support.project import Project

FULL = Path("/dev/full")
LEFT = {"a key is left": 1, "nothing is left": 0}


@pytest.fixture(params=sorted(LEFT))
def status(project: Project, request: pytest.FixtureRequest) -> int:
    """What ``dgbudget sweep`` exits with: 1 where the ledger has a key that can't be looked for."""
    (project.path / ".dgbudget").mkdir()
    ledger = open_ledger(project.path / ".dgbudget/ledger.db", live=frozenset({"lost"}), id="of-lost", run="lost")
    if LEFT[request.param]:
        ledger.record_run_key("key-id")
    ledger.close()
    return LEFT[request.param]


@pytest.fixture
def closed_pipe() -> Iterator[int]:
    """A pipe that nobody reads any more."""
    reading, writing = os.pipe()
    os.close(reading)
    yield writing
    os.close(writing)


def ended_with(project: Project, *arguments: str, stdout: int) -> tuple[int, str]:
    """Return the exit status of a command and what it said on stderr."""
    ended = subprocess.run(
        [*DGBUDGET, *arguments], cwd=project.path, stdout=stdout, stderr=subprocess.PIPE, text=True, timeout=60
    )
    return ended.returncode, ended.stderr


@pytest.mark.parametrize("form", [[], ["--json"]], ids=["text", "json"])
def test_where_nobody_reads_any_more_a_command_ends_quietly_with_its_own_status(
    project: Project, status: int, closed_pipe: int, form: list[str]
) -> None:
    assert ended_with(project, "sweep", *form, stdout=closed_pipe) == (status, "")


def test_help_that_nobody_reads_is_no_failure(project: Project, closed_pipe: int) -> None:
    assert ended_with(project, "reconcile", "--help", stdout=closed_pipe) == (0, "")


@pytest.mark.skipif(not FULL.exists(), reason="this system has no disk that is always full")
@pytest.mark.parametrize("unbuffered", ["", "1"], ids=["buffered", "unbuffered"])
@pytest.mark.parametrize("arguments", [["sweep"], ["sweep", "--json"], ["sweep", "--help"]], ids=" ".join)
def test_what_a_full_disk_does_not_take_is_said_and_exits_with_1(
    project: Project, status: int, monkeypatch: pytest.MonkeyPatch, arguments: list[str], unbuffered: str
) -> None:
    monkeypatch.setenv("PYTHONUNBUFFERED", unbuffered)
    with FULL.open("w") as disk:
        said = "dgbudget: the output can't be written: No space left on device\n"
        assert ended_with(project, *arguments, stdout=disk.fileno()) == (1, said)


def test_without_stdout_a_command_does_its_work(project: Project, status: int) -> None:
    ended = subprocess.run(
        ["sh", "-c", 'exec "$@" >&-', "sh", *DGBUDGET, "sweep"],
        cwd=project.path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (ended.returncode, ended.stderr) == (status, "")


def test_what_the_encoding_lacks_is_replaced(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    output.write(["→ use --dg-api-url", "\udcff"])
    output.write_json({"name": "ü"})
    first, second, *rest = written.getvalue().decode("ascii").splitlines()
    assert (first, second) == ("? use --api-url", "?")
    assert json.loads("".join(rest)) == {"name": "ü"}


@pytest.mark.parametrize("command", sorted(_COMMANDS))
def test_help_is_ascii(capsys: pytest.CaptureFixture[str], command: str) -> None:
    with pytest.raises(SystemExit) as ended:
        main([command, "--help"])
    told = capsys.readouterr()
    assert (ended.value.code, told.err, told.out.isascii()) == (0, "", True)
    assert f"dgbudget {command}" in told.out
