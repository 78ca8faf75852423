"""The gateway's door: who has no token gets nothing and can hold little, and everybody else goes on."""

from __future__ import annotations

import json
import os
import socket
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest
from websockets.exceptions import InvalidStatus
from websockets.sync.client import connect

from pytest_dgbudget.gateway.strangers import MOST_STRANGERS
from pytest_dgbudget.plugin.owner import start_gateway
from pytest_dgbudget.settings import resolve
from tests.gateways import children_of, wait_until
from tests.vendor import KEY, Vendor

UPGRADE = (
    "GET {path} HTTP/1.1\r\nHost: {host}\r\nConnection: Upgrade\r\nUpgrade: {upgrade}\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2l4dGVlbiBieXRlcyEhIQ==\r\n{more}\r\n"
)


@dataclass(frozen=True)
class Door:
    """A gateway that runs, one token of it, and where its log is."""

    port: int
    pid: int
    token: str
    folder: Path

    def ask(self, head: str, timeout: float = 15) -> bytes:
        """Send bytes and return all that comes back until the gateway closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout) as peer, suppress(ConnectionError):
            peer.sendall(head.encode("latin-1"))
            answer = b""
            while data := peer.recv(65536):
                answer += data
                if b" 101 " in answer.partition(b"\r\n")[0]:
                    break
        return answer

    def upgrade(
        self, *, host: str = "", path: str = "/v1/agent/converse", upgrade: str = "websocket", more: str = ""
    ) -> bytes:
        return self.ask(UPGRADE.format(path=path, host=host or f"127.0.0.1:{self.port}", upgrade=upgrade, more=more))

    def serves(self) -> None:
        """A client with a token has its session."""
        headers = {"Authorization": f"Token {self.token}"}
        url = f"ws://127.0.0.1:{self.port}/v1/agent/converse"
        with connect(url, additional_headers=headers, proxy=None, compression=None) as websocket:
            assert json.loads(websocket.recv())["type"] == "Welcome"

    def log(self) -> str:
        return "".join(log.read_text(encoding="utf-8") for log in self.folder.glob(".dgbudget/gateway-*.log"))

    def files(self) -> int:
        return len(list(Path(f"/proc/{self.pid}/fd").iterdir()))

    def resident_mib(self) -> float:
        pages = int(Path(f"/proc/{self.pid}/statm").read_text(encoding="ascii").split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20


@contextmanager
def opened(vendor: Vendor, folder: Path) -> Iterator[Door]:
    settings = resolve(
        command_line={"dg_target": "live", "dg_budget": "1h", "dg_agent_url": vendor.url, "dg_reconcile": "off"},
        environment={"DEEPGRAM_API_KEY": KEY},
        ini={},
        rootdir=folder,
        current_dir=folder,
    )
    before = set(children_of(os.getpid()))
    owner = start_gateway(settings)
    try:
        (pid,) = set(children_of(os.getpid())) - before
        yield Door(owner.link.port, pid, owner.link.grant("test_it.py::test", "", None, None).token, folder)
    finally:
        owner.close()


@pytest.fixture
def door(vendor: Vendor, tmp_path: Path) -> Iterator[Door]:
    """Whatever a test did to it, it must still serve, and have nothing to say of it."""
    with opened(vendor, tmp_path) as door:
        yield door
        door.serves()
        assert door.log() == ""


WITHOUT_TOKEN = {
    "none": "",
    "unknown": "Authorization: Token dgb_unknown\r\n",
    "the vendor's key": f"Authorization: Token {KEY}\r\n",
    "another scheme": "Authorization: Basic abc\r\n",
    "by subprotocol": "Sec-WebSocket-Protocol: token, dgb_unknown\r\n",
    "a browser's page": "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
}


@pytest.mark.parametrize("credentials", WITHOUT_TOKEN)
def test_who_has_no_token_gets_the_vendors_401_and_nothing_is_dialled(
    door: Door, vendor: Vendor, credentials: str
) -> None:
    head, _, body = door.upgrade(more=WITHOUT_TOKEN[credentials]).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 401 ")
    assert b"access-control" not in head.lower()
    said = json.loads(body)
    assert set(said) == {"err_code", "err_msg", "request_id"}
    assert said["err_code"] == "DGBUDGET_UNAUTHORIZED"
    assert not vendor.connections


def test_a_browsers_page_with_a_token_is_welcome_from_any_origin(door: Door) -> None:
    answer = door.upgrade(more=f"Origin: https://any.example\r\nSec-WebSocket-Protocol: token, {door.token}\r\n")
    assert answer.startswith(b"HTTP/1.1 101 ")
    assert b"access-control" not in answer.lower()


@pytest.mark.parametrize("host", ["evil.example", "evil.example:{port}", "127.0.0.1:1", "127.0.0.1", "[::1]:{port}"])
def test_a_host_that_is_not_ours_is_refused_whatever_token_comes_with_it(door: Door, vendor: Vendor, host: str) -> None:
    """A name that was rebound to loopback."""
    answer = door.upgrade(host=host.format(port=door.port), more=f"Authorization: Token {door.token}\r\n")
    assert answer.startswith(b"HTTP/1.1 403 ")
    assert not vendor.connections


@pytest.mark.parametrize("path", ["/", "/v1/agent/converse", "/control", "/v1/listen", "*"])
@pytest.mark.parametrize("method", ["GET", "POST", "OPTIONS", "CONNECT", "PRI"])
def test_what_is_no_upgrade_is_nothing_here(door: Door, method: str, path: str) -> None:
    head, _, body = door.ask(f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{door.port}\r\n\r\n").partition(b"\r\n\r\n")
    assert head.split(b" ")[1] in {b"404", b"400"}
    assert b"access-control" not in head.lower()
    assert json.loads(body)["err_code"].startswith("DGBUDGET_")


GARBAGE = {
    "bytes": bytes(range(256)).decode("latin-1") * 8,
    "a TLS hello": "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + "\x00" * 600,
    "HTTP/2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a head without an end": "GET / HTTP/1.1\r\nX: " + "a" * 100_000,
    "ten thousand headers": "GET / HTTP/1.1\r\n" + "X: y\r\n" * 10_000,
    "a long request line": "GET /" + "a" * 100_000 + " HTTP/1.1\r\n\r\n",
    "zeros": "\0" * 5000 + "\r\n\r\n",
    "two hosts": "GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_refused_or_dropped(door: Door, garbage: str) -> None:
    answer = door.ask(GARBAGE[garbage])
    assert answer == b"" or answer.split(b" ")[1] in {b"400", b"403", b"404"}


def test_it_listens_on_loopback_only(door: Door) -> None:
    rows = [row.split() for row in Path(f"/proc/{door.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    addresses = {row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{door.port:04X}")}
    assert addresses == {f"0100007F:{door.port:04X}"}


@pytest.mark.parametrize(
    "said",
    ["", UPGRADE.format(path="/control", host="127.0.0.1:{port}", upgrade="dgbudget-control", more="")],
    ids=["nothing", "that they are owners"],
)
def test_a_thousand_connections_that_prove_nothing_keep_nobody_out(door: Door, said: str) -> None:
    files, memory = door.files(), door.resident_mib()
    with ExitStack() as stack:
        for _ in range(1000):
            peer = stack.enter_context(socket.create_connection(("127.0.0.1", door.port), 10))
            peer.sendall(said.format(port=door.port).encode())
        started_at = time.monotonic()
        door.serves()
        print(f"served in {(time.monotonic() - started_at) * 1000:.0f} ms; {door.resident_mib() - memory:.1f} MiB more")
        assert time.monotonic() - started_at < 5
        assert door.files() - files <= MOST_STRANGERS + 20
        assert door.resident_mib() - memory < 20


@pytest.mark.slow
def test_who_sends_a_head_byte_by_byte_is_dropped_after_ten_seconds(door: Door) -> None:
    started_at = time.monotonic()
    with socket.create_connection(("127.0.0.1", door.port), 30) as peer, suppress(ConnectionError):
        for byte in b"GET / HTTP/1.1\r\nX: " + b"a" * 300:
            peer.sendall(bytes([byte]))
            time.sleep(0.1)
    assert 9 < time.monotonic() - started_at < 20


HELLOS = {
    "a wrong proof": '{"proof": "00", "challenge": "c", "role": "controller", "pid": 1, "started": null}\n',
    "no proof": '{"op": "finish", "exit_status": 0, "wait": false, "id": 1}\n',
    "a number": "7\n",
    "no JSON": "hello\n",
    "a deep one": "[" * 3000 + "\n",
    "a long one": "x" * 1_000_000,
}


@pytest.mark.parametrize("hello", HELLOS)
def test_who_does_not_prove_the_secret_is_dropped_and_nobody_notices(door: Door, hello: str) -> None:
    upgrade = UPGRADE.format(path="/control", host=f"127.0.0.1:{door.port}", upgrade="dgbudget-control", more="")
    with socket.create_connection(("127.0.0.1", door.port), 5) as peer, suppress(ConnectionError):
        peer.sendall(upgrade.encode())
        assert peer.recv(65536).startswith(b"HTTP/1.1 101 ")
        peer.sendall(HELLOS[hello].encode())
        came = b""
        while data := peer.recv(65536):
            came += data
        assert b'"ok"' not in came


def test_a_proof_is_worth_nothing_a_second_time(door: Door) -> None:
    """Each connection has a challenge of its own."""
    upgrade = UPGRADE.format(path="/control", host=f"127.0.0.1:{door.port}", upgrade="dgbudget-control", more="")
    challenges = set()
    for _ in range(5):
        with socket.create_connection(("127.0.0.1", door.port), 5) as peer:
            peer.sendall(upgrade.encode())
            came = b""
            while b"\n" not in came.partition(b"\r\n\r\n")[2]:
                came += peer.recv(65536)
            challenges.add(json.loads(came.partition(b"\r\n\r\n")[2])["challenge"])
    assert len(challenges) == 5


def test_a_flood_before_the_101_is_dropped(vendor: Vendor, tmp_path: Path, door: Door) -> None:
    head = UPGRADE.format(
        path="/v1/agent/converse",
        host=f"127.0.0.1:{door.port}",
        upgrade="websocket",
        more=f"Authorization: Token {door.token}\r\n",
    )
    memory = door.resident_mib()
    with socket.create_connection(("127.0.0.1", door.port), 10) as peer, suppress(ConnectionError):
        peer.sendall(head.encode() + b"\x82\xfe\x02\x80" + b"\0" * 5_000_000)
    assert door.resident_mib() - memory < 20


def test_i9_neither_key_nor_tokens_are_where_others_can_read(door: Door, vendor: Vendor) -> None:
    door.serves()
    with pytest.raises(InvalidStatus):
        connect(
            f"ws://127.0.0.1:{door.port}/v1/agent/converse", additional_headers={"Authorization": "Token x"}, proxy=None
        )
    wait_until(lambda: all(seen.closed_at is not None for seen in vendor.connections))
    shown = Path(f"/proc/{door.pid}/cmdline").read_bytes() + Path(f"/proc/{door.pid}/environ").read_bytes()
    files = b"".join(path.read_bytes() for path in door.folder.rglob("*") if path.is_file())
    for secret in (KEY, door.token):
        assert secret.encode() not in shown
        assert secret.encode() not in files
