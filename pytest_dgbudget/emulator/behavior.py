"""How sessions behave beside what their clients ask for: what they may take, how long it takes, which switches."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_dgbudget.emulator.timing import SEEN, Timing
from pytest_dgbudget.emulator.vendor import AS_SEEN, Vendor


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds; with ``speed`` 60 a session ages by a minute each second."""

    silence: float = 12
    warning: float = 6900
    length: float = 7200
    speed: float = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Behavior:
    """Of one session, or of all that ask for nothing else."""

    limits: Limits = field(default_factory=Limits)
    timing: Timing = SEEN
    vendor: Vendor = AS_SEEN
