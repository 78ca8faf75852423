"""What is said of a run before it begins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.report.header import budget_phrase, remarks

TODAY = "2026-11-30T12:00:00.000Z"
KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"
WINDOWS = '[window]\nday = "2h"\nmonth = ["20h", "$150"]\n'


def run_config(folder: Path, toml: str = "", **given: str) -> RunConfig:
    (folder / "dgbudget.toml").write_text(toml, encoding="utf-8")
    environment = {"DEEPGRAM_API_KEY": KEY}
    return resolve(command_line=given, environment=environment, ini={}, rootdir=folder, current_dir=folder)


@pytest.mark.parametrize(
    ("given", "phrase"),
    [
        ({}, "no run budget"),
        ({"dg_budget": "10m"}, "run budget 10m"),
        ({"dg_cost_budget": "0.5"}, "run budget $0.50"),
        ({"dg_budget": "10m", "dg_cost_budget": "0.5"}, "run budget 10m, $0.50"),
        ({"dg_cost_budget": "0"}, "run budget $0"),
    ],
)
def test_a_run_budget_is_named_in_its_currencies(tmp_path: Path, given: dict[str, str], phrase: str) -> None:
    assert budget_phrase(run_config(tmp_path, **given)) == phrase


def test_a_billed_run_names_its_windows_and_others_count_in_none(tmp_path: Path) -> None:
    live = run_config(tmp_path, WINDOWS, dg_budget="10m")
    assert budget_phrase(live) == "run budget 10m, day window 2h, month window 20h and $150"
    emulated = run_config(tmp_path, WINDOWS, dg_budget="10m", dg_target="emulator")
    assert budget_phrase(emulated) == "run budget 10m"


def test_a_budget_in_money_says_how_long_it_lasts_and_at_which_prices(tmp_path: Path) -> None:
    (said,) = remarks(run_config(tmp_path, dg_cost_budget="0.50"), None, TODAY)
    assert said == (
        "$0.50 lasts about 3m4s at $0.163 a minute, the highest known price; budgets in money count at the prices of "
        "2026-06-25"
    )
    (own,) = remarks(
        run_config(tmp_path, "[prices]\nas_of = 2026-11-01\nadvanced = 0.5\n", dg_cost_budget="0.5"), None, TODAY
    )
    assert own.startswith("$0.50 lasts about 1m at $0.50 a minute, ")
    assert own.endswith("the prices of 2026-11-01")
    assert remarks(run_config(tmp_path, dg_budget="10m"), None, TODAY) == []


def test_a_live_run_says_what_becomes_of_its_sessions(tmp_path: Path) -> None:
    (said,) = remarks(live(dg_record="once"), None, TODAY)
    assert said == (
        "the sessions of tests that pass become cassettes beside them; those that have one are replayed "
        "(--dg-record=once)"
    )
    (said,) = remarks(live(dg_record="rewrite", dg_cassette_dir="/tapes"), None, TODAY)
    assert said == "the sessions of tests that pass become cassettes in /tapes (--dg-record=rewrite)"
    assert remarks(live(dg_record="none"), None, TODAY) == []


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


def test_a_day_to_come_says_so_but_not_tomorrow_which_has_begun_elsewhere() -> None:
    tomorrow, later = (RunConfig(**{**vars(live()), "prices_as_of": f"2026-12-0{day}"}) for day in (1, 2))
    assert remarks(tomorrow, None, TODAY) == []
    assert remarks(later, None, TODAY) == [
        "the prices are of a day to come, 2026-12-02: set as_of in [prices] of dgbudget.toml to the day they are from"
    ]


@pytest.mark.parametrize(
    ("toml", "target", "said"),
    [
        (WINDOWS, "live", True),
        (WINDOWS, "emulator", False),
        ('[window]\nmonth = "20h"\n', "live", False),
        ('[[path]]\nglob = "a"\nrun = "$1"\n', "emulator", True),
        ('[[path]]\nglob = "a"\nrun = "1m"\n', "emulator", False),
    ],
)
def test_the_prices_are_named_wherever_a_budget_in_money_applies(
    tmp_path: Path, toml: str, target: str, said: bool
) -> None:
    found = remarks(run_config(tmp_path, toml, dg_budget="10m", dg_target=target), None, TODAY)
    assert [line.startswith("budgets in money count at the prices of ") for line in found] == ([True] if said else [])
