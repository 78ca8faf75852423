"""Read a project's ledger past the product, as anybody could."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any


def rows_of(project: Path, statement: str) -> list[tuple[Any, ...]]:
    with closing(sqlite3.connect(project / ".dgbudget/ledger.db", timeout=10)) as ledger:
        return ledger.execute(statement).fetchall()


def ends_of_leases(project: Path) -> list[str | None]:
    """How each lease ended, in the order in which they were taken; None while it is open, once for each end."""
    ends = "SELECT lease_end.how FROM lease LEFT JOIN lease_end ON lease_end.lease = lease.id ORDER BY lease.taken_at"
    return [how for (how,) in rows_of(project, ends)]
