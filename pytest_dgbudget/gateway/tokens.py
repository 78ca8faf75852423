"""Tokens name who may spend. They mean nothing anywhere else."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from typing import Generic, TypeVar

from pytest_dgbudget.credentials import TOKEN_PREFIX

T = TypeVar("T")

# What is shorter can stand anywhere by chance.
_SHORTEST_SECRET = 8


class Tokens(Generic[T]):
    """A table from token to what it means; only digests are kept, so that the time of a look-up reveals nothing."""

    def __init__(self) -> None:
        self._meanings: dict[bytes, T] = {}

    def issue(self, meaning: T) -> str:
        token = TOKEN_PREFIX + secrets.token_hex(16)
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


class Secrets:
    """What must not come back from a target: its key, and the token that a client showed for it."""

    def __init__(self, *secrets: str) -> None:
        self._secrets = [
            secret.encode("utf-8", "surrogatepass") for secret in secrets if len(secret) >= _SHORTEST_SECRET
        ]

    def texts(self) -> list[str]:
        """Return them, for whoever else has to keep them out of something."""
        return [secret.decode("utf-8", "surrogatepass") for secret in self._secrets]

    def hide(self, text: str) -> str:
        for secret in self._secrets:
            text = text.replace(secret.decode("utf-8", "surrogatepass"), "***")
        return text

    def hide_in(self, headers: Sequence[tuple[str, str]]) -> Sequence[tuple[str, str]]:
        return [(self.hide(name), self.hide(value)) for name, value in headers]

    def blank(self, data: bytes) -> bytes:
        """Return the same data with an asterisk for each byte of a secret: nothing moves."""
        for secret in self._secrets:
            data = data.replace(secret, b"*" * len(secret))
        return data

    def begins_at_end_of(self, data: bytes) -> int:
        """Return how many bytes at the end may be the beginning of a secret."""
        return max((_overlap(data, secret) for secret in self._secrets), default=0)


def _overlap(data: bytes, secret: bytes) -> int:
    return next((size for size in range(min(len(secret) - 1, len(data)), 0, -1) if data.endswith(secret[:size])), 0)
