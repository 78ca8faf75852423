"""What the processes that we start inherit."""

from __future__ import annotations

import pytest

from pytest_dgbudget.processes import Interpreter


@pytest.mark.parametrize("name", ["DEEPGRAM_API_KEY", "DG_AGENT_URL", "DGBUDGET_LOG", "COVERAGE_PROCESS_START"])
def test_our_processes_inherit_nothing_that_is_meant_for_tests_or_coverage(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    monkeypatch.setenv("OTHER", "x")
    environment = Interpreter.of_this_process().environment
    assert name not in environment
    assert environment["OTHER"] == "x"
