"""Deepgram's own Python SDK holds whole conversations with the emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conformance.recording import every_message_is_valid, hold, whole
from tests.conformance.sdks import INSTALL_SECONDS
from tests.support.vendor_messages import SERVER_MESSAGES

PROGRAM = str(Path(__file__).with_name("python_client.py"))
NEWEST = "deepgram-sdk==7.*"
SDKS = [NEWEST, "deepgram-sdk==6.1.1", "deepgram-sdk==5.3.4"]
# Messages that an SDK takes for others, whoever sent them: each EndOfTurn, 6.1.1 all, 5.3.4 what is newer than it.
UNKNOWN = {"EndOfTurn"}
MISTAKEN = {"deepgram-sdk==6.1.1": SERVER_MESSAGES, "deepgram-sdk==5.3.4": {"LatencyReport"}}

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * INSTALL_SECONDS)]


@pytest.mark.parametrize("way", ["sync", "async", "events"])
@pytest.mark.parametrize("requirement", SDKS)
def test_python_sdk_holds_a_conversation(
    python_sdk: Callable[[str], Path], addresses: Mapping[str, str], tmp_path: Path, requirement: str, way: str
) -> None:
    recording = hold([str(python_sdk(requirement)), PROGRAM, way], addresses, tmp_path)
    whole(recording)
    every_message_is_valid(addresses, recording)
    mistaken = UNKNOWN | MISTAKEN.get(requirement, set())
    taken = {message["type"]: message["form"] for message in recording.messages}
    assert [kind for kind, form in taken.items() if kind not in form and kind not in mistaken] == []


def test_newest_sdk_knows_every_field(
    python_sdk: Callable[[str], Path], addresses: Mapping[str, str], tmp_path: Path
) -> None:
    recording = hold([str(python_sdk(NEWEST)), PROGRAM, "sync"], addresses, tmp_path)
    assert {"ThinkUpdated", "ListenUpdated", "LatencyReport", "EndOfTurn"} <= set(recording.types())
    assert [message for message in recording.messages if message["extra"] and message["type"] not in UNKNOWN] == []
