"""Annotations of overruns in the output of a pytest that GitHub runs."""

from __future__ import annotations

import os
from collections.abc import Collection
from pathlib import Path

import pytest

from pytest_dgbudget.report.annotations import Place, workflow_commands
from pytest_dgbudget.report.document import UsageDocument

# It annotates each test that fails in its call.
_ANNOTATES_FAILURES = "pytest_github_actions_annotate_failures"


def annotate(terminalreporter: pytest.TerminalReporter, document: UsageDocument) -> None:
    """Write a command for each overrun that no other plugin annotates."""
    config = terminalreporter.config
    places = _places(terminalreporter)

    def place_of(nodeid: str) -> Place | None:
        path, line = places.get(nodeid, (nodeid.partition("::")[0], None))
        file = config.rootpath / path
        return Place(_in_repository(file, path), line) if file.is_file() else None

    lines = workflow_commands(document, place_of, _spoken_for(config.pluginmanager))
    if lines:
        terminalreporter.ensure_newline()
    for line in lines:
        terminalreporter.write_line(line)


def _spoken_for(manager: pytest.PytestPluginManager) -> Collection[str]:
    names = [name for name, plugin in manager.list_name_plugin() if plugin is not None]
    return {"failed"} if any(name.startswith(_ANNOTATES_FAILURES) for name in names) else ()


def _places(terminalreporter: pytest.TerminalReporter) -> dict[str, tuple[str, int | None]]:
    """Return the file, relative to the rootdir, and the line of each test that was reported."""
    reports = [each for reports in terminalreporter.stats.values() for each in reports]
    tests = [each for each in reports if isinstance(each, pytest.TestReport)]
    return {test.nodeid: (test.location[0], _counted_from_1(test.location[1])) for test in tests}


def _counted_from_1(line: int | None) -> int | None:
    return None if line is None else line + 1


def _in_repository(file: Path, path: str) -> str:
    """Return a path as GitHub knows it, where the file is in its checkout; else as pytest does."""
    workspace = os.environ.get("GITHUB_WORKSPACE")
    if workspace and file.resolve().is_relative_to(Path(workspace).resolve()):
        return file.resolve().relative_to(Path(workspace).resolve()).as_posix()
    return path
