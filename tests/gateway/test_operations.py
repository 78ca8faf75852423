"""What owners ask is handled, each operation by a handler of its own."""

from __future__ import annotations

from typing import cast

from pytest_dgbudget.gateway.operations import Operations, ServedRun
from pytest_dgbudget.protocol.operations import OPERATIONS, FindRunningTest


def test_every_operation_has_one_handler() -> None:
    handlers = Operations(cast("ServedRun", None)).handlers
    assert set(handlers) == set(OPERATIONS.values()) - {FindRunningTest}
    assert len({handler.__name__ for handler in handlers.values()}) == len(handlers)
