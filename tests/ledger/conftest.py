"""Every backend gets the same tests; there is one backend."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.ledger.ledger import Ledger
from tests.support.ledger import open_ledger

OpenLedger = Callable[..., Ledger]


@pytest.fixture
def open_again(tmp_path: Path) -> Iterator[OpenLedger]:
    """Opens the same ledger as many times as a test wants."""
    opened: list[Ledger] = []

    def open_one(**fields: Any) -> Ledger:
        opened.append(open_ledger(tmp_path / "ledger.db", **fields))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_again: OpenLedger) -> Ledger:
    return open_again()
