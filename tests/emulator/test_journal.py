"""The journal: the vendor's recommended envelope around what came and went."""

from __future__ import annotations

import gc
import json
import re
from pathlib import Path
from typing import Any

import pytest
from websockets.asyncio.client import connect
from websockets.sync.client import connect as connect_now

from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.journal import LARGEST, LONGEST, MOST_BYTES, TO_CLIENT, TO_SERVER, Journal
from pytest_dgbudget.emulator.scenarios.tables import BadScenario
from pytest_dgbudget.emulator.server import Emulator
from tests.support.emulator_api import until
from tests.support.emulator_client import SETTINGS, Client, session
from tests.support.emulator_process import finish, first_line, process

needs_full_disk = pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")


def kinds(records: list[dict[str, Any]]) -> list[tuple[str, str]]:
    """Direction and type of each record."""
    return [(record["direction"], record["payload"]["type"]) for record in records]


@pytest.mark.asyncio
async def test_a_session_is_recorded_in_the_vendors_envelope(brief: Behavior, tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    async with Emulator(journal=path, behavior=brief) as emulator:
        headers = {"Authorization": f"Token {emulator.api_key}", "x-deepgram-session-id": "mine"}
        async with connect(emulator.agent_url, additional_headers=headers, proxy=None, max_queue=None) as connection:
            client = Client(connection)
            request_id = (await client.until("Welcome"))["request_id"]
            await client.start()
            await client.send("InjectUserMessage", content="hé\n")
            await client.until("AgentAudioDone")
            await connection.send(bytes(320))
            await connection.send(bytes(320))
            await client.send("KeepAlive")
        await connection.wait_closed()
    records = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    assert {tuple(record) for record in records} == {("request_id", "session_id", "seq", "ts", "direction", "payload")}
    assert {(record["request_id"], record["session_id"]) for record in records} == {(request_id, "mine")}
    assert [record["seq"] for record in records] == list(range(1, len(records) + 1))
    assert all(re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", record["ts"]) for record in records)
    assert kinds(records) == [
        (TO_CLIENT, "Welcome"),
        (TO_SERVER, "Settings"),
        (TO_CLIENT, "SettingsApplied"),
        (TO_SERVER, "InjectUserMessage"),
        (TO_CLIENT, "ConversationText"),
        *[(TO_CLIENT, "LatencyReport")] * 2,
        (TO_CLIENT, "ConversationText"),
        *[(TO_CLIENT, "LatencyReport")] * 2,
        (TO_CLIENT, "(audio)"),
        (TO_CLIENT, "AgentAudioDone"),
        (TO_SERVER, "(audio)"),
        (TO_SERVER, "KeepAlive"),
        (TO_SERVER, "(close)"),
        (TO_CLIENT, "(close)"),
        (TO_CLIENT, "(end)"),
    ]
    payloads = [record["payload"] for record in records]
    assert payloads[1] == SETTINGS
    assert payloads[3]["content"] == "hé\n"
    assert payloads[12] == {"type": "(audio)", "messages": 2, "bytes": 640}
    assert payloads[14] == {"type": "(close)", "code": 1000, "reason": ""}
    assert payloads[-1].keys() == {"type", "seconds", "forecast_seconds"}
    assert 0 < payloads[-1]["seconds"] == payloads[-1]["forecast_seconds"]  # at pace vendor nothing is skipped


@pytest.mark.asyncio
async def test_what_the_vendors_words_leave_out_is_recorded_after_an_error(emulator: Emulator) -> None:
    async with session(emulator) as client:
        await client.send("Settings", agent={"think": {"greeting": "Hi"}})
        assert await client.failure() == "UNPARSABLE_CLIENT_MESSAGE"
    await until(lambda: kinds(emulator._journal.of("default"))[-1] == (TO_CLIENT, "(end)"))
    records = emulator._journal.of("default")
    assert kinds(records)[-5:] == [
        (TO_CLIENT, "Error"),
        (TO_CLIENT, "(detail)"),
        (TO_CLIENT, "(close)"),
        (TO_SERVER, "(close)"),
        (TO_CLIENT, "(end)"),
    ]
    error, detail, close = (record["payload"] for record in records[-5:-2])
    assert error["description"] == "Error parsing client message. Check the agent.think field against the API spec."
    assert detail["text"] == "agent.think.greeting: it belongs to agent"
    assert (close["code"], close["reason"]) == (1005, "")


def test_what_is_not_json_is_recorded_as_it_came() -> None:
    journal = Journal()
    journal.session("g", "r", None).note(TO_SERVER, "{")
    assert journal.of("g")[0]["payload"] == {"type": "(not JSON)", "text": "{"}


def test_records_that_are_not_fetched_are_dropped() -> None:
    journal = Journal()
    for n in range(100):
        journal.session(f"grant {n}", "r", None).note(TO_SERVER, "1")
    assert journal.of("grant 0") == []
    assert len(journal.of("grant 99")) == 1
    session = journal.session("busy", "r", None)
    for _ in range(LONGEST + 5):
        session.note(TO_SERVER, "1")
    assert [journal.of("busy")[at]["seq"] for at in (0, -1)] == [6, LONGEST + 5]


def test_what_is_kept_of_a_grant_is_bounded_in_bytes() -> None:
    journal = Journal()
    session = journal.session("g", "r", None)
    for _ in range(20):
        session.note(TO_SERVER, json.dumps("x" * (LARGEST // 2)))
    records = journal.of("g")
    assert [record["seq"] for record in records] == list(range(21 - len(records), 21))
    assert MOST_BYTES / 2 < sum(len(record["payload"]) for record in records) <= MOST_BYTES


def test_of_what_is_too_large_to_keep_the_size_is_kept_and_the_file_has_it_whole(tmp_path: Path) -> None:
    journal = Journal(tmp_path / "journal.jsonl")
    session = journal.session("g", "r", None)
    session.note(TO_SERVER, json.dumps("é" * LARGEST, ensure_ascii=False))
    session.note(TO_SERVER, "1")
    journal.close()
    assert [record["payload"] for record in journal.of("g")] == [{"type": "(left out)", "bytes": 2 * LARGEST + 2}, 1]
    whole = (tmp_path / "journal.jsonl").read_text(encoding="utf-8").splitlines()[0]
    assert json.loads(whole)["payload"] == "é" * LARGEST


def test_the_command_writes_it_line_by_line(tmp_path: Path) -> None:
    path = tmp_path / "journal.jsonl"
    with process("--tied", "--journal", str(path)) as child:
        line = first_line(child)
        headers = {"Authorization": f"Token {line['api_key']}"}
        with connect_now(line["agent_url"], additional_headers=headers, proxy=None) as agent:
            agent.recv()
            assert json.loads(path.read_text(encoding="utf-8"))["payload"]["type"] == "Welcome"
        assert finish(child)[0] == 0
    with process("--journal", str(tmp_path / "nowhere" / "journal.jsonl")) as child:
        code, stdout, stderr = finish(child)
    assert (code, stdout, stderr.count("\n")) == (2, "", 1)


@needs_full_disk
def test_a_file_that_can_no_longer_be_written_is_reported_once_and_ends_nothing(
    capsys: pytest.CaptureFixture[str],
) -> None:
    journal = Journal(Path("/dev/full"))
    session = journal.session("g", "r", None)
    for _ in range(3):
        session.note(TO_SERVER, "1")
    journal.close()
    assert len(journal.of("g")) == 3
    said = capsys.readouterr().err
    assert said.startswith("dgbudget emulator: the journal /dev/full can't be written: No space left on device; ")
    assert said.count("\n") == 1


@needs_full_disk
def test_sessions_and_the_command_outlive_a_full_disk() -> None:
    with process("--tied", "--journal", "/dev/full") as child:
        line = first_line(child)
        headers = {"Authorization": f"Token {line['api_key']}"}
        with connect_now(line["agent_url"], additional_headers=headers, proxy=None) as agent:
            agent.send(json.dumps(SETTINGS))
            assert [json.loads(agent.recv())["type"] for _ in range(2)] == ["Welcome", "SettingsApplied"]
        code, _, stderr = finish(child)
    assert (code, stderr.count("\n")) == (0, 1)


def test_an_emulator_that_does_not_come_to_be_leaves_no_file_open(tmp_path: Path) -> None:
    with pytest.raises(BadScenario):
        Emulator(journal=tmp_path / "journal.jsonl", scenario=str(tmp_path / "none.toml"))
    gc.collect()  # a file that was left open is a ResourceWarning, and so an error
