"""A run that is compared days after it ended."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from pytest_dgbudget.instants import read_instant
from tests.support import facts
from tests.support.comparison import Comparison, at, billed, own
from tests.support.statement import Bill

DAYS_AGO = timedelta(days=3)


def test_the_list_is_read_for_the_time_of_the_run_and_a_while_after_it(bill: Bill) -> None:
    """The rest of it would be other runs'."""
    ended = datetime.now(timezone.utc) - DAYS_AGO
    bill.entries = lambda: [billed("r", created=ended - timedelta(seconds=10))]
    result = Comparison(bill).of(own("r", ago=DAYS_AGO.total_seconds()))
    (asked,) = bill.calls("list")
    start, end = (read_instant(asked.value(name)) for name in ("start", "end"))
    assert start is not None
    assert end is not None
    assert timedelta(seconds=10) < ended - start < timedelta(hours=1)
    assert timedelta(hours=1) < end - ended < timedelta(hours=3)
    assert result.verdict == "reconciled"


def test_what_came_under_its_tag_since_is_in_the_hours(bill: Bill) -> None:
    ended = datetime.now(timezone.utc) - DAYS_AGO
    bill.entries = lambda: [billed("r", created=ended - timedelta(seconds=10)), billed("since", 60)]
    result = Comparison(bill).of(own("r", ago=DAYS_AGO.total_seconds()))
    assert (result.hours.verdict, result.verdict) == ("discrepancy", "discrepancy")


def test_a_session_whose_end_nobody_saw_may_have_used_up_its_lease(bill: Bill) -> None:
    begun = datetime.now(timezone.utc) - DAYS_AGO
    bill.entries = lambda: [billed("r", created=begun)]
    Comparison(bill).of(own("r", None, opened_at=at(begun), lease=facts.lease().id))
    (asked,) = bill.calls("list")
    end = read_instant(asked.value("end"))
    assert end is not None
    assert end - begun > timedelta(hours=2, milliseconds=facts.lease().allowance_ms)
