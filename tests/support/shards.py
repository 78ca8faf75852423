"""Reports of runs that share no ledger: made by hand, or by Hypothesis."""

from __future__ import annotations

import copy
import json
from typing import Any, cast

from hypothesis import strategies as st

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.projection import usage_document
from tests.support import facts


def report(run: str, *sessions: str, **fields: Any) -> UsageDocument:
    """Return the report of a run with a test of 3 s for each of these sessions, unless given otherwise.

    Its start is told by its id.
    """
    invocation = facts.invocation(started_at=f"2026-11-02T10:00:00.{sum(map(ord, run)) % 1000:03}Z")
    known: dict[str, Any] = {
        "id": run,
        "invocations": (invocation,),
        "attempts": tuple(facts.attempt(id=each, nodeid=f"test_x.py::test_{each}") for each in sessions),
        "leases": tuple(facts.lease(id=each, attempt=each) for each in sessions),
        "sessions": tuple(facts.session(id=each, lease=each, attempt=each, request_id=each) for each in sessions),
    }
    return usage_document(facts.run(**{**known, **fields}))


def changed(document: UsageDocument, part: str, **fields: Any) -> UsageDocument:
    """Return a copy in which the fields of one part are these."""
    new: dict[str, Any] = copy.deepcopy(cast(dict[str, Any], document))
    new[part].update(fields)
    return cast(UsageDocument, new)


def line(request_id: str | None, **fields: Any) -> dict[str, Any]:
    """Return a line of a reconciliation."""
    known = {
        "request_id": request_id,
        "class": "matched",
        "nodeid": "t",
        "attempt": 1,
        "local_seconds": 3.0,
        "vendor_seconds": 3.0,
        "elapsed_seconds": None,
        "unreadable_duration": None,
        "delta_seconds": 0.0,
        "vendor_usd": 0.00375,
        "foreign": None,
    }
    return {**known, **fields}


def totals(**fields: Any) -> dict[str, Any]:
    """Return what is compared of a run as a whole: hours of 3 s."""
    hours = {"verdict": "reconciled", "local_seconds": 3.0, "vendor_seconds": 3.0, "reason": None}
    dollars = {"verdict": "reconciled", "local_usd": 0.00375, "vendor_usd": 0.00375, "reason": None}
    return {"by": "tag", "hours": hours, "dollars": dollars, "drift": None, "rates": [], **fields}


def reconciliation(*lines: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return what came of a comparison of these lines."""
    known = {
        "verdict": "reconciled",
        "checked_at": facts.LATER,
        "project": "p",
        "tolerance": {"seconds": 2.0, "share": 0.05},
        "reasons": [],
        "remarks": [],
        "lines": list(lines),
        "totals": totals(),
        "unread": [],
        "lag": None,
    }
    return {**known, **fields}


def rate(**fields: Any) -> dict[str, Any]:
    """Return a price of the tier ``standard``."""
    known = {
        "tier": "standard",
        "sessions": 5,
        "seconds": 60.0,
        "vendor_usd_per_minute": 0.075,
        "expected_usd_per_minute": 0.075,
        "expected_by": "shipped",
        "wrong": False,
    }
    return {**known, **fields}


# By Hypothesis --------------------------------------------------------------------------------------------------------

SENTENCES = st.lists(st.sampled_from(["one thing", "another"]), max_size=2)
MAYBE_SECONDS = st.none() | st.integers(0, 10**7).map(lambda ms: ms / 1000)
MAYBE_USD = st.none() | st.integers(0, 10**9).map(lambda micro_usd: micro_usd / 1_000_000)
VERDICTS = st.sampled_from(["reconciled", "discrepancy", "pending", "inconclusive", "off"])
HOURS = st.fixed_dictionaries(
    {"verdict": VERDICTS, "local_seconds": MAYBE_SECONDS, "vendor_seconds": MAYBE_SECONDS, "reason": st.none()}
)
DOLLARS = st.fixed_dictionaries(
    {"verdict": VERDICTS, "local_usd": MAYBE_USD, "vendor_usd": MAYBE_USD, "reason": st.none() | st.just("why")}
)
RATES = st.builds(
    rate,
    tier=st.sampled_from(["standard", "advanced"]),
    seconds=st.integers(60_000, 10**7).map(lambda ms: ms / 1000),
    vendor_usd_per_minute=st.integers(0, 10**6).map(lambda micro_usd: micro_usd / 1_000_000),
    wrong=st.booleans(),
)
TOTALS = st.builds(
    totals,
    by=st.sampled_from(["tag", "key"]),
    hours=HOURS,
    dollars=DOLLARS,
    rates=st.lists(RATES, max_size=2, unique_by=lambda each: each["tier"]),
)
LAGS = st.none() | st.fixed_dictionaries({"pending_seconds": MAYBE_SECONDS, "settled_seconds": MAYBE_SECONDS})
RECONCILIATIONS = st.builds(
    reconciliation,
    st.builds(line, st.none() | st.sampled_from(["r1", "r2"])),
    verdict=VERDICTS,
    checked_at=st.none() | facts.INSTANTS,
    project=st.none() | st.sampled_from(["p", "q"]),
    reasons=SENTENCES,
    remarks=SENTENCES,
    totals=st.none() | TOTALS,
    lag=LAGS,
)


@st.composite
def shards(draw: st.DrawFn, *, most: int = 3) -> list[UsageDocument]:
    """Return the reports of at least one run, all of one target; some of one id, none of one start."""
    starts = draw(st.lists(facts.INSTANTS, min_size=1, max_size=most, unique=True))
    same = {"target": draw(st.sampled_from(["live", "emulator"])), "billed": draw(st.booleans())}
    return [_shard(draw, number, start, same) for number, start in enumerate(starts)]


def _shard(draw: st.DrawFn, number: int, start: str, same: dict[str, Any]) -> UsageDocument:
    document: dict[str, Any] = json.loads(json.dumps(usage_document(draw(facts.runs()), draw(SENTENCES))))
    for test in (*document["tests"], *document["sessions"]):
        test["target"] = same["target"]
    for session in document["sessions"]:
        session["id"] = f"{number}-{session['id']}"
    document["run"].update(
        same,
        id=draw(st.sampled_from(["a", "b", f"of-{number}"])),
        started_at=start,
        budget_seconds=draw(MAYBE_SECONDS),
        cost_usd=draw(MAYBE_USD),
        forecast_seconds=draw(MAYBE_SECONDS),
        bypass=draw(st.sampled_from(["refused", "unknown", "possible", "seen"])),
        failing=draw(st.booleans()),
    )
    document["reconciliation"] = draw(RECONCILIATIONS)
    return cast(UsageDocument, document)


@st.composite
def earlier_reports(draw: st.DrawFn, document: UsageDocument) -> UsageDocument:
    """Return what the same run may have reported before it went on, or before its statement was read."""
    if document["reconciliation"]["checked_at"] is None and not document["tests"]:
        return document
    before = changed(document, "reconciliation", checked_at=None, verdict="pending")
    before["tests"] = before["tests"][:-1]
    if before["sessions"]:
        before["sessions"] = before["sessions"][: draw(st.integers(1, len(before["sessions"])))]
    return before
