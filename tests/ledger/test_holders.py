"""Who ends a lease that was left open: only what is known to be over, by a lock of this machine or by the time."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from socket import gethostname

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.run_ledger import RunLedger
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger.connection import Connection
from pytest_dgbudget.ledger.holders import holders_of
from pytest_dgbudget.ledger.postgres import PostgresConnection
from pytest_dgbudget.ledger.run_lock import RunLock
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.sweep import sweep
from pytest_dgbudget.protocol.startup import GatewayConfig
from tests.support.gateway import run_config_for
from tests.support.ledger import ends_of_leases, leased, open_ledger
from tests.support.postgres import PostgresServer
from tests.support.vendor import KEY


def leave_a_lease_open(folder: Path, host: str) -> None:
    """Have a gateway that takes a lease of ten seconds, dials, and is gone."""
    lost = open_ledger(folder / ".dgbudget/ledger.db", id="lost", run="lost", target="live", host=host)
    lost.record_dial(leased(lost, lost.begin_attempt("t", "", 10_000)))
    lost.close()


def begin_gateway(folder: Path, *, run: str = "next", **options: str) -> None:
    """Open the ledger as every gateway of this machine does when it starts."""
    config = GatewayConfig(
        run_config=run_config_for("ws://127.0.0.1:1/v1/agent/converse", folder, dg_run_id=run, **options),
        invocation=f"of-{run}",
        predecessor=None,
        takes_over=False,
        host=gethostname(),
        pid=os.getpid(),
        started=None,
        temporary_folder=str(folder / "temporary"),
        listener=-1,
        connected=(),
        public_listener=None,
        scripts_folder=str(folder / "scripts"),
        worker_tokens=(),
        log=str(folder / "log"),
        debug=False,
        app_token=None,
        api_key=KEY,
        secret="control-secret",
    )
    run_ledger = RunLedger(config)
    run_ledger.open().close()
    run_ledger.release()


def test_a_gateway_whose_ledger_cannot_be_reached_leaves_no_lock(tmp_path: Path) -> None:
    with pytest.raises(LedgerError, match="can't be reached"):
        begin_gateway(tmp_path, dg_ledger=f"postgresql:///ledger?host={tmp_path}")
    assert list((tmp_path / ".dgbudget").glob("*.lock")) == []


@pytest.mark.parametrize("run", ["next", "lost"])
def test_a_gateway_that_begins_ends_what_this_machine_left_open(tmp_path: Path, run: str) -> None:
    """Of its own run, too: it has the run's lock itself."""
    leave_a_lease_open(tmp_path, gethostname())
    begin_gateway(tmp_path, run=run)
    assert "orphaned" in ends_of_leases(tmp_path)


def test_a_gateway_that_begins_leaves_what_another_gateway_of_this_machine_holds(tmp_path: Path) -> None:
    leave_a_lease_open(tmp_path, gethostname())
    lock = RunLock(tmp_path / ".dgbudget", "lost")
    begin_gateway(tmp_path)
    assert ends_of_leases(tmp_path) == [None]
    lock.release()


@pytest.mark.parametrize("run", ["next", "lost"])
@pytest.mark.parametrize(("minutes_ago", "end"), [(-1, None), (4, None), (6, "orphaned")])
def test_a_gateway_that_begins_leaves_a_lease_of_another_machine_until_its_time_has_passed(
    tmp_path: Path, run: str, minutes_ago: int, end: str | None
) -> None:
    """Within five minutes, that machine's clock may be behind ours."""
    leave_a_lease_open(tmp_path, "elsewhere")
    ends_at = write_instant(datetime.now(timezone.utc) - timedelta(minutes=minutes_ago))
    with closing(sqlite3.connect(tmp_path / ".dgbudget/ledger.db")) as ledger, ledger:
        ledger.execute("UPDATE lease SET ends_at = ?", (ends_at,))
    begin_gateway(tmp_path, run=run)
    assert ends_of_leases(tmp_path) == [end]


# On a server


def left_on_server(url: str, *, ends_in_ms: int) -> PostgresConnection:
    """Leave a lease open; return the connection of the gateway that holds it."""
    lost = open_ledger(url, id="lost", run="lost", host="elsewhere")
    lost.record_dial(leased(lost, lost.begin_attempt("t", "", 10_000)))
    connection = lost._db
    assert isinstance(connection, PostgresConnection)
    ends_at = write_instant(connection.now() + timedelta(milliseconds=ends_in_ms))
    connection.execute("UPDATE lease SET ends_at = :ends_at", {"ends_at": ends_at})
    return connection


@pytest.mark.parametrize(("lives", "ends_in_ms"), [(True, 60_000), (True, -60_000), (False, 60_000), (False, -1)])
def test_on_a_server_a_lease_is_held_while_its_gateway_is_connected_or_until_it_ends(
    postgres: PostgresServer, tmp_path: Path, lives: bool, ends_in_ms: int
) -> None:
    url = postgres.new_ledger()
    gateway = left_on_server(url, ends_in_ms=ends_in_ms)
    if not lives:
        gateway.close()
    with closing(PostgresConnection(url, None)) as connection:
        holders = holders_of(url, connection, tmp_path, gethostname())
        assert holders.live(["lost", "other"]) == ({"lost"} if lives else set())
        assert holders.may_serve("lost") == (lives or ends_in_ms > 0)
        assert holders.may_serve("other") is None
        with connection.transaction():
            swept = sweep(connection, holders.may_hold)
    assert [lease.how for lease in swept] == [None if lives or ends_in_ms > 0 else "orphaned"]
    gateway.close()


def test_a_gateway_serves_its_run_while_it_has_the_runs_lock(tmp_path: Path) -> None:
    with closing(SqliteConnection(tmp_path / "ledger.db", durable=False)) as connection:
        assert not serves(connection, tmp_path)
        lock = RunLock(tmp_path, "run")
        assert serves(connection, tmp_path)
        assert not serves(connection, tmp_path, own_run="run"), "the one before it"
        lock.release()


def serves(connection: Connection, folder: Path, own_run: str | None = None) -> bool:
    """Return whether a gateway that waits is valid, as one sees it that serves ``own_run``."""
    return holders_of(folder / "ledger.db", connection, folder, "here", own_run).serves("run", "gateway")
