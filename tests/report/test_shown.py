"""Figures read alike wherever they are shown."""

from __future__ import annotations

from collections.abc import Callable
from html import unescape
from typing import Any

import pytest

from pytest_dgbudget.report.comparison_document import compare
from pytest_dgbudget.report.comparison_text import comparison_text
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html.page import usage_page
from pytest_dgbudget.report.markdown import usage_markdown
from pytest_dgbudget.report.run_text import run_text
from pytest_dgbudget.report.shown import shown_seconds, shown_usd
from pytest_dgbudget.report.spending_figures import difference
from tests.support import facts
from tests.support.shards import report

# A session of 32 ms at $0.075 a minute.
SHORT: dict[str, Any] = {
    "leases": (facts.lease(id="x", attempt="x", ended_ms=32, ended_micro_usd=40),),
    "sessions": (facts.session(id="x", lease="x", attempt="x", ms=32, micro_usd=40),),
}
RENDERERS: dict[str, Callable[[UsageDocument], str]] = {
    "terminal": lambda document: "\n".join(run_text(document, width=200, color=False)),
    "markdown": usage_markdown,
    "page": usage_page,
    "comparison": lambda document: "\n".join(
        comparison_text(compare(report("a", "x"), document), width=200, color=False)
    ),
}


@pytest.mark.parametrize("name", RENDERERS)
def test_a_cost_that_four_decimals_can_t_show_is_not_shown_as_zero(name: str) -> None:
    shown = unescape(RENDERERS[name](report("run", "x", **SHORT)))
    assert "<$0.0001" in shown
    assert "$0.0000" not in shown


def test_a_difference_that_four_decimals_can_t_show_has_its_sign() -> None:
    assert [difference(0.0, usd) for usd in (0.00004, -0.00004, -1.5)] == ["+<$0.0001", "-<$0.0001", "-$1.5000"]


def test_what_is_unknown_is_a_dash_and_no_zero() -> None:
    assert (shown_seconds(None), shown_usd(None), shown_usd(None, "unknown")) == ("-", "-", "unknown")
    assert (shown_seconds(0.0), shown_usd(0.0)) == ("0.00s", "$0.0000")


def test_thousands_are_told_apart() -> None:
    assert (shown_seconds(2366.05), shown_usd(1234.5)) == ("2,366.05s", "$1,234.5000")
