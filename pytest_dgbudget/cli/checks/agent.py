"""Whether the agent's endpoint can be reached. Nothing is asked there: a request for a session would be billed."""

from __future__ import annotations

import time
from base64 import b64encode
from http.client import HTTPConnection, HTTPException, HTTPSConnection
from urllib.parse import SplitResult, unquote, urlsplit

from pytest_dgbudget.cli.checks.bounded import bounded
from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.config.proxy import proxy_of

NAME = "agent endpoint"
_SECONDS = 4
_TO_DO = "see whether this machine reaches it (DNS, proxy, firewall, certificates), and --agent-url"


def check_agent(agent_url: str) -> Check:
    """Connect, with TLS where a session would, and close."""
    url = urlsplit(agent_url)
    found_proxy = proxy_of(agent_url)
    proxy = None if found_proxy is None else urlsplit(found_proxy)
    if proxy is not None and proxy.scheme != "http":
        found = f"a session would go by a proxy of the kind {proxy.scheme}://, which is not tried here"
        return Check(name=NAME, result="skipped", found=found, to_do=None)
    try:
        begun = time.monotonic()
        by = bounded(lambda: _connect(url, proxy))
        took_ms = round((time.monotonic() - begun) * 1000)
    except (OSError, HTTPException, TimeoutError) as error:
        found = f"{url.hostname} can't be reached: {type(error).__name__}: {error}"
        return Check(name=NAME, result="failed", found=found, to_do=_TO_DO)
    return Check(name=NAME, result="ok", found=f"{url.hostname} answers ({by}, {took_ms} ms); no session was opened")


def _connect(url: SplitResult, proxy: SplitResult | None) -> str:
    """Open a connection and close it; return how it was made."""
    kind = HTTPSConnection if url.scheme == "wss" else HTTPConnection
    host, port = url.hostname or "", url.port or (443 if url.scheme == "wss" else 80)
    if proxy is None:
        connection = kind(host, port, timeout=_SECONDS)
    else:
        connection = kind(proxy.hostname or "", proxy.port or 80, timeout=_SECONDS)
        connection.set_tunnel(host, port, _credentials(proxy))
    try:
        connection.connect()
        secured = "TLS" if url.scheme == "wss" else "no TLS"
        return secured if proxy is None else f"{secured}, by the proxy {proxy.hostname}"
    finally:
        connection.close()


def _credentials(proxy: SplitResult) -> dict[str, str]:
    if proxy.username is None:
        return {}
    shown = f"{unquote(proxy.username)}:{unquote(proxy.password or '')}"
    return {"Proxy-Authorization": f"Basic {b64encode(shown.encode()).decode()}"}
