"""Tokens name who may spend. They mean nothing anywhere else."""

from __future__ import annotations

import hashlib
import secrets
from typing import Generic, TypeVar

T = TypeVar("T")


class Tokens(Generic[T]):
    """A table from token to what it means; only digests are kept, so that the time of a look-up reveals nothing."""

    def __init__(self) -> None:
        self._meanings: dict[bytes, T] = {}

    def issue(self, meaning: T) -> str:
        token = f"dgb_{secrets.token_urlsafe(24)}"
        self._meanings[_digest(token)] = meaning
        return token

    def restore(self, token: str, meaning: T) -> None:
        """Let a token mean what it meant to the gateway that issued it."""
        self._meanings[_digest(token)] = meaning

    def find(self, token: str) -> T | None:
        return self._meanings.get(_digest(token))

    def revoke(self, token: str) -> None:
        self._meanings.pop(_digest(token), None)


def _digest(token: str) -> bytes:
    return hashlib.sha256(token.encode("utf-8", "surrogatepass")).digest()
