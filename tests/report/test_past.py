"""What the document says of earlier runs, and the terminal of a regression."""

from __future__ import annotations

import json
from typing import get_args

import jsonschema
import pytest

from pytest_dgbudget.ledger.runs_before import EarlierRun, RunsBefore
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.past import past_of, uncompared_past_of
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.regression import regression_lines
from pytest_dgbudget.report.regression_figures import NO_PAST, Past, RegressionFigures, RegressionVerdict
from pytest_dgbudget.rules.regression import RunUse, UseOfTest
from tests.report.test_usage import VALIDATOR
from tests.support.facts import AT, run

TESTS = [f"test_it.py::test_{number}" for number in range(12)]


def use(ms: int = 10_000, latency_ms: int | None = 1200, **others: int) -> RunUse:
    used = {test: UseOfTest(ms, latency_ms) for test in TESTS}
    return {**used, **{f"test_it.py::{test}": UseOfTest(each, latency_ms) for test, each in others.items()}}


def earlier(*uses: RunUse) -> list[EarlierRun]:
    return [
        EarlierRun(
            id=f"run-{number}",
            started_at=AT,
            tests=12,
            sessions=13,
            ms=120_000,
            micro_usd=None if number else 2_000_000,
            latency_p50_ms=None if number else 1200,
            use=each,
        )
        for number, each in enumerate(uses)
    ]


def document(past: Past) -> UsageDocument:
    made = usage_document(run(), past=past)
    VALIDATOR.validate(json.loads(json.dumps(made, allow_nan=False)))
    return made


def compared(now: RunUse, *before: RunUse) -> RegressionFigures:
    made = document(past_of(RunsBefore(now, earlier(*before))))["regression"]
    assert made is not None
    return made


def test_earlier_runs_are_there_whether_this_one_is_compared_or_not() -> None:
    before = RunsBefore(use(), earlier(use(), use()))
    made = document(past_of(before))["history"]
    assert made == document(uncompared_past_of(before))["history"]
    known = {"started_at": AT, "tests": 12, "sessions": 13, "used_seconds": 120.0}
    assert made == [
        {**known, "id": "run-0", "cost_usd": 2.0, "latency_p50_ms": 1200},
        {**known, "id": "run-1", "cost_usd": None, "latency_p50_ms": None},
    ]


def test_off_is_said_and_no_past_is_none() -> None:
    made = document(uncompared_past_of(RunsBefore(use(40_000), earlier(*[use()] * 9))))
    assert made["regression"] is not None
    assert made["regression"]["verdict"] == "off"
    assert document(NO_PAST)["regression"] is None


def test_too_few_runs_are_said_with_their_number_and_nothing_in_the_terminal() -> None:
    made = compared(use(), *[use()] * 4)
    assert (made["verdict"], made["runs"], made["tests"], made["spend"]) == ("too-few-runs", 4, 0, None)
    (sentence,) = made["sentences"]
    assert sentence.startswith("4 earlier runs can be compared with this one, and 5 are needed")
    assert regression_lines(document(Past(made))) == []


def test_why_nothing_was_judged_is_said_by_its_reason() -> None:
    def said(now: RunUse, *before: RunUse) -> str:
        made = compared(now, *before)
        assert made["verdict"] == "too-few-runs"
        (sentence,) = made["sentences"]
        return sentence

    two = dict([*use().items()][:2])
    assert said(two, *[two] * 12).startswith(
        "2 tests of this run can be compared with earlier ones, and 3 are needed: tests that passed"
    )
    shards = [dict([*use().items()][start : start + 6]) for start in (0, 6)]
    assert said(use(), *shards * 3, shards[0]).startswith(
        "7 earlier runs can be compared with this one, but too few of its tests were in the last of them and in 4"
    )


def test_a_run_as_usual_has_its_figures_and_nothing_in_the_terminal() -> None:
    made = compared(use(), *[use()] * 8)
    assert (made["verdict"], made["runs"], made["tests"], made["contributors"]) == ("none", 8, 12, [])
    assert made["spend"] == {
        "usual_seconds": 120.0,
        "now_seconds": 120.0,
        "change": 0.0,
        "limit": pytest.approx(0.11, abs=0.03),
        "regressed": False,
    }
    assert made["latency"] is not None
    assert (made["latency"]["usual_seconds"], made["latency"]["now_seconds"]) == (1.2, 1.2)
    assert made["sentences"] == []
    assert regression_lines(document(Past(made))) == []


def test_a_regression_is_said_in_figures_and_words_with_those_that_contribute_most() -> None:
    now = use(20_000, test_3=60_000)
    made = compared(now, *[use()] * 8, now)
    assert (made["verdict"], made["runs"]) == ("regression", 9)
    assert made["spend"] is not None
    assert made["spend"]["change"] == pytest.approx(1)
    assert made["spend"]["now_seconds"] == pytest.approx(240)
    assert made["spend"]["regressed"]
    assert len(made["contributors"]) == 10
    assert made["contributors"][0] == {
        "nodeid": "test_it.py::test_3",
        "figure": "spend",
        "usual_seconds": 10.0,
        "now_seconds": 60.0,
        "change": 5.0,
    }
    spend, first, _, _, more = regression_lines(document(Past(made)))
    assert spend.startswith(
        "regression: the spend of 12 shared tests is 100% above what it was in 9 earlier runs (120.00s → 240.00s"
    )
    assert first == "  test_it.py::test_3: spend 10.00s → 60.00s (+500%)"
    assert more == "  and 7 more in usage.json"


def test_the_terminal_has_what_regressed_alone() -> None:
    now = use(latency_ms=2400)
    made = compared(now, *[use()] * 8, now)
    assert {each["figure"] for each in made["contributors"]} == {"latency"}
    lines = regression_lines(document(Past(made)))
    assert [line for line in lines if line.startswith("regression")] == [lines[0]]
    assert "the median turn latency of 12 shared tests is 100% above" in lines[0]


def test_a_single_test_is_named_once() -> None:
    now = use(test_3=40_000)
    made = compared(now, *[use()] * 8, now, now)
    assert made["verdict"] == "regression"
    assert [each["nodeid"] for each in made["contributors"]] == ["test_it.py::test_3"]
    first, _ = regression_lines(document(Past(made)))
    assert first == (
        "regression: 1 test took far more than usual in this run and the two before it, "
        "most of all test_it.py::test_3 (10.00s → 40.00s)"
    )

    now = use(20_000, test_3=90_000)
    both = compared(now, *[use()] * 8, now, now)["contributors"]
    assert len(both) == len({each["nodeid"] for each in both}) == 11
    assert both[0]["nodeid"] == "test_it.py::test_3"


def test_a_document_without_these_fields_has_nothing_to_say() -> None:
    older = dict(document(NO_PAST))
    del older["regression"]
    assert regression_lines(older) == []  # type: ignore[arg-type]


def test_the_schema_names_each_verdict() -> None:
    for verdict in get_args(RegressionVerdict):
        document(Past({**compared(use()), "verdict": verdict}))
    with pytest.raises(jsonschema.ValidationError):
        document(Past({**compared(use()), "verdict": "other"}))  # type: ignore[arg-type]
