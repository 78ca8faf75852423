"""How long the statement takes, and how the wait goes by what earlier runs saw of that; over HTTP."""

from __future__ import annotations

import time
from datetime import datetime, timedelta, timezone

import pytest

from pytest_dgbudget.rules.statement_lag import StatementLag
from tests.support.comparison import Comparison, at, billed, own
from tests.support.statement import PROJECT, Answer, Asked, Bill, Entry, refusal, unsettled

IN_VAIN = [StatementLag(pending_ms=60_000, settled_ms=840_000)] * 3


def settles_at_reading(bill: Bill, number: int) -> None:
    def entries() -> list[Entry]:
        return [billed("r")] if len(bill.calls("list")) >= number else unsettled([billed("r")])

    bill.entries = entries


def test_the_lag_is_from_the_last_sessions_end_to_the_readings_around_it(bill: Bill) -> None:
    settles_at_reading(bill, 3)
    lag = Comparison(bill).of(own("r", ago=100)).lag
    assert lag is not None
    assert lag.pending_ms is not None
    assert lag.settled_ms is not None
    assert 100_000 <= lag.pending_ms < lag.settled_ms < 110_000


def test_what_is_there_at_the_first_reading_has_an_upper_bound_alone(bill: Bill) -> None:
    bill.entries = lambda: [billed("r")]
    lag = Comparison(bill).of(own("r", ago=100)).lag
    assert lag is not None
    assert lag.pending_ms is None


def test_what_is_late_has_a_lower_bound_alone(bill: Bill) -> None:
    lag = Comparison(bill, timeout=0.3).of(own("r", ago=100)).lag
    assert lag is not None
    assert (lag.pending_ms or 0) >= 100_000
    assert lag.settled_ms is None


def test_what_is_missing_for_good_or_ended_unseen_or_was_not_read_says_nothing_of_the_lag(bill: Bill) -> None:
    assert Comparison(bill, timeout=0.3).of(own("r", ago=601)).lag is None
    bill.entries = lambda: [billed("r"), billed("s")]
    assert Comparison(bill, timeout=0.3).of(own("r"), own("s", None, closed_by="gateway-lost")).lag is None
    bill.overrides["get"] = bill.overrides["list"] = lambda _: refusal(503, "DOWN", "")
    assert Comparison(bill, timeout=0.3).of(own("r")).lag is None


@pytest.mark.parametrize(("ended_ago", "pending_ms"), [(50, 90_000), (0, None)], ids=["the same sessions", "another"])
def test_what_was_seen_before_stays_until_another_session_has_ended(
    bill: Bill, ended_ago: float, pending_ms: int | None
) -> None:
    bill.entries = lambda: [billed("r")]
    checked_at = at(datetime.now(timezone.utc) - timedelta(seconds=20))
    figures = {"pending_seconds": 90.0, "settled_seconds": None}
    before = {"verdict": "pending", "checked_at": checked_at, "project": PROJECT, "lag": figures}
    lag = Comparison(bill, before=before).of(own("r", ago=ended_ago)).lag
    assert lag is not None
    assert lag.pending_ms == pending_ms


def test_a_statement_that_three_runs_waited_for_in_vain_is_read_once(bill: Bill) -> None:
    comparison = Comparison(bill, timeout=30, earlier_lags={PROJECT: IN_VAIN})
    result = comparison.of(own("r"))
    assert (result.verdict, len(bill.calls("list"))) == ("pending", 1)
    assert result.reasons[-1] == (
        "it was not waited for: in 3 earlier runs the statement was incomplete 1m after the last session, and complete "
        "after 14m at the latest"
    )


def test_that_reading_still_reconciles_what_is_there_by_then(bill: Bill) -> None:
    bill.entries = lambda: [billed("r")]
    result = Comparison(bill, timeout=30, earlier_lags={PROJECT: IN_VAIN}).of(own("r"))
    assert (result.verdict, result.reasons) == ("reconciled", ())


@pytest.mark.parametrize(
    "earlier_lags",
    [{}, {"another project": IN_VAIN}, {PROJECT: IN_VAIN[:2]}, {PROJECT: [*IN_VAIN, StatementLag(settled_ms=9000)]}],
    ids=["no run", "another project", "two runs", "one that came in time"],
)
def test_where_it_may_come_it_is_waited_for(bill: Bill, earlier_lags: dict[str, list[StatementLag]]) -> None:
    settles_at_reading(bill, 3)
    assert Comparison(bill, timeout=30, earlier_lags=earlier_lags).of(own("r")).verdict == "reconciled"


@pytest.mark.slow
def test_a_wait_that_failed_readings_alone_keep_from_its_end_is_no_hopeless_one(bill: Bill) -> None:
    bill.entries = lambda: [billed("r")]
    bill.overrides["usage"] = lambda _: refusal(503, "DOWN", "") if len(bill.calls("list")) < 3 else None
    result = Comparison(bill, timeout=30, earlier_lags={PROJECT: IN_VAIN}).of(own("r"))
    assert (result.verdict, result.reasons) == ("reconciled", ())


def test_nothing_is_asked_while_no_statement_was_ever_complete(bill: Bill) -> None:
    read_at: list[float] = []

    def noted(asked: Asked) -> Answer | None:
        read_at.append(time.monotonic())
        return None

    settles_at_reading(bill, 2)
    bill.overrides["list"] = noted
    lags = [StatementLag(pending_ms=1500, settled_ms=1600)] * 3
    assert Comparison(bill, timeout=60, earlier_lags={PROJECT: lags}).of(own("r")).verdict == "reconciled"
    assert len(read_at) == 2
    assert read_at[1] - read_at[0] > 1
