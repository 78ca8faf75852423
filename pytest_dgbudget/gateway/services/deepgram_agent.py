"""Deepgram's Voice Agent: its path and credentials."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_dgbudget.gateway.credentials import read_credentials
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.gateway.services.deepgram_conversation import Conversation, is_id
from pytest_dgbudget.gateway.services.service import SessionContext
from pytest_dgbudget.protocol.codes import AGENT_PATH, OLD_AGENT_PATH


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
        return next(filter(is_id, found), None)

    def inspect(self, context: SessionContext) -> Conversation:
        return Conversation(context)
