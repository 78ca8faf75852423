"""Runs as the ledger may know them: made by hand, or by Hypothesis."""

from __future__ import annotations

from typing import Any, get_args

from hypothesis import strategies as st

from pytest_dgbudget.ledger.facts import (
    AttemptFacts,
    InvocationFacts,
    LeaseFacts,
    RefusalFacts,
    RunFacts,
    RunKeyFacts,
    SessionFacts,
    TurnFacts,
    VendorLatencyFacts,
)
from pytest_dgbudget.model import Bypass, BypassHow, ClosedBy, Currency, Outcome, Overrun, ScopeName

AT = "2026-11-02T10:00:00.000Z"
LATER = "2026-11-02T10:01:00.000Z"


def invocation(**fields: Any) -> InvocationFacts:
    known: dict[str, Any] = {
        "id": "i",
        "budget_ms": 60_000,
        "started_at": AT,
        "finished_at": LATER,
        "exit_status": 0,
    }
    return InvocationFacts(**{**known, **fields})


def attempt(**fields: Any) -> AttemptFacts:
    known: dict[str, Any] = {
        "id": "a",
        "invocation": "i",
        "nodeid": "test_x.py::test",
        "number": 1,
        "target": None,
        "left_ms": 10_000,
        "outcome": "passed",
        "waited_ms": 0,
        "refused": 0,
        "refused_untolerated": 0,
    }
    return AttemptFacts(**{**known, **fields})


def lease(**fields: Any) -> LeaseFacts:
    known: dict[str, Any] = {
        "id": "l",
        "attempt": "a",
        "allowance_ms": 10_000,
        "how": "settled",
        "ended_ms": 3000,
        "stated_ms": None,
        "micro_usd": 12_500,
        "ended_micro_usd": 3800,
    }
    return LeaseFacts(**{**known, **fields})


def session(**fields: Any) -> SessionFacts:
    known: dict[str, Any] = {
        "id": "s",
        "target": None,
        "opened_at": AT,
        "lease": "l",
        "attempt": "a",
        "usage": "u",
        "request_id": "r",
        "closed_at": LATER,
        "ms": 3000,
        "handshake_ms": 5,
        "audio_in_ms": 0,
        "audio_out_ms": 0,
        "closed_by": "client",
        "close_code": 1000,
        "confirmed": 1,
        "tagged": 1,
        "closing_ms": 10,
        "tier": "standard",
        "only_tier": "standard",
        "micro_usd": 3800,
        "estimated": 0,
        "greeting_ms": 120,
        "skipped_ms": None,
        "forecast_micro_usd": None,
        "forecast_cut": 0,
        "vendor_reports": 0,
    }
    return SessionFacts(**{**known, **fields})


def turn(**fields: Any) -> TurnFacts:
    """A turn of 400 ms, unless given otherwise."""
    known: dict[str, Any] = {
        "session": "s",
        "attempt": "a",
        "started_ms": 1000,
        "since": "audio",
        "answered_ms": 1400,
        "overlapped": 0,
        "unpaced": 0,
        "continued": 0,
        "function_ms": 0,
    }
    return TurnFacts(**{**known, **fields})


def run_key(key_id: str) -> RunKeyFacts:
    """A key of the run; one whose id begins with ``deleted`` is."""
    return RunKeyFacts(id=key_id, run="run", made_at=AT, ended_at=LATER if key_id.startswith("deleted") else None)


def run(**fields: Any) -> RunFacts:
    """One test that passed with one session, unless given otherwise."""
    known: dict[str, Any] = {
        "id": "run",
        "target": "live",
        "billed": True,
        "tag": "dgbudget-run",
        "invocations": (invocation(),),
        "attempts": (attempt(),),
        "leases": (lease(),),
        "sessions": (session(),),
        "reconciliation": None,
    }
    return RunFacts(**{**known, **fields})


# By Hypothesis

MARKS = st.sampled_from([0, 0, 1])
TURNS = st.builds(
    turn,
    since=st.sampled_from(["audio", "audio", "text", "transcript"]),
    answered_ms=st.none() | st.integers(1000, 10_000_000),
    overlapped=MARKS,
    unpaced=MARKS,
    continued=MARKS,
    function_ms=st.integers(0, 10_000),
)
TIMES_MS = st.integers(0, 10_000_000)
MAYBE_MS = st.none() | TIMES_MS
INSTANTS = st.datetimes().map(lambda at: at.isoformat(timespec="milliseconds") + "Z")
CLOSED_BY = st.sampled_from(get_args(ClosedBy))
CURRENCIES = st.sampled_from(get_args(Currency))
OUTCOMES = st.none() | st.sampled_from(get_args(Outcome))
INVOCATIONS = st.builds(
    InvocationFacts,
    id=st.text(max_size=5),
    budget_ms=MAYBE_MS,
    started_at=INSTANTS,
    finished_at=st.none() | INSTANTS,
    exit_status=st.none() | st.integers(0, 5),
    may_bypass=st.none() | st.integers(0, 1),
    prices_as_of=st.none() | st.dates().map(lambda day: day.isoformat()),
    cost_budget_micro_usd=MAYBE_MS,
)
REFUSALS = st.builds(
    Overrun,
    kind=st.just("refused"),
    scope=st.sampled_from(get_args(ScopeName)),
    used=TIMES_MS,
    allowed=TIMES_MS,
    currency=CURRENCIES,
    label=st.text(max_size=5),
)
BYPASSES = st.builds(
    Bypass, host=st.text(max_size=5), path=st.just("/"), how=st.sampled_from(get_args(BypassHow)), program=st.just("")
)


@st.composite
def runs(draw: st.DrawFn) -> RunFacts:
    attempts, leases, sessions, refusals = [], [], [], []
    turns, reports = list[TurnFacts](), list[VendorLatencyFacts]()
    for number in range(draw(st.integers(0, 3))):
        refused = draw(st.integers(0, 2))
        target = draw(st.sampled_from([None, None, "emulator"]))
        attempts.append(
            attempt(
                id=f"a{number}",
                target=target,
                nodeid=draw(st.text(max_size=9)),
                number=draw(st.integers(1, 3)),
                left_ms=draw(MAYBE_MS),
                outcome=draw(OUTCOMES),
                waited_ms=draw(TIMES_MS),
                refused=refused,
                refused_untolerated=draw(st.integers(0, refused)),
                cost_left_micro_usd=draw(MAYBE_MS),
            )
        )
        refusals += [RefusalFacts(f"a{number}", draw(REFUSALS)) for _ in range(min(refused, 1))]
        for held in range(draw(st.integers(0, 2))):
            how = draw(st.sampled_from([None, "settled", "orphaned"]))
            ends = {"how": how, "ended_ms": None if how is None else draw(TIMES_MS)}
            ends["stated_ms"] = draw(MAYBE_MS) if how == "orphaned" else None
            of: dict[str, Any] = {"attempt": f"a{number}"}
            prices = {"micro_usd": draw(MAYBE_MS), "ended_micro_usd": None if how is None else draw(MAYBE_MS)}
            allowance_ms = draw(st.integers(1, 10_000_000))
            leases.append(lease(id=f"l{number}{held}", **of, allowance_ms=allowance_ms, **ends, **prices))
            for opened in range(draw(st.integers(0, 2))):
                id_, reported = f"s{number}{held}{opened}", draw(st.none() | st.integers(0, 2))
                ends = {**draw(ENDS), "vendor_reports": reported}
                sessions.append(session(id=id_, lease=f"l{number}{held}", target=target, **of, **ends))
                turns += [each._replace(session=id_, **of) for each in draw(st.lists(TURNS, max_size=3))]
                reports += [VendorLatencyFacts(id_, f"a{number}", 900)] * (reported or 0)
    return run(
        billed=draw(st.booleans()),
        target=draw(st.sampled_from(["live", "emulator"])),
        invocations=tuple(draw(st.lists(INVOCATIONS, min_size=1, max_size=3))),
        attempts=tuple(attempts),
        leases=tuple(leases),
        sessions=tuple(sessions),
        bypasses=tuple(draw(st.lists(BYPASSES, max_size=2))),
        refusals=tuple(refusals),
        turns=tuple(turns),
        vendor_latencies=tuple(reports),
    )


ENDS = st.fixed_dictionaries(
    {
        "request_id": st.none() | st.text(max_size=5),
        "opened_at": INSTANTS,
        "closed_at": st.none() | INSTANTS,
        "ms": MAYBE_MS,
        "closing_ms": MAYBE_MS,
        "greeting_ms": MAYBE_MS,
        "skipped_ms": MAYBE_MS,
        "forecast_micro_usd": MAYBE_MS,
        "forecast_cut": st.none() | st.integers(0, 1),
        "micro_usd": MAYBE_MS,
        "tier": st.none() | st.just("standard"),
        "estimated": st.none() | st.integers(0, 1),
        "handshake_ms": MAYBE_MS,
        "audio_in_ms": MAYBE_MS,
        "audio_out_ms": MAYBE_MS,
        "closed_by": st.none() | CLOSED_BY,
        "close_code": st.none() | st.integers(1000, 4999),
        "confirmed": st.none() | st.integers(0, 1),
        "cut_currency": st.none() | CURRENCIES,
        "cut_used": MAYBE_MS,
        "cut_allowed": MAYBE_MS,
    }
)
