"""An emulator that continues for one that has died: at its port, with its key, its project and its bill."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from websockets.sync.client import ClientConnection, connect
from websockets.typing import Subprotocol

from pytest_dgbudget.emulator.project.agents import Agents
from pytest_dgbudget.emulator.project.billing import Project, UsageRecord
from pytest_dgbudget.emulator.project.clock import Clock
from pytest_dgbudget.emulator.project.continuation import LONGEST_LINE, read_continuation, session_line
from pytest_dgbudget.emulator.vendor import AS_SEEN
from tests.support.emulator_client import SETTINGS
from tests.support.emulator_process import PATIENCE, finish, first_line, process


def rows(line: dict[str, str], count: int) -> dict[str, Any]:
    """The rows of the request log by their ids, once there are this many and they are settled."""
    path = f"/v1/projects/{line['project_id']}/requests"
    asked = Request(line["api_url"] + path, headers={"Authorization": f"Token {line['api_key']}"})
    deadline = time.monotonic() + PATIENCE
    while True:
        with build_opener(ProxyHandler({})).open(asked, timeout=PATIENCE) as answer:
            found = json.load(answer)["requests"]
        if len(found) == count and all(row["response"] for row in found):
            return {row["request_id"]: row for row in found}
        assert time.monotonic() < deadline, found


@contextmanager
def open_session(line: dict[str, str]) -> Iterator[ClientConnection]:
    offered = [Subprotocol("token"), Subprotocol(line["api_key"])]
    with connect(line["agent_url"], subprotocols=offered, proxy=None) as agent:
        yield agent


@contextmanager
def talk(line: dict[str, str], tag: str) -> Iterator[str]:
    """A session with this tag; yields its request id."""
    with open_session(line) as agent:
        agent.send(json.dumps({**SETTINGS, "tags": [tag]}))
        request_id = str(json.loads(agent.recv())["request_id"])
        assert json.loads(agent.recv())["type"] == "SettingsApplied"
        yield request_id


def until(agent: ClientConnection, kind: str) -> None:
    while json.loads(agent.recv(timeout=PATIENCE))["type"] != kind:
        pass


def killed() -> tuple[dict[str, str], dict[str, Any], list[str]]:
    """The first line of an emulator that was killed, the last line of each of its sessions, and their ids."""
    with process("--tied", "--write-bill", "--settlement-lag", "0") as child:
        line = first_line(child)
        with talk(line, "ended") as first:
            pass
        rows(line, 1)
        with talk(line, "open") as second:
            child.kill()
            _, stdout, _ = finish(child)
    bill = {each["request_id"]: each for each in map(json.loads, stdout.splitlines())}
    return line, bill, [first, second]


def test_each_session_has_a_line_for_each_change() -> None:
    _, bill, (first, second) = killed()
    assert (bill[first]["further_price"], bill[second]["further_price"]) == (None, 0.075)
    assert [(each["tags"], len(each["records"])) for each in (bill[first], bill[second])] == [
        (["ended"], 1),
        (["open"], 1),
    ]


def test_an_emulator_whose_reader_has_gone_ends_without_a_word() -> None:
    with process("--tied", "--write-bill") as child:
        line = first_line(child)
        assert child.stdout is not None
        assert child.stdin is not None
        child.stdout.close()
        with talk(line, "unread"):
            pass
        child.stdin.close()
        assert child.stderr is not None
        assert child.stderr.read() == ""
        assert child.wait(PATIENCE) == 0


def test_who_continues_has_port_key_project_and_bill() -> None:
    line, bill, (first, second) = killed()
    began = datetime.fromisoformat(bill[second]["records"][0]["created"])
    left = {
        "port": urlsplit(line["agent_url"]).port,
        "project_id": line["project_id"],
        "api_key": line["api_key"],
        "died_at": (began + timedelta(seconds=90)).isoformat(),
        "sessions": list(bill.values()),
    }
    with process("--tied", "--continue") as child:
        assert child.stdin is not None
        child.stdin.write(json.dumps(left) + "\n")
        child.stdin.flush()
        assert first_line(child) == line
        found = rows(line, 2)
        assert found[first]["response"]["details"]["tags"] == ["ended"]
        assert found[second]["response"]["details"]["tags"] == ["open"]
        usd = found[second]["response"]["details"]["usd"]
        assert usd == pytest.approx(90 * 0.075 / 60)  # it ended when its emulator did
        assert len({row["api_key_id"] for row in found.values()}) == 1
        with talk(line, "new") as third:
            pass
        assert rows(line, 3)[third]["api_key_id"] == found[first]["api_key_id"]


ADVANCED = {"provider": {"type": "open_ai", "model": "gpt-4o"}}
STANDARD = {"provider": {"type": "open_ai", "model": "gpt-4o-mini"}}


def test_a_change_of_tier_has_a_line() -> None:
    with process("--tied", "--write-bill") as child, open_session(first_line(child)) as agent:
        agent.send(json.dumps({**SETTINGS, "agent": {"think": STANDARD}}))
        agent.send(json.dumps({"type": "UpdateThink", "think": ADVANCED}))
        until(agent, "ThinkUpdated")
        child.kill()
        _, stdout, _ = finish(child)
    *_, last = map(json.loads, stdout.splitlines())
    assert [each["tier"] for each in last["records"]] == ["advanced"]


NOON = datetime(2026, 11, 28, 12, tzinfo=timezone.utc)
HANDED_ON: dict[str, Any] = {
    "port": 4000,
    "project_id": "7b1c2f5e-0000-4000-8000-000000000002",
    "api_key": "dgemu_0123456789abcdef",
    "died_at": NOON.isoformat(),
    "sessions": [],
}


@pytest.mark.parametrize(
    ("switch", "usd"),
    [("from-then-on", 0.075 + 2 * 0.163), ("first", 3 * 0.075), ("highest", 3 * 0.163)],
)
def test_a_session_whose_tier_has_changed_costs_as_a_switch_says_until_its_emulator_died(
    switch: Any, usd: float
) -> None:
    clock, lines = Clock(start=NOON, speed=0), list[str]()
    project = Project(project_id=HANDED_ON["project_id"], clock=clock, agents=Agents(clock, {}, {}))
    project.changed = lambda request_id, records, further: lines.append(
        session_line(request_id, records, further, clock)
    )
    session = project.open("id", project.keyring.owners)
    session.vendor = replace(AS_SEEN, tier_change=switch)
    session.configure([], {"think": STANDARD})
    clock.advance(60)
    session.change("think", ADVANCED)
    died_at = (NOON + timedelta(minutes=3)).isoformat()
    left = json.dumps({**HANDED_ON, "died_at": died_at, "sessions": [json.loads(lines[-1])]})
    (record,) = read_continuation(left).records(clock)
    assert record.milliseconds == 180_000
    assert record.usd == pytest.approx(usd)


def record_with(tags: tuple[str, ...]) -> UsageRecord:
    return UsageRecord(
        request_id="7b1c2f5e-0000-4000-8000-000000000003",
        accessor="7b1c2f5e-0000-4000-8000-000000000004",
        created=NOON,
        milliseconds=1,
        tags=tags,
        tier="standard",
        price=0.075,
        settles_at=0,
    )


@pytest.mark.parametrize("records", [1, 2, 100, 5000])
@pytest.mark.parametrize("large", [("\N{SLIGHTLY SMILING FACE}" * 350_000,), tuple(map(str, range(200_000)))])
def test_no_line_exceeds_the_bound_whatever_tags_and_records_a_session_has(
    large: tuple[str, ...], records: int
) -> None:
    line = session_line("id", [record_with(("before", *large, "behind"))] * records, None, Clock())
    assert len(line) <= LONGEST_LINE
    assert "before" in json.loads(line)["tags"]


def test_a_tag_beyond_the_bound_leaves_out_no_other() -> None:
    line = session_line("id", [record_with(("before", "x" * LONGEST_LINE, "behind"))], None, Clock())
    assert json.loads(line)["tags"] == ["before", "behind"]


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("", "it is not JSON"),
        ("nonsense", "it is not JSON"),
        ("[" * 100_000, "it is not JSON"),
        ("[]", "TypeError"),
        (json.dumps({**HANDED_ON, "port": "x"}), "ValueError: the port is not a number from 1 to 65535"),
        (json.dumps({**HANDED_ON, "port": 65536}), "ValueError: the port is not a number from 1 to 65535"),
        (json.dumps({**HANDED_ON, "project_id": "x"}), "ValueError"),
        (json.dumps({**HANDED_ON, "died_at": None}), "TypeError"),
        (json.dumps({**HANDED_ON, "sessions": None}), "TypeError"),
        (json.dumps({**HANDED_ON, "sessions": [{"records": [{}]}]}), "KeyError"),
        (json.dumps({key: HANDED_ON[key] for key in HANDED_ON if key != "api_key"}), "KeyError: 'api_key'"),
    ],
    ids=lambda text: text[:30],
)
def test_a_line_that_can_not_be_continued_is_refused_with_a_message_and_a_status(line: str, why: str) -> None:
    with process("--tied", "--continue") as child:
        stdout, stderr = child.communicate(line + "\n", timeout=PATIENCE)
    assert (child.returncode, stdout, stderr.count("\n")) == (2, "", 1)
    assert stderr.startswith("dgbudget emulator: --continue: can't continue by the line on stdin: " + why)
