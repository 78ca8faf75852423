"""What the processes that we start inherit."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest

from pytest_dgbudget.processes import Interpreter


@pytest.mark.parametrize(
    "name", ["DEEPGRAM_API_KEY", "DG_AGENT_URL", "DGBUDGET_LOG", "COVERAGE_PROCESS_START", "COV_CORE_SOURCE"]
)
def test_our_processes_inherit_nothing_that_is_meant_for_tests_or_coverage(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.setenv(name, "x")
    monkeypatch.setenv("OTHER", "x")
    environment = Interpreter.of_this_process().environment
    assert name not in environment
    assert environment["OTHER"] == "x"


class _Vanishing(dict[str, str]):
    """An environment from which another thread removes a variable while it is read."""

    def __iter__(self) -> Iterator[str]:
        yield "GONE"
        yield from super().__iter__()


def test_a_variable_that_vanishes_meanwhile_is_not_inherited(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "environ", _Vanishing(os.environ, OTHER="x"))
    environment = Interpreter.of_this_process().environment
    assert "GONE" not in environment
    assert environment["OTHER"] == "x"
