"""What a client shows in place of the vendor's key: by header or by subprotocol, as the vendor takes it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_dgbudget.gateway.http import Request

_SCHEMES = {"token", "bearer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """The token that a client showed, empty without one, and the subprotocols that it offers besides.

    ``chosen`` is the offered subprotocol that the 101 names where the target chose none.
    """

    token: str = field(repr=False)
    subprotocols: Sequence[str]
    chosen: str | None


def read_credentials(request: Request) -> Credentials:
    """Read what came by ``Authorization``, or else by the subprotocols ``token, T`` or ``bearer, T``.

    Either scheme goes with every token of ours. The vendor takes ``Bearer`` for temporary tokens alone; but a client
    that had one of these, and was redirected, shows its process's token in that token's place.
    """
    offered = [name.strip() for name in request.header("sec-websocket-protocol").split(",") if name.strip()]
    scheme, _, token = request.header("authorization").partition(" ")
    if scheme.lower() in _SCHEMES:
        return Credentials(token=token.strip(), subprotocols=offered, chosen=None)
    if len(offered) >= 2 and offered[0].lower() in _SCHEMES:
        return Credentials(token=offered[1], subprotocols=offered[2:], chosen=offered[0])
    return Credentials(token="", subprotocols=offered, chosen=None)
