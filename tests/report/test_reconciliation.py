"""The reconciliation in words: one verdict, and for everything else what it is and what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html.page import usage_page
from pytest_dgbudget.report.html.sentences import sentence
from pytest_dgbudget.report.markdown import usage_markdown
from pytest_dgbudget.report.markdown_text import in_text
from pytest_dgbudget.report.merged_reconciliation import merged_sentences
from pytest_dgbudget.report.merged_text import merged_text
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.reconciliation import reconciliation_lines, sentences, verdict_line
from pytest_dgbudget.report.reconciliation_figures import (
    NOT_RECONCILED,
    ToleranceFigures,
    not_compared,
    reconciliation_figures,
    recorded,
)
from pytest_dgbudget.rules.comparison import Line, OwnSession, VendorRow
from pytest_dgbudget.rules.drift import Drift
from pytest_dgbudget.rules.rates import TierRate
from pytest_dgbudget.rules.reconciliation_verdict import Reconciliation, not_asked
from pytest_dgbudget.rules.totals import Total
from pytest_dgbudget.rules.verdicts import NOTHING_TO_COMPARE, LineClass, Tolerance
from tests.support import facts, pages
from tests.support.markup import ReadPage


def line(kind: LineClass = "matched", *, own_ms: int | None = 3000, sessions: int = 1, **fields: Any) -> Line:
    """A request as both sides have it; ``fields`` are those of its row, and its id."""
    request_id = fields.pop("request_id", "r")
    own = OwnSession(id="s", request_id=request_id, ms=own_ms, ended_at_ms=None, tagged=True)
    row = {"request_id": request_id or "", "duration_ms": 3010, "micro_usd": 3750, "settled": True, **fields}
    return Line(kind=kind, request_id=request_id, own=(own,) * sessions, rows=(VendorRow(**row),))


def document(*lines: Line, target: str = "live", **fields: Any) -> UsageDocument:
    known: dict[str, Any] = {
        "verdict": "reconciled",
        "tolerance": Tolerance(ms=2000, share=0.05),
        "lines": lines,
        "reasons": (),
        "checked_at_ms": 1_793_613_660_000,
        "project": "project-1",
    }
    result = Reconciliation(**{**known, **fields})
    run = facts.run(target=target, billed=target == "live", run_keys=(facts.run_key("its-key"),))
    return usage_document(
        facts.run(target=target, billed=run.billed, reconciliation=reconciliation_figures(result, run))
    )


def test_its_sentences_stand_below_the_verdict() -> None:
    made = document(line(), reasons=("a reason",), verdict="inconclusive")
    verdict = "reconciliation: inconclusive; 1 of 1 session agrees with Deepgram's statement (3.01s, $0.0037)"
    assert reconciliation_lines(made) == [verdict, "  a reason"]


def without_sessions(*tests: Any, **fields: Any) -> UsageDocument:
    return {**document(**fields), "tests": [*tests], "sessions": []}


def test_nothing_is_said_where_it_was_off_or_nothing_asked_for_a_session() -> None:
    assert reconciliation_lines(document(line(), verdict="off")) == []
    nothing = {"reasons": (NOTHING_TO_COMPARE,)}
    assert reconciliation_lines(without_sessions(**nothing)) == []
    asked = without_sessions(pages.test_entry("test_x.py::test", 0.0), **nothing)
    assert reconciliation_lines(asked) == ["reconciliation: reconciled", f"  {NOTHING_TO_COMPARE}"]


def test_what_was_found_or_could_not_be_checked_is_said_all_the_same() -> None:
    unknown = without_sessions(verdict="inconclusive", reasons=("a reason",))
    assert reconciliation_lines(unknown) == ["reconciliation: inconclusive", "  a reason"]
    found = without_sessions(verdict="discrepancy")
    found["reconciliation"] = document(line("missing-in-ledger", sessions=0), verdict="discrepancy")["reconciliation"]
    assert reconciliation_lines(found)[0].startswith("reconciliation: discrepancy; 0 of 1 session")


def test_terminal_markdown_and_page_say_the_same_of_several_runs() -> None:
    document = pages.merged()
    said = merged_sentences(document)
    assert any(each.endswith(f"(run {document['shards'][1]['run']['id']})") for each in said)
    terminal = [*merged_text(document, width=200, color=False)]
    markdown, page = usage_markdown(document), ReadPage(usage_page(document)).text
    for each in said:
        assert f"  {each}" in terminal
        assert in_text(each) in markdown
        assert sentence(each) in page


def test_of_one_run_its_sentences_are_those_of_all() -> None:
    assert merged_sentences(pages.overrun()) == sentences(pages.overrun())


def test_what_agrees_is_one_line_with_both_sums_of_the_statement() -> None:
    made = document(line(), line(request_id="q", micro_usd=1_000_050))
    assert verdict_line(made) == (
        "reconciliation: reconciled; 2 of 2 sessions agree with Deepgram's statement (6.02s, $1.0038)"
    )
    assert sentences(made) == []
    assert "the emulator's statement" in (verdict_line(document(line(), target="emulator")) or "")


def test_where_rows_state_no_duration_the_hours_are_said() -> None:
    hours = Total(verdict="reconciled", own=3000, vendor=3050)
    made = document(line(duration_ms=None), hours=hours)
    assert verdict_line(made) == (
        "reconciliation: reconciled; 1 of 1 session agrees with Deepgram's statement (3.05s of agent hours, $0.0037)"
    )


def test_unknown_sums_are_not_said() -> None:
    made = document(line(), line(duration_ms=None, micro_usd=None))
    assert verdict_line(made) == "reconciliation: reconciled; 2 of 2 sessions agree with Deepgram's statement"


def test_a_comparison_that_was_switched_off_says_nothing_and_one_that_was_not_made_says_why() -> None:
    assert verdict_line(document(verdict="off")) is None
    made = document(
        line(kind="pending", duration_ms=None), verdict="pending", checked_at_ms=None, reasons=("it was stopped",)
    )
    assert verdict_line(made) == "reconciliation: pending"
    assert sentences(made) == ["it was stopped", "dgbudget reconcile run says later what came of it"]


@pytest.mark.parametrize("target", ["live", "rehearsal"])
def test_what_is_pending_says_how_to_go_on(target: str) -> None:
    later, longer = "dgbudget reconcile run says later what came of it", "to wait longer, raise --dg-reconcile-timeout"
    assert sentences(document(target=target, verdict="pending")) == [later, longer]
    assert sentences(document(target=target, verdict="pending", checked_at_ms=None)) == [later]


def test_an_emulated_run_can_not_be_compared_later() -> None:
    made = document(target="emulator", verdict="pending")
    assert sentences(made) == ["to wait longer, raise --dg-reconcile-timeout"]


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        (
            {"kind": "duration", "duration_ms": 60_000},
            ["r (test_x.py::test)", "60.00s", "3.00s", "57.00s more", "--dg-tolerance allows 2.00s", "support"],
        ),
        ({"kind": "duration", "own_ms": 100_000, "duration_ms": 10_000}, ["90.00s less", "allows 5.00s"]),
        (
            {"kind": "duration", "duration_ms": None, "elapsed_ms": 60_000},
            ["has no duration, and 60.00s from creation to completion", "metered 3.00s", "hours", "disagree as well"],
        ),
        ({"kind": "missing-at-vendor", "duration_ms": None}, ["3.00s", "dg_vendor_grace", "--dg-project", "project-1"]),
        (
            {"kind": "missing-in-ledger", "sessions": 0, "duration_ms": 9000},
            ["request r:", "9.00s", "dgbudget-run", "--dg-run-id"],
        ),
        ({"kind": "missing-in-ledger", "sessions": 0, "duration_ms": None}, ["duration: unknown"]),
        (
            {"kind": "duplicate", "duration_ms": 6010},
            ["several rows for it", "they differ", "6.01s", "billed more than once"],
        ),
        ({"kind": "unconfirmed", "own_ms": None}, ["nobody here saw its end", "the statement has 3.01s"]),
        (
            {"kind": "unconfirmed", "own_ms": None, "duration_ms": None},
            ["nobody here saw its end", "everything set aside for it is charged"],
        ),
        (
            {"kind": "unconfirmed", "duration_ms": None, "request_id": None},
            ["without an id", "metered 3.00s", "never sent a request id"],
        ),
        (
            {"kind": "unconfirmed", "duration_ms": None, "unreadable_duration": "-5"},
            ["r (test_x.py::test)", "can't be read, it is -5", "metered 3.00s", "support"],
        ),
    ],
)
def test_each_class_says_the_figures_and_what_to_do(fields: dict[str, Any], words: list[str]) -> None:
    (said,) = sentences(document(line(**fields), verdict="discrepancy"))
    for word in words:
        assert word in said


def test_totals_that_differ_are_said_with_both_figures() -> None:
    hours = Total(verdict="discrepancy", own=3000, vendor=60_000)
    dollars = Total(verdict="discrepancy", own=3750, vendor=9_000_000)
    of_hours, of_dollars = sentences(document(line(), verdict="discrepancy", hours=hours, dollars=dollars))
    assert "hours under the tag dgbudget-run are 60.00s in the statement, and 3.00s" in of_hours
    assert "dollars under the tag dgbudget-run are $9.0000 in the statement, and $0.0037" in of_dollars


def test_a_drift_says_how_much_over_how_many_and_its_evidence() -> None:
    drift = Drift(
        n=200, verdict="discrepancy", ms=270_000, direction="more", mean_ms=1900.4, interval_ms=(1840.2, 1960.6)
    )
    (said,) = sentences(document(line(), verdict="discrepancy", drift=drift))
    assert said.startswith("drift: 200 sessions agree one by one, but together the statement has 270.00s more than")
    assert "the mean difference is +1.90s a session (99% interval: +1.84s to +1.96s)" in said
    assert "dgbudget-run" in said
    of_hours = replace(drift, direction="less", interval_ms=None, mean_ms=-1500.0)
    (said,) = sentences(document(line(), verdict="discrepancy", drift=of_hours))
    assert "270.00s less than" in said
    assert "-1.50s a session. Write to Deepgram support" in said


def test_what_is_no_drift_or_was_not_judged_is_not_said() -> None:
    for drift in (Drift(n=20, verdict="reconciled", mean_ms=3.0), Drift(n=3, verdict=None, reason="too-few-sessions")):
        assert sentences(document(line(), drift=drift)) == []


def rate(**fields: Any) -> TierRate:
    known = {"tier": "standard", "n": 5, "ms": 90_000, "micro_usd": 150_000, "off": frozenset(["r"]), "named": True}
    return TierRate(expected_micro_usd_per_minute=75_000, **{**known, **fields})


def test_a_wrong_rate_says_both_prices_once_for_all_its_sessions() -> None:
    lines = [line("wrong-rate", request_id=f"r{number}") for number in range(5)]
    (said,) = sentences(document(*lines, verdict="discrepancy", rates=(rate(),)))
    assert said.startswith("wrong rate: the statement has $0.1000 a minute for the tier standard (5 sessions, 90.00s)")
    assert "[prices] has $0.0750. Is dgbudget.toml up to date?" in said
    assert sentences(document(line(), rates=(rate(off=frozenset()), rate(named=False)))) == []


def test_remarks_are_said_after_the_reasons() -> None:
    assert sentences(document(line(), reasons=("a reason",), remarks=("a remark",))) == ["a reason", "a remark"]


def test_figures_of_drift_and_rates_stand_in_the_totals() -> None:
    drift = Drift(n=20, verdict="discrepancy", ms=1500, direction="more", mean_ms=575.25, interval_ms=(1.4, 2.6))
    totals = document(line(), drift=drift, rates=(rate(),))["reconciliation"]["totals"]
    assert totals is not None
    assert totals["drift"] == {
        "verdict": "discrepancy",
        "reason": None,
        "n": 20,
        "seconds": 1.5,
        "direction": "more",
        "mean_seconds": 0.575,
        "interval_seconds": [0.001, 0.003],
    }
    assert totals["rates"] == [
        {
            "tier": "standard",
            "sessions": 5,
            "seconds": 90.0,
            "vendor_usd_per_minute": 0.1,
            "expected_usd_per_minute": 0.075,
            "expected_by": "prices",
            "wrong": True,
        }
    ]


def test_what_an_older_version_recorded_has_what_it_lacks_as_unknown() -> None:
    now = document(line(), remarks=("a remark",))["reconciliation"]
    older: dict[str, Any] = {name: value for name, value in now.items() if name != "remarks"}
    older["lines"] = [
        {name: value for name, value in now["lines"][0].items() if name not in {"elapsed_seconds", "foreign"}}
    ]
    older["totals"] = {name: older["totals"][name] for name in ("hours", "dollars")}
    assert recorded(older) == {**now, "remarks": []}
    assert recorded({"verdict": "inconclusive"}) == {**NOT_RECONCILED, "verdict": "inconclusive"}
    assert recorded(None) == NOT_RECONCILED


def test_hours_that_were_asked_for_by_key_are_said_to_be_the_keys() -> None:
    run = facts.run(sessions=(facts.session(run_key="its-key"),), run_keys=(facts.run_key("its-key"),))
    tolerance = Tolerance(ms=2000, share=0.05)
    differs = Total(verdict="discrepancy", own=3000, vendor=60_000)
    result = Reconciliation(verdict="discrepancy", tolerance=tolerance, checked_at_ms=0, hours=differs)
    made = usage_document(run._replace(reconciliation=reconciliation_figures(result, run)))
    totals = made["reconciliation"]["totals"]
    assert totals is not None
    assert totals["by"] == "key"
    (sentence,) = sentences(made)
    assert "hours under the keys made for run run are 60.00s in the statement, and 3.00s" in sentence


@pytest.mark.parametrize(
    ("row", "said"),
    [
        (
            {"duration_ms": 9000, "created_ms": 1_793_613_600_000, "origin": "/v1/agent/converse, streaming, hosted"},
            "(duration: 9.00s, begun 2026-11-02T10:00:00.000Z, its row says /v1/agent/converse, streaming, hosted)",
        ),
        (
            {"duration_ms": None, "elapsed_ms": 8000},
            "(duration: unknown, 8.00s from creation to completion)",
        ),
    ],
)
def test_what_is_not_ours_says_how_long_when_and_where_from(row: dict[str, Any], said: str) -> None:
    made = document(line("missing-in-ledger", sessions=0, **row), verdict="discrepancy")
    (sentence,) = sentences(made)
    assert f"under the tag dgbudget-run {said}" in sentence
    under_key = document(line("missing-in-ledger", sessions=0, key_id="its-key", **row), verdict="discrepancy")
    (sentence,) = sentences(under_key)
    assert f"under the run's own key its-key {said}" in sentence
    assert "nobody but the gateway was given that key" in sentence
    assert document(line())["reconciliation"]["lines"][0]["foreign"] is None


def test_a_long_list_is_cut_and_says_so() -> None:
    lines = [line(kind="duration", request_id=f"r{number}", duration_ms=60_000) for number in range(13)]
    said = sentences(document(*lines, verdict="discrepancy"))
    assert len(said) == 11
    assert said[-1] == "… and 3 more, all in usage.json"


def test_pending_says_how_to_wait_longer() -> None:
    assert "--dg-reconcile-timeout" in sentences(document(line(kind="pending"), verdict="pending"))[-1]


def test_nothing_of_the_vendors_reaches_the_terminal_as_a_command() -> None:
    (said,) = sentences(document(line(kind="duplicate", request_id="r\x1b[31m\n" + "x" * 500), verdict="discrepancy"))
    assert said.isprintable()
    assert len(said) < 400


def test_what_was_never_compared_has_the_figures_of_an_empty_comparison() -> None:
    result = not_asked((), Tolerance(ms=1000, share=0.01), "reconciled", NOTHING_TO_COMPARE)
    tolerance: ToleranceFigures = {"seconds": 1.0, "share": 0.01}
    unused = facts.run(attempts=(), leases=(), sessions=())
    assert not_compared("reconciled", tolerance, NOTHING_TO_COMPARE) == reconciliation_figures(result, unused)


def test_the_runs_own_sessions_are_named_where_hours_under_the_tag_differ() -> None:
    differs = Total(verdict="discrepancy", own=3000, vendor=60_000)
    assert sentences(document(verdict="discrepancy", hours=differs)) == [
        "the hours under the tag dgbudget-run are 60.00s in the statement, and 3.00s according to the run's own "
        "sessions: look for the same --dg-run-id elsewhere, or write to Deepgram support about the tag"
    ]
