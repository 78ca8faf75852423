"""os.environ while something of this process is metered: values are set, and put back afterwards."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from pytest_dgbudget.errors import DgBudgetError

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


class EnvironmentClaim:
    """os.environ has room for one key: only one test at a time may set its own there."""

    def __init__(self) -> None:
        self._is_held = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold os.environ; raises DgBudgetError while another test does."""
        if self._is_held:
            raise DgBudgetError(
                "two tests with voice_agent are running at once in this process, but os.environ has room for only one "
                "key: set the ini key dg_keep_key = true and pass voice_agent.endpoint.environ to the code under test"
            )
        self._is_held = True
        try:
            yield
        finally:
            self._is_held = False


class VariablesHeld:
    """Variables that are ours until ``put_back``, which leaves alone what somebody else has changed meanwhile."""

    def __init__(self) -> None:
        self._before: dict[str, str | None] = {}
        self._ours: dict[str, str | None] = {}

    def set(self, values: Mapping[str, str | None]) -> None:
        """Set variables; None removes one."""
        for name, value in values.items():
            now = os.environ.get(name)
            if name not in self._ours or now != self._ours[name]:
                self._before[name] = now
            self._ours[name] = value
            _put_back(name, value)

    def put_back(self) -> None:
        for name, value in self._ours.items():
            if os.environ.get(name) == value:
                _put_back(name, self._before[name])
        self._before.clear()
        self._ours.clear()


@contextmanager
def variables_set(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables in os.environ; afterwards, put back those that nobody else has changed."""
    held = VariablesHeld()
    held.set(values)
    try:
        yield
    finally:
        held.put_back()


def _put_back(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
