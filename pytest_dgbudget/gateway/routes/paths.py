"""What a request asks for, by its path. Pure."""

from __future__ import annotations

import re
from dataclasses import dataclass
from posixpath import normpath
from urllib.parse import unquote

from pytest_dgbudget.protocol.codes import OTHER_HOST_PREFIX

# Where the vendor's REST and its other sockets are (its OpenAPI and AsyncAPI files of 2026-07-22).
_VERSIONED = re.compile(r"/v\d+/.+")
_MANAGEMENT = re.compile(r"/v1/(projects|models|agent|auth)(/.*)?")
_ID = r"[\w-]+"
_AGENT_REST = re.compile(rf"/v1/agent/settings/think/models|/v1/projects/{_ID}/agent(s|-variables)(/{_ID})?", re.ASCII)
_READS = {"GET", "HEAD"}


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorPath:
    """A path of the vendor's, and the host that the client named for it; None where the client has our base URL."""

    host: str | None
    path: str

    @property
    def is_vendors(self) -> bool:
        """True for what can only be meant for the vendor."""
        return self.host is not None or _VERSIONED.match(self.path) is not None

    @property
    def is_management(self) -> bool:
        return _MANAGEMENT.fullmatch(_meant(self.path)) is not None

    @property
    def may_be_agent(self) -> bool:
        """True for a path that a vendor could take for its agent's, however it is written."""
        return re.match(r"/(v\d+/)?agent(/|$)", _meant(self.path).lower()) is not None

    def is_agent_rest(self, method: str) -> bool:
        """Return whether this reads what belongs to agents: models to think with, stored configurations."""
        return method in _READS and _AGENT_REST.fullmatch(self.path) is not None


def vendor_path(path: str) -> VendorPath:
    """Read the path of a request: ``/to/HOST/PATH``, or a path below our base URL, whose slash may be doubled."""
    if path.startswith(OTHER_HOST_PREFIX):
        host, slash, rest = path[len(OTHER_HOST_PREFIX) :].partition("/")
        return VendorPath(host=host, path=slash + rest or "/")
    return VendorPath(host=None, path=re.sub(r"^/{2,}", "/", path))


def plain(path: str) -> str:
    """Return a path without doubled slashes and without one at its end, which a base URL may have brought."""
    return re.sub(r"/{2,}", "/", path).rstrip("/") or "/"


def _meant(path: str) -> str:
    return plain(normpath(unquote(path)))
