"""Whole runs that may spend more than their project has: rehearsals, at an emulator with a balance."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.project import Project
from tests.support.rehearsal import Rehearsal, rehearsal

# At the highest price, more than the emulator's project has.
MORE_THAN_THERE_IS = "--dg-budget=100h"
BELOW = "the project's balance is $200, and this run may spend $978"


@pytest.fixture
def vendor() -> Iterator[Rehearsal]:
    with rehearsal() as running:
        yield running


@pytest.mark.slow
def test_a_run_that_requires_credit_opens_nothing_and_each_test_says_why(project: Project, vendor: Rehearsal) -> None:
    project.use("reconciliation/test_it.py")
    result = project.run(MORE_THAN_THERE_IS, "-o", "dg_credit=require", env=vendor.environ)
    assert result.status == 1, result.output
    assert f"nothing is opened (dg_credit = require): {BELOW}" in result.output
    assert "sessions were refused (402 DGBUDGET_CREDIT)" in result.output
    assert "no session reached the gateway" not in result.output
    assert vendor.rows() == []
    assert result.usage["reconciliation"]["verdict"] == "inconclusive"


@pytest.mark.slow
@pytest.mark.parametrize(("budget", "said"), [(MORE_THAN_THERE_IS, True), ("--dg-budget=5m", False)])
def test_a_balance_below_what_a_run_may_spend_is_said_once_and_changes_nothing(
    project: Project, vendor: Rehearsal, budget: str, said: bool
) -> None:
    project.use("reconciliation/test_it.py")
    result = project.run(budget, env=vendor.environ)
    assert result.status == 0, result.output
    assert result.output.count(BELOW) == said
