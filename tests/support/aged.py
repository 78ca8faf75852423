"""Ledgers as they are long after."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

from tests.support.postgres import PostgresServer

_INSTANTS = {
    "run": ("at",),
    "invocation": ("at",),
    "invocation_end": ("at",),
    "attempt": ("at",),
    "refusal": ("at",),
    "bypass": ("at",),
    "lease": ("taken_at", "ends_at"),
    "lease_end": ("at",),
    "dial": ("at",),
    "usage": ("closed_at",),
    "reconciliation": ("at",),
    "run_key": ("made_at",),
}


def age(ledger: Path, days: int) -> None:
    """Have all that is in a ledger be so many days older."""
    with closing(sqlite3.connect(ledger, timeout=10)) as connection:
        for table, columns in _INSTANTS.items():
            older = ", ".join(f"{each} = strftime('%Y-%m-%dT%H:%M:%fZ', {each}, '-{days} days')" for each in columns)
            connection.execute(f"UPDATE {table} SET {older}")
        connection.commit()


def age_on_server(server: PostgresServer, url: str) -> None:
    """Have all that is in a ledger on a server be of the year 2020."""
    for table, columns in _INSTANTS.items():
        older = ", ".join(f"{each} = '2020' || SUBSTR({each}, 5)" for each in columns)
        server.execute(f"UPDATE {table} SET {older}", url)
