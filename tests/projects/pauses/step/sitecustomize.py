"""A wall clock that is set, by hand, by NTP or for a test: whatever reads it, from whichever module."""

import datetime
import os
import time
from pathlib import Path
from typing import Any

FLAG = Path(__file__).parent / "stepped"
SECONDS = int(os.environ["STEP_HOURS"]) * 3600
_time = time.time


def _step() -> int:
    return SECONDS if FLAG.exists() else 0


class _Stepped(datetime.datetime):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return super().now(tz) + datetime.timedelta(seconds=_step())


time.time = lambda: _time() + _step()
time.time_ns = lambda: int(time.time() * 1e9)
datetime.datetime = _Stepped  # type: ignore[misc]
