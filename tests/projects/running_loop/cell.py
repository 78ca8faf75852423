"""A notebook's cell: the whole of pytest runs inside a task, in a loop that is running."""

import asyncio
import sys

import pytest


async def cell() -> int:
    return pytest.main(sys.argv[1:])


if __name__ == "__main__":
    sys.exit(asyncio.run(cell()))
