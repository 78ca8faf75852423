"""Timed events into billable time: how much of a lease is used, and when its sessions must close.

Pure: time comes in as integer milliseconds of one monotonic clock.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from pytest_dgbudget.units import MINUTE_MS


def money_lasts_ms(micro_usd: int, prices: Sequence[int]) -> int | None:
    """How long so much money lasts at the prices a minute of all that is open; None where that is free.

    What each session costs is rounded up by itself, so each but one may cost a millionth of a dollar more.
    """
    per_minute = sum(prices)
    return (micro_usd - len(prices) + 1) * MINUTE_MS // per_minute if per_minute else None


def close_margin_ms(allowance_ms: int) -> int:
    """How long before the end of its allowance a session gets its Close."""
    return min(250, allowance_ms // 10)


@dataclass(slots=True, kw_only=True)
class LeaseMeter:
    """The running figure of one lease: every session open at the same time adds ``rate`` seconds per second.

    An instant may lie before one that was given earlier: the figure is the sum of the sessions, whatever the order.
    ``money_ms`` is how long its money lasts a session at the highest price; None: nothing is cut for its cost.
    """

    allowance_ms: int
    money_ms: int | None = None
    used_ms: int = 0
    open_sessions: int = 0
    _rate: int = 0
    _since_ms: int = 0

    def opened(self, at_ms: int, rate: int = 1) -> None:
        self._add_rate(at_ms, rate)
        self.open_sessions += 1

    def closed(self, at_ms: int, rate: int = 1) -> None:
        self._add_rate(at_ms, -rate)
        self.open_sessions -= 1

    def used_at(self, now_ms: int) -> int:
        return self.used_ms + max(0, now_ms - self._since_ms) * self._rate

    @property
    def margin_ms(self) -> int:
        """How long before its end each session gets its Close."""
        return close_margin_ms(self.allowance_ms if self.money_ms is None else min(self.allowance_ms, self.money_ms))

    def deadline_ms(self, money_ends_ms: int | None = None) -> int:
        """The instant of the Close of every open session, a margin before the lease is used up. Needs one open.

        ``money_ends_ms`` is the instant at which its money is; None: nothing is cut for its cost.
        """
        return self._ends_ms(money_ends_ms) - self.margin_ms

    def abort_ms(self, money_ends_ms: int | None = None) -> int:
        """The instant to abort what is still open: a tenth of the margin before the lease is used up."""
        return self._ends_ms(money_ends_ms) - self.margin_ms // 10

    def time_ends_ms(self) -> int:
        """When the allowance is used up, if nothing opens or closes. The margins before it are time on the clock."""
        return self._since_ms + (self.allowance_ms - self.used_ms) // self._rate

    def lasts_ms(self, now_ms: int, sessions: int) -> int:
        """How long it is until the Close when so many sessions are open from now on; 0 or less: it is due."""
        return (self.allowance_ms - self.used_at(now_ms)) // sessions - self.margin_ms

    def _add_rate(self, at_ms: int, rate: int) -> None:
        self.used_ms = self.used_at(at_ms)
        self._since_ms = max(self._since_ms, at_ms)
        self.used_ms += (self._since_ms - at_ms) * rate
        self._rate += rate

    def _ends_ms(self, money_ends_ms: int | None) -> int:
        return min(self.time_ends_ms(), self.time_ends_ms() if money_ends_ms is None else money_ends_ms)
