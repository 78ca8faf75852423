"""Tests of a project that does not use the plugin."""

import asyncio

import pytest


@pytest.mark.parametrize("n", range(4))
def test_plain(n: int) -> None:
    pass


@pytest.mark.asyncio
async def test_async() -> None:
    await asyncio.sleep(0)


def test_fails() -> None:
    raise AssertionError("as it should")
