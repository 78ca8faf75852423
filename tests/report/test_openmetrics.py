"""metrics.txt: what Prometheus's own parsers read in it, and that names and labels are those that are documented."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.merging import merge
from pytest_dgbudget.report.metric_families import FAMILIES
from pytest_dgbudget.report.openmetrics import PREFIX, usage_metrics
from pytest_dgbudget.report.plain_text import harmless
from tests.support.hostile import ANY_TEXT, TEXTS, hostile_report
from tests.support.metrics import parse_openmetrics, series
from tests.support.pages import at_pace_max, ordinary
from tests.support.shards import changed, line, reconciliation, report, shards

PAGE = Path(__file__).parent.parent.parent / "docs" / "metrics.md"


def of(document: UsageDocument, name: str, **labels: str) -> float | None:
    return series(usage_metrics(document)).get((PREFIX + name, tuple(labels.items())))


def test_the_figures_of_the_run_are_those_of_the_document() -> None:
    document = changed(report("run", "a"), "run", latency_p50_ms=800)
    assert of(document, "run_info", run_id="run", target="live", billed="true") == 1
    assert of(document, "run_used_seconds") == 3.0
    assert of(document, "run_cost_usd") == 0.0038
    assert of(document, "run_latency_p50_seconds") == 0.8
    assert of(document, "run_complete") == 1
    assert of(document, "run_started_timestamp_seconds") == pytest.approx(1793613600, abs=1)
    assert of(document, "run_dials", closed_by="client") == 1
    assert of(document, "run_dials", closed_by="idle") == 0
    assert of(document, "run_tier_cost_usd", tier="standard") == 0.0038
    assert of(document, "test_used_seconds", nodeid="test_x.py::test_a", target="live") == 3.0


def test_a_state_is_one_of_those_that_there_are() -> None:
    document = report("run", "a")
    verdicts = {each: of(document, "run_verdict", verdict=each) for each in ("within", "overrun", "interrupted")}
    assert verdicts == {"within": 1, "overrun": 0, "interrupted": 0}
    assert of(document, "regression_verdict", verdict="none") is None


def test_latencies_of_pace_max_have_no_sample() -> None:
    names = ("run_latency_p50_seconds", "run_latency_p95_seconds", "test_latency_p50_seconds")

    def shown(document: UsageDocument) -> set[str]:
        return {name for name in names if any(name in of for of, _ in series(usage_metrics(document)))}

    assert shown(ordinary()) == {*names}
    assert shown(at_pace_max()) == set()


def test_i7_what_is_not_known_has_no_sample() -> None:
    document: Any = changed(report("run", "a"), "run", cost_usd=None, finished_at=None, budget_seconds=None)
    document["tests"][0].update(used_seconds=None, budget_seconds=None)
    for name in ("run_cost_usd", "run_finished_timestamp_seconds", "run_budget_seconds", "run_forecast_seconds"):
        assert of(document, name) is None
        assert f"{name} " not in usage_metrics(document)
    assert of(document, "test_used_seconds", nodeid="test_x.py::test_a", target="live") is None


def test_attempts_of_a_test_are_one_series_and_an_unknown_one_makes_their_sum_unknown() -> None:
    document = report("run", "a", "b")
    for test in document["tests"]:
        test["nodeid"] = "t"
    assert of(document, "test_used_seconds", nodeid="t", target="live") == 6.0
    document["tests"][1]["used_seconds"] = None
    assert of(document, "test_used_seconds", nodeid="t", target="live") is None


def test_i11_what_a_live_run_emulated_is_apart_from_it() -> None:
    document: Any = report("run", "a", "b")
    for entry in (document["tests"][1], document["sessions"][1]):
        entry.update(target="emulator", nodeid="test_x.py::test_a")
    assert of(document, "test_used_seconds", nodeid="test_x.py::test_a", target="live") == 3.0
    assert of(document, "test_used_seconds", nodeid="test_x.py::test_a", target="emulator") == 3.0
    assert of(document, "run_dials", closed_by="client") == 1
    assert of(document, "run_tier_seconds", tier="standard") == 3.0


def test_the_statement_is_there_once_it_was_read() -> None:
    document: Any = report("run", "a")
    assert of(document, "reconciliation_requests", **{"class": "matched"}) is None
    document["reconciliation"] = reconciliation(line("a"), line("b", vendor_usd=None))
    assert of(document, "reconciliation_verdict", verdict="reconciled") == 1
    assert of(document, "reconciliation_requests", **{"class": "matched"}) == 2
    assert of(document, "reconciliation_vendor_seconds") == 6.0
    assert of(document, "reconciliation_vendor_usd") is None


def test_a_regression_is_a_change_of_what_is_usual() -> None:
    document: Any = report("run", "a")
    spend = {"usual_seconds": 1.0, "now_seconds": 1.3, "change": 0.3, "limit": 0.2, "regressed": True}
    document["regression"] = {"verdict": "regression", "spend": spend, "latency": None}
    assert of(document, "regression_spend_change_ratio") == 0.3
    assert of(document, "regression_latency_change_ratio") is None


# What keeps it readable


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_any_name_is_a_label_as_it_is(text: str) -> None:
    found = usage_metrics(hostile_report(text))
    names = {dict(labels)["nodeid"] for (name, labels) in series(found) if name == f"{PREFIX}test_used_seconds"}
    assert names == {harmless(text), "other"}
    assert all(each == "\n" or each.isprintable() for each in found)


@given(ANY_TEXT, ANY_TEXT)
def test_any_two_names_are_read_by_both_parsers(text: str, other: str) -> None:
    series(usage_metrics(hostile_report(text, other)))


@given(shards())
def test_any_report_is_read_by_both_parsers(documents: list[UsageDocument]) -> None:
    for document in documents:
        series(usage_metrics(document))
    series(usage_metrics(merge([(str(number), each) for number, each in enumerate(documents)])))


def test_all_families_are_gauges_with_their_unit_in_their_name() -> None:
    found = usage_metrics(report("run", "a"))
    assert set(re.findall("^# TYPE .* (.*)$", found, re.MULTILINE)) == {"gauge"}
    for family in parse_openmetrics(found):
        assert family.name.endswith(family.unit)
        assert family.documentation.endswith(".")
    assert found.endswith("\n# EOF\n")


def test_each_family_has_its_row_with_its_unit_and_labels() -> None:
    rows, meanings = {}, {}
    for row in PAGE.read_text(encoding="utf-8").splitlines():
        cells = [cell.strip() for cell in row.strip("|").split(" | ")]
        if row.startswith("| `dgbudget_"):
            rows[cells[0].strip("`")] = [set(re.findall(r"`(\w+)`", cells[1])), cells[2]]
            meanings[cells[0].strip("`")] = cells[3]
    document: Any = hostile_report("a")
    document["reconciliation"] = reconciliation(line("a"))
    compared = {"change": 0.3}
    document["regression"].update(spend=compared, latency=compared)
    document["run"].update(
        dict.fromkeys(
            (
                *("cost_budget_usd", "forecast_seconds", "forecast_usd", "turns", "estimated"),
                *("replayed", "saved_seconds", "saved_usd"),
            ),
            1,
        ),
        latency_p50_ms=1,
        latency_p95_ms=1,
    )
    document["sessions"][0]["replay"] = {"result": "hit"}
    for entry in document["tests"]:
        entry.update(latency_p50_ms=1)
    labels: dict[str, set[str]] = {}
    for name, pairs in series(usage_metrics(document)):
        labels.setdefault(name, set()).update(dict(pairs))
    assert rows == {PREFIX + each.name: [labels[PREFIX + each.name], each.unit or "-"] for each in FAMILIES}
    assert meanings == {PREFIX + each.name: each.meaning for each in FAMILIES}
