"""What is said of a run before it begins: its target, its budget, and what to know."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.instants import days_between
from pytest_dgbudget.paths import shown_path
from pytest_dgbudget.rules.soft_warnings import old_prices, prices_to_come
from pytest_dgbudget.units import format_amount, format_time, format_usd

if TYPE_CHECKING:
    from pytest_dgbudget.model import Period

# Begins the section of a test's report that has the end of its transcript.
TRANSCRIPT_IS_AT = "transcript: "


def target_phrase(run_config: RunConfig, marked: Callable[[str], str]) -> str:
    """Name the target, and whether it is billed; ``marked`` makes that stand out."""
    if run_config.is_rehearsal:
        return f"rehearsal of a live run by the emulator at {run_config.agent_url}, nothing is billed"
    if not run_config.is_live:
        at_pace = " at pace max" if run_config.pace == "max" else ""
        return f"{run_config.target}{at_pace}, nothing is billed{_cassettes_phrase(run_config)}"
    return f"live, {marked('BILLED')} by {run_config.agent_url}"


def _cassettes_phrase(run_config: RunConfig) -> str:
    """Say where a replay's cassettes are."""
    if run_config.target != "replay":
        return ""
    where = run_config.cassette_dir
    return f"; cassettes in {'cassettes/ beside each test file' if where is None else where}"


def budget_phrase(run_config: RunConfig) -> str:
    """Name the run budget, in one currency or both, and the windows that a billed run is counted in."""
    amounts = [] if run_config.budget_ms is None else [format_time(run_config.budget_ms)]
    amounts += [] if run_config.cost_budget_micro_usd is None else [format_usd(run_config.cost_budget_micro_usd)]
    of_run = f"run budget {', '.join(amounts)}" if amounts else "no run budget"
    return ", ".join([of_run, *_window_phrases(run_config)])


def _window_phrases(run_config: RunConfig) -> list[str]:
    amounts: dict[Period, list[str]] = {}
    for window in run_config.windows if run_config.billed else ():
        text = format_amount(window.allowed, window.currency)
        amounts.setdefault(window.period, []).append(text)
    return [f"{period} window {' and '.join(texts)}" for period, texts in amounts.items()]


def remarks(run_config: RunConfig, listens_at: str | None, now: str) -> list[str]:
    """Return what else to know; ``listens_at`` is the address that --dg-listen came to, ``now`` this instant."""
    lines = []
    if run_config.not_live is not None:
        lines.append(run_config.not_live)
    if _has_budget_in_money(run_config):
        lines.append(_what_money_means(run_config))
    if run_config.is_live and run_config.may_bypass:
        lines.append(f"{_lets_pass(run_config)}: sessions dialled past the gateway are not metered")
    if listens_at is not None:
        lines.append(f"applications elsewhere reach the gateway at {listens_at}")
    if run_config.ignores_agent_url:
        target = "the emulator" if run_config.target == "emulator" else run_config.target
        lines.append(f"the target is {target}: the agent URL {run_config.agent_url} is not used")
    if run_config.record != "none":
        lines.append(_what_record_means(run_config))
    if run_config.pass_other:
        lines.append("what is not metered passes on to Deepgram with the real key (dg_pass_other)")
    is_in_money = run_config.is_live or _has_budget_in_money(run_config)
    if is_in_money and (doubt := _doubt_about_prices(run_config, now)) is not None:
        lines.append(doubt)
    return lines


def _doubt_about_prices(run_config: RunConfig, now: str) -> str | None:
    from pytest_dgbudget.rules.prices import price_table  # elsewhere nobody needs it at a start

    as_of = price_table(run_config.prices, run_config.prices_as_of).as_of
    days = days_between(as_of, now)
    return old_prices(as_of, days) or (prices_to_come(as_of, days) if run_config.prices_as_of else None)


def _has_budget_in_money(run_config: RunConfig) -> bool:
    windows = run_config.windows if run_config.billed else ()
    in_paths = any(path.test_micro_usd or path.run_micro_usd for path in run_config.paths)
    return bool(run_config.cost_budget_micro_usd) or in_paths or any(each.currency == "money" for each in windows)


def _what_money_means(run_config: RunConfig) -> str:
    from pytest_dgbudget.rules.exchange import worth  # which runs without a budget in money do without
    from pytest_dgbudget.rules.prices import price_table

    prices, micro_usd = price_table(run_config.prices, run_config.prices_as_of), run_config.cost_budget_micro_usd
    lasts = f"{worth(micro_usd, 'money', prices)}; " if micro_usd else ""
    return f"{lasts}budgets in money count at the prices of {prices.as_of}"


def _what_record_means(run_config: RunConfig) -> str:
    if not run_config.records:
        why = f"the target is {run_config.target}, and only live sessions are recorded"
        return f"dg_record = {run_config.record} is ignored: {why}"
    where = "beside them" if run_config.cassette_dir is None else f"in {run_config.cassette_dir}"
    replayed = "; those that have one are replayed" if run_config.record == "once" else ""
    return f"the sessions of tests that pass become cassettes {where}{replayed} (--dg-record={run_config.record})"


def _lets_pass(run_config: RunConfig) -> str:
    """Name the settings with which a client can dial the vendor itself."""
    named = [f"--dg-redirect={run_config.redirect}"] if run_config.redirect in {"off", "warn"} else []
    named += ["dg_keep_key = true"] if run_config.keep_key else []
    named += [] if run_config.redirect_children else ["dg_redirect_children = false"]
    return ", ".join(named)


def report_lines(report: Path, folder: Path) -> Iterator[str]:
    """Yield where a report is, seen from this folder, and its page where that could be written."""
    yield f"report: {shown_path(report, folder)}"
    page = report.with_name("usage.html")
    if page.is_file():
        yield f"page: {shown_path(page, folder)}"
