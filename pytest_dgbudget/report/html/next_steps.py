"""Next steps: what to run, and what to change, for what was found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from pytest_dgbudget.report.document import AttemptEntry, UsageDocument
from pytest_dgbudget.report.html.attention import unanswered_in
from pytest_dgbudget.report.html.elements import Child, Markup, element, name_of, several, together
from pytest_dgbudget.report.html.parts import paragraph, section
from pytest_dgbudget.report.html.sentences import sentence
from pytest_dgbudget.report.overrun_effect import fails
from pytest_dgbudget.report.regression import found_regression
from pytest_dgbudget.report.run_line import differs_live
from pytest_dgbudget.report.run_remarks import leaks_line, missed, protocol_line
from pytest_dgbudget.report.shards import shards_in
from pytest_dgbudget.rules.budget_names import budget_name, how_to_raise
from pytest_dgbudget.rules.mismatches import records_again
from pytest_dgbudget.units import format_time, format_usd, rounded_up

if TYPE_CHECKING:
    from pytest_dgbudget.model import Currency, ScopeName

_MOST_NAMES = 3
_MOST_RUNS = 5


class Step(NamedTuple):
    """What to do, and what to type for it, if that can be said."""

    said: Child
    command: str | None = None


def next_steps_section(document: UsageDocument) -> Markup:
    """Return the steps; where nothing was found, what can be done with such a run."""
    found = dict.fromkeys(step for look in _LOOKS for step in look(document))  # of two budgets, a step may be the same
    steps = [*found] or [*_when_all_is_well(document)]
    return section("next", "Next steps", element("ol", *map(_item, steps), class_="steps"))


def _item(step: Step) -> Markup:
    command = None if step.command is None else element("pre", element("code", step.command))
    return element("li", paragraph(step.said), command)


def _run_ids(document: UsageDocument) -> list[str]:
    """Return the runs as a shell takes them: of a merged report, those that it was made of."""
    ids = dict.fromkeys(shard.run_id for shard in shards_in("", document))
    return [quote(run_id) for run_id in ids][:_MOST_RUNS]


def _names(tests: list[AttemptEntry]) -> Markup:
    names: list[Child] = [name_of(name) for name in dict.fromkeys(test["nodeid"] for test in tests)]
    more = len(names) - _MOST_NAMES
    return several([*names[:_MOST_NAMES], *([f"{more:,} more"] if more > 0 else [])], ", ")


def _overruns(document: UsageDocument) -> Iterator[Step]:
    by_budget: dict[tuple[ScopeName, str, Currency], list[AttemptEntry]] = {}
    for test in filter(fails, document["tests"]):
        overrun = test.get("overrun")
        budget = _UNNAMED if overrun is None else (overrun["scope"], overrun["label"], overrun["currency"])
        by_budget.setdefault(budget, []).append(test)
    for (scope, label, currency), tests in by_budget.items():
        if scope == "test":
            said = together("Find in the transcripts what took so long, or give more to ", _names(tests), ".")
            yield Step(said, _markers(tests))
        elif scope == "run":
            yield Step(
                "See what the tests are likely to spend, and raise the run budget or run fewer of them.",
                "pytest --dg-plan",
            )
        else:
            yield Step(sentence(f"{budget_name(scope, label)}: {how_to_raise(scope, label, currency)}"))


# A test's own: reports of earlier versions don't say which budget was overrun.
_UNNAMED: tuple[ScopeName, str, Currency] = ("test", "", "time")


def _markers(tests: list[AttemptEntry]) -> str | None:
    """Return for each test that is named the marker that gives it half as much again, where that can be said."""
    of_test = {test["nodeid"]: _marker(test) for test in tests}  # of several attempts, the last
    markers = [f"{marker}  # {nodeid}" for nodeid, marker in [*of_test.items()][:_MOST_NAMES] if marker is not None]
    return "\n".join(markers) or None


def _marker(test: AttemptEntry) -> str | None:
    overrun = test.get("overrun")
    if overrun is None or overrun["allowed"] is None:
        return None
    if overrun["currency"] == "money":
        half_more = format_usd(rounded_up(round(overrun["allowed"] * 1_000_000) * 3, 2)).removeprefix("$")
        return f"@pytest.mark.dg_budget(cost={half_more})"
    return f'@pytest.mark.dg_budget("{format_time(1000 * rounded_up(round(overrun["allowed"] * 1500), 1000))}")'


def _bypasses(document: UsageDocument) -> Iterator[Step]:
    if document["run"]["bypass"] in ("seen", "possible"):
        yield Step(
            "Have every client dial the gateway: give the application voice_agent_endpoint.agent_url "
            "(DGBUDGET_AGENT_URL). Until then, refuse those that would dial past it.",
            "pytest --dg-redirect=refuse",
        )


def _leaks(document: UsageDocument) -> Iterator[Step]:
    if leaks_line(document) is not None:
        yield Step("Close each session in its test; have a test fail that leaves one open.", "pytest -o dg_leaks=fail")


def _mismatches(document: UsageDocument) -> Iterator[Step]:
    sessions = missed(document)
    if not sessions:
        return
    tests = [*dict.fromkeys(session["nodeid"] for session in sessions)]
    yield Step(
        "Record what has changed on purpose again, live and billed; what changes each time is named in "
        "dg_cassette_ignore.",
        records_again(tests[:_MOST_NAMES]),
    )


def _statement(document: UsageDocument) -> Iterator[Step]:
    reconciliation, run = document["reconciliation"], document["run"]
    if run["target"] in ("emulator", "replay"):
        return
    if run["billed"] and reconciliation["verdict"] == "discrepancy":
        commands = "\n".join(f"dgbudget support-bundle {run_id}" for run_id in _run_ids(document))
        yield Step("Send Deepgram's support what they need to look into the requests that disagree.", commands)
    if reconciliation["verdict"] in ("pending", "inconclusive") or run["at_risk_seconds"] or reconciliation["unread"]:
        said = "Compare with the statement again later: what it says replaces what is not known yet."
        yield Step(said, f"dgbudget reconcile {' '.join(_run_ids(document))}")


def _regressions(document: UsageDocument) -> Iterator[Step]:
    history = document.get("history")
    if found_regression(document) is not None and history:
        command = f"dgbudget report {_run_ids(document)[0]} --compare {quote(history[-1]['id'])}"
        yield Step("See test by test what has changed since the run before.", command)


def _unanswered(document: UsageDocument) -> Iterator[Step]:
    tests = [test for test in document["tests"] if unanswered_in(test)]
    if tests:
        yield Step(together("Listen to what the caller heard in ", _names(tests), "."), "pytest -o dg_artifacts=always")


def _protocol(document: UsageDocument) -> Iterator[Step]:
    if protocol_line(document) is not None:
        yield Step("Have a test fail whose messages break the protocol's order.", "pytest -o dg_check_protocol=fail")


def _failed(document: UsageDocument) -> Iterator[Step]:
    if any(test["outcome"] in ("failed", "error") for test in document["tests"]):
        yield Step(
            "Read the transcripts of the tests that failed, which are linked below their names, and run those again.",
            "pytest --last-failed",
        )
    elif document["run"]["verdict"] == "interrupted":
        yield Step(
            "Run the rest of what was interrupted; a run with the same id goes on with what is left of its budget."
        )


def _warnings(document: UsageDocument) -> Iterator[Step]:
    kinds = {warning["kind"] for warning in document.get("warnings", ())}
    if "run-budget" in kinds:
        yield Step("See whether the next run fits its budget.", "pytest --dg-plan")
    if "prices" in kinds:
        yield Step("Set today's prices, with as_of, in [prices] of dgbudget.toml.")


_LOOKS: tuple[Callable[[UsageDocument], Iterator[Step]], ...] = (
    _overruns,
    _bypasses,
    _mismatches,
    _statement,
    _leaks,
    _regressions,
    _unanswered,
    _protocol,
    _failed,
    _warnings,
)


def _when_all_is_well(document: UsageDocument) -> Iterator[Step]:
    run = document["run"]
    if run["billed"]:
        yield Step("Nothing has to be done. See what the next run is likely to spend.", "pytest --dg-plan")
        return
    is_forecast = differs_live(run) or run["target"] == "replay"
    live = run["forecast_seconds"] if is_forecast else run["used_seconds"]
    budget = format_time(10_000 * rounded_up(round((live or 0.0) * 1250) or 1, 10_000))
    yield Step(
        "Nothing has to be done. See what the suite is likely to spend live.", "pytest --dg-plan --dg-target=live"
    )
    yield Step("Run it live, with a budget a quarter above that.", f"pytest --dg-target=live --dg-budget={budget}")
