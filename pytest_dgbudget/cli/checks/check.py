"""One line of the doctor's: what was looked at, what was found, and what to do about it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

# failed: what is needed here doesn't work. warning: something works less well, or will. skipped: not looked at.
CheckResult = Literal["ok", "warning", "failed", "skipped"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """``to_do`` is None where nothing has to be done."""

    name: str
    result: CheckResult
    found: str
    to_do: str | None = None
