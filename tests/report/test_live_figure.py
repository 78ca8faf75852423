"""What is shown of a run while it goes on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_dgbudget.config.resolve import RunConfig, resolve
from pytest_dgbudget.protocol.operations import Progress
from pytest_dgbudget.report.live_figure import progress_text, share_used

KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"


def run_config(**given: str) -> RunConfig:
    here = Path("/nowhere")
    environment = {"DEEPGRAM_API_KEY": KEY}
    return resolve(command_line=given, environment=environment, ini={}, rootdir=here, current_dir=here)


def progress(**fields: Any) -> Progress:
    known: dict[str, Any] = {
        "used_seconds": 150.4,
        "used_usd": 0.188,
        "at_risk_seconds": 30.0,
        "at_risk_usd": 0.0375,
        "open_sessions": 3,
        "waiting": 0,
    }
    return Progress(**{**known, **fields})


@pytest.mark.parametrize(
    ("given", "fields", "text"),
    [
        (
            {"dg_budget": "10m"},
            {},
            "dgbudget (live): 2m30s of 10m, $0.1880 [#....] 25%; 3 open, at risk 30s ($0.0375)",
        ),
        (
            {"dg_budget": "10m", "dg_cost_budget": "0.2"},
            {"waiting": 2},
            "dgbudget (live): 2m30s of 10m, $0.1880 of $0.20 [#####] 94%; 3 open, at risk 30s ($0.0375), 2 waiting",
        ),
        (
            {"dg_target": "emulator"},
            {"used_seconds": 1.26, "open_sessions": 0, "at_risk_seconds": 0.0},
            "dgbudget (emulator): 1.3s, $0.1880; 0 open",
        ),
        (
            {"dg_budget": "0"},
            {"used_seconds": 0.0, "used_usd": 0.0, "open_sessions": 0, "at_risk_seconds": 0.0},
            "dgbudget (live): 0.0s of 0s, $0.0000 [#####] 100%; 0 open",
        ),
    ],
    ids=["live", "both budgets", "no budget", "nothing allowed"],
)
def test_what_is_said(given: dict[str, str], fields: dict[str, Any], text: str) -> None:
    assert progress_text(progress(**fields), run_config(**given)) == text


@pytest.mark.parametrize(
    ("width", "text"),
    [
        (80, "dgbudget (live): 2m30s of 10m, $0.1880 [#....] 25%; 3 open, at risk 30s"),
        (60, "live: 2m30s of 10m, $0.1880 [#....] 25%; 3 open, at risk 30s"),
        (50, "live: 2m30s of 10m, $0.1880; 3 open, at risk 30s"),
        (40, "live: 2m30s of 10m, $0.1880; 3 open"),
        (30, "live: 2m30s of 10m, $0.1880"),
        (20, "live: 2m30s of 10m"),
        (10, "live: 2m30"),
        (0, ""),
    ],
)
def test_what_goes_first_where_there_is_too_little_room(width: int, text: str) -> None:
    assert progress_text(progress(waiting=1), run_config(dg_budget="10m"), width) == text


@given(st.integers(0, 150), st.floats(0, 1e7), st.integers(0, 10**6))
def test_it_is_one_line_of_ascii_and_never_too_wide(width: int, seconds: float, count: int) -> None:
    shown = progress_text(
        progress(used_seconds=seconds, at_risk_seconds=seconds, open_sessions=count, waiting=count),
        run_config(dg_budget="10m", dg_cost_budget="3"),
        width,
    )
    assert len(shown) <= width
    assert shown.isascii()
    assert shown.isprintable()


def test_the_share_is_that_of_the_budget_that_is_used_up_first() -> None:
    assert share_used(progress(), run_config(dg_budget="10m", dg_cost_budget="0.2")) == pytest.approx(0.94)
    assert share_used(progress(), run_config(dg_budget="5m", dg_cost_budget="2")) == pytest.approx(150.4 / 300)
    assert share_used(progress(), run_config()) is None
