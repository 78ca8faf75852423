"""``dgbudget drill`` as a process: it measures, it notices what leaks, and it leaves nothing behind."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.drill import drills
from pytest_dgbudget.drill.drilled_run import DrilledRun
from pytest_dgbudget.drill.drills import DRILLS, Drill
from pytest_dgbudget.drill.running import run_drills
from pytest_dgbudget.processes import Interpreter
from tests.cli.conftest import DGBUDGET
from tests.support.environments import OURS, environment_with
from tests.support.processes import wait_until
from tests.support.project import PROJECTS, Project
from tests.support.vendor import KEY

NAMES = [drill.name for drill in DRILLS]
# In all they take a quarter of a minute here.
MINUTES_SECONDS = 180


class DrillCommand:
    """The command in a user's folder; ``temporary`` is where all its files go."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.temporary = project.path / "temporary"
        self.temporary.mkdir()

    def start(
        self, *arguments: str, command: tuple[str, ...] = DGBUDGET, env: Mapping[str, str] | None = None
    ) -> subprocess.Popen[str]:
        return self._project.launch([*command, "drill", *arguments], env={"TMPDIR": str(self.temporary), **(env or {})})

    def figures(self, process: subprocess.Popen[str], *, status: int) -> dict[str, dict[str, Any]]:
        """Return each drill's result by its name, once the command has ended with this status."""
        result = self._project.result(process, MINUTES_SECONDS)
        assert result.status == status, result.output
        document = json.loads(result.output)
        assert document["worst"]["leak_seconds"] == max(each["leak_seconds"] or 0 for each in document["drills"])
        return {each["name"]: each for each in document["drills"]}


@pytest.fixture
def command(project: Project) -> DrillCommand:
    return DrillCommand(project)


def test_a_drill_measures_a_session_that_was_open_and_leaves_no_file(command: DrillCommand) -> None:
    figures = command.figures(command.start("--only", "exit", "--json"), status=0)
    assert list(figures) == ["exit"]
    assert figures["exit"]["result"] == "held", figures
    assert 0 < figures["exit"]["leak_seconds"] < 1
    assert 0 < figures["exit"]["leak_usd"] < 0.003
    assert list(command.temporary.iterdir()) == []


@pytest.mark.slow
@pytest.mark.timeout(MINUTES_SECONDS)
def test_every_drill_holds_here_within_minutes(command: DrillCommand) -> None:
    started_at = time.monotonic()
    figures = command.figures(command.start("--json", "--max-leak=1s"), status=0)
    print(f"took {time.monotonic() - started_at:.1f} s: {figures}")
    assert list(figures) == NAMES
    assert {name: each["result"] for name, each in figures.items()} == dict.fromkeys(NAMES, "held")


@pytest.mark.slow
@pytest.mark.timeout(MINUTES_SECONDS)
def test_every_drill_notices_a_gateway_that_closes_two_seconds_late(command: DrillCommand) -> None:
    late = {"PYTHONPATH": str(PROJECTS / "late_gateway")}
    figures = command.figures(command.start("--json", "--max-leak=1s", env=late), status=1)
    assert {name: each["result"] for name, each in figures.items()} == dict.fromkeys(NAMES, "leaked"), figures
    assert {name for name, each in figures.items() if each["leak_seconds"] < 1.5} == set()
    assert {name for name, each in figures.items() if each["lateness_ms"] < 1000} == set()


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_whoever_stops_the_drills_leaves_no_process_and_no_file(command: DrillCommand, number: int) -> None:
    process = command.start()
    wait_until(lambda: len(list(command.temporary.glob("*/*/.dgbudget/*.lock"))) > 0)
    process.send_signal(number)
    output, _ = process.communicate(timeout=60)
    assert (process.returncode, output) == (130, "")
    assert list(command.temporary.iterdir()) == []


@pytest.mark.slow
def test_who_has_only_our_package_drills_what_needs_no_other_whatever_is_around(
    project: Project, command: DrillCommand, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Neither a project's configuration nor the variables of a run, a proxy or a key have a part in it."""
    project.use("drill_surroundings")
    python = environment_with(tmp_path_factory.mktemp("environment") / "venv", OURS)
    surroundings = {
        "PYTEST_ADDOPTS": "--no-such-option",
        "DEEPGRAM_API_KEY": KEY,
        "DG_TARGET": "emulator",
        "DG_BUDGET": "0",
        "DGBUDGET_ACTIVE": "1",
        "HTTP_PROXY": "http://127.0.0.1:9",
        "GITHUB_STEP_SUMMARY": str(project.path / "summary"),
    }
    arguments = ("--only=sleep", "--only=kill-worker", "--json")
    process = command.start(*arguments, command=(str(python), *DGBUDGET[1:]), env=surroundings)
    figures = command.figures(process, status=0)
    assert figures["sleep"]["result"] == "held", figures
    assert figures["kill-worker"]["why"] == "pytest-xdist is not installed"
    assert (figures["kill-worker"]["result"], figures["kill-worker"]["leak_seconds"]) == ("skipped", None)
    assert not (project.path / "summary").exists()


# In this process ------------------------------------------------------------------------------------------------------


def test_a_drill_that_does_not_exist_is_bad_usage_and_named_with_those_that_do(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drill", "--only", "flood"])
    assert ended.value.code == 2
    said = capsys.readouterr().err
    assert said.startswith("dgbudget drill: --only: there is no drill 'flood'; there are sleep, regex, sum")


def test_a_leak_that_is_no_time_is_bad_usage(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["drill", "--max-leak", "soon"])
    assert ended.value.code == 2
    assert "accepted: 500ms, 90s" in capsys.readouterr().err


def test_what_this_machine_lacks_is_said_and_counts_as_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(drills, "shows_processes", lambda: False)
    assert main(["drill", "--only", "kill-gateway", "--max-leak=1s"]) == 1
    said = capsys.readouterr().out
    assert "kill-gateway skipped: there is neither /proc nor ps here" in said
    assert "nothing was measured: 1 skipped" in said


def test_a_stand_in_that_does_not_start_is_said(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(Interpreter, "command", lambda *_: [sys.executable, "-c", ""])
    assert main(["drill"]) == 1
    assert capsys.readouterr().err.startswith("dgbudget drill: the stand-in for the vendor did not start")


@pytest.mark.parametrize(
    ("project", "closed_by", "why"),
    [
        ("test_exits.py", "teardown", "its sessions were closed by owner-lost, and none by teardown"),
        ("__init__.py", "teardown", "pytest ended before it had opened its session"),
    ],
)
def test_a_drill_in_which_something_else_happened_has_failed(
    tmp_path: Path, project: str, closed_by: Any, why: str
) -> None:
    drill = Drill(name="other", project=project, budget_ms=60_000, act=DrilledRun.wait_ended, closed_by=closed_by)
    (result,) = run_drills([drill], tmp_path, None)
    assert (result.outcome, result.leak_ms) == ("failed", None)
    assert why in str(result.why)


def test_what_is_drilled_is_what_the_documentation_says() -> None:
    page = Path(__file__).parents[2] / "docs/drill.md"
    rows = [line.split("`")[1] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")]
    assert rows == NAMES
