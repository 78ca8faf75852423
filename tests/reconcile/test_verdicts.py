"""Each class of a line and each verdict of a run, over HTTP."""

from __future__ import annotations

import math
import time
from dataclasses import replace
from datetime import datetime, timedelta, timezone

import pytest

from pytest_dgbudget.ledger.facts import RunFacts, SessionFacts
from pytest_dgbudget.rules.verdicts import Tolerance
from tests.support import facts
from tests.support.comparison import TAG, Comparison, billed, kinds, own
from tests.support.facts import attempt, invocation, lease
from tests.support.statement import Answer, Asked, Bill, Entry, refusal, unsettled


def ends_unsettled(bill: Bill, *entries: Entry) -> None:
    bill.entries = lambda: unsettled(entries)


def test_what_agrees_is_matched_and_the_run_reconciled(bill: Bill) -> None:
    bill.entries = lambda: [billed("a", 10.04), billed("b", 3)]
    result = Comparison(bill).of(own("a", 10), own("b", 3))
    assert (kinds(result), result.verdict, result.reasons) == (["matched", "matched"], "reconciled", ())
    assert [line.delta_ms for line in result.lines] == [40, 0]
    assert [line.micro_usd for line in result.lines] == [12_550, 3750]
    assert (result.hours.own, result.hours.vendor) == (13_000, 13_040)
    assert (result.dollars.own, result.dollars.vendor) == (16_300, 16_300)
    assert result.checked_at_ms is not None


@pytest.mark.parametrize(
    ("vendor_seconds", "tolerance", "kind", "verdict"),
    [
        (11.9, Tolerance(ms=2000, share=0.05), "within-tolerance", "reconciled"),
        (14.9, Tolerance(ms=0, share=0.5), "within-tolerance", "reconciled"),
        (12.1, Tolerance(ms=2000, share=0.05), "duration", "discrepancy"),
        (7.9, Tolerance(ms=2000, share=0.05), "duration", "discrepancy"),
        (10.01, Tolerance(ms=0, share=0), "duration", "discrepancy"),
    ],
)
def test_the_tolerance_decides(
    bill: Bill, vendor_seconds: float, tolerance: Tolerance, kind: str, verdict: str
) -> None:
    bill.entries = lambda: [billed("r", vendor_seconds)]
    result = Comparison(bill, tolerance=tolerance, timeout=1).of(own("r", 10))
    assert (kinds(result), result.verdict) == ([kind], verdict)


@pytest.mark.parametrize(
    ("duration", "shown"),
    [
        ("10.0", "a string"),
        ("", "a string"),
        (-5, "-5"),
        (float("nan"), "nan"),
        (float("inf"), "inf"),
        (True, "a boolean"),
        (1e12, "1000000000000.0"),
        ([10], "a list"),
        ({"seconds": 10}, "an object"),
    ],
    ids=str,
)
def test_a_duration_that_can_not_be_read_is_no_agreement_whatever_the_rows_times_say(
    bill: Bill, duration: object, shown: str
) -> None:
    bill.entries = lambda: [billed("r", 10, details={"duration": duration}), billed("s", 10)]
    result = Comparison(bill, timeout=1).of(own("r", 10), own("s", 10))
    assert (kinds(result), result.verdict) == (["unconfirmed", "matched"], "inconclusive")
    assert (result.lines[0].vendor_ms, result.lines[0].unreadable_duration) == (None, shown)
    assert "1 of 2 sessions can't be compared" in result.reasons[0]


def test_where_there_is_no_duration_the_rows_times_are_shown_as_what_they_are(bill: Bill) -> None:
    entry = billed("r", 10)
    row = entry.row()
    del row["response"]["details"]["duration"]
    bill.overrides["list"] = lambda _: Answer.json({"requests": [row]})
    bill.overrides["get"] = lambda _: Answer.json({"request": row})
    (line,) = Comparison(bill, timeout=0.5).of(own("r", 30)).lines
    assert (line.kind, line.vendor_ms, line.elapsed_ms) == ("unclear", None, 10_000)


@pytest.mark.parametrize("known", [True, False], ids=["unsettled", "not there"])
def test_what_is_not_settled_is_pending(bill: Bill, known: bool) -> None:
    ends_unsettled(bill, *([billed("r")] if known else []))
    result = Comparison(bill, timeout=0.3).of(own("r"))
    assert (kinds(result), result.verdict) == (["pending"], "pending")
    assert result.reasons[0] == "1 of 1 sessions are not in the statement yet, or not settled"


@pytest.mark.parametrize("usd", [0, 0.0])
def test_a_row_that_costs_nothing_has_not_settled(bill: Bill, usd: float) -> None:
    bill.entries = lambda: [billed("r", details={"usd": usd})]
    assert kinds(Comparison(bill, timeout=0.3).of(own("r"))) == ["pending"]


def test_what_is_still_not_there_when_the_grace_is_over_is_missing(bill: Bill) -> None:
    result = Comparison(bill, timeout=0.3).of(own("r", ago=601))
    assert (kinds(result), result.verdict) == (["missing-at-vendor"], "discrepancy")
    assert kinds(Comparison(bill, timeout=0.3, grace=0).of(own("r"))) == ["missing-at-vendor"]


def test_what_is_under_our_tag_and_not_ours_is_missing_in_the_ledger(bill: Bill) -> None:
    bill.entries = lambda: [billed("r"), billed("unknown", 60), Entry("foreign", 60), Entry("other", 9, tags=("x",))]
    result = Comparison(bill).of(own("r"))
    assert (kinds(result), result.verdict) == (["matched", "missing-in-ledger"], "discrepancy")
    assert result.lines[1].request_id == "unknown"
    assert result.lines[1].vendor_ms == 60_000
    assert result.hours.verdict == "discrepancy"


def test_rows_of_one_request_that_differ_are_a_duplicate(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10), billed("r", 10.01)]
    result = Comparison(bill).of(own("r"))
    assert (kinds(result), result.verdict) == (["duplicate"], "discrepancy")
    assert result.lines[0].vendor_ms == 20_010


def test_rows_of_one_request_that_were_created_at_other_times_are_a_duplicate(bill: Bill) -> None:
    twice = billed("r", 10)
    bill.entries = lambda: [twice, replace(twice, created=twice.created - timedelta(seconds=60))]
    assert kinds(Comparison(bill).of(own("r"))) == ["duplicate"]


def test_two_sessions_of_one_request_id_are_one_line_and_count_once(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 20)]
    result = Comparison(bill, timeout=1).of(own("r", 10, id="one", ago=5000), own("r", 10, id="two", ago=5000))
    assert (kinds(result), result.hours.verdict, result.verdict) == (["matched"], "reconciled", "reconciled")


def test_a_session_whose_end_nobody_saw_is_unconfirmed(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 7)]
    result = Comparison(bill).of(own("r", None, closed_by="gateway-lost", confirmed=0))
    assert (kinds(result), result.verdict) == (["unconfirmed"], "inconclusive")
    assert result.lines[0].vendor_ms == 7000
    assert "1 of 1 sessions can't be compared" in result.reasons[0]


def test_a_session_without_a_request_id_is_unconfirmed_and_nothing_is_asked_for(bill: Bill) -> None:
    result = Comparison(bill).of(own(None, 1, tagged=0))
    assert (kinds(result), result.verdict) == (["unconfirmed"], "inconclusive")
    assert not bill.calls("get")


def test_a_dial_that_never_opened_is_no_session(bill: Bill) -> None:
    bill.entries = lambda: [billed("r")]
    refused = own(None, 0.1, handshake_ms=None, closed_by="refused", id="x", tagged=0)
    assert kinds(Comparison(bill).of(own("r"), refused)) == ["matched"]


def test_the_row_of_a_dial_that_was_refused_is_not_missing_in_the_ledger(bill: Bill) -> None:
    bill.entries = lambda: [billed("r"), billed("x", 0)]
    refused = own("x", 0.1, handshake_ms=None, closed_by="refused", tagged=0)
    result = Comparison(bill).of(own("r"), refused)
    assert (kinds(result), result.verdict) == (["matched"], "reconciled")


@pytest.mark.parametrize(
    ("elapsed", "kind", "verdict"),
    [(10.4, "matched", "reconciled"), (11.9, "matched", "reconciled"), (12.1, "unclear", "inconclusive")],
)
def test_a_row_without_a_duration_accuses_nobody_by_its_times(
    bill: Bill, elapsed: float, kind: str, verdict: str
) -> None:
    bill.entries = lambda: [billed("r", 10, elapsed=elapsed, details={"duration": None})]
    result = Comparison(bill).of(own("r", 10))
    assert (kinds(result), result.verdict) == ([kind], verdict)
    assert (result.lines[0].vendor_ms, result.lines[0].elapsed_ms) == (None, round(elapsed * 1000))


def test_a_row_whose_times_and_hours_disagree_is_a_duration(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 30, elapsed=30, details={"duration": None})]
    result = Comparison(bill).of(own("r", 10))
    assert (kinds(result), result.hours.verdict, result.verdict) == (["duration"], "discrepancy", "discrepancy")


# Drift, rates, other people ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shows_durations", [True, False])
def test_what_is_billed_too_much_of_each_and_agrees_one_by_one_is_found_in_the_sum(
    bill: Bill, shows_durations: bool
) -> None:
    """200 sessions, each billed 1.9 s more: six minutes."""
    details = {} if shows_durations else {"duration": None}
    ours = [own(f"r{number}", 10.001, ago=5000) for number in range(200)]
    bill.entries = lambda: [billed(f"r{number}", 11.901, details=details) for number in range(200)]
    result = Comparison(bill).of(*ours)
    assert set(kinds(result)) == {"within-tolerance" if shows_durations else "matched"}
    assert (result.hours.verdict, result.verdict) == ("reconciled", "discrepancy")
    assert result.drift is not None
    assert (result.drift.n, result.drift.direction) == (200, "more")
    assert result.drift.ms == pytest.approx(200 * (1900 - 500 - 50), abs=20)


def test_what_is_billed_too_little_of_each_is_found_beyond_handshake_and_close(bill: Bill) -> None:
    for handshake_ms, found in ((1300, None), (1000, "less")):
        bill.entries = lambda: [billed(f"r{number}", 8.101) for number in range(20)]
        ours = (own(f"r{number}", 10.001, ago=5000, handshake_ms=handshake_ms, closing_ms=100) for number in range(20))
        result = Comparison(bill).of(*ours)
        assert set(kinds(result)) == {"within-tolerance"}
        assert result.drift is not None
        assert (result.drift.direction, result.verdict) == (found, "discrepancy" if found else "reconciled")


def test_fewer_than_twenty_sessions_are_too_few_for_a_drift(bill: Bill) -> None:
    bill.entries = lambda: [billed(f"r{number}", 11.901) for number in range(19)]
    result = Comparison(bill).of(*(own(f"r{number}", 10.001) for number in range(19)))
    assert result.drift is not None
    assert (result.drift.verdict, result.drift.reason, result.verdict) == (None, "too-few-sessions", "reconciled")


def test_a_price_that_is_not_the_named_one_is_a_wrong_rate(bill: Bill) -> None:
    """The bill has $0.075 a minute."""
    bill.entries = lambda: [billed(f"r{number}", 12.5) for number in range(5)]
    ours = [own(f"r{number}", 12.5) for number in range(5)]
    wrong = Comparison(bill, prices={"standard": 70_000}).of(*ours)
    assert (set(kinds(wrong)), wrong.verdict) == ({"wrong-rate"}, "discrepancy")
    right = Comparison(bill, prices={"standard": 75_000}).of(*ours)
    assert (set(kinds(right)), right.verdict, right.remarks) == ({"matched"}, "reconciled", ())


def test_the_price_of_a_session_without_one_tier_from_beginning_to_end_is_not_judged(bill: Bill) -> None:
    bill.entries = lambda: [billed(f"r{number}", 12.5) for number in range(5)]
    ours = [own(f"r{number}", 12.5, only_tier=None) for number in range(5)]
    result = Comparison(bill, prices={"standard": 70_000}).of(*ours)
    assert (result.rates, result.verdict) == ((), "reconciled")


def test_a_price_that_is_not_the_shipped_one_is_a_remark(bill: Bill) -> None:
    bill.entries = lambda: [billed(f"r{number}", 12.5, details={"usd": 0.02}) for number in range(5)]
    result = Comparison(bill).of(*(own(f"r{number}", 12.5) for number in range(5)))
    assert (set(kinds(result)), result.verdict) == ({"matched"}, "reconciled")
    assert "$0.0960 a minute for the tier standard (5 sessions), the shipped prices have $0.0750" in result.remarks[0]


def test_other_peoples_agents_that_began_during_the_run_are_a_remark(bill: Bill) -> None:
    now = datetime.now(timezone.utc)
    bill.entries = lambda: [
        billed("r", 10),
        Entry("during", 60, tags=("dgbudget-colleague",), created=now - timedelta(seconds=65)),
        Entry("before", 60, tags=("x",), created=now - timedelta(seconds=75)),
        Entry("after", 60, tags=("x",), created=now - timedelta(seconds=55)),
    ]
    result = Comparison(bill).of(own("r", 10, ago=60))
    assert (kinds(result), result.verdict) == (["matched"], "reconciled")
    assert result.remarks == (
        "1 other agent session of the project, 60.00s in all, began during this run under other tags or keys: "
        "they are somebody else's",
    )


# Hours and dollars ----------------------------------------------------------------------------------------------------


def test_a_row_without_a_duration_is_matched_by_its_id_and_the_hours_tell_the_time(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10, details={"duration": None})]
    result = Comparison(bill).of(own("r", 10))
    assert (kinds(result), result.verdict, result.lines[0].vendor_ms) == (["matched"], "reconciled", None)
    bill.entries = lambda: [billed("r", 30, details={"duration": None})]
    assert Comparison(bill).of(own("r", 10)).verdict == "discrepancy"


def test_hours_that_are_late_are_pending_until_the_grace_is_over(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["usage"] = lambda _: Answer.json({"results": []})
    result = Comparison(bill, timeout=0.3).of(own("r", 10))
    assert (kinds(result), result.hours.verdict, result.verdict) == (["matched"], "pending", "pending")
    assert "the run's hours are not all in the statement yet" in result.reasons
    late = Comparison(bill, timeout=0.3, grace=0).of(own("r", 10))
    assert (late.hours.verdict, late.verdict) == ("discrepancy", "discrepancy")


@pytest.mark.parametrize(
    ("rounded_to", "verdict"),
    [(1 / 3_600_000, "reconciled"), (1 / 3600, "reconciled"), (1 / 60, "discrepancy"), (0.01, "discrepancy")],
    ids=["milliseconds", "seconds", "minutes", "hundredths"],
)
@pytest.mark.parametrize("shows_durations", [True, False])
def test_hours_that_are_rounded_agree_within_the_tolerance_and_never_beyond_it(
    bill: Bill, rounded_to: float, verdict: str, shows_durations: bool
) -> None:
    """Whether they are is not documented."""
    seconds = (10.4, 20.3, 7.7)
    details = {} if shows_durations else {"duration": None}
    bill.entries = lambda: [billed(f"r{n}", each, details=details) for n, each in enumerate(seconds)]
    hours = math.ceil(sum(seconds) / 3600 / rounded_to) * rounded_to
    grouping = {"start": "2026-11-02", "end": "2026-11-02", "tags": [TAG]}
    bill.overrides["usage"] = lambda _: Answer.json({"results": [{"agent_hours": hours, "grouping": grouping}]})
    result = Comparison(bill, timeout=0.5).of(*(own(f"r{n}", each) for n, each in enumerate(seconds)))
    assert (result.hours.verdict, result.verdict) == (verdict, verdict)
    assert (result.hours.own, result.hours.vendor) == (38_400, round(hours * 3_600_000))


def test_hours_that_are_rounded_to_nothing_are_no_agreement(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    grouping = {"start": "2026-11-02", "end": "2026-11-02", "tags": [TAG]}
    bill.overrides["usage"] = lambda _: Answer.json({"results": [{"agent_hours": 0.0, "grouping": grouping}]})
    assert Comparison(bill, timeout=0.3).of(own("r", 10)).verdict == "pending"
    assert Comparison(bill, timeout=0.3, grace=0).of(own("r", 10)).verdict == "discrepancy"


def test_what_the_vendor_never_tagged_is_not_missed_in_the_hours_of_the_tag(bill: Bill) -> None:
    bill.entries = lambda: [billed("a", 10), billed("b", 60, tags=())]
    assert Comparison(bill).of(own("a", 10), own("b", 60, tagged=0)).verdict == "reconciled"
    bill.shows_tags_in_rows = False
    assert Comparison(bill).of(own("a", 10), own("b", 60, tagged=0)).verdict == "reconciled"
    assert Comparison(bill, timeout=0.3).of(own("a", 10), own("b", 60)).hours.verdict == "pending"


def test_hours_and_dollars_of_a_tag_that_is_not_shown_are_inconclusive(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.shows_tags = False
    result = Comparison(bill).of(own("r", 10))
    assert (kinds(result), result.verdict) == (["matched"], "inconclusive")
    assert (result.hours.verdict, result.dollars.verdict) == ("inconclusive", "inconclusive")
    assert all("shows no tags" in reason for reason in result.reasons)
    assert len(result.reasons) == 2


def test_tags_count_in_whatever_set_they_are(bill: Bill) -> None:
    bill.entries = lambda: [billed("a", 10, tags=("smoke", TAG)), billed("b", 5), Entry("c", 60, tags=("smoke",))]
    result = Comparison(bill).of(own("a", 10), own("b", 5))
    assert (result.verdict, result.hours.vendor) == ("reconciled", 15_000)


def test_dollars_under_the_tag_that_no_request_explains_are_a_discrepancy(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["billing"] = lambda _: Answer.json({"results": [{"dollars": 9, "grouping": {"tags": [TAG]}}]})
    result = Comparison(bill, timeout=1).of(own("r", 10))
    assert (kinds(result), result.hours.verdict) == (["matched"], "reconciled")
    assert (result.dollars.verdict, result.verdict) == ("discrepancy", "discrepancy")


def test_without_dollars_for_each_request_dollars_are_not_asked_for(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10, details={"usd": None})]
    result = Comparison(bill).of(own("r", 10))
    assert (result.verdict, result.dollars.verdict) == ("reconciled", "off")
    assert "prices" in result.reasons[0]
    assert not bill.calls("billing")


def test_dollars_that_are_ahead_of_the_rows_are_no_discrepancy(bill: Bill) -> None:
    bill.entries = lambda: [billed("a", 10), *unsettled([billed("b", 100)])]
    bill.overrides["billing"] = lambda _: Answer.json({"results": [{"dollars": 0.1375, "grouping": {"tags": [TAG]}}]})
    result = Comparison(bill, timeout=0.3).of(own("a", 10), own("b", 100))
    assert (kinds(result), result.dollars.verdict) == (["matched", "pending"], "inconclusive")
    assert result.verdict == "pending"


def test_dollars_of_sessions_whose_time_nobody_knows_have_no_tolerance(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 7)]
    bill.overrides["billing"] = lambda _: Answer.json({"results": [{"dollars": 5, "grouping": {"tags": [TAG]}}]})
    result = Comparison(bill, timeout=1).of(own("r", None, closed_by="gateway-lost", confirmed=0))
    assert (result.dollars.verdict, result.verdict) == ("discrepancy", "discrepancy")


def test_an_unknown_session_shows_in_the_hours_of_the_tag_where_rows_show_no_tags(bill: Bill) -> None:
    """However many sessions there are: each has its own tolerance, and the hours get just one."""
    ours = [billed(f"r{number}", 3) for number in range(20)]
    bill.entries = lambda: [*ours, billed("unknown", 9)]
    bill.shows_tags_in_rows = False
    result = Comparison(bill, timeout=1).of(*(own(f"r{number}", 3) for number in range(20)))
    assert (set(kinds(result)), result.hours.verdict, result.verdict) == ({"matched"}, "discrepancy", "discrepancy")


def test_hours_are_held_against_the_rows_where_those_have_durations(bill: Bill) -> None:
    """A vendor that adds a second and a half to each session stays within the tolerance of each."""
    bill.entries = lambda: [billed(f"r{number}", 4.5) for number in range(19)]
    result = Comparison(bill).of(*(own(f"r{number}", 3) for number in range(19)))
    assert (set(kinds(result)), result.verdict) == ({"within-tolerance"}, "reconciled")
    assert (result.hours.own, result.hours.vendor) == (57_000, 85_500)


@pytest.mark.parametrize("duration", [{}, {"duration": None, "usd": None}])
def test_no_hours_at_all_are_never_agreement(bill: Bill, duration: dict[str, None]) -> None:
    bill.entries = lambda: [billed(f"r{number}", 1, details=duration) for number in range(5)]
    bill.overrides["usage"] = lambda _: Answer.json({"results": []})
    result = Comparison(bill, timeout=0.3).of(*(own(f"r{number}", 1) for number in range(5)))
    assert (set(kinds(result)), result.hours.verdict, result.verdict) == ({"matched"}, "pending", "pending")


@pytest.mark.parametrize("tags", [(), (TAG.upper(),), (f"{TAG} ",)])
def test_a_tag_that_the_statement_does_not_show_as_it_was_leaves_the_hours_open(
    bill: Bill, tags: tuple[str, ...]
) -> None:
    bill.entries = lambda: [billed("r", 10, tags=tags)]
    result = Comparison(bill, timeout=0.3).of(own("r", 10))
    assert (kinds(result), result.hours.verdict, result.verdict) == (["matched"], "inconclusive", "inconclusive")
    assert any("does not show the run's tag" in reason for reason in result.reasons)


def test_a_session_whose_time_nothing_shows_is_not_reconciled(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 7200, tags=(), details={"duration": None, "usd": None})]
    result = Comparison(bill, timeout=0.3).of(own("r", 10, tagged=0))
    assert (kinds(result), result.verdict) == (["matched"], "inconclusive")
    assert "1 of 1 sessions have neither a duration nor the run's tag in the statement" in result.reasons


# Time -----------------------------------------------------------------------------------------------------------------


def test_it_is_asked_again_until_everything_has_settled(bill: Bill) -> None:
    def entries() -> list[Entry]:
        settled = billed("r", 10)
        return [settled] if len(bill.calls("list")) > 3 else unsettled([settled])

    bill.entries = entries
    comparison = Comparison(bill)
    assert comparison.of(own("r", 10)).verdict == "reconciled"
    assert [result.verdict for result in comparison.results] == ["pending"] * 3 + ["reconciled"]


def test_it_is_not_asked_again_when_nothing_can_change(bill: Bill) -> None:
    bill.entries = lambda: [billed("a", 10), billed("b", 60)]
    comparison = Comparison(bill)
    assert comparison.of(own("a", 10), own("b", 10)).verdict == "discrepancy"
    assert len(comparison.results) == 1


def test_only_what_the_list_lacks_is_asked_for_singly(bill: Bill) -> None:
    ends_unsettled(bill, billed("listed"))
    Comparison(bill, timeout=0.5).of(own("listed"), own("lacking"))
    assert {asked.path.rpartition("/")[2] for asked in bill.calls("get")} == {"lacking"}


def test_the_last_reading_comes_near_the_end(bill: Bill) -> None:
    ends_unsettled(bill, billed("r"))
    begun = time.monotonic()
    Comparison(bill, timeout=1.3).of(own("r"))
    assert time.monotonic() - begun > 1.05  # with doubled pauses alone, the last reading would come after 0.7 s


def test_a_reading_that_fails_takes_nothing_back(bill: Bill) -> None:
    bill.entries = lambda: [billed("a", 10), *unsettled([billed("b", 10)])]
    bill.overrides["list"] = lambda _: refusal(503, "DOWN", "") if len(bill.calls("list")) > 1 else None
    comparison = Comparison(bill, timeout=1)
    result = comparison.of(own("a", 10), own("b", 10))
    assert len(comparison.results) > 1
    assert (kinds(result), result.verdict) == (["matched", "pending"], "pending")
    assert not any("were not all read" in reason for reason in result.reasons)


def test_a_figure_that_was_read_stays_when_it_can_not_be_read_again(bill: Bill) -> None:
    bill.entries = lambda: [billed("a", 10), *unsettled([billed("b", 10)])]
    bill.overrides["usage"] = lambda _: refusal(503, "DOWN", "") if len(bill.calls("usage")) > 1 else None
    comparison = Comparison(bill, timeout=1)
    result = comparison.of(own("a", 10), own("b", 10))
    assert len(comparison.results) > 1
    assert (result.hours.verdict, result.hours.vendor) == ("pending", 10_000)


def test_a_run_over_midnight_asks_for_both_days_and_one_more(bill: Bill) -> None:
    bill.entries = lambda: [billed("r", 10)]
    session = own("r", 10, opened_at="2026-11-02T23:59:58.000Z")
    Comparison(bill, timeout=0.2).of(session)
    (usage, *_) = bill.calls("usage")
    today = session.closed_at or ""
    assert usage.value("start") == "2026-11-02"
    assert usage.value("end") > today[:10]
    (listed, *_) = bill.calls("list")
    assert listed.value("start") == "2026-11-02T23:54:58Z"
    assert listed.value("end") > today


# Pages and forms ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("page_base", [0, 1])
@pytest.mark.parametrize("tells_page", [True, False])
@pytest.mark.parametrize("count", [0, 1, 3, 4, 6, 7])
def test_every_page_is_read_whichever_number_the_first_one_has(
    bill: Bill, page_base: int, tells_page: bool, count: int
) -> None:
    bill.page_base, bill.tells_page, bill.most_per_page = page_base, tells_page, 3
    unknown = [billed(f"x{number}", 1) for number in range(count)]
    bill.entries = lambda: [*unknown, billed("r", 10)]
    result = Comparison(bill, timeout=2).of(own("r", 10))
    assert kinds(result) == ["matched"] + ["missing-in-ledger"] * count
    assert not bill.calls("get")


@pytest.mark.parametrize("wrapped", [True, False])
def test_a_single_request_comes_wrapped_or_not(bill: Bill, wrapped: bool) -> None:
    bill.wrapped = wrapped
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["list"] = lambda _: Answer.json({"page": 0, "limit": 1000, "requests": []})
    assert Comparison(bill).of(own("r", 10)).verdict == "reconciled"
    assert bill.calls("get")


def test_a_row_that_is_met_twice_while_paging_is_one_row(bill: Bill) -> None:
    bill.most_per_page = 2
    rows = [billed("a", 10).row(), billed("b", 10).row()]

    def page(asked: Asked) -> Answer:
        page = int(asked.value("page", "0"))
        return Answer.json({"page": page, "limit": 2, "requests": [rows, rows[1:]][min(page, 1)]})

    bill.entries = lambda: [billed("a", 10), billed("b", 10)]
    bill.overrides["list"] = page
    assert kinds(Comparison(bill).of(own("a", 10), own("b", 10))) == ["matched", "matched"]


@pytest.mark.parametrize("tags", [TAG, f"smoke,{TAG}", f"smoke {TAG}", ["smoke", TAG]])
def test_tags_of_a_row_may_be_a_text(bill: Bill, tags: object) -> None:
    bill.entries = lambda: [billed("r"), billed("unknown", details={"tags": tags})]
    assert kinds(Comparison(bill).of(own("r")))[1:] == ["missing-in-ledger"]


@pytest.mark.parametrize(
    "completed", ["2026-11-02T10:00:10Z", "2026-11-02T10:00:10.000000001+00:00", "2026-11-02 12:00:10.0+0200"]
)
def test_the_time_from_created_to_completed_is_read_in_each_form(bill: Bill, completed: str) -> None:
    row = {**billed("r").row(), "created": "2026-11-02T10:00:00.000Z"}
    row["response"] = {"details": {"tags": [TAG]}, "completed": completed}
    bill.entries = lambda: [billed("r")]
    bill.overrides["list"] = lambda _: Answer.json({"page": 0, "limit": 1000, "requests": [row]})
    assert Comparison(bill).of(own("r", 10)).lines[0].elapsed_ms == 10_000


@pytest.mark.parametrize("entry", [7, "x", None, [], {}, {"request_id": 7}, {"request_id": "r", "response": [1]}])
def test_rows_that_make_no_sense_are_no_rows(bill: Bill, entry: object) -> None:
    bill.overrides["list"] = lambda _: Answer.json({"page": 0, "limit": 1000, "requests": [entry]})
    result = Comparison(bill, timeout=0.3).of(own("r"))
    assert kinds(result) == ["pending"]


@pytest.mark.parametrize("duration", ["ten", None, True, -1, "NaN", "Infinity", 1e300])
def test_durations_that_make_no_sense_are_unknown(bill: Bill, duration: object) -> None:
    body = Answer.json(
        {"page": 0, "limit": 1000, "requests": [billed("r", 10, details={"duration": 123.25}).row()]}
    ).body
    shown = str(duration) if duration in ("NaN", "Infinity") else Answer.json(duration).body.decode()
    bill.entries = lambda: [billed("r", 10)]
    bill.overrides["list"] = lambda _: Answer(body.replace(b"123.25", shown.encode()).replace(b'"completed"', b'"x"'))
    result = Comparison(bill, timeout=1).of(own("r", 10))
    assert (kinds(result), result.lines[0].vendor_ms) == (["matched" if duration is None else "unconfirmed"], None)


def shared_run(*ended: SessionFacts, others_go_on: bool) -> RunFacts:
    """A run of which one pytest has ended, and another one has a session open, or lost it."""
    return facts.run(
        invocations=(invocation(), invocation(id="other", finished_at=None, is_under_way=others_go_on)),
        attempts=(attempt(), attempt(id="b", invocation="other")),
        leases=(lease(), lease(id="m", attempt="b", how=None, ended_ms=None)),
        sessions=(*ended, own("open", None, attempt="b", lease="m", usage=None)),
    )


def test_what_others_of_the_run_have_open_is_theirs_and_what_has_ended_is_compared(bill: Bill) -> None:
    bill.entries = lambda: [billed("mine", 10), billed("theirs", 5), billed("open", 7), billed("begun since", 3)]
    run = shared_run(own("mine", 10), own("theirs", 5, attempt="b", lease="m"), others_go_on=True)
    result = Comparison(bill).of_run(run)
    assert (kinds(result), result.verdict, result.reasons) == (["matched", "matched"], "reconciled", ())
    assert (result.hours.verdict, result.dollars.verdict) == ("off", "off")
    (remark,) = result.remarks
    assert remark.startswith("others with this run id are still under way")


def test_what_differs_is_a_discrepancy_whoever_goes_on(bill: Bill) -> None:
    bill.entries = lambda: [billed("mine", 60)]
    assert Comparison(bill, timeout=1).of_run(shared_run(own("mine", 10), others_go_on=True)).verdict == "discrepancy"


def test_whoever_ends_last_compares_all(bill: Bill) -> None:
    bill.entries = lambda: [billed("mine", 10), billed("nobody's", 3)]
    result = Comparison(bill, timeout=1).of_run(shared_run(own("mine", 10), others_go_on=False))
    assert kinds(result) == ["matched", "unconfirmed", "missing-in-ledger"]
    assert (result.verdict, result.hours.verdict) == ("discrepancy", "inconclusive")


def test_where_rows_have_no_times_nothing_is_known_before_the_last_one_has_ended(bill: Bill) -> None:
    row = billed("mine", 10).row()
    del row["response"]["details"]["duration"]
    row["response"].pop("completed", None)
    bill.overrides["list"] = lambda _: Answer.json({"requests": [row]})
    bill.overrides["get"] = lambda _: Answer.json({"request": row})
    result = Comparison(bill, timeout=1).of_run(shared_run(own("mine", 10), others_go_on=True))
    assert (kinds(result), result.verdict) == (["matched"], "inconclusive")
    assert "1 of 1 sessions have no duration in the statement, and the run's hours tell nothing" in result.reasons[0]
