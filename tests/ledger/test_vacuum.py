"""What vacuum takes out of a ledger, and what goes on as before."""

from __future__ import annotations

import re
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_dgbudget.ledger import schema, sql, vacuum
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.ledger.vacuum import KEPT, REMOVED, Plan, Removed, Vacuum
from pytest_dgbudget.model import PathBudget, WindowBudget
from pytest_dgbudget.rules.vacuum import KeptRun
from tests.support.aged import age
from tests.support.past import live_run, lose, request_of, spend

RECONCILED = {"verdict": "reconciled", "project": None}
PENDING = {"verdict": "pending", "project": None}


def ended(path: Path, run: str, *seconds: float, document: dict[str, Any] = RECONCILED, **fields: Any) -> list[str]:
    """Have a run spend so much in a session each, and end."""
    with closing(live_run(path, run, **fields)) as ledger:
        dials = [spend(ledger, round(each * 1000), vendor_latencies_ms=(700,)) for each in seconds]
        ledger.record_reconciliation(document)
        ledger.end_invocation(0)
    return [request_of(dial) for dial in dials]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "ledger.db"


class Opened:
    """A ledger, vacuumed as the command does it, but for the file."""

    def __init__(self, path: Path, live: frozenset[str] = frozenset()) -> None:
        self.connection = SqliteConnection(path, durable=False)
        self.vacuum = Vacuum(self.connection, live.__contains__)

    def plan(self, days: int = 0) -> Plan:
        return self.vacuum.plan(datetime.now(timezone.utc) - timedelta(days=days))

    def run(self, days: int = 0, file: str = "old.jsonl.gz") -> list[Removed | KeptRun]:
        runs = {run: Counter(t for t, _ in self.vacuum.rows(run)) for run in self.plan(days).removed}
        return list(self.vacuum.remove(runs, file))


@pytest.fixture
def opened(path: Path) -> Iterator[Opened]:
    ended(path, "first")
    found = Opened(path)
    yield found
    found.connection.close()


def count(path: Path, table: str, where: str = "1") -> int:
    with closing(sqlite3.connect(path)) as ledger:
        (number,) = ledger.execute(f"SELECT COUNT(*) FROM {table} WHERE {where}").fetchone()
    return int(number)


def test_every_table_is_removed_from_or_kept() -> None:
    tables = {match[1] for each in schema.TABLES if (match := re.match(r"CREATE TABLE (\w+)", each))}
    assert tables == KEPT | REMOVED.keys()
    assert not KEPT & REMOVED.keys()


def test_what_refers_to_others_is_removed_before_these() -> None:
    order = [*REMOVED]
    for statement in schema.TABLES:
        match = re.match(r"CREATE TABLE (\w+)", statement)
        for referred in re.findall(r"REFERENCES (\w+)", statement) if match else ():
            table = match[1] if match else ""
            if table in REMOVED and referred in REMOVED and table != referred:
                assert order.index(table) < order.index(referred), (table, referred)


def test_of_an_old_run_its_row_and_sums_stay_and_all_else_goes(path: Path, opened: Opened) -> None:
    ended(path, "old", 2, 3)
    age(path, 40)
    ended(path, "new", 5)
    assert opened.plan() == Plan({"first": 0, "old": 2}, ())
    removed = opened.run()
    assert removed == [Removed("first", 0, 0, 0), Removed("old", 2, 5000, 6250)]
    assert {table: count(path, table) for table in ("run", "invocation", "invocation_end", "attempt", "lease")} == {
        "run": 3,
        "invocation": 1,
        "invocation_end": 1,
        "attempt": 1,
        "lease": 1,
    }
    assert all(count(path, table) <= 1 for table in REMOVED)
    assert count(path, "invocation", "run = 'new'") == 1


def test_by_the_day_that_it_ended(path: Path, opened: Opened) -> None:
    ended(path, "old", 1)
    age(path, 40)
    ended(path, "new", 1)
    assert opened.plan(days=41).removed == {}
    assert opened.plan(days=39).removed == {"first": 0, "old": 1}


def test_what_ended_within_a_day_stays(path: Path, opened: Opened) -> None:
    ended(path, "old", 1)
    ended(path, "new", 1)
    assert opened.plan() == Plan({}, ())


@pytest.mark.parametrize("spent", [50, 58.5])
def test_a_run_that_is_used_again_has_what_is_left_of_its_budget(path: Path, opened: Opened, spent: float) -> None:
    ended(path, "old", spent, budget_ms=60_000)
    age(path, 40)
    ended(path, "new", 1)
    with closing(live_run(path, "old", id="peek", budget_ms=60_000)) as ledger:
        before = ledger.scopes(ledger.begin_attempt("t", "", None))
    with closing(sqlite3.connect(path)) as ledger_file:
        ledger_file.execute("DELETE FROM attempt WHERE invocation = 'peek'")
        ledger_file.execute("DELETE FROM invocation WHERE id = 'peek'")
        ledger_file.commit()
    assert [type(each) for each in opened.run()] == [Removed, Removed]
    with closing(live_run(path, "old", id="again", budget_ms=60_000)) as ledger:
        assert ledger.scopes(ledger.begin_attempt("t", "", None)) == before
        assert before[0].settled == spent * 1000
        spend(ledger, 1000)
        assert ledger.scopes(ledger.begin_attempt("t", "", None))[0].settled == spent * 1000 + 1000


def test_a_path_budget_and_what_was_cut_go_on(path: Path, opened: Opened) -> None:
    shared = SharedBudgets(paths=(PathBudget(glob="smoke/**", run_ms=20_000),))

    def run(invocation: str, ms: int = 0) -> list[Any]:
        with closing(live_run(path, "old", id=invocation, shared=shared)) as ledger:
            attempt = ledger.begin_attempt("smoke/t", "", None, path="smoke/**")
            if ms:
                lease = ledger.lease(attempt)
                ledger.settle(lease, ms, 10)  # type: ignore[arg-type]
            ledger.end_invocation(0)
            return ledger.scopes(attempt)

    spent = run("first of it", 7000)
    age(path, 40)
    ended(path, "new", 1)
    opened.run()
    assert [(scope.name, scope.settled) for scope in run("again")] == [(scope.name, scope.settled) for scope in spent]


def test_windows_count_what_is_archived(path: Path, opened: Opened) -> None:
    ended(path, "old", 30)
    age(path, 2)
    ended(path, "new", 10)
    opened.run()
    assert count(path, "lease") == 1
    now = datetime.now(timezone.utc)
    day = (now - timedelta(days=2)).date()
    assert count(path, "closed_sum", f"scope = 'day:{day}' AND ms = 30000 AND micro_usd = 37500") == 1
    shared = SharedBudgets(windows=(WindowBudget(period="month", currency="time", allowed=3_600_000),))
    with closing(live_run(path, "later", shared=shared)) as ledger:
        assert settled_of(ledger) == (40_000 if day.month == now.month else 10_000)


def test_a_run_whose_gateway_lives_stays(path: Path) -> None:
    ended(path, "old", 1)
    age(path, 40)
    ended(path, "new", 1)
    served = Opened(path, frozenset({"old"}))
    with closing(served.connection):
        assert served.plan() == Plan({}, (KeptRun("old", "live"),))


def test_open_leases_stay_and_what_was_taken_on_the_same_day(path: Path, opened: Opened) -> None:
    held: dict[str, Any] = {"live": frozenset({"open"})}
    ended(path, "earlier", 1)
    age(path, 1)
    with closing(live_run(path, "open")) as ledger:
        lose(ledger)
        ledger.record_reconciliation(RECONCILED)
        ledger.end_invocation(None)
    ended(path, "beside", 1, **held)
    age(path, 40)
    ended(path, "new", 1, **held)
    kept = (KeptRun("open", "open-lease"), KeptRun("beside", "open-day"))
    assert opened.plan() == Plan({"first": 0, "earlier": 1}, kept)
    opened.run()
    assert opened.connection.rows(sql.OPEN_LEASES, {})[0]["run"] == "open"


def test_a_run_that_is_pending_stays(path: Path, opened: Opened) -> None:
    ended(path, "old", 1, document=PENDING)
    age(path, 40)
    ended(path, "new", 1)
    assert opened.plan() == Plan({"first": 0}, (KeptRun("old", "pending"),))


def test_the_run_with_the_last_lease_stays_so_that_numbers_go_on(path: Path, opened: Opened) -> None:
    ended(path, "old", 1)
    age(path, 40)
    assert opened.plan() == Plan({"first": 0}, (KeptRun("old", "last-lease"),))


@pytest.mark.parametrize(("days", "why"), [(3, "unfinished"), (8, None)])
def test_a_run_without_an_end_is_over_after_a_week(path: Path, opened: Opened, days: int, why: str | None) -> None:
    with closing(live_run(path, "killed")) as ledger:
        spend(ledger)
        ledger.record_reconciliation(RECONCILED)
    age(path, days)
    ended(path, "new", 1)
    assert dict(opened.plan().kept).get("killed") == why


def test_what_was_added_to_a_run_after_it_was_archived_keeps_it(path: Path, opened: Opened) -> None:
    ended(path, "old", 1)
    age(path, 40)
    ended(path, "new", 1)
    runs = {"old": Counter(table for table, _ in opened.vacuum.rows("old"))}
    with closing(live_run(path, "old", id="again")) as ledger:
        ledger.record_reconciliation(RECONCILED)
    assert list(opened.vacuum.remove(runs, "file")) == [KeptRun("old", "changed")]
    assert count(path, "dial") == 2


def test_an_error_in_the_middle_removes_nothing_of_that_transaction(
    path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    ended(path, "old", 1)
    age(path, 40)
    ended(path, "new", 1)
    before = [count(path, table) for table in REMOVED]
    monkeypatch.setattr(vacuum, "REMOVED", {**REMOVED, "nowhere": "1"})
    with pytest.raises(Exception, match="nowhere"):
        opened.run()
    assert [count(path, table) for table in REMOVED] == before


def test_requests_are_remembered_as_long_as_the_vendor_states_them(path: Path, opened: Opened) -> None:
    requests = ended(path, "old", 1, 2)
    age(path, 40)
    ended(path, "new", 1)
    opened.run()
    with closing(sqlite3.connect(path)) as ledger:
        assert sorted(ledger.execute("SELECT request_id, run FROM archived_request")) == sorted(
            (each, "old") for each in requests
        )
        opened.vacuum.forget_requests()
        assert count(path, "archived_request") == 2
        ledger.execute("UPDATE archived SET ended_at = '2020-01-01T00:00:00.000Z'")
        ledger.commit()
    opened.vacuum.forget_requests()
    assert count(path, "archived_request") == 0


def test_what_is_older_than_the_vendor_keeps_is_not_remembered(path: Path, opened: Opened) -> None:
    ended(path, "old", 1)
    age(path, 140)
    ended(path, "new", 1)
    opened.run()
    assert count(path, "archived_request") == 0


def test_the_facts_of_a_run_that_is_used_again_say_what_is_archived(path: Path, opened: Opened) -> None:
    ended(path, "old", 2, 3)
    age(path, 40)
    ended(path, "new", 1)
    opened.run()
    reader = LedgerReader(opened.connection)
    archived = reader.archive_of("old")
    assert archived is not None
    assert (archived.file, archived.sessions, archived.ms, archived.micro_usd) == ("old.jsonl.gz", 2, 5000, 6250)
    assert reader.archive_of("new") is None
    ended(path, "old", 4, id="again")
    assert reader.archive_of("old") is None
    facts = reader.facts("old")
    assert (len(facts.invocations), len(facts.sessions), facts.archived) == (1, 1, (archived,))


def test_an_index_finds_all_that_is_removed(path: Path, opened: Opened) -> None:
    """Else the ledger would be read whole for each run."""
    for table, where in REMOVED.items():
        plan = opened.connection.rows(f"EXPLAIN QUERY PLAN DELETE FROM {table} WHERE {where}", {"run": "r"})
        scanned = {step["detail"] for step in plan if step["detail"].startswith("SCAN")}
        assert not scanned & {f"SCAN {each}" for each in ("lease", "dial", "usage", "attempt", "invocation")}, plan


@settings(max_examples=15, deadline=None)
@given(st.lists(st.tuples(st.sampled_from("ab"), st.integers(1, 5), st.booleans()), min_size=1, max_size=6))
def test_no_history_with_vacuums_in_it_changes_what_a_run_has_used(
    tmp_path_factory: pytest.TempPathFactory, steps: list[tuple[str, int, bool]]
) -> None:
    path = tmp_path_factory.mktemp("history") / "ledger.db"
    used: Counter[str] = Counter()
    for number, (run, seconds, is_vacuumed) in enumerate(steps):
        ended(path, run, seconds, id=f"i{number}")
        used[run] += seconds * 1000
        if is_vacuumed:
            age(path, 10)
            opened = Opened(path)
            opened.run()
            opened.connection.close()
    for run, ms in used.items():
        with closing(live_run(path, run, id=f"end of {run}")) as ledger:
            assert settled_of(ledger) == ms


def settled_of(ledger: Ledger) -> int:
    return ledger.scopes(ledger.begin_attempt("t", "", None))[-1].settled
