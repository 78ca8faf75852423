"""Which requests are redirected, and to which address of the gateway."""

from __future__ import annotations

from typing import Callable
from urllib.parse import SplitResult, unquote, urlsplit

from .bypass import refuse
from .credentials import Shown
from .settings import RedirectSettings, current

# Compared by a test with those of protocol.codes.
AGENT_PATH = "/v1/agent/converse"
OLD_AGENT_PATH = "/agent"
OTHER_HOST_PREFIX = "/to/"

AGENT_HOST = "agent.deepgram.com"
_API_PREFIX, _API_SUFFIX = "api.", "deepgram.com"
_AGENT_PATHS = "/v1/agent/"
_GRANT_PATH = "/v1/auth/grant"
_DEFAULT_PORTS = {"ws": 80, "http": 80, "wss": 443, "https": 443}
_SECURE = {"ws": False, "http": False, "wss": True, "https": True}


class Redirected:
    """A request as it is sent to the gateway; ``subprotocols`` is None where the client has them in its headers."""

    def __init__(self, gateway: str, path: str, shown: Shown) -> None:
        self.gateway = gateway
        self.path = path
        self.headers = shown.headers
        self.subprotocols = shown.subprotocols

    @property
    def ws_url(self) -> str:
        return f"ws://{self.gateway}{self.path}"

    @property
    def http_url(self) -> str:
        return f"http://{self.gateway}{self.path}"


class Address:
    """Where a request would go."""

    def __init__(self, url: str) -> None:
        parts = _split(url)
        self.scheme = parts.scheme.lower()
        self.host = (parts.hostname or "").lower().rstrip(".")
        self.port = parts.port or _DEFAULT_PORTS.get(self.scheme, 0)
        self.path = parts.path
        self.query = parts.query

    def is_agent(self, settings: RedirectSettings) -> bool:
        """Return whether a WebSocket to here, one of the vendor's hosts, would be a session of its agent."""
        if self.host == AGENT_HOST or (_is_api(self.host) and is_agent_path(self.path)):
            return True
        return self._is_configured(settings)

    def is_vendor(self, settings: RedirectSettings) -> bool:
        if self.scheme not in _SECURE:
            return False
        return is_vendor_host(self.host) or self._is_served_by(Address(settings.agent_url))

    def session_path(self, settings: RedirectSettings) -> str:
        """Return the path of a session at the gateway; one that the vendor hasn't stays wrong there."""
        is_known = _normal(self.path) in (AGENT_PATH, OLD_AGENT_PATH) or self._is_configured(settings)
        return AGENT_PATH if is_known else self.path or "/"

    def other_path(self) -> str:
        """Return the path at the gateway of what isn't a session."""
        shown_port = "" if self.port == _DEFAULT_PORTS[self.scheme] else f":{self.port}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{OTHER_HOST_PREFIX}{host}{shown_port}{self.path or '/'}"

    def _is_served_by(self, other: Address) -> bool:
        return (self.host, self.port) == (other.host, other.port)

    def _is_configured(self, settings: RedirectSettings) -> bool:
        agent = Address(settings.agent_url)
        is_as_secure = _SECURE.get(self.scheme) == _SECURE.get(agent.scheme)
        return self._is_served_by(agent) and is_as_secure and _normal(self.path) == _normal(agent.path)


def is_vendor_host(host: str) -> bool:
    """Return whether a host, in lower case, is one of the vendor's own."""
    return host == AGENT_HOST or _is_api(host)


def is_agent_path(path: str) -> bool:
    normal = _normal(path)
    return normal == OLD_AGENT_PATH or (normal + "/").startswith(_AGENT_PATHS)


class Request:
    """A request that a client is about to make; ``show`` and ``is_mocked`` are called for the vendor's hosts alone."""

    def __init__(
        self,
        url: object,
        show: Callable[[], Shown],
        is_mocked: Callable[[], bool],
        method: str = "GET",
        is_websocket: bool = True,
    ) -> None:
        self.address = Address(str(url))
        self._show = show
        self._is_mocked = is_mocked
        self._is_grant = method.upper() == "POST" and _normal(self.address.path) == _GRANT_PATH
        self._is_websocket = is_websocket

    def redirected(self) -> Redirected | None:
        """Return what to send to the gateway in its place; None: leave it alone. Raises BypassRefused."""
        settings = current()
        if settings is None or not self.address.is_vendor(settings) or self._is_mocked():
            return None
        if self._is_websocket and self.address.is_agent(settings):
            if settings.how == "refuse":
                refuse(settings, self.address.host, self.address.path)
            return _at_gateway(settings, self.address, self.address.session_path(settings), self._show())
        return None if settings.how == "refuse" else self._with_token(settings)

    def _with_token(self, settings: RedirectSettings) -> Redirected | None:
        shown = self._show()
        if (settings.grant and self._is_grant) or shown.has_token():
            return _at_gateway(settings, self.address, self.address.other_path(), shown)
        return None


def _at_gateway(settings: RedirectSettings, address: Address, path: str, shown: Shown) -> Redirected:
    query = _without(address.query, shown.replace(settings.token))
    return Redirected(settings.gateway, path + ("?" + query if query else ""), shown)


def _without(query: str, private: set[str]) -> str:
    """Return a query without what repeats a credential."""
    if not any(one in query for one in private):
        return query
    return "&".join(pair for pair in query.split("&") if not any(one in pair for one in private))


def _is_api(host: str) -> bool:
    """Return whether this is ``api.deepgram.com`` or ``api.REGION.deepgram.com``."""
    if not (host.startswith(_API_PREFIX) and host.endswith(_API_SUFFIX)):
        return False
    region = host[len(_API_PREFIX) : -len(_API_SUFFIX)]
    return region == "" or (region.endswith(".") and region.count(".") == 1 and region != ".")


def _normal(path: str) -> str:
    """Return a path as servers read it: without doubled slashes or one at its end."""
    return "/" + "/".join(part for part in unquote(path).split("/") if part)


def _split(url: str) -> SplitResult:
    try:
        parts = urlsplit(url)
        _ = parts.port  # raises where it is none
    except ValueError:
        return urlsplit("")
    return parts
