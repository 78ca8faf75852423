from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.comparison import KEY
from tests.support.statement import Bill


@pytest.fixture
def bill() -> Iterator[Bill]:
    with Bill(KEY) as server:
        yield server
