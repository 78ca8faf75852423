"""A marker with a time beyond all floats."""

import pytest


@pytest.mark.dg_budget(10**400)
def test_bad() -> None:
    pass


def test_good() -> None:
    pass
