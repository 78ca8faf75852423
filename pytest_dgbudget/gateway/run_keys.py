"""The run's own key: made when the first session is opened, dialled with from then on, deleted when the run is over.

The given key serves the management API alone, and what is no session.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.errors import DgBudgetError, LedgerError, ReconciliationError
from pytest_dgbudget.gateway.events import Events, RunKeyMade, RunKeyProblem
from pytest_dgbudget.gateway.key_requests import KeyRequests
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.upstream import DialFailed
from pytest_dgbudget.instants import utc_ms
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.rules.run_keys import is_due, is_usable

# A timer would stand still while the machine is suspended, and the vendor's clock would not.
_LOOK_SECONDS = 60
_AFTER_FAILURE_SECONDS = 600
_REFUSED = {401, 403}


@dataclass(frozen=True, slots=True, kw_only=True)
class RunKey:
    """A key that was made for this run, by UTC milliseconds since 1970 ``made_ms``."""

    id: str
    secret: str = field(repr=False)
    made_ms: int


def no_run_key() -> None:
    """Stand for a run without a key of its own: the target's is dialled with."""


def may_lack_scope(key: RunKey | None, failed: DialFailed) -> bool:
    """Return whether a dial with this key may have been refused for what a key of the run's is not allowed."""
    return key is not None and failed.status in _REFUSED


class RunKeyMissing(Exception):
    """The run has no key of its own, and nothing may be dialled with another one."""


class RunKeyRefused(Exception):
    """The vendor refused a dial with the run's key; the given one may be allowed it."""

    def __init__(self, failed: DialFailed) -> None:
        super().__init__(failed.status)
        self.failed = failed


class RunKeys:
    """The key of one run, and those that replace it."""

    def __init__(
        self, run_config: RunConfig, requests: KeyRequests, ledger: Ledger, ledger_thread: LedgerThread, events: Events
    ) -> None:
        self._how = run_config.run_key if run_config.is_live else "off"
        self._scopes = ",".join(run_config.run_key_scopes)
        self._requests = requests
        self._ledger = ledger
        self._ledger_thread = ledger_thread
        self._events = events
        self._key: RunKey | None = None
        self._problem = ""
        self._may_ask_again = False
        self._making: asyncio.Future[None] | None = None
        self._renewing: asyncio.Future[None] | None = None

    @property
    def are_used(self) -> bool:
        """True where dials are to have a key of the run's."""
        return self._how != "off"

    @property
    def are_required(self) -> bool:
        """True where no dial may have the given key."""
        return self._how == "require"

    @property
    def kept_all_out(self) -> bool:
        """True where nothing was opened because the run has never had a key."""
        return self.are_required and self._key is None and bool(self._problem)

    async def ready(self) -> None:
        """Return, within seconds, when a session can be dialled; raises RunKeyMissing or LedgerError."""
        if not self.are_used:
            return
        if self._making is None or (self._making.done() and self._may_ask_again and self.current() is None):
            self._making = asyncio.ensure_future(self._make())
        await asyncio.shield(self._making)
        self.to_dial_with()

    def current(self) -> RunKey | None:
        """Return the run's key, if it has one that is valid."""
        key = self._key
        return key if key is not None and is_usable(key.made_ms, utc_ms()) else None

    def to_dial_with(self) -> RunKey | None:
        """Return the key to dial with now; None: the given one. Raises RunKeyMissing."""
        key = self.current()
        if key is None and self.are_required:
            why = self._problem or "it has expired, and there is no other one yet"
            raise RunKeyMissing(f"there is no key for this run, which --dg-run-key=require asks for: {why}")
        return key

    def report_refusal(self, failed: DialFailed) -> None:
        """Say that a dial was refused with the run's key, and that no other one may be tried."""
        self._say_refused(failed, "if the given key is allowed it,")

    def give_up(self, failed: DialFailed) -> None:
        """Dial with the given key from now on: it was accepted where the run's was refused. Says so."""
        self._key = None
        self._say_refused(failed, "the given key, with which the run went on, was accepted, so")

    def _say_refused(self, failed: DialFailed, of_the_given_key: str) -> None:
        self._say(
            f"a dial with the run's key was refused ({failed.why()}); {of_the_given_key} the run's key lacks a scope: "
            f"add it to dg_run_key_scopes, which is {self._scopes}"
        )

    async def delete(self) -> None:
        """Delete this invocation's keys, those of a dead gateway among them; where that fails, say so."""
        if not self.are_used:
            return
        await self._stop()
        try:
            left = await self._ledger_thread.call(self._ledger.run_keys_to_end)
            await self._delete(left)
        except DgBudgetError as error:
            self._say(
                f"the run's key could not be deleted ({error}): dgbudget sweep deletes it; by itself it expires a day "
                "after it was made"
            )

    async def _stop(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
        if self._making is not None:
            await asyncio.wait([self._making])
        self._key = None

    async def _delete(self, key_ids: list[str]) -> None:
        if key_ids:
            await self._requests.delete(key_ids)
        for key_id in key_ids:
            await self._ledger_thread.call(self._ledger.end_run_key, key_id)

    async def _make(self) -> None:
        """Make a key, and record its id before it is used; what keeps it from being made is said."""
        try:
            made = await self._requests.make()
        except ReconciliationError as error:
            self._not_made(error)
            return
        await self._ledger_thread.call(self._ledger.record_run_key, made.id)
        self._key = RunKey(id=made.id, secret=made.secret, made_ms=utc_ms())
        self._events.emit(RunKeyMade(run_key=made.id))
        self._renewing = self._renewing or asyncio.ensure_future(self._renew())

    def _not_made(self, error: ReconciliationError) -> None:
        # A run that went on without a key is told apart by its tag to its end.
        self._may_ask_again = self.are_required and error.temporary
        self._problem = str(error)
        refused = f"sessions were refused (503 {codes.RUN_KEY})"
        then = refused if self.are_required else "the run went on with the given key, by its tag"
        self._say(f"no key could be made for this run, so {then}: {error}")

    async def _renew(self) -> None:
        """Make another key when the last one is due; until there is one, that is used as long as it is valid."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            last = self._key
            if last is not None and is_due(last.made_ms, utc_ms()):
                await self._make_another()
                if self._key is last:
                    await asyncio.sleep(_AFTER_FAILURE_SECONDS)

    async def _make_another(self) -> None:
        try:
            await self._make()
        except LedgerError as error:
            self._say(
                f"another key was made for this run and could not be recorded, so it is not used ({error}): dgbudget "
                "sweep deletes it; by itself it expires a day after it was made"
            )

    def _say(self, problem: str) -> None:
        self._events.emit(RunKeyProblem(problem=problem))
