"""A vendor that prices each session by itself: from what it received, and when."""

from __future__ import annotations

import json
import time
from fractions import Fraction
from typing import Any

from websockets.asyncio.server import ServerConnection

from tests.support.vendor import Seen, Vendor

# US dollars a minute, by the model; what it does not know costs the most.
PRICES = {"gpt-4o-mini": Fraction(75, 1000), "claude-sonnet-4-5": Fraction(163, 1000)}


class PricedVendor(Vendor):
    """``prices`` has, by request id, from when on which price holds, in seconds of the monotonic clock."""

    def __init__(self) -> None:
        super().__init__(self._converse)
        self.prices: dict[str, list[tuple[float, Fraction]]] = {}

    def __enter__(self) -> PricedVendor:
        super().__enter__()
        return self

    def dollars(self, seen: Seen) -> float:
        """What a session cost that has ended."""
        assert seen.closed_at is not None
        prices = self.prices[seen.request_id]
        ends = [at for at, _ in prices[1:]] + [seen.closed_at]
        parts = zip(prices, ends, strict=True)
        return float(sum(Fraction(end - at) / 60 * price for (at, price), end in parts))

    @property
    def total_dollars(self) -> float:
        return sum(map(self.dollars, self.connections))

    def raised(self, seen: Seen) -> bool:
        """Whether a dearer tier reached it."""
        return len(self.prices[seen.request_id]) > 1

    async def _converse(self, connection: ServerConnection, seen: Seen) -> None:
        prices = self.prices[seen.request_id] = [(seen.opened_at, max(PRICES.values()))]
        await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
        async for data in connection:
            if isinstance(data, bytes):
                continue
            message = json.loads(data)
            if message["type"] == "Settings":
                seen.settings = message
                prices[0] = (seen.opened_at, _price(message["agent"]["think"]))
                await connection.send('{"type":"SettingsApplied"}')
            elif message["type"] == "UpdateThink":
                prices.append((time.monotonic(), _price(message["think"])))
                await connection.send('{"type":"ThinkUpdated"}')
            elif message["type"] == "InjectUserMessage":
                await connection.send('{"type":"ConversationText","role":"assistant","content":"hello"}')
                await connection.send('{"type":"AgentAudioDone"}')


def _price(think: dict[str, Any]) -> Fraction:
    return PRICES.get(think["provider"]["model"], max(PRICES.values()))
