"""Who stops reading stalls its own session only: little is kept for it, and its end still comes on time."""

from __future__ import annotations

import asyncio
import contextlib
import json
import select
import statistics
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection
from websockets.frames import Close
from websockets.sync.client import ClientConnection

from pytest_dgbudget.gateway.frames import _READ_UP_TO, BINARY, CLOSE, TEXT
from pytest_dgbudget.gateway.recording_thread import MOST_WAITING, RESERVE
from pytest_dgbudget.protocol.operations import EndedAttempt
from tests.process.test_tls import certified
from tests.support.gateway import RawClient, RunningGateway, opened, wire
from tests.support.processes import wait_until
from tests.support.slow import slow
from tests.support.vendor import Seen, Vendor

SETTINGS = b'{"type": "Settings", "agent": {}}'
# Audio as it comes, and about the longest text that the gateway reads.
LONG_TEXT = b'{"type": "X", "x": "' + b"x" * (_READ_UP_TO - 100) + b'"}'
FLOODS = {"audio": (BINARY, bytes(32_000)), "text": (TEXT, LONG_TEXT)}
# More than the system itself keeps of what a session's four ends have not read.
MOST_FLOOD = 48 * 2**20
# Nobody takes any more when nothing moved for so long.
STALLED_SECONDS = 0.5

SESSIONS = 10
MOST_KIB_EACH = 1024
# And of what waits for the disk, over all sessions.
MOST_KIB_RECORDED = MOST_KIB_EACH + (MOST_WAITING + RESERVE) / 1024 / SESSIONS
# The Close is due a quarter of a second before the end of the allowance.
BUDGET, DUE = 3.0, 2.75


class Moody:
    """A vendor that floods and goes deaf on command, until ``over`` is said on another connection."""

    def __init__(self) -> None:
        self.stalled: set[str] = set()
        self._over = asyncio.Event()
        self._awake = asyncio.Event()

    async def talk(self, connection: ServerConnection, seen: Seen) -> None:
        await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
        async for message in connection:
            said = {} if isinstance(message, bytes) else json.loads(message)
            if "wake" in said:
                self._awake.set()
                self._awake = asyncio.Event()
            if "nap" in said:
                connection.transport.pause_reading()
                await self._awake.wait()
                connection.transport.resume_reading()
            if "over" in said:
                self._over.set()
                self._over = asyncio.Event()
            if "deaf" in said:
                connection.transport.pause_reading()
            if "flood" in said:
                await self._flood(connection, said["flood"])
                self.stalled.add(seen.request_id)
            if "ask" in said:
                await connection.send('{"type": "Asked"}')
            if "deaf" in said:
                await asyncio.to_thread(hung_up, connection.transport.get_extra_info("socket").fileno())
                seen.close_seen_at = time.monotonic()
                await self._over.wait()
                connection.transport.abort()
                return

    async def _flood(self, connection: ServerConnection, what: str) -> None:
        opcode, payload = FLOODS[what]
        message = payload if opcode == BINARY else payload.decode()
        with contextlib.suppress(asyncio.TimeoutError):
            for _ in range(MOST_FLOOD // len(payload)):
                await asyncio.wait_for(connection.send(message), STALLED_SECONDS)
            raise AssertionError("somebody takes all of it")


def hung_up(descriptor: int) -> None:
    """Return when the connection is ended by the other side, whatever stands unread before that."""
    waiting = select.poll()
    waiting.register(descriptor, select.POLLRDHUP)
    waiting.poll(20_000)


def flood(client: RawClient, what: str) -> None:
    """Send until nobody takes any more."""
    opcode, payload = FLOODS[what]
    frame = wire(opcode, payload)
    client.socket.settimeout(STALLED_SECONDS)
    taken = 0
    with contextlib.suppress(TimeoutError):
        while taken < MOST_FLOOD:
            taken += client.socket.send(frame[taken % len(frame) :])
        raise AssertionError("somebody takes all of it")
    client.socket.settimeout(15)


@pytest.fixture(scope="module")
def moody() -> Moody:
    return Moody()


@pytest.fixture(scope="module", params=[slow("plain"), "over TLS"])
def vendor(moody: Moody, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Vendor]:
    context, trusted = certified(tmp_path_factory.mktemp("certificates"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SSL_CERT_FILE", trusted["SSL_CERT_FILE"])
        with Vendor(moody.talk, tls=context if request.param == "over TLS" else None) as vendor:
            yield vendor


@pytest.fixture(scope="module")
def gateway(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with opened(vendor.url, tmp_path_factory.mktemp("stalled")) as gateway:
        yield gateway


@pytest.fixture
def bystander(gateway: RunningGateway) -> Iterator[ClientConnection]:
    with bystander_of(gateway) as session:
        yield session


@contextlib.contextmanager
def bystander_of(gateway: RunningGateway) -> Iterator[ClientConnection]:
    """Open a session that goes on, and that ends the mood of all at last."""
    with gateway.session(gateway.grant().token) as session:
        session.recv(10)
        yield session
        session.send('{"over": true}')
        assert session.ping().wait(10)
    assert gateway.log() == ""


class Stalled:
    """Sessions of which one side, or both, stop reading while the other one floods."""

    def __init__(self, gateway: RunningGateway, moody: Moody, who: str, what: str) -> None:
        self._moody = moody
        self._who = who
        self._what = what
        self._door = gateway
        self.clients: list[RawClient] = []
        self.began_at = 0.0

    def open(self, stack: ExitStack, count: int, token: str) -> None:
        self.began_at = time.monotonic()
        for _ in range(count):
            client = stack.enter_context(RawClient(self._door, token))
            client.send(TEXT, SETTINGS)
            self.clients.append(client)

    def stall(self) -> None:
        """Return when nothing moves any more."""
        command = {
            "the client": {"flood": self._what},
            "the vendor": {"deaf": True},
            "both": {"flood": self._what, "deaf": True},
        }
        for client in self.clients:
            client.send(TEXT, json.dumps(command[self._who]).encode())
        if self._who != "the client":
            with ThreadPoolExecutor(len(self.clients)) as pool:
                list(pool.map(lambda client: flood(client, self._what), self.clients))
        if self._who != "the vendor":
            wait_until(lambda: self._moody.stalled >= {client.request_id for client in self.clients}, timeout=50)


@pytest.mark.parametrize(
    ("artifacts", "most_kib_each"),
    [("off", MOST_KIB_EACH), slow("on-failure", MOST_KIB_RECORDED)],
    ids=["unrecorded", "recorded"],
)
@pytest.mark.parametrize(
    ("who", "what"),
    [("the client", "audio"), ("the vendor", "audio"), pytest.param("both", "text", marks=pytest.mark.slow)],
)
def test_a_side_that_stops_reading_stalls_its_own_session_only(
    vendor: Vendor, moody: Moody, tmp_path: Path, who: str, what: str, artifacts: str, most_kib_each: float
) -> None:
    """In a gateway of its own: what one has kept before, it keeps for later."""
    opening = opened(vendor.url, tmp_path, artifacts=artifacts)
    with opening as gateway, bystander_of(gateway) as bystander, ExitStack() as stack:
        stalled = Stalled(gateway, moody, who, what)
        stalled.open(stack, SESSIONS, gateway.grant().token)
        trips, memory = [round_trip(bystander)], gateway.resident_kib()
        with ThreadPoolExecutor(1) as pool:
            stalling = pool.submit(stalled.stall)
            while not stalling.done():
                trips.append(round_trip(bystander))
        stalling.result()
        trips += [round_trip(bystander) for _ in range(50)]
        each = (gateway.resident_kib() - memory) / SESSIONS
    median, slowest = statistics.median(trips) * 1000, max(trips) * 1000
    print(f"{each:.0f} KiB per stalled session; {len(trips)} trips, {median:.1f} ms, the slowest {slowest:.0f} ms")
    assert each < most_kib_each
    assert median < 100
    assert slowest < 5000


def test_who_reads_again_gets_all_that_came_meanwhile(
    gateway: RunningGateway, moody: Moody, bystander: ClientConnection
) -> None:
    with RawClient(gateway, gateway.grant().token) as client:
        client.send(TEXT, SETTINGS)
        client.send(TEXT, b'{"flood": "audio"}')
        client.send(TEXT, b'{"ask": true}')
        wait_until(lambda: client.request_id in moody.stalled, timeout=50)
        opcodes = [client.receive().opcode]
        while opcodes[-1] != TEXT:
            opcodes.append(client.receive().opcode)
    assert len(opcodes) > 1


def test_a_vendor_that_reads_again_gets_all_that_came_meanwhile(
    gateway: RunningGateway, bystander: ClientConnection
) -> None:
    with RawClient(gateway, gateway.grant().token) as client, ThreadPoolExecutor(1) as pool:
        client.send(TEXT, SETTINGS)
        client.send(TEXT, b'{"nap": true}')
        flooding = pool.submit(client.socket.sendall, wire(*FLOODS["audio"]) * (MOST_FLOOD // 32_000))
        while select.select([], [client.socket], [], STALLED_SECONDS)[1]:
            time.sleep(STALLED_SECONDS / 10)
        bystander.send('{"wake": true}')
        flooding.result()
        client.send(TEXT, b'{"ask": true}')
        assert client.receive().opcode == TEXT


def round_trip(session: ClientConnection) -> float:
    sent_at = time.monotonic()
    assert session.ping().wait(30)
    return time.monotonic() - sent_at


def seen_by(vendor: Vendor, client: RawClient) -> Seen:
    (seen,) = [seen for seen in vendor.connections if seen.request_id == client.request_id]
    return seen


def stall_until_cut(stalled: Stalled) -> None:
    """On a slow machine the cut comes first, which is as good."""
    with contextlib.suppress(ConnectionError):
        stalled.stall()


def test_i4_a_stalled_session_is_cut_on_time(
    gateway: RunningGateway, moody: Moody, vendor: Vendor, bystander: ClientConnection
) -> None:
    stalled = Stalled(gateway, moody, "the client", "audio")
    attempt = gateway.grant(budget_ms=int(BUDGET * 1000))
    with ExitStack() as stack:
        stalled.open(stack, 1, attempt.token)
        stall_until_cut(stalled)
        seen = seen_by(vendor, stalled.clients[0])
        wait_until(lambda: seen.closed_at is not None)
    assert seen.close_seen_at is not None
    lateness = seen.close_seen_at - seen.opened_at - DUE
    print(f"lateness of the Close: {lateness * 1000:.1f} ms")
    assert lateness < BUDGET - DUE
    assert seen.close_seen_at - stalled.began_at > DUE, "it is dialled, and metered, after that"
    assert seen.close_code == 1000
    assert seconds_used(gateway.run.gateway.end(attempt.id)) <= BUDGET


@pytest.mark.slow
@pytest.mark.parametrize("who", ["the vendor", "both"])
def test_i4_a_vendor_that_stops_reading_is_let_go_within_the_allowance(
    gateway: RunningGateway, moody: Moody, vendor: Vendor, bystander: ClientConnection, who: str
) -> None:
    stalled = Stalled(gateway, moody, who, "audio")
    attempt = gateway.grant(budget_ms=int(BUDGET * 1000))
    with ExitStack() as stack:
        stalled.open(stack, 1, attempt.token)
        (client,) = stalled.clients
        seen = seen_by(vendor, client)
        stall_until_cut(stalled)
        closed_at = close_of(client)
        ended = gateway.run.gateway.end(attempt.id)
        wait_until(lambda: seen.close_seen_at is not None)
    assert seen.close_seen_at is not None
    print(f"the vendor is let go {(seen.close_seen_at - seen.opened_at - DUE) * 1000:.1f} ms after its Close is due")
    assert seen.close_seen_at - seen.opened_at < BUDGET
    if who == "the vendor":
        assert closed_at is not None
        lateness = closed_at - seen.opened_at - DUE
        print(f"lateness of the client's Close: {lateness * 1000:.1f} ms; {seconds_used(ended)} s used")
        assert lateness < BUDGET - DUE
        assert closed_at - stalled.began_at > DUE, "it is dialled, and metered, after that"
    assert [overrun.kind for overrun in ended.verdict.overruns] == ["cut"]
    assert DUE < seconds_used(ended) <= BUDGET


def seconds_used(ended: EndedAttempt) -> float:
    """Return what an attempt used, which its gateway knows."""
    used = ended.figures["used_seconds"]
    assert used is not None
    return used


def close_of(client: RawClient) -> float | None:
    """Read to the end; return when a Close for a used up budget came, None where none did."""
    came_at = None
    with contextlib.suppress(EOFError, ConnectionError):
        while True:
            frame = client.receive()
            if frame.opcode == CLOSE:
                came_at = time.monotonic()
                assert Close.parse(frame.data).code == 4402
    return came_at


@pytest.mark.parametrize("who", ["the client", slow("the vendor"), slow("both")])
def test_a_stalled_session_does_not_hold_up_the_end_of_its_test(
    vendor: Vendor, moody: Moody, tmp_path: Path, who: str
) -> None:
    """Where the vendor still reads, its answer is heard after all that the client has not read."""
    with opened(vendor.url, tmp_path) as gateway:
        attempt = gateway.grant()
        with bystander_of(gateway), ExitStack() as stack:
            stalled = Stalled(gateway, moody, who, "audio")
            stalled.open(stack, 3, attempt.token)
            stalled.stall()
            ends_from = time.monotonic()
            assert gateway.run.gateway.end(attempt.id).figures["sessions"] == 3
            took = time.monotonic() - ends_from
        document = gateway.run.finish(0, wait=False, still_waiting=lambda: None)["document"]
        assert document is not None
    print(f"the end of the test took {took:.2f} s")
    assert took < 5
    confirmed = [session["confirmed"] for session in document["sessions"] if session["closed_by"] == "teardown"]
    assert confirmed == [who == "the client"] * 3
