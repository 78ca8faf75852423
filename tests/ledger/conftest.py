"""Every backend gets the same tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import open_connection
from tests.support.ledger import open_ledger
from tests.support.postgres import PostgresServer

OpenLedger = Callable[..., Ledger]
Address = Path | str


@pytest.fixture(params=["sqlite", "postgres"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Address:
    """Where a ledger can be in which nothing is yet."""
    if request.param == "sqlite":
        return tmp_path / "ledger.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_ledger()


@pytest.fixture
def open_again(address: Address) -> Iterator[OpenLedger]:
    """Opens the same ledger as many times as a test wants."""
    opened: list[Ledger] = []

    def open_one(**fields: Any) -> Ledger:
        opened.append(open_ledger(address, **fields))
        return opened[-1]

    yield open_one
    for ledger in opened:
        ledger.close()


@pytest.fixture
def ledger(open_again: OpenLedger) -> Ledger:
    return open_again()


@pytest.fixture
def connection(address: Address) -> Iterator[Connection]:
    """Another connection to the same ledger."""
    with closing(open_connection(address, None, durable=False)) as connection:
        yield connection
