"""The console script: which commands there are, what it prints, and its exit status."""

from __future__ import annotations

import subprocess
import sys

import pytest

from pytest_dgbudget.cli import _COMMANDS, main


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


def test_console_script_reads_the_command_line() -> None:
    script = "import sys; from pytest_dgbudget.cli import main; sys.exit(main())"
    ended = subprocess.run(
        [sys.executable, "-c", script, "emulator", "--help"], capture_output=True, text=True, timeout=30
    )
    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout.startswith("usage: dgbudget emulator ")
