"""What the relay learns from the text messages that pass: Settings, the vendor's key, and whether anything moves."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from pytest_dgbudget.gateway.clock import now_ms
from pytest_dgbudget.rules.audio import AudioFormat, audio_format
from pytest_dgbudget.rules.vendor_messages import FunctionCallRequest, Welcome, parse, with_tag


class Conversation:
    """One session's state. ``welcomed`` is called with the request id when the Welcome passes.

    ``tagged``: the vendor took Settings that carry the run's tag.
    """

    def __init__(self, tag: str, welcomed: Callable[[str], None]) -> None:
        self._tag = tag
        self._welcomed = welcomed
        self._awaited_calls: set[str] = set()
        self._tag_passed = False
        self.configured = False
        self.tagged = False
        self.request_id: str | None = None
        self.audio_in = AudioFormat()
        self.audio_out = AudioFormat()
        self.last_moved_ms = now_ms()

    @property
    def waits_for_client(self) -> bool:
        """True while a function call waits for the client's answer."""
        return bool(self._awaited_calls)

    def moved(self) -> None:
        self.last_moved_ms = now_ms()

    def client_said(self, text: bytes) -> bytes:
        """Note a client's message and return what to pass on for it."""
        data = _object(text)
        kind = data.get("type")
        if kind != "KeepAlive":
            self.moved()
        if kind == "FunctionCallResponse":
            self._awaited_calls.discard(str(data.get("id")))
        if kind != "Settings" or self.configured:
            return text
        self.configured = True
        self.audio_in, self.audio_out = audio_format(data, "input"), audio_format(data, "output")
        passed = with_tag(text.decode(), self._tag).encode()
        self._tag_passed = passed != text
        return passed

    def vendor_said(self, text: bytes) -> None:
        """Note a message of the vendor's."""
        self.moved()
        try:
            message = parse(text)
        except ValueError:
            return
        if isinstance(message, Welcome) and self.request_id is None:
            self.request_id = message.request_id
            self._welcomed(message.request_id)
        elif message.type == "SettingsApplied":
            self.tagged = self._tag_passed
        elif isinstance(message, FunctionCallRequest):
            self._awaited_calls |= {call.id for call in message.functions if call.client_side}
        elif message.type == "FunctionCallCancelled":
            calls = message.data.get("functions")
            self._awaited_calls -= {str(c.get("id")) for c in calls or () if isinstance(c, dict)}


def _object(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text.decode())
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
