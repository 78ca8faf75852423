"""The console script: which commands there are, what it prints, and its exit status."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

from pytest_dgbudget.cli import _COMMANDS, doctor, main


def status_of(*arguments: str) -> int:
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert isinstance(ended.value.code, int)
    return ended.value.code


def test_help_names_every_command_and_succeeds(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("--help") == 0
    printed, complaints = capsys.readouterr()
    shown = [line.split()[0] for line in printed.splitlines() if line.startswith("  ")]
    assert [name for name in shown if name in _COMMANDS] == sorted(_COMMANDS)
    assert complaints == ""


def test_help_of_a_command_is_the_commands_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of("emulator", "--help") == 0
    printed, complaints = capsys.readouterr()
    assert printed.startswith("usage: dgbudget emulator ")
    assert complaints == ""


@pytest.mark.parametrize(
    ("arguments", "named"), [([], "COMMAND"), (["emulate"], "emulate"), (["emulator", "--port=x"], "x")]
)
def test_bad_usage_is_named_on_stderr_and_exits_with_2(
    arguments: list[str], named: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status_of(*arguments) == 2
    printed, complaints = capsys.readouterr()
    assert named in complaints.splitlines()[-1]
    assert printed == ""


def test_without_a_command_those_that_there_are_are_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert status_of() == 2
    (complaint,) = [line for line in capsys.readouterr().err.splitlines() if "error" in line]
    assert all(name in complaint for name in _COMMANDS)
    assert "ARGUMENTS" not in complaint


def test_the_version_is_that_of_the_distribution(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert capsys.readouterr().out == f"pytest-dgbudget {version('pytest-dgbudget')}\n"


def test_console_script_reads_the_command_line() -> None:
    script = "import sys; from pytest_dgbudget.cli import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", script, "emulator", "--help"], capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: dgbudget emulator ")


@pytest.mark.parametrize("command", sorted({*_COMMANDS} - {"emulator"}))
def test_on_windows_a_command_says_where_it_runs_before_it_imports_what_is_not_there(command: str) -> None:
    script = (
        "import os, shutil, sys; import pytest_dgbudget.cli.output; from pytest_dgbudget.cli import main; "
        "os.name = 'nt'; sys.modules['fcntl'] = None; sys.exit(main())"
    )
    ended = subprocess.run([sys.executable, "-c", script, command], capture_output=True, text=True, timeout=30)
    assert (ended.returncode, ended.stdout) == (2, "")
    assert ended.stderr == f"dgbudget {command}: it runs on Linux and macOS\n"


@pytest.mark.parametrize("arguments", [["audit", "--since=1d"], ["reconcile", "one"], ["support-bundle"], ["sweep"]])
def test_every_command_without_a_ledger_says_the_same_and_exits_with_2(
    arguments: list[str], here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", "a" * 40)
    assert status_of(*arguments) == 2
    said = capsys.readouterr().err
    assert said.startswith(f"dgbudget {arguments[0]}: there is no ledger {here}")
    assert said.endswith("name another one with --ledger\n")


def test_ctrl_c_ends_any_command_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(arguments: list[str]) -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr(doctor, "main", interrupted)
    assert main(["doctor"]) == 130
