"""The gateway's gateway: who has no token gets nothing and can hold little, and everybody else goes on."""

from __future__ import annotations

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from websockets.utils import accept_key

from pytest_dgbudget.errors import GatewayError
from pytest_dgbudget.gateway.frames import BINARY
from pytest_dgbudget.processes import process_started
from pytest_dgbudget.protocol.codec import to_json
from pytest_dgbudget.protocol.heartbeat import HEARTBEAT_MS
from pytest_dgbudget.protocol.operations import BeginAttempt, FinishRun, Join, Operation, StopRun
from pytest_dgbudget.protocol.secrets import proof
from pytest_dgbudget.protocol.startup import GatewayConfig
from tests.support.gateway import RunningGateway, opened, run_config_for, status_of, wire
from tests.support.processes import wait_until
from tests.support.slow import quick_only, slow
from tests.support.vendor import KEY, Vendor

# What strangers may hold together; written here once more, so that raising it there is noticed.
MOST_UNAUTHENTICATED, MOST_SECONDS = 256, 10
SPARE_FILES = 20


@pytest.fixture(scope="module")
def vendor() -> Iterator[Vendor]:
    with Vendor() as vendor:
        yield vendor


@pytest.fixture(scope="module")
def running_gateway(vendor: Vendor, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningGateway]:
    with opened(vendor.url, tmp_path_factory.mktemp("gateway")) as gateway:
        yield gateway


@pytest.fixture
def gateway(running_gateway: RunningGateway) -> Iterator[RunningGateway]:
    """Whatever a test did to it, who was there before stays, others come, and it has nothing to say of it."""
    with running_gateway.session(running_gateway.grant().token) as session:
        session.recv(10)
        wait_until(lambda: running_gateway.recordings() == 1)  # not before Welcome, and tests count what is open
        yield running_gateway
        session.ping().wait(10)
        running_gateway.serves()
    assert running_gateway.log() == ""


@contextmanager
def nothing_is_dialled(vendor: Vendor) -> Iterator[None]:
    before = len(vendor.connections)
    yield
    assert len(vendor.connections) == before


# Tokens -------------------------------------------------------------------------------------------------------------

WITHOUT_TOKEN = {
    "none": "",
    "unknown": "Authorization: Token dgb_unknown\r\n",
    "the vendor's key": f"Authorization: Token {KEY}\r\n",
    "another scheme": "Authorization: Basic abc\r\n",
    "by subprotocol": "Sec-WebSocket-Protocol: token, dgb_unknown\r\n",
    "a browser's page": "Origin: https://evil.example\r\nSec-Fetch-Site: cross-site\r\n",
    "a local page": "Origin: http://127.0.0.1\r\n",
}


@pytest.mark.parametrize("credentials", WITHOUT_TOKEN)
def test_who_has_no_token_gets_the_vendors_401_and_nothing_is_dialled(
    gateway: RunningGateway, vendor: Vendor, credentials: str
) -> None:
    with nothing_is_dialled(vendor):
        head, _, body = gateway.ask(gateway.head(more=WITHOUT_TOKEN[credentials])).partition(b"\r\n\r\n")
    assert status_of(head) == 401
    names = [line.partition(b":")[0].lower() for line in head.split(b"\r\n")[1:]]
    assert names == [b"content-type", b"dg-request-id", b"dg-error", b"content-length", b"connection"]
    said = json.loads(body)
    assert list(said) == ["err_code", "err_msg", "request_id"]
    assert said["err_code"] == "DGBUDGET_UNAUTHORIZED"


def test_a_token_ends_with_its_test(gateway: RunningGateway, vendor: Vendor) -> None:
    attempt = gateway.grant()
    with gateway.session(attempt.token) as session:
        session.recv(10)
    gateway.run.gateway.end(attempt.id)
    with nothing_is_dialled(vendor):
        assert status_of(gateway.ask(gateway.head(more=f"Authorization: Token {attempt.token}\r\n"))) == 401


@pytest.mark.parametrize("origin", ["https://any.example", "http://localhost:3000", "null", "file://"])
def test_a_browsers_page_with_a_token_is_welcome_from_any_origin(gateway: RunningGateway, origin: str) -> None:
    more = f"Origin: {origin}\r\nSec-WebSocket-Protocol: token, {gateway.grant().token}\r\n"
    assert status_of(gateway.ask(gateway.head(more=more))) == 101


PREFLIGHT = (
    "OPTIONS /v1/agent/converse HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nOrigin: https://any.example\r\n"
    "Access-Control-Request-Method: GET\r\nAccess-Control-Request-Headers: authorization\r\n"
    "Access-Control-Request-Private-Network: true\r\n\r\n"
)


@pytest.mark.parametrize("status", [101, 400, 401, 402, 403, 404])
def test_no_answer_lets_a_page_of_another_origin_read_it(gateway: RunningGateway, status: int) -> None:
    origin = "Origin: https://any.example\r\n"
    token = f"Authorization: Token {gateway.grant().token}\r\n{origin}"
    spent = f"Authorization: Token {gateway.grant(budget_ms=0).token}\r\n{origin}"
    requests = {
        101: gateway.head(more=token),
        400: b"what?\r\n\r\n",
        401: gateway.head(more=origin),
        402: gateway.head(more=spent),
        403: gateway.head(host="any.example", more=token),
        404: PREFLIGHT.format(port=gateway.port).encode(),
    }
    answer = gateway.ask(requests[status])
    assert status_of(answer) == status
    assert b"access-control" not in answer.lower()


IMPROPER = {
    "no key": (b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyEhIQ==\r\n", b"", 400),
    "a short key": (b"c2l4dGVlbiBieXRlcyEhIQ==", b"c2hvcnQ=", 400),
    "two keys": (
        b"Sec-WebSocket-Version",
        b"Sec-WebSocket-Key: c2l4dGVlbiBieXRlcyEhIQ==\r\nSec-WebSocket-Version",
        400,
    ),
    "another version": (b"Version: 13", b"Version: 12", 400),
    "another method": (b"GET", b"POST", 405),
    "no connection upgrade": (b"Connection: Upgrade", b"Connection: close", 426),
}


@pytest.mark.parametrize("wrong", IMPROPER)
def test_a_token_with_an_improper_handshake_opens_nothing(gateway: RunningGateway, vendor: Vendor, wrong: str) -> None:
    proper, improper, status = IMPROPER[wrong]
    head = gateway.head(more=f"Authorization: Token {gateway.grant().token}\r\n")
    with nothing_is_dialled(vendor):
        assert status_of(gateway.ask(head.replace(proper, improper, 1))) == status


@pytest.mark.parametrize("name", ["Sec-WebSocket-Protocol", "Sec-WebSocket-Extensions"])
def test_what_a_client_offers_may_come_in_several_lines(gateway: RunningGateway, name: str) -> None:
    """As RFC 6455 allows in sections 9.1 and 11.3.4."""
    more = f"Authorization: Token {gateway.grant().token}\r\n{name}: one\r\n{name}: two\r\n"
    assert status_of(gateway.ask(gateway.head(more=more))) == 101


# Where it listens ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "host",
    [
        "evil.example",
        "evil.example:{port}",
        "localhost.evil.example:{port}",
        "127.0.0.1:1",
        "127.0.0.1",
        "[::1]:{port}",
    ],
)
@pytest.mark.parametrize("path", ["/v1/agent/converse", "/control"])
def test_a_host_that_is_not_ours_is_refused_whatever_token_comes_with_it(
    gateway: RunningGateway, vendor: Vendor, host: str, path: str
) -> None:
    """A page's name that was rebound to loopback."""
    upgrade = "websocket" if path != "/control" else "dgbudget-control"
    token = f"Authorization: Token {gateway.grant().token}\r\n"
    with nothing_is_dialled(vendor):
        assert status_of(gateway.ask(gateway.head(host=host, path=path, upgrade=upgrade, more=token))) == 403


@pytest.mark.parametrize("host", ["127.0.0.1:{port}", "localhost:{port}", "LocalHost:{port}"])
def test_loopback_is_ours_by_either_name(gateway: RunningGateway, host: str) -> None:
    assert (
        status_of(gateway.ask(gateway.head(host=host, more=f"Authorization: Token {gateway.grant().token}\r\n"))) == 101
    )


def test_it_listens_on_one_address_of_loopback_only(gateway: RunningGateway) -> None:
    rows = [row.split() for row in Path(f"/proc/{gateway.pid}/net/tcp").read_text(encoding="ascii").splitlines()[1:]]
    rows += [row.split() for row in Path(f"/proc/{gateway.pid}/net/tcp6").read_text(encoding="ascii").splitlines()[1:]]
    listens = [row[1] for row in rows if row[3] == "0A" and row[1].endswith(f":{gateway.port:04X}")]
    assert listens == [f"0100007F:{gateway.port:04X}"]
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.2", gateway.port), 5)


# What is no request -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/", "/v1/agent/converse", "/control", "*"])
@pytest.mark.parametrize("method", ["GET", "POST", "CONNECT"])
def test_what_is_no_upgrade_is_nothing_here(gateway: RunningGateway, method: str, path: str) -> None:
    request = f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{gateway.port}\r\n\r\n"
    answer = gateway.ask(request.encode())
    assert status_of(answer) == 404
    assert json.loads(answer.partition(b"\r\n\r\n")[2])["err_code"] == "DGBUDGET_NOT_FOUND"


GARBAGE = {
    "bytes": bytes(range(256)) * 8,
    "a TLS hello": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 600,
    "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a head without an end": b"GET / HTTP/1.1\r\nX: " + b"a" * 65_536,
    "ten thousand headers": b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 10_000 + b"\r\n",
    "a header in a thousand lines": b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\n" + b" z\r\n" * 1000 + b"\r\n",
    "a long request line": b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
    "zeros": b"\0" * 5000 + b"\r\n\r\n",
    "a zero in a header": b"GET / HTTP/1.1\r\nHost: a\r\nX: \0\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    "a negative length": b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
    "nothing but ends": b"\r\n\r\n",
}


@pytest.mark.parametrize("garbage", GARBAGE)
def test_garbage_is_refused_or_dropped(gateway: RunningGateway, garbage: str) -> None:
    answer = gateway.ask(GARBAGE[garbage])
    # HTTP/2 begins with a request that names no host, as far as HTTP/1.1 can tell.
    assert answer == b"" or status_of(answer) == (403 if garbage == "HTTP/2" else 400)


def test_half_a_head_and_a_goodbye_leave_nothing_open(gateway: RunningGateway) -> None:
    files = gateway.files()
    for head in (b"", b"GET", gateway.head()[:-2], gateway.control_head()[:-2]):
        with gateway.peer(timeout=MOST_SECONDS / 2) as peer:
            peer.sendall(head)
            peer.shutdown(socket.SHUT_WR)
            assert peer.recv(1) == b""
    wait_until(lambda: gateway.files() <= files)


# How much strangers hold --------------------------------------------------------------------------------------------


@pytest.fixture
def many_files() -> Iterator[None]:
    """This process opens as many sockets as a test wants."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, min(4096, hard)), hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def unauthenticated(gateway: RunningGateway, say: bytes, stack: ExitStack, count: int = 1000) -> list[socket.socket]:
    """Connect so many times, say this, and stay."""
    peers = []
    for _ in range(count):
        peers.append(stack.enter_context(gateway.peer()))
        with suppress(ConnectionError):
            peers[-1].sendall(say)
    return peers


def by_who_says_what(gateway: RunningGateway) -> dict[str, bytes]:
    hello = gateway.control_head() + b'{"proof": "' + b"0" * 4000
    return {
        "nothing": b"",
        "half a head": gateway.head()[:-2].ljust(16_000, b"x"),
        "that they are owners": gateway.control_head(),
        "half a proof": hello,
    }


@pytest.mark.parametrize("said", [slow("nothing"), "half a head", slow("that they are owners"), "half a proof"])
def test_a_thousand_connections_that_prove_nothing_keep_nobody_out(
    gateway: RunningGateway, said: str, many_files: None
) -> None:
    files, memory = gateway.files(), gateway.resident_kib()
    with ExitStack() as stack:
        unauthenticated(gateway, by_who_says_what(gateway)[said], stack)
        started_at = time.monotonic()
        gateway.serves()
        took, held, more = time.monotonic() - started_at, gateway.files() - files, gateway.resident_kib() - memory
        print(f"served in {took * 1000:.0f} ms among {held} strangers; {more:.0f} KiB more")
        assert took < 10
        assert MOST_UNAUTHENTICATED / 2 < held <= MOST_UNAUTHENTICATED + SPARE_FILES
        assert more < 20 * 1024
    wait_until(lambda: gateway.files() <= files + SPARE_FILES)


@pytest.mark.slow
@pytest.mark.parametrize("said", ["nothing", "half a head", "that they are owners", "half a proof"])
def test_who_proves_nothing_is_gone_after_ten_seconds(gateway: RunningGateway, said: str) -> None:
    with ExitStack() as stack:
        started_at = time.monotonic()
        peers = unauthenticated(gateway, by_who_says_what(gateway)[said], stack, count=100)
        for peer in peers:
            peer.settimeout(2 * MOST_SECONDS)
            with suppress(ConnectionError):
                while peer.recv(65_536):
                    pass
        took = time.monotonic() - started_at
    print(f"gone after {took:.1f} s")
    assert MOST_SECONDS - 1 < took < 2 * MOST_SECONDS


@pytest.mark.slow
def test_who_sends_a_head_byte_by_byte_is_dropped_after_ten_seconds(gateway: RunningGateway) -> None:
    started_at = time.monotonic()
    with gateway.peer() as peer:
        # Both ends of the time: a byte each 0.2 s, and nothing comes back until the connection is closed.
        for byte in gateway.head()[:-1]:
            with suppress(ConnectionError):
                peer.sendall(bytes([byte]))
            if select.select([peer], [], [], 0.2)[0]:
                break
    assert MOST_SECONDS - 1 < time.monotonic() - started_at < 2 * MOST_SECONDS


def test_heads_that_take_long_to_read_keep_nobody_waiting(gateway: RunningGateway) -> None:
    """Or owners would miss their beats, and take the gateway for hung."""
    with gateway.session(gateway.grant().token) as session, ExitStack() as stack:
        with stopped(gateway.pid):
            unauthenticated(gateway, b"GET / HTTP/1.1\r\nHost: a\r\n" + b"X: y\r\n" * 8000 + b"\r\n", stack, count=64)
        waits_from = time.monotonic()
        assert session.ping().wait(30)
        took = time.monotonic() - waits_from
    print(f"a round trip behind 64 of them: {took * 1000:.0f} ms")
    assert took < 2 * HEARTBEAT_MS / 1000


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    """What is sent meanwhile comes all at once."""
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_who_floods_before_the_101_is_dropped_and_its_dial_ends(tmp_path: Path) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as silent:
        silent.settimeout(10)
        url = f"ws://127.0.0.1:{silent.getsockname()[1]}/v1/agent/converse"
        with opened(url, tmp_path) as gateway, gateway.peer() as peer:
            peer.sendall(gateway.head(more=f"Authorization: Token {gateway.grant().token}\r\n"))
            dialled, _ = silent.accept()
            with closing(dialled):
                assert dialled.recv(65536).startswith(b"GET ")
                memory = gateway.resident_kib()
                with suppress(ConnectionError):
                    peer.sendall(wire(BINARY, bytes(960)) * 5000)
                received(dialled)
            assert received(peer) == b""
            assert gateway.resident_kib() - memory < 4 * 1024
            assert gateway.log() == ""


def received(peer: socket.socket) -> bytes:
    """Return all that comes until the connection ends."""
    peer.settimeout(8)
    came = b""
    with suppress(ConnectionError):
        while data := peer.recv(65536):
            came += data
    return came


# Control ------------------------------------------------------------------------------------------------------------


class Claimant:
    """A peer that says it is an owner."""

    def __init__(self, gateway: RunningGateway) -> None:
        # Less than it may take: who is dropped for what it said must not look like who said nothing.
        self.socket = gateway.peer(timeout=MOST_SECONDS / 2)
        self._stream = self.socket.makefile("rb")
        self.socket.sendall(gateway.control_head())
        assert status_of(self._stream.readline()) == 101
        while self._stream.readline().strip():
            pass
        self.challenge: str = json.loads(self._stream.readline())["challenge"]

    def __enter__(self) -> Claimant:
        return self

    def __exit__(self, *_: object) -> None:
        self._stream.close()
        self.socket.close()

    def say(self, line: bytes) -> bytes:
        """Return the answer; nothing when it is dropped."""
        with suppress(ConnectionError):
            self.socket.sendall(line)
            return self._stream.readline()
        return b""


def hello(proof: str) -> bytes:
    """An owner's first line, by this process."""
    pid = os.getpid()
    peer = {"role": "worker", "pid": pid, "started": process_started(pid)}
    said = {"proof": proof, "challenge": "c", "peer": peer}
    return json.dumps(said).encode() + b"\n"


def line(operation: Operation[Any]) -> bytes:
    """An operation as an owner asks it."""
    said = {"id": 1, "ask": type(operation).__name__, "fields": to_json(operation)}
    return json.dumps(said).encode() + b"\n"


GRANT = line(
    BeginAttempt(nodeid="t", worker="", target=None, budget_ms=1000, idle_ms=None, scenario=None, pace="vendor")
)

CLAIMS = {
    "a wrong proof": hello("0" * 64),
    "an empty proof": hello(""),
    "a proof that is no text": hello("x").replace(b'"x"', b"[1]"),
    "a proof that is no ASCII": hello("é" * 32),
    "no proof": b"{}\n",
    "a grant": GRANT,
    "many of them": GRANT * 20,
    "the end of the run": line(FinishRun(exit_status=0, wait=False)),
    "a stop": line(StopRun()),
    "a join": line(Join(held=(), token=None)),
    "a grant after a wrong proof": hello("0" * 64) + GRANT,
    "a number": b"7\n",
    "no JSON": b"hello\n",
    "no text": b"\xff\xfe\x00\n",
    "a deep one": b"[" * 4000 + b"\n",
    "a megabyte without an end": b"x" * 2**20,
    "a megabyte in lines": b"{}\n" * 2**18,
}


@pytest.mark.parametrize("claim", CLAIMS)
def test_who_does_not_prove_the_secret_is_dropped_unanswered(gateway: RunningGateway, claim: str) -> None:
    with Claimant(gateway) as claimant:
        assert claimant.say(CLAIMS[claim]) == b""


def test_a_proof_is_worth_nothing_on_another_connection(gateway: RunningGateway) -> None:
    with Claimant(gateway) as one, Claimant(gateway) as other:
        proven = hello(proof(gateway.secret, "owner", one.challenge))
        assert other.say(proven) == b""
        assert b"proof" in one.say(proven)


def test_the_gateways_own_proof_is_no_owners(gateway: RunningGateway) -> None:
    with Claimant(gateway) as claimant:
        assert claimant.say(hello(proof(gateway.secret, "gateway", claimant.challenge))) == b""


# The log --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("asked", [True, False], ids=["debug", "no debug"])
def test_the_debug_log_has_a_sessions_life_and_is_written_on_demand_only(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, asked: bool
) -> None:
    if asked:
        monkeypatch.setenv("DGBUDGET_LOG", "debug")
    with opened(vendor.url, tmp_path) as gateway:
        with gateway.session(gateway.grant().token) as session:
            session.recv(10)
        gateway.run.finish(0, wait=False, still_waiting=lambda: None)
        log = gateway.log()
    happened = re.findall(r"^\S+Z (session \w+|lease \w+)", log, re.MULTILINE)
    life = ["session dialled", "session opened", "session welcomed", "session ended", "lease settled"]
    assert happened == (life if asked else [])


# SQLite refuses text with an unpaired surrogate, and the gateway expects no node id to have one.
UNWRITABLE = BeginAttempt(
    nodeid="\ud800", worker="", target=None, budget_ms=None, idle_ms=None, scenario=None, pace="vendor"
)


# I9 -----------------------------------------------------------------------------------------------------------------


def test_i9_neither_key_nor_token_nor_secret_is_where_others_can_read(
    vendor: Vendor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also when something fails unexpectedly: what the log shows then has no values."""
    for name in ("DEEPGRAM_API_KEY", "DG_API_KEY", "DGBUDGET_KEY"):
        monkeypatch.setenv(name, KEY)
    with opened(vendor.url, tmp_path) as gateway:
        attempt = gateway.grant()
        with gateway.session(attempt.token) as session:
            session.recv(10)
        with pytest.raises(GatewayError):
            gateway.run.gateway.begin(UNWRITABLE)
        shown = {name: Path(f"/proc/{gateway.pid}/{name}").read_bytes() for name in ("cmdline", "environ", "comm")}
        finished = gateway.run.finish(0, wait=False, still_waiting=lambda: None)
        log = gateway.log()
    assert "Traceback" in log
    assert finished["document"] is not None
    assert len(finished["document"]["sessions"]) == 1
    written = {path.name: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert {"usage.json", "ledger.db"} <= set(written)
    everything = {**shown, **written, "log": log.encode()}
    for secret in (KEY, gateway.secret, attempt.token):
        assert [name for name, text in everything.items() if secret.encode() in text] == []


@pytest.mark.parametrize("breaks", ["half a configuration", "no listener"])
def test_i9_a_gateway_that_fails_to_start_tells_no_values(tmp_path: Path, breaks: str) -> None:
    config = GatewayConfig(
        run_config=run_config_for("ws://127.0.0.1:1/v1/agent/converse", tmp_path),
        invocation="i",
        predecessor=None,
        takes_over=False,
        host="h",
        pid=os.getpid(),
        started=None,
        temporary_folder=str(tmp_path / "temporary"),
        listener=999,
        connected=(),
        public_listener=None,
        scripts_folder=str(tmp_path / "scripts"),
        worker_tokens=(),
        log=str(tmp_path / "log"),
        debug=False,
        app_token=None,
        api_key=KEY,
        secret="control-secret",
    ).dump()
    said = subprocess.run(
        [sys.executable, "-c", "from pytest_dgbudget.gateway import main; main()"],
        input=config[: config.index(KEY.encode()) + len(KEY)] if breaks == "half a configuration" else config,
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert said.returncode != 0
    assert b"Traceback" in said.stderr
    assert KEY.encode() not in said.stdout + said.stderr
    assert b"control-secret" not in said.stdout + said.stderr


REPEATS = {
    "in its 101": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Accept: {accept}\r\ndg-error: Token {key}\r\n\r\n",
    "in the name of a header": "HTTP/1.1 401 Unauthorized\r\n{key}: x\r\nContent-Length: 0\r\n\r\n",
    "instead of HTTP": "Authorization: Token {key}\r\n\r\n",
    "in what is no header": "HTTP/1.1 200 OK\r\nToken {key}\r\n\r\n",
    "as what it upgrades to": "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: {key}\r\n\r\n",
}


@pytest.mark.parametrize("repeats", quick_only(REPEATS, "in its 101", "instead of HTTP"))
def test_i9_a_vendor_that_repeats_the_key_does_not_tell_it_to_a_client(tmp_path: Path, repeats: str) -> None:
    with answering(REPEATS[repeats]) as url, opened(url, tmp_path) as gateway:
        answer = gateway.ask(gateway.head(more=f"Authorization: Token {gateway.grant().token}\r\n"))
        assert status_of(answer) == {"in its 101": 101, "in the name of a header": 401}.get(repeats, 502)
        assert b"***" in answer
        assert KEY.encode() not in answer
        assert gateway.log() == ""


@contextmanager
def answering(answer: str) -> Iterator[str]:
    """Be a vendor that gives this answer to one request."""
    with socket.create_server(("127.0.0.1", 0)) as listener, ThreadPoolExecutor(1) as pool:
        listener.settimeout(30)
        answered = pool.submit(answer_one, listener, answer)
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/agent/converse"
        answered.result()


def answer_one(listener: socket.socket, answer: str) -> None:
    peer, _ = listener.accept()
    with peer, peer.makefile("rb") as request:
        head = b"".join(iter(request.readline, b"\r\n")).decode()
        key = next(
            line.partition(": ")[2] for line in head.splitlines() if line.lower().startswith("sec-websocket-key")
        )
        peer.sendall(answer.format(accept=accept_key(key), key=KEY).encode())
        peer.shutdown(socket.SHUT_WR)
        request.read()


@pytest.mark.skipif(not Path("/proc").exists(), reason="reads /proc")
def test_i9_a_gateway_leaves_no_core_file_whatever_its_starter_allows(gateway: RunningGateway) -> None:
    limits = Path(f"/proc/{gateway.pid}/limits").read_text(encoding="ascii")
    (core,) = [line.split() for line in limits.splitlines() if "core file size" in line]
    assert core[4:6] == ["0", "0"]


@pytest.mark.skipif(sys.platform != "linux", reason="Linux may pipe a core to a program, whatever the limit")
def test_i9_a_process_that_leaves_no_core_can_not_be_dumped_at_all() -> None:
    asks = (
        "import ctypes; from pytest_dgbudget.processes import leave_no_core; leave_no_core(); "
        "print(ctypes.CDLL(None).prctl(3))"
    )
    done = subprocess.run([sys.executable, "-c", asks], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "0"
