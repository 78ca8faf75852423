"""An attempt's figures: one computation, whoever shows them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.gateway.earlier_grants import ended
from pytest_dgbudget.ledger.ledger import Ledger
from pytest_dgbudget.model import Attempt, MeasuredTurn, Overrun
from pytest_dgbudget.plugin.junit import attempt_properties
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.tests_table import table_of_tests
from pytest_dgbudget.rules.attempts import AttemptFigures, Forecast, attempt_figures, forecast_notes, unknown_figures
from pytest_dgbudget.rules.turn_figures import marked_turns
from tests.support.ledger import leased, open_ledger, usage

MAYBE_MS = st.none() | st.integers(0, 10_000_000)


TURNS = st.lists(
    st.builds(
        MeasuredTurn,
        started_ms=st.integers(0, 10_000),
        since=st.sampled_from(["audio", "text", "transcript"]),
        answered_ms=st.none() | st.integers(10_000, 20_000),
        overlapped=st.booleans(),
        unpaced=st.booleans(),
        continued=st.booleans(),
        function_ms=st.integers(0, 1000),
    ),
    max_size=6,
)


@given(
    MAYBE_MS,
    MAYBE_MS,
    MAYBE_MS,
    MAYBE_MS,
    MAYBE_MS,
    st.booleans(),
    TURNS,
    st.none() | st.lists(st.integers(0, 9000)),
    st.lists(MAYBE_MS),
    st.lists(st.none() | st.text()),
    st.booleans(),
    st.integers(0, 3),
)
def test_figures_are_decimal_seconds_and_unknown_stays_unknown(
    budget_ms: int | None,
    used_ms: int | None,
    micro_usd: int | None,
    forecast_ms: int | None,
    cost_budget_micro_usd: int | None,
    estimated: bool,
    turns: list[MeasuredTurn],
    vendor_latencies_ms: list[int] | None,
    handshakes_ms: list[int | None],
    request_ids: list[str | None],
    cut: bool,
    refused: int,
) -> None:
    figures = attempt_figures(
        number=2,
        budget_ms=budget_ms,
        used_ms=used_ms,
        micro_usd=micro_usd,
        cost_budget_micro_usd=cost_budget_micro_usd,
        estimated=estimated,
        forecast=Forecast(forecast_ms, forecast_ms),
        turns=turns,
        vendor_latencies_ms=vendor_latencies_ms,
        handshakes_ms=handshakes_ms,
        request_ids=request_ids,
        cut=cut,
        refused=refused,
    )
    assert figures["budget_seconds"] == (None if budget_ms is None else budget_ms / 1000)
    assert figures["used_seconds"] == (None if used_ms is None else used_ms / 1000)
    assert figures["sessions"] == len(handshakes_ms) - handshakes_ms.count(None)
    assert figures["request_ids"] == [each for each in request_ids if each is not None]
    exceeds = [
        used is not None and budget is not None and used > budget
        for used, budget in ((used_ms, budget_ms), (micro_usd, cost_budget_micro_usd))
    ]
    assert figures["exceeded"] == any(exceeds)
    assert figures["cost_budget_usd"] == (None if cost_budget_micro_usd is None else cost_budget_micro_usd / 1_000_000)
    assert figures["estimated"] == (None if micro_usd is None else estimated)
    assert (figures["verdict"] == "overrun") == (cut or figures["exceeded"] or refused > 0)
    assert figures["cost_usd"] == (None if micro_usd is None else micro_usd / 1_000_000)
    assert figures["forecast_seconds"] == (None if forecast_ms is None else forecast_ms / 1000)
    assert figures["forecast_usd"] == (None if forecast_ms is None else forecast_ms / 1_000_000)
    assert figures["turns"] == len(turns)
    assert figures["marked_turns"] == marked_turns(turns)
    assert (figures["vendor_latency"] is None) == (vendor_latencies_ms is None)


def test_of_an_attempt_whose_gateway_is_gone_only_what_was_granted_is_known() -> None:
    unknown = unknown_figures(2, 10.0)
    assert unknown.keys() == AttemptFigures.__annotations__.keys()
    assert {name for name, value in unknown.items() if value is not None} == {
        "attempt",
        "budget_seconds",
        "request_ids",
    }


def test_marks_and_the_vendors_reports_are_properties_where_there_are_any() -> None:
    none: dict[str, Any] = {**marked_turns([])}
    some = {**unknown_figures(1, None), "turns": 3, "marked_turns": {**none, "unpaced": 1, "transcript": 2}}
    reports = {"vendor_latency": {"reports": 2, "p50_ms": 200, "p95_ms": 900}}
    assert named({**some, **reports}) == {
        "turns_unpaced": "1",
        "turns_since_transcript": "2",
        "vendor_latency_p50_ms": "200",
        "vendor_latency_p95_ms": "900",
    }
    nothing_came = {"vendor_latency": {"reports": 0, "p50_ms": None, "p95_ms": None}}
    assert named({**some, "marked_turns": none, **nothing_came}) == named(unknown_figures(1, None)) == {}
    each_once: dict[str, Any] = dict.fromkeys(none, 1)
    assert len(named({**some, "marked_turns": each_once})) == len(none)


def named(figures: dict[str, Any]) -> dict[str, str]:
    """Return the properties of marks and of the vendor's reports."""
    pairs = ((name.removeprefix("dgbudget."), value) for name, value in attempt_properties(figures))
    return {name: value for name, value in pairs if name.startswith(("turns_", "vendor_latency"))}


def test_an_attempts_properties_have_its_budget_in_money_and_say_that_a_cost_is_an_estimate() -> None:
    names = {"cost_budget_usd", "cost_estimated"}
    of_money = {**unknown_figures(1, 10.0), "cost_budget_usd": 0.05, "estimated": True}
    properties = {name.removeprefix("dgbudget."): value for name, value in attempt_properties(of_money)}
    assert {name: properties[name] for name in names} == {"cost_budget_usd": "0.050000", "cost_estimated": "true"}
    neither = {name.removeprefix("dgbudget.") for name, _ in attempt_properties(unknown_figures(1, 10.0))}
    assert not names & neither


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"forecast_seconds": 9.0, "forecast_usd": 0.02}, []),
        ({"forecast_seconds": 11.0}, ["live, this test would use about 11.00s, more than the 10.00s that it has"]),
        ({"forecast_usd": 0.06}, ["live, this test would cost about $0.0600, more than the $0.0500 that it has"]),
        ({"forecast_usd": 0.06, "cost_budget_usd": None}, []),
    ],
)
def test_a_forecast_beyond_a_budget_is_said_in_its_currency(fields: dict[str, Any], said: list[str]) -> None:
    figures = {**unknown_figures(1, 10.0), "used_seconds": 1.0, "cost_usd": 0.01, "cost_budget_usd": 0.05, **fields}
    notes = forecast_notes(cast("AttemptFigures", figures))
    assert [note.partition(":")[0] for note in notes] == said


def nothing(ledger: Ledger, attempt: Attempt) -> None:
    pass


TURN = MeasuredTurn(
    started_ms=100, since="text", answered_ms=400, overlapped=False, unpaced=False, continued=False, function_ms=0
)


def a_session(ledger: Ledger, attempt: Attempt) -> None:
    lease = leased(ledger, attempt)
    turns = (TURN, replace(TURN, answered_ms=900, overlapped=True))
    record = usage(ledger.record_dial(lease), 1234)
    ledger.record_usage(replace(record, turns=turns, vendor_latencies_ms=(250, 700)))
    ledger.settle(lease, 1234, 1543)


def a_cut(ledger: Ledger, attempt: Attempt) -> None:
    a_session(ledger, attempt)
    lease = leased(ledger, attempt)
    ledger.record_usage(usage(ledger.record_dial(lease), 8766, closed_by="test-budget"))
    ledger.settle(lease, 8766, 10_000)


def a_refusal(ledger: Ledger, attempt: Attempt) -> None:
    a_session(ledger, attempt)
    refusal = Overrun(kind="refused", scope="run", used=1, allowed=2)
    ledger.record_refusal("r", attempt, refusal, tolerated=False)


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("history", "used", "cost", "sessions", "verdict", "shown"),
    [
        (nothing, 0, 0.0, 0, "within", "within"),
        (a_session, 1.234, 0.001543, 1, "within", "within"),
        (a_cut, 10, 0.011543, 2, "overrun", "overrun, cut"),
        (a_refusal, 1.234, 0.001543, 1, "overrun", "overrun, refused"),
    ],
)
async def test_junit_usage_json_and_the_terminal_agree(
    tmp_path: Path,
    history: Callable[[Ledger, Attempt], None],
    used: float,
    cost: float,
    sessions: int,
    verdict: str,
    shown: str,
) -> None:
    ledger = open_ledger(tmp_path / "ledger.db")
    try:
        attempt = ledger.begin_attempt("test_x.py::test", "", 10_000)
        history(ledger, attempt)
        document = usage_document(ledger.facts())
        known = ledger.known_attempt(attempt.id)
    finally:
        ledger.close()
    assert known is not None
    grant = ended(known)
    answered = grant.figures()  # what the gateway answers
    measured = await grant.turns_of(None)
    assert (len(measured), marked_turns(measured)) == (answered["turns"], answered["marked_turns"])
    of_each = [await grant.turns_of(session["id"]) for session in document["sessions"]]
    assert measured == tuple(turn for turns in of_each for turn in turns)
    (test,) = (dict(each) for each in document["tests"])
    assert {name: test[name] for name in answered if name != "request_ids"} == {
        name: value for name, value in answered.items() if name != "request_ids"
    }
    assert answered["request_ids"] == [session["request_id"] for session in document["sessions"]]
    properties = dict(attempt_properties(answered))
    assert properties["dgbudget.seconds"] == f"{used:.3f}"
    assert properties["dgbudget.cost_usd"] == f"{cost:.6f}"
    assert (properties["dgbudget.turns"], properties["dgbudget.latency_p50_ms"]) == (
        ("2", "300") if sessions else ("0", "none")
    )
    assert properties.get("dgbudget.turns_overlapped") == ("1" if sessions else None)
    vendors = [properties.get(f"dgbudget.vendor_latency_{rank}_ms") for rank in ("p50", "p95")]
    assert vendors == (["250", "700"] if sessions else [None, None])
    assert (properties["dgbudget.sessions"], properties["dgbudget.verdict"]) == (str(sessions), verdict)
    _, line = table_of_tests(document, width=100, color=False).splitlines()
    latency = ["0.30/0.80s*", "0.25/0.70s"] if sessions else []
    cells = ["test_x.py::test", f"{used:.2f}s", "10.00s", f"${cost:.4f}", *latency, str(sessions), *shown.split()]
    assert line.split() == cells
