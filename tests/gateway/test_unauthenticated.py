"""Connections that have proved nothing: the newest ones push out the oldest."""

from __future__ import annotations

import asyncio

from pytest_dgbudget.gateway.unauthenticated import MOST_UNAUTHENTICATED, UnauthenticatedConnections


class Connected(asyncio.Transport):
    """Knows whether it was aborted."""

    aborted = False

    def abort(self) -> None:
        self.aborted = True


def entered(connections: UnauthenticatedConnections, count: int) -> list[Connected]:
    transports = [Connected() for _ in range(count)]
    for transport in transports:
        connections.enter(transport)
    return transports


def test_one_too_many_costs_the_oldest_its_connection() -> None:
    connections = UnauthenticatedConnections()
    transports = entered(connections, MOST_UNAUTHENTICATED)
    assert not any(transport.aborted for transport in transports)
    transports += entered(connections, 2)
    assert [transport.aborted for transport in transports] == [True] * 2 + [False] * MOST_UNAUTHENTICATED


def test_who_is_known_or_gone_takes_no_place() -> None:
    connections = UnauthenticatedConnections()
    first, *others = entered(connections, MOST_UNAUTHENTICATED)
    for _ in range(2):
        connections.leave(first)
    entered(connections, 1)
    assert not any(transport.aborted for transport in (first, *others))
