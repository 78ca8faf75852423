"""The live figure: what a run has used so far, in one line."""

from __future__ import annotations

from collections.abc import Container, Iterator
from typing import TYPE_CHECKING

from pytest_dgbudget.report.shown import bar, exact_usd, shown_usd
from pytest_dgbudget.units import format_time, usd

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig
    from pytest_dgbudget.protocol.operations import Progress

_BAR_CELLS = 5
_WHOLE_FROM_MS = 10_000
# What goes first where there is too little room.
_GOES_FIRST = ("waiting", "risk in money", "name", "bar", "risk", "open", "money")


def progress_text(progress: Progress, run_config: RunConfig, width: int | None = None) -> str:
    """Return what is used of the budgets, with a bar, what is open, and what that may use; in ``width`` columns."""
    texts = (_text(progress, run_config, _GOES_FIRST[:count]) for count in range(len(_GOES_FIRST) + 1))
    fits = (text for text in texts if width is None or len(text) <= width)
    return next(fits, _text(progress, run_config, _GOES_FIRST)[:width])


def share_used(progress: Progress, run_config: RunConfig) -> float | None:
    """Return the share that is used of the run's budgets, of the one that is used up first; None where it has none."""
    micro_usd = run_config.cost_budget_micro_usd
    budgets = [
        (progress.used_seconds * 1000, run_config.budget_ms),
        (progress.used_usd, None if micro_usd is None else usd(micro_usd)),
    ]
    return max((used / budget if budget else 1.0 for used, budget in budgets if budget is not None), default=None)


def _text(progress: Progress, run_config: RunConfig, without: Container[str]) -> str:
    used = ", ".join(_used(progress, run_config, without))
    share = None if "bar" in without else share_used(progress, run_config)
    shown = "" if share is None else f" {bar(share, 1.0, _BAR_CELLS)}"
    open_now = ", ".join(_open(progress, without))
    target = run_config.recorded_target
    name = target if "name" in without else f"dgbudget ({target})"
    return f"{name}: {used}{shown}{f'; {open_now}' if open_now else ''}"


def _used(progress: Progress, run_config: RunConfig, without: Container[str]) -> Iterator[str]:
    budget_ms, micro_usd = run_config.budget_ms, run_config.cost_budget_micro_usd
    yield _time(progress.used_seconds) + ("" if budget_ms is None else f" of {format_time(budget_ms)}")
    if "money" not in without:
        yield shown_usd(progress.used_usd) + ("" if micro_usd is None else f" of {exact_usd(usd(micro_usd))}")


def _open(progress: Progress, without: Container[str]) -> Iterator[str]:
    if "open" not in without:
        yield f"{progress.open_sessions} open"
    if progress.at_risk_seconds and "risk" not in without:
        money = "" if "risk in money" in without else f" ({shown_usd(progress.at_risk_usd)})"
        yield f"at risk {_time(progress.at_risk_seconds)}{money}"
    if progress.waiting and "waiting" not in without:
        yield f"{progress.waiting} waiting"


def _time(seconds: float) -> str:
    """Return a time as it is read while it changes: tenths of a second only while it is short."""
    milliseconds = round(seconds * 1000)
    return format_time(milliseconds // 1000 * 1000) if milliseconds >= _WHOLE_FROM_MS else f"{seconds:.1f}s"
