from __future__ import annotations

import pytest
from websockets.sync.client import connect


@pytest.mark.parametrize("number", range(4))
def test_opens(application: str, number: int) -> None:
    with connect(f"ws://{application}", proxy=None) as visit:
        assert "Welcome" in str(visit.recv())
        visit.send("leave")


@pytest.mark.dg_budget("1s")
def test_is_cut(application: str) -> None:
    with connect(f"ws://{application}", proxy=None) as visit:
        assert "Welcome" in str(visit.recv())
        visit.send("stay")
        assert "ConnectionClosed" in str(visit.recv())
