"""What a test has set at the emulator, as the calls by which another one is told that takes its place. Pure."""

from __future__ import annotations

from pytest_dgbudget.protocol.operations import CallEmulator

# What is said once: to a session that is open, or to be answered.
_SAID_ONCE = frozenset({"messages", "listening", "journal"})


def with_call(calls: tuple[CallEmulator, ...], call: CallEmulator) -> tuple[CallEmulator, ...]:
    """Return the calls that lead to where these and one more have led; POST adds, PUT replaces, DELETE removes all."""
    if call.what in _SAID_ONCE:
        return calls
    others = calls if call.method == "POST" else tuple(each for each in calls if each.what != call.what)
    return others if call.method == "DELETE" else (*others, call)
