"""What a run's first line remarks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.report.header import remarks

AFTER_180_DAYS = "2026-12-22T23:59:59.999Z"
AFTER_181_DAYS = "2026-12-23T00:00:00.000Z"


def live(**given: str) -> RunConfig:
    environment = {"DEEPGRAM_API_KEY": "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"}
    command_line = {"dg_budget": "1m", "dg_target": "live", **given}
    folder = Path("/project")
    return resolve(command_line=command_line, environment=environment, ini={}, rootdir=folder, current_dir=folder)


def test_a_live_run_with_prices_of_over_a_hundred_and_eighty_days_says_so() -> None:
    assert remarks(live(), None, AFTER_180_DAYS) == []
    assert remarks(live(), None, AFTER_181_DAYS) == [
        "the prices are 181 days old (2026-06-25): set those of today, with as_of, in [prices] of dgbudget.toml"
    ]


@pytest.mark.parametrize(
    ("changes", "says"),
    [({}, False), ({"cost_budget_micro_usd": 1_000_000}, True)],
    ids=["in time", "in money"],
)
def test_where_nothing_is_billed_only_a_budget_in_money_does(changes: dict[str, Any], says: bool) -> None:
    emulated = RunConfig(**{**vars(live(dg_target="emulator")), **changes})
    assert any("days old" in line for line in remarks(emulated, None, AFTER_181_DAYS)) is says


def test_a_day_of_ones_own_counts() -> None:
    newer = RunConfig(**{**vars(live()), "prices_as_of": "2026-12-01"})
    assert remarks(newer, None, AFTER_181_DAYS) == []
