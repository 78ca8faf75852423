"""The first attempt is slow, the second one is not."""

from __future__ import annotations

import pytest

from tests.projects.latency.limits.own import Held
from tests.support.limit_scenes import LIMIT

scripts = iter(["slow", "all quick"])


@pytest.mark.asyncio
@pytest.mark.dg_latency(p95=LIMIT)
async def test_quick_at_last(held: Held) -> None:
    async with held(next(scripts)):
        pass
