"""A lease with sessions that are relayed, without a ledger and without sockets."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any, cast

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.events import Events
from pytest_dgbudget.gateway.frames import TEXT, frame
from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.session_terms import SessionTerms
from pytest_dgbudget.gateway.sessions import MeteredSession
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.model import Attempt, Lease, Limit, UsageRecord
from pytest_dgbudget.rules.prices import SHIPPED, PriceTable
from tests.gateway.conversations import terms_fields
from tests.gateway.memory import Carried, ManualClock, MemoryTransport, messages
from tests.support.gateway import asked

THINKS: dict[str, Any] = {
    "standard": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}},
    "advanced": {"provider": {"type": "anthropic", "model": "claude-sonnet-4-5"}},
    "custom-byo-llm": {"provider": {"type": "open_ai", "model": "mine"}, "endpoint": {"url": "https://llm.example"}},
}
MINUTE_MS = 60_000


def settings(tier: str) -> bytes:
    """Return Settings of an agent of this tier, as a frame of a client's."""
    return text({"type": "Settings", "agent": {"think": THINKS[tier]}})


def update(tier: str) -> bytes:
    """Return an UpdateThink to this tier, as a frame of a client's."""
    return text({"type": "UpdateThink", "think": THINKS[tier]})


def text(message: dict[str, Any]) -> bytes:
    return frame(TEXT, json.dumps(message).encode(), mask=True)


@dataclass
class Tape:
    """A recording that keeps what came of the client's."""

    from_client: bytes = b""
    ended_for: list[str] = field(default_factory=list)

    def begin(self, *of_session: object) -> Tape:
        return self

    def happened(self, *event: object) -> None:
        pass

    def client_sent(self, chunk: Chunk) -> None:
        self.from_client += chunk.data

    def vendor_sent(self, chunk: Chunk) -> None:
        pass

    def ended(self, reason: str) -> None:
        self.ended_for.append(reason)


class Purse:
    """A lease of so much time and money, of which a run's budget in money limits the latter."""

    def __init__(
        self,
        micro_usd: int,
        *,
        allowance_ms: int = MINUTE_MS,
        prices: PriceTable = SHIPPED,
        run_micro_usd: int | None = None,
    ) -> None:
        self.clock = ManualClock()
        self.prices = prices
        attempt = Attempt(
            id="a1", nodeid="test_a", worker="", number=1, target=None, budget_ms=allowance_ms, left_ms=allowance_ms
        )
        self.grant = Grant(attempt, asked())
        lease = Lease(
            id="l1",
            allowance_ms=allowance_ms,
            micro_usd=micro_usd,
            time_limit=Limit(scope="test", allowed=allowance_ms),
            money_limit=Limit(scope="run", allowed=micro_usd if run_micro_usd is None else run_micro_usd),
        )
        self.lease = OpenLease(self.grant, lease, self.clock, Events(), prices.highest())
        self.grant.lease = self.lease
        self.records: list[UsageRecord] = []

    async def dialled(self, tape: Tape | None = None) -> Customer:
        """Dial a session, which waits for its 101."""
        fields = {**terms_fields(), "prices": self.prices, "recordings": cast(Any, tape)}
        terms = SessionTerms(
            id=f"s{len(self.grant.open_sessions) + len(self.records)}",
            attempt="a1",
            service=DeepgramAgent(),
            tag="tag",
            idle_ms=None,
            **fields,
        )
        session = MeteredSession(
            terms, self.clock, Events(), funds=self.lease, welcomed=lambda *_: None, ended=self._ended
        )
        self.grant.open_sessions.append(session)
        self.lease.holders += 1
        self.lease.opened(session)
        return Customer(self, session)

    async def open(self, tape: Tape | None = None) -> Customer:
        """Open a session at once."""
        customer = await self.dialled(tape)
        await customer.relayed()
        return customer

    def _ended(self, session: MeteredSession, record: UsageRecord) -> None:
        self.lease.unrecorded.remove(session)
        self.lease.used_micro_usd += record.micro_usd or 0
        self.lease.holders -= 1
        self.grant.session_ended(session, record)
        self.records.append(record)


class Customer:
    """One session: what its client says, and what the vendor has of it."""

    def __init__(self, purse: Purse, session: MeteredSession) -> None:
        self.session = session
        self.client, self.vendor = MemoryTransport(), MemoryTransport()
        self._purse = purse

    async def relayed(self) -> None:
        answer: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()
        dialling = asyncio.ensure_future(self.session.dial(answer))
        await asyncio.sleep(0)
        answer.set_result(Upstream([], None, Carried(self.vendor)))
        self.session.relay(self.client, await dialling, b"")

    def says(self, wire: bytes) -> None:
        self.client.feed(wire)

    def vendor_has(self) -> list[tuple[int, bytes]]:
        """Return what the vendor has got since the last time."""
        return messages(self.vendor.take_written())

    def client_has(self) -> list[tuple[int, bytes]]:
        return messages(self.client.take_written())

    def lose(self) -> UsageRecord:
        """Both ends go; return the session's record."""
        self.vendor.lose()
        self.client.lose()
        self._purse.clock.advance(100)
        return next(record for record in self._purse.records if record.dial == self.session.id)
