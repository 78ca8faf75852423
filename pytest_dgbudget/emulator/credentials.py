"""The one key that the emulator takes, and what it says to the others."""

from __future__ import annotations

import hmac
import secrets
from collections.abc import Iterable

KEY_PREFIX = "dgemu_"


def new_key() -> str:
    return KEY_PREFIX + secrets.token_hex(20)


def same_key(one: str, other: str) -> bool:
    """Compare in constant time."""
    return hmac.compare_digest(one.encode(errors="replace"), other.encode(errors="replace"))


def split(authorization: str) -> tuple[str, str]:
    """Return the scheme, in lower case, and the key of an Authorization header."""
    scheme, _, key = authorization.strip().partition(" ")
    return scheme.lower(), key.strip()


def complaint(keys: Iterable[str]) -> str:
    """Return the vendor's words, and to whoever brought a key of somebody else's, where it is; never the key."""
    message = "Invalid credentials."
    if any(not key.startswith(KEY_PREFIX) for key in keys):
        message += " This is pytest-dgbudget's emulator: it takes only its own api_key, not one of Deepgram's."
    return message
