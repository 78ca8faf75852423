"""A ledger on a server: eight begin it at once, connections are lost and made again, and what is held is seen."""

from __future__ import annotations

import builtins
import os
import signal
import sys
import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, suppress
from typing import Any
from urllib.parse import quote

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger import answer_limit
from pytest_dgbudget.ledger import postgres as postgres_ledger
from pytest_dgbudget.ledger.connection import (
    LEASES,
    Connection,
    LedgerLocked,
    LedgerNotWritable,
    LedgerUnreachable,
    Statement,
    served,
)
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.opening import changes_of, open_connection, open_existing
from pytest_dgbudget.ledger.postgres import PostgresConnection
from pytest_dgbudget.ledger.postgres_sql import FLUSH
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sql import INSERT_DIAL, INSERT_LEASE
from pytest_dgbudget.ledger.waiters import Queued
from pytest_dgbudget.model import WindowBudget
from pytest_dgbudget.report.projection import usage_document
from tests.support.ledger import leased, open_ledger, sums, usage
from tests.support.postgres import PostgresServer
from tests.support.processes import wait_until

from .test_changes import Told

GATEWAYS = 8
_LONG_WAITING = """SELECT count(*) FROM pg_locks WHERE locktype = 'advisory' AND NOT granted
    AND waitstart < clock_timestamp() - interval '0.1 s'"""


@pytest.fixture
def url(postgres: PostgresServer) -> str:
    return postgres.new_ledger()


@pytest.fixture
def connection(url: str) -> Iterator[PostgresConnection]:
    with closing(PostgresConnection(url, None)) as connection:
        yield connection


def cut(postgres: PostgresServer, connection: PostgresConnection) -> None:
    """Cut this one connection, as a network or a restart would."""
    pid = connection.rows("SELECT pg_backend_pid() AS pid", {})[0]["pid"]
    assert postgres.execute(f"SELECT pg_terminate_backend({pid}, 10000)") == [(True,)]


def lose_after_commit(connection: Connection, postgres: PostgresServer, patch: pytest.MonkeyPatch) -> None:
    """Cut a connection after its commits, before they are known of here."""
    assert isinstance(connection, PostgresConnection)
    commit = connection._commit

    def commit_and_lose() -> None:
        commit()
        cut(postgres, connection)
        connection.rows("SELECT 1", {})

    patch.setattr(connection, "_commit", commit_and_lose)


def test_gateways_that_begin_an_empty_ledger_at_the_same_moment_all_succeed(url: str) -> None:
    together = threading.Barrier(GATEWAYS)

    def begin(number: int) -> str:
        together.wait(20)
        with closing(open_ledger(url, id=f"invocation-{number}")) as ledger:
            return ledger.facts().id

    with ThreadPoolExecutor(GATEWAYS) as threads:
        assert list(threads.map(begin, range(GATEWAYS))) == ["run"] * GATEWAYS
    with closing(open_ledger(url, id="last")) as ledger:
        assert len(ledger.facts().invocations) == GATEWAYS + 1


def test_a_run_has_one_budget_whatever_gateway_spends_it(url: str) -> None:
    with closing(open_ledger(url, id="a")) as first, closing(open_ledger(url, id="b")) as second:
        lease = leased(first, first.begin_attempt("t", "", 10_000))
        attempt = second.begin_attempt("t", "", 10_000)
        assert sums(second, attempt)["run"] == (0, 10_000)
        first.settle(lease, 1000)
        assert sums(second, attempt)["run"] == (1000, 0)


def test_the_clock_is_the_servers(connection: PostgresConnection, postgres: PostgresServer) -> None:
    before, after = (postgres.execute("SELECT clock_timestamp()")[0][0] for _ in range(2))
    assert before <= after <= connection.now()
    assert connection.now().utcoffset() is not None


def test_what_one_excludes_others_wait_for_and_then_say_so(url: str, connection: PostgresConnection) -> None:
    with closing(PostgresConnection(url, None)) as other:
        with connection.transaction():
            connection.exclude(LEASES)
            with other.transaction():
                other.exclude("something else")
            other.wait_since(-1e9)  # it has waited for as long as it may
            with pytest.raises(LedgerLocked, match="locked by another process"), other.transaction():
                other.exclude(LEASES)
        with other.transaction():
            other.exclude(LEASES)


@pytest.mark.parametrize("default", ["default_transaction_isolation=repeatable\\ read", "statement_timeout=50"])
def test_whatever_the_defaults_of_a_database_who_has_waited_sees_what_was_written_meanwhile(
    url: str, connection: PostgresConnection, postgres: PostgresServer, default: str
) -> None:
    connection.execute("CREATE TABLE kept (number INTEGER)", {})

    def waits() -> object:
        with closing(PostgresConnection(f"{url}{quote(f' -c{default}')}", None)) as other, other.transaction():
            other.exclude(LEASES)
            return other.rows("SELECT number FROM kept", {})

    with ThreadPoolExecutor(1) as thread:
        with connection.transaction():
            connection.exclude(LEASES)
            waiting = thread.submit(waits)
            wait_until(lambda: postgres.execute(_LONG_WAITING) == [(1,)])
            connection.execute("INSERT INTO kept VALUES (1)", {})
        assert waiting.result(10) == [{"number": 1}]


def test_a_part_that_failed_takes_its_transaction_with_it_even_if_somebody_goes_on(
    connection: PostgresConnection,
) -> None:
    connection.execute("CREATE TABLE kept (number INTEGER)", {})
    with pytest.raises(LedgerError, match="nothing was kept"), connection.transaction():
        connection.execute("INSERT INTO kept VALUES (1)", {})
        with suppress(LedgerError):
            connection.execute("INSERT INTO missing VALUES (1)", {})
    assert connection.rows("SELECT * FROM kept", {}) == []
    connection.execute("INSERT INTO kept VALUES (2)", {})
    assert connection.rows("SELECT * FROM kept", {}) == [{"number": 2}]


def test_what_was_written_while_others_were_excluded_is_on_the_disk_when_it_is_done(
    connection: PostgresConnection,
) -> None:
    connection.execute("CREATE TABLE kept (number INTEGER)", {})
    for number in range(20):
        with connection.transaction():
            connection.exclude(LEASES)
            connection.execute("INSERT INTO kept VALUES (:number)", {"number": number})
            (written,) = connection.rows("SELECT pg_current_wal_insert_lsn()::text AS place", {})
        flushed = connection.rows("SELECT pg_current_wal_flush_lsn() >= (:place)::pg_lsn AS it", written)
        assert flushed == [{"it": True}]


def test_who_is_cut_off_before_it_is_on_the_disk_does_not_take_it_for_done(
    connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection.execute("CREATE TABLE kept (number INTEGER)", {})
    monkeypatch.setattr("pytest_dgbudget.ledger.postgres.FLUSH", "SELECT pg_terminate_backend(pg_backend_pid())")
    with pytest.raises(LedgerUnreachable), connection.transaction():
        connection.exclude(LEASES)
        connection.execute("INSERT INTO kept VALUES (1)", {})


# How many ways to the server and back it takes


@pytest.fixture
def ways(monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """What was said to servers, each time with the statements that were on the same way."""
    said: list[list[str]] = []
    send = PostgresConnection._send

    def noted(connection: PostgresConnection, statements: Sequence[Statement]) -> list[Any]:
        said.append([sql for sql, _ in statements])
        return send(connection, statements)

    monkeypatch.setattr(PostgresConnection, "_send", noted)
    return said


def test_a_lease_among_others_takes_two_ways(url: str, ways: list[list[str]]) -> None:
    windows = (WindowBudget(period="day", currency="money", allowed=10**9),)
    shared = SharedBudgets(windows=windows)
    with closing(open_ledger(url, billed=True, target="live", budget_ms=10**9, shared=shared)) as ledger:
        for number in range(4):
            attempt = ledger.begin_attempt(f"test_{number}", "", 10_000)
            ways.clear()
            assert isinstance(ledger.lease_to_dial(attempt), tuple)
        begin, end = ways
        assert begin[0] == "BEGIN"
        assert not any(each.startswith("INSERT") for each in begin)
        assert end == [INSERT_LEASE, INSERT_DIAL, "COMMIT", FLUSH]


def test_where_libpq_sends_one_statement_at_a_time_it_takes_more(
    url: str, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    monkeypatch.setattr(psycopg.Pipeline, "is_supported", lambda: False)
    monkeypatch.setattr(psycopg.Connection, "pipeline", None)
    with closing(open_ledger(url)) as ledger:
        leased(ledger, ledger.begin_attempt("t", "", 10_000))
        assert len(connection.rows("SELECT id FROM lease", {})) == 1


def test_what_nobody_awaited_an_answer_to_takes_its_transaction_with_it_when_it_fails(
    postgres: PostgresServer, connection: PostgresConnection
) -> None:
    connection.execute("CREATE TABLE kept (number INTEGER UNIQUE)", {})
    with pytest.raises(LedgerError, match="duplicate key"), connection.transaction():
        for _ in range(2):
            connection.insert("INSERT INTO kept VALUES (1)", {})
    with pytest.raises(LedgerUnreachable), connection.transaction():
        connection.insert("INSERT INTO kept VALUES (1)", {})
        cut(postgres, connection)
        connection.insert("INSERT INTO kept VALUES (2)", {})
    with connection.transaction():
        connection.insert("INSERT INTO kept VALUES (3)", {})
        connection.insert("INSERT INTO kept VALUES (4)", {})
        assert len(connection.rows("SELECT * FROM kept", {})) == 2
    assert connection.rows("SELECT * FROM kept", {}) == [{"number": 3}, {"number": 4}]


def test_what_was_read_ahead_is_read_anew_after_a_write(connection: PostgresConnection) -> None:
    connection.execute("CREATE TABLE kept (number INTEGER)", {})
    count: Statement = ("SELECT COUNT(*) AS count FROM kept", {})
    for number in range(4):
        with connection.transaction():
            connection.exclude(LEASES, [count])
            assert connection.rows(*count) == [{"count": number}]
            connection.insert("INSERT INTO kept VALUES (:number)", {"number": number})
            assert connection.rows(*count) == [{"count": number + 1}]


# What is held


def test_what_a_connection_holds_is_seen_until_it_is_gone(url: str, connection: PostgresConnection) -> None:
    other = PostgresConnection(url, None)
    other.hold("a")
    connection.hold("a")
    assert connection.held(["a", "b"]) == {"a"}
    other.close()
    assert connection.held(["a"]) == {"a"}
    with closing(PostgresConnection(url, None)) as third:
        connection.close()
        assert third.held(["a"]) == set()


def test_the_server_is_told_to_notice_soon_that_a_machine_is_gone(connection: PostgresConnection) -> None:
    """By its own defaults it keeps what such a one held for two hours."""
    of_session = "SELECT name FROM pg_settings WHERE source = 'session' AND name LIKE 'tcp%' ORDER BY name"
    assert [row["name"] for row in connection.rows(of_session, {})] == [
        *("tcp_keepalives_count", "tcp_keepalives_idle", "tcp_keepalives_interval", "tcp_user_timeout")
    ]


def test_a_gateway_shows_that_it_lives_and_which_run_it_serves(url: str, connection: PostgresConnection) -> None:
    ledger = open_ledger(url)
    leased(ledger, ledger.begin_attempt("t", "", 10_000))
    (row,) = connection.rows("SELECT gateway FROM lease", {})
    names = [row["gateway"], served("run")]
    assert connection.held([*names, served("other")]) == set(names)
    ledger.close()
    assert connection.held(names) == set()


# Lost connections


def test_a_connection_that_was_cut_while_it_was_idle_is_made_again_and_holds_what_it_held(
    url: str, postgres: PostgresServer, connection: PostgresConnection
) -> None:
    with closing(PostgresConnection(url, None)) as other:
        other.hold("a")
        cut(postgres, other)
        assert connection.held(["a"]) == set()
        with other.transaction():
            assert other.rows("SELECT 1 AS one", {}) == [{"one": 1}]
        assert connection.held(["a"]) == {"a"}


def test_a_transaction_whose_connection_was_cut_is_lost_and_the_next_one_goes_on(
    postgres: PostgresServer, connection: PostgresConnection
) -> None:
    connection.execute("CREATE TABLE kept (number INTEGER)", {})
    with pytest.raises(LedgerUnreachable, match="can't be reached"), connection.transaction():
        connection.execute("INSERT INTO kept VALUES (1)", {})
        cut(postgres, connection)
        with suppress(LedgerError):  # not even whoever goes on gets anything in
            connection.execute("INSERT INTO kept VALUES (2)", {})
        connection.execute("INSERT INTO kept VALUES (3)", {})
    with connection.transaction():
        connection.execute("INSERT INTO kept VALUES (4)", {})
    assert connection.rows("SELECT * FROM kept", {}) == [{"number": 4}]


def test_a_transaction_that_the_server_was_told_to_give_up_is_lost_alone(connection: PostgresConnection) -> None:
    with pytest.raises(LedgerUnreachable, match="canceling statement"), connection.transaction():
        connection.rows("SELECT pg_cancel_backend(pg_backend_pid()), pg_sleep(10)", {})
    with connection.transaction():
        assert connection.rows("SELECT 1 AS one", {}) == [{"one": 1}]


def test_a_server_that_can_not_be_reached_is_left_alone_for_a_while(
    connection: PostgresConnection, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    import psycopg

    cut(postgres, connection)
    attempts: list[object] = []

    def refuse(**given: Any) -> None:
        attempts.append(given)
        raise psycopg.OperationalError("connection refused")

    monkeypatch.setattr(psycopg, "connect", refuse)
    for _ in range(100):
        with pytest.raises(LedgerUnreachable, match="connection refused"):
            connection.rows("SELECT 1 AS one", {})
    assert 1 <= len(attempts) < 20


def test_a_server_that_answers_no_more_is_given_up_where_others_wait_for_the_answer(
    url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_ledger, "_ANSWER_SECONDS", 0.2)
    monkeypatch.setattr(answer_limit, "_LOOKS_SECONDS", 0.05)
    with closing(PostgresConnection(url, None)) as connection:
        connection.wait_since(time.monotonic())
        pid = connection.rows("SELECT pg_backend_pid() AS pid", {})[0]["pid"]
        try:
            with pytest.raises(LedgerUnreachable), connection.transaction():
                connection.rows("SELECT 1", {})
                os.kill(pid, signal.SIGSTOP)
                connection.rows("SELECT 1", {})
        finally:
            os.kill(pid, signal.SIGCONT)
        assert connection.rows("SELECT 1 AS one", {}) == [{"one": 1}]


def test_who_waits_for_a_long_answer_alone_gets_it(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(postgres_ledger, "_ANSWER_SECONDS", 0.02)
    monkeypatch.setattr(answer_limit, "_LOOKS_SECONDS", 0.01)
    with closing(PostgresConnection(url, None)) as connection:
        assert connection.rows("SELECT 1 AS one FROM pg_sleep(0.1)", {}) == [{"one": 1}]


def test_what_is_settled_after_a_sweep_changes_no_charge_and_what_was_used_is_known(url: str) -> None:
    """The sweep came while the connection was lost, and after the lease had ended."""
    lost, other = open_ledger(url, id="lost"), open_ledger(url, id="other")
    lease = leased(lost, lost.begin_attempt("t", "", 10_000))
    dial = lost.record_dial(lease)
    open_ledger(url, id="sweeps").close()
    with lost.together():
        lost.record_usage(usage(dial, 1234))
        lost.settle(lease, 1234)
    facts = other.facts()
    assert [(each.how, each.charged_ms) for each in facts.leases] == [("orphaned", 10_000)]
    assert [(session.ms, session.closed_by) for session in facts.sessions] == [(1234, "client")]
    lost.close()
    other.close()


def test_a_lease_whose_taker_never_heard_of_it_is_free_again(
    url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(url)
    attempt = ledger.begin_attempt("t", "", 60_000)
    with monkeypatch.context() as patch:
        lose_after_commit(ledger._db, postgres, patch)
        with pytest.raises(LedgerUnreachable):
            ledger.lease_to_dial(attempt, None, "waiter")
    assert sums(ledger, attempt)["run"] == (0, 60_000)
    for dial in ("waiter", "never written"):
        ledger.take_back(usage(dial, 0))
    assert sums(ledger, attempt)["run"] == (0, 0)
    assert [session.ms for session in ledger.facts().sessions] == [0]
    ledger.close()


def test_who_waits_without_having_heard_of_it_is_ahead_of_nobody(
    url: str, postgres: PostgresServer, connection: PostgresConnection, monkeypatch: pytest.MonkeyPatch
) -> None:
    live = frozenset({"run"})
    with closing(open_ledger(url, id="holds")) as holds, closing(open_ledger(url, id="waits", live=live)) as waits:
        leased(holds, holds.begin_attempt("t", "", 60_000))
        attempt = waits.begin_attempt("t", "", 60_000)
        with monkeypatch.context() as patch:
            lose_after_commit(waits._db, postgres, patch)
            with pytest.raises(LedgerUnreachable):
                waits.lease_to_dial(attempt, None, "waiter")
        assert len(connection.rows("SELECT id FROM waiter", {})) == 1
        waits.take_back(usage("waiter", 0))
        assert connection.rows("SELECT id FROM waiter", {}) == []


def test_a_further_dial_whose_asker_never_heard_of_it_ends_alone(
    url: str, postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = open_ledger(url)
    attempt = ledger.begin_attempt("t", "", 60_000)
    answer = ledger.lease_to_dial(attempt, None, "first")
    assert isinstance(answer, tuple)
    with monkeypatch.context() as patch:
        lose_after_commit(ledger._db, postgres, patch)
        with pytest.raises(LedgerUnreachable):
            ledger.further_dial(answer[0], attempt, None, "second")
    ledger.take_back(usage("second", 0))
    assert {(session.id, session.ms) for session in ledger.facts().sessions} == {("first", None), ("second", 0)}
    assert sums(ledger, attempt)["run"] == (0, 60_000)
    ledger.close()


# Who watches


def test_who_watches_is_told_that_something_is_free_when_it_is_and_not_before(
    url: str, postgres: PostgresServer
) -> None:
    with closing(open_ledger(url)) as ledger:
        lease = leased(ledger, ledger.begin_attempt("t", "", 10_000))
        told, changes = Told(), changes_of(url, None)
        changes.start(told)
        assert told.soon()
        with ledger.together():
            ledger.settle(lease, 1)
            assert told.never(0.15)
        assert told.soon()
        assert postgres.cut_connections() >= 2
        assert told.soon(), "what was missed while the connection was lost"
        changes.stop()


# What is no ledger, and who may do what


def test_a_database_without_tables_has_no_ledger_yet(url: str) -> None:
    assert open_existing(url, None, durable=True) is None
    open_ledger(url).close()
    found = open_existing(url, None, durable=True)
    assert found is not None
    found.close()


def test_a_ledger_of_the_version_before_is_upgraded_with_all_that_it_has(
    url: str, connection: PostgresConnection
) -> None:
    with closing(open_ledger(url)) as ledger:
        attempt = ledger.begin_attempt("t", "", 60_000)
        ledger.record_wait("w", attempt, 500, "run")
    for statement in (
        "DROP TABLE made_cassette",
        *(f"ALTER TABLE usage DROP COLUMN {column}" for column in ("cassette", "cassette_recorded_at", "mismatch")),
        *(f"ALTER TABLE archived DROP COLUMN {column}" for column in ("replays", "saved_ms", "saved_micro_usd")),
        "UPDATE schema SET version = 7",
    ):
        connection.execute(statement, {})
    with closing(open_ledger(url, id="later", live=frozenset({"run"}))) as ledger:
        lease = leased(ledger, ledger.begin_attempt("t", "", 60_000))
        dial = ledger.record_dial(lease)
        ledger.record_usage(usage(dial))
        ledger.record_made_cassette(dial, "cassettes/t/1")
        facts = ledger.facts()
    assert [(each.cassette, each.replay_result) for each in facts.sessions] == [("cassettes/t/1", "recorded")]
    assert sorted(each.waited_ms for each in facts.attempts) == [0, 500]


def test_tables_of_somebody_else_are_named_and_left_alone(url: str, connection: PostgresConnection) -> None:
    connection.execute("CREATE TABLE theirs (number INTEGER)", {})
    with pytest.raises(LedgerError, match="is not a pytest-dgbudget ledger"):
        open_ledger(url)
    assert connection.tables() == {"theirs"}


def test_who_may_only_read_insert_and_wait_uses_a_ledger_that_is_there_and_can_make_none(
    url: str, postgres: PostgresServer
) -> None:
    schema = url.rpartition("%3D")[2]
    postgres.execute(f"CREATE ROLE {schema} LOGIN; GRANT USAGE ON SCHEMA {schema} TO {schema}")
    theirs = url.replace("postgres@", f"{schema}@")
    with pytest.raises(LedgerNotWritable, match=r"permission denied.*right to create tables"):
        open_ledger(theirs)
    open_ledger(url).close()
    postgres.execute(f"GRANT SELECT, INSERT ON ALL TABLES IN SCHEMA {schema} TO {schema}")
    with pytest.raises(LedgerNotWritable, match=r"permission denied.*in its table waiter to update and delete"):
        open_ledger(theirs)
    postgres.execute(f"GRANT UPDATE, DELETE ON {schema}.waiter TO {schema}")
    ledger: Ledger = open_ledger(theirs, id="theirs", live=frozenset({"run"}))
    lease = leased(ledger, ledger.begin_attempt("t", "", 60_000))
    attempt = ledger.begin_attempt("waits", "", 60_000)
    assert isinstance(ledger.lease_to_dial(attempt, None, "waiter"), Queued)
    ledger.stop_waiting("waiter")
    ledger.record_usage(usage(ledger.record_dial(lease)))
    ledger.settle(lease, 1000)
    ledger.record_reconciliation({"verdict": "pending"}, {})
    ledger.end_invocation(0)
    ledger.close()


def test_a_server_that_is_not_there_is_named_without_the_password() -> None:
    with pytest.raises(LedgerUnreachable) as error:
        open_connection("postgresql://user@127.0.0.1:1/db?connect_timeout=1", "hunter2", durable=True)
    assert "postgresql://user@127.0.0.1:1/db" in str(error.value)
    assert "PGPASSWORD" in str(error.value)
    cause: BaseException | None = error.value
    while cause is not None:
        assert "hunter2" not in f"{cause!r} {cause}"
        cause = cause.__cause__


def test_without_psycopg_it_is_said_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    imports = builtins.__import__

    def without_it(name: str, *others: Any) -> Any:
        if name.partition(".")[0] == "psycopg":
            raise ImportError("No module named 'psycopg'")
        return imports(name, *others)

    monkeypatch.delitem(sys.modules, "psycopg", raising=False)
    monkeypatch.setattr(builtins, "__import__", without_it)
    with pytest.raises(LedgerError, match=r"pip install 'pytest-dgbudget\[postgres\]'"):
        open_connection("postgresql://host/db", None, durable=True)


def test_an_invocation_whose_gateway_lives_is_under_way_and_interrupts_no_other_one(url: str) -> None:
    first, second = open_ledger(url, id="a"), open_ledger(url, id="b")
    first.end_invocation(0)
    seen = first.facts()
    assert [(each.id, each.is_under_way) for each in seen.invocations] == [("a", False), ("b", True)]
    run = usage_document(seen)["run"]
    assert (run["verdict"], run["complete"], run["finished_at"]) == ("within", True, None)
    second.close()
    run = usage_document(first.facts())["run"]
    assert (run["verdict"], run["complete"]) == ("interrupted", False)
    first.close()
