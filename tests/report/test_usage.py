"""usage.json: what a run's facts come to, and that it is written at once or not at all."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytest_dgbudget.report
from pytest_dgbudget.ledger.facts import ArchivedPart, RefusalFacts, RunFacts, VendorLatencyFacts
from pytest_dgbudget.model import Bypass, Overrun
from pytest_dgbudget.report.charged import at_risk_of, open_beside_ms
from pytest_dgbudget.report.document import SCHEMA, RunFigures, UsageDocument
from pytest_dgbudget.report.projection import failed_by_overrun, overran, usage_document
from pytest_dgbudget.report.usage_file import EARLIER_FILE_NAME, FILE_NAME, set_earlier_aside, write_usage
from tests.support.facts import AT, LATER, attempt, invocation, lease, run, runs, session, turn

SCHEMA_FILE = Path(pytest_dgbudget.report.__path__[0]) / "usage.schema.json"
VALIDATOR = jsonschema.Draft202012Validator(json.loads(SCHEMA_FILE.read_text(encoding="utf-8")))


def document(**fields: Any) -> UsageDocument:
    made = usage_document(run(**fields))
    VALIDATOR.validate(made)
    return made


def run_of(**fields: Any) -> RunFigures:
    return document(**fields)["run"]


CUT = {"sessions": (session(closed_by="test-budget", close_code=4402),)}


def refused(tolerated: bool = False, **fields: Any) -> dict[str, Any]:
    return {"attempts": (attempt(refused=1, refused_untolerated=int(not tolerated), **fields),)}


# Its form


def test_the_schema_is_one() -> None:
    jsonschema.Draft202012Validator.check_schema(VALIDATOR.schema)
    assert SCHEMA == "dgbudget.usage/1"


@given(runs())
def test_any_run_makes_a_document_that_keeps_to_the_schema_and_adds_up(facts: RunFacts) -> None:
    made = json.loads(json.dumps(usage_document(facts), allow_nan=False))
    VALIDATOR.validate(made)
    elsewhere = {attempt.id for attempt in facts.attempts if attempt.target is not None}
    own = [test for test, attempt in zip(made["tests"], facts.attempts, strict=True) if attempt.id not in elsewhere]
    assert made["run"]["used_seconds"] == pytest.approx(sum(test["used_seconds"] for test in own))
    assert made["run"]["sessions"] == sum(
        session.handshake_ms is not None and session.attempt not in elsewhere for session in facts.sessions
    )
    assert made["run"]["at_risk_seconds"] <= made["run"]["used_seconds"]
    at_risk_usd, cost_usd = made["run"]["at_risk_usd"], made["run"]["cost_usd"]
    assert cost_usd is None or (at_risk_usd is not None and at_risk_usd <= cost_usd + 1e-9)
    leases = [lease for lease in facts.leases if lease.attempt not in elsewhere]
    charged_ms = sum(lease.charged_ms for lease in leases)
    charged_micro_usd = sum(lease.charged_micro_usd or 0 for lease in leases)
    exceeded = exceeds(charged_ms, [invocation.budget_ms for invocation in facts.invocations])
    exceeded |= exceeds(charged_micro_usd, [invocation.cost_budget_micro_usd for invocation in facts.invocations])
    overrun = exceeded or any(test["verdict"] == "overrun" for test in made["tests"])
    seen = any(bypass.how == "passed" for bypass in facts.bypasses)
    assert (made["run"]["verdict"] == "overrun") == (overrun or seen)
    assert (made["run"]["bypass"] == "seen") == seen
    assert overrun or not made["run"]["failing"]
    over = [i for i in facts.invocations if i.finished_at or not i.is_under_way]
    assert made["run"]["complete"] == (bool(over) and all(i.exit_status is not None for i in over))
    for shown, known in zip(made["sessions"], facts.sessions, strict=True):
        assert (shown["seconds"] is None) == (known.ms is None)
        assert (shown["overrun"] is not None) == (known.closed_by or "").endswith("-budget")
    for test in made["tests"]:
        assert (test["overrun"] is not None) == (test["verdict"] == "overrun")


def exceeds(charged: int, budgets: list[int | None]) -> bool:
    most = None if None in budgets else max(budget for budget in budgets if budget is not None)
    return most is not None and charged > most


def test_turns_of_a_session_a_test_and_a_run_are_counted_with_their_marks() -> None:
    made = document(
        attempts=(attempt(), attempt(id="other", nodeid="other", target="emulator")),
        sessions=(
            session(id="s1", vendor_reports=2),
            session(id="s2"),
            session(id="s3", attempt="other", target="emulator"),
        ),
        turns=(
            turn(session="s1", overlapped=1),
            turn(session="s2", since="transcript", answered_ms=1050),
            turn(session="s2", answered_ms=2000, function_ms=350),
            turn(session="s3", attempt="other", answered_ms=9000),
        ),
        vendor_latencies=(VendorLatencyFacts("s1", "a", 300), VendorLatencyFacts("s1", "a", 500)),
    )
    first, second, _ = made["sessions"]
    test, elsewhere = made["tests"]
    run = made["run"]
    assert (first["turns"], first["latency_p95_ms"], first["vendor_latency"]) == (
        1,
        400,
        {"reports": 2, "p50_ms": 300, "p95_ms": 500},
    )
    assert first["marked_turns"] == {**NO_MARKS, "overlapped": 1}
    assert first["transcript_latency"] is None
    assert second["transcript_latency"] == {"turns": 1, "p50_ms": 50, "p95_ms": 50}
    assert second["vendor_latency"] == {"reports": 0, "p50_ms": None, "p95_ms": None}
    assert (first["function_max_ms"], second["function_max_ms"], test["function_max_ms"]) == (0, 350, 350)
    assert test["marked_turns"] == {**NO_MARKS, "overlapped": 1, "transcript": 1}
    assert (test["turns"], test["transcript_latency"]) == (3, second["transcript_latency"])
    assert test["vendor_latency"] == first["vendor_latency"]
    assert (elsewhere["turns"], elsewhere["latency_p50_ms"]) == (1, 8000)
    assert (run["turns"], run["latency_p50_ms"], run["latency_p95_ms"]) == (3, 400, 1000)


NO_MARKS = {"overlapped": 0, "unpaced": 0, "transcript": 0, "continued": 0, "unanswered": 0}


@pytest.mark.parametrize(
    "fields",
    [
        {"sessions": (session(), session(id="s2", ms=None, closed_by="gateway-lost", vendor_reports=None))},
        {"sessions": (session(), session(id="s2", usage=None, ms=None, closed_at=None, vendor_reports=None))},
    ],
    ids=["lost", "open"],
)
def test_where_nobody_saw_the_end_of_one_session_the_turns_of_its_test_and_run_are_unknown(
    fields: dict[str, Any],
) -> None:
    made = document(turns=(turn(),), **fields)
    seen, unseen = made["sessions"]
    assert (seen["turns"], seen["latency_p50_ms"]) == (1, 400)
    for each in (unseen, made["tests"][0]):
        assert {name: value for name, value in each.items() if name in OF_TURNS} == dict.fromkeys(OF_TURNS)
    assert (made["run"]["turns"], made["run"]["latency_p50_ms"], made["run"]["latency_p95_ms"]) == (None, None, None)


OF_TURNS = (
    *("turns", "latency_p50_ms", "latency_p95_ms", "marked_turns"),
    *("transcript_latency", "function_max_ms", "vendor_latency"),
)


def test_a_lost_session_that_was_dialled_elsewhere_leaves_the_runs_turns_known() -> None:
    lost = session(id="s2", attempt="b", target="emulator", ms=None, vendor_reports=None)
    made = document(
        attempts=(attempt(), attempt(id="b", target="emulator")), sessions=(session(), lost), turns=(turn(),)
    )
    assert (made["run"]["turns"], made["tests"][1]["turns"]) == (1, None)


def test_of_a_run_of_which_a_part_is_archived_the_turns_are_unknown() -> None:
    part = ArchivedPart(file="f", at=AT, ended_at=AT, sessions=1, ms=1, micro_usd=1)
    assert run_of(turns=(turn(),), archived=(part,))["turns"] is None


def test_what_nobody_noted_of_the_vendors_reports_is_unknown_and_the_turns_are_known() -> None:
    made = document(sessions=(session(vendor_reports=None), session(id="s2")), turns=(turn(),))
    assert [each["vendor_latency"] for each in (made["sessions"][0], made["tests"][0])] == [None, None]
    assert made["sessions"][1]["vendor_latency"] is not None
    assert made["run"]["turns"] == 1


def test_a_document_is_made_of_the_facts() -> None:
    made = document()
    assert made["run"]["id"] == "run"
    assert (made["run"]["started_at"], made["run"]["finished_at"]) == (AT, LATER)
    assert (made["run"]["budget_seconds"], made["run"]["used_seconds"], made["run"]["sessions"]) == (60.0, 3.0, 1)
    assert (made["run"]["verdict"], made["run"]["failing"], made["run"]["complete"]) == ("within", False, True)
    (test,), (one,) = made["tests"], made["sessions"]
    assert (test["budget_seconds"], test["used_seconds"], test["outcome"]) == (10.0, 3.0, "passed")
    assert (one["request_id"], one["seconds"], one["handshake_seconds"]) == ("r", 3.0, 0.005)
    assert (one["nodeid"], one["attempt"], one["confirmed"]) == ("test_x.py::test", 1, True)
    assert made["reconciliation"]["verdict"] == "off"


def test_i7_unknown_is_null_and_never_zero() -> None:
    lost = session(ms=None, closed_at=None, audio_in_ms=None, closed_by="gateway-lost", close_code=None, confirmed=0)
    (one,) = document(sessions=(lost,))["sessions"]
    assert (one["seconds"], one["closed_at"], one["audio_in_seconds"], one["close_code"]) == (None,) * 4
    assert not one["confirmed"]
    made = run_of(invocations=(invocation(budget_ms=None, finished_at=None, exit_status=None),))
    assert (made["budget_seconds"], made["finished_at"]) == (None, None)


def test_a_dial_that_got_no_101_is_listed_and_charged_and_is_no_session() -> None:
    made = document(sessions=(session(handshake_ms=None, closed_by="refused"),))
    assert (made["run"]["sessions"], made["tests"][0]["sessions"]) == (0, 0)
    assert [s["closed_by"] for s in made["sessions"]] == ["refused"]
    assert made["run"]["used_seconds"] == 3.0


def test_each_attempt_has_its_own_figures() -> None:
    made = document(
        attempts=(attempt(outcome="rerun"), attempt(id="b", number=2, left_ms=7000)),
        leases=(lease(), lease(id="m", attempt="b", ended_ms=500)),
        sessions=(session(), session(id="t", lease="m", attempt="b", ms=500)),
    )
    assert [(t["attempt"], t["used_seconds"], t["budget_seconds"]) for t in made["tests"]] == [
        (1, 3.0, 10.0),
        (2, 0.5, 7.0),
    ]
    assert [s["attempt"] for s in made["sessions"]] == [1, 2]
    assert made["run"]["used_seconds"] == 3.5


ELSEWHERE: dict[str, Any] = {
    "attempts": (attempt(), attempt(id="b", target="emulator", left_ms=None)),
    "leases": (lease(), lease(id="m", attempt="b", allowance_ms=7_200_000, ended_ms=7_300_000)),
    "sessions": (session(), session(id="t", lease="m", attempt="b", target="emulator", ms=7_300_000)),
}


def test_i11_what_was_emulated_in_a_live_run_is_labelled_and_counts_in_no_figure_of_the_run() -> None:
    made = document(**ELSEWHERE)
    assert [(t["target"], t["used_seconds"]) for t in made["tests"]] == [("live", 3.0), ("emulator", 7300.0)]
    assert [(s["target"], s["billed"]) for s in made["sessions"]] == [("live", True), ("emulator", False)]
    figures = made["run"]
    assert (figures["used_seconds"], figures["sessions"]) == (3.0, 1)
    assert (figures["at_risk_seconds"], figures["overshoot_seconds"], figures["verdict"]) == (0, 0, "within")
    lost = {**ELSEWHERE, "leases": (lease(), lease(id="m", attempt="b", how="orphaned", ended_ms=9000))}
    assert run_of(**lost)["at_risk_seconds"] == 0


def test_shards_began_with_the_first_and_end_with_the_last() -> None:
    first, last = invocation(started_at=AT, finished_at=LATER), invocation(id="j", started_at=LATER, finished_at=AT)
    made = run_of(invocations=(first, last))
    assert (made["started_at"], made["finished_at"]) == (AT, LATER)
    assert run_of(invocations=(first, invocation(finished_at=None)))["finished_at"] is None


# Bypass

PASSED = Bypass(host="agent.deepgram.com", path="/v1/agent/converse", how="passed", program="app")


@pytest.mark.parametrize(
    ("fields", "bypass"),
    [
        ({}, "refused"),
        ({"bypasses": (replace(PASSED, how="refused"),)}, "refused"),
        ({"sessions": (), "leases": ()}, "unknown"),
        ({"sessions": (), "leases": (), "target": "rehearsal"}, "unknown"),
        ({"sessions": (), "leases": (), "target": "emulator"}, "refused"),
        ({"sessions": (), "leases": (), **refused()}, "refused"),
        ({"sessions": (), "leases": (), **refused(target="emulator")}, "unknown"),
        ({"invocations": (invocation(may_bypass=0), invocation(may_bypass=1))}, "possible"),
        ({"bypasses": (PASSED,)}, "seen"),
    ],
)
def test_what_is_known_of_sessions_past_the_gateway(fields: dict[str, Any], bypass: str) -> None:
    assert run_of(**fields)["bypass"] == bypass


def test_one_that_was_seen_is_an_overrun_that_fails_nothing() -> None:
    made = run_of(bypasses=(PASSED,))
    assert (made["verdict"], made["failing"]) == ("overrun", False)


# Verdict, failing, complete


@pytest.mark.parametrize("closed_by", ["test-budget", "run-budget", "window-budget"])
def test_a_cut_by_any_budget_is_an_overrun(closed_by: str) -> None:
    made = document(sessions=(session(closed_by=closed_by),))
    assert (made["run"]["verdict"], made["tests"][0]["verdict"], made["tests"][0]["cut"]) == (
        "overrun",
        "overrun",
        True,
    )


@pytest.mark.parametrize("closed_by", ["client", "server", "teardown", "idle", "owner-lost", "gateway-lost", "network"])
def test_no_other_close_is_an_overrun(closed_by: str) -> None:
    assert run_of(sessions=(session(closed_by=closed_by),))["verdict"] == "within"


@pytest.mark.parametrize("overrun", [CUT, refused(), refused(tolerated=True)], ids=["cut", "refused", "tolerated"])
@pytest.mark.parametrize("exit_status", [0, 1, 2, None])
def test_an_overrun_is_one_whatever_became_of_the_test_and_the_run(
    overrun: dict[str, Any], exit_status: int | None
) -> None:
    assert run_of(**overrun, invocations=(invocation(exit_status=exit_status),))["verdict"] == "overrun"


@pytest.mark.parametrize(
    ("exits", "verdict", "complete"),
    [
        ([0], "within", True),
        ([1], "within", True),
        ([2], "interrupted", True),
        ([None], "interrupted", False),
        ([0, 2], "interrupted", True),
        ([None, 0], "interrupted", False),
    ],
)
def test_otherwise_it_is_interrupted_or_within(exits: list[int | None], verdict: str, complete: bool) -> None:
    made = run_of(invocations=tuple(invocation(exit_status=status) for status in exits))
    assert (made["verdict"], made["complete"]) == (verdict, complete)


@pytest.mark.parametrize(
    ("outcome", "failing"),
    [
        ("failed", True),
        ("error", True),
        (None, True),
        ("passed", True),
        ("xpassed", True),
        ("xfailed", False),
        ("rerun", False),
    ],
)
def test_an_overrun_fails_the_run_unless_it_was_expected_or_tried_again(outcome: str | None, failing: bool) -> None:
    assert run_of(**refused(outcome=outcome))["failing"] == failing
    assert run_of(**CUT, attempts=(attempt(outcome=outcome),))["failing"] == failing
    assert document(**CUT, attempts=(attempt(outcome=outcome),))["tests"][0]["failing"] == failing


@pytest.mark.parametrize("how", [{}, {"outcome": "passed"}])
def test_a_test_that_was_charged_more_than_its_budget_overran(how: dict[str, Any]) -> None:
    made = document(attempts=(attempt(left_ms=2999, **how),))
    assert (made["tests"][0]["verdict"], made["tests"][0]["cut"], made["tests"][0]["exceeded"]) == (
        "overrun",
        False,
        True,
    )
    assert (made["run"]["verdict"], made["run"]["failing"]) == ("overrun", True)
    assert run_of(attempts=(attempt(left_ms=3000, **how),))["verdict"] == "within"


def test_a_run_that_was_charged_more_than_its_budget_overran() -> None:
    def verdict(*budgets_ms: int | None) -> tuple[str, bool]:
        made = run_of(invocations=tuple(invocation(id=str(ms), budget_ms=ms) for ms in budgets_ms))
        return made["verdict"], made["failing"]

    assert verdict(2999) == ("overrun", True)
    assert verdict(3000) == ("within", False)
    assert verdict(3000, 1000) == ("within", False), "an earlier invocation had more"
    assert verdict(None, 1000) == ("within", False)


def test_more_money_than_a_budget_allows_is_an_overrun_of_the_test_and_of_the_run() -> None:
    def verdicts(left: int | None, budget: int | None) -> tuple[str, bool, str]:
        made = document(
            attempts=(attempt(cost_left_micro_usd=left),), invocations=(invocation(cost_budget_micro_usd=budget),)
        )
        return made["tests"][0]["verdict"], made["tests"][0]["exceeded"], made["run"]["verdict"]

    assert verdicts(3799, None) == ("overrun", True, "overrun")
    assert verdicts(None, 3799) == ("within", False, "overrun")
    assert verdicts(3800, 3800) == ("within", False, "within")


CUT_FOR_MONEY: dict[str, Any] = {
    "closed_by": "window-budget",
    "cut_currency": "money",
    "cut_label": "month",
    "cut_used": 149_990_000,
    "cut_allowed": 150_000_000,
    "cut_also_used": 3000,
}
REFUSED = Overrun(kind="refused", scope="path", used=2000, allowed=2500, label="smoke/**", also_used=12_500)


def test_an_overrun_names_its_budget_with_what_was_used_of_it() -> None:
    of_window = {"scope": "window", "currency": "money", "label": "month", "used": 149.99, "allowed": 150.0}
    of_path = {"scope": "path", "currency": "time", "label": "smoke/**", "used": 2.0, "allowed": 2.5}
    refusals = (RefusalFacts("a", REFUSED),)
    cut = document(**refused(), sessions=(session(**CUT_FOR_MONEY),), refusals=refusals)
    assert cut["sessions"][0]["overrun"] == cut["tests"][0]["overrun"] == of_window
    exceeded = document(**refused(left_ms=2999), refusals=refusals)
    assert exceeded["tests"][0]["overrun"] == {**OF_TEST, "currency": "time", "used": 3.0, "allowed": 2.999}
    assert exceeded["sessions"][0]["overrun"] is None
    in_money = document(**refused(cost_left_micro_usd=3799), refusals=refusals)
    assert in_money["tests"][0]["overrun"] == {**OF_TEST, "currency": "money", "used": 0.0038, "allowed": 0.003799}
    assert document(**refused(), refusals=refusals)["tests"][0]["overrun"] == of_path
    assert document()["tests"][0]["overrun"] is None


OF_TEST: dict[str, Any] = {"scope": "test", "label": ""}


def test_i7_figures_of_a_cut_that_an_older_version_did_not_record_are_null() -> None:
    (one,) = document(**CUT)["sessions"]
    assert one["overrun"] == {**OF_TEST, "currency": "time", "used": None, "allowed": None}


def test_budgets_in_money_stand_beside_those_in_time() -> None:
    made = document(
        attempts=(attempt(cost_left_micro_usd=50_000),), invocations=(invocation(cost_budget_micro_usd=500_000),)
    )
    assert (made["run"]["cost_budget_usd"], made["tests"][0]["cost_budget_usd"]) == (0.5, 0.05)
    assert (document()["run"]["cost_budget_usd"], document()["tests"][0]["cost_budget_usd"]) == (None, None)


@pytest.mark.parametrize(
    ("fields", "estimated"),
    [
        ({}, False),
        ({"sessions": (session(estimated=1),)}, True),
        ({"leases": (lease(how="orphaned"),)}, True),
        ({"leases": (lease(ended_micro_usd=None),)}, None),
    ],
    ids=["measured", "unknown tier", "nobody saw its end", "no price"],
)
def test_a_cost_says_whether_it_is_an_estimate(fields: dict[str, Any], estimated: bool | None) -> None:
    made = document(**fields)
    assert (made["tests"][0]["estimated"], made["run"]["estimated"]) == (estimated, estimated)


LINE = {
    "class": "matched",
    "attempt": 1,
    **dict.fromkeys(("local_seconds", "vendor_seconds", "elapsed_seconds", "unreadable_duration", "delta_seconds")),
}


def statement(*lines: tuple[str | None, str | None, float | None]) -> dict[str, Any]:
    """A reconciliation with a line for each request: its id, its test, and the vendor's dollars."""
    names = ("request_id", "nodeid", "vendor_usd")
    return {"verdict": "reconciled", "lines": [{**LINE, **dict(zip(names, line, strict=True))} for line in lines]}


def test_the_vendors_dollars_stand_beside_ours() -> None:
    two: dict[str, Any] = {"sessions": (session(), session(id="t", request_id="q"))}
    made = document(**two, reconciliation=statement(("r", "test", 0.004), ("q", "test", 0.005), ("x", None, 1.0)))
    assert [each["vendor_usd"] for each in made["sessions"]] == [0.004, 0.005]
    assert made["tests"][0]["vendor_usd"] == pytest.approx(0.009)
    half = document(**two, reconciliation=statement(("r", "test", 0.004), ("q", "test", None)))
    assert ([each["vendor_usd"] for each in half["sessions"]], half["tests"][0]["vendor_usd"]) == ([0.004, None], None)
    unopened = (session(), session(id="t", request_id=None, handshake_ms=None))
    assert (
        document(sessions=unopened, reconciliation=statement(("r", "test", 0.004)))["tests"][0]["vendor_usd"] == 0.004
    )
    assert document()["tests"][0]["vendor_usd"] is None


def test_what_was_refused_under_skip_fails_nothing() -> None:
    assert not run_of(**refused(tolerated=True, outcome="skipped"))["failing"]
    assert not run_of(**refused(tolerated=True, outcome=None))["failing"]
    assert run_of(**CUT, **refused(tolerated=True, outcome="failed"))["failing"]


def test_a_failure_without_an_overrun_is_not_ours() -> None:
    assert not run_of(attempts=(attempt(outcome="failed"),))["failing"]


def test_of_the_failures_of_several_invocations_each_knows_those_that_a_budget_made() -> None:
    facts = run(
        attempts=(
            attempt(refused=1, refused_untolerated=1, outcome="failed"),
            attempt(id="b", refused=1, refused_untolerated=1, outcome="error"),
            attempt(id="c", refused=1, refused_untolerated=1, outcome="skipped"),
            attempt(id="d", outcome="failed"),
            attempt(id="e", invocation="j", refused=1, refused_untolerated=1, outcome="failed"),
        )
    )
    made = usage_document(facts)
    assert [failed_by_overrun(facts, made, invocation) for invocation in ("i", "j", "k")] == [2, 1, 0]
    assert [overran(facts, made, invocation) for invocation in ("i", "j", "k")] == [True, True, False]


# What fails nothing


def warnings_of(**fields: Any) -> list[str]:
    return [each["text"] for each in document(**fields)["warnings"]]


@pytest.mark.parametrize(
    ("budget_ms", "warns"), [(3750, True), (3000, True), (3751, False), (2999, False), (None, False)]
)
def test_a_run_budget_that_is_nearly_used_up_is_a_warning(budget_ms: int | None, warns: bool) -> None:
    said = warnings_of(invocations=(invocation(budget_ms=budget_ms),))
    assert [text.split(" of ")[1] for text in said] == ["the run budget"] * warns


def test_a_run_budget_in_money_is_one_as_well() -> None:
    in_both = invocation(budget_ms=3000, cost_budget_micro_usd=4000)
    assert warnings_of(invocations=(in_both,)) == [
        "100% of the run budget of 3s is used: 3s",
        "95% of the run budget of $0.004 is used: $0.0038",
    ]
    cut = session(closed_by="run-budget", close_code=4402, cut_currency="money")
    assert warnings_of(invocations=(in_both,), sessions=(cut,)) == ["100% of the run budget of 3s is used: 3s"]
    unpriced = lease(micro_usd=None, ended_micro_usd=None)
    assert warnings_of(invocations=(in_both,), leases=(unpriced,)) == ["100% of the run budget of 3s is used: 3s"]


def test_a_run_budget_that_has_cut_a_session_is_no_warning() -> None:
    cut = session(closed_by="run-budget", close_code=4402)
    assert warnings_of(invocations=(invocation(budget_ms=3100),), sessions=(cut,)) == []


def test_what_tests_used_elsewhere_warns_of_no_run_budget() -> None:
    elsewhere = {"attempts": (attempt(target="emulator"),), "sessions": (session(target="emulator"),)}
    assert warnings_of(invocations=(invocation(budget_ms=3100),), **elsewhere) == []


@pytest.mark.parametrize(("as_of", "warns"), [("2026-05-01", True), ("2026-06-01", False), (None, False)])
def test_prices_that_were_old_when_the_run_began_are_a_warning(as_of: str | None, warns: bool) -> None:
    (made,) = [document(invocations=(invocation(prices_as_of=as_of),))["warnings"]]
    assert [each["kind"] for each in made] == ["prices"] * warns
    assert warnings_of(invocations=(invocation(prices_as_of=as_of),), sessions=(), leases=()) == []


# What is in an archive


def part(**fields: Any) -> ArchivedPart:
    known: dict[str, Any] = {"file": "old.jsonl.gz", "at": LATER, "ended_at": "2026-09-01T10:00:00.000Z", "sessions": 2}
    return ArchivedPart(**{**known, "ms": 5000, "micro_usd": 6250, **fields})


def test_what_is_archived_of_a_run_counts_in_its_sums_and_is_said() -> None:
    made = document(archived=(part(), part(ms=1000)))
    assert (made["run"]["used_seconds"], made["run"]["sessions"], made["run"]["cost_usd"]) == (9.0, 5, 0.0163)
    assert (len(made["tests"]), len(made["sessions"])) == (1, 1)
    assert [each["kind"] for each in made["warnings"]] == ["archived", "archived"]
    assert made["warnings"][0]["text"] == (
        "5.00s in 2 sessions of this run, until 2026-09-01, are counted and not listed: old.jsonl.gz has them"
    )
    assert run_of(archived=(part(micro_usd=None),))["cost_usd"] is None


def test_what_is_archived_counts_in_what_warns_of_the_run_budget() -> None:
    assert [text[:22] for text in warnings_of(archived=(part(),), invocations=(invocation(budget_ms=10_000),))] == [
        "80% of the run budget ",
        "5.00s in 2 sessions of",
    ]


# What was not seen, and what went beyond


@pytest.mark.parametrize(
    ("how", "is_under_way", "open_ms"), [(None, True, 10_000), (None, False, 0), ("settled", True, 0)]
)
def test_what_others_of_the_run_have_open_is_told_from_what_is_lost(
    how: str | None, is_under_way: bool, open_ms: int
) -> None:
    facts = run(
        invocations=(invocation(is_under_way=is_under_way), invocation(id="j", is_under_way=True)),
        leases=(lease(how=how, ended_ms=None if how is None else 3000),),
    )
    assert open_beside_ms(facts, "j") == open_ms
    assert at_risk_of(facts).ms == (7000 if (how, is_under_way) == (None, False) else 0)
    assert open_beside_ms(facts, "i") == 0


@pytest.mark.parametrize(
    ("fields", "used", "at_risk"),
    [
        ({"how": "settled", "ended_ms": 3000}, 3.0, 0.0),
        ({"how": "orphaned", "ended_ms": 10_000}, 10.0, 7.0),
        ({"how": None, "ended_ms": None}, 10.0, 7.0),
        ({"how": "orphaned", "ended_ms": 3000}, 3.0, 0.0),
    ],
)
def test_at_risk_is_what_is_charged_without_having_been_seen(
    fields: dict[str, Any], used: float, at_risk: float
) -> None:
    made = run_of(leases=(lease(**fields),))
    assert (made["used_seconds"], made["at_risk_seconds"]) == (used, at_risk)


@pytest.mark.parametrize(
    ("fields", "at_risk_usd"),
    [
        ({"how": "settled", "ended_ms": 3000, "ended_micro_usd": 3800}, 0.0),
        ({"how": "orphaned", "ended_ms": 10_000, "ended_micro_usd": 12_500}, 0.0087),
        ({"how": None, "ended_ms": None, "ended_micro_usd": None}, 0.0087),
        ({"how": None, "ended_ms": None, "ended_micro_usd": None, "micro_usd": None}, None),
        ({"how": "orphaned", "ended_ms": 10_000, "ended_micro_usd": 12_500, "stated_ms": 5000}, 0.0),
    ],
    ids=["settled", "orphaned", "open", "without a price", "stated"],
)
def test_at_risk_is_money_as_well_at_the_price_at_which_it_was_set_aside(
    fields: dict[str, Any], at_risk_usd: float | None
) -> None:
    assert run_of(leases=(lease(**fields),))["at_risk_usd"] == at_risk_usd


def test_what_nobody_saw_of_two_leases_is_at_risk_together_and_unknown_if_one_of_them_is() -> None:
    unseen = {"how": None, "ended_ms": None, "ended_micro_usd": None}
    both = (lease(**unseen), lease(id="m", **unseen))
    assert (run_of(leases=both)["at_risk_usd"], run_of(leases=both)["at_risk_seconds"]) == (0.0212, 17.0)
    without_price = (lease(**unseen), lease(id="m", **unseen, micro_usd=None))
    assert (run_of(leases=without_price)["at_risk_usd"], run_of(leases=both)["at_risk_seconds"]) == (None, 17.0)


def test_a_session_that_nobody_saw_end_puts_its_whole_lease_at_risk() -> None:
    made = run_of(leases=(lease(how="orphaned", ended_ms=10_000),), sessions=(session(ms=None),))
    assert made["at_risk_seconds"] == 10.0


def test_what_an_invocation_that_goes_on_beside_one_that_has_ended_holds_is_set_aside() -> None:
    made = run_of(
        invocations=(invocation(), invocation(id="j", is_under_way=True, finished_at=None, exit_status=None)),
        attempts=(attempt(), attempt(id="beside", nodeid="beside", invocation="j")),
        leases=(lease(), lease(id="open", attempt="beside", how=None, ended_ms=None)),
    )
    assert (made["under_way"], made["set_aside_seconds"], made["at_risk_seconds"]) == (1, 10.0, 0.0)
    assert (made["verdict"], made["complete"]) == ("within", True)


def test_overshoot_is_charged_and_shown_lease_by_lease() -> None:
    made = run_of(leases=(lease(ended_ms=10_400), lease(id="m", ended_ms=9000)))
    assert (made["used_seconds"], made["overshoot_seconds"]) == (19.4, 0.4)


# On disk


def test_it_is_written_whole_and_readable_by_all(tmp_path: Path) -> None:
    path = write_usage(document(), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / FILE_NAME
    assert json.loads(path.read_text(encoding="utf-8")) == document()
    assert path.stat().st_mode & 0o777 == 0o644
    assert list(path.parent.iterdir()) == [path]


def test_a_write_that_fails_leaves_the_old_report_and_nothing_else(tmp_path: Path) -> None:
    path = write_usage(document(), tmp_path)
    before = path.read_bytes()
    unwritable: Any = {**document(), "reconciliation": {"z": object()}}
    with pytest.raises(TypeError):
        write_usage(unwritable, tmp_path)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_a_later_report_replaces_an_earlier_one(tmp_path: Path) -> None:
    write_usage(document(), tmp_path)
    path = write_usage(document(id="later"), tmp_path)
    assert json.loads(path.read_text(encoding="utf-8"))["run"]["id"] == "later"
    assert list(tmp_path.iterdir()) == [path]


def test_the_report_of_another_run_is_set_aside_when_a_run_begins(tmp_path: Path) -> None:
    path = write_usage(document(id="earlier"), tmp_path)
    set_earlier_aside(tmp_path, "earlier")
    assert list(tmp_path.iterdir()) == [path]
    set_earlier_aside(tmp_path, "later")
    assert [each.name for each in tmp_path.iterdir()] == [EARLIER_FILE_NAME]
    set_earlier_aside(tmp_path, "later")
    assert [each.name for each in tmp_path.iterdir()] == [EARLIER_FILE_NAME]


@pytest.mark.parametrize("text", ["", "[]", '{"run": null}', "{"])
def test_a_report_of_nobody_knows_which_run_is_set_aside(tmp_path: Path, text: str) -> None:
    (tmp_path / FILE_NAME).write_text(text, encoding="utf-8")
    set_earlier_aside(tmp_path, "later")
    assert [each.name for each in tmp_path.iterdir()] == [EARLIER_FILE_NAME]


def test_its_default_folder_ignores_itself_for_git(tmp_path: Path) -> None:
    write_usage(document(), tmp_path / ".dgbudget" / "report")
    assert (tmp_path / ".dgbudget/.gitignore").read_text() == "*\n"


def test_a_folder_that_cannot_be_made_is_an_os_error(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(OSError):
        write_usage(document(), tmp_path / "file" / "folder")


@settings(max_examples=20)
@given(st.text(max_size=20))
def test_a_node_id_may_be_any_text(nodeid: str) -> None:
    made = document(attempts=(attempt(nodeid=nodeid),))
    assert json.loads(json.dumps(made).encode())["tests"][0]["nodeid"] == nodeid
