"""What sessions cost, from the messages that pass to usage.json, against a reckoning that shares nothing with ours."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from math import ceil
from pathlib import Path
from typing import Any

from pytest_dgbudget.gateway.grants import Grant, OpenLease
from pytest_dgbudget.gateway.ledger_thread import LedgerThread
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.session_terms import SessionTerms
from pytest_dgbudget.gateway.sessions import MeteredSession
from pytest_dgbudget.gateway.upstream import Upstream
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.rules.prices import PriceTable
from tests.gateway.conversations import terms_fields
from tests.gateway.memory import Carried, MemoryTransport
from tests.gateway.streams import CLOSE, CONT, TEXT, Sent
from tests.gateway.test_leases import Bank
from tests.support.gateway import asked
from tests.support.ledger import open_ledger

HOUR_MS = 3_600_000
MASK = b"\1\x80\xff\x7e"
# What the gateway reads of one message, by the page of known limitations; a longer one passes unread.
READ_UP_TO = 128 * 1024

# The reckoning --------------------------------------------------------------------------------------------------------

# Micro-dollars a minute; none is a multiple of another, so that each wrong choice is another sum.
PRICES = {
    ("standard", "deepgram"): 75_011,
    ("standard", "own"): 65_003,
    ("own", "deepgram"): 65_027,
    ("own", "own"): 50_021,
    ("advanced", "deepgram"): 163_003,
    ("advanced", "own"): 122_011,
}
HIGHEST = 163_003
TABLE = PriceTable(
    as_of="2026-11-30",
    micro_usd_per_minute={
        "standard": 75_011,
        "standard-byo-tts": 65_003,
        "custom-byo-llm": 65_027,
        "custom-byo-llm-tts": 50_021,
        "advanced": 163_003,
        "advanced-byo-tts": 122_011,
    },
)
THINKS: dict[str, Any] = {
    "standard": {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}},
    "advanced": {"provider": {"type": "anthropic", "model": "claude-sonnet-4-5"}},
    "own": {"provider": {"type": "open_ai", "model": "mine"}, "endpoint": {"url": "https://llm.example"}},
    "unknown": {"provider": {"type": "open_ai", "model": "from-the-future"}},
}
SPEAKS: dict[str, Any] = {
    "deepgram": {"provider": {"type": "deepgram", "model": "aura-2-thalia-en"}},
    "own": {"provider": {"type": "eleven_labs"}, "endpoint": {"url": "wss://tts.example"}},
}


@dataclass
class Reckoning:
    """What one session costs, kept while its messages pass: from when on which price."""

    think: tuple[str, ...] = ("unknown",)
    speak: tuple[str, ...] = ("unknown",)
    configured: bool = False
    prices: list[tuple[int, int, bool]] = field(default_factory=lambda: [(0, HIGHEST, True)])

    def settings(self, think: tuple[str, ...], speak: tuple[str, ...]) -> None:
        """From its dial on, whatever it was taken for before."""
        self.think, self.speak, self.configured = think, speak, True
        self.prices = [(0, *self._price())]

    def update(self, at_ms: int, **blocks: tuple[str, ...]) -> None:
        """Before Settings the vendor refuses it."""
        if self.configured:
            self.think, self.speak = blocks.get("think", self.think), blocks.get("speak", self.speak)
            self.prices.append((at_ms, *self._price()))

    def micro_usd(self, ms: int) -> int:
        ends = [*(at for at, _, _ in self.prices[1:]), ms]
        parts = zip(self.prices, ends, strict=True)
        return ceil(sum(Fraction((end - at) * price, 60_000) for (at, price, _), end in parts))

    @property
    def estimated(self) -> bool:
        return any(estimated for _, _, estimated in self.prices)

    def _price(self) -> tuple[int, bool]:
        prices = [PRICES.get((think, speak), HIGHEST) for think in self.think for speak in self.speak]
        return max(prices), len(prices) > 1 or "unknown" in (*self.think, *self.speak)


# Sessions -------------------------------------------------------------------------------------------------------------


class Till(Bank):
    """Leases whose sessions are relayed, and cost what the table says."""

    async def grant(self, name: str) -> Grant:
        attempt = await self._thread.call(self._ledger.begin_attempt, name, "", HOUR_MS)
        return Grant(attempt, asked(name, budget_ms=HOUR_MS))

    async def relayed(self, grant: Grant, handshake_ms: int) -> Spoken:
        """Open a lease and a session of it."""
        lease = await self.opened(grant)
        fields = {**terms_fields(), "prices": TABLE}
        dial = await self.dial(lease)
        session = MeteredSession(
            SessionTerms(id=dial, attempt="a", service=DeepgramAgent(), tag="tag", idle_ms=None, **fields),
            self.clock,
            self.events,
            welcomed=lambda session, request_id: None,
            funds=lease,
            ended=partial(self._session_ended, lease),
        )
        grant.open_sessions.append(session)
        lease.opened(session)
        spoken = Spoken(self, session, lease)
        await spoken.open(handshake_ms)
        return spoken


class Spoken:
    """One relayed session: what its client says is reckoned beside it."""

    def __init__(self, till: Till, session: MeteredSession, lease: OpenLease) -> None:
        self.reckoning = Reckoning()
        self.session = session
        self._clock = till.clock
        self._lease = lease
        self._client, self._vendor = MemoryTransport(), MemoryTransport()

    async def open(self, handshake_ms: int) -> None:
        answer: asyncio.Future[Upstream] = asyncio.get_running_loop().create_future()
        dialling = asyncio.ensure_future(self.session.dial(answer))
        await asyncio.sleep(0)
        self._clock.advance(handshake_ms)
        answer.set_result(Upstream([], None, Carried(self._vendor)))
        self.session.relay(self._client, await dialling, b"")

    @property
    def at_ms(self) -> int:
        return self._clock.now_ms() - self.session.dialled_ms

    def waits(self, ms: int) -> None:
        self._clock.advance(ms)

    def says(self, message: dict[str, Any], size: int, pieces: int, pause_ms: int) -> None:
        """Say a message of about this size, in fragments with pauses between them; it passes with the last one."""
        text = json.dumps({**message, "padding": "x" * size}).encode()
        length = -(-len(text) // pieces)
        cuts = [text[at : at + length] for at in range(0, len(text), length)]
        for number, cut in enumerate(cuts):
            self.waits(pause_ms if number else 0)
            self._client.feed(Sent(CONT if number else TEXT, cut, final=number == len(cuts) - 1, key=MASK).wire)

    def ends(self, how: str) -> int:
        """End it; return how long it was metered."""
        if how == "client":
            self._client.feed(Sent(CLOSE, (1000).to_bytes(2, "big"), key=MASK).wire)
        elif how == "vendor":
            self._vendor.feed(Sent(CLOSE, (1000).to_bytes(2, "big")).wire)
        self.waits(7 if how == "client" else 0)
        metered_ms = self.at_ms
        self._vendor.lose()
        self._client.lose()
        self.waits(1000)
        return metered_ms


def blocks(chance: random.Random, kinds: dict[str, Any]) -> tuple[Any, tuple[str, ...]]:
    """Return a block, or a list of fallbacks, and the kinds in it."""
    if chance.random() < 0.75:
        kind = chance.choice(list(kinds))
        return kinds[kind], (kind,)
    several = chance.sample(list(kinds), 2)
    return [kinds[kind] for kind in several], tuple(several)


def say_something(spoken: Spoken, chance: random.Random) -> None:
    """Say one of the messages that set the price, or another one, in some form."""
    size = chance.choice([0, 0, 0, chance.randrange(70, 120) * 1024])
    form = {"size": size, "pieces": chance.choice([1, 1, 2, 5]), "pause_ms": chance.choice([0, 1, 333])}
    (think, thinks), (speak, speaks) = blocks(chance, THINKS), blocks(chance, SPEAKS)
    kind = chance.choice(["UpdateThink", "UpdateThink", "UpdateSpeak", "UpdateSpeak", "UpdatePrompt", "too long"])
    if kind == "too long":
        spoken.says({"type": "InjectUserMessage"}, READ_UP_TO + 1, 1, 0)
        spoken.reckoning.update(spoken.at_ms, think=("unknown",), speak=("unknown",))
    else:
        spoken.says({"type": kind, "think": think, "speak": speak}, **form)
        changed = {"UpdateThink": {"think": thinks}, "UpdateSpeak": {"speak": speaks}}.get(kind, {})
        spoken.reckoning.update(spoken.at_ms, **changed)


def configure(spoken: Spoken, chance: random.Random) -> None:
    """Send Settings: an agent of blocks, one without a voice of its own, or one by its id."""
    (think, thinks), (speak, speaks) = blocks(chance, THINKS), blocks(chance, SPEAKS)
    agent: Any = {"think": think, "speak": speak}
    how = chance.random()
    if how < 0.15:
        agent, thinks, speaks = "0f8fad5b-d9cb-469f-a165-70867728950e", ("unknown",), ("unknown",)
    elif how < 0.3:
        agent, speaks = {"think": think}, ("deepgram",)
    size = chance.choice([0, 0, chance.randrange(70, 120) * 1024])
    spoken.says({"type": "Settings", "agent": agent}, size, chance.choice([1, 3]), chance.choice([0, 50]))
    spoken.reckoning.settings(thinks, speaks)


def talk(spoken: Spoken, chance: random.Random) -> int:
    """Hold one session of random messages at random times; return how long it was metered."""
    if chance.random() < 0.1:
        spoken.says({"type": "UpdateThink", "think": THINKS["own"]}, 0, 1, 0)
    spoken.waits(chance.randrange(2000))
    if chance.random() < 0.9:
        configure(spoken, chance)
        for _ in range(chance.randrange(5)):
            spoken.waits(chance.randrange(20_000))
            say_something(spoken, chance)
    spoken.waits(chance.randrange(5000))
    return spoken.ends(chance.choice(["client", "vendor", "network"]))


def test_what_sessions_cost_is_what_a_reckoning_of_their_messages_says_to_the_micro_dollar(
    tmp_path: Path,
) -> None:
    asyncio.run(compare(tmp_path, range(500)))


async def compare(folder: Path, seeds: Iterable[int]) -> None:
    thread = LedgerThread(lambda error: None)
    till = Till(await thread.call(partial(open_ledger, folder / "ledger.db", budget_ms=None)), thread)
    expected: dict[str, tuple[int, bool]] = {}
    for seed in seeds:
        chance = random.Random(seed)
        spoken = await till.relayed(await till.grant(f"test_{seed}"), chance.randrange(100))
        expected[spoken.session.id] = reckoned(spoken, talk(spoken, chance))
    document = usage_document(await till.facts())
    await till.close()
    found = {each["id"]: (micro_usd(each["cost_usd"]), each["estimated"]) for each in document["sessions"]}
    assert found == expected
    assert sum(cost for cost, _ in expected.values()) == micro_usd(document["run"]["cost_usd"])
    assert [micro_usd(test["cost_usd"]) for test in document["tests"]] == [cost for cost, _ in expected.values()]


def reckoned(spoken: Spoken, metered_ms: int) -> tuple[int, bool]:
    return spoken.reckoning.micro_usd(metered_ms), spoken.reckoning.estimated


def micro_usd(usd: float | None) -> int:
    assert usd is not None
    return round(usd * 1_000_000)
