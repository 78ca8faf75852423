"""A cassette in place of the vendor: which one plays a session, and what became of it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_dgbudget.cassette.cassette import Cassette
from pytest_dgbudget.cassette.matching import PlayableCassette, Player, choose
from pytest_dgbudget.cassette.store import cassettes_in
from pytest_dgbudget.errors import CassetteError
from pytest_dgbudget.gateway.clock import Clock
from pytest_dgbudget.gateway.events import CassetteLacked, CassettesUnused, Events
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.services.service import Service
from pytest_dgbudget.gateway.targets.cassette_peer import CassettePeer, Scrubbing
from pytest_dgbudget.gateway.tokens import Secrets
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.model import CassetteTerms, ClosedBy, Mismatch, Pace, Replayed
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.rules.mismatches import place_of, records_again
from pytest_dgbudget.units import counted

# Where the vendor's 101 has the session's id, which its Welcome has as well.
_REQUEST_ID = "dg-request-id"
# Of what a budget, an idle watch or a lost owner ends, the client could not send the rest.
_BY_THE_CLIENT = frozenset({"client", "teardown"})


class UnusedCassettes:
    """The cassettes of one attempt that none of its sessions has used.

    Which of them a session uses is known once its Settings have come.
    """

    def __init__(self, terms: CassetteTerms, cassettes: Sequence[PlayableCassette]) -> None:
        self.terms = terms
        self.all = len(cassettes)
        self._unused = list(cassettes)
        self._undecided = 0

    @property
    def unused(self) -> int:
        """How many no session has used."""
        return len(self._unused)

    @property
    def left(self) -> int:
        """How many no session uses, or is about to use."""
        return len(self._unused) - self._undecided

    def reserve(self) -> PlayableCassette:
        """Let one more session use one; return the first, which it begins with."""
        self._undecided += 1
        return self._unused[0]

    def give_back(self) -> None:
        """One of these sessions has ended before its Settings."""
        self._undecided -= 1

    def choose(self, settings: Any) -> PlayableCassette | Mismatch:
        """Return the cassette of one of these sessions, whose Settings have come, or how they differ from all."""
        self._undecided -= 1
        chosen = choose([each.cassette for each in self._unused], settings, self.terms)
        if isinstance(chosen, Mismatch):
            return chosen
        return self._unused.pop(next(n for n, each in enumerate(self._unused) if each.cassette is chosen))


class Replay:
    """One session that is replayed. It uses one of the cassettes, which it reserves.

    ``beside_live``: in a run that dials what has no cassette.
    """

    def __init__(
        self, cassettes: UnusedCassettes, pace: Pace, clock: Clock, scrubbing: Scrubbing, *, beside_live: bool
    ) -> None:
        self._cassettes = cassettes
        self._beside_live = beside_live
        self.pace = pace
        self._clock = clock
        self._scrubbing = scrubbing
        self._player = Player(cassettes.reserve(), cassettes.terms, pace)
        self._is_decided = False
        self._chosen: Cassette | None = None
        self._unlike_all: Mismatch | None = None
        self._dialled_ms = clock.now_ms()

    @property
    def cassettes(self) -> str:
        """The folder of its test's cassettes, as reports call it."""
        return self._cassettes.terms.name

    @property
    def mismatch(self) -> Mismatch | None:
        """What the client did otherwise, up to now."""
        found = self._unlike_all or self._player.mismatch
        return None if found is None else replace(found, cassette=self._name_of(Path(found.cassette)))

    @property
    def replayed(self) -> Replayed:
        """What has become of it up to now."""
        if self._chosen is None:
            return Replayed(mismatch=self.mismatch, beside_live=self._beside_live)
        return Replayed(
            cassette=self._name_of(self._chosen.folder),
            recorded_at=write_instant(self._chosen.facts.recorded_at),
            mismatch=self.mismatch,
            beside_live=self._beside_live,
        )

    @property
    def replayed_ms(self) -> int:
        """How much of the recorded session has been played, in milliseconds."""
        return self._player.replayed_ms

    async def dial(self, service: Service, request: Request) -> Upstream:
        """Begin to play, once the handshake has taken as long as it did; raises DialLost where no files are left."""
        self._dialled_ms = self._clock.now_ms()
        if self.pace == "vendor":
            await asyncio.sleep(self._player.cassette.facts.handshake_ms / 1000)
        secrets = Secrets(service.credentials(request).token)
        request_id = self._player.request_id
        headers = [] if request_id is None else [(_REQUEST_ID, request_id)]
        return Upstream(headers, None, await self.peer(secrets).connected(), secrets)

    def peer(self, secrets: Secrets) -> CassettePeer:
        """Return the vendor's end of a session that has these secrets."""
        return CassettePeer(
            self._player,
            self._scrubbing.of_session(secrets),
            self._clock,
            self._dialled_ms,
            begun=self._begun,
            mismatch=lambda: self._unlike_all or self._player.mismatch,
        )

    def _begun(self, settings: Any) -> bool:
        if self._is_decided:  # it has ended
            return False
        self._is_decided = True
        chosen = self._cassettes.choose(settings)
        if isinstance(chosen, Mismatch):
            self._unlike_all = chosen
            return False
        self._chosen = chosen.cassette
        if chosen.cassette is not self._player.cassette:
            self._player.use(chosen)
        return True

    def ended(self, closed_by: ClosedBy) -> None:
        """Take in, as often as it is told, that the session is over."""
        if not self._is_decided:
            self._is_decided = True
            self._cassettes.give_back()
        if closed_by in _BY_THE_CLIENT:
            self._player.client_closed(self._clock.now_ms() - self._dialled_ms)

    def _name_of(self, folder: Path) -> str:
        return f"{self.cassettes}/{folder.name}"


class Replays:
    """The cassettes of each attempt that goes on. ``beside_live``: what has none is dialled; else it is refused.

    ``clock`` returns that of the loop that runs.
    """

    def __init__(self, clock: Callable[[], Clock], scrubbing: Scrubbing, events: Events, *, beside_live: bool) -> None:
        self._clock = clock
        self._events = events
        self._scrubbing = scrubbing
        self._beside_live = beside_live
        self._unused: dict[str, asyncio.Future[UnusedCassettes]] = {}

    async def begin(self, grant: Grant) -> Replay | None:
        """Return a replay of a session that is about to open; None where it is dialled. Raises RequestRefused."""
        terms = grant.asked.cassettes
        if terms is None:
            return None
        try:
            unused = await self._unused_of(grant, terms)
        except CassetteError as error:
            self._events.emit(CassetteLacked(nodeid=grant.attempt.nodeid))
            raise RequestRefused(404, codes.NO_CASSETTE, _unreadable(error, terms, grant)) from None
        if found := grant.mismatches():
            raise RequestRefused(409, codes.MISMATCH, _has_mismatched(found[0]))
        if unused.left > 0:
            return Replay(unused, grant.asked.pace, self._clock(), self._scrubbing, beside_live=self._beside_live)
        if self._beside_live:
            return None
        self._events.emit(CassetteLacked(nodeid=grant.attempt.nodeid))
        raise RequestRefused(404, codes.NO_CASSETTE, _lacks(unused))

    async def _unused_of(self, grant: Grant, terms: CassetteTerms) -> UnusedCassettes:
        attempt = grant.attempt.id
        if attempt not in self._unused:
            self._unused[attempt] = asyncio.ensure_future(_read(terms))
            grant.ended.add_done_callback(lambda _: self._ended(attempt))
        return await asyncio.shield(self._unused[attempt])

    def _ended(self, attempt: str) -> None:
        reading = self._unused.pop(attempt)
        if not reading.done() or reading.cancelled() or reading.exception() is not None:
            return
        cassettes = reading.result()
        if cassettes.unused:
            self._events.emit(CassettesUnused(attempt=attempt, unused=cassettes.unused, cassettes=cassettes.all))


async def _read(terms: CassetteTerms) -> UnusedCassettes:
    return UnusedCassettes(terms, await asyncio.to_thread(_playable, Path(terms.folder)))


def _playable(folder: Path) -> list[PlayableCassette]:
    return [PlayableCassette(each) for each in cassettes_in(folder)]


def _has_mismatched(mismatch: Mismatch) -> str:
    """Say why no session is opened any more: its client would connect again and again, and be billed where it can."""
    return (
        f"a session of this test did not match its cassette ({place_of(mismatch)}), and no other is opened: "
        f"{mismatch.what}"
    )


def _unreadable(error: CassetteError, terms: CassetteTerms, grant: Grant) -> str:
    why = str(error).replace(terms.folder, terms.name)
    return (
        f"this test has cassettes, but not all can be read: {why}; if that file is damaged, restore it from version "
        f"control, or record it again with {records_again([grant.attempt.nodeid])}"
    )


def _lacks(unused: UnusedCassettes) -> str:
    lacks = f"there is none in {unused.terms.name}"
    if unused.all:
        lacks = f"its other sessions use {counted(unused.all, 'cassette')}, all that {unused.terms.name} has"
    return (
        f"this session of the test has no cassette: {lacks}; record one with --dg-target=live --dg-record=once "
        "--dg-budget=TIME"
    )
