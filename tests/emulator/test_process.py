"""The real process: first line, ports, and what ends it."""

from __future__ import annotations

import errno
import json
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from websockets.exceptions import ConnectionClosed
from websockets.sync.client import ClientConnection, connect

from pytest_dgbudget.emulator import main
from tests.support.emulator_client import deaf_session
from tests.support.emulator_process import AGENT_ID, PATIENCE, finish, first_line, process


def test_first_line_is_all_of_stdout() -> None:
    with process("--tied") as child:
        line = first_line(child)
        assert set(line) == {"agent_url", "api_url", "api_key", "project_id"}
        assert urlsplit(line["agent_url"]).hostname == urlsplit(line["api_url"]).hostname == "127.0.0.1"
        assert urlsplit(line["agent_url"]).path == "/v1/agent/converse"
        assert line["api_key"].startswith("dgemu_")
        assert finish(child) == (0, "", "")


def test_stdin_end_closes_sessions_and_half_open_requests() -> None:
    with process("--tied") as child:
        line = first_line(child)
        headers = {"Authorization": f"Token {line['api_key']}"}
        api = urlsplit(line["api_url"])
        with (
            connect(line["agent_url"], additional_headers=headers, proxy=None) as agent,
            socket.create_connection((api.hostname or "", api.port or 0)) as request,
        ):
            request.sendall(b"GET / HT")
            assert json.loads(agent.recv())["type"] == "Welcome"
            assert child.stdin is not None
            child.stdin.close()
            with pytest.raises(ConnectionClosed):
                agent.recv(timeout=PATIENCE)
            assert agent.close_code == 1001
            child.stdin = None
            assert finish(child) == (0, "", "")


def test_client_that_reads_nothing_does_not_keep_the_process() -> None:
    with process("--tied") as child:
        line = first_line(child)
        with deaf_session(line["agent_url"], line["api_key"]):
            assert finish(child) == (0, "", "")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_signal_ends_it_with_0(number: signal.Signals) -> None:
    with process() as child:
        first_line(child)
        child.send_signal(number)
        assert finish(child) == (0, "", "")


def test_untied_outlives_its_stdin() -> None:
    with process() as child:
        line = first_line(child)
        assert child.stdin is not None
        child.stdin.close()
        child.stdin = None
        with connect(line["agent_url"], subprotocols=["token", line["api_key"]], proxy=None) as agent:  # type: ignore[list-item]
            assert json.loads(agent.recv())["type"] == "Welcome"


def test_tied_ignores_ctrl_c() -> None:
    with process("--tied") as child:
        line = first_line(child)
        child.send_signal(signal.SIGINT)
        with connect(line["agent_url"], subprotocols=["token", line["api_key"]], proxy=None) as agent:  # type: ignore[list-item]
            assert json.loads(agent.recv())["type"] == "Welcome"
        assert finish(child) == (0, "", "")


def test_port_is_the_one_given() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with process("--tied", "--port", str(port)) as child:
        assert urlsplit(first_line(child)["agent_url"]).port == port


@pytest.mark.parametrize("option", ["--port", "--api-port"])
def test_taken_port_is_one_line_and_2(option: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with process(option, str(port)) as child:
            code, stdout, stderr = finish(child)
    assert (code, stdout, stderr.count("\n")) == (2, "", 1)
    assert f"127.0.0.1:{port}" in stderr


def test_client_timeout_and_agents_are_those_given(tmp_path: Path) -> None:
    agents = tmp_path / "agents.json"
    agents.write_text(json.dumps({AGENT_ID: {"greeting": "Hi"}}))
    with process("--tied", "--client-timeout", "1.5", "--agents", str(agents)) as child:
        line = first_line(child)
        headers = {"Authorization": f"Token {line['api_key']}"}
        with connect(line["agent_url"], additional_headers=headers, proxy=None) as agent:
            agent.send(json.dumps({"type": "Settings", "audio": {}, "agent": AGENT_ID}))
            received = [json.loads(agent.recv()) for _ in range(3)]
            assert [each["type"] for each in received] == ["Welcome", "SettingsApplied", "ConversationText"]
            assert received[-1]["content"] == "Hi"
            last = ""
            with pytest.raises(ConnectionClosed):
                while True:
                    message = agent.recv(timeout=PATIENCE)
                    last = message if isinstance(message, str) else last
            assert json.loads(last)["code"] == "CLIENT_MESSAGE_TIMEOUT"


def test_key_and_project_are_those_given() -> None:
    key, project = "dgemu_" + "a1B2-_" * 4, "7B1C2F5E-0000-4000-8000-000000000002"
    with process("--tied", "--api-key", key, "--project", project) as child:
        line = first_line(child)
        assert (line["api_key"], line["project_id"]) == (key, project.lower())
        assert [each["project_id"] for each in fetch(line, "/v1/projects")["projects"]] == [project.lower()]
        with connect(line["agent_url"], subprotocols=["token", key], proxy=None) as agent:  # type: ignore[list-item]
            assert json.loads(agent.recv())["type"] == "Welcome"


def test_api_port_is_another_that_serves_the_same() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with process("--tied", "--api-port", str(port)) as child:
        line = first_line(child)
        agent, api = urlsplit(line["agent_url"]), urlsplit(line["api_url"])
        assert (api.port, agent.port != port) == (port, True)
        for each in (agent.netloc, api.netloc):
            assert fetch({**line, "api_url": f"http://{each}"}, "/v1/projects")["projects"]
            url = f"ws://{each}{agent.path}"
            with connect(url, subprotocols=["token", line["api_key"]], proxy=None) as client:  # type: ignore[list-item]
                assert json.loads(client.recv())["type"] == "Welcome"


def test_without_an_api_port_one_port_serves_agent_and_api() -> None:
    with process("--tied") as child:
        line = first_line(child)
        assert urlsplit(line["agent_url"]).netloc == urlsplit(line["api_url"]).netloc


GREETING = "Hello. " * 20  # nearly 10 s


def greeted(line: dict[str, str], listen: dict[str, Any]) -> tuple[float, list[Any]]:
    """The seconds until the greeting is done, and all messages of a turn after it but audio."""
    with connect(line["agent_url"], subprotocols=["token", line["api_key"]], proxy=None) as agent:  # type: ignore[list-item]
        began = time.monotonic()
        settings = {"type": "Settings", "audio": {}, "agent": {"greeting": GREETING, "listen": {"provider": listen}}}
        agent.send(json.dumps(settings))
        _until_done(agent)
        seconds = time.monotonic() - began
        agent.send(json.dumps({"type": "InjectUserMessage", "content": "x"}))
        return seconds, _until_done(agent)


def _until_done(agent: ClientConnection) -> list[Any]:
    messages: list[Any] = []
    while not messages or messages[-1]["type"] != "AgentAudioDone":
        message = agent.recv(timeout=PATIENCE)
        messages += [json.loads(message)] if isinstance(message, str) else []
    return messages


@pytest.mark.slow
def test_pace_and_vendor_are_those_given_and_the_last_of_a_switch_counts() -> None:
    flux = {"type": "deepgram", "version": "v2", "model": "flux-general-en"}
    with process("--tied", "--pace", "max", "--vendor", "2025", "--vendor", "end_of_turn=true") as child:
        seconds, turn = greeted(first_line(child), flux)
    assert seconds < 2
    assert [each["type"] for each in turn if each["type"] in ("EndOfTurn", "LatencyReport")] == ["EndOfTurn"]
    with process("--tied") as child:
        seconds, turn = greeted(first_line(child), flux)
    assert seconds > 2.5  # three times faster than it is said
    assert "LatencyReport" in {each["type"] for each in turn}


@pytest.mark.parametrize(
    "text", ["", "[]", '{"x": {}}', f'{{"{AGENT_ID}": 1}}', '{"variables": {"name": 1}}', '{"variables": []}']
)
def test_bad_agents_are_one_line_and_2(capfd: pytest.CaptureFixture[str], tmp_path: Path, text: str) -> None:
    agents = tmp_path / "agents.json"
    agents.write_text(text)
    assert str(agents) in said_of_bad(capfd, "--agents", str(agents))


@pytest.mark.parametrize(
    "arguments",
    [
        ["--port", "70000"],
        ["--port", "x"],
        ["--api-port", "-1"],
        ["--wrong"],
        ["--host", "localhost"],
        ["--host", "::1"],
        ["--settlement-lag", "-1"],
        ["--settlement-lag", "nan"],
        ["--price", "gold=1"],
        ["--price", "standard"],
        ["--price", "standard=-1"],
        ["--page-base", "2"],
        ["--client-timeout", "0"],
        ["--client-timeout", "nan"],
        ["--client-timeout", "x"],
        ["--agents", "/nowhere"],
        ["--api-key", "dgemu_short"],
        ["--api-key", "0123456789abcdef0123456789abcdef01234567"],
        ["--project", "mine"],
        ["--pace", "fast"],
        ["--vendor", "2024"],
        ["--vendor", "end_of_turn"],
        ["--vendor", "end_of_turn=yes"],
        ["--vendor", "end_of_turns=true"],
        ["--vendor", "late_frames=101"],
    ],
)
def test_bad_argument_is_one_line_and_2(capfd: pytest.CaptureFixture[str], arguments: list[str]) -> None:
    said_of_bad(capfd, *arguments)


def said_of_bad(capfd: pytest.CaptureFixture[str], *arguments: str) -> str:
    """Return the line with which the emulator refuses these; that a process does, a taken port and a journal show."""
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    stdout, stderr = capfd.readouterr()
    assert (ended.value.code, stdout, stderr.count("\n")) == (2, "", 1)
    return stderr


def test_a_journal_that_can_not_be_opened_is_named() -> None:
    with process("--journal", "/nonexistent/j") as child:
        code, _, stderr = finish(child)
    said = "the journal /nonexistent/j can't be opened: No such file or directory"
    assert (code, stderr) == (2, f"dgbudget emulator: {said}\n")


def test_a_time_is_taken_as_everywhere_else() -> None:
    with process("--tied", "--settlement-lag", "20s", "--client-timeout", "1m30s") as child:
        assert first_line(child)["agent_url"]


def fetch(line: dict[str, str], path: str) -> Any:
    asked = Request(line["api_url"] + path, headers={"Authorization": f"Token {line['api_key']}"})
    with build_opener(ProxyHandler({})).open(asked, timeout=PATIENCE) as answer:
        return json.load(answer)


def test_bill_options_are_applied() -> None:
    bill = [
        "--settlement-lag",
        "0",
        "--price",
        "standard=6e6",
        "--price",
        "advanced=1",
        "--page-base",
        "1",
        "--bare-request",
    ]
    with process("--tied", "--vendor", "row_duration=true", *bill) as child:
        line = first_line(child)
        with connect(line["agent_url"], subprotocols=["token", line["api_key"]], proxy=None) as agent:  # type: ignore[list-item]
            request_id = json.loads(agent.recv())["request_id"]
        project = f"/v1/projects/{line['project_id']}"
        deadline = time.monotonic() + PATIENCE
        while not (page := fetch(line, f"{project}/requests"))["requests"]:
            assert time.monotonic() < deadline
        assert page["page"] == 1
        row = fetch(line, f"{project}/requests/{request_id}")
        assert row["response"]["details"]["usd"] == pytest.approx(row["response"]["details"]["duration"] * 1e5)
        assert finish(child) == (0, "", "")


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere 127.0.0.2 is no address of the machine's own")
def test_other_machines_are_let_in_only_when_asked_and_with_a_warning() -> None:
    with process("--tied", "--host", "0.0.0.0") as child:
        line = first_line(child)
        assert urlsplit(line["api_url"]).hostname == urlsplit(line["agent_url"]).hostname == "0.0.0.0"
        with socket.create_connection(("127.0.0.2", urlsplit(line["api_url"]).port or 0)):
            pass  # any address of this machine
        code, _, stderr = finish(child)
    assert (code, stderr.count("\n")) == (0, 1)
    assert "--host 0.0.0.0 lets other machines in" in stderr
    with process("--tied") as child, socket.socket() as elsewhere:
        port = urlsplit(first_line(child)["api_url"]).port
        assert elsewhere.connect_ex(("127.0.0.2", port or 0)) == errno.ECONNREFUSED


def test_importing_it_loads_nothing_of_it() -> None:
    script = (
        "import sys, pytest_dgbudget.emulator; print({'asyncio', 'websockets', 'h11', 'argparse'} & set(sys.modules))"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "set()\n"
