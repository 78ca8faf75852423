"""Many short tests, each with a visitor of one application that is started once and closes nothing itself."""

import pytest
from test_once import Visit, visit

__all__ = ["visit"]


@pytest.mark.parametrize("round_", range(200))
def test_round(visit: Visit, round_: int) -> None:
    assert "Welcome" in visit()
