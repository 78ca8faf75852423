"""Turns in subtests, whose reports are made while the test goes on."""

from __future__ import annotations

import pytest

from tests.projects.latency.limits.own import Held
from tests.support.limit_scenes import LIMIT

pytestmark = [pytest.mark.asyncio, pytest.mark.dg_latency(p95=LIMIT)]


@pytest.mark.dg_latency(turns=6)
async def test_quick(held: Held, subtests: pytest.Subtests) -> None:
    for part in range(2):
        with subtests.test("part", number=part):
            async with held("all quick"):
                pass


async def test_slow(held: Held, subtests: pytest.Subtests) -> None:
    for name in ("slow", "all quick"):
        with subtests.test(name):
            async with held(name):
                pass


@pytest.mark.dg_latency(turns=9)
async def test_own_error(held: Held, subtests: pytest.Subtests) -> None:
    with subtests.test("slow"):
        async with held("slow"):
            raise LookupError("its own")
