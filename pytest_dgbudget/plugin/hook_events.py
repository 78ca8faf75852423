"""Which hook is called with what: from what the gateway says, and from the document of a run that has ended."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.plugin.hook_payloads import (
    ClosedSession,
    Discrepancy,
    EndedTurn,
    OpenedSession,
    OverrunReport,
    RunReport,
)
from pytest_dgbudget.protocol.notifications import (
    AttemptNotification,
    ClosedNotification,
    OpenedNotification,
    OverrunNotification,
    TurnNotification,
)
from pytest_dgbudget.report.document import FinishedRun
from pytest_dgbudget.rules.attempts import seconds_or_none, usd_or_none
from pytest_dgbudget.rules.budget import explain
from pytest_dgbudget.rules.verdicts import DISAGREEING
from pytest_dgbudget.units import in_units, seconds


class HookEvent(NamedTuple):
    """A hook, and the argument that it is called with."""

    hook: str
    argument: str
    payload: Any


def event_of(notification: AttemptNotification) -> HookEvent:
    """Return what to call for something that the gateway says."""
    if isinstance(notification, OpenedNotification):
        return HookEvent("pytest_dgbudget_session_opened", "session", opened(notification))
    if isinstance(notification, TurnNotification):
        return HookEvent("pytest_dgbudget_turn", "turn", _turn(notification))
    if isinstance(notification, ClosedNotification):
        return HookEvent("pytest_dgbudget_session_closed", "session", _closed(notification))
    return HookEvent("pytest_dgbudget_overrun", "overrun", _overrun(notification))


def opened(notification: OpenedNotification) -> OpenedSession:
    """Return a session that has opened."""
    attempt, session = notification.attempt, notification.session
    return OpenedSession(
        nodeid=attempt.nodeid,
        attempt=attempt.number,
        session=session.id,
        request_id=session.request_id,
        target=attempt.target,
        billed=attempt.billed,
        opened_at=_instant(session.dialled_at),
    )


def _turn(notification: TurnNotification) -> EndedTurn:
    attempt, session, turn = notification.attempt, notification.session, notification.turn
    return EndedTurn(
        nodeid=attempt.nodeid,
        attempt=attempt.number,
        session=session.id,
        request_id=session.request_id,
        started_seconds=seconds(turn.started_ms),
        latency_seconds=seconds_or_none(turn.latency_ms),
        function_seconds=seconds(turn.function_ms),
        since=turn.since,
        overlapped=turn.overlapped,
        unpaced=turn.unpaced,
        continued=turn.continued,
    )


def _closed(notification: ClosedNotification) -> ClosedSession:
    attempt, session, usage = notification.attempt, notification.session, notification.usage
    return ClosedSession(
        nodeid=attempt.nodeid,
        attempt=attempt.number,
        session=session.id,
        request_id=usage.request_id,
        target=attempt.target,
        billed=attempt.billed,
        opened_at=_instant(session.dialled_at),
        closed_at=_instant(usage.closed_at),
        seconds=seconds_or_none(usage.ms),
        cost_usd=usd_or_none(usage.micro_usd),
        estimated=usage.estimated,
        tier=usage.tier,
        turns=len(usage.turns),
        forecast_seconds=seconds_or_none(usage.forecast_ms),
        closed_by=usage.closed_by,
        close_code=usage.close_code,
        confirmed=usage.confirmed,
    )


def lost(session: OpenedSession) -> HookEvent:
    """Return the end of a session whose gateway is gone: it is closed, and nobody saw when."""
    closed = ClosedSession(
        nodeid=session.nodeid,
        attempt=session.attempt,
        session=session.session,
        request_id=session.request_id,
        target=session.target,
        billed=session.billed,
        opened_at=session.opened_at,
        closed_at=None,
        seconds=None,
        cost_usd=None,
        estimated=None,
        tier=None,
        turns=None,
        forecast_seconds=None,
        closed_by="gateway-lost",
        close_code=None,
        confirmed=False,
    )
    return HookEvent("pytest_dgbudget_session_closed", "session", closed)


def _overrun(notification: OverrunNotification) -> OverrunReport:
    attempt, overrun = notification.attempt, notification.overrun
    return OverrunReport(
        nodeid=attempt.nodeid,
        attempt=attempt.number,
        kind=overrun.kind,
        scope=overrun.scope,
        currency=overrun.currency,
        used=in_units(overrun.used, overrun.currency),
        allowed=in_units(overrun.allowed, overrun.currency),
        message=explain(overrun),
    )


def events_at_end(finished: FinishedRun, exit_status: int) -> Iterator[HookEvent]:
    """Return what to call for a run that has ended: its discrepancies, and then its end."""
    document = finished["document"]
    for line in [] if document is None else document["reconciliation"]["lines"]:
        if line["class"] in DISAGREEING:
            discrepancy = Discrepancy(
                kind=line["class"],
                request_id=line["request_id"],
                nodeid=line["nodeid"],
                attempt=line["attempt"],
                local_seconds=line["local_seconds"],
                vendor_seconds=line["vendor_seconds"],
                elapsed_seconds=line["elapsed_seconds"],
            )
            yield HookEvent("pytest_dgbudget_discrepancy", "discrepancy", discrepancy)
    report = RunReport(
        exit_status=exit_status,
        report=None if finished["report"] is None else Path(finished["report"]),
        usage=deepcopy(document),
        notices=tuple(finished["notices"]),
    )
    yield HookEvent("pytest_dgbudget_run_finished", "run", report)


def _instant(text: str) -> datetime:
    instant = read_instant(text)
    assert instant is not None
    return instant
