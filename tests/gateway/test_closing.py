"""The end of a run: what is known without asking, and which report is the last one."""

from __future__ import annotations

import asyncio
import json
import re
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any, cast

import pytest
import pytest_asyncio

from pytest_dgbudget.errors import LedgerError
from pytest_dgbudget.gateway.closing import Closing
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.targets.emulator import EmulatorLost
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.ledger import sqlite
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.ledger.reading import LedgerReader
from pytest_dgbudget.ledger.shared_budgets import SharedBudgets
from pytest_dgbudget.ledger.sqlite import SqliteConnection
from pytest_dgbudget.model import ApiAccess, ClosedBy, PathBudget, WindowBudget
from pytest_dgbudget.report.document import FinishedRun
from pytest_dgbudget.report.writing import rewrite_report
from tests.support.comparison import KEY, billed
from tests.support.gateway import run_config_for, with_changes
from tests.support.ledger import leased, locked, open_ledger, rows_of, usage
from tests.support.processes import wait_until
from tests.support.statement import PROJECT, Bill

pytestmark = pytest.mark.asyncio


class NoKeys:
    """A run's keys where it has none."""

    are_used = False
    kept_all_out = False

    async def delete(self) -> None:
        pass


class Enough:
    """A project's credit where it keeps nobody out."""

    kept_all_out = False


class AllClosed:
    """A run of which nothing is open any more."""

    dialled: frozenset[str] = frozenset()
    run_keys: NoKeys = NoKeys()
    credit: Enough = Enough()

    async def end_all(self, closed_by: ClosedBy) -> None:
        pass


class Notices(list[str]):
    """Read for every report; the first one waits there until it may go on."""

    def __init__(self) -> None:
        super().__init__()
        self.go_on = threading.Event()

    def __iter__(self) -> Iterator[str]:
        self.go_on.wait(20)
        self.go_on = threading.Event()
        self.go_on.set()
        return super().__iter__()


class Ending:
    """A billed run at its end, with its ledger and the vendor's statement."""

    def __init__(self, folder: Path, bill: Bill) -> None:
        self.folder = folder
        self.bill = bill
        self.thread = LedgerThread(lambda error: None)
        self.notices: list[str] = []
        config = run_config_for("ws://127.0.0.1:1/", folder)
        self.config = with_changes(config, reconcile="warn", reconcile_timeout_ms=60_000, api_url=bill.url)

    async def open(self, **others: Any) -> None:
        fields: dict[str, Any] = {"billed": True, "target": "live", **others}
        self.ledger = await self.thread.call(open_ledger, self.folder / ".dgbudget/ledger.db", **fields)
        self.thread.attach(self.ledger)

    async def close(self) -> None:
        await self.thread.close()

    def closing(self, **changes: Any) -> Closing:
        config = with_changes(self.config, **changes)
        return Closing(config, "invocation", self.ledger, self.thread, self.notices, self.target, Events())

    async def target(self) -> LiveTarget:
        return LiveTarget({}, KEY, ApiAccess(api_url=self.bill.url, project=None, key=KEY))

    def reported(self) -> dict[str, Any]:
        text = (self.folder / ".dgbudget/report/usage.json").read_text(encoding="utf-8")
        reconciliation: dict[str, Any] = json.loads(text)["reconciliation"]
        return reconciliation


RUN = cast(Run, AllClosed())


@pytest_asyncio.fixture
async def ending(tmp_path: Path) -> AsyncIterator[Ending]:
    with Bill(KEY, lambda: [billed("request", 1)]) as bill:
        ending = Ending(tmp_path, bill)
        await ending.open()
        yield ending
        await ending.close()


@pytest_asyncio.fixture
async def one_session(ending: Ending) -> None:
    await ending.thread.call(spend_a_second, ending.ledger)


def spend_a_second(ledger: Ledger) -> None:
    attempt = ledger.begin_attempt("test_it.py::test_it", "", None)
    opened = ledger.lease_to_dial(attempt)
    assert isinstance(opened, tuple)
    lease, dial = opened
    ledger.record_welcome(dial, "request", 5)
    ledger.record_usage(usage(dial, 1000))
    ledger.settle(lease, 1000)


@pytest.mark.parametrize(
    ("changes", "exit_status", "wait", "verdict", "reason"),
    [
        ({"reconcile": "off"}, 0, True, "off", None),
        ({}, None, True, "pending", "pytest ended without finishing the run, so the statement was not waited for"),
        ({}, 2, False, "pending", "the run was stopped, so the statement was not waited for"),
        ({"reconcile_timeout_ms": 0}, 0, True, "pending", "the reconcile timeout is 0"),
        ({"api_url": None}, 0, True, "inconclusive", "name its management API with --dg-api-url"),
    ],
    ids=["off", "pytest is gone", "stopped", "no time", "no API"],
)
async def test_what_is_known_without_the_statement_is_reported_at_once(
    ending: Ending,
    one_session: None,
    changes: dict[str, Any],
    exit_status: int | None,
    wait: bool,
    verdict: str,
    reason: str | None,
) -> None:
    finished = await ending.closing(**changes).close(RUN, exit_status, "teardown", wait=wait)
    assert finished["document"] is not None
    assert not finished["reconciling"]
    assert ending.reported() == finished["document"]["reconciliation"]
    assert ending.reported()["verdict"] == verdict
    assert [reason in said for said in ending.reported()["reasons"] if reason] == [True] * bool(reason)
    assert ending.bill.asked == []
    assert rows_of(ending.folder, "SELECT exit_status FROM invocation_end") == [(exit_status,)]


async def test_i10_a_run_that_ends_while_another_process_holds_the_ledger_waits_once_and_is_reported(
    ending: Ending, one_session: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sqlite, "WAIT_SECONDS", 1)
    with locked(ending.folder / ".dgbudget/ledger.db"):
        finished = await ending.closing(reconcile="off").close(RUN, 0, "teardown", wait=True)
    assert finished["document"] is not None
    run = finished["document"]["run"]
    assert (run["complete"], run["verdict"], run["used_seconds"]) == (True, "within", 1.0)
    (notice,) = finished["notices"]
    assert "is locked by another process, which did not release it within 1 s" in notice
    assert rows_of(ending.folder, "SELECT exit_status FROM invocation_end") == []


async def test_a_run_without_sessions_has_nothing_to_compare(ending: Ending) -> None:
    await ending.closing().close(RUN, 0, "teardown", wait=True)
    assert ending.reported()["verdict"] == "reconciled"
    assert ending.reported()["reasons"] == ["no session was opened, so there is nothing to compare"]
    assert ending.bill.asked == []


async def test_sessions_of_an_emulator_that_is_gone_can_not_be_compared(ending: Ending, one_session: None) -> None:
    await ending.closing(target="emulator").close(RUN, 0, "teardown", wait=True)
    assert ending.reported()["verdict"] == "inconclusive"
    assert ending.reported()["reasons"] == ["1 sessions were on an emulator that is gone, so they can't be compared"]


async def test_the_run_is_reported_before_the_statement_comes_and_again_with_it(
    ending: Ending, one_session: None
) -> None:
    closing = ending.closing()
    first = await closing.close(RUN, 0, "teardown", wait=True)
    assert first["document"] is not None
    assert (first["reconciling"], first["document"]["reconciliation"]["verdict"]) == (True, "pending")
    last = await closing.reconciled(30)
    assert last is not None
    assert not last["reconciling"]
    assert ending.reported()["verdict"] == "reconciled"
    assert rows_of(ending.folder, "SELECT verdict FROM reconciliation") == [("reconciled",)]


@pytest.mark.parametrize(
    ("changes", "closed_by", "verdicts"),
    [
        ({}, "teardown", ["reconciled"]),
        ({"reconcile_timeout_ms": 0}, "owner-lost", ["pending"]),
        ({"reconcile_timeout_ms": 0}, "gateway-lost", []),  # its successor will
    ],
)
async def test_the_last_report_alone_is_appended_to_the_summary_of_a_step(
    ending: Ending, one_session: None, changes: dict[str, Any], closed_by: ClosedBy, verdicts: list[str]
) -> None:
    summary = ending.folder / "summary"
    summary.touch()
    run = AllClosed()
    run.run_keys = StubbornKeys(ending)  # of which one report more is made
    closing = ending.closing(step_summary=summary, **changes)
    await closing.close(cast(Run, run), 0, closed_by, wait=True)
    if not changes:
        await closing.reconciled(20)
    assert re.findall("reconciliation: ([a-z]+)", summary.read_text(encoding="utf-8")) == verdicts


async def test_the_last_report_waits_for_the_first_however_soon_the_statement_comes(
    ending: Ending, one_session: None
) -> None:
    notices = ending.notices = Notices()
    closing = ending.closing()
    reported = asyncio.ensure_future(closing.close(RUN, 0, "teardown", wait=True))
    await asyncio.to_thread(wait_until, lambda: bool(ending.bill.calls("usage")))
    assert await closing.reconciled(0.3) is None
    notices.go_on.set()
    assert (await reported)["reconciling"]
    assert await closing.reconciled(30) is not None
    assert ending.reported()["verdict"] == "reconciled"


async def test_a_run_does_not_wait_for_what_earlier_runs_of_its_ledger_waited_for_in_vain(
    ending: Ending, one_session: None
) -> None:
    ending.bill.entries = list
    await ending.thread.call(wait_in_vain, ending.folder / ".dgbudget/ledger.db")
    closing = ending.closing()
    await closing.close(RUN, 0, "teardown", wait=True)
    assert await closing.reconciled(30) is not None  # of the 60 s that it may take
    assert ending.reported()["verdict"] == "pending"
    assert "in 3 earlier runs the statement was incomplete 1m10s" in ending.reported()["reasons"][-1]
    assert ending.reported()["lag"]["settled_seconds"] is None


def wait_in_vain(path: Path) -> None:
    """Have the ledger remember three runs that did."""
    for number in range(3):
        ledger = open_ledger(
            path, id=f"earlier-{number}", run=f"earlier-{number}", target="live", live=frozenset({"run"})
        )
        lag = {"pending_seconds": 70.0, "settled_seconds": None}
        ledger.record_reconciliation({"verdict": "pending", "project": PROJECT, "lag": lag})
        ledger.close()


async def test_who_gives_up_gets_the_report_without_the_statement(ending: Ending, one_session: None) -> None:
    ending.bill.entries = list
    closing = ending.closing()
    await closing.close(RUN, 0, "teardown", wait=True)
    await closing.give_up()
    assert ending.reported()["verdict"] == "pending"
    assert await closing.reconciled(0) is not None


async def test_an_emulator_that_ended_meanwhile_is_named(ending: Ending, one_session: None) -> None:
    async def lost() -> LiveTarget:
        raise EmulatorLost("it has ended")

    closing = Closing(ending.config, "invocation", ending.ledger, ending.thread, ending.notices, lost, Events())
    await closing.close(RUN, 0, "teardown", wait=True)
    assert await closing.reconciled(30) is not None
    assert (ending.reported()["verdict"], ending.reported()["reasons"]) == ("inconclusive", ["it has ended"])


async def test_a_ledger_that_can_not_be_written_costs_a_notice_and_no_report(ending: Ending, one_session: None) -> None:
    rows_of(ending.folder, "CREATE TRIGGER no BEFORE INSERT ON reconciliation BEGIN SELECT RAISE(ABORT, 'no'); END")
    finished = await ending.closing(reconcile="off").close(RUN, 0, "teardown", wait=True)
    assert ["can't be used: no" in notice for notice in finished["notices"]] == [True]
    assert finished["document"] is not None


class StubbornKeys(NoKeys):
    """A run's keys that can't be deleted; ``found`` says what is reported and asked when that is tried."""

    def __init__(self, ending: Ending) -> None:
        self._ending = ending
        self.found: list[tuple[str, int]] = []

    are_used = True

    async def delete(self) -> None:
        self.found.append((self._ending.reported()["verdict"], len(self._ending.bill.calls("usage"))))
        self._ending.notices.append("the key stays")


@pytest.mark.parametrize(
    ("changes", "verdict"), [({"reconcile": "off"}, "off"), ({}, "pending")], ids=["not asked", "asked"]
)
async def test_the_key_is_deleted_after_the_statement_was_read_and_after_a_report_is_there(
    ending: Ending, one_session: None, changes: dict[str, Any], verdict: str
) -> None:
    """Whoever ends the gateway meanwhile has a report, and what could not be deleted is in the last one."""
    run = AllClosed()
    run.run_keys = keys = StubbornKeys(ending)
    closing = ending.closing(**changes)
    finished: FinishedRun | None = await closing.close(cast(Run, run), 0, "teardown", wait=True)
    if not changes:
        finished = await closing.reconciled(20)
    ((reported, asked),) = keys.found
    assert (reported, asked > 0) == (verdict, not changes)
    assert finished is not None
    assert finished["notices"] == ["the key stays"]


# Budgets that are shared ----------------------------------------------------------------------------------------------

SHARED = SharedBudgets(
    windows=(WindowBudget(period="day", currency="time", allowed=1200),),
    paths=(PathBudget(glob="smoke/**", run_micro_usd=1000), PathBudget(glob="rest/**", run_ms=60_000)),
)


@pytest.mark.parametrize("billed", [True, False], ids=["billed", "rehearsal"])
async def test_windows_and_paths_that_are_nearly_used_up_are_warnings_also_of_a_later_report(
    tmp_path: Path, billed: bool
) -> None:
    with Bill(KEY) as bill:
        ending = Ending(tmp_path, bill)
        await ending.open(shared=SHARED, billed=billed)
        attempt = await ending.thread.call(ending.ledger.begin_attempt, "smoke/t", "", None, None, "smoke/**")
        lease = await ending.thread.call(leased, ending.ledger, attempt)
        await ending.thread.call(ending.ledger.settle, lease, 1000, 900)
        finished = await ending.closing(reconcile="off").close(RUN, 0, "teardown", wait=False)
        await ending.close()
    assert finished["document"] is not None
    of_path = {"kind": "path-budget", "text": "90% of the path budget smoke/** of $0.001 is used: $0.0009"}
    of_window = {"kind": "window-budget", "text": "83% of the day window of 1.2s is used: 1s"}
    expected = [of_path, of_window] if billed else [of_path]
    assert finished["document"]["warnings"] == expected
    with closing(SqliteConnection(tmp_path / ".dgbudget/ledger.db", durable=False)) as connection:
        rewritten = rewrite_report(LedgerReader(connection).facts("run"), tmp_path / ".dgbudget/report")
    assert rewritten is not None
    assert json.loads(rewritten.path.read_text(encoding="utf-8"))["warnings"] == expected


# Earlier runs ---------------------------------------------------------------------------------------------------------


async def test_the_report_has_the_runs_before_and_a_later_report_keeps_them(tmp_path: Path) -> None:
    open_ledger(tmp_path / ".dgbudget/ledger.db", id="first", run="first", target="live", billed=True).close()
    with Bill(KEY) as bill:
        ending = Ending(tmp_path, bill)
        await ending.open()
        await ending.thread.call(spend_a_second, ending.ledger)
        finished = await ending.closing(reconcile="off").close(RUN, 0, "teardown", wait=False)
        await ending.close()
    document = finished["document"]
    assert document is not None
    assert document["regression"] is not None
    assert document["regression"]["verdict"] == "too-few-runs"
    with closing(SqliteConnection(tmp_path / ".dgbudget/ledger.db", durable=False)) as connection:
        rewritten = rewrite_report(LedgerReader(connection).facts("run"), tmp_path / ".dgbudget/report")
    assert rewritten is not None
    again = json.loads(rewritten.path.read_text(encoding="utf-8"))
    assert (again["regression"], again["history"]) == (document["regression"], document["history"])


@pytest.mark.usefixtures("one_session")
async def test_off_compares_with_nothing(ending: Ending) -> None:
    finished = await ending.closing(reconcile="off", regression="off").close(RUN, 0, "teardown", wait=False)
    assert finished["document"] is not None
    assert finished["document"]["regression"] is not None
    assert finished["document"]["regression"]["verdict"] == "off"


async def test_a_run_without_sessions_is_compared_with_none(ending: Ending) -> None:
    finished = await ending.closing(reconcile="off").close(RUN, 0, "teardown", wait=False)
    assert finished["document"] is not None
    assert finished["document"]["regression"] is None


def fails() -> None:
    raise LedgerError("the disk is gone")


def hangs() -> None:
    threading.Event().wait(0.5)


@pytest.mark.usefixtures("one_session")
@pytest.mark.parametrize(("reads", "why"), [(fails, "the disk is gone"), (hangs, "that took more than 0.1 s")])
async def test_earlier_runs_that_can_not_be_read_are_a_notice_and_the_report_is_there(
    ending: Ending, monkeypatch: pytest.MonkeyPatch, reads: Callable[[], None], why: str
) -> None:
    monkeypatch.setattr(ending.ledger, "runs_before", reads)
    monkeypatch.setattr("pytest_dgbudget.gateway.closing._PAST_SECONDS", 0.1)
    finished = await ending.closing(reconcile="off").close(RUN, 0, "teardown", wait=False)
    assert finished["notices"] == [f"this run is not compared with earlier ones, which could not be read: {why}"]
    assert finished["report"] is not None
    assert finished["document"] is not None
    assert (finished["document"]["regression"], finished["document"]["history"]) == (None, [])
