"""What a metered test finds in os.environ, and what is left there afterwards."""

from __future__ import annotations

import os

import pytest

from pytest_dgbudget.control.environment import EnvironmentClaim, variables_set
from pytest_dgbudget.errors import DgBudgetError

NAMES = ("DGBUDGET_SET", "DGBUDGET_NEW")


@pytest.fixture(autouse=True)
def _one_is_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(NAMES[0], "before")
    monkeypatch.setenv(NAMES[1], "")  # so that it is restored, whatever a test leaves
    monkeypatch.delenv(NAMES[1])


def found() -> list[str | None]:
    return [os.environ.get(name) for name in NAMES]


def test_variables_are_set_and_put_back() -> None:
    with variables_set(dict.fromkeys(NAMES, "during")):
        assert found() == ["during", "during"]
    assert found() == ["before", None]


def test_variables_are_put_back_after_an_error() -> None:
    with pytest.raises(KeyError), variables_set(dict.fromkeys(NAMES, "during")):
        raise KeyError
    assert found() == ["before", None]


def test_a_variable_that_somebody_changed_keeps_its_new_value() -> None:
    with variables_set(dict.fromkeys(NAMES, "during")):
        os.environ[NAMES[0]] = "changed"
        del os.environ[NAMES[1]]
    assert found() == ["changed", None]


def test_a_second_claim_is_refused_until_the_first_one_ends() -> None:
    claim = EnvironmentClaim()
    with claim.held(), pytest.raises(DgBudgetError, match="dg_keep_key"), claim.held():
        pass
    with claim.held():
        pass
