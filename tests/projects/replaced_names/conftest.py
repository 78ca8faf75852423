"""Hooks that are called while names are replaced."""

from pathlib import Path

_called: list[str] = []


def pytest_dgbudget_session_opened() -> None:
    _called.append("opened")


def pytest_dgbudget_turn() -> None:
    _called.append("turn")


def pytest_dgbudget_session_closed() -> None:
    _called.append("closed")


def pytest_dgbudget_run_finished() -> None:
    Path("hooks.txt").write_text(" ".join(_called), encoding="utf-8")
