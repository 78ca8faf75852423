"""What a call reports when its time is over: the vendor's last answer, where there was one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.deepgram.transport import Transport
from pytest_dgbudget.errors import ReconciliationError
from tests.support.statement import Answer, Asked, Bill, refusal

KEY = "the-secret-key-of-the-tests"
LATER = refusal(429, "LATER", "later")


@pytest.fixture
def bill() -> Iterator[Bill]:
    with Bill(KEY) as server:
        yield server


def refused(transport: Transport, timeout: Timeout) -> str:
    with pytest.raises(ReconciliationError) as caught:
        transport.get("the projects", "/v1/projects", (), timeout)
    assert caught.value.temporary
    return str(caught.value)


def test_with_no_time_left_nothing_is_asked_and_the_last_answer_is_the_reason(bill: Bill) -> None:
    transport = Transport(bill.url, KEY)
    bill.overrides["projects"] = lambda _: LATER
    first = refused(transport, Timeout(0.1))
    assert "HTTP 429: LATER: later" in first
    assert refused(transport, Timeout(0)) == first
    assert len(bill.calls("projects")) == 1


def test_a_try_that_the_end_cuts_short_does_not_hide_the_last_answer(bill: Bill) -> None:
    def answer(asked: Asked) -> Answer:
        if len(bill.calls("projects")) > 1:
            time.sleep(2)
        return LATER

    bill.overrides["projects"] = answer
    assert "HTTP 429: LATER: later" in refused(Transport(bill.url, KEY), Timeout(1))
    assert len(bill.calls("projects")) == 2


def test_an_answer_that_came_after_a_refusal_takes_it_back(bill: Bill) -> None:
    transport = Transport(bill.url, KEY)
    bill.overrides["projects"] = lambda _: LATER if len(bill.calls("projects")) < 2 else None
    assert "projects" in transport.get("the projects", "/v1/projects", (), Timeout(10))
    assert refused(transport, Timeout(0)) == "the projects: no time was left to ask"


def test_an_answer_that_trickles_in_is_waited_for_no_longer_than_the_time(bill: Bill) -> None:
    bill.overrides["projects"] = lambda _: Answer(b'{"projects": []}' + b" " * 1000, slowly=0.1)
    started_at = time.monotonic()
    assert refused(Transport(bill.url, KEY), Timeout(1)) == "the projects: the answer did not end in time"
    assert time.monotonic() - started_at < 10
