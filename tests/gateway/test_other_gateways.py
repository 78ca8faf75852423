"""What another gateway of the same invocation has open is waited for, and not for ever."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.gateway import other_gateways
from pytest_dgbudget.gateway.other_gateways import open_elsewhere
from pytest_dgbudget.ledger.ledger import Ledger
from tests.support.ledger import leased, open_ledger


class OneThread:
    """Calls at once, and counts how often it was asked; ``then`` is called after each."""

    def __init__(self, then: Callable[[int], None] = lambda _: None) -> None:
        self.asked = 0
        self._then = then

    async def call(self, call: Callable[..., Any], *args: Any) -> Any:
        self.asked += 1
        answer = call(*args)
        self._then(self.asked)
        return answer


@pytest.fixture
def ours(tmp_path: Path) -> Iterator[Ledger]:
    with closing(open_ledger(tmp_path / "ledger.db")) as ledger:
        yield ledger


@pytest.fixture
def theirs(ours: Ledger, tmp_path: Path) -> Iterator[Ledger]:
    """Another gateway's in the same invocation; ``ours`` was there first."""
    with closing(open_ledger(tmp_path / "ledger.db", live=frozenset(["run"]))) as ledger:
        yield ledger


def waited(ledger: Ledger, thread: OneThread, attempt: str | None = None) -> int:
    return asyncio.run(open_elsewhere(ledger, thread, attempt))  # type: ignore[arg-type]


def test_a_lease_that_is_settled_meanwhile_is_waited_for(ours: Ledger, theirs: Ledger) -> None:
    lease = leased(theirs, theirs.begin_attempt("a", "", 10_000))
    thread = OneThread(lambda asked: theirs.settle(lease, 5) if asked == 2 else None)
    assert waited(ours, thread) == 0
    assert thread.asked == 3


def test_a_lease_that_stays_open_is_said_after_a_while(
    ours: Ledger, theirs: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(other_gateways, "_SETTLED_SECONDS", 0.15)
    open_, other = theirs.begin_attempt("a", "", 10_000), theirs.begin_attempt("b", "", 10_000)
    leased(theirs, open_)
    assert waited(ours, OneThread()) == 10_000
    assert waited(ours, OneThread(), open_.id) == 10_000
    assert waited(ours, OneThread(), other.id) == 0


def test_what_another_invocation_has_open_is_its_own(ours: Ledger, tmp_path: Path) -> None:
    with closing(open_ledger(tmp_path / "ledger.db", live=frozenset(["run"]), id="a shard")) as shard:
        leased(shard, shard.begin_attempt("a", "", 10_000))
        thread = OneThread()
        assert (waited(ours, thread), thread.asked) == (0, 1)


def test_the_last_attempt_of_a_test_is_found_whichever_gateway_began_it(ours: Ledger, theirs: Ledger) -> None:
    ours.begin_attempt("a", "", None)
    last = theirs.begin_attempt("a", "", None)
    assert (last.number, ours.last_attempt("a", "")) == (2, last.id)
    assert ours.last_attempt("a", "gw1") is None
