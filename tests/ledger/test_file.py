"""The file: made where there is none, refused and left alone where it is not ours."""

from __future__ import annotations

import sqlite3
import threading
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.ledger import schema, sql, sqlite
from pytest_dgbudget.ledger.connection import LedgerNotWritable
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import Bypass
from tests.support.ledger import leased, open_ledger, usage

from .conftest import OpenLedger


def execute(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        for statement in statements:
            connection.execute(statement)


def refused(path: Path) -> str:
    with pytest.raises(LedgerError) as error:
        open_ledger(path)
    return str(error.value)


def test_what_was_told_is_there_when_opened_again(open_again: OpenLedger) -> None:
    first = open_again()
    first.settle(leased(first, first.begin_attempt("t", "", 10_000)), 1234)
    first.close()
    assert [lease.charged_ms for lease in open_again(id="later").facts().leases] == [1234]


def test_its_folder_ignores_itself_for_git(tmp_path: Path) -> None:
    open_ledger(tmp_path / ".dgbudget/ledger.db").close()
    assert (tmp_path / ".dgbudget/.gitignore").read_text() == "*\n"


@pytest.mark.parametrize(("durable", "synchronous"), [(True, 2), (False, 1)])
def test_where_money_is_spent_every_commit_reaches_the_disk(tmp_path: Path, durable: bool, synchronous: int) -> None:
    with closing(SqliteConnection(tmp_path / "ledger.db", durable=durable)) as connection:
        assert connection.rows("PRAGMA synchronous", {}) == [{"synchronous": synchronous}]
        assert connection.rows("PRAGMA journal_mode", {}) == [{"journal_mode": "wal"}]


def test_an_empty_file_becomes_a_ledger(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").touch()
    open_ledger(tmp_path / "ledger.db").close()


def test_who_opens_a_new_file_waits_for_another_who_is_making_it(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        other.execute("BEGIN IMMEDIATE")
        ends = threading.Timer(0.2, other.execute, ["COMMIT"])
        ends.start()
        try:
            open_ledger(path).close()
        finally:
            ends.join()


@pytest.mark.parametrize("how", ["BEGIN IMMEDIATE", "PRAGMA locking_mode=EXCLUSIVE"])
def test_a_ledger_that_another_process_holds_is_named_with_how_long_it_was_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: str
) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 1)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute(how)
        other.execute("CREATE TABLE theirs (a)")
        message = refused(path)
    assert message.startswith(f"the ledger {path} is locked by another process, which did not release it within 1 s")
    assert "--dg-ledger" in message


@pytest.mark.parametrize(
    "content", [b"not a database " * 100, b"SQLite format 3\0" + b"\xff" * 4080], ids=["text", "torn"]
)
def test_a_file_that_is_no_database_is_named_and_left_alone(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    message = refused(path)
    assert str(path) in message
    assert "--dg-ledger" in message
    assert path.read_bytes() == content
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_that_is_no_database_is_closed_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    connect, opened = sqlite3.connect, list[sqlite3.Connection]()

    def connect_and_note(path: Path, **options: Any) -> sqlite3.Connection:
        opened.append(connect(path, **options))
        return opened[-1]

    monkeypatch.setattr(sqlite3, "connect", connect_and_note)
    (tmp_path / "notes.txt").write_text("not a database " * 100)
    refused(tmp_path / "notes.txt")
    with closing(opened[0]), pytest.raises(sqlite3.ProgrammingError, match="closed"):
        opened[0].execute("SELECT 1")


@pytest.mark.parametrize("table", ["theirs (a)", "schema (version)"])
def test_somebody_elses_database_is_named(tmp_path: Path, table: str) -> None:
    path = tmp_path / "theirs.db"
    execute(path, f"CREATE TABLE {table}")
    message = refused(path)
    assert f"{path} is not a pytest-dgbudget ledger" in message
    assert "--dg-ledger" in message


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "theirs.db"
    execute(path, "CREATE TABLE theirs (a)", "INSERT INTO theirs VALUES (1)")
    before = path.read_bytes()
    refused(path)
    assert path.read_bytes() == before


VERSION_1 = Path(__file__).parent / "version-1.sql"
VERSION_2 = Path(__file__).parent / "version-2.sql"
VERSION_3 = Path(__file__).parent / "version-3.sql"
VERSION_4 = Path(__file__).parent / "version-4.sql"
VERSION_5 = Path(__file__).parent / "version-5.sql"
VERSION_6 = Path(__file__).parent / "version-6.sql"
VERSION_7 = Path(__file__).parent / "version-7.sql"
WITHOUT_PRICES = (VERSION_1, VERSION_2, VERSION_3, VERSION_4)
VERSIONS = (*WITHOUT_PRICES, VERSION_5, VERSION_6, VERSION_7)


def made_by(version: Path, path: Path) -> Path:
    """Make a ledger as that version's release did."""
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(version.read_text(encoding="utf-8"))
    return path


def columns_of(path: Path) -> dict[str, set[str]]:
    """Return the columns of each table, and what each index is of."""
    with closing(sqlite3.connect(path)) as connection:
        tables = connection.execute("SELECT name, sql, type FROM sqlite_master WHERE sql IS NOT NULL").fetchall()
        return {
            name: {column[1] for column in connection.execute(f"PRAGMA table_info({name})")}
            if kind == "table"
            else {statement}
            for name, statement, kind in tables
        }


def test_a_newer_ledger_is_refused_and_gains_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    execute(path, f"INSERT INTO schema (version) VALUES ({schema.VERSION + 1})")
    before = sorted(dump(path))
    message = refused(path)
    assert str(path) in message
    assert f"version {schema.VERSION + 1}" in message
    assert "upgrade" in message
    assert sorted(dump(path)) == before


def test_a_ledger_of_the_first_version_is_upgraded_with_all_that_it_has(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_1.read_text(encoding="utf-8"))
    ledger = open_ledger(path, id="later")
    facts = ledger.facts()
    assert [(lease.how, lease.charged_ms) for lease in facts.leases] == [("settled", 2000), ("orphaned", 8000)]
    assert [(session.ms, session.tagged) for session in facts.sessions] == [(2000, None), (None, None)]
    assert facts.reconciliation is None
    ledger.record_reconciliation({"verdict": "pending"})
    assert ledger.facts().reconciliation == {"verdict": "pending"}
    ledger.close()
    open_ledger(path, id="later still").close()
    open_ledger(tmp_path / "new.db").close()
    assert columns_of(path) == columns_of(tmp_path / "new.db")


def test_a_ledger_whose_rows_were_numbered_by_counting_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_2.read_text(encoding="utf-8"))
    ledger = open_ledger(path, id="later")
    facts = ledger.facts()
    assert [(attempt.number, attempt.outcome) for attempt in facts.attempts] == [(1, "rerun"), (2, "error")]
    assert sorted((lease.how, lease.ended_ms, lease.charged_ms) for lease in facts.leases) == [
        ("orphaned", 8000, 3000),
        ("settled", 2000, 2000),
    ]
    assert facts.reconciliation == {"verdict": "inconclusive"}
    (orphaned,) = [lease.id for lease in facts.leases if lease.how == "orphaned"]
    ledger.record_outcome(facts.attempts[1].id, "failed")
    ledger.record_reconciliation({"verdict": "pending"}, {orphaned: 1234})
    ledger.record_reconciliation({"verdict": "reconciled"})
    facts = ledger.facts()
    assert [attempt.outcome for attempt in facts.attempts] == ["rerun", "failed"]
    assert sorted(lease.charged_ms for lease in facts.leases) == [1234, 2000]
    assert facts.reconciliation == {"verdict": "reconciled"}
    ledger.close()


def test_a_ledger_that_noted_no_bypasses_goes_on_and_of_its_runs_that_is_unknown(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(VERSION_3.read_text(encoding="utf-8"))
    ledger = open_ledger(path, id="later", may_bypass=True)
    told = Bypass(host="agent.deepgram.com", path="/v1/agent/converse", how="passed", program="app")
    attempt = ledger.begin_attempt("t", "", None)
    ledger.record_bypass("1", attempt.id, told)
    ledger.record_bypass("2", None, told)
    facts, known = ledger.facts(), ledger.known_attempt(attempt.id)
    assert [invocation.may_bypass for invocation in facts.invocations] == [None, None, 1]
    assert facts.bypasses == (told, told)
    assert known is not None
    assert known.bypasses == (told,)
    ledger.close()


@pytest.mark.parametrize("version", VERSIONS, ids=lambda path: path.stem)
def test_a_ledger_of_each_earlier_version_becomes_like_a_new_one_and_keeps_every_row(
    tmp_path: Path, version: Path
) -> None:
    path = made_by(version, tmp_path / "ledger.db")
    before, known = rows(path), columns_of(path)
    open_ledger(path, id="later").close()
    open_ledger(tmp_path / "new.db").close()
    assert columns_of(path) == columns_of(tmp_path / "new.db")
    after = {
        table: {tuple(value for value in row if value[0] in known.get(table, ())) for row in of_table}
        for table, of_table in rows(path).items()
    }
    assert {table: kept for table, kept in before.items() if not kept <= after[table]} == {}


@pytest.mark.parametrize("version", WITHOUT_PRICES, ids=lambda path: path.stem)
def test_what_earlier_versions_recorded_has_no_price_and_that_is_unknown(tmp_path: Path, version: Path) -> None:
    ledger = open_ledger(made_by(version, tmp_path / "ledger.db"), id="later")
    facts = ledger.facts()
    assert {lease.charged_micro_usd for lease in facts.leases} == {None}
    assert {session.micro_usd for session in facts.sessions} == {None}
    ledger.close()


def test_a_budget_that_cut_a_session_of_an_earlier_version_is_still_spent(tmp_path: Path) -> None:
    path = made_by(VERSION_5, tmp_path / "ledger.db")
    for budget_ms, is_spent in ((60_000, True), (61_300, False)):
        with closing(open_ledger(path, id=f"asks with {budget_ms}", budget_ms=budget_ms)) as ledger:
            (scope,) = ledger.scopes(ledger.begin_attempt("t", "", None))
            assert (scope.settled, scope.was_cut) == (59_800, is_spent)


def test_of_a_session_of_an_earlier_version_nobody_noted_what_the_vendor_reported(tmp_path: Path) -> None:
    path = made_by(VERSION_6, tmp_path / "ledger.db")
    with closing(open_ledger(path, id="later")) as ledger:
        facts = ledger.facts()
    assert [(session.ms, session.vendor_reports) for session in facts.sessions] == [(9800, None)]
    assert [turn.latency_ms for turn in facts.turns] == [1200]
    assert {each.nodeid: (each.waited_ms, each.refused) for each in facts.attempts} == {
        "test_x.py::test": (0, 0),
        "test_x.py::other": (1500, 2),
    }
    assert len(facts.bypasses) == 1


def test_the_version_before_goes_on_writing_into_a_ledger_of_this_one(tmp_path: Path) -> None:
    """Its statements name neither an id of a wait nor what the vendor reported."""
    path = tmp_path / "ledger.db"
    assert schema.WRITABLE_FROM == 6
    with closing(open_ledger(path)) as ledger:
        attempt = ledger.begin_attempt("t", "", None)
        for _ in range(2):
            execute(path, f"INSERT INTO wait (attempt, ms, waits_for) VALUES ('{attempt.id}', 300, 'run')")
        assert [each.waited_ms for each in ledger.facts().attempts] == [600]


def test_a_later_version_that_lets_this_one_write_is_written_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    later = f"INSERT INTO schema (version, writable_from) VALUES ({schema.VERSION + 1}, {schema.VERSION})"
    execute(path, later, "ALTER TABLE usage ADD COLUMN mood TEXT", "CREATE TABLE mood (name TEXT)")
    ledger = open_ledger(path, id="later")
    attempt = ledger.begin_attempt("t", "", None)
    answer = ledger.lease_to_dial(attempt)
    assert isinstance(answer, tuple)
    ledger.record_usage(usage(answer[1], 1500))
    ledger.settle(answer[0], 1500, 2000)
    assert [session.ms for session in ledger.facts().sessions] == [1500]
    ledger.close()
    assert "mood" in columns_of(path)["usage"]


def rows(path: Path) -> dict[str, set[tuple[tuple[str, Any], ...]]]:
    """Return what each table has, without what is NULL: an upgrade adds that."""
    with closing(sqlite3.connect(path)) as connection:
        connection.row_factory = sqlite3.Row
        names = [name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")]
        return {
            name: {
                tuple((key, row[key]) for key in sorted(row.keys()) if row[key] is not None and key not in ADDED)
                for row in connection.execute(f"SELECT * FROM {name}")
            }
            for name in names
        }


# What upgrades to the third version filled: each lease's number, and how often there was a refusal.
ADDED = {"number", "times"}


def dump(path: Path) -> list[str]:
    with closing(sqlite3.connect(path)) as connection:
        return list(connection.iterdump())


def test_numbers_follow_the_highest_there_is(tmp_path: Path) -> None:
    """Counting would give a number twice where a row in between is gone, and of two last ones neither is the last."""
    path = tmp_path / "ledger.db"
    ledger = open_ledger(path)
    first, *_ = [ledger.begin_attempt("t", "", None) for _ in range(3)]
    lease = leased(ledger, first)
    for number in range(3):
        ledger.record_outcome(first.id, "passed")
        ledger.record_reconciliation({"verdict": "pending"}, {lease.id: number})
    execute(path, "DELETE FROM attempt WHERE number = 2")
    execute(path, *(f"DELETE FROM {table} WHERE seq = 0" for table in ("outcome", "stated", "reconciliation")))
    ledger.record_outcome(first.id, "failed")
    ledger.record_reconciliation({"verdict": "reconciled"}, {lease.id: 1234})
    assert ledger.begin_attempt("t", "", None).number == 4
    facts = ledger.facts()
    assert [attempt.outcome for attempt in facts.attempts if attempt.id == first.id] == ["failed"]
    assert [lease.charged_ms for lease in facts.leases] == [1234]
    assert facts.reconciliation == {"verdict": "reconciled"}
    ledger.close()
    with closing(sqlite3.connect(path)) as connection:
        for table in ("outcome", "stated", "reconciliation"):
            assert connection.execute(f"SELECT seq FROM {table} ORDER BY seq").fetchall() == [(1,), (2,), (3,)]


def test_a_run_id_of_another_target_is_refused_and_gains_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    before = sorted(dump(path))
    with pytest.raises(LedgerError, match="--dg-run-id") as error:
        open_ledger(path, id="other", target="live", billed=True)
    assert "'run'" in str(error.value)
    assert "'emulator'" in str(error.value)
    assert sorted(dump(path)) == before


def test_a_folder_that_cannot_be_made_is_not_writable(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(LedgerNotWritable, match="--dg-ledger") as error:
        open_ledger(tmp_path / "file" / "folder" / "ledger.db")
    assert str(tmp_path / "file" / "folder") in str(error.value)


def test_a_folder_in_the_files_place_is_not_writable(tmp_path: Path) -> None:
    with pytest.raises(LedgerNotWritable, match="--dg-ledger"):
        open_ledger(tmp_path)


def test_what_cannot_be_opened_is_an_error_of_another_kind_than_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "x").write_text("no database" * 100)
    with pytest.raises(LedgerError) as error:
        open_ledger(tmp_path / "x")
    assert not isinstance(error.value, LedgerNotWritable)


def statements() -> list[str]:
    """Return every statement that the ledger knows."""
    return [*schema.TABLES, *(value for value in vars(sql).values() if isinstance(value, str) and " " in value)]


def test_what_could_not_be_committed_is_over_and_the_next_one_begins_anew(tmp_path: Path) -> None:
    """Where there is no write-ahead log, a reader can keep a commit from being made."""
    path = tmp_path / "ledger.db"
    with closing(SqliteConnection(path, durable=True)) as connection:
        for statement in ("PRAGMA journal_mode=DELETE", "PRAGMA busy_timeout=1", "CREATE TABLE t (n)"):
            connection.execute(statement, {})
        with closing(sqlite3.connect(path, isolation_level=None)) as reader:
            reader.execute("BEGIN")
            reader.execute("SELECT * FROM t").fetchall()
            with pytest.raises(LedgerError, match="locked"), connection.transaction():
                connection.execute("INSERT INTO t VALUES (1)", {})
        with connection.transaction():
            connection.execute("INSERT INTO t VALUES (2)", {})
        with closing(sqlite3.connect(path)) as other:
            assert other.execute("SELECT n FROM t").fetchall() == [(2,)]


PAGE = 4096


@pytest.fixture
def spent(tmp_path: Path) -> Path:
    """A ledger of several pages: forty tests that used a second each."""
    path = tmp_path / "ledger.db"
    with closing(open_ledger(path)) as ledger:
        for number in range(40):
            lease = leased(ledger, ledger.begin_attempt(f"test_{number}", "", 10_000))
            ledger.record_usage(usage(ledger.record_dial(lease)))
            ledger.settle(lease, 1000)
    assert path.stat().st_size > 20 * PAGE
    return path


def used_ms(path: Path) -> int | None:
    """What a later invocation finds used; None when the ledger is refused."""
    with suppress(LedgerError), closing(open_ledger(path, id="later")) as ledger:
        return ledger.scopes(ledger.begin_attempt("t", "", None))[0].settled
    return None


def test_a_damaged_page_makes_nothing_unspent(spent: Path) -> None:
    whole = spent.read_bytes()
    found = []
    for at in range(0, len(whole), PAGE):
        spent.write_bytes(whole[:at] + bytes(PAGE) + whole[at + PAGE :])
        found.append(used_ms(spent))
    assert set(found) == {None, 40_000}


def test_a_ledger_that_lost_its_end_is_refused(spent: Path) -> None:
    whole = spent.read_bytes()
    for end in range(PAGE, len(whole), PAGE):
        spent.write_bytes(whole[:end])
        assert used_ms(spent) is None


def test_rows_are_only_ever_inserted() -> None:
    """But for those that say who waits now."""
    of_waiters = {sql.CHANGE_WAITER, sql.DELETE_WAITER}
    words = {word for statement in {*statements()} - of_waiters for word in statement.upper().split()}
    assert {"INSERT", "SELECT", "CREATE"} <= words
    assert not words & {"UPDATE", "DELETE", "REPLACE", "DROP", "ALTER", "TRUNCATE"}


@pytest.mark.parametrize("version", [None, "abc"], ids=["none", "text"])
def test_a_ledger_whose_version_can_not_be_read_is_refused(tmp_path: Path, version: str | None) -> None:
    path = tmp_path / "ledger.db"
    open_ledger(path).close()
    with closing(sqlite3.connect(path)) as ledger, ledger:
        ledger.execute("DELETE FROM schema")
        if version is not None:
            ledger.execute("CREATE TABLE other (version, writable_from)")
            ledger.execute("DROP TABLE schema")
            ledger.execute("ALTER TABLE other RENAME TO schema")
            ledger.execute("INSERT INTO schema VALUES (?, 1)", [version])
    with pytest.raises(LedgerError, match=r"the version of the ledger .* can't be read"):
        open_ledger(path)


@pytest.mark.parametrize("said", ["disk I/O error", "database or disk is full", "attempt to write a readonly database"])
def test_what_keeps_a_ledger_from_being_written_is_known_by_what_sqlite_says(tmp_path: Path, said: str) -> None:
    connection = SqliteConnection(tmp_path / "ledger.db", durable=False)
    with pytest.raises(LedgerNotWritable, match=said), connection._translated():
        raise sqlite3.OperationalError(said)
    connection.close()
