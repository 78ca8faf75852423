"""The secrets of a run, and what is derived from them: proofs, and the tokens of its processes."""

from __future__ import annotations

import hmac

from pytest_dgbudget.credentials import TOKEN_PREFIX


class Secret(str):
    """Text that no traceback shows."""

    __slots__ = ()

    def __repr__(self) -> str:
        return "'***'"


def proof(secret: str, side: str, challenge: str) -> str:
    """Return the proof that one knows the control secret; ``side`` keeps one end's proof from serving the other."""
    return hmac.new(secret.encode(), utf8(f"{side}:{challenge}"), "sha256").hexdigest()


def knock(secret: str) -> str:
    """Return what an owner's first words have in them; it says nothing of the secret, and proves nothing else."""
    return proof(secret, "knock", "")


def process_token(secret: str, process: str) -> str:
    """Return the token of a process with tests: derived, because a worker needs it before anybody can tell it more.

    ``secret`` is not the control secret; ``process`` is "controller", or a worker's id.
    """
    return TOKEN_PREFIX + hmac.new(secret.encode(), process.encode(), "sha256").hexdigest()[:32]


def utf8(text: str) -> bytes:
    """Return any text that JSON can carry as bytes, unpaired surrogates included."""
    return text.encode("utf-8", "surrogatepass")
