"""What another emulator is told of what a test has set."""

from __future__ import annotations

from typing import Any

from pytest_dgbudget.protocol.emulator_calls import with_call
from pytest_dgbudget.protocol.operations import CallEmulator


def call(method: str, what: str, body: Any = None) -> CallEmulator:
    return CallEmulator(attempt="a", method=method, what=what, body=body)


def kept(*calls: CallEmulator) -> list[tuple[str, Any]]:
    found: tuple[CallEmulator, ...] = ()
    for each in calls:
        found = with_call(found, each)
    return [(each.what, each.body) for each in found]


def test_faults_add_up_and_of_scenarios_the_last_one_counts() -> None:
    calls = [
        call("PUT", "scenario", 1),
        call("POST", "faults", 1),
        call("PUT", "scenario", 2),
        call("POST", "faults", 2),
    ]
    assert kept(*calls) == [("faults", 1), ("scenario", 2), ("faults", 2)]


def test_what_was_removed_is_not_set_again() -> None:
    calls = [call("PUT", "scenario", 1), call("POST", "faults", 1), call("POST", "faults", 2)]
    assert kept(*calls, call("DELETE", "faults")) == [("scenario", 1)]
    assert kept(*calls, call("DELETE", "scenario")) == [("faults", 1), ("faults", 2)]


def test_what_is_said_once_is_not_said_again() -> None:
    assert kept(call("GET", "journal"), call("POST", "messages", {}), call("POST", "listening", {})) == []
