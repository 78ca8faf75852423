"""Whole documents to look at: an ordinary run, an overrun with discrepancies, two thousand sessions."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any, cast

from pytest_dgbudget.instants import days_between, epoch_ms, instant_at
from pytest_dgbudget.ledger.runs_before import EarlierRun, RunsBefore
from pytest_dgbudget.report.document import MergedDocument, UsageDocument
from pytest_dgbudget.report.merging import merge
from pytest_dgbudget.report.past import past_of
from pytest_dgbudget.rules.percentiles import percentile_ms
from pytest_dgbudget.rules.regression import UseOfTest
from pytest_dgbudget.rules.soft_warnings import old_prices

AT = "2026-11-02T10:00:00.000Z"
A_SECOND_USD = 0.075 / 60
BUDGET = {"scope": "test", "currency": "time", "label": "", "used": 59.8, "allowed": 60.0}
NO_MARKS = {"overlapped": 0, "unpaced": 0, "transcript": 0, "continued": 0, "unanswered": 0}


def after(seconds: float) -> str:
    """Return the instant so long after the run's start."""
    return instant_at(epoch_ms(AT) + round(1000 * seconds))


def session(number: int, nodeid: str, opened: float, seconds: float, **fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "id": f"s{number}",
        "request_id": f"{number:08x}-5a1c-4e0f-9b7d-2f6a6c1e0d4b",
        "nodeid": nodeid,
        "attempt": 1,
        "target": "live",
        "billed": True,
        "opened_at": after(opened),
        "closed_at": after(opened + seconds),
        "seconds": round(seconds, 3),
        "handshake_seconds": 0.182,
        "closing_seconds": 0.021,
        "audio_in_seconds": round(seconds * 0.6, 2),
        "audio_out_seconds": round(seconds * 0.4, 2),
        "tier": "standard",
        "cost_usd": round(seconds * A_SECOND_USD, 6),
        "estimated": False,
        "vendor_usd": None,
        "forecast_seconds": None,
        "forecast_usd": None,
        "forecast_cut": False,
        "greeting_ms": 410,
        "turns": 3,
        "latency_p50_ms": 1180,
        "latency_p95_ms": 1740,
        "marked_turns": {**NO_MARKS},
        "vendor_latency": None,
        "closed_by": "client",
        "close_code": 1000,
        "confirmed": True,
        "overrun": None,
        "protocol": [],
        "reason": None,
    }
    return {**known, **fields}


def test_entry(nodeid: str, seconds: float, **fields: Any) -> dict[str, Any]:
    known: dict[str, Any] = {
        "nodeid": nodeid,
        "attempt": 1,
        "target": "live",
        "outcome": "passed",
        "budget_seconds": 60.0,
        "used_seconds": round(seconds, 3),
        "waited_seconds": 0.0,
        "waited_for": None,
        "cost_usd": round(seconds * A_SECOND_USD, 6),
        "cost_budget_usd": None,
        "estimated": False,
        "vendor_usd": None,
        "forecast_seconds": None,
        "forecast_usd": None,
        "at_risk_seconds": 0.0,
        "at_risk_usd": 0.0,
        "sessions": 1,
        "turns": 3,
        "latency_p50_ms": 1180,
        "latency_p95_ms": 1740,
        "marked_turns": {**NO_MARKS},
        "vendor_latency": None,
        "cut": False,
        "exceeded": False,
        "refused": 0,
        "overrun": None,
        "verdict": "within",
        "failing": False,
        "artifacts": [],
    }
    return {**known, **fields}


def document(tests: list[dict[str, Any]], sessions: list[dict[str, Any]], **run: Any) -> dict[str, Any]:
    """Return a live run of these that was not compared, unless given otherwise."""
    used = sum(test["used_seconds"] or 0.0 for test in tests)
    known: dict[str, Any] = {
        "id": "20261102-100000-7f3a9c",
        "started_at": AT,
        "finished_at": after(96),
        "target": "live",
        "billed": True,
        "budget_seconds": 600.0,
        "used_seconds": round(used, 3),
        "sessions": sum(each["sessions"] for each in tests),
        "turns": sum(each["turns"] or 0 for each in sessions),
        "latency_p50_ms": 1180,
        "latency_p95_ms": 1890,
        "cost_usd": round(used * A_SECOND_USD, 6),
        "estimated": False,
        "cost_budget_usd": None,
        "prices_as_of": "2026-06-25",
        "forecast_seconds": None,
        "forecast_usd": None,
        "at_risk_seconds": 0.0,
        "at_risk_usd": 0.0,
        "under_way": 0,
        "set_aside_seconds": 0.0,
        "overshoot_seconds": 0.0,
        "bypass": "refused",
        "keys": [],
        "verdict": "within",
        "failing": False,
        "complete": True,
    }
    return {
        "schema": "dgbudget.usage/1",
        "run": {**known, **run},
        "tests": tests,
        "sessions": sessions,
        "reconciliation": reconciliation(sessions),
        "regression": None,
        "history": [],
        "warnings": [],
        "notices": [],
    }


def line(of: dict[str, Any], **fields: Any) -> dict[str, Any]:
    known = {
        "request_id": of["request_id"],
        "class": "matched",
        "nodeid": of["nodeid"],
        "attempt": of["attempt"],
        "local_seconds": of["seconds"],
        "vendor_seconds": of["seconds"],
        "elapsed_seconds": None,
        "unreadable_duration": None,
        "delta_seconds": 0.0,
        "vendor_usd": of["cost_usd"],
        "foreign": None,
    }
    return {**known, **fields}


def reconciliation(sessions: list[dict[str, Any]], **fields: Any) -> dict[str, Any]:
    """Return a comparison in which all agree."""
    seconds, usd = sum(each["seconds"] or 0 for each in sessions), sum(each["cost_usd"] or 0 for each in sessions)
    drift = {
        "verdict": None,
        "reason": "too few sessions",
        "n": len(sessions),
        "seconds": None,
        "direction": None,
        "mean_seconds": None,
        "interval_seconds": None,
    }
    known = {
        "verdict": "reconciled",
        "checked_at": after(101),
        "project": "5b1e0c7a",
        "tolerance": {"seconds": 2.0, "share": 0.05},
        "reasons": [],
        "remarks": [],
        "lines": [line(each) for each in sessions],
        "totals": {
            "by": "tag",
            "hours": {"verdict": "reconciled", "local_seconds": seconds, "vendor_seconds": seconds, "reason": None},
            "dollars": {"verdict": "reconciled", "local_usd": usd, "vendor_usd": usd, "reason": None},
            "drift": drift,
            "rates": [rate(len(sessions), seconds)],
        },
        "unread": [],
        "lag": {"pending_seconds": None, "settled_seconds": 4.2},
    }
    return {**known, **fields}


def rate(sessions: int, seconds: float, **fields: Any) -> dict[str, Any]:
    known = {
        "tier": "standard",
        "sessions": sessions,
        "seconds": seconds,
        "vendor_usd_per_minute": 0.075,
        "expected_usd_per_minute": 0.075,
        "expected_by": "shipped",
        "wrong": False,
    }
    return {**known, **fields}


def with_past(made: dict[str, Any], random: Random, levels: Sequence[float]) -> None:
    """Give a run so many earlier ones, each at a level of what its tests take now, and compare it with them."""
    passed = [test for test in made["tests"] if test["outcome"] == "passed"]
    earlier = [_earlier_run(passed, random, day, level) for day, level in enumerate(levels)]
    now = {test["nodeid"]: UseOfTest(round(1000 * test["used_seconds"]), test["latency_p50_ms"]) for test in passed}
    past = past_of(RunsBefore(now, earlier))
    made["regression"], made["history"] = past.regression, [*past.history]


def _earlier_run(tests: list[dict[str, Any]], random: Random, day: int, level: float) -> EarlierRun:
    use = {test["nodeid"]: _earlier_use(test, level * random.uniform(0.93, 1.07)) for test in tests}
    ms, latencies_ms = sum(each.ms or 0 for each in use.values()), [each.latency_ms for each in use.values()]
    return EarlierRun(
        id=f"202610{day + 20:02}-100000-{random.randrange(16**6):06x}",
        started_at=f"2026-10-{day + 20:02}T10:00:00.000Z",
        tests=len(tests),
        sessions=sum(test["sessions"] for test in tests),
        ms=ms,
        micro_usd=round(ms * A_SECOND_USD * 1000),
        latency_p50_ms=percentile_ms(latencies_ms, 50),
        use=use,
    )


def _earlier_use(test: dict[str, Any], level: float) -> UseOfTest:
    return UseOfTest(round(1000 * level * test["used_seconds"]), round(level * test["latency_p50_ms"]))


# Three runs -----------------------------------------------------------------------------------------------------------

NAMES = (
    "tests/order_desk/test_orders.py::test_tells_where_an_order_is",
    "tests/order_desk/test_orders.py::test_cancels_only_what_the_caller_confirms",
    "tests/order_desk/test_orders.py::test_refuses_to_cancel_twice",
    "tests/order_desk/test_hand_over.py::test_hands_complaints_over",
    "tests/order_desk/test_hand_over.py::test_says_who_will_call_back",
    "tests/test_barge_in.py::test_stops_when_the_caller_speaks",
    "tests/test_barge_in.py::test_goes_on_after_a_cough",
    "tests/test_greeting.py::test_greets_in_the_callers_language[en]",
    "tests/test_greeting.py::test_greets_in_the_callers_language[es]",
    "tests/test_functions.py::test_looks_an_order_up_once",
    "tests/test_functions.py::test_says_so_when_the_shop_is_down",
    "tests/test_silence.py::test_asks_again_after_silence",
)
TRANSCRIPTS = ["artifacts/test_tells_where_an_order_is/transcript.txt", "artifacts/test_tells_where_an_order_is/a.wav"]


def ordinary() -> UsageDocument:
    """Twelve live tests that passed, on four workers; reconciled, with earlier runs and no regression."""
    random = Random(1)
    tests, sessions, free = [], [], [0.5, 0.8, 1.1, 1.4]
    for number, nodeid in enumerate(NAMES):
        seconds, worker = random.uniform(8, 34), free.index(min(free))
        p50, p95 = random.randrange(980, 1350), random.randrange(1400, 2100)
        turns = random.randrange(2, 6)
        own = {"reports": turns, "p50_ms": p50 - 190, "p95_ms": p95 - 230}
        shared = {"turns": turns, "latency_p50_ms": p50, "latency_p95_ms": p95, "vendor_latency": own}
        cost = round(seconds * A_SECOND_USD, 6)
        sessions.append(session(number + 1, nodeid, free[worker], seconds, vendor_usd=cost, **shared))
        tests.append(test_entry(nodeid, seconds, vendor_usd=cost, **shared))
        free[worker] += seconds + random.uniform(0.3, 1.5)
    tests[5]["marked_turns"] = {**NO_MARKS, "overlapped": 1}
    made = document(tests, sessions)
    with_past(made, random, [1.0] * 10)
    return cast(UsageDocument, made)


def overrun() -> UsageDocument:
    """A run over its budget: cuts, a refusal, a leak, a session nobody saw end, a statement that disagrees, a drift."""
    made: dict[str, Any] = cast(dict[str, Any], ordinary())
    tests, sessions = made["tests"], made["sessions"]
    budget = {**BUDGET, "used": 29.8, "allowed": 30.0}
    cut: Any = {
        "outcome": "failed",
        "cut": True,
        "verdict": "overrun",
        "failing": True,
        "overrun": budget,
        "budget_seconds": 30.0,
    }
    tests[3].update(cut, used_seconds=29.8, artifacts=TRANSCRIPTS)
    sessions[3].update({"closed_by": "test-budget", "close_code": 4402, "overrun": budget, "seconds": 29.8})
    of_run = {**BUDGET, "scope": "run", "used": 241.3, "allowed": 240.0}
    tests[10].update({"outcome": "failed", "cut": True, "verdict": "overrun", "failing": True, "overrun": of_run})
    sessions[10].update({"closed_by": "run-budget", "close_code": 4402, "overrun": of_run})
    tests[11].update(
        {"outcome": "error", "refused": 1, "sessions": 0, "verdict": "overrun", "failing": True, "overrun": of_run},
        used_seconds=0.0, cost_usd=0.0, turns=0, latency_p50_ms=None, latency_p95_ms=None, vendor_latency=None,
        waited_seconds=12.4, waited_for="run",
    )  # fmt: skip
    del sessions[11]
    sessions[6].update(closed_by="teardown", close_code=1000)
    tests[8].update(outcome="error", estimated=True, turns=None, latency_p50_ms=None, latency_p95_ms=None)
    tests[8]["used_seconds"], tests[8]["cost_usd"] = 60.0, 0.075
    sessions[8].update(
        closed_by="owner-lost", closed_at=None, seconds=None, cost_usd=None, confirmed=False, turns=None,
        latency_p50_ms=None, latency_p95_ms=None, close_code=None, protocol=None, vendor_latency=None,
        audio_in_seconds=None, audio_out_seconds=None, closing_seconds=None,
    )  # fmt: skip
    tests[1]["marked_turns"] = {**NO_MARKS, "unanswered": 2, "unpaced": 1}
    sessions[2].update(closed_by="idle", close_code=4408)
    for advanced in (sessions[0], sessions[4]):
        advanced.update(tier="advanced", cost_usd=round(advanced["seconds"] * 0.163 / 60, 6))
    for each in (*tests, *sessions):
        each["vendor_usd"] = None
    used = round(sum(test["used_seconds"] or 0.0 for test in tests), 3)
    made["run"].update(
        verdict="overrun", failing=True, budget_seconds=240.0, used_seconds=used, sessions=11,
        at_risk_seconds=60.0, at_risk_usd=0.075, estimated=True, cost_usd=0.4129, cost_budget_usd=0.5,
    )  # fmt: skip
    made["reconciliation"] = _that_disagrees(sessions)
    with_past(made, Random(3), [*[0.7] * 9, 0.95])
    made["run"]["prices_as_of"] = as_of = "2026-04-15"
    made["warnings"] = [{"kind": "prices", "text": old_prices(as_of, days_between(as_of, AT))}]
    made["notices"] = ["the gateway did not answer for 1.2s at 10:00:41 UTC, and went on"]
    return cast(UsageDocument, made)


def _that_disagrees(sessions: list[dict[str, Any]]) -> dict[str, Any]:
    made = reconciliation([each for each in sessions if each["seconds"] is not None], verdict="discrepancy")
    lines = made["lines"]
    lines[2].update({"class": "duration", "vendor_seconds": 41.5, "delta_seconds": 41.5 - lines[2]["local_seconds"]})
    lines[4].update({"class": "missing-at-vendor", "vendor_seconds": None, "delta_seconds": None, "vendor_usd": None})
    lines[6].update({"class": "within-tolerance", "delta_seconds": 0.84})
    foreign = {"created_at": after(50), "origin": "/v1/agent/converse streaming hosted", "run_key": None}
    lines.append(
        line(sessions[0], request_id="77aa01ee-0000-4c2b-8f51-b1f5c9d3ab10", nodeid=None, attempt=None,
             local_seconds=None, vendor_seconds=18.2, delta_seconds=None, foreign=foreign, vendor_usd=0.02275)
        | {"class": "missing-in-ledger"}
    )  # fmt: skip
    lines.append(line(sessions[8], vendor_seconds=None, delta_seconds=None, vendor_usd=None) | {"class": "unconfirmed"})
    made["totals"]["hours"].update(verdict="discrepancy", vendor_seconds=260.4)
    made["totals"]["drift"].update(
        verdict="discrepancy", reason=None, n=24, seconds=6.1, direction="more", mean_seconds=0.94,
        interval_seconds=[0.71, 1.17],
    )  # fmt: skip
    made["totals"]["rates"].append(
        rate(6, 61.0, tier="advanced", vendor_usd_per_minute=0.171, expected_usd_per_minute=0.163, expected_by="prices",
             wrong=True)
    )  # fmt: skip
    return made


def large(tests: int = 500, sessions: int = 2000) -> UsageDocument:
    """An emulated run of 500 tests with 2,000 sessions on 20 workers, some of which were cut or left open."""
    random = Random(2)
    entries, opened, free = [], [], [random.uniform(0, 3) for _ in range(20)]
    for at in range(tests):
        nodeid = (
            f"tests/desk_{at % 7}/test_flow_{at % 40}.py::test_caller_{at:03}_gets_an_answer[{random.choice('abc')}]"
        )
        mine = [_one_of_many(random, number, nodeid, free) for number in range(at, sessions, tests)]
        seconds = sum(each["seconds"] or 0.0 for each in mine)
        failed, cut = random.random() < 0.03, random.random() < 0.02
        marks: Any = {"cut": True, "verdict": "overrun", "failing": True, "overrun": BUDGET} if cut else {}
        p50 = random.randrange(900, 1500)
        entries.append(
            test_entry(
                nodeid, seconds, target="emulator", sessions=len(mine), outcome="failed" if failed or cut else "passed",
                turns=3 * len(mine), latency_p50_ms=p50, latency_p95_ms=p50 + random.randrange(200, 900), **marks,
            )
        )  # fmt: skip
        if cut:
            mine[-1].update(closed_by="test-budget", close_code=4402)
        opened += mine
    opened.sort(key=lambda each: each["opened_at"])
    made = document(
        entries, opened, target="emulator", billed=False, budget_seconds=36_000.0, verdict="overrun", failing=True,
        finished_at=after(max(free)),
    )  # fmt: skip
    with_past(made, random, [1.0] * 10)
    return cast(UsageDocument, made)


def _one_of_many(random: Random, number: int, nodeid: str, free: list[float]) -> dict[str, Any]:
    worker, seconds = free.index(min(free)), random.uniform(3, 16)
    begun = free[worker]
    free[worker] += seconds + random.uniform(0.2, 2)
    closed_by = random.choices(["client", "server", "teardown", "idle", "network"], [900, 40, 12, 6, 2])[0]
    target: Any = {"target": "emulator", "billed": False, "closed_by": closed_by}
    return session(number + 1, nodeid, begun, seconds, **target)


def unused() -> UsageDocument:
    """A run of tests none of which asked for a session."""
    nothing: Any = {"cost_usd": 0.0, "latency_p50_ms": None, "latency_p95_ms": None}
    made = document([], [], **nothing)
    made["reconciliation"].update(lines=[], totals=None)
    return cast(UsageDocument, made)


def merged() -> MergedDocument:
    """Two runs in one report."""
    other = overrun()
    other["run"]["id"] = "20261102-100000-b2"
    other["run"]["started_at"] = after(30)
    for number, each in enumerate(other["sessions"]):
        each["id"] = f"other-{number}"
    return merge([("a/usage.json", ordinary()), ("b/usage.json", other)])


# What somebody else may have written ----------------------------------------------------------------------------------

HOSTILE = (
    "</style></script><script>alert(1)</script><b onclick='x' style=\"a\">]]>&amp;\x1b[31m\x00\r\u202e\u2066\ud800\x9b"
)


def hostile(document: UsageDocument, text: str = HOSTILE) -> UsageDocument:
    """Return a document in which each text that somebody chose is this one, and begins as it did."""
    return cast(UsageDocument, _hostile("", document, text))


_CLOSED = {"schema", "verdict", "bypass", "waited_for", "class", "by", "scope", "currency", "direction", "expected_by"}


def _hostile(name: str, value: Any, text: str) -> Any:
    if isinstance(value, dict):
        return {key: _hostile(key, each, text) for key, each in value.items()}
    if isinstance(value, list):
        return [_hostile(name, each, text) for each in value]
    is_chosen = isinstance(value, str) and name not in _CLOSED and not name.endswith("_at")
    return f"{value}{text}" if is_chosen else value


def at_pace_max() -> UsageDocument:
    """Return an ordinary run, emulated at pace max: each session has skipped a minute."""
    made: Any = ordinary()
    made["run"]["billed"] = False
    for entry in (made["run"], *made["tests"]):
        entry.update(target="emulator", forecast_seconds=entry["used_seconds"] + 60.0 * entry["sessions"])
    for each in made["sessions"]:
        each.update(target="emulator", forecast_seconds=each["seconds"] + 60.0)
    return cast(UsageDocument, made)
