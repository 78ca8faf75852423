"""Deepgram's Voice Agent: its path and credentials, and what the relay learns from the messages that pass."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from pytest_dgbudget.gateway.clock import now_ms
from pytest_dgbudget.gateway.credentials import read_credentials
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.services.service import Listener
from pytest_dgbudget.protocol.codes import AGENT_PATH, OLD_AGENT_PATH
from pytest_dgbudget.rules.audio import UNKNOWN_AUDIO, AudioFormat, audio_format
from pytest_dgbudget.rules.vendor_messages import (
    ErrorMessage,
    FunctionCallRequest,
    WarningMessage,
    Welcome,
    parse,
    with_tag,
)


class DeepgramAgent:
    """The Voice Agent API. A session is billed for as long as it is connected."""

    name = "deepgram-agent"
    paths = (AGENT_PATH, OLD_AGENT_PATH)
    rate = 1
    credentials = staticmethod(read_credentials)

    def dial_headers(self, request: Request, key: str) -> Mapping[str, str]:
        passed = {name: value for name, value in request.headers if name.startswith("x-deepgram-")}
        return {**passed, "Authorization": f"Token {key}"}

    def passes_down(self, header: str) -> bool:
        return header.startswith("dg-")

    def handshake_id(self, headers: Sequence[tuple[str, str]]) -> str | None:
        """Return the id of the handshake. That it is the Welcome's is not documented."""
        found = (value for name, value in headers if name.lower() == "dg-request-id")
        return next(filter(_is_id, found), None)

    def inspect(self, tag: str, listener: Listener, now_ms: Callable[[], int]) -> Conversation:
        return Conversation(tag, listener.welcomed, listener.warned, now_ms)


class Conversation:
    """One session's state. ``welcomed`` is called with the request id when the Welcome passes.

    ``warned`` is called with the code of each Warning and Error. ``tagged``: the vendor took Settings that carry the
    run's tag.
    """

    def __init__(
        self,
        tag: str,
        welcomed: Callable[[str], None],
        warned: Callable[[str], None] = lambda code: None,
        now_ms: Callable[[], int] = now_ms,
    ) -> None:
        self._tag = tag
        self._welcomed = welcomed
        self._warned = warned
        self._now_ms = now_ms
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

    def audio_ms(self, *, in_bytes: int, out_bytes: int) -> tuple[int | None, int | None]:
        return self.audio_in.milliseconds(in_bytes), self.audio_out.milliseconds(out_bytes)

    def moved(self) -> None:
        self.last_moved_ms = self._now_ms()

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

    def client_said_too_much(self) -> None:
        """Before Settings these may have been them: what the audio is, nobody here knows then."""
        self.moved()
        if not self.configured:
            self.audio_in = self.audio_out = UNKNOWN_AUDIO

    def vendor_said(self, text: bytes) -> None:
        """Note a message of the vendor's."""
        self.moved()
        try:
            message = parse(text)
        except ValueError:
            return
        if isinstance(message, Welcome):
            self._note_welcome(message)
        elif message.type == "SettingsApplied":
            self.tagged = self._tag_passed
        elif isinstance(message, FunctionCallRequest):
            self._awaited_calls |= {call.id for call in message.functions if call.client_side}
        elif message.type == "FunctionCallCancelled":
            calls = message.data.get("functions")
            if isinstance(calls, list):
                self._awaited_calls -= {str(call.get("id")) for call in calls if isinstance(call, dict)}
        elif isinstance(message, (WarningMessage, ErrorMessage)):
            self._warned(message.code)

    def _note_welcome(self, welcome: Welcome) -> None:
        if self.request_id is None and _is_id(str(welcome.data["request_id"])):
            self.request_id = welcome.request_id
            self._welcomed(welcome.request_id)


def _is_id(text: str) -> bool:
    """True for what can be the vendor's name of a session; nothing could be found by anything else."""
    return re.fullmatch(r"[!-~]{1,200}", text) is not None


def _object(text: bytes) -> dict[str, Any]:
    try:
        data = json.loads(text.decode())
    except (ValueError, RecursionError):
        return {}
    return data if isinstance(data, dict) else {}
