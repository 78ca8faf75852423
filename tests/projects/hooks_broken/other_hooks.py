"""A plugin beside the broken one."""

from pathlib import Path

from pytest_dgbudget import ClosedSession, RunReport


def pytest_dgbudget_session_closed(session: ClosedSession) -> None:
    Path("closed.txt").write_text(f"{session.closed_by}", encoding="utf-8")


def pytest_dgbudget_run_finished(run: RunReport) -> None:
    Path("finished.txt").write_text(f"{run.exit_status}", encoding="utf-8")
