"""An emulator that continues for one that has died: at its port, with its key, its project and its bill."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit
from urllib.request import ProxyHandler, Request, build_opener

import pytest
from websockets.sync.client import connect
from websockets.typing import Subprotocol

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
def talk(line: dict[str, str], tag: str) -> Iterator[str]:
    """A session with this tag; yields its request id."""
    offered = [Subprotocol("token"), Subprotocol(line["api_key"])]
    with connect(line["agent_url"], subprotocols=offered, proxy=None) as agent:
        agent.send(json.dumps({**SETTINGS, "tags": [tag]}))
        request_id = str(json.loads(agent.recv())["request_id"])
        assert json.loads(agent.recv())["type"] == "SettingsApplied"
        yield request_id


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
    assert (bill[first]["open"], bill[second]["open"]) == (False, True)
    assert [each["tags"] for each in (*bill[first]["records"], *bill[second]["records"])] == [["ended"], ["open"]]


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
