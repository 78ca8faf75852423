"""Replays in a report: labelled, in no figure of what was used, and with what they saved."""

from __future__ import annotations

import csv
import json
import re
from datetime import datetime, timedelta, timezone
from importlib.resources import files
from io import StringIO
from typing import Any

import jsonschema
import pytest

from pytest_dgbudget.ledger.facts import ArchivedPart, SessionFacts
from pytest_dgbudget.ledger.period_sums import ReplaySums, RunDay
from pytest_dgbudget.plugin.junit import attempt_properties, run_properties
from pytest_dgbudget.report.annotations import workflow_commands
from pytest_dgbudget.report.comparison_document import compare
from pytest_dgbudget.report.comparison_text import comparison_blocks
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html.attention import findings
from pytest_dgbudget.report.html.page import usage_page
from pytest_dgbudget.report.markdown import usage_markdown
from pytest_dgbudget.report.merging import merge
from pytest_dgbudget.report.openmetrics import usage_metrics
from pytest_dgbudget.report.period_document import PeriodSpending, period_document
from pytest_dgbudget.report.period_text import period_csv, period_text
from pytest_dgbudget.report.projection import usage_document
from pytest_dgbudget.report.run_csv import run_csv
from pytest_dgbudget.report.run_line import recorded_line, replays_line, run_line
from pytest_dgbudget.report.run_warnings import old_cassettes_of
from pytest_dgbudget.report.tests_table import table_of_tests
from pytest_dgbudget.rules.spending import Spent
from tests.support.facts import AT, lease, run, session, turn
from tests.support.markup import ReadPage
from tests.support.metrics import series

VALIDATOR = jsonschema.Draft202012Validator(
    json.loads(files("pytest_dgbudget.report").joinpath("usage.schema.json").read_text(encoding="utf-8"))
)
FOLDER = "tests/cassettes/test_x-1f"
MISMATCH = {"cassette": f"{FOLDER}/2", "line": 7, "what": "other words", "differences": ["/content", "- a", "+ b"]}


def replay(**fields: Any) -> SessionFacts:
    """A session of half a minute that a cassette played in 0.2 s."""
    known: dict[str, Any] = {
        "ms": 200,
        "micro_usd": 0,
        "skipped_ms": 29_800,
        "forecast_micro_usd": 37_500,
        "replayed_from": FOLDER,
        "cassette": f"{FOLDER}/1",
        "cassette_recorded_at": AT,
        "request_id": "request-of-replay",
    }
    return session(**{**known, **fields})


def document(**fields: Any) -> UsageDocument:
    made = usage_document(run(**fields))
    VALIDATOR.validate(made)
    return made


NOTHING = lease(id="of-replay", allowance_ms=0, ended_ms=0, micro_usd=0, ended_micro_usd=0)


def replayed(**fields: Any) -> UsageDocument:
    """A run of target replay: one session as recorded, one that was not."""
    known: dict[str, Any] = {
        "target": "replay",
        "billed": False,
        "leases": (NOTHING,),
        "sessions": (
            replay(),
            replay(id="s2", cassette=f"{FOLDER}/2", mismatch=json.dumps(MISMATCH), forecast_micro_usd=12_500),
        ),
    }
    return document(**{**known, **fields})


def live_with_replay() -> UsageDocument:
    """A live run: one session was dialled and recorded, one was replayed."""
    return document(
        target="live",
        billed=True,
        leases=(lease(), NOTHING),
        sessions=(session(cassette=f"{FOLDER}/2"), replay(id="s2", lease="of-replay", target="replay")),
        turns=(turn(session="s"), turn(session="s2", answered_ms=9000)),
    )


# usage.json -----------------------------------------------------------------------------------------------------------


def test_i11_a_run_of_replays_uses_nothing_and_says_what_it_saved() -> None:
    made = replayed()
    of_run, (test,), (hit, miss) = made["run"], made["tests"], made["sessions"]
    assert (of_run["target"], of_run["billed"], of_run["used_seconds"], of_run["cost_usd"]) == ("replay", False, 0, 0)
    assert (of_run["sessions"], of_run["replayed"], of_run["saved_seconds"], of_run["saved_usd"]) == (2, 2, 60.0, 0.05)
    assert (test["used_seconds"], test["replayed"], test["saved_seconds"], test["saved_usd"]) == (0, 2, 60.0, 0.05)
    assert hit["replay"] == {
        "cassette": f"{FOLDER}/1",
        "result": "hit",
        "recorded_at": AT,
        "mismatch": None,
        "saved_seconds": 30.0,
        "saved_usd": 0.0375,
    }
    assert miss["replay"] is not None
    assert miss["replay"]["result"] == "miss"
    assert miss["replay"]["mismatch"] == {"line": 7, "what": "other words", "differences": ["/content", "- a", "+ b"]}
    assert [(each["target"], each["billed"]) for each in made["sessions"]] == [("replay", False)] * 2


def test_i11_a_replay_in_a_live_run_counts_in_no_figure_of_what_is_billed() -> None:
    made = live_with_replay()
    of_run, (test,), (dialled, played) = made["run"], made["tests"], made["sessions"]
    assert (dialled["target"], dialled["billed"]) == ("live", True)
    assert (played["target"], played["billed"]) == ("replay", False)
    for figures in (of_run, test):
        assert (figures["used_seconds"], figures["sessions"], figures["cost_usd"]) == (3.0, 1, 0.0038)
        assert (figures["turns"], figures["latency_p50_ms"], figures["forecast_seconds"]) == (1, 400, None)
        assert (figures["replayed"], figures["saved_seconds"], figures["saved_usd"]) == (1, 30.0, 0.0375)


def test_a_live_session_of_which_a_cassette_was_made_says_so_and_saved_nothing() -> None:
    recorded = live_with_replay()["sessions"][0]["replay"]
    assert recorded is not None
    assert (recorded["result"], recorded["cassette"], recorded["saved_seconds"]) == ("recorded", f"{FOLDER}/2", None)


def test_where_nothing_has_to_do_with_a_cassette_nothing_is_saved() -> None:
    made = document()
    assert made["sessions"][0]["replay"] is None
    assert (made["run"]["replayed"], made["run"]["saved_seconds"], made["run"]["saved_usd"]) == (0, None, None)


def test_i7_what_a_lost_replay_saved_is_not_known() -> None:
    made = replayed(sessions=(replay(), replay(id="s2", usage=None, ms=None, skipped_ms=None, forecast_micro_usd=None)))
    assert (made["run"]["replayed"], made["run"]["saved_seconds"], made["run"]["saved_usd"]) == (2, None, None)
    assert replays_line(made) == "replayed 2 sessions from cassettes, not billed"


def test_a_run_in_which_all_is_replayed_leaves_no_doubt_where_its_application_dials() -> None:
    assert replayed(sessions=(), leases=())["run"]["bypass"] == "refused"
    played = replay(lease="of-replay", target="replay")
    assert document(target="live", billed=True, leases=(NOTHING,), sessions=(played,))["run"]["bypass"] == "refused"


def test_of_shards_what_replays_saved_is_added_up() -> None:
    one, other = replayed(id="one"), replayed(id="other", sessions=(replay(id="s3"),))
    idle = replayed(id="idle", attempts=(), leases=(), sessions=())
    together = merge([("a", one), ("b", other), ("c", idle)])["run"]
    assert (together["replayed"], together["saved_seconds"], together["saved_usd"]) == (3, 90.0, 0.0875)


# What is shown --------------------------------------------------------------------------------------------------------


def test_the_line_says_how_many_what_that_saved_and_what_did_not_match() -> None:
    assert replays_line(replayed()) == (
        "replayed 2 sessions from cassettes, not billed: saved 1m and $0.0500; 1 session did not match its cassette"
    )
    assert replays_line(live_with_replay()) == ("replayed 1 session from cassettes, not billed: saved 30s and $0.0375")
    assert recorded_line(live_with_replay()) == "recorded 1 session as a cassette"
    assert (replays_line(document()), recorded_line(document())) == (None, None)


def test_no_forecast_is_shown_beside_what_was_saved() -> None:
    assert "live about" not in run_line(replayed())
    heading, row = table_of_tests(replayed(), width=120, color=False).splitlines()
    assert heading.split() == ["test", "used", "saved", "budget", "cost", "sessions", "verdict"]
    assert row.split()[1:3] == ["0.00s", "60.00s"]


def test_the_table_has_no_column_of_what_was_saved_where_nothing_was() -> None:
    assert "saved" not in table_of_tests(document(), width=120, color=False)


def test_a_mismatch_needs_attention_on_both_pages_and_is_an_error_of_its_test() -> None:
    made = replayed()
    said = f"{FOLDER}/2, line 7: other words (/content; - a; + b)"
    assert [each.label for each in findings(made)] == ["mismatch"]
    page = ReadPage(usage_page(made)).text
    assert said in page
    assert "pytest test_x.py::test --dg-target=live --dg-record=rewrite --dg-budget=TIME" in page
    (line,) = [line for line in usage_markdown(made).splitlines() if "other words" in line]
    assert line.startswith("- ")
    (command,) = workflow_commands(made, lambda nodeid: None)
    assert command.startswith("::error title=Voice agent budget (replay%2C not billed)::test_x.py::test: ")
    assert said in command
    assert workflow_commands(made, lambda nodeid: None, spoken_for=["passed"]) == []


def test_a_session_of_which_no_cassette_has_the_settings_says_so() -> None:
    (found,) = findings(replayed(sessions=(replay(cassette=None, mismatch=json.dumps(MISMATCH)),)))
    assert "no cassette of its test has its Settings" in str(found.details)


def test_a_replay_of_which_nothing_is_known_is_no_mismatch_anywhere() -> None:
    made = replayed(sessions=(replay(cassette=None),))
    assert (made["sessions"][0]["replay"], list(findings(made))) == (None, [])
    assert "did not match" not in f"{usage_markdown(made)}{ReadPage(usage_page(made)).text}"


def test_pages_say_what_was_saved_and_show_no_cost() -> None:
    page = ReadPage(usage_page(replayed())).text
    assert "Replayed 2 sessions from cassettes, not billed: saved 1m and $0.0500" in page
    assert "Cost, if it were live" not in page
    tests = usage_page(replayed()).partition('id="tests-table"')[2].partition("</table>")[0]
    assert re.search(r"60\.00s<div[^>]*>\$0\.0500<", tests)
    assert "saved 1m and $0.0500" in usage_markdown(replayed()).replace("\\", "")


def test_metrics_csv_and_junit_have_it() -> None:
    made = replayed()
    found = {name: value for (name, _), value in series(usage_metrics(made)).items()}
    assert (found["dgbudget_run_saved_seconds"], found["dgbudget_run_saved_usd"]) == (60.0, 0.05)
    replays = {dict(labels)["result"]: value for (name, labels), value in series(usage_metrics(made)).items()
               if name == "dgbudget_run_replays"}  # fmt: skip
    assert replays == {"hit": 1, "miss": 1, "recorded": 0}
    (row,) = csv.DictReader(StringIO(run_csv(made), newline=""))
    assert (row["replayed"], row["saved_seconds"], row["saved_usd"]) == ("2", "60.0", "0.05")
    expected = {"dgbudget.replayed": "2", "dgbudget.saved_seconds": "60.000", "dgbudget.saved_usd": "0.050000"}
    figures: Any = {**made["tests"][0], "request_ids": []}
    for properties in (attempt_properties(figures), run_properties(made, None)):
        assert expected.items() <= dict(properties).items()
    assert not expected.keys() & dict(run_properties(document(), None)).keys()


def test_two_runs_are_compared_with_what_each_saved() -> None:
    (table, *_) = comparison_blocks(compare(replayed(), replayed(sessions=(replay(),))))
    assert ("saved by replays", "1m and $0.0500", "30s and $0.0375") in table.rows  # type: ignore[union-attr]
    (table, *_) = comparison_blocks(compare(document(), document()))
    assert not [row for row in table.rows if row[0] == "saved by replays"]  # type: ignore[union-attr]


SINCE = datetime(2026, 11, 1, tzinfo=timezone.utc)


@pytest.mark.parametrize("runs", [{}, {RunDay("live", "a", "2026-11-02"): Spent(sessions=1, ms=3000, micro_usd=3800)}])
def test_what_replays_of_a_period_saved_stands_apart(runs: dict[RunDay, Spent]) -> None:
    empty = PeriodSpending(SINCE, SINCE + timedelta(days=30), runs, {}, {}, {})
    period = empty._replace(replays=ReplaySums(runs=3, sessions=12, ms=250_000, micro_usd=312_500))
    made = period_document(period, empty._replace(runs={}), {}, [], most=5)
    assert made["replays"] == {"runs": 3, "sessions": 12, "saved_seconds": 250.0, "saved_usd": 0.3125}
    lines = [*period_text(made, width=100, color=False)]
    assert "replayed 12 sessions of 3 runs from cassettes, not billed: saved 4m10s and $0.3125" in lines
    assert not any("no run of the ledger" in line for line in lines)
    rows = [*csv.DictReader(StringIO(period_csv(made), newline=""))]
    (row,) = [row for row in rows if row["what"] == "replays"]
    assert (row["sessions"], row["saved_seconds"], row["saved_usd"], row["seconds"]) == ("12", "250.0", "0.3125", "")


# Age ------------------------------------------------------------------------------------------------------------------


def test_cassettes_that_were_replayed_are_as_old_as_their_recording() -> None:
    facts = run(sessions=(replay(), session(id="s2", cassette=f"{FOLDER}/2")))
    now = "2026-11-04T10:00:00.000Z"
    assert old_cassettes_of(facts, 2 * 24 * 3_600_000, now) is None
    said = old_cassettes_of(facts, 24 * 3_600_000, now)
    assert said is not None
    assert said.startswith(f"1 cassette is older than 1d (dg_cassette_max_age): {FOLDER}/1 (2d); ")


def test_i11_the_guessed_tier_of_a_replay_makes_no_live_cost_an_estimate() -> None:
    beside = replay(id="s2", target="replay", estimated=1)
    document = usage_document(run(sessions=(session(estimated=0), beside)))
    assert (document["run"]["estimated"], document["tests"][0]["estimated"]) == (False, False)


def test_what_was_saved_counts_also_where_it_is_archived() -> None:
    archived = ArchivedPart("old.gz", AT, AT, 0, 0, 0, replays=2, saved_ms=60_000, saved_micro_usd=75_000)
    again = usage_document(run(sessions=(replay(),), archived=(archived,)))["run"]
    assert (again["replayed"], again["saved_seconds"], again["saved_usd"]) == (3, 90.0, 0.1125)
