"""A run that is joined or started by its first use."""

from __future__ import annotations

from typing import cast

import pytest

from pytest_dgbudget.control.on_demand import RunOnDemand
from pytest_dgbudget.control.run import RunHandle
from pytest_dgbudget.errors import GatewayError

HANDLE = cast(RunHandle, object())


class Opening:
    """Opens a run, or fails to, and counts how often it was asked."""

    def __init__(self, error: GatewayError | None = None) -> None:
        self.times = 0
        self._error = error

    def __call__(self) -> RunHandle:
        self.times += 1
        if self._error is not None:
            raise self._error
        return HANDLE


def test_nothing_is_opened_before_the_first_use() -> None:
    opening = Opening()
    run = RunOnDemand(opening)
    assert (run.run, run.error, opening.times) == (None, None, 0)


def test_every_use_gets_the_handle_that_the_first_one_opened() -> None:
    opening = Opening()
    run = RunOnDemand(opening)
    assert [run.open(), run.open()] == [HANDLE, HANDLE]
    assert (run.run, opening.times) == (HANDLE, 1)


def test_every_use_gets_the_error_that_the_first_one_met() -> None:
    error = GatewayError("it can't be started")
    opening = Opening(error)
    run = RunOnDemand(opening)
    for _ in range(2):
        with pytest.raises(GatewayError) as raised:
            run.open()
        assert raised.value is error
    assert (run.run, run.error, opening.times) == (None, error, 1)
