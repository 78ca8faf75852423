"""The arithmetic of docs/cost.md and docs/team-budget.md, by the rules that price sessions."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_dgbudget.config.project_file import PROJECT_FILE, read_project_file
from pytest_dgbudget.config.toml_text import TomlText
from pytest_dgbudget.model import TIERS, Tier
from pytest_dgbudget.rules.prices import SHIPPED, price_of
from pytest_dgbudget.units import usd

DOCS = Path(__file__).parent.parent / "docs"
COST, TEAM = ((DOCS / name).read_text(encoding="utf-8") for name in ("cost.md", "team-budget.md"))
(SETTINGS,) = re.findall(r"```toml\n(.*?)```", TEAM, re.DOTALL)
FORGOTTEN_MS = 2 * 3_600_000
DAYS, PUSHES, TESTS, TEST_MS = 21, 30, 40, 12_000


def rows(text: str) -> dict[str, list[str]]:
    """Return the cells of each row of the page's tables, by the first."""
    lines = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in text.splitlines() if line[:2] == "| "]
    return {first: cells for first, *cells in lines}


def dollars(ms: int, tier: Tier = "standard", decimals: int = 2) -> str:
    return f"${usd(price_of(ms, SHIPPED.micro_usd_per_minute[tier])):,.{decimals}f}"


@pytest.mark.parametrize("tier", TIERS)
def test_the_prices_are_those_that_are_shipped(tier: Tier) -> None:
    *_, minute, test, hour, forgotten = rows(COST)[f"`{tier}`"]
    assert (minute, test) == (dollars(60_000, tier, 4), dollars(TEST_MS, tier, 4))
    assert (hour, forgotten) == (dollars(3_600_000, tier), dollars(FORGOTTEN_MS, tier))


def test_the_prices_have_their_date() -> None:
    assert f"of {SHIPPED.as_of}, in US dollars" in COST


@pytest.mark.parametrize(
    ("what", "ms", "tier"),
    [
        ("one run", TESTS * TEST_MS, "standard"),
        ("on each of 30 pushes a day", PUSHES * TESTS * TEST_MS, "standard"),
        ("that, on 21 working days", DAYS * PUSHES * TESTS * TEST_MS, "standard"),
        ("once a night instead, and emulated on each push", DAYS * TESTS * TEST_MS, "standard"),
        ("the same nights with an advanced model", DAYS * TESTS * TEST_MS, "advanced"),
    ],
)
def test_the_suite_costs_what_the_page_says(what: str, ms: int, tier: Tier) -> None:
    how_much, costs = rows(COST)[what]
    assert how_much.endswith(f"= {ms // 60_000:,} min")
    assert costs == dollars(ms, tier)


def test_each_product_on_the_page_is_right() -> None:
    products = re.findall("([\\d,]+) \N{MULTIPLICATION SIGN} ([\\d,]+) (?:s|min) = ([\\d,]+)", COST)
    assert len(products) == 5
    for one, other, product in products:
        assert int(one) * int(other) == int(product.replace(",", ""))


def test_the_bounds_are_what_they_come_to() -> None:
    assert f"are 40 minutes\nor {dollars(TESTS * 60_000)} at the price of `standard`" in COST
    ten_minutes = f"10 min: {dollars(600_000)} as `standard`, {dollars(600_000, 'advanced')} as `advanced`"
    assert rows(COST)["a run, in time"][1] == ten_minutes


def test_the_team_s_month_is_so_many_minutes() -> None:
    assert TomlText(PROJECT_FILE, SETTINGS).table("window")["month"] == "$150"
    minutes = 150_000_000 // SHIPPED.micro_usd_per_minute["standard"]
    assert f"$150 are {minutes:,} minutes" in TEAM
    assert f"they are ${150 / DAYS:.2f} a day, or {minutes // DAYS} minutes" in TEAM


def test_the_team_s_settings_are_understood(tmp_path: Path) -> None:
    (tmp_path / PROJECT_FILE).write_text(SETTINGS, encoding="utf-8")
    assert read_project_file(tmp_path)
