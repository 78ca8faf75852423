"""A connection in memory, for what would be a socket's."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass


@dataclass
class Carried:
    """An upstream's carrier whose transport is given."""

    transport: asyncio.Transport
    rest: bytes = b""
    was_lost: bool = False
