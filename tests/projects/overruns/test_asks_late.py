"""A run whose only test asks for the fixture in its body: our hooks are registered in the middle of its call."""

import pytest

from pytest_dgbudget import BudgetExceeded


@pytest.mark.dg_budget("1s")
@pytest.mark.xfail(strict=True, reason="talks too long")
def test_asks_late(request: pytest.FixtureRequest) -> None:
    voice_agent = request.getfixturevalue("voice_agent")
    with voice_agent.connect() as session, pytest.raises(BudgetExceeded):
        session.expect("Never", timeout=10)
