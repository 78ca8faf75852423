"""Whom a token stands for, and by which grant its client spends."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from pytest_dgbudget.gateway.bearers import Bearers, Owner
from pytest_dgbudget.gateway.refusals import RequestRefused
from pytest_dgbudget.protocol.operations import FoundTest, Operation
from tests.support.gateway import say_nothing

pytestmark = pytest.mark.asyncio

TOKEN = "d9b0d9e7" + "0" * 32


async def test_an_attempt_that_has_ended_is_asked_for_twice_and_no_more() -> None:
    asked = []

    async def ask(operation: Operation[Any]) -> Any:
        asked.append(operation)
        return FoundTest(attempt="ended", several=False)

    bearers = Bearers(lambda attempt: None)
    owner = Owner(role="controller", ask=ask, notify=say_nothing)
    bearers.joined(owner, TOKEN)
    gone = asyncio.get_running_loop().create_future()
    with pytest.raises(RequestRefused) as refused:
        await asyncio.wait_for(bearers.spender(owner, gone), 5)
    assert (refused.value.status, len(asked)) == (403, 2)


async def test_each_refusal_is_one_of_its_own() -> None:
    async def ask(operation: Operation[Any]) -> Any:
        return FoundTest(attempt=None, several=False)

    owner = Owner(role="worker", ask=ask, notify=say_nothing)
    gone = asyncio.get_running_loop().create_future()
    refusals = []
    for _ in range(2):
        with pytest.raises(RequestRefused) as refused:
            await Bearers(lambda attempt: None).spender(owner, gone)
        refusals.append(refused.value)
    assert refusals[0] is not refusals[1]
