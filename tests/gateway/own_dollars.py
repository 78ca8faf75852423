"""A vendor in memory that prices what it gets by itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from fractions import Fraction
from math import ceil
from typing import Any

from pytest_dgbudget.gateway.frames import TEXT
from tests.gateway.memory import MemoryTransport, messages
from tests.gateway.purse import THINKS

# Of a minute, in millionths of a dollar.
OWN_PRICES = {"standard": 75_000, "advanced": 163_000, "custom-byo-llm": 65_000}
HIGHEST = 163_000


def own_price(think: Any) -> int:
    """Return the price of a minute with this block; what it does not know costs the most."""
    return next((OWN_PRICES[tier] for tier, block in THINKS.items() if block == think), HIGHEST)


class PricingVendor(MemoryTransport):
    """Prices a session from its dial on, by the messages that reached it; it answers no Close, so it is aborted."""

    def __init__(self, now_ms: Callable[[], int]) -> None:
        super().__init__()
        self._now_ms = now_ms
        self._prices = [(now_ms(), HIGHEST)]
        self.ended_ms: int | None = None
        self.updates = 0
        self.configured = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        for opcode, payload in messages(bytes(data)):
            if opcode == TEXT:
                self._read(json.loads(payload))

    def abort(self) -> None:
        super().abort()
        self.lose()

    def close(self) -> None:
        self.abort()

    def lose(self) -> None:
        if self.ended_ms is None:
            self.ended_ms = self._now_ms()
        super().lose()

    def kill(self) -> None:
        """Its peer is gone at once, and tells nobody."""
        self.lost, self.ended_ms = True, self._now_ms()

    @property
    def price(self) -> int:
        return self._prices[-1][1]

    @property
    def ms(self) -> int:
        return (self._now_ms() if self.ended_ms is None else self.ended_ms) - self._prices[0][0]

    @property
    def micro_usd(self) -> int:
        """What it costs by now, rounded up once."""
        ends = [at for at, _ in self._prices[1:]] + [self._prices[0][0] + self.ms]
        parts = zip(self._prices, ends, strict=True)
        return ceil(sum(Fraction((end - at) * price, 60_000) for (at, price), end in parts))

    def _read(self, message: dict[str, Any]) -> None:
        """Refuse what comes before Settings, and a second one of these."""
        if message["type"] == "Settings" and not self.configured:
            self.configured = True
            self._prices = [(self._prices[0][0], own_price(message["agent"]["think"]))]
        elif message["type"] == "UpdateThink":
            self.updates += 1
            if self.configured:
                self._prices.append((self._now_ms(), own_price(message["think"])))
