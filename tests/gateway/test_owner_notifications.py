"""What an owner is told of its attempts, from the events of a run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_dgbudget.gateway.events import (
    AllowanceExceeded,
    Events,
    SessionDialled,
    SessionEnded,
    SessionOpened,
    SessionRefused,
    SessionsCut,
    SessionWelcomed,
    TurnEnded,
)
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.owner_notifications import OwnerNotifications
from pytest_dgbudget.model import Attempt, MeasuredTurn, Overrun, UsageRecord
from pytest_dgbudget.protocol.notifications import (
    AttemptIdentity,
    ClosedNotification,
    Notification,
    OpenedNotification,
    OverrunNotification,
    SessionIdentity,
    TurnNotification,
)
from tests.support.gateway import asked, run_config_for

TURN = MeasuredTurn(
    started_ms=1, since="text", answered_ms=3, overlapped=False, unpaced=False, continued=False, function_ms=0
)
USAGE = UsageRecord(
    dial="s",
    request_id="r",
    closed_at="2026-11-30T10:00:01.000Z",
    ms=900,
    handshake_ms=5,
    audio_in_ms=0,
    audio_out_ms=0,
    closed_by="client",
    close_code=1000,
    confirmed=True,
    tagged=True,
)
REFUSED = Overrun(kind="refused", scope="run", used=2000, allowed=2000)
CUT = Overrun(kind="cut", scope="test", used=900, allowed=1000)


class Told:
    """An attempt, the events of its run, and what its owner is told."""

    def __init__(self, folder: Path, attempt: Attempt) -> None:
        self.events = Events()
        self.heard: list[Notification] = []
        self.notifications = OwnerNotifications(run_config_for("ws://127.0.0.1:1/", folder), self.events)
        self.grant = Grant(attempt, asked())

    def begin(self) -> None:
        self.notifications.begin(self.grant, self.heard.append)

    def kinds(self) -> list[type[Notification]]:
        return [type(each) for each in self.heard]

    def session(self) -> SessionIdentity:
        (opened,) = (each for each in self.heard if isinstance(each, OpenedNotification))
        return opened.session


@pytest.fixture
def told(tmp_path: Path) -> Callable[[Callable[[Told], None]], Told]:
    def after(happens: Callable[[Told], None]) -> Told:
        async def main() -> Told:
            attempt = Attempt(id="a", nodeid="t", worker="", number=2, target=None, budget_ms=None, left_ms=None)
            one = Told(tmp_path, attempt)
            happens(one)
            return one

        return asyncio.run(main())

    return after


Telling = Callable[[Callable[[Told], None]], Told]


def opens(one: Told) -> None:
    one.begin()
    one.events.emit(SessionDialled(attempt="a", session="s"))
    one.events.emit(SessionOpened(session="s", handshake_ms=5))


def test_a_session_opens_with_its_welcome_has_its_turns_and_closes(told: Telling) -> None:
    def happens(one: Told) -> None:
        opens(one)
        assert one.heard == []
        one.events.emit(SessionWelcomed(session="s", at_ms=6, request_id="r"))
        one.events.emit(TurnEnded(session="s", at_ms=9, turn=TURN))
        one.events.emit(SessionEnded(attempt="a", session="s", at_ms=0, usage=USAGE))

    heard = told(happens)
    attempt = AttemptIdentity(id="a", nodeid="t", number=2, target="live", billed=True)
    session = heard.session()
    assert (session.id, session.request_id) == ("s", "r")
    assert heard.heard == [
        OpenedNotification(attempt=attempt, session=session),
        TurnNotification(attempt=attempt, session=session, turn=TURN),
        ClosedNotification(attempt=attempt, session=session, usage=USAGE),
    ]


def test_i11_a_replay_in_a_live_run_is_not_told_as_billed(told: Telling) -> None:
    def happens(one: Told) -> None:
        one.begin()
        one.events.emit(SessionDialled(attempt="a", session="s", replayed=True))
        one.events.emit(SessionWelcomed(session="s", at_ms=6, request_id="r"))
        one.events.emit(TurnEnded(session="s", at_ms=9, turn=TURN))
        one.events.emit(SessionEnded(attempt="a", session="s", at_ms=0, usage=USAGE))

    replay = AttemptIdentity(id="a", nodeid="t", number=2, target="replay", billed=False)
    heard = told(happens).heard
    assert len(heard) == 3
    for each in heard:
        assert isinstance(each, (OpenedNotification, TurnNotification, ClosedNotification))
        assert each.attempt == replay


def test_a_session_without_a_welcome_opens_before_its_first_turn(told: Telling) -> None:
    def happens(one: Told) -> None:
        opens(one)
        one.events.emit(TurnEnded(session="s", at_ms=9, turn=TURN))
        one.events.emit(SessionWelcomed(session="s", at_ms=10, request_id="r"))

    heard = told(happens)
    assert heard.kinds() == [OpenedNotification, TurnNotification]
    assert heard.session().request_id is None


def test_a_session_without_a_word_opens_before_it_closes_with_the_id_of_its_handshake(told: Telling) -> None:
    def happens(one: Told) -> None:
        opens(one)
        one.events.emit(SessionEnded(attempt="a", session="s", at_ms=0, usage=USAGE))

    heard = told(happens)
    assert heard.kinds() == [OpenedNotification, ClosedNotification]
    assert heard.session().request_id == "r"


def test_a_dial_that_failed_is_no_session(told: Telling) -> None:
    def happens(one: Told) -> None:
        one.begin()
        one.events.emit(SessionDialled(attempt="a", session="s"))
        one.events.emit(SessionEnded(attempt="a", session="s", at_ms=0, usage=replace(USAGE, handshake_ms=None)))

    assert told(happens).heard == []


def test_what_a_scope_refuses_again_is_no_news(told: Telling) -> None:
    def happens(one: Told) -> None:
        one.begin()
        one.events.emit(SessionRefused(attempt="a", overrun=REFUSED))
        one.events.emit(SessionRefused(attempt="a", overrun=REFUSED))
        one.events.emit(SessionRefused(attempt="a", overrun=replace(REFUSED, scope="test")))

    overruns = [each.overrun for each in told(happens).heard if isinstance(each, OverrunNotification)]
    assert overruns == [REFUSED, replace(REFUSED, scope="test")]


def test_what_a_gateway_before_this_one_has_refused_is_no_news(told: Telling) -> None:
    def happens(one: Told) -> None:
        one.grant.overruns.refuse(REFUSED)
        one.begin()
        one.events.emit(SessionRefused(attempt="a", overrun=REFUSED))

    assert told(happens).heard == []


def test_a_cut_and_what_exceeded_an_allowance_are_overruns(told: Telling) -> None:
    exceeded = replace(CUT, kind="exceeded")

    def happens(one: Told) -> None:
        one.begin()
        one.events.emit(SessionsCut(attempt="a", overrun=CUT))
        one.events.emit(AllowanceExceeded(attempt="a", overrun=exceeded))

    overruns = [each.overrun for each in told(happens).heard if isinstance(each, OverrunNotification)]
    assert overruns == [CUT, exceeded]


def test_nothing_is_said_of_an_attempt_that_is_over_or_that_nobody_asked_about(told: Telling) -> None:
    def happens(one: Told) -> None:
        one.events.emit(SessionDialled(attempt="a", session="before"))
        one.events.emit(SessionWelcomed(session="before", at_ms=6, request_id="r"))
        opens(one)
        one.notifications.end(one.grant)
        one.events.emit(SessionWelcomed(session="s", at_ms=6, request_id="r"))
        one.events.emit(SessionsCut(attempt="a", overrun=CUT))

    assert told(happens).heard == []
