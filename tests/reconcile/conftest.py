from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.bill import Bill
from tests.reconcile.asking import KEY


@pytest.fixture
def bill() -> Iterator[Bill]:
    with Bill(KEY) as server:
        yield server
