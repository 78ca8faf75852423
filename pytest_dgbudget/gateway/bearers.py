"""Who a token stands for: one test, or a process with tests, and then the test that it is running."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from pytest_dgbudget.credentials import is_token
from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.tokens import Tokens
from pytest_dgbudget.protocol.operations import FindRunningTest, FoundTest, Operation

# How long a client is kept whose token nobody knows yet: its owner may be about to join, or to come back.
_JOIN_SECONDS = 5

A = TypeVar("A")


class ClientLeft(Exception):
    """The client is gone, or its test is over, before anything was dialled."""


class NoTest(Exception):
    """A client came for a process that is running no test."""


class SeveralTests(Exception):
    """A client came for a process that is running more than one test."""


class Ask(Protocol):
    """Asks an owner something; raises GatewayError where that is gone."""

    def __call__(self, operation: Operation[A]) -> Awaitable[A]: ...


@dataclass(slots=True, eq=False)
class Owner:
    """A process with tests, as long as its control connection holds. ``token`` is its process token, if it has one."""

    role: str
    ask: Ask
    grants: set[Grant] = field(default_factory=set)
    token: str | None = None


class Application:
    """An application that was started before pytest: it stands for the only process with tests, whichever that is."""


Bearer = Grant | Owner | Application


class Bearers:
    """The tokens of a run. ``running`` returns the grant of an attempt that is under way, or None."""

    def __init__(self, running: Callable[[str], Grant | None]) -> None:
        self._running = running
        self._tokens: Tokens[Bearer] = Tokens()
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

    def await_owners(self) -> None:
        """Owners are about to join: a client may be here before the owner whose token it shows."""
        self._next_owner = asyncio.get_running_loop().create_future()
        asyncio.get_running_loop().call_later(_JOIN_SECONDS, self._await_nobody)

    async def find(self, token: str) -> Bearer | None:
        """Return what a token stands for; owners that are about to join have time to come with theirs."""
        while (bearer := self._tokens.find(token)) is None and self._next_owner is not None and is_token(token):
            await asyncio.wait([self._next_owner])
        return bearer

    async def grant_of(self, bearer: Bearer, gone: asyncio.Future[None]) -> Grant:
        """Return the grant that a client spends by: for a process, that of the test which it is running.

        While the process can't answer, the client waits, unbilled. Raises NoTest, SeveralTests or ClientLeft.
        """
        while not isinstance(bearer, Grant):
            running = await _found(bearer if isinstance(bearer, Owner) else await self._only_process(gone), gone)
            if running.several:
                raise SeveralTests
            if running.attempt is None:
                raise NoTest
            grant = self._running(running.attempt)
            if grant is not None and not grant.ended.done():
                return grant
        return bearer

    async def _only_process(self, gone: asyncio.Future[None]) -> Owner:
        """Return the only process with tests: xdist's controller has none where there are workers."""
        while not self._owners and self._next_owner is not None and not gone.done():
            await asyncio.wait([self._next_owner, gone], return_when=asyncio.FIRST_COMPLETED)
        if gone.done():
            raise ClientLeft
        processes = [owner for owner in self._owners if owner.role == "worker"] or self._owners
        if not processes:
            raise NoTest
        if len(processes) > 1:
            raise SeveralTests
        return processes[0]

    def _await_nobody(self) -> None:
        if self._next_owner is not None:
            self._next_owner.set_result(None)
            self._next_owner = None


async def _found(owner: Owner, gone: asyncio.Future[None]) -> FoundTest:
    asking = asyncio.ensure_future(owner.ask(FindRunningTest()))
    first: list[asyncio.Future[Any]] = [asking, gone]
    await asyncio.wait(first, return_when=asyncio.FIRST_COMPLETED)
    if not asking.done():
        asking.cancel()
        raise ClientLeft
    try:
        return asking.result()
    except GatewayError:
        raise NoTest from None
