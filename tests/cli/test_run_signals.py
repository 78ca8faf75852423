"""``dgbudget run`` and signals: the program has each once, and ends before its command does."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.cli.conftest import DGBUDGET, PYTHON, MeteredPrograms
from tests.support.ledger import ends_of_leases
from tests.support.processes import gateway_of, wait_until
from tests.support.terminal import Terminal
from tests.support.vendor import Vendor

pytestmark = pytest.mark.slow


def read_until(process: subprocess.Popen[str], line: str) -> None:
    assert process.stdout is not None
    while process.stdout.readline() != f"{line}\n":
        pass


def test_signals_of_other_processes_are_passed_on(programs: MeteredPrograms) -> None:
    process = programs.start("--target=emulator", "--", PYTHON, "says_signals.py")
    read_until(process, "ready")
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGWINCH, signal.SIGTERM):
        process.send_signal(number)
        read_until(process, number.name)
    result = programs.project.result(process)
    assert result.status == 3, result.output


def test_a_program_that_a_signal_ends_has_its_sessions_closed_and_reported(
    programs: MeteredPrograms, vendor: Vendor
) -> None:
    """As a CI job is cancelled: there is no time to wait for a statement."""
    process = programs.start("--budget=10m", "--", PYTHON, "endless.py", env=vendor.environ)
    vendor.wait_open(1)
    process.terminate()
    vendor.wait_closed(1, timeout=2)
    result = programs.project.result(process, timeout=5)
    assert result.status == 128 + signal.SIGTERM, result.output
    run = result.usage["run"]
    assert (run["complete"], run["verdict"]) == (True, "interrupted")
    assert result.usage["tests"][0]["outcome"] is None
    assert result.usage["reconciliation"]["verdict"] == "pending"
    assert ends_of_leases(programs.project.path) == ["settled"]


def test_a_signal_to_the_whole_group_is_not_passed_on(programs: MeteredPrograms) -> None:
    """As ``kill %1`` of a shell and the end of a CI job are."""
    process = programs.start("--target=emulator", "--", PYTHON, "says_signals.py")
    read_until(process, "ready")
    for number in (signal.SIGINT, signal.SIGUSR1):
        os.killpg(process.pid, number)
        read_until(process, number.name)
    process.terminate()
    result = programs.project.result(process)
    assert (result.status, [line for line in result.output.splitlines() if "SIG" in line]) == (3, ["SIGTERM"])


def test_what_is_closed_for_the_command_is_nothing_that_signals_need(programs: MeteredPrograms) -> None:
    inner = ["sh", "-c", f"exec {PYTHON} says_signals.py > said"]
    command = shlex.join([*DGBUDGET, "run", "--target=emulator", "--", *inner])
    process = programs.project.launch(["sh", "-c", f"exec {command} 0>&- 1>&- 2>&-"])
    said = programs.project.write("said", "")
    wait_until(lambda: "ready" in said.read_text(encoding="ascii"))
    os.killpg(process.pid, signal.SIGINT)
    wait_until(lambda: "SIGINT" in said.read_text(encoding="ascii"))
    process.terminate()
    assert programs.project.result(process).status == 3
    assert said.read_text(encoding="ascii").split() == ["ready", "SIGINT", "SIGTERM"]


def test_a_program_that_ends_its_whole_group_was_not_interrupted(programs: MeteredPrograms) -> None:
    """Scripts that start servers end with ``kill 0``: it reaches their command, too."""
    result = programs.run("--budget=1m", "--target=emulator", "--", "sh", "-c", "trap 'kill 0' EXIT; exit 3")
    assert result.status == 128 + signal.SIGTERM, result.output
    assert (result.usage["run"]["complete"], result.usage["run"]["verdict"]) == (True, "within")


def test_a_gateway_holds_no_signals_although_who_starts_it_does(programs: MeteredPrograms, vendor: Vendor) -> None:
    process = programs.start("--budget=10m", "--reconcile=off", "--", PYTHON, "endless.py", env=vendor.environ)
    vendor.wait_open(1)
    status = Path(f"/proc/{gateway_of(process.pid)}/status").read_text(encoding="ascii")
    assert re.findall(r"^SigBlk:\t(.*)$", status, re.MULTILINE) == ["0" * 16]
    process.terminate()
    programs.project.result(process)


# In a terminal --------------------------------------------------------------------------------------------------------


@pytest.fixture
def in_terminal(programs: MeteredPrograms) -> Iterator[Callable[..., Terminal]]:
    with ExitStack() as stack:

        def start(*command: str, env: Mapping[str, str] | None = None) -> Terminal:
            terminal = Terminal(command, programs.project.path, env or {})
            stack.callback(terminal.close)
            return terminal

        yield start


def test_ctrl_c_reaches_the_program_once_each_time(in_terminal: Callable[..., Terminal]) -> None:
    terminal = in_terminal(*DGBUDGET, "run", "--target=emulator", "--", PYTHON, "says_signals.py")
    terminal.wait_for("ready")
    for _ in range(3):
        terminal.type("\x03")
        terminal.wait_for("SIGINT")
    terminal.type("\x1c")
    terminal.wait_for("SIGQUIT")
    assert terminal.shown.count("SIGINT") == 3
    terminal.process.terminate()
    assert terminal.end() == 3
    assert (terminal.shown.count("SIGINT"), terminal.shown.count("SIGQUIT")) == (3, 1)


def test_ctrl_c_ends_a_program_and_its_command(in_terminal: Callable[..., Terminal], vendor: Vendor) -> None:
    terminal = in_terminal(*DGBUDGET, "run", "--budget=10m", "--", PYTHON, "endless.py", env=vendor.environ)
    vendor.wait_open(1)
    terminal.type("\x03")
    vendor.wait_closed(1, timeout=2)
    assert terminal.end() == 128 + signal.SIGINT
    assert "verdict: interrupted" in terminal.shown


def test_a_live_line_is_shown_while_sessions_are_open_and_erased(
    in_terminal: Callable[..., Terminal], vendor: Vendor
) -> None:
    command = [*DGBUDGET, "run", "--budget=5m", "--reconcile=off", "--", PYTHON, "talk.py", "2.5"]
    terminal = in_terminal(*command, env=vendor.environ)
    terminal.wait_for("of 5m, $0.00")
    assert terminal.end() == 0
    after = terminal.shown.rpartition("\033[7m")[2]
    assert "\033[K" in after
    quiet = in_terminal(*command[:-4], "--no-live-line", *command[-4:], env=vendor.environ)
    assert quiet.end() == 0
    assert "\033[7m" not in quiet.shown


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash")
def test_a_job_is_stopped_and_continued_by_its_shell(
    in_terminal: Callable[..., Terminal], programs: MeteredPrograms
) -> None:
    terminal = in_terminal("bash", "--norc", "--noprofile", "-i", env={"PS1": "> ", "HISTFILE": ""})
    command = [*DGBUDGET, "run", "--target=emulator", "--", PYTHON, "says_signals.py"]
    programs.project.write("job.sh", f"exec {shlex.join(command)}\n")
    terminal.type("sh job.sh\n")
    terminal.wait_for("ready")
    terminal.type("\x1a")
    terminal.wait_for("Stopped")
    terminal.type("fg\n")
    terminal.wait_for("SIGCONT")
    terminal.type("\x03")
    terminal.wait_for("SIGINT")
    terminal.type("\x1a")
    terminal.wait_for("Stopped")
    terminal.type("kill %1; fg\n")
    terminal.wait_for("SIGTERM")
    terminal.type("echo status=$?; exit\n")
    terminal.wait_for("status=3")
    terminal.end()
