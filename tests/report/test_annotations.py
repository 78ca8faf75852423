"""GitHub's annotations: which there are, ten at most, and that no text in them is a command."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given

from pytest_dgbudget.report.annotations import Place, workflow_commands
from pytest_dgbudget.report.document import UsageDocument
from tests.support.hostile import ANY_TEXT, TEXTS, hostile_report
from tests.support.shards import changed, report

COMMAND = re.compile(r"::(error|warning) ((?:[a-z]+=[^,:\r\n]*,)*[a-z]+=[^,:\r\n]*)::([^\r\n]*)")


def nowhere(nodeid: str) -> None:
    return None


def overran(count: int, **fields: Any) -> UsageDocument:
    document = report("run", *map(str, range(count)))
    overrun = {"scope": "test", "currency": "time", "label": "", "used": 9.9, "allowed": 10.0}
    for test in document["tests"]:
        known: Any = {
            "verdict": "overrun",
            "cut": True,
            "failing": True,
            "outcome": "failed",
            "overrun": overrun,
            **fields,
        }
        test.update(known)
    return changed(document, "run", verdict="overrun", failing=True)


def levels(commands: list[str]) -> list[str]:
    return [each.split()[0] for each in commands]


def test_an_overrun_is_an_error_where_its_test_is() -> None:
    (command,) = workflow_commands(overran(1), lambda nodeid: Place("tests/test_x.py", 7))
    assert command == (
        "::error file=tests/test_x.py,line=7,title=Voice agent budget (live%2C billed)::test_x.py::test_0: test budget "
        "of 10s used up, 9.9s used; raise it by marker dg_budget or --dg-test-budget"
    )
    (command,) = workflow_commands(overran(1), lambda nodeid: Place("tests/test_x.py", None))
    assert command.startswith("::error file=tests/test_x.py,title=")
    (command,) = workflow_commands(overran(1), nowhere)
    assert command.startswith("::error title=")


def test_i11_an_emulated_one_says_that_nothing_was_billed() -> None:
    (command,) = workflow_commands(changed(overran(1), "run", target="emulator", billed=False), nowhere)
    assert "title=Voice agent budget (emulator%2C not billed)::" in command


def test_a_run_within_its_budgets_has_none() -> None:
    assert workflow_commands(report("run", "a"), nowhere) == []


def test_there_are_ten_at_most_and_the_last_one_sums_the_rest() -> None:
    assert len(workflow_commands(overran(10), nowhere)) == 10
    commands = workflow_commands(overran(11), nowhere)
    assert len(commands) == 10
    assert commands[-1].endswith("::2 more overruns of budgets, all in usage.json")


def test_what_sums_the_rest_is_an_error_where_one_of_these_is() -> None:
    skipped = overran(13, outcome="skipped", cut=False, failing=False, refused=1)
    assert levels(workflow_commands(skipped, nowhere)) == ["::warning"] * 10
    known: Any = {"outcome": "failed", "cut": True, "failing": True}
    for test in skipped["tests"][:9]:
        test.update(known)
    assert levels(workflow_commands(skipped, nowhere)) == ["::error"] * 9 + ["::warning"]
    skipped["tests"][9].update(known)
    assert levels(workflow_commands(skipped, nowhere)) == ["::error"] * 10


def test_a_regression_is_one_warning_among_the_ten() -> None:
    document: Any = overran(11)
    document["regression"] = {"verdict": "regression", "sentences": ["dearer", "slower"]}
    commands = workflow_commands(document, nowhere)
    assert levels(commands) == ["::error"] * 9 + ["::warning"]
    assert commands[-2].endswith("::3 more overruns of budgets, all in usage.json")
    assert commands[-1].endswith("::dearer slower")
    document["regression"]["verdict"] = "none"
    assert "::warning" not in levels(workflow_commands(document, nowhere))


def test_what_another_plugin_annotates_is_left_to_it() -> None:
    assert workflow_commands(overran(3), nowhere, {"failed"}) == []
    assert len(workflow_commands(overran(3, outcome="error"), nowhere, {"failed"})) == 3


@pytest.mark.parametrize(("outcome", "cut", "failing", "expected"), [
    ("skipped", False, False, ["::warning"]),
    ("skipped", True, True, ["::error"]),
    ("xfailed", True, False, []),
    ("rerun", True, False, []),
    ("passed", True, True, ["::error"]),
])  # fmt: skip
def test_an_overrun_that_fails_nothing_is_a_warning_if_it_was_not_expected(
    outcome: str, cut: bool, failing: bool, expected: list[str]
) -> None:
    document = overran(1, outcome=outcome, cut=cut, refused=1, failing=failing)
    assert levels(workflow_commands(document, nowhere)) == expected


def test_a_run_that_overran_without_a_test_is_annotated_itself() -> None:
    charged = changed(report("run", "a"), "run", verdict="overrun", failing=True)
    assert levels(workflow_commands(charged, nowhere)) == ["::error"]
    past = changed(charged, "run", failing=False, bypass="seen")
    (command,) = workflow_commands(past, nowhere)
    assert command.startswith("::warning")
    assert "went past the gateway" in command


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_no_text_is_a_command_of_its_own(text: str) -> None:
    assert_commands(text)


@given(ANY_TEXT)
def test_nor_is_any_other(text: str) -> None:
    assert_commands(text)


def assert_commands(text: str) -> None:
    commands = workflow_commands(hostile_report(text), lambda nodeid: Place(nodeid, 1))
    assert levels(commands) == ["::error", "::error", "::warning"], "an overrun, a mismatch, a regression"
    for command in commands:
        assert COMMAND.fullmatch(command)
        assert command.isprintable()
        assert not re.search(r"%(?!25|0D|0A|3A|2C)", command)
        assert len(command.split("::", 2)[2]) < 3500
        command.encode()
