"""What our plugin does when the vendor misbehaves: every fault of the emulator, from a test while it runs."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pytest_dgbudget.emulator.faults.kinds import KINDS
from tests.support.project import PROJECTS, Project
from tests.support.rules_project import RulesProject, made_once, rules_in

RULES = "faults/test_rules.py"


@pytest.fixture(scope="module")
def rules_project(tmp_path_factory: pytest.TempPathFactory) -> RulesProject:
    def run(path: Path) -> RulesProject:
        return RulesProject(path, [RULES], "-n2", "--dg-pace=max", "--dg-reconcile-timeout=5s", env={})

    return made_once(tmp_path_factory, "faults", run)


@pytest.mark.parametrize("rule", [rule for rule in rules_in(RULES) if not rule.endswith("_at_the_budget")])
def test_rule(rules_project: RulesProject, rule: str) -> None:
    rules_project.check(rule)


# How the sessions of a test ended in the report: closed_by, close_code, confirmed. Of all others: _IN_ORDER.
_IN_ORDER = ("client", 1000, True)
ENDS: dict[str, list[tuple[str, int | None, bool]]] = {
    "test_refuse_is_a_handshake_refused_with_the_status": [("refused", None, True)],
    "test_limit_is_a_429_above_its_sessions": [_IN_ORDER, ("refused", None, True)],
    "test_no_welcome_is_cut_at_the_budget": [("test-budget", 4402, True)],
    "test_silence_is_cut_at_the_budget": [("test-budget", 4402, False)],
    "test_silence_ends_with_the_test": [("client", 1000, False)],
    "test_deaf_lets_what_is_sent_back_up_and_answers_nothing": [("client", 1000, False)],
    "test_drop_is_a_session_closed_by_the_network[rst]": [("network", None, True)],
    "test_drop_is_a_session_closed_by_the_network[fin]": [("network", None, True)],
    "test_drop_strikes_sessions_that_are_open": [("network", None, True)],
    "test_async_tests_set_them_as_well": [("network", None, True)],
    "test_ignore_close_does_not_keep_the_client_waiting": [("client", 1000, False)],
    "test_malformed_messages_end_nothing_but_the_session[utf8]": [("client", 1007, True)],
    "test_malformed_messages_end_nothing_but_the_session[frame]": [("client", 1002, True)],
    "test_out_of_credit_ends_the_session_and_refuses_the_next": [("server", 1005, True), ("refused", None, True)],
    "test_a_bad_fault_is_refused_with_what_there_is": [],
}


def test_the_report_says_who_closed_and_whether_the_vendor_agreed(rules_project: RulesProject) -> None:
    found = {
        name: [(each["closed_by"], each["close_code"], each["confirmed"]) for each in rules_project.sessions(name)]
        for name in rules_project.ran
    }
    assert found == {name: ENDS.get(name, [_IN_ORDER]) for name in rules_project.ran}


def test_a_cut_charges_no_more_than_the_budget_and_overruns(rules_project: RulesProject) -> None:
    tests = [test for test in rules_project.usage["tests"] if test["nodeid"].endswith("_at_the_budget")]
    assert [(test["outcome"], test["verdict"]) for test in tests] == [("xfailed", "overrun")] * 2
    overshoot = rules_project.usage["run"]["overshoot_seconds"]  # where the machine kept the gateway waiting
    assert [test["used_seconds"] for test in tests if not 1 < test["used_seconds"] <= 2 + overshoot] == []


def test_what_was_metered_agrees_with_the_bill_all_the_same(rules_project: RulesProject) -> None:
    assert rules_project.usage["reconciliation"]["verdict"] == "reconciled", rules_project.output


def test_every_fault_is_used_by_a_test() -> None:
    source = (PROJECTS / RULES).read_text(encoding="utf-8")
    used = set(re.findall(r'"([a-z-]+)"', source)) | {fault[0] for fault, _, _ in [*BILL, *BILL_AGAIN]}
    assert set(KINDS) <= used


# The bill ------------------------------------------------------------------------------------------------------------

# What the reconciliation says within a time: the verdict, the classes of its lines, and what pytest prints.
NOT_YET = ("pending", ["pending"], "1 of 1 sessions are not in the statement yet")
AGREE = ("reconciled", ["matched"], "1 of 1 session agrees")
BILL: list[tuple[tuple[str, dict[str, object]], str, tuple[str, list[str], str]]] = [
    (("bill-missing", {}), "1s", NOT_YET),
    (("bill-refused", {"status": 403}), "4s", ("inconclusive", ["pending"], "does the key have the scope usage:read?")),
]
BILL_AGAIN: list[tuple[tuple[str, dict[str, object]], str, tuple[str, list[str], str]]] = [
    (("bill-duplicate", {}), "4s", ("discrepancy", ["duplicate"], "")),
    (("bill-wrong", {"factor": 1000}), "4s", ("discrepancy", ["duration"], "the statement has")),
    (("bill-slow", {"delay": "300ms"}), "9s", AGREE),
    (("bill-rounded-up", {"to": "1m"}), "4s", ("discrepancy", ["duration"], "60.00s from creation to completion")),
    (("bill-foreign", {"seconds": 90}), "4s", ("discrepancy", ["matched", "missing-in-ledger"], "90.00s")),
    (("bill-late", {"by": "1s"}), "9s", AGREE),
    (("bill-late", {"by": "1h"}), "1s", NOT_YET),
    (("bill-refused", {"status": 500}), "1s", ("inconclusive", ["pending"], "HTTP 500: EMULATED_REFUSAL")),
    (("bill-refused", {"status": 503, "times": 1}), "9s", AGREE),
    (("bill-slow", {"delay": "9s"}), "1s", ("inconclusive", ["pending"], "can't be reached: TimeoutError")),
]


@pytest.mark.parametrize(
    ("fault", "within", "said"), [*BILL, *(pytest.param(*row, marks=pytest.mark.slow) for row in BILL_AGAIN)], ids=str
)
def test_the_reconciliation_reports_a_fault_of_the_bill(
    project: Project, fault: tuple[str, dict[str, object]], within: str, said: tuple[str, list[str], str]
) -> None:
    project.use("faults/test_bill.py")
    env = {"FAULT": json.dumps({"kind": fault[0], **fault[1]})}
    ended = project.run(f"--dg-reconcile-timeout={within}", env=env)
    found = ended.usage["reconciliation"]
    assert ended.outcomes() == {"test_it": "passed"}
    assert (found["verdict"], sorted(line["class"] for line in found["lines"])) == said[:2], ended.output
    assert said[2] in ended.output


# Where they come from ------------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_a_scenario_has_faults_for_each_of_its_sessions(project: Project) -> None:
    project.write(
        "broken.toml",
        '[[scenario]]\nname = "gone"\n[[scenario.fault]]\nkind = "drop"\nat = "SettingsApplied"\n'
        '[[scenario]]\nname = "closed"\n[[scenario.fault]]\nkind = "refuse"\nstatus = 503\n',
    )
    project.use("faults/test_scenario.py")
    ended = project.run()
    assert ended.status == 0, ended.output
