"""Who a token stands for: one test, or a process with tests, and then the test that it is running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pytest_dgbudget.credentials import is_token
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.gateway.tokens import Tokens
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.protocol.answers import NO_TEST
from pytest_dgbudget.protocol.notifications import Notification
from pytest_dgbudget.protocol.operations import FindRunningTest, Operation

# How long a client is kept whose token nobody knows yet: its owner may be about to join, or to come back.
_JOIN_SECONDS = 5

A = TypeVar("A")


class ClientLeft(Exception):
    """The client is gone, or its test is over, before anything was dialled."""


class Ask(Protocol):
    """Asks an owner something; raises GatewayError where that is gone."""

    def __call__(self, operation: Operation[A]) -> Awaitable[A]: ...


@dataclass(slots=True, eq=False)
class Owner:
    """A process with tests, as long as its control connection holds. ``token`` is its process token, if it has one.

    ``notify`` says something to it that it does not answer.
    """

    role: str
    ask: Ask
    notify: Callable[[Notification], None]
    grants: set[Grant] = field(default_factory=set)
    token: str | None = None

    @property
    def started_gateway(self) -> bool:
        """True for the process whose end is the gateway's."""
        return self.role != "worker"


class Application:
    """An application that was started before pytest: it stands for the only process with tests, whichever that is."""


Bearer = Grant | Owner | Application

_SEVERAL_TESTS = (
    "several tests are running at once in the process that this token belongs to: give the application a test's own "
    "token, voice_agent.endpoint.api_key"
)


@dataclass(frozen=True, slots=True)
class Spender:
    """Whose grant a client spends by; ``by_process_token``: the client may be one of many tests."""

    grant: Grant
    by_process_token: bool


class Bearers:
    """The tokens of a run. ``running`` returns the grant of an attempt that is under way, or None.

    ``worker_tokens`` are those of workers that may not have joined yet.
    """

    def __init__(self, running: Callable[[str], Grant | None], worker_tokens: Sequence[str] = ()) -> None:
        self._running = running
        self._worker_tokens = set(worker_tokens)
        self._tokens: Tokens[Bearer] = Tokens()
        # Node ids, by the tokens of tests that are over.
        self._over: Tokens[str] = Tokens()
        self._owners: list[Owner] = []
        # Done when the next owner has joined; None when nobody is awaited.
        self._next_owner: asyncio.Future[None] | None = None

    def issue(self, grant: Grant) -> str:
        """Return a new token for a grant."""
        return self._tokens.issue(grant)

    def joined(self, owner: Owner, token: str) -> None:
        """Let a token stand for a process with tests from now on."""
        owner.token = token
        if owner not in self._owners:
            self._owners.append(owner)
        self.restore(token, owner)

    def lost(self, owner: Owner) -> None:
        """Forget a process that is gone."""
        if owner in self._owners:
            self._owners.remove(owner)
            self.revoke(owner.token or "")

    def restore(self, token: str, bearer: Bearer) -> None:
        """Let a token stand for what it stood for at the gateway before this one, or was agreed to stand for."""
        self._tokens.restore(token, bearer)
        if self._next_owner is not None:
            came, self._next_owner = self._next_owner, asyncio.get_running_loop().create_future()
            came.set_result(None)

    def revoke(self, token: str) -> None:
        self._tokens.revoke(token)

    def end(self, grant: Grant) -> None:
        """Revoke the token of a test that is over."""
        self.revoke(grant.token)
        self._over.restore(grant.token, grant.attempt.nodeid)

    def test_that_is_over(self, token: str) -> str | None:
        """Return the node id of the test whose token this was."""
        return self._over.find(token)

    def await_owners(self) -> None:
        """Owners are about to join: a client may be here before the owner whose token it shows."""
        self._next_owner = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(_JOIN_SECONDS, self._await_nobody)

    async def find(self, token: str) -> Bearer | None:
        """Return what a token stands for; owners that are about to join have time to come with theirs.

        Raises RequestRefused for a worker's that hasn't come: it runs no test.
        """
        may_come = is_token(token) and self._over.find(token) is None
        while (bearer := self._tokens.find(token)) is None and self._next_owner is not None and may_come:
            await asyncio.wait([self._next_owner])
        if bearer is None and token in self._worker_tokens:
            raise _no_test()
        return bearer

    async def spender(self, bearer: Bearer, gone: asyncio.Future[None]) -> Spender:
        """Return whose grant a client spends by: for a process, that of the test which it is running.

        While the process can't answer, the client waits, unbilled. Raises RequestRefused or ClientLeft.
        """
        if isinstance(bearer, Grant):
            return Spender(bearer, by_process_token=False)
        ended: str | None = None
        while True:
            owner = bearer if isinstance(bearer, Owner) else await self._only_process(gone)
            attempt = await _attempt_of(owner, gone)
            grant = self._running(attempt)
            if grant is not None and not grant.ended.done():
                return Spender(grant, by_process_token=True)
            if attempt == ended:  # its test's fixture has ended it, and other teardown is still going on
                raise _no_test()
            ended = attempt

    async def _only_process(self, gone: asyncio.Future[None]) -> Owner:
        """Return the only process with tests: xdist's controller has none where there are workers."""
        while self._may_be_joined() and self._next_owner is not None and not gone.done():
            await asyncio.wait([self._next_owner, gone], return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise ClientLeft
        processes = [owner for owner in self._owners if owner.role == "worker"] or self._owners
        if not processes:
            raise _no_test()
        if len(processes) > 1:
            raise RequestRefused(409, codes.AMBIGUOUS, _SEVERAL_TESTS)
        return processes[0]

    def _may_be_joined(self) -> bool:
        """Return whether a process with tests may still be about to join."""
        workers = sum(owner.role == "worker" for owner in self._owners)
        return workers < len(self._worker_tokens) or not self._owners

    def _await_nobody(self) -> None:
        if self._next_owner is not None:
            self._next_owner.set_result(None)
            self._next_owner = None


async def _attempt_of(owner: Owner, gone: asyncio.Future[None]) -> str:
    """Ask a process for the attempt of the test that it is running."""
    asking = asyncio.ensure_future(owner.ask(FindRunningTest()))
    first: list[asyncio.Future[Any]] = [asking, gone]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if not asking.done():
        asking.cancel()
        raise ClientLeft
    try:
        found = asking.result()
    except GatewayError:
        raise _no_test() from None
    if found.several:
        raise RequestRefused(409, codes.AMBIGUOUS, _SEVERAL_TESTS)
    if found.attempt is None:
        raise _no_test()
    return found.attempt


def _no_test() -> RequestRefused:
    return RequestRefused(403, codes.NO_TEST, NO_TEST)
