"""Freezes the time around each test, as the variable FREEZE says."""

import os
import time
from collections.abc import Iterator
from typing import Any

import freezegun
import pytest

HOWS: dict[str, dict[str, Any]] = {
    "default": {},
    "real_asyncio": {"real_asyncio": True},
    "tick": {"tick": True},
    "auto_tick": {"auto_tick_seconds": 1},  # more, and what an example waits for is late by its own clock
    "ignoring nothing": {},
}
HOW = os.environ["FREEZE"]

if HOW == "ignoring nothing":
    freezegun.configure(default_ignore_list=[])


@pytest.fixture(autouse=True)
def frozen() -> Iterator[None]:
    with freezegun.freeze_time("2024-01-15", **HOWS[HOW]):
        assert time.gmtime().tm_year == 2024
        yield
