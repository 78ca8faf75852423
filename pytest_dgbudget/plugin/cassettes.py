"""Cassettes of tests that passed: when they are made, and what the end of a run says of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_dgbudget.control.cassettes import CassetteKeeper, NotMade, RecordedTest
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.plugin.cassette_folders import cassette_folder
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.units import counted

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.control.client import GatewayClient
    from pytest_dgbudget.plugin.attempt import RunningTest
    from pytest_dgbudget.report.artifacts import Scrub

# In the report of a test's teardown: what came of its sessions.
_MARK = "dgbudget_cassettes"
_MOST_FOLDERS = 3


class TestCassettes:
    """Makes the cassettes of tests that passed, and notes in their reports what came of it."""

    __test__ = False  # for pytest

    def __init__(self, run_config: RunConfig, rootdir: Path, scrub: Scrub | None) -> None:
        self._run_config = run_config
        self._rootdir = rootdir
        self._keeper = CassetteKeeper(run_config, rootdir, scrub)

    def test_passed(
        self, gateway: GatewayClient, running: RunningTest, item: pytest.Item, report: pytest.TestReport
    ) -> None:
        """Make those of an attempt whose sessions are over; what keeps them from being made fails no test."""
        recordings = running.attempt.recordings
        if recordings is None or recordings.target != self._run_config.recorded_target:
            return
        folder = cassette_folder(item, self._run_config)
        test = RecordedTest(
            attempt=running.attempt.id, sessions=running.sessions, spool=Path(recordings.folder), cassettes=folder
        )
        try:
            made = self._keeper.keep(gateway, test)
        except NotMade as error:
            _note(report, {"problem": str(error)})
        except Exception as error:  # its text could hold what was said
            _note(report, {"problem": type(error).__name__})
        else:
            if made is not None:
                where = shown_path(folder.parent, self._rootdir)
                _note(report, {"folder": where, "count": made.count, "ms": made.ms})


def _note(report: pytest.TestReport, what: dict[str, Any]) -> None:
    """What xdist carries from a worker to its controller."""
    setattr(report, _MARK, what)


class CassettesOfRun:
    """Gathers from reports what came of the sessions of a run, in whichever process they were recorded."""

    NAME = "dgbudget-cassettes"

    def __init__(self, record: str) -> None:
        self._rewrites = record == "rewrite"
        self._is_interrupted = False
        self._made: Counter[str] = Counter()
        self._ms = 0
        self.problems: dict[str, str] = {}

    def __dir__(self) -> list[str]:
        """pytest looks closely at each name of a plugin, those that every object has included."""
        return ["pytest_keyboard_interrupt", "pytest_runtest_logreport"]

    def pytest_keyboard_interrupt(self) -> None:
        self._is_interrupted = True

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        what: dict[str, Any] = getattr(report, _MARK, {})
        if "problem" in what:
            self.problems[report.nodeid] = what["problem"]
        elif what:
            self._made[what["folder"]] += what["count"]
            self._ms += what["ms"]

    def made_line(self) -> str | None:
        """Return how many cassettes were recorded, how long they are, and where; None where none was."""
        if not self._made:
            return None
        minutes, seconds = divmod(round(self._ms / 1000), 60)
        folders = sorted(self._made)
        more = len(folders) - _MOST_FOLDERS
        where = ", ".join(folders[:_MOST_FOLDERS]) + (f" and {counted(more, 'other folder')}" if more > 0 else "")
        return f"recorded {counted(self._made.total(), 'cassette')} ({minutes}:{seconds:02}) in {where}"

    def problem_lines(self) -> Iterator[str]:
        """Yield which tests' sessions became no cassettes, and why."""
        none = "no cassette was recorded, and none was replaced" if self._rewrites else "no cassette was recorded"
        for nodeid, why in self.problems.items():
            yield f"{nodeid}: {none}: {why}"
        if self._rewrites and self._is_interrupted:
            yield "interrupted: tests that had not finished keep the cassettes that they had"


def gather_cassettes(config: pytest.Config) -> None:
    """Gather what comes of sessions in this process or, in xdist's controller, in its workers."""
    if not config.pluginmanager.has_plugin(CassettesOfRun.NAME):
        record = config.stash[STATE].run_config.record
        config.pluginmanager.register(CassettesOfRun(record), CassettesOfRun.NAME)


def cassettes_of_run(config: pytest.Config) -> CassettesOfRun | None:
    """Return what came of the sessions; None where none is recorded."""
    plugin: CassettesOfRun | None = config.pluginmanager.get_plugin(CassettesOfRun.NAME)
    return plugin
