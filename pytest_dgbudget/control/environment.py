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


@contextmanager
def variables_set(values: Mapping[str, str]) -> Iterator[None]:
    """Set variables in os.environ; afterwards, put back those that nobody else has changed."""
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in values.items():
            if os.environ.get(name) == value:
                _put_back(name, before[name])


def _put_back(name: str, value: str | None) -> None:
    if value is None:
        os.environ.pop(name, None)
    else:
        os.environ[name] = value
