"""urllib3, and requests on it: each request, as a pool of connections gets it."""

from __future__ import annotations

import functools
from typing import Any

from ..credentials import Shown, is_upgrade
from ..patches import is_replaced, replace
from ..routing import Redirected, Request


def patch(module: Any) -> None:
    replace(module.HTTPConnectionPool, "urlopen", lambda original: _redirecting(module, original))


def _redirecting(module: Any, original: Any) -> Any:
    @functools.wraps(original)
    def urlopen(self: Any, method: str, url: str, *args: Any, **kwargs: Any) -> Any:
        args, kwargs = _named(args, kwargs)
        headers = kwargs.get("headers")
        pairs = _pairs(self.headers if headers is None else headers)
        there = Request(
            _whole(self, url),
            lambda: Shown(pairs),
            lambda: _is_mocked(module, self),
            method=method,
            is_websocket=is_upgrade(pairs),
        ).redirected()
        if there is None:
            return original(self, method, url, *args, **kwargs)
        host, _, port = there.gateway.rpartition(":")
        pool = module.HTTPConnectionPool(host, int(port), timeout=self.timeout, maxsize=1)
        kwargs.update(headers=_headers(there), assert_same_host=False)
        return original(pool, method, there.path, *args, **kwargs)

    return urlopen


def _named(args: tuple[Any, ...], kwargs: Any) -> tuple[tuple[Any, ...], Any]:
    """Return the arguments with ``headers``, the fourth, by its name."""
    if len(args) < 2:
        return args, dict(kwargs)
    names = ("body", "headers", "retries", "redirect", "assert_same_host", "timeout", "pool_timeout", "release_conn")
    named = dict(zip(names, args))
    return args[len(names) :], {**named, **kwargs}


def _whole(pool: Any, url: str) -> str:
    """Return the whole of a URL of which a pool knows the beginning."""
    host = f"[{pool.host}]" if ":" in pool.host else pool.host
    return url if "://" in url else f"{pool.scheme}://{host}:{pool.port or ''}{url}"


def _pairs(headers: Any) -> list[tuple[str, str]]:
    items = (headers or {}).items()
    return [(_text(name), _text(value)) for name, value in items]


def _text(value: Any) -> str:
    return value.decode("latin-1") if isinstance(value, bytes) else str(value)


def _headers(there: Redirected) -> Any:
    """Return headers of urllib3's own class: names in any case, more than once."""
    from urllib3._collections import HTTPHeaderDict

    headers = HTTPHeaderDict()
    for name, value in there.headers:
        headers.add(name, value)
    return headers


def _is_mocked(module: Any, pool: Any) -> bool:
    """Return whether a test answers itself, by connections or methods of its own."""
    below = [(owner, "ConnectionCls") for owner in (*type(pool).__mro__, pool)]
    below += [(module.HTTPConnectionPool, name) for name in ("_make_request", "_get_conn")]
    return is_replaced("urllib3", *below)
