"""REST calls to the emulator on behalf of tests, which never see its key."""

from __future__ import annotations

import asyncio
import json
from typing import Any
from urllib.parse import urlsplit

from pytest_dgbudget.errors import GatewayError, SettingsError
from pytest_dgbudget.gateway.targets.emulator import EmulatorProcess

_PREFIX = "/emulator/v1"
_ANSWER_SECONDS = 10


async def ask_emulator(emulator: EmulatorProcess, method: str, path: str, body: Any = None) -> Any:
    """Return what is at this path; raises SettingsError for what the emulator calls wrong, and GatewayError."""
    status, document = await asyncio.to_thread(_exchange, emulator, method, path, body)
    if status == 200:
        return document
    raise (SettingsError if status == 422 else GatewayError)(str(document["err_msg"]))


def _exchange(emulator: EmulatorProcess, method: str, path: str, body: Any) -> tuple[int, Any]:
    from http.client import HTTPConnection, HTTPException  # here: few gateways need it

    url = urlsplit(emulator.api_url)
    connection = HTTPConnection(url.hostname or "", url.port, timeout=_ANSWER_SECONDS)
    headers = {"Authorization": f"Token {emulator.api_key}", "Content-Type": "application/json"}
    try:
        connection.request(method, _PREFIX + path, None if body is None else json.dumps(body), headers)
        response = connection.getresponse()
        return response.status, json.load(response)
    except (OSError, ValueError, HTTPException) as error:
        raise GatewayError(f"the emulator can't be asked: {type(error).__name__}: {error}") from None
    finally:
        connection.close()
