"""What a run used of its budget, in one line; what live sessions would have used, and what replays saved."""

from __future__ import annotations

from collections import Counter

from pytest_dgbudget.report.document import AttemptEntry, RunFigures, UsageDocument
from pytest_dgbudget.report.overrun_effect import excuse_of_run
from pytest_dgbudget.report.shown import AT_RISK, ESTIMATE, bar, exact_usd, shown_seconds, shown_usd
from pytest_dgbudget.units import counted, format_time

_SKIPS_FROM = 0.05  # seconds: the forecast is of sessions, what was used is of leases


def run_line(document: UsageDocument) -> str:
    """Return one line: what the run used of its budget, with a bar, and its verdict."""
    run = document["run"]
    has_budget = run["budget_seconds"] is not None or run["cost_budget_usd"] is not None
    without = "" if has_budget else ", no run budget"
    billed = f"{run['target']}, {'billed' if run['billed'] else 'not billed'}"
    excuse = excuse_of_run(document)
    sessions = counted(run["sessions"], "session")
    extras = [
        f"; {shown_seconds(seconds)}{cost} {what}"
        for seconds, cost, what in (
            (run["at_risk_seconds"], _in_brackets(run.get("at_risk_usd")), AT_RISK),
            (run.get("set_aside_seconds") or 0.0, "", "set aside by open sessions"),
            (run["overshoot_seconds"], "", "beyond what was set aside"),
        )
        if seconds
    ]
    past = "; sessions went past the gateway, unmetered" if run["bypass"] == "seen" else ""
    live = f"; live {_live_phrase(run)}" if differs_live(run) else ""
    so_far = " so far, it is still going on" if run.get("under_way") else ""
    verdict = f"verdict: {run['verdict']}{'' if excuse is None else f', {excuse}'}{so_far}{''.join(extras)}{past}"
    return f"used {_used_time(run)}{_used_money(run)} in {sessions}{without} ({billed}){live}; {verdict}"


def _used_time(run: RunFigures) -> str:
    used, budget = run["used_seconds"], run["budget_seconds"]
    if budget is None:
        return shown_seconds(used)
    return f"{shown_seconds(used)} of {shown_seconds(budget)} {bar(used, budget)}"


def _used_money(run: RunFigures) -> str:
    """Return what the run used of its budget in money; nothing where it has none."""
    cost, budget = run["cost_usd"], run["cost_budget_usd"]
    if budget is None:
        return ""
    used = "unknown" if cost is None else f"{ESTIMATE if run.get('estimated') else ''}{shown_usd(cost)}"
    share = "" if cost is None or run["budget_seconds"] is not None else f" {bar(cost, budget)}"
    return f", {used} of {exact_usd(budget)}{share}"


def _in_brackets(dollars: float | None) -> str:
    return "" if dollars is None else f" ({shown_usd(dollars)})"


def replays_line(document: UsageDocument) -> str | None:
    """Return one line on what cassettes played, what that saved, and what did not match; None where none did."""
    replayed = document["run"].get("replayed")  # which reports of earlier versions lack
    if not replayed:
        return None
    saved = saved_phrase(document["run"])
    said = f"replayed {counted(replayed, 'session')} from cassettes, not billed{saved and f': saved {saved}'}"
    if not (missed := _results(document)["miss"]):
        return said
    return f"{said}; {counted(missed, 'session')} did not match {'its' if missed == 1 else 'their'} cassette"


def recorded_line(document: UsageDocument) -> str | None:
    """Return one line on the sessions of which cassettes were made; None where none was."""
    if not (recorded := _results(document)["recorded"]):
        return None
    return f"recorded {counted(recorded, 'session')} as {'a cassette' if recorded == 1 else 'cassettes'}"


def _results(document: UsageDocument) -> Counter[str]:
    replays = [replay for session in document["sessions"] if (replay := session.get("replay")) is not None]
    return Counter(replay["result"] for replay in replays)


def saved_phrase(figures: AttemptEntry | RunFigures) -> str:
    """Return what replays saved, in time and money; empty where that is nothing, or not known."""
    seconds, dollars = figures.get("saved_seconds"), figures.get("saved_usd")
    if not seconds:
        return ""
    return f"{format_time(round(1000 * seconds))}{'' if dollars is None else f' and {shown_usd(dollars)}'}"


def unused_line(document: UsageDocument) -> str | None:
    """Return the one line of a run in which nothing asked for a session; None where there is more to say."""
    run, reconciliation = document["run"], document["reconciliation"]
    if document["tests"] or document["sessions"] or run["verdict"] != "within":
        return None
    if reconciliation["verdict"] not in {"reconciled", "off"} or run["used_seconds"]:
        return None
    of_money = run.get("cost_budget_usd")  # which reports of earlier versions lack
    budgets = [] if run["budget_seconds"] is None else [shown_seconds(run["budget_seconds"])]
    budgets += [] if of_money is None else [exact_usd(of_money)]
    unused = f", nothing used of {', '.join(budgets)}" if budgets else ""
    return f"no test asked for a session ({run['target']}{unused})"


def _live_phrase(run: RunFigures) -> str:
    """Say what live sessions would use, and cost where that is known."""
    dollars, exceeded = run["forecast_usd"], _exceeded_live(run)
    cost = "" if dollars is None else f", {shown_usd(dollars)}"
    over = f", more than the budget of {' and '.join(exceeded)}" if exceeded else ""
    return f"about {shown_seconds(run['forecast_seconds'])}{cost}{over}"


def differs_live(figures: AttemptEntry | RunFigures) -> bool:
    """Return whether live sessions would use more than was used here: what pace max has skipped.

    Not of replays, of which all was saved.
    """
    return figures["target"] != "replay" and skips_time(figures["forecast_seconds"], figures["used_seconds"])


def skips_time(forecast_seconds: float | None, used_seconds: float | None) -> bool:
    """Return whether pace max has skipped time; False where either figure is not known."""
    return forecast_seconds is not None and used_seconds is not None and forecast_seconds > used_seconds + _SKIPS_FROM


def exceeds_live(figures: AttemptEntry | RunFigures) -> bool:
    """Return whether they would use more than there is budget for, in time or in money."""
    return differs_live(figures) and bool(_exceeded_live(figures))


def _exceeded_live(figures: AttemptEntry | RunFigures) -> list[str]:
    """Return the budgets that live sessions would exceed."""
    seconds, of_time = figures["forecast_seconds"], figures["budget_seconds"]
    dollars, of_money = figures["forecast_usd"], figures.get("cost_budget_usd")
    exceeded = [shown_seconds(of_time)] if seconds is not None and of_time is not None and seconds > of_time else []
    exceeded += [exact_usd(of_money)] if dollars is not None and of_money is not None and dollars > of_money else []
    return exceeded
