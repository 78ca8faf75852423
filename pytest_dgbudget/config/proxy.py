"""Which proxy the environment names for a URL."""

from __future__ import annotations

from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from pytest_dgbudget.config import host_of
from pytest_dgbudget.config.resolve import is_loopback

# A WebSocket goes by the proxy of the scheme that its handshake has.
_OF_WEBSOCKETS = {"ws": "http", "wss": "https"}


def proxy_of(url: str) -> str | None:
    """Return the URL of the proxy for requests to a URL; None: there is none, as always for this machine itself."""
    parts = urlsplit(url)
    if is_loopback(host_of(url)) or proxy_bypass(parts.netloc.rpartition("@")[2]):
        return None
    proxy = getproxies().get(_OF_WEBSOCKETS.get(parts.scheme, parts.scheme))
    return f"http://{proxy}" if proxy and "://" not in proxy else proxy or None
