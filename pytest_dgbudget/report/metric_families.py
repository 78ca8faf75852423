"""What ``metrics.txt`` has of a run: names and labels that dashboards depend on, and where their values come from."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple, get_args

from pytest_dgbudget.instants import read_instant
from pytest_dgbudget.report.document import AttemptEntry, ReplayResult, RunVerdict, SessionFigures, UsageDocument
from pytest_dgbudget.report.plain_text import harmless
from pytest_dgbudget.report.regression_figures import RegressionVerdict
from pytest_dgbudget.report.shown_turns import has_latency
from pytest_dgbudget.rules.verdicts import LineClass, Verdict
from pytest_dgbudget.units import known_sum

Labels = Mapping[str, str]


class Sample(NamedTuple):
    """``value`` None: it is not known, and the sample is left out."""

    value: float | None
    labels: Labels = MappingProxyType({})


Samples = Callable[[UsageDocument], Iterable[Sample]]


class Family(NamedTuple):
    """``unit`` is the end of its name: seconds, usd or ratio; empty for what is counted, and for states."""

    name: str
    unit: str
    meaning: str
    samples: Samples


# Of the run -----------------------------------------------------------------------------------------------------------


def _of_run(field: str) -> Samples:
    """Return what gives a figure of the run."""

    def samples(document: UsageDocument) -> Iterator[Sample]:
        value: Any = document["run"].get(field)
        yield Sample(value)

    return samples


def _latency_of_run(field: str) -> Samples:
    def samples(document: UsageDocument) -> Iterator[Sample]:
        latency_ms: Any = document["run"].get(field)
        yield Sample(latency_ms / 1000 if latency_ms is not None and has_latency(document["run"]) else None)

    return samples


def _info(document: UsageDocument) -> Iterator[Sample]:
    run = document["run"]
    billed = "true" if run["billed"] else "false"
    yield Sample(1, {"run_id": harmless(run["id"]), "target": harmless(run["target"]), "billed": billed})


def _instant(field: str) -> Samples:
    def samples(document: UsageDocument) -> Iterator[Sample]:
        text: Any = document["run"].get(field)
        moment = None if text is None else read_instant(text)
        yield Sample(None if moment is None else moment.timestamp())

    return samples


def _one_of(states: Iterable[str], state: str | None) -> Iterator[Sample]:
    """Yield 1 for the state that it is, 0 for each that it may be; nothing where it is not known."""
    if state is not None:
        yield from (Sample(int(each == state), {"verdict": each}) for each in states)


def _verdict(document: UsageDocument) -> Iterator[Sample]:
    return _one_of(get_args(RunVerdict), document["run"]["verdict"])


def _reconciliation_verdict(document: UsageDocument) -> Iterator[Sample]:
    return _one_of(get_args(Verdict), document["reconciliation"]["verdict"])


def _regression_verdict(document: UsageDocument) -> Iterator[Sample]:
    regression = document.get("regression")
    return _one_of(get_args(RegressionVerdict), None if regression is None else regression["verdict"])


def _change(figure: str) -> Samples:
    def samples(document: UsageDocument) -> Iterator[Sample]:
        regression: Any = document.get("regression")
        compared = None if regression is None else regression[figure]
        yield Sample(None if compared is None else compared["change"])

    return samples


# Of its sessions ------------------------------------------------------------------------------------------------------


def _own_sessions(document: UsageDocument) -> list[SessionFigures]:
    """Return those of the run's target: a live run may have emulated ones as well."""
    return [session for session in document["sessions"] if session["target"] == document["run"]["target"]]


def _ended_by(document: UsageDocument) -> Iterator[Sample]:
    """Yield nothing where nothing was dialled: the end of such a run is over before what these are is loaded."""
    counted = Counter(session["closed_by"] for session in _own_sessions(document))
    if not counted:
        return
    from pytest_dgbudget.model import ClosedBy

    yield from (Sample(counted[each], {"closed_by": each}) for each in get_args(ClosedBy))


def _replays(document: UsageDocument) -> Iterator[Sample]:
    """Yield nothing where no session has to do with a cassette."""
    replays = [replay for session in document["sessions"] if (replay := session.get("replay")) is not None]
    counted = Counter(replay["result"] for replay in replays)
    yield from (Sample(counted[each], {"result": each}) for each in get_args(ReplayResult) if counted)


def _by_tier(figure: str) -> Samples:
    def samples(document: UsageDocument) -> Iterator[Sample]:
        figures: dict[str, list[float | None]] = defaultdict(list)
        for session in _own_sessions(document):
            figures[harmless(session["tier"] or "unknown")].append(session[figure])  # type: ignore[literal-required]
        yield from (Sample(known_sum(each), {"tier": tier}) for tier, each in sorted(figures.items()))

    return samples


# Of its tests ---------------------------------------------------------------------------------------------------------


def _of_tests(figure: Callable[[Sequence[AttemptEntry]], float | None]) -> Samples:
    """Return what gives a figure of each test over all its attempts; of each target, where it had several."""

    def samples(document: UsageDocument) -> Iterator[Sample]:
        attempts: dict[tuple[str, str], list[AttemptEntry]] = defaultdict(list)
        for test in document["tests"]:
            attempts[harmless(test["nodeid"]), harmless(test["target"])].append(test)
        for (nodeid, target), each in attempts.items():
            yield Sample(figure(each), {"nodeid": nodeid, "target": target})

    return samples


def _used(attempts: Sequence[AttemptEntry]) -> float | None:
    return known_sum(test["used_seconds"] for test in attempts)


def _cost(attempts: Sequence[AttemptEntry]) -> float | None:
    return known_sum(test["cost_usd"] for test in attempts)


def _budget(attempts: Sequence[AttemptEntry]) -> float | None:
    """All attempts have one budget, and the first one has all of it."""
    return max((test["budget_seconds"] for test in attempts if test["budget_seconds"] is not None), default=None)


def _sessions(attempts: Sequence[AttemptEntry]) -> int:
    return sum(test["sessions"] for test in attempts)


def _overruns(attempts: Sequence[AttemptEntry]) -> int:
    return sum(test["verdict"] == "overrun" for test in attempts)


def _latency(attempts: Sequence[AttemptEntry]) -> float | None:
    """Percentiles of several attempts have no percentile in common: that of the last one stands."""
    latency_ms = attempts[-1].get("latency_p50_ms")
    return latency_ms / 1000 if latency_ms is not None and has_latency(attempts[-1]) else None


# Of the reconciliation ------------------------------------------------------------------------------------------------


def _requests(document: UsageDocument) -> Iterator[Sample]:
    if document["reconciliation"]["checked_at"] is not None:
        counted = Counter(line["class"] for line in document["reconciliation"]["lines"])
        yield from (Sample(counted[each], {"class": each}) for each in get_args(LineClass))


def _stated(figure: str) -> Samples:
    def samples(document: UsageDocument) -> Iterator[Sample]:
        lines: Any = document["reconciliation"]["lines"]
        yield Sample(known_sum(line[figure] for line in lines) if lines else None)

    return samples


FAMILIES = (
    Family("run_info", "", "Which run this is; always 1.", _info),
    Family("run_started_timestamp_seconds", "seconds", "When the run began, since 1970.", _instant("started_at")),
    Family("run_finished_timestamp_seconds", "seconds", "When the run ended, since 1970.", _instant("finished_at")),
    Family("run_verdict", "", "1 for the run's verdict, 0 for the others.", _verdict),
    Family("run_failing", "", "1 where an overrun changes the exit status, else 0.", _of_run("failing")),
    Family("run_complete", "", "1 where the run reported its end, else 0.", _of_run("complete")),
    Family("run_sessions", "", "Sessions that opened.", _of_run("sessions")),
    Family("run_turns", "", "Turns of these sessions.", _of_run("turns")),
    Family("run_used_seconds", "seconds", "What the run was charged.", _of_run("used_seconds")),
    Family("run_budget_seconds", "seconds", "The run budget in time.", _of_run("budget_seconds")),
    Family("run_at_risk_seconds", "seconds", "What is at risk (charged but not metered).", _of_run("at_risk_seconds")),
    Family(
        "run_overshoot_seconds", "seconds", "What was metered beyond what was set aside.", _of_run("overshoot_seconds")
    ),
    Family("run_forecast_seconds", "seconds", "What emulated sessions would take live.", _of_run("forecast_seconds")),
    Family(
        "run_cost_usd", "usd", "What the use costs; where nothing is billed, what it would cost.", _of_run("cost_usd")
    ),
    Family("run_cost_estimated", "", "1 where a part of the cost is the highest that it may be.", _of_run("estimated")),
    Family("run_cost_budget_usd", "usd", "The run budget in US dollars.", _of_run("cost_budget_usd")),
    Family("run_at_risk_usd", "usd", "What the time at risk costs.", _of_run("at_risk_usd")),
    Family("run_forecast_usd", "usd", "What emulated sessions would cost live.", _of_run("forecast_usd")),
    Family("run_replays", "", "Sessions by what they have to do with a cassette.", _replays),
    Family("run_saved_seconds", "seconds", "What replayed sessions would have taken live.", _of_run("saved_seconds")),
    Family("run_saved_usd", "usd", "What replayed sessions would have cost live.", _of_run("saved_usd")),
    Family(
        "run_latency_p50_seconds", "seconds", "Median latency of the run's turns.", _latency_of_run("latency_p50_ms")
    ),
    Family("run_latency_p95_seconds", "seconds", "95th percentile of these.", _latency_of_run("latency_p95_ms")),
    Family("run_dials", "", "Dials by what ended their sessions.", _ended_by),
    Family("run_tier_seconds", "seconds", "Metered time by tier.", _by_tier("seconds")),
    Family("run_tier_cost_usd", "usd", "What the metered time of a tier costs.", _by_tier("cost_usd")),
    Family("test_used_seconds", "seconds", "What a test was charged.", _of_tests(_used)),
    Family("test_budget_seconds", "seconds", "A test's budget in time.", _of_tests(_budget)),
    Family("test_cost_usd", "usd", "What a test's use costs, as run_cost_usd.", _of_tests(_cost)),
    Family("test_sessions", "", "Sessions that a test opened.", _of_tests(_sessions)),
    Family("test_overruns", "", "Attempts of a test that overran a budget.", _of_tests(_overruns)),
    Family("test_latency_p50_seconds", "seconds", "Median latency of its last attempt's turns.", _of_tests(_latency)),
    Family("reconciliation_verdict", "", "1 for the verdict, 0 for the others.", _reconciliation_verdict),
    Family("reconciliation_requests", "", "Requests by what came of the comparison.", _requests),
    Family("reconciliation_vendor_seconds", "seconds", "What the statement has of them.", _stated("vendor_seconds")),
    Family("reconciliation_vendor_usd", "usd", "What the statement has of them in US dollars.", _stated("vendor_usd")),
    Family("regression_verdict", "", "1 for the verdict, 0 for the others.", _regression_verdict),
    Family(
        "regression_spend_change_ratio",
        "ratio",
        "Spend of this run and the one before it, over what is usual, less 1.",
        _change("spend"),
    ),
    Family(
        "regression_latency_change_ratio",
        "ratio",
        "Turn latency of this run and the one before it, over what is usual, less 1.",
        _change("latency"),
    ),
)
