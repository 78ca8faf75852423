from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
import pytest_asyncio

from pytest_dgbudget.emulator.audio.voice import USUAL_PACE, Pace
from pytest_dgbudget.emulator.server import Emulator

BRIEF = Pace(per_character_ms=10, shortest_ms=100)


@pytest.fixture(autouse=True)
def _clean_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in os.environ:
        if name.startswith(("DEEPGRAM_", "DG_")) or name.lower().endswith("_proxy"):
            monkeypatch.delenv(name)


@pytest.fixture
def brief() -> Pace:
    """The emulator speaks faster: real time is what these tests would spend most of theirs on."""
    return BRIEF


@pytest_asyncio.fixture
async def emulator(request: pytest.FixtureRequest) -> AsyncIterator[Emulator]:
    pace = BRIEF if "brief" in request.fixturenames else USUAL_PACE
    async with Emulator(pace=pace) as running:
        yield running


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], Path]:
    def write(turns: str, head: str = '[[scenario]]\nname = "one"\n') -> Path:
        path = tmp_path / "café 1.toml"
        path.write_text(head + turns, encoding="utf-8")
        return path

    return write
