"""Every request of a period: windows of time, some at once, each page by page, whatever the API is like."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.deepgram.management import ManagementApi
from pytest_dgbudget.deepgram.parts import TagsPart
from pytest_dgbudget.deepgram.period import AT_ONCE, read_period, windows_of
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.model import ApiAccess
from tests.support.statement import PROJECT, Answer, Asked, Bill, Entry, refusal

KEY = "the-secret-key-of-the-tests"
NOW = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)
WEEK = timedelta(days=7)
EVERY = timedelta(minutes=30)


@pytest.fixture
def bill() -> Iterator[Bill]:
    with Bill(KEY, lambda: ENTRIES) as server:
        server.most_per_page = 10
        yield server


ENTRIES = [Entry(f"r{number}", 1, created=NOW - number * EVERY) for number in range(WEEK // EVERY)]
ALL = {entry.request_id for entry in ENTRIES}


def read(
    bill: Bill, seconds: float = 30, period: timedelta = WEEK
) -> tuple[list[str], str | None, list[tuple[int, int, int]]]:
    """Return the ids that were read, the failure, and the progress that was shown."""
    timeout, shown = Timeout(seconds), list[tuple[int, int, int]]()
    api = ManagementApi(ApiAccess(api_url=bill.url, key=KEY, project=PROJECT), (), timeout)
    rows, failure = read_period(api, NOW - period, NOW, timeout, lambda *figures: shown.append(figures))
    return [row.request_id for row in rows], failure, shown


@given(
    st.datetimes(datetime(2026, 1, 1), datetime(2026, 12, 31), timezones=st.just(timezone.utc)),
    st.timedeltas(timedelta(seconds=1), timedelta(days=100)),
)
def test_windows_cover_a_period_and_overlap(start: datetime, length: timedelta) -> None:
    windows = windows_of(start, start + length)
    assert (windows[0][0], windows[-1][1]) == (start, start + length)
    for (_, ends), (begins, _) in pairwise(windows):
        assert begins < ends
    assert all(timedelta(0) < ends - begins <= timedelta(days=1, seconds=1) for begins, ends in windows)


@pytest.mark.parametrize("page_base", [0, 1])
@pytest.mark.parametrize("tells_page", [True, False])
@pytest.mark.parametrize("most_per_page", [7, 10, 1000])
def test_every_request_is_read_whatever_pages_are_like(
    bill: Bill, page_base: int, tells_page: bool, most_per_page: int
) -> None:
    bill.page_base, bill.tells_page, bill.most_per_page = page_base, tells_page, most_per_page
    ids, failure, shown = read(bill)
    assert (set(ids), failure) == (ALL, None)
    rows, done, windows = shown[-1]
    assert (rows, done) == (len(ids), windows)


def test_pages_are_read_side_by_side_and_never_more_than_a_few(bill: Bill) -> None:
    together = threading.Barrier(AT_ONCE)
    open_now, most = 0, 0
    counting = threading.Lock()

    def answer(asked: Asked) -> Answer | None:
        nonlocal open_now, most
        with counting:
            open_now += 1
            most = max(most, open_now)
            is_early = len(bill.calls("list")) <= AT_ONCE
        if is_early:
            together.wait(30)  # breaks, and with it the test, unless so many are asked for at once
        with counting:
            open_now -= 1
        return None

    bill.overrides["list"] = answer
    assert set(read(bill)[0]) == ALL
    assert most == AT_ONCE


def test_who_is_told_to_wait_waits_and_goes_on(bill: Bill) -> None:
    def answer(asked: Asked) -> Answer | None:
        return refusal(429, "TOO_MANY_REQUESTS", "later", Retry_After="1") if len(bill.calls("list")) == 3 else None

    bill.overrides["list"] = answer
    ids, failure, _ = read(bill)
    assert (set(ids), failure) == (ALL, None)


@pytest.mark.slow
def test_an_api_that_takes_one_call_at_a_time_is_read_one_by_one(bill: Bill) -> None:
    busy = threading.Lock()

    def answer(asked: Asked) -> Answer | None:
        if not busy.acquire(blocking=False):
            return refusal(429, "TOO_MANY_REQUESTS", "one at a time")
        try:
            threading.Event().wait(0.05)
            return None
        finally:
            busy.release()

    bill.overrides["list"] = answer
    ids, failure, _ = read(bill, seconds=120)
    assert (set(ids), failure) == (ALL, None)


def test_a_refusal_for_good_ends_the_reading_with_the_reason(bill: Bill) -> None:
    bill.overrides["list"] = lambda _: refusal(403, "FORBIDDEN", "Insufficient permissions.")
    ids, failure, _ = read(bill, period=timedelta(days=90))
    assert ids == []
    assert failure is not None
    assert "usage:read" in failure
    assert len(bill.calls("list")) < 45, "of ninety days, each read by itself"


def test_what_was_read_before_a_failure_is_kept_and_the_failure_told(bill: Bill) -> None:
    bill.overrides["list"] = lambda asked: None if len(bill.calls("list")) <= 20 else refusal(400, "BAD", "no")
    ids, failure, _ = read(bill)
    assert set() < set(ids) < ALL
    assert failure is not None
    assert "HTTP 400: BAD: no" in failure


def hours_of(*groups: tuple[list[str] | None, object]) -> Answer:
    results = [{"agent_hours": hours, "grouping": {"tags": tags}} for tags, hours in groups]
    return Answer.json({"results": results})


def agent_time(bill: Bill, answer: Answer) -> int:
    bill.overrides["usage"] = lambda _: answer
    access = ApiAccess(api_url=bill.url, key=KEY, project=PROJECT)
    parts = [TagsPart(frozenset({"dgbudget-a", "dgbudget-b"}))]
    return ManagementApi(access, parts, Timeout(10)).agent_time("2026-11-30", "2026-11-30")


def test_hours_are_those_of_every_group_with_one_of_the_tags_each_once(bill: Bill) -> None:
    groups = (
        (["dgbudget-a"], 1),
        (["dgbudget-b", "web"], 0.5),
        (["dgbudget-a", "dgbudget-b"], 0.25),
        (["web"], 8),
        (None, 9),
    )
    assert agent_time(bill, hours_of(*groups)) == 1.75 * 3_600_000
    assert agent_time(bill, hours_of()) == 0


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (hours_of((["dgbudget-a"], "1")), "agent_hours is not an amount"),
        (hours_of((["dgbudget-a"], 1), (["dgbudget-b"], -1)), "agent_hours is not an amount"),
        (hours_of((None, 1)), "shows no tags"),
        (Answer.json({"results": "none"}), "results is not a list"),
    ],
)
def test_hours_that_can_not_be_read_are_a_failure(bill: Bill, answer: Answer, said: str) -> None:
    with pytest.raises(ReconciliationError, match=said):
        agent_time(bill, answer)


def test_time_that_is_over_is_a_failure(bill: Bill) -> None:
    ids, failure, _ = read(bill, seconds=0)
    assert (ids, failure) == ([], "the requests: no time was left to ask")
