"""The emulator as the gateway's child, and calls to it on behalf of tests."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from datetime import datetime, timezone
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from types import SimpleNamespace
from typing import cast
from urllib.request import Request, urlopen

import pytest
from websockets.asyncio.client import connect

from pytest_dgbudget.errors import GatewayError, SettingsError
from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Request as HttpRequest
from pytest_dgbudget.gateway.http import RequestReader
from pytest_dgbudget.gateway.services.deepgram_agent import DeepgramAgent
from pytest_dgbudget.gateway.targets import Targets
from pytest_dgbudget.gateway.targets import emulator as emulator_module
from pytest_dgbudget.gateway.targets.emulator import EmulatorLost, EmulatorProcess, EmulatorTarget, start_emulator
from pytest_dgbudget.gateway.targets.live import LiveTarget
from pytest_dgbudget.gateway.targets.target import TargetLost
from pytest_dgbudget.gateway.upstream import DialFailed, DialLost
from pytest_dgbudget.model import Attempt
from pytest_dgbudget.protocol.codes import EMULATOR, UPSTREAM
from pytest_dgbudget.protocol.operations import CallEmulator
from tests.support.emulator_api import until
from tests.support.gateway import asked, run_config_for
from tests.support.processes import children_of, is_running, wait_until
from tests.support.vendor import KEY

pytestmark = pytest.mark.asyncio

ATTEMPT = Attempt(id="a1", nodeid="test_it.py::test_it", worker="", number=1, target=None, budget_ms=None, left_ms=None)
REQUEST = cast(HttpRequest, RequestReader().feed(b"GET / HTTP/1.1\r\nHost: 127.0.0.1:1\r\n\r\n"))


@asynccontextmanager
async def started() -> AsyncIterator[tuple[EmulatorProcess, int]]:
    """A running emulator and its process id."""
    before = set(children_of(os.getpid()))
    emulator = await start_emulator()
    (pid,) = set(children_of(os.getpid())) - before
    yield emulator, pid
    await emulator.stop()
    assert not is_running(pid)


async def test_an_emulator_that_has_started_answers_who_has_its_key() -> None:
    async with started() as (emulator, _):
        assert emulator.how_ended is None
        assert emulator.agent_url.startswith("ws://127.0.0.1:")
        assert await emulator.ask("GET", "/grants/a1/journal") == {"records": []}
        other = EmulatorProcess(cast(asyncio.subprocess.Process, None), {**vars_of(emulator), "api_key": "another"})
        with pytest.raises(GatewayError):
            await other.ask("GET", "/grants/a1/journal")


async def test_an_emulator_that_was_killed_is_missed() -> None:
    async with started() as (emulator, pid):
        os.kill(pid, 9)
        await until(lambda: emulator.how_ended is not None)
        assert emulator.how_ended == "signal 9"
        with pytest.raises(GatewayError, match="the emulator can't be asked"):
            await emulator.ask("GET", "/grants/a1/journal")


async def test_a_live_run_starts_an_emulator_for_the_first_test_that_asks_for_one(tmp_path: Path) -> None:
    before = set(children_of(os.getpid()))
    targets = Targets(run_config_for("ws://127.0.0.1:1/", tmp_path), KEY, restarted)
    targets.start()
    assert isinstance(await targets.find(), LiveTarget)
    assert set(children_of(os.getpid())) == before
    found, again = await asyncio.gather(targets.find("emulator"), targets.emulator())
    assert found is again
    (pid,) = set(children_of(os.getpid())) - before
    await targets.stop()
    assert not is_running(pid)
    with pytest.raises(TargetLost):
        await targets.find("emulator")


async def test_an_emulator_that_was_killed_is_started_again_once_with_its_bill(tmp_path: Path) -> None:
    ends: list[str] = []
    targets = Targets(run_config_for("ws://127.0.0.1:1/", tmp_path), KEY, ends.append)
    before = set(children_of(os.getpid()))
    first = await targets.emulator()
    request_id = await held(first)
    await killed(first, before)
    second, again = await asyncio.gather(targets.emulator(), targets.emulator())
    assert second is again
    assert second.process is not first.process
    assert second.access == first.access  # the address as well: clients hold it
    assert ends == ["signal 9"]
    assert request_id in await asyncio.to_thread(bill, second)
    await killed(second, before)
    with pytest.raises(EmulatorLost, match=r"has ended \(signal 9\); a run starts it again only once"):
        await targets.emulator()
    await targets.stop()


async def test_an_emulator_that_was_started_again_knows_what_tests_have_set(tmp_path: Path) -> None:
    targets = Targets(run_config_for("ws://127.0.0.1:1/", tmp_path), KEY, lambda how: None)
    before = set(children_of(os.getpid()))
    grant = Grant(ATTEMPT, asked())
    grant.emulator_calls = (
        CallEmulator(attempt="a1", method="PUT", what="scenario", body={"scenario": {"turn": [{"reply": "As set."}]}}),
        CallEmulator(attempt="a1", method="POST", what="faults", body={"kind": "refuse", "status": 599}),
    )
    first = await targets.emulator()
    with pytest.raises(DialFailed) as refused:
        await first.dial(DeepgramAgent(), REQUEST, (), grant)
    await killed(first, before)
    second = await targets.emulator()
    with pytest.raises(DialFailed) as refused_again:
        await second.dial(DeepgramAgent(), REQUEST, (), grant)
    await targets.stop()
    assert (refused.value.status, refused_again.value.status) == (599, 599)


async def test_a_dial_fails_with_the_reason_where_a_new_emulator_does_not_take_what_was_set(
    answering: Answering,
) -> None:
    answering.status, answering.body = 422, b'{"err_msg": "turn[0].audio: no such file"}'
    grant = Grant(ATTEMPT, asked())
    grant.emulator_calls = (CallEmulator(attempt="a1", method="PUT", what="scenario", body={}),)
    with pytest.raises(DialLost) as lost:
        await EmulatorTarget(answering.emulator(), no_other).dial(DeepgramAgent(), REQUEST, (), grant)
    assert lost.value.why() == "a new emulator does not take what this test has set: turn[0].audio: no such file"


async def test_what_a_test_has_set_is_told_once_however_many_sessions_it_opens(answering: Answering) -> None:
    emulator, grant = answering.emulator(), Grant(ATTEMPT, asked())
    await emulator.tell(grant)  # it is asked before anything is set
    grant.emulator_calls = (CallEmulator(attempt="a1", method="PUT", what="scenario", body={"n": 1}),)
    await emulator.tell(grant)
    assert answering.asked == []
    successor = answering.emulator()
    await asyncio.gather(successor.tell(grant), successor.tell(grant))
    assert answering.asked == [("/emulator/v1/grants/a1/scenario", "Token k", {"n": 1})]


async def test_a_dial_in_the_instant_of_the_emulators_end_is_made_at_the_one_in_its_place(tmp_path: Path) -> None:
    ends: list[str] = []
    targets = Targets(run_config_for("ws://127.0.0.1:1/", tmp_path), KEY, ends.append)
    before = set(children_of(os.getpid()))
    target = await targets.emulator()
    unnoticed_end(before)
    assert target.process.how_ended is None
    upstream = await target.dial(DeepgramAgent(), REQUEST, (), Grant(ATTEMPT, asked()))
    upstream.transport.abort()
    successor = await targets.emulator()
    assert (successor is target, ends) == (False, ["signal 9"])
    unnoticed_end(before)
    with pytest.raises(DialLost, match="502") as lost:
        await successor.dial(DeepgramAgent(), REQUEST, (), Grant(ATTEMPT, asked()))
    assert lost.value.code == EMULATOR
    assert lost.value.why() == "the emulator of this run has ended (signal 9); a run starts it again only once"
    await targets.stop()


async def test_a_dial_that_is_lost_at_an_emulator_that_goes_on_fails_with_its_own_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(emulator_module, "_END_SECONDS", 0.01)
    where = {"agent_url": "ws://127.0.0.1:1", "api_url": "", "api_key": "k", "project_id": "p"}
    with pytest.raises(DialLost) as lost:
        target = EmulatorTarget(EmulatorProcess(GOES_ON, where), no_other)
        await target.dial(DeepgramAgent(), REQUEST, (), Grant(ATTEMPT, asked()))
    assert lost.value.code == UPSTREAM
    assert lost.value.why().startswith("ConnectionRefusedError")


def unnoticed_end(before: set[int]) -> None:
    """Kill it, and return when it is dead; our loop has not heard of that yet."""
    (pid,) = set(children_of(os.getpid())) - before
    os.kill(pid, 9)
    wait_until(lambda: is_dead(pid))


def is_dead(pid: int) -> bool:
    """Whether it has ended, though nobody may have taken note: from Python 3.12 on only our loop does that."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(") ")[2][:1]
    except OSError:
        return True
    return state == "Z"


async def never() -> None:
    await asyncio.get_running_loop().create_future()


GOES_ON = cast(asyncio.subprocess.Process, SimpleNamespace(returncode=None, wait=never))


async def no_other() -> EmulatorTarget:
    raise AssertionError("it has not ended")


async def killed(target: EmulatorTarget, before: set[int]) -> None:
    (pid,) = set(children_of(os.getpid())) - before
    os.kill(pid, 9)
    await until(lambda: target.process.how_ended is not None)


async def held(target: EmulatorTarget) -> str:
    """Open a session that is still open when the emulator ends; return its id."""
    headers = {"Authorization": f"Token {target.process.api_key}"}
    connection = await connect(target.process.agent_url, additional_headers=headers, proxy=None)
    request_id: str = json.loads(await connection.recv())["request_id"]
    return request_id


def bill(target: EmulatorTarget) -> list[str]:
    """Return the ids of the sessions that the emulator's statement has."""
    process = target.process
    url = f"{process.api_url}/v1/projects/{process.project_id}/requests?limit=100"
    with urlopen(Request(url, headers={"Authorization": f"Token {process.api_key}"})) as answer:
        return [row["request_id"] for row in json.load(answer)["requests"]]


def restarted(how: str) -> None:
    raise AssertionError(how)


def vars_of(emulator: EmulatorProcess) -> dict[str, str]:
    return {name: getattr(emulator, name) for name in ("agent_url", "api_url", "api_key", "project_id")}


async def test_sessions_of_a_dead_emulator_end_when_it_died_and_not_when_it_is_asked_for() -> None:
    async with started() as (emulator, pid):
        os.kill(pid, 9)
        keeping_bill = emulator._keeping_bill
        assert keeping_bill is not None
        await asyncio.wait_for(keeping_bill, 10)
        seen = datetime.now(timezone.utc)
        assert datetime.fromisoformat(json.loads(await emulator.left())["died_at"]) <= seen
        await until(lambda: emulator.how_ended is not None)


async def test_a_line_that_is_too_long_hides_no_later_one() -> None:
    stdout = asyncio.StreamReader(limit=1000)
    process = cast(asyncio.subprocess.Process, SimpleNamespace(stdout=stdout))
    emulator = EmulatorProcess(process, {**dict.fromkeys(("api_url", "api_key", "project_id"), "x"), "agent_url": "x"})
    emulator.keep_bill()
    stdout.feed_data(b'{"request_id": "a"}\n{"request_id": "' + b"x" * 5000 + b'"}\n{"request_id": "b"}\n')
    stdout.feed_eof()
    assert [line["request_id"] for line in json.loads(await emulator.left())["sessions"]] == ["a", "b"]


async def test_the_record_of_a_session_does_not_wait_for_an_emulator_that_hangs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = {"agent_url": "ws://127.0.0.1:1", "api_url": f"http://127.0.0.1:{server.getsockname()[1]}"}
        target = EmulatorTarget(EmulatorProcess(GOES_ON, {**where, "api_key": "k", "project_id": "p"}), no_other)
        ask_skipped = target.ask_skipped(cast(Grant, SimpleNamespace(asked=SimpleNamespace(pace="max"))))
        assert ask_skipped is not None
        assert await asyncio.wait_for(ask_skipped("r"), 5) is None


class Answers(BaseHTTPRequestHandler):
    """Gives the answer of its server, and keeps what was asked."""

    def do_PUT(self) -> None:
        self.do_POST()

    def do_POST(self) -> None:
        server = cast(Answering, self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.asked.append((self.path, self.headers["Authorization"], json.loads(body)))
        self.send_response(server.status)
        self.end_headers()
        self.wfile.write(server.body)

    def log_message(self, *_: object) -> None:
        pass


class Answering(HTTPServer):
    """An emulator that answers everything alike."""

    status = 200
    body = b"{}"

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Answers)
        self.asked: list[tuple[str, str, object]] = []

    def emulator(self) -> EmulatorProcess:
        where = {"agent_url": "", "api_url": f"http://127.0.0.1:{self.server_port}", "api_key": "k", "project_id": "p"}
        return EmulatorProcess(GOES_ON, where)


@pytest.fixture
def answering() -> Iterator[Answering]:
    with Answering() as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        yield server
        server.shutdown()
        thread.join()


async def test_a_call_carries_the_key_and_its_body(answering: Answering) -> None:
    answering.body = b'{"a": [1]}'
    assert await answering.emulator().ask("POST", "/faults", {"code": 1}) == {"a": [1]}
    assert answering.asked == [("/emulator/v1/faults", "Token k", {"code": 1})]


@pytest.mark.parametrize(("status", "error"), [(422, SettingsError), (404, GatewayError), (500, GatewayError)])
async def test_what_the_emulator_calls_wrong_is_the_tests_own_mistake(
    answering: Answering, status: int, error: type[Exception]
) -> None:
    answering.status, answering.body = status, b'{"err_msg": "why"}'
    with pytest.raises(error, match=r"^why$") as raised:
        await answering.emulator().ask("POST", "/faults", {})
    assert type(raised.value) is error


async def test_an_answer_that_is_no_json_is_an_error_of_the_gateway(answering: Answering) -> None:
    answering.body = b"hello"
    with pytest.raises(GatewayError, match="the emulator can't be asked: JSONDecodeError"):
        await answering.emulator().ask("POST", "/faults", {})
