"""How the two ends of a control connection prove to each other that they know the control secret.

The secret never travels. The gateway challenges, the owner proves itself and challenges, the gateway proves itself:
a peer that does not know the secret learns nothing that would help it. Raises AuthenticationFailed for anything else.
"""

from __future__ import annotations

import hmac
from dataclasses import dataclass
from typing import Any, Literal, Protocol

from pytest_dgbudget.protocol.codec import from_json, to_json
from pytest_dgbudget.protocol.secrets import proof, utf8

# "elsewhere": a worker on another machine than its controller, with a gateway of its own.
Role = Literal["controller", "worker", "elsewhere", "gateway"]


class AuthenticationFailed(Exception):
    """The other end does not know the secret, or does not speak as one that does."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Who is at one end: its role, its process id, and when that process started (see processes.process_started)."""

    role: Role
    pid: int
    started: str | None


class Authentication(Protocol):
    """One end's part. ``peer`` is None until the other end has proven itself."""

    peer: Peer | None

    def opening(self) -> dict[str, Any] | None:
        """Return what this end says first, if it does."""
        ...

    def receive(self, message: dict[str, Any]) -> dict[str, Any] | None:
        """Take a message and return the reply to it, if there is one; raises AuthenticationFailed."""
        ...


class GatewayAuthentication:
    """The gateway's part. ``challenge`` is random, and used once."""

    def __init__(self, secret: str, challenge: str, gateway: Peer) -> None:
        self._secret = secret
        self._challenge = challenge
        self._gateway = gateway
        self.peer: Peer | None = None

    def opening(self) -> dict[str, Any] | None:
        return {"challenge": self._challenge}

    def receive(self, message: dict[str, Any]) -> dict[str, Any] | None:
        owner = _proven(message, self._secret, "owner", self._challenge)
        challenge = _text(message, "challenge")
        self.peer = owner
        return {"proof": proof(self._secret, "gateway", challenge), "peer": to_json(self._gateway)}


class OwnerAuthentication:
    """The owner's part. ``challenge`` is random, and used once."""

    def __init__(self, secret: str, challenge: str, owner: Peer) -> None:
        self._secret = secret
        self._challenge = challenge
        self._owner = owner
        self._challenged = False
        self.peer: Peer | None = None

    def opening(self) -> dict[str, Any] | None:
        return None

    def receive(self, message: dict[str, Any]) -> dict[str, Any] | None:
        if self._challenged:
            self.peer = _proven(message, self._secret, "gateway", self._challenge)
            return None
        self._challenged = True
        proven = proof(self._secret, "owner", _text(message, "challenge"))
        return {"proof": proven, "challenge": self._challenge, "peer": to_json(self._owner)}


def _proven(message: dict[str, Any], secret: str, side: str, challenge: str) -> Peer:
    expected = proof(secret, side, challenge)
    if not hmac.compare_digest(utf8(_text(message, "proof")), expected.encode()):
        raise AuthenticationFailed("the proof is wrong")
    try:
        peer: Peer = from_json(Peer, message.get("peer"))
    except ValueError as error:
        raise AuthenticationFailed(f"the peer does not say who it is: {error}") from None
    return peer


def _text(message: dict[str, Any], name: str) -> str:
    text = message.get(name)
    if not isinstance(text, str):
        raise AuthenticationFailed(f"a message without {name}")
    return text
