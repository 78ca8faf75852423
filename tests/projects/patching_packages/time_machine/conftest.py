"""Moves each test to 1970, where the time stands still or, where TRAVEL says ``tick``, goes on."""

import os
import time
from collections.abc import Iterator

import pytest
import time_machine


@pytest.fixture(autouse=True)
def elsewhen() -> Iterator[None]:
    with time_machine.travel(0, tick=os.environ["TRAVEL"] == "tick"):
        assert time.gmtime().tm_year == 1970
        yield
