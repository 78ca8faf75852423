"""What is recorded through Deepgram's own SDKs is whole, and is replayed for them where there is no network at all."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.cassette.cassette import CassetteText
from pytest_dgbudget.cassette.store import cassettes_in
from tests.conformance.recording import Recording, endpoint, whole, write_speech
from tests.conformance.sdks import INSTALL_SECONDS
from tests.support.own_network import without_network
from tests.support.project import PYTEST, Project
from tests.support.rehearsal import rehearsal

PROGRAM = str(Path(__file__).with_name("python_client.py"))
NEWEST = "deepgram-sdk==7.*"
QUICK = ("--dg-test-budget=2m", "--dg-reconcile=off", "--dg-regression=off")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * INSTALL_SECONDS)]


@pytest.fixture(params=["sync", "async", "events", "node"])
def command(
    request: pytest.FixtureRequest, python_sdk: Callable[[str], Path], node_sdk: Callable[[], list[str]]
) -> list[str]:
    """The program that holds the conversation."""
    way = request.param
    return node_sdk() if way == "node" else [str(python_sdk(NEWEST)), PROGRAM, way]


def held(project: Project) -> dict[str, Any]:
    document: dict[str, Any] = json.loads((project.path / "heard.json").read_text(encoding="utf-8"))
    return document


def test_an_sdk_records_and_replays_a_conversation(project: Project, command: list[str]) -> None:
    project.use("cassettes/test_sdk.py")
    speech = write_speech(project.path)
    with rehearsal("--pace", "max") as vendor, endpoint() as (weather, asked):
        told = {"COMMAND": json.dumps(command), "SPEECH": str(speech), "WEATHER": weather}
        result = project.run("--dg-record=rewrite", *QUICK, env={**vendor.environ, **told})
    assert result.status == 0, result.output
    assert "recorded 1 cassette" in result.output
    live = Recording(**held(project), asked_for_weather=asked)
    whole(live)
    (folder,) = (project.path / "cassettes").iterdir()
    (cassette,) = cassettes_in(folder)
    texts = [event for event in cassette.events if isinstance(event, CassetteText)]
    assert [text.payload["type"] for text in texts if text.side == "server_to_client"] == live.types()
    assert len(cassette.audio["server_to_client"]) == live.audio_bytes
    assert cassette.audio["client_to_server"] == speech.read_bytes()
    (project.path / "heard.json").unlink()
    replay = without_network(*PYTEST, "--dg-target=replay", "--dg-pace=max", *QUICK)
    result = project.result(project.launch(replay, env=told))
    assert result.status == 0, result.output
    replayed = Recording(**held(project), asked_for_weather=asked)
    whole(replayed)
    assert (replayed.types(), replayed.audio_bytes) == (live.types(), live.audio_bytes)
