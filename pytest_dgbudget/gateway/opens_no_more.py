"""Tests that open nothing more, though their budgets have not refused them."""

from __future__ import annotations

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.units import format_time

# A client that reconnects by itself would be idle again, each time at the cost of an idle timeout.
_MOST_IDLE_CLOSES = 3


class GatewayLost(Exception):
    """The test had a session open when another gateway died, and is charged for it in full."""


def check_that_it_opens_more(grant: Grant) -> None:
    """Raise RequestRefused or GatewayLost where the test of a grant opens nothing more."""
    if grant.idle_closes >= _MOST_IDLE_CLOSES:
        raise RequestRefused(402, codes.IDLE_AGAIN, _idle_again(grant.idle_closes))
    if grant.lost_ms is not None:
        raise GatewayLost(charged_in_full(grant.lost_ms))


def check_that_it_can_be_recorded(grant: Grant) -> None:
    """Raise RequestRefused where a session would be paid for and could not be kept as a cassette."""
    if grant.asked.unrecordable is not None:
        raise RequestRefused(404, codes.NO_CASSETTE, f"nothing is dialled, for {grant.asked.unrecordable}")


def _idle_again(closes: int) -> str:
    return (
        f"{closes} sessions of this test were closed as idle, so it opens no more: its client reconnects by itself; "
        "have it stop, or raise --dg-idle-timeout"
    )


def charged_in_full(ms: int) -> str:
    """Return what is said of a test whose lease a dead gateway has left open, and that is charged so much."""
    return (
        f"the gateway died while this test had a session open: it is closed, nobody saw its end, and all of its "
        f"lease is charged, {format_time(ms)}; this test can open nothing more; the statement may lower the charge"
    )
