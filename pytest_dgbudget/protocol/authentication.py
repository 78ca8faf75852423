"""How the two ends of a control connection prove to each other that they know the control secret."""

from __future__ import annotations

import hmac


class Secret(str):
    """Text that no traceback shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def proof(secret: str, side: str, challenge: str) -> str:
    """Return the proof that one knows the control secret; ``side`` keeps one end's proof from serving the other."""
    return hmac.new(secret.encode(), f"{side}:{challenge}".encode(), "sha256").hexdigest()
