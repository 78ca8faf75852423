"""Deepgram's own Node SDK holds a whole conversation with the emulator."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests.conformance.recording import every_message_is_valid, hold, whole
from tests.conformance.sdks import INSTALL_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.timeout(2 * INSTALL_SECONDS)]


def test_node_sdk_holds_a_conversation(
    node_sdk: Callable[[], list[str]], addresses: Mapping[str, str], tmp_path: Path
) -> None:
    recording = hold(node_sdk(), addresses, tmp_path)
    whole(recording)
    every_message_is_valid(addresses, recording)
    assert {"ThinkUpdated", "ListenUpdated", "LatencyReport", "EndOfTurn"} <= set(recording.types())
