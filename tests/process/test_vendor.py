"""A vendor that misbehaves: while it is dialled, at the end, or by saying nothing any more."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from secrets import token_hex

import pytest
import trustme
from websockets.asyncio.server import ServerConnection

from tests.process.test_tls import certified
from tests.support.ledger import ends_of_leases
from tests.support.project import PROJECTS, Project
from tests.support.slow import slow
from tests.support.vendor import KEY, Seen, Talk, Vendor


@contextmanager
def raw_server(answer: Callable[[socket.socket], None]) -> Iterator[tuple[str, list[int]]]:
    """A server below HTTP: its agent URL, and a 1 for each connection that came."""
    came: list[int] = []
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = listener.accept()
                    came.append(1)
                    with peer, contextlib.suppress(OSError):
                        answer(peer)

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"ws://127.0.0.1:{listener.getsockname()[1]}/v1/agent/converse", came
        listener.shutdown(socket.SHUT_RDWR)
        thread.join(10)


def drops(peer: socket.socket) -> None:
    """Takes the connection and lets go of it."""


def drops_after_the_request(peer: socket.socket) -> None:
    peer.recv(65536)


def accepts_for_another_key(peer: socket.socket) -> None:
    peer.recv(65536)
    peer.sendall(
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
        b"Sec-WebSocket-Accept: bm90IHlvdXJzIGF0IGFsbCE=\r\n\r\n"
    )


def redirects(peer: socket.socket) -> None:
    peer.recv(65536)
    port = peer.getsockname()[1]
    peer.sendall(
        f"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:{port}/elsewhere\r\nContent-Length: 0\r\n\r\n".encode()
    )


def is_busy(peer: socket.socket) -> None:
    """Asks to come back at once, which nobody here does: each try may be billed."""
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 3600\r\nContent-Length: 0\r\n\r\n")


@pytest.mark.slow
@pytest.mark.parametrize("answer", [drops, drops_after_the_request, accepts_for_another_key, redirects, is_busy])
def test_a_handshake_that_fails_costs_next_to_nothing_and_is_not_tried_again(
    project: Project, answer: Callable[[socket.socket], None]
) -> None:
    project.use("disk/test_opens.py")
    with raw_server(answer) as (url, came):
        environ = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url}
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
    assert result.status == 1, result.output
    assert "HandshakeRefused" in result.output
    assert came == [1]
    run = result.usage["run"]
    assert (run["sessions"], run["at_risk_seconds"]) == (0, 0)
    assert run["used_seconds"] < 2
    assert ends_of_leases(project.path) == ["settled"]


def drops_after_tls(peer: socket.socket, context: ssl.SSLContext) -> None:
    with context.wrap_socket(peer, server_side=True) as secured:
        secured.recv(65536)


def drops_within_tls(peer: socket.socket, context: ssl.SSLContext) -> None:
    """Answers the client's hello with half of its own."""
    theirs, ours = ssl.MemoryBIO(), ssl.MemoryBIO()
    theirs.write(peer.recv(65536))
    with contextlib.suppress(ssl.SSLWantReadError):
        context.wrap_bio(theirs, ours, server_side=True).do_handshake()
    peer.sendall(ours.read()[:100])


@pytest.mark.parametrize("answer", [slow(drops_after_tls), slow(drops_within_tls)])
def test_tls_that_breaks_off_costs_next_to_nothing_and_is_not_tried_again(
    project: Project, answer: Callable[[socket.socket, ssl.SSLContext], None]
) -> None:
    project.use("disk/test_opens.py")
    context, trusted = certified(project.path)
    with raw_server(lambda peer: answer(peer, context)) as (url, came):
        environ = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url.replace("ws://127.0.0.1", "wss://localhost"), **trusted}
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
    assert result.status == 1, result.output
    assert "HandshakeRefused" in result.output
    assert came == [1]
    assert (result.usage["run"]["sessions"], result.usage["run"]["at_risk_seconds"]) == (0, 0)
    assert result.usage["run"]["used_seconds"] < 2
    assert ends_of_leases(project.path) == ["settled"]


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["ws", "wss"])
def test_i4_a_handshake_that_nobody_answers_is_cut_at_the_deadline(project: Project, scheme: str) -> None:
    project.use("vendor/test_unanswered.py")
    open_for: list[float] = []

    def says_nothing(peer: socket.socket) -> None:
        came_at = time.monotonic()
        with contextlib.suppress(ConnectionError):
            while peer.recv(65536):
                pass
        open_for.append(time.monotonic() - came_at)

    with raw_server(says_nothing) as (url, _):
        environ = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url.replace("ws:", f"{scheme}:")}
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
    assert result.status == 1, result.output
    assert "BudgetExceeded" in result.output
    assert [1.7 < seconds < 2.1 for seconds in open_for] == [True]
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "test-budget"
    assert 1.75 < session["seconds"] <= 2
    assert (result.usage["run"]["sessions"], result.usage["run"]["overshoot_seconds"]) == (0, 0)
    assert ends_of_leases(project.path) == ["settled"]


async def leaves_before_the_welcome(connection: ServerConnection, seen: Seen) -> None:
    connection.transport.abort()


async def never_says_welcome(connection: ServerConnection, seen: Seen) -> None:
    await connection.wait_closed()


@pytest.mark.parametrize(
    ("talk", "said", "closed_by"),
    [
        (leaves_before_the_welcome, "SessionClosed", "network"),
        slow(never_says_welcome, "ExpectTimeout", "client"),
    ],
)
def test_a_session_without_a_welcome_is_charged_for_its_time_and_is_not_tried_again(
    project: Project, talk: Talk, said: str, closed_by: str
) -> None:
    project.use("disk/test_opens.py")
    with Vendor(talk) as vendor:
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
        (seen,) = vendor.wait_closed(1)
    assert result.status == 1, result.output
    assert said in result.output
    (session,) = result.usage["sessions"]
    assert (session["closed_by"], session["confirmed"], session["request_id"]) == (closed_by, True, None)
    assert session["seconds"] == pytest.approx(seen.seconds, abs=1)
    assert result.usage["run"]["used_seconds"] == session["seconds"]
    assert ends_of_leases(project.path) == ["settled"]


REFUSALS = {
    401: ("INVALID_AUTH", "check DEEPGRAM_API_KEY"),
    402: ("ASR_PAYMENT_REQUIRED", "out of credit"),
    429: ("TOO_MANY_REQUESTS", "lower --dg-max-sessions"),
}


@pytest.mark.parametrize("status", [slow(401), 402, slow(429)])
def test_a_refusal_of_the_vendors_is_named_as_its_own_and_is_no_overrun(project: Project, status: int) -> None:
    code, advice = REFUSALS[status]
    body = json.dumps({"err_code": code, "err_msg": "no", "request_id": "r"}).encode()
    head = f"HTTP/1.1 {status} Refused\r\nRetry-After: 3600\r\nContent-Type: application/json\r\n"
    answer = f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    def refuses(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(answer)

    project.use("disk/test_opens.py")
    with raw_server(refuses) as (url, came):
        environ = {"DEEPGRAM_API_KEY": KEY, "DG_AGENT_URL": url}
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
    assert result.status == 1
    assert advice in result.output
    assert came == [1], "it was not tried again"
    assert (result.usage["run"]["verdict"], result.usage["run"]["sessions"]) == ("within", 0)
    assert result.usage["run"]["used_seconds"] < 2
    assert ends_of_leases(project.path) == ["settled"]
    (session,) = result.usage["sessions"]
    assert (session["closed_by"], session["reason"]) == ("refused", f"{status}: no")


async def closes_slowly(connection: ServerConnection, seen: Seen) -> None:
    """Goes on for a while after the Close, as if it had to put something in order."""
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
    seen.settings = json.loads(await connection.recv())
    await connection.send('{"type":"SettingsApplied"}')
    connection.transport.pause_reading()
    await asyncio.sleep(0.8)
    connection.transport.resume_reading()
    await connection.wait_closed()


async def ignores_the_close(connection: ServerConnection, seen: Seen) -> None:
    await connection.send(json.dumps({"type": "Welcome", "request_id": seen.request_id}))
    seen.settings = json.loads(await connection.recv())
    await connection.send('{"type":"SettingsApplied"}')
    connection.transport.pause_reading()
    await asyncio.sleep(3)
    connection.transport.abort()


@pytest.mark.parametrize(("talk", "confirmed"), [slow(closes_slowly, True), (ignores_the_close, False)])
def test_what_a_slow_close_takes_is_charged_and_it_takes_a_second_at_most(
    project: Project, talk: Callable[[ServerConnection, Seen], object], confirmed: bool
) -> None:
    project.use("disk/test_one.py")
    with Vendor(talk) as vendor:  # type: ignore[arg-type]
        result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=vendor.environ)
    assert result.status == 0, result.output
    (session,) = result.usage["sessions"]
    assert session["confirmed"] is confirmed
    assert 0.5 < session["seconds"] < 2.5
    assert result.usage["run"]["used_seconds"] == session["seconds"]


# A network that drops ------------------------------------------------------------------------------------------------

NEEDS_ROOT = pytest.mark.skipif(
    os.geteuid() != 0 or shutil.which("ip") is None, reason="makes a network namespace: needs root and iproute2"
)


def ip(*arguments: str) -> None:
    subprocess.run(["ip", *arguments], check=True, capture_output=True)


@pytest.fixture
def far_away() -> Iterator[tuple[str, str]]:
    """A network namespace that a cable leads to: its name, and the end of the cable that can be pulled out."""
    name = f"dgb{token_hex(3)}"
    near, far = f"{name}n", f"{name}f"
    try:
        ip("netns", "add", name)
        ip("link", "add", near, "type", "veth", "peer", "name", far, "netns", name)
    except subprocess.CalledProcessError as error:
        with contextlib.suppress(subprocess.CalledProcessError):
            ip("netns", "del", name)
        pytest.skip(f"no network namespaces here: {error.stderr.decode().strip()}")
    try:
        ip("addr", "add", "10.213.7.1/24", "dev", near)
        ip("link", "set", near, "up")
        ip("-n", name, "addr", "add", "10.213.7.2/24", "dev", far)
        ip("-n", name, "link", "set", far, "up")
        yield name, near
    finally:
        ip("netns", "del", name)


@pytest.mark.slow
@NEEDS_ROOT
def test_i4_a_session_whose_packets_are_dropped_is_cut_at_its_deadline(
    project: Project, far_away: tuple[str, str]
) -> None:
    """Half open: nobody says that the other side can't be reached any more."""
    namespace, cable = far_away
    authority = trustme.CA()
    with authority.issue_cert("10.213.7.2").private_key_and_cert_chain_pem.tempfile() as certificate:
        authority.cert_pem.write_to_path(str(project.path / "authority.pem"))
        command = [
            "ip",
            "netns",
            "exec",
            namespace,
            sys.executable,
            str(PROJECTS / "vendor/far_vendor.py"),
            certificate,
        ]
        server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
        try:
            assert server.stdout is not None
            port = server.stdout.readline().strip()
            project.use("vendor/test_unplugged.py")
            environ = {
                "CABLE": cable,
                "DEEPGRAM_API_KEY": KEY,
                "DG_AGENT_URL": f"wss://10.213.7.2:{port}/v1/agent/converse",
                "SSL_CERT_FILE": str(project.path / "authority.pem"),
            }
            result = project.run("--dg-budget=10m", "--dg-reconcile=off", env=environ)
        finally:
            server.kill()
            server.communicate()
    assert result.status == 1, result.output
    (session,) = result.usage["sessions"]
    assert (session["closed_by"], session["confirmed"]) == ("test-budget", False)
    assert 1.75 < session["seconds"] <= 2
    assert result.usage["run"]["overshoot_seconds"] == 0


async def repeats_the_key(connection: ServerConnection, seen: Seen) -> None:
    await connection.send(json.dumps({"type": "Welcome", "request_id": KEY}))
    seen.settings = json.loads(await connection.recv())
    await connection.send('{"type":"SettingsApplied"}')
    await connection.send(json.dumps({"type": "Error", "code": KEY, "description": f"bad credentials {KEY}"}))
    await connection.close(1008, f"key {KEY} has no credit")


def test_i9_what_the_vendor_says_in_a_session_is_passed_on_shown_and_kept_without_the_key(project: Project) -> None:
    project.use("vendor/test_told_the_key.py")
    project.expects_log = True
    with Vendor(repeats_the_key) as vendor:
        environ = {**vendor.environ, "DGBUDGET_LOG": "debug"}
        result = project.run("--dg-budget=1m", "--dg-reconcile=off", "--junitxml=junit.xml", env=environ)
    assert result.status == 1
    assert "key *** has no credit" in result.output
    assert KEY not in result.output
    kept = [path for path in project.path.rglob("*") if path.is_file()]
    assert {"usage.json", "junit.xml", "ledger.db"} <= {path.name for path in kept}
    assert [path for path in kept if KEY.encode() in path.read_bytes()] == []
