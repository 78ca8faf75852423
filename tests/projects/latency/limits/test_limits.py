"""Limits that hold and limits that don't; ``held`` is that of the client that the run loads."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
import pytest_asyncio

from tests.projects.latency.limits.own import Held
from tests.support.limit_scenes import LIMIT

pytestmark = [pytest.mark.asyncio, pytest.mark.dg_latency(p95=LIMIT)]


@pytest.mark.dg_latency(p50=LIMIT, turns=3)
async def test_all_quick(held: Held) -> None:
    async with held("all quick"):
        pass


async def test_one_slow(held: Held) -> None:
    async with held("one slow"):
        pass


@pytest.mark.dg_latency(p50=LIMIT, p95="off")
async def test_one_slow_of_three_is_no_median(held: Held) -> None:
    async with held("one slow"):
        pass


@pytest.mark.dg_latency(p50=0.001, p95=0.1)
async def test_two_sessions(held: Held) -> None:
    async with held("all quick"), held("one slow"):
        pass


@pytest.mark.dg_latency(turns=4)
async def test_too_few(held: Held) -> None:
    async with held("all quick"):
        pass


async def test_no_session(held: Held) -> None:
    pass


async def test_speech(held: Held) -> None:
    async with held("speech"):
        pass


@pytest.mark.dg_latency(p95="200ms")
async def test_slow_speech(held: Held) -> None:
    async with held("speech"):
        pass


@pytest.mark.dg_latency(p95="100ms")
async def test_overlapped(held: Held) -> None:
    async with held("a text during the greeting"):
        pass


@pytest.mark.dg_latency(turns=2)
async def test_interrupted(held: Held) -> None:
    async with held("barge-in"):
        pass


@pytest.mark.dg_latency(p95="1ms", turns=0)
async def test_unpaced(held: Held) -> None:
    async with held("at once"), held("opus"):
        pass


@pytest.mark.dg_latency(p95="1ms")
async def test_nothing_is_judged(held: Held) -> None:
    async with held("at once"), held("opus"):
        pass


@pytest.mark.dg_latency(turns=2)
async def test_continued(held: Held) -> None:
    async with held("two parts before one answer"):
        pass


@pytest.mark.dg_latency(p95="1h")
async def test_never_answered(held: Held) -> None:
    async with held("never answered"):
        pass


@pytest_asyncio.fixture
async def left_open(held: Held) -> AsyncIterator[None]:
    async with held("never answered"):
        yield


@pytest.mark.dg_latency(p95="1h")
async def test_never_answered_until_its_teardown(left_open: None) -> None:
    pass


@pytest.mark.dg_latency(p95="1h", turns=2)
async def test_too_few_whatever_its_teardown_brings(left_open: None) -> None:
    pass


async def test_own_error(held: Held) -> None:
    async with held("slow"):
        raise LookupError("its own")


@pytest.mark.dg_latency(turns=9)
async def test_too_few_and_an_own_error(held: Held) -> None:
    raise LookupError("its own")


async def test_skips(held: Held) -> None:
    async with held("slow"):
        pytest.skip("because")


@pytest.mark.dg_latency(turns=9)
async def test_skips_early(held: Held) -> None:
    pytest.skip("because")


@pytest.mark.xfail(strict=True)
async def test_expected(held: Held) -> None:
    async with held("slow"):
        pass


@pytest.mark.dg_budget(0)
async def test_refused(held: Held) -> None:
    with suppress(Exception):
        async with held("slow"):
            pass
