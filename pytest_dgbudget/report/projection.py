"""What the ledger's facts of a run come to: the document ``usage.json``, from which all else is projected."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pytest_dgbudget.ledger.facts import (
    ArchivedPart,
    AttemptFacts,
    LeaseFacts,
    RefusalFacts,
    RunFacts,
    SessionFacts,
    TurnFacts,
    VendorLatencyFacts,
    ViolationFacts,
)
from pytest_dgbudget.report.charged import (
    AtRisk,
    at_risk_by_attempt,
    at_risk_of,
    charged_micro_usd,
    charged_ms,
    set_aside_ms,
)
from pytest_dgbudget.report.document import (
    SCHEMA,
    AttemptEntry,
    ReplayFigures,
    RunFigures,
    RunVerdict,
    SessionFigures,
    UsageDocument,
    ViolationFigures,
)
from pytest_dgbudget.report.overrun_figures import overrun_of_attempt, overrun_of_session
from pytest_dgbudget.report.reconciliation_figures import recorded, vendor_usd_by_request
from pytest_dgbudget.report.regression_figures import NO_PAST, Past
from pytest_dgbudget.report.run_warnings import warnings_of
from pytest_dgbudget.rules.attempts import (
    AttemptFigures,
    Forecast,
    attempt_figures,
    forecast_of,
    seconds_or_none,
    usd_or_none,
    was_cut,
)
from pytest_dgbudget.rules.bypass import bypass_state
from pytest_dgbudget.rules.soft_warnings import UsedBudget
from pytest_dgbudget.rules.turn_figures import turn_figures, vendor_latency
from pytest_dgbudget.units import known_sum, seconds

# pytest's own exit statuses for a run that was interrupted, or that an internal error ended.
_INTERRUPTED = frozenset({2, 3})


def usage_document(
    facts: RunFacts,
    notices: Sequence[str] = (),
    artifacts: Mapping[str, list[str]] = MappingProxyType({}),
    shared: Sequence[UsedBudget] = (),
    past: Past = NO_PAST,
) -> UsageDocument:
    """Build the whole document of a run; ``notices`` are sentences about how it went.

    ``artifacts`` are paths by the id of their attempt, relative to the report's folder; ``shared`` the budgets of
    dgbudget.toml, of which the ledger's facts have nothing; ``past`` is what the ledger has of earlier runs.
    """
    attempts = {attempt.id: attempt for attempt in facts.attempts}
    sessions_of = _grouped(facts.sessions)
    leases_of = _grouped(facts.leases)
    broken_in = _grouped(facts.violations, "session")
    turns_of, turns_in = _grouped(facts.turns), _grouped(facts.turns, "session")
    reports_of, reports_in = _grouped(facts.vendor_latencies), _grouped(facts.vendor_latencies, "session")
    refusals_of = _grouped(facts.refusals)
    reconciliation = recorded(facts.reconciliation)
    vendor_usd = vendor_usd_by_request(reconciliation)
    at_risk = at_risk_by_attempt(facts)
    tests = [
        _test(
            a,
            sessions_of.get(a.id, []),
            leases_of.get(a.id, []),
            turns_of.get(a.id, []),
            reports_of.get(a.id, []),
            refusals_of.get(a.id, []),
            at_risk[a.id],
            vendor_usd,
            facts.target,
            artifacts.get(a.id, []),
        )
        for a in facts.attempts
    ]
    return {
        "schema": SCHEMA,
        "run": _run(facts, tests),
        "tests": tests,
        "sessions": [
            _session(
                each,
                attempts[each.attempt],
                turns_in.get(each.id, []),
                reports_in.get(each.id, []),
                broken_in.get(each.id, []),
                vendor_usd,
                facts,
            )
            for each in facts.sessions
        ],
        "reconciliation": reconciliation,
        "regression": past.regression,
        "history": [*past.history],
        "warnings": [*warnings_of(facts, shared)],
        "notices": list(notices),
    }


def overran(facts: RunFacts, document: UsageDocument, invocation: str) -> bool:
    """Return whether an overrun of this invocation fails the run, whatever outcomes its tests have."""
    return _is_exceeded(facts) or any(test["failing"] for test in _tests_of(facts, document, invocation))


def failed_by_overrun(facts: RunFacts, document: UsageDocument, invocation: str) -> int:
    """Count the attempts of one invocation that failed and had an overrun which was not tolerated."""
    tests = _tests_of(facts, document, invocation)
    return sum(test["failing"] and test["outcome"] in {"failed", "error"} for test in tests)


def _tests_of(facts: RunFacts, document: UsageDocument, invocation: str) -> list[AttemptEntry]:
    attempts = zip(document["tests"], facts.attempts, strict=True)
    return [test for test, attempt in attempts if attempt.invocation == invocation]


def _grouped(records: Iterable[Any], by: str = "attempt") -> dict[str, list[Any]]:
    groups: dict[str, list[Any]] = {}
    for record in records:
        groups.setdefault(getattr(record, by), []).append(record)
    return groups


def _run(facts: RunFacts, tests: list[AttemptEntry]) -> RunFigures:
    own = facts.of_own_target()
    forecast, at_risk = forecast_of(own.sessions), at_risk_of(own)
    replays = [session for session in facts.sessions if session.is_replay]
    replayed, saved = _saved(replays, facts.archived)
    cost = charged_micro_usd(own)
    of_turns = turn_figures(None if facts.archived else _known_turns(own.turns, own.sessions))
    last = facts.invocations[-1]
    ends = [invocation.finished_at for invocation in facts.invocations]
    exits = _exits(facts)
    bypass = bypass_state(
        seen=any(bypass.how == "passed" for bypass in facts.bypasses),
        possible=any(invocation.may_bypass for invocation in facts.invocations),
        live=facts.target not in {"emulator", "replay"},
        sessions=len(own.sessions)
        + len(replays)
        + sum(attempt.refused for attempt in facts.attempts if attempt.target is None),
    )
    return {
        "id": facts.id,
        "started_at": facts.invocations[0].started_at,
        "finished_at": max(end for end in ends if end) if all(ends) else None,
        "target": facts.target,
        "billed": facts.billed,
        "budget_seconds": seconds_or_none(last.budget_ms),
        "used_seconds": seconds(charged_ms(own)),
        "sessions": sum(part.sessions for part in facts.archived)
        + sum(t["sessions"] for t, a in zip(tests, facts.attempts, strict=True) if a.target is None),
        "turns": of_turns["turns"],
        "latency_p50_ms": of_turns["latency_p50_ms"],
        "latency_p95_ms": of_turns["latency_p95_ms"],
        "cost_usd": usd_or_none(cost),
        "estimated": None if cost is None else _is_estimated(own.sessions, own.leases),
        "cost_budget_usd": usd_or_none(last.cost_budget_micro_usd),
        "prices_as_of": last.prices_as_of,
        "forecast_seconds": seconds_or_none(forecast.ms),
        "forecast_usd": usd_or_none(forecast.micro_usd),
        "replayed": replayed,
        "saved_seconds": seconds_or_none(saved.ms),
        "saved_usd": usd_or_none(saved.micro_usd),
        "at_risk_seconds": seconds(at_risk.ms),
        "at_risk_usd": usd_or_none(at_risk.micro_usd),
        "under_way": sum(invocation.is_under_way for invocation in facts.invocations),
        "set_aside_seconds": seconds(set_aside_ms(own)),
        "overshoot_seconds": seconds(sum(max(0, lease.charged_ms - lease.allowance_ms) for lease in own.leases)),
        "bypass": bypass,
        "keys": [{"id": key.id, "made_at": key.made_at, "deleted_at": key.ended_at} for key in facts.run_keys],
        "verdict": _run_verdict(tests, exits, overran=_is_exceeded(facts) or bypass == "seen"),
        "failing": _is_exceeded(facts) or any(test["failing"] for test in tests),
        "complete": bool(exits) and None not in exits,
    }


def _saved(replays: Sequence[SessionFacts], archived: Sequence[ArchivedPart]) -> tuple[int, Forecast]:
    """Return how many sessions of a run were replayed, and what that saved, with those that are archived."""
    of_archived = sum(part.replays for part in archived)
    saved = forecast_of(replays)
    if not of_archived:
        return len(replays), saved
    both = Forecast(
        known_sum([*([saved.ms] if replays else []), *(part.saved_ms for part in archived)]),
        known_sum([*([saved.micro_usd] if replays else []), *(part.saved_micro_usd for part in archived)]),
    )
    return len(replays) + of_archived, both


def _exits(facts: RunFacts) -> list[int | None]:
    """Those of invocations that are over: what still goes on has interrupted nothing."""
    return [each.exit_status for each in facts.invocations if each.finished_at or not each.is_under_way]


def _is_exceeded(facts: RunFacts) -> bool:
    """Return whether more was charged than any invocation's budget allowed the run, in time or in money."""
    own = facts.of_own_target()
    return _exceeds_all(charged_ms(own), [each.budget_ms for each in facts.invocations]) or _exceeds_all(
        charged_micro_usd(own) or 0, [each.cost_budget_micro_usd for each in facts.invocations]
    )


def _exceeds_all(charged: int, budgets: Sequence[int | None]) -> bool:
    known = [budget for budget in budgets if budget is not None]
    return len(known) == len(budgets) and charged > max(known)


def _is_estimated(sessions: Iterable[SessionFacts], leases: Iterable[LeaseFacts]) -> bool:
    """Return whether a part of a cost is the highest that it may be: of a tier, or of a lease that nobody saw end."""
    return any(session.estimated for session in sessions) or any(
        lease.how != "settled" and lease.allowance_ms for lease in leases
    )


def _run_verdict(tests: list[AttemptEntry], exits: list[int | None], *, overran: bool) -> RunVerdict:
    if overran or any(test["verdict"] == "overrun" for test in tests):
        return "overrun"
    return "interrupted" if None in exits or not _INTERRUPTED.isdisjoint(exits) else "within"


def _fails(figures: AttemptFigures, attempt: AttemptFacts) -> bool:
    """An overrun changes the exit status, unless it was refused under skip, expected by xfail or rerun."""
    only_refused = not figures["cut"] and not figures["exceeded"]
    tolerated = only_refused and attempt.refused_untolerated == 0
    return figures["verdict"] == "overrun" and not tolerated and attempt.outcome not in {"xfailed", "rerun"}


def _test(
    attempt: AttemptFacts,
    sessions: list[SessionFacts],
    leases: list[LeaseFacts],
    turns: list[TurnFacts],
    reports: list[VendorLatencyFacts],
    refusals: list[RefusalFacts],
    at_risk: AtRisk,
    vendor_usd: Mapping[str, float],
    run_target: str,
    artifacts: list[str],
) -> AttemptEntry:
    # A live test may have replays beside what is billed: they count by themselves.
    own = {session.id: session for session in sessions if session.target == attempt.target}
    figures = attempt_figures(
        number=attempt.number,
        budget_ms=attempt.left_ms,
        used_ms=sum(lease.charged_ms for lease in leases),
        micro_usd=known_sum(lease.charged_micro_usd for lease in leases),
        cost_budget_micro_usd=attempt.cost_left_micro_usd,
        estimated=_is_estimated(own.values(), leases),
        forecast=forecast_of(own.values()),
        replays=[session for session in sessions if session.is_replay],
        turns=_known_turns([turn for turn in turns if turn.session in own], own.values()),
        vendor_latencies_ms=_known_totals([report for report in reports if report.session in own], own.values()),
        handshakes_ms=[session.handshake_ms for session in own.values()],
        request_ids=[session.request_id for session in sessions],
        cut=any(was_cut(session.closed_by) for session in sessions),
        refused=attempt.refused,
    )
    return {
        "nodeid": attempt.nodeid,
        "attempt": figures["attempt"],
        "target": attempt.target or run_target,
        "outcome": attempt.outcome,
        "budget_seconds": figures["budget_seconds"],
        "used_seconds": figures["used_seconds"],
        "waited_seconds": seconds(attempt.waited_ms),
        "waited_for": attempt.waited_for,
        "cost_usd": figures["cost_usd"],
        "cost_budget_usd": figures["cost_budget_usd"],
        "estimated": figures["estimated"],
        "vendor_usd": _vendor_sum(sessions, vendor_usd),
        "forecast_seconds": figures["forecast_seconds"],
        "forecast_usd": figures["forecast_usd"],
        "at_risk_seconds": seconds(at_risk.ms),
        "at_risk_usd": usd_or_none(at_risk.micro_usd),
        "sessions": figures["sessions"],
        "replayed": figures["replayed"],
        "saved_seconds": figures["saved_seconds"],
        "saved_usd": figures["saved_usd"],
        "turns": figures["turns"],
        "latency_p50_ms": figures["latency_p50_ms"],
        "latency_p95_ms": figures["latency_p95_ms"],
        "marked_turns": figures["marked_turns"],
        "transcript_latency": figures["transcript_latency"],
        "function_max_ms": figures["function_max_ms"],
        "vendor_latency": figures["vendor_latency"],
        "cut": figures["cut"],
        "exceeded": figures["exceeded"],
        "refused": figures["refused"],
        "overrun": overrun_of_attempt(figures, sessions, (refusal.overrun for refusal in refusals)),
        "verdict": figures["verdict"],
        "failing": _fails(figures, attempt),
        "artifacts": artifacts,
    }


def _vendor_sum(sessions: Iterable[SessionFacts], vendor_usd: Mapping[str, float]) -> float | None:
    """Return what the statement has for these sessions; None where it lacks one of them, or there is none."""
    opened = [session for session in sessions if session.may_have_opened]
    return known_sum(vendor_usd.get(session.request_id or "") for session in opened) if opened else None


def _session(
    session: SessionFacts,
    attempt: AttemptFacts,
    turns: Sequence[TurnFacts],
    reports: Sequence[VendorLatencyFacts],
    violations: Sequence[ViolationFacts],
    vendor_usd: Mapping[str, float],
    facts: RunFacts,
) -> SessionFigures:
    of_turns = turn_figures(_known_turns(turns, [session]))
    return {
        "id": session.id,
        "request_id": session.request_id,
        "nodeid": attempt.nodeid,
        "attempt": attempt.number,
        "target": session.target or facts.target,
        "billed": facts.billed and session.target is None,
        "opened_at": session.opened_at,
        "closed_at": session.closed_at,
        "seconds": seconds_or_none(session.ms),
        "handshake_seconds": seconds_or_none(session.handshake_ms),
        "closing_seconds": seconds_or_none(session.closing_ms),
        "audio_in_seconds": seconds_or_none(session.audio_in_ms),
        "audio_out_seconds": seconds_or_none(session.audio_out_ms),
        "tier": session.tier,
        "cost_usd": usd_or_none(session.micro_usd),
        "estimated": None if session.estimated is None else bool(session.estimated),
        "vendor_usd": vendor_usd.get(session.request_id or ""),
        "forecast_seconds": seconds_or_none(session.forecast_ms),
        "forecast_usd": usd_or_none(session.forecast_micro_usd),
        "forecast_cut": bool(session.forecast_cut),
        "greeting_ms": session.greeting_ms,
        "turns": of_turns["turns"],
        "latency_p50_ms": of_turns["latency_p50_ms"],
        "latency_p95_ms": of_turns["latency_p95_ms"],
        "marked_turns": of_turns["marked_turns"],
        "transcript_latency": of_turns["transcript_latency"],
        "function_max_ms": of_turns["function_max_ms"],
        "vendor_latency": vendor_latency(_known_totals(reports, [session])),
        "closed_by": session.closed_by,
        "close_code": session.close_code,
        "confirmed": bool(session.confirmed),
        "overrun": overrun_of_session(session),
        "protocol": _protocol(violations) if _was_seen(session) else None,
        "reason": session.reason,
        "replay": _replay(session, attempt),
    }


def _replay(session: SessionFacts, attempt: AttemptFacts) -> ReplayFigures | None:
    """Return what a session has to do with a cassette; None where it has nothing to do with any, or nobody knows.

    Of a test that was interrupted, whatever its clients left over they might have sent.
    """
    result = session.replay_result
    if result is None:
        return None
    from pytest_dgbudget.ledger.replays import mismatch_in  # a run without sessions doesn't load it

    mismatch = None if session.mismatch is None else mismatch_in(session.mismatch)
    if mismatch is not None and mismatch.kind == "left-over" and attempt.outcome is None:
        return None
    saved = forecast_of([session] if session.is_replay else [])
    return {
        "cassette": session.cassette,
        "result": result,
        "recorded_at": session.cassette_recorded_at,
        "mismatch": None
        if mismatch is None
        else {"line": mismatch.line, "what": mismatch.what, "differences": [*mismatch.differences]},
        "saved_seconds": seconds_or_none(saved.ms),
        "saved_usd": usd_or_none(saved.micro_usd),
    }


def _known_turns(turns: Sequence[TurnFacts], sessions: Iterable[SessionFacts]) -> Sequence[TurnFacts] | None:
    """Return the turns of these sessions; None where nobody saw the end of one."""
    return turns if all(map(_was_seen, sessions)) else None


def _known_totals(reports: Iterable[VendorLatencyFacts], sessions: Iterable[SessionFacts]) -> list[int] | None:
    """Return the totals of the vendor's LatencyReports; None where nobody noted those of a session."""
    return None if any(each.vendor_reports is None for each in sessions) else [report.ms for report in reports]


def _protocol(violations: Sequence[ViolationFacts]) -> list[ViolationFigures]:
    return [{"rule": each.rule, "at_ms": each.at_ms, "what": each.what} for each in violations]


def _was_seen(session: SessionFacts) -> bool:
    """Return whether somebody saw how a session went on, to its end."""
    return session.usage is not None and session.ms is not None
