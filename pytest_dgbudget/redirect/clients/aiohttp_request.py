"""aiohttp: each request, WebSocket or not, as the session has put it together."""

from __future__ import annotations

import functools
from typing import Any

from ..credentials import Shown, is_upgrade
from ..patches import is_replaced, replace
from ..routing import Redirected, Request

# How the connection to the vendor would have been made, and what belongs to its host.
_DROPPED = ("auth", "cookies", "proxy", "proxy_auth", "proxy_headers", "server_hostname", "ssl")


def patch(module: Any) -> None:
    replace(module.ClientRequest, "__init__", lambda original: _redirecting(module, original))


def _redirecting(module: Any, original: Any) -> Any:
    @functools.wraps(original)
    def __init__(self: Any, method: str, url: Any, **given: Any) -> None:  # noqa: N807 - that is what it replaces
        pairs = _pairs(given.get("headers"))
        there = Request(
            _with_parameters(url, given),
            lambda: Shown(pairs),
            lambda: _is_mocked(module, given.get("session")),
            method=method,
            is_websocket=is_upgrade(pairs),
        ).redirected()
        if there is None:
            original(self, method, url, **given)
        else:
            original(self, method, type(url)(there.http_url, encoded=True), **_changed(given, there))

    return __init__


def _pairs(headers: Any) -> list[tuple[str, str]]:
    return [] if headers is None else [(str(name), str(value)) for name, value in headers.items()]


def _changed(given: dict[str, Any], there: Redirected) -> dict[str, Any]:
    from multidict import CIMultiDict

    changed = {name: value for name, value in given.items() if name not in _DROPPED}
    changed.update(headers=CIMultiDict(there.headers), params=None)
    if "ssl" in given:
        changed["ssl"] = True
    return changed


def _with_parameters(url: Any, given: dict[str, Any]) -> Any:
    parameters = given.get("params")
    if not parameters:
        return url
    return url.extend_query(parameters) if hasattr(url, "extend_query") else url.update_query(parameters)


def _is_mocked(module: Any, session: Any) -> bool:
    """Return whether a test answers itself: by a mock, or by a connector or resolver that leads to its own server."""
    from aiohttp import connector

    below = [
        (module.ClientRequest, "send"),
        (connector.BaseConnector, "connect"),
        (connector.TCPConnector, "_create_connection"),
    ]
    used = getattr(session, "_connector", None)
    if used is None:
        return is_replaced("aiohttp", *below)
    resolver = getattr(used, "_resolver", None)
    leads_elsewhere = type(resolver).__module__.partition(".")[0] != "aiohttp"
    return leads_elsewhere or is_replaced("aiohttp", *below)
