"""The verdict in words, and the budget's bars: what a reviewer sees in ten seconds."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import cast

from pytest_dgbudget.instants import epoch_ms
from pytest_dgbudget.report.document import MergedDocument, RunFigures, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.bars import Amounts, bar, legend
from pytest_dgbudget.report.html.elements import Child, Markup, element, name_of, several
from pytest_dgbudget.report.html.parts import Tone, badge, muted, tone_of
from pytest_dgbudget.report.html.sentences import sentence
from pytest_dgbudget.report.overrun_effect import excuse_of, excuse_of_run
from pytest_dgbudget.report.run_line import differs_live, recorded_line, replays_line
from pytest_dgbudget.report.run_remarks import run_keys_line
from pytest_dgbudget.report.shown import AT_RISK
from pytest_dgbudget.report.shown_turns import has_latency
from pytest_dgbudget.units import counted, format_time

_BAR_HEIGHT = 20
_FAILED = ("failed", "error")


def title_of(document: UsageDocument) -> tuple[Tone, str]:
    """Return the verdict in a few words."""
    run = document["run"]
    if run["bypass"] == "seen":
        return "bad", "Sessions went past the gateway"
    if run["verdict"] == "overrun":
        excuse = excuse_of_run(document)
        return ("bad", "Over budget") if excuse is None else ("warn", f"Over budget, {excuse}")
    return ("warn", "Interrupted") if run["verdict"] == "interrupted" else ("good", "Within budget")


def target_of(run: RunFigures) -> str:
    """Return where sessions were dialled, and whether that is billed."""
    return f"{run['target']}, {'BILLED' if run['billed'] else 'not billed'}"


def verdict_header(document: UsageDocument) -> Markup:
    """Return the head of the page."""
    run = document["run"]
    tone, title = title_of(document)
    return element(
        "header",
        element("p", "pytest-dgbudget: run ", name_of(run["id"]), class_="run"),
        element("h1", badge(tone, title)),
        element("p", several(_badges(document), " ")),
        element("p", _summary(document), class_="lead"),
        *_bars(run),
        element("dl", *_tiles(document), class_="tiles"),
        *_remarks(document),
    )


def _badges(document: UsageDocument) -> Iterator[Markup]:
    run, tests = document["run"], Counter(test["outcome"] for test in document["tests"])
    yield badge("note", target_of(run))
    yield from _overruns(document)
    if failed := sum(tests[outcome] for outcome in _FAILED):
        yield badge("bad", f"{counted(failed, 'test')} failed")
    reconciliation = document["reconciliation"]["verdict"]
    yield badge(tone_of(reconciliation), f"reconciliation: {reconciliation}")
    regression = document.get("regression")
    if regression is not None and regression["verdict"] in ("regression", "none"):
        regressed = regression["verdict"] == "regression"
        yield badge("bad" if regressed else "good", "regression" if regressed else "no regression")


def _overruns(document: UsageDocument) -> Iterator[Markup]:
    """Yield how many are over budget: those that fail the run, then those that don't."""
    overran = [test for test in document["tests"] if test["verdict"] == "overrun"]
    excuses = Counter(excuse for test in overran if (excuse := excuse_of(test)) is not None)
    if failing := len(overran) - excuses.total():
        yield badge("bad", f"{counted(failing, 'test')} over budget")
    for excuse, number in excuses.items():
        yield badge("warn", f"{counted(number, 'test')} over budget, {excuse}")


def _summary(document: UsageDocument) -> str:
    run, of_cassettes = document["run"], filter(None, (replays_line(document), recorded_line(document)))
    sessions = counted(run["sessions"], "session")
    budgets = [] if run["budget_seconds"] is None else [figures.time(run["budget_seconds"])]
    of_money = run.get("cost_budget_usd")
    budgets += [] if of_money is None else [figures.exact_money(of_money)]
    of = f"of a run budget of {' and '.join(budgets)}" if budgets else "there is no run budget"
    used = f"{sessions} used {figures.time(run['used_seconds'])}{' ' if budgets else '; '}{of}."
    return " ".join([used, _what_it_costs(run), *map(sentence, of_cassettes)])


def _what_it_costs(run: RunFigures) -> str:
    cost = "an unknown amount" if run["cost_usd"] is None else figures.own_cost(run)
    if not run["used_seconds"]:
        return "Nothing was billed."
    if run["billed"]:
        return f"They were billed: {cost} at our prices."
    return f"Nothing was billed (target: {run['target']}). Live they would {_what_live_takes(run, cost)}."


def _what_live_takes(run: RunFigures, cost: str) -> str:
    if not differs_live(run):
        return f"cost {cost}"
    live = "" if run["forecast_usd"] is None else f" and cost about {figures.money(run['forecast_usd'])}"
    return f"take about {figures.time(run['forecast_seconds'])}{live}"


def _bars(run: RunFigures) -> Iterator[Markup]:
    live = differs_live(run)
    allowed, of_money, cost = run["budget_seconds"], run.get("cost_budget_usd"), run["cost_usd"]
    if allowed is not None:
        amounts = Amounts(
            run["used_seconds"], allowed, run["at_risk_seconds"], run["forecast_seconds"] if live else None
        )
        risk = figures.time(run["at_risk_seconds"])
        yield _budget(
            "Time", amounts, figures.time(amounts.used), figures.time(allowed), risk, figures.time(amounts.live)
        )
    if of_money is not None and cost is not None:
        at_risk = run.get("at_risk_usd") or 0.0
        amounts = Amounts(cost, of_money, at_risk, run["forecast_usd"] if live else None)
        of = figures.exact_money(of_money)
        yield _budget("Money", amounts, figures.own_cost(run), of, figures.money(at_risk), figures.money(amounts.live))


def _budget(what: str, amounts: Amounts, used: str, allowed: str, risk: str, live: str) -> Markup:
    said = f"{used} of {allowed} used, {figures.share(amounts.used, amounts.allowed)}"
    notes = [f"{risk} of that is {AT_RISK}"] if amounts.at_risk else []
    notes += [] if amounts.live is None else [f"live it would be about {live}"]
    label = "; ".join([said, *notes])
    return element(
        "figure",
        element("figcaption", element("strong", what), f": {label}"),
        bar(amounts, f"{what}: {label}", _BAR_HEIGHT),
        legend(amounts),
        class_="budget",
    )


def _tiles(document: UsageDocument) -> Iterator[Markup]:
    run = document["run"]
    yield _tile("Used", figures.time(run["used_seconds"]), counted(run["sessions"], "session"))
    if run["target"] != "replay":
        prices = run["prices_as_of"]
        yield _tile(
            "Cost" if run["billed"] else "Cost, if it were live",
            figures.own_cost(run),
            None if prices is None else f"at prices of {prices}",
        )
    if run.get("saved_seconds") is not None:
        yield _tile("Saved", figures.time(run["saved_seconds"]), f"by replays, {figures.money(run['saved_usd'])}")
    if differs_live(run):
        yield _tile("Forecast", figures.time(run["forecast_seconds"]), f"live, {figures.money(run['forecast_usd'])}")
    yield _tile("Tests", f"{len(document['tests']):,}", _outcomes(document))
    if has_latency(run):
        yield _latency_tile(run)
    began, ended = run["started_at"], run["finished_at"]
    took = figures.UNKNOWN if ended is None else format_time(epoch_ms(ended) - epoch_ms(began))
    yield _tile("Took", took, f"from {figures.instant(began)}")


def _outcomes(document: UsageDocument) -> str:
    outcomes = Counter(test["outcome"] or "outcome unknown" for test in document["tests"])
    return (
        ", ".join(f"{number:,} {outcome}" for outcome, number in sorted(outcomes.items())) or "none asked for a session"
    )


def _latency_tile(run: RunFigures) -> Markup:
    turns = run.get("turns")
    said = "turns: unknown" if turns is None else counted(turns, "turn")
    slow = f"95th percentile {figures.latency(run.get('latency_p95_ms'))}"
    return _tile("Latency, median", figures.latency(run.get("latency_p50_ms")), f"{slow}; {said}")


def _tile(name: str, figure: str, note: Child) -> Markup:
    small = None if note is None else element("dd", note, class_="muted")
    return element("div", element("dt", name), element("dd", figure, class_="figure"), small)


def _remarks(document: UsageDocument) -> Iterator[Markup]:
    shards = cast(MergedDocument, document).get("shards")
    if shards is not None:
        yield muted("This is a merged report: ", element("a", counted(len(shards), "run"), href="#runs"), " in one.")
    if (keys := run_keys_line(document)) is not None:
        yield muted(f"The run was {keys}.")
