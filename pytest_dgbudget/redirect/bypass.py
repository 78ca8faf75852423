"""Sessions that would be dialled past the gateway: they are refused, and the gateway is told."""

from __future__ import annotations

import sys
from _socket import socket  # the real one, whatever a test or gevent has made of socket.socket

from .settings import RedirectSettings

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import NoReturn

# Compared by a test with that of protocol.codes.
BYPASS_PATH = "/bypass"
_SECONDS = 2.0


class BypassRefused(ConnectionRefusedError):
    """A session that can't be metered, refused before it was opened; the message says what to do."""


def refuse(settings: RedirectSettings, host: str, path: str) -> NoReturn:
    """Report a session that would be dialled past the gateway, and refuse it."""
    report(settings, host, path, "refused")
    raise BypassRefused(explanation(settings, host, path))


def pass_or_refuse(settings: RedirectSettings, host: str, path: str) -> None:
    """Refuse what could not be redirected; under ``warn`` it is only reported."""
    if settings.how == "warn":
        report(settings, host, path, "passed")
    else:
        refuse(settings, host, path)


def explanation(settings: RedirectSettings, host: str, path: str) -> str:
    why = "--dg-redirect=refuse" if settings.how == "refuse" else "its client can't be redirected"
    return (
        f"pytest-dgbudget refused a session at {host}{path} before it was opened: it would not be metered ({why}). "
        "Give the application the gateway's address, voice_agent_endpoint.agent_url or DGBUDGET_AGENT_URL "
        f"(ws://{settings.gateway}/v1/agent/converse), and DEEPGRAM_API_KEY as its key"
    )


def report(settings: RedirectSettings, host: str, path: str, how: str) -> None:
    """Tell the gateway, waiting 2 s at most for its answer; a failure is nobody's concern here."""
    try:
        _post(settings, _body(host, path, how))
    except Exception:
        pass


def _body(host: str, path: str, how: str) -> bytes:
    import json

    program = (getattr(sys, "argv", None) or [""])[0] or sys.executable
    said = {"host": host, "path": path.partition("?")[0], "how": how, "program": program}
    return json.dumps(said).encode("ascii")


def _post(settings: RedirectSettings, body: bytes) -> None:
    host, _, port = settings.gateway.rpartition(":")
    head = (
        f"POST {BYPASS_PATH} HTTP/1.1\r\nHost: {settings.gateway}\r\nAuthorization: Token {settings.token}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\nConnection: close\r\n\r\n"
    )
    connection = socket()
    try:
        connection.settimeout(_SECONDS)
        connection.connect((host, int(port)))
        connection.sendall(head.encode("ascii") + body)
        connection.recv(64)
    finally:
        connection.close()
