"""Which hosts are the vendor's: the gateway speaks to no other, with the key or without it. Pure."""

from __future__ import annotations

import re
from urllib.parse import urlsplit

from pytest_dgbudget.credentials import is_emulated_key

_DEEPGRAMS = re.compile(r"agent\.deepgram\.com|api\.([a-z0-9-]+\.)?deepgram\.com")
_SECURE = {"wss": "https", "https": "https", "ws": "http", "http": "http"}
_DEFAULT_PORTS = {"https": 443, "http": 80}


class VendorHosts:
    """The vendor's hosts, and those of the configured URLs. ``api_url`` None: the key is not Deepgram's."""

    def __init__(self, agent_url: str, api_url: str | None) -> None:
        self.agent_base = _base(agent_url)
        self.api_base = None if api_url is None else api_url.rstrip("/")
        self._configured = [self.agent_base, *([] if api_url is None else [_base(api_url), api_url.rstrip("/")])]

    def find(self, host: str) -> str | None:
        """Return ``https://HOST`` for a vendor's host (``HOST`` or ``HOST:PORT``), None for any other."""
        for base in self._configured:
            if _named(host, base[: base.index(":")]) == base:
                return base
        base = _named(host, "https") or ""
        return base if _DEEPGRAMS.fullmatch(base.removeprefix("https://")) else None

    def takes_key(self, base: str, key: str) -> bool:
        """Return whether a key may go there: to Deepgram's own hosts only where it is a key of Deepgram's."""
        return base in self._configured or (self.api_base is not None and not is_emulated_key(key))


def _base(url: str) -> str:
    parts = urlsplit(url)
    return _named(parts.netloc, _SECURE[parts.scheme]) or ""


def _named(host: str, scheme: str) -> str | None:
    """Return a host's URL in the one way to write it; None when it is no host."""
    match = re.fullmatch(r"(\[[0-9a-f:.]+\]|[a-z0-9._-]+?)\.?(?::(\d{1,5}))?", host.lower())
    if match is None:
        return None
    port = "" if match[2] is None or int(match[2]) == _DEFAULT_PORTS[scheme] else f":{int(match[2])}"
    return f"{scheme}://{match[1]}{port}"
