"""Tells owners what happens in their attempts, where they want to know: made from the run's events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.gateway.events import (
    AllowanceExceeded,
    Event,
    Events,
    SessionDialled,
    SessionEnded,
    SessionRefused,
    SessionsCut,
    SessionWelcomed,
    TurnEnded,
)
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.instants import utc_now
from pytest_dgbudget.model import Overrun, ScopeName
from pytest_dgbudget.protocol.notifications import (
    AttemptIdentity,
    ClosedNotification,
    Notification,
    OpenedNotification,
    OverrunNotification,
    SessionIdentity,
    TurnNotification,
)

Notify = Callable[[Notification], None]


class _ToldAttempt:
    """An attempt whose owner is told; ``refused`` are the scopes of which it knows that they refuse."""

    def __init__(self, identity: AttemptIdentity, notify: Notify, refused: set[ScopeName]) -> None:
        self.identity = identity
        self.notify = notify
        self.refused = refused


class _ToldSession:
    """A session of such an attempt, which its owner learns of when it is named, or something else happens in it.

    ``of`` is the attempt as the session has it: a replay is never billed, whatever its run dials.
    """

    def __init__(self, attempt: _ToldAttempt, identity: SessionIdentity, *, replayed: bool) -> None:
        self.attempt = attempt
        self.of = replace(attempt.identity, target="replay", billed=False) if replayed else attempt.identity
        self.identity = identity
        self._is_told = False

    def opened(self, request_id: str | None) -> None:
        if not self._is_told:
            self._is_told = True
            self.identity = replace(self.identity, request_id=request_id)
            self.attempt.notify(OpenedNotification(attempt=self.of, session=self.identity))


class OwnerNotifications:
    """Each session opens once, then come its turns, and it closes once; a dial that failed is none."""

    def __init__(self, run_config: RunConfig, events: Events) -> None:
        self._run_config = run_config
        self._attempts: dict[str, _ToldAttempt] = {}
        self._sessions: dict[str, _ToldSession] = {}
        events.subscribe(self._happened)

    def begin(self, grant: Grant, notify: Notify) -> None:
        """Tell the owner of a grant what happens in it from now on."""
        attempt = grant.attempt
        identity = AttemptIdentity(
            id=attempt.id,
            nodeid=attempt.nodeid,
            number=attempt.number,
            target=attempt.target or self._run_config.recorded_target,
            billed=self._run_config.billed and attempt.target is None,
        )
        refused = {overrun.scope for overrun in grant.overruns.all if overrun.kind == "refused"}
        self._attempts[attempt.id] = _ToldAttempt(identity, notify, refused)

    def end(self, grant: Grant) -> None:
        """Tell nothing more of it: it is over, or its owner is gone."""
        attempt = self._attempts.pop(grant.attempt.id, None)
        if attempt is not None:
            left = [id_ for id_, session in self._sessions.items() if session.attempt is attempt]
            for session in left:
                del self._sessions[session]

    def _happened(self, event: Event) -> None:
        if not self._attempts:
            return
        if isinstance(event, (SessionsCut, AllowanceExceeded, SessionRefused)):
            self._overran(event.attempt, event.overrun)
        elif isinstance(event, SessionDialled):
            self._dialled(event)
        elif isinstance(event, (SessionWelcomed, TurnEnded, SessionEnded)):
            session = self._sessions.get(event.session)
            if session is not None:
                self._went_on(session, event)

    def _overran(self, attempt_id: str, overrun: Overrun) -> None:
        attempt = self._attempts.get(attempt_id)
        if attempt is None or (overrun.kind == "refused" and overrun.scope in attempt.refused):
            return
        if overrun.kind == "refused":
            attempt.refused.add(overrun.scope)
        attempt.notify(OverrunNotification(attempt=attempt.identity, overrun=overrun))

    def _dialled(self, event: SessionDialled) -> None:
        attempt = self._attempts.get(event.attempt)
        if attempt is not None:
            identity = SessionIdentity(id=event.session, dialled_at=utc_now(), request_id=None)
            self._sessions[event.session] = _ToldSession(attempt, identity, replayed=event.replayed)

    def _went_on(self, session: _ToldSession, event: SessionWelcomed | TurnEnded | SessionEnded) -> None:
        attempt = session.attempt
        if isinstance(event, SessionWelcomed):
            session.opened(event.request_id)
        elif isinstance(event, TurnEnded):
            session.opened(None)
            attempt.notify(TurnNotification(attempt=session.of, session=session.identity, turn=event.turn))
        else:
            del self._sessions[event.session]
            if event.usage.handshake_ms is not None:
                session.opened(event.usage.request_id)
                closed = ClosedNotification(attempt=session.of, session=session.identity, usage=event.usage)
                attempt.notify(closed)
