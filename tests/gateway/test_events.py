"""Events reach whoever subscribed, and the debug log is made of them."""

from __future__ import annotations

import contextlib
import errno
import io
import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_dgbudget.gateway.clock import run as run_metering
from pytest_dgbudget.gateway.closing import Closing
from pytest_dgbudget.gateway.events import (
    DiscrepancyFound,
    Event,
    Events,
    GatewayStalled,
    MessageSkipped,
    SessionDialled,
    SessionEnded,
    SessionOpened,
    SessionRefused,
)
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.log import log_event
from pytest_dgbudget.gateway.remarks import Remarks
from pytest_dgbudget.gateway.run import Run
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import ApiAccess, Overrun
from tests.support.gateway import run_config_for, with_changes
from tests.support.ledger import changes_of, open_ledger, usage
from tests.support.statement import Bill, Entry

OPENED = SessionOpened(session="s1", handshake_ms=30)
REFUSED = SessionRefused(attempt="a1", overrun=Overrun(kind="refused", scope="run", used=2000, allowed=2000))


def test_each_subscriber_gets_each_event_in_the_order_of_subscription() -> None:
    events, seen = Events(), list[tuple[str, Event]]()
    events.emit(OPENED)
    events.subscribe(lambda event: seen.append(("first", event)))
    events.subscribe(lambda event: seen.append(("second", event)))
    events.emit(REFUSED)
    assert seen == [("first", REFUSED), ("second", REFUSED)]


@pytest.mark.parametrize(
    ("event", "line"),
    [
        (OPENED, "session opened session=s1 handshake_ms=30"),
        (REFUSED, "session refused attempt=a1 kind=refused scope=run used=2000 allowed=2000 currency=time label="),
    ],
    ids=["plain", "nested"],
)
def test_an_event_is_one_line_of_the_log(capsys: pytest.CaptureFixture[str], event: Event, line: str) -> None:
    log_event(event)
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT[\d:.]{12}Z " + re.escape(line) + "\n", capsys.readouterr().err)


def test_what_a_user_should_know_is_a_sentence_for_each_kind_of_event() -> None:
    events = Events()
    remarks = Remarks(events)
    events.emit(GatewayStalled(stalled_ms=9000))
    assert remarks.sentences() == [], "nothing was open"
    events.emit(SessionDialled(attempt="a1", session="s1"))
    for size in (1, 2):
        events.emit(MessageSkipped(at_ms=0, session="s1", bytes=size))
        events.emit(GatewayStalled(stalled_ms=size * 1000))
    untagged, stalled = remarks.sentences()
    assert untagged.startswith("in 1 sessions Settings, or a message before them, were too long to be read")
    assert "at the longest for 2s:" in stalled
    events.emit(SessionEnded(attempt="a1", session="s1", at_ms=1000, usage=usage("s1")))
    events.emit(GatewayStalled(stalled_ms=8000))
    assert remarks.sentences() == [untagged, stalled]


class FullDevice(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_event_that_can_not_be_logged_stops_nothing() -> None:
    with contextlib.redirect_stderr(FullDevice()):
        log_event(OPENED)


def spend_two_seconds(ledger: Ledger) -> None:
    for request_id in ("agreed", "disputed"):
        attempt = ledger.begin_attempt(f"test_it.py::test_{request_id}", "", None)
        opened = ledger.lease_to_dial(attempt)
        assert isinstance(opened, tuple)
        lease, dial = opened
        ledger.record_usage(replace(usage(dial, 1000), request_id=request_id))
        ledger.settle(lease, 1000)


def test_each_line_of_the_statement_that_differs_is_a_discrepancy(tmp_path: Path) -> None:
    run_metering(compare_with_a_statement_that_differs(tmp_path))


async def compare_with_a_statement_that_differs(tmp_path: Path) -> None:
    tags, key = ("dgbudget-run",), "the-real-key"
    with Bill(key, lambda: [Entry("agreed", 1, tags), Entry("disputed", 5, tags)]) as bill:
        config = with_changes(run_config_for("ws://127.0.0.1:1/", tmp_path), reconcile="warn", api_url=bill.url)
        thread, events, seen = LedgerThread(lambda error: None), Events(), list[Event]()
        events.subscribe(seen.append)
        path = tmp_path / ".dgbudget/ledger.db"
        ledger = await thread.call(lambda: open_ledger(path, billed=True, target="live"))
        thread.attach(ledger)
        await thread.call(spend_two_seconds, ledger)

        async def target() -> LiveTarget:
            return LiveTarget({}, key, ApiAccess(api_url=bill.url, project=None, key=key))

        closing = Closing(config, "invocation", ledger, thread, [], target, events)
        await closing.close(Run(config, ledger, thread, events, changes_of(path)), 0, "teardown", wait=True)
        assert await closing.reconciled(30) is not None
        await thread.close()
    assert seen == [DiscrepancyFound(kind="duration", request_id="disputed", own_ms=1000, vendor_ms=5000)]
