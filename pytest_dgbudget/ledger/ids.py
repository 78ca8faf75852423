"""Ids of the ledger's rows, in the order of time.

Random ones would be all over an index: in a ledger of a million sessions each insert finds another page, which neither
SQLite nor the processor has at hand. New ones are side by side.
"""

from __future__ import annotations

import time
from secrets import token_hex


def new_id() -> str:
    """Return an id that no other row has, on any machine."""
    return id_at(time.time_ns() // 1_000_000)


def id_at(unix_ms: int) -> str:
    """Return an id of that millisecond: with 48 random bits, since several machines may write at once."""
    return f"{unix_ms:011x}{token_hex(6)}"
