"""Hears what the gateways of a ledger on a server announce."""

from __future__ import annotations

import select

from pytest_dgbudget.ledger.postgres import PostgresConnection
from pytest_dgbudget.ledger.postgres_sql import LISTEN


class PostgresWatch:
    """Listens to what ``announce`` tells."""

    def __init__(self, url: str, password: str | None) -> None:
        self._ledger = PostgresConnection(url, password)
        self._ledger.execute(LISTEN, {})
        self._connection = self._ledger._connection

    def has_changed(self, seconds: float) -> bool:
        pgconn = self._connection.pgconn
        with self._ledger._translated():
            if select.select([self._connection], [], [], seconds)[0]:
                pgconn.consume_input()
            told = False
            while pgconn.notifies() is not None:
                told = True
        return told

    def close(self) -> None:
        self._ledger.close()
