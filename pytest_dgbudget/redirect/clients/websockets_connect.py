"""What the clients of websockets have in common."""

from __future__ import annotations

import functools
from typing import Any, Callable, Iterator

from ..credentials import Shown
from ..patches import parameters_of
from ..routing import Redirected, Request

# How the connection to the vendor would have been made: the gateway's is a plain one.
_TRANSPORT = ("sock", "stream", "ssl", "server_hostname", "proxy_ssl", "proxy_server_hostname")
# Names of earlier versions, which are in no signature.
_DEPRECATED = ("klass", "legacy_recv", "loop", "timeout")


class Arguments:
    """Those of one call of ``connect``: which of them there are, and what its headers are called, differs."""

    def __init__(self, function: Any) -> None:
        self._parameters = parameters_of(function)
        known = ("additional_headers", "extra_headers")
        self._headers = next(name for name in known if name in self._parameters)

    def redirected(self, uri: Any, given: dict[str, Any], is_mocked: Callable[[], bool]) -> tuple[Any, dict[str, Any]]:
        """Return address and arguments: the gateway's, or those that were given."""
        if given.get("unix"):
            return uri, given
        if isinstance(given.get(self._headers), Iterator):  # it could be read only once
            given = dict(given, **{self._headers: list(given[self._headers])})
        there = Request(uri, lambda: self._shown(given), is_mocked).redirected()
        return (uri, given) if there is None else (there.ws_url, self._changed(given, there))

    def _shown(self, given: dict[str, Any]) -> Shown:
        return Shown(_pairs(given.get(self._headers)), given.get("subprotocols"))

    def _changed(self, given: dict[str, Any], there: Redirected) -> dict[str, Any]:
        _close(given.get("sock"))
        kept = [name for name in self._parameters + _DEPRECATED if name not in _TRANSPORT]
        changed = {name: given[name] for name in kept if name in given}
        changed[self._headers] = there.headers
        if there.subprotocols is not None:
            changed["subprotocols"] = there.subprotocols
        if "proxy" in self._parameters:
            changed["proxy"] = None
        return changed


def _pairs(headers: Any) -> list[tuple[str, str]]:
    """Return any of the forms that websockets takes as pairs."""
    if headers is None:
        return []
    if hasattr(headers, "raw_items"):
        items = headers.raw_items()
    elif hasattr(headers, "keys"):
        items = [(name, headers[name]) for name in headers.keys()]  # noqa: SIM118 - it may have nothing else
    else:
        items = headers
    return [(str(name), str(value)) for name, value in items]


def _close(connection: Any) -> None:
    if connection is not None:
        connection.close()


def redirecting(original: Any, is_mocked: Callable[[], bool]) -> Any:
    """Return an ``__init__`` that redirects, in front of a class's own."""
    arguments = Arguments(original)

    @functools.wraps(original)
    def __init__(self: Any, uri: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - that is what it replaces
        uri, kwargs = arguments.redirected(uri, kwargs, is_mocked)
        original(self, uri, *args, **kwargs)

    return __init__
