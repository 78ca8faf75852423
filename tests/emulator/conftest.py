from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.timing import Timing
from pytest_dgbudget.emulator.vendor import AS_SEEN

BRIEF = Behavior(
    timing=Timing(
        settings_ms=0,
        thinking_ms=20,
        after_function_ms=20,
        first_sound_ms=5,
        per_character_ms=10,
        shortest_ms=100,
        speed=1,
    )
)


def behaving(**switches: Any) -> Behavior:
    """Brief, with these switches."""
    return replace(BRIEF, vendor=replace(AS_SEEN, **switches))


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("DEEPGRAM_", "DG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def brief() -> Behavior:
    """The emulator speaks and thinks faster: real time is what these tests would spend most of theirs on."""
    return BRIEF


@pytest_asyncio.fixture
async def emulator(request: pytest.FixtureRequest) -> AsyncIterator[Emulator]:
    behavior = BRIEF if "brief" in request.fixturenames else None
    async with Emulator(behavior=behavior) as running:
        yield running


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(turns: str, head: str = '[[scenario]]\nname = "one"\n') -> Path:
        path = tmp_path / "café 1.toml"
        path.write_text(head + turns, encoding="utf-8")
        return path

    return write
