"""``dgbudget audit``, over HTTP: what it finds, what it says, and its exit status."""

from __future__ import annotations

import json
import re
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import datetime, time, timedelta, timezone
from functools import partial
from pathlib import Path
from time import monotonic
from typing import Any

import pytest

from pytest_dgbudget.cli import main
from pytest_dgbudget.instants import write_instant
from pytest_dgbudget.ledger.run_lock import RunLock
from pytest_dgbudget.model import TierSpan
from pytest_dgbudget.report.audit_document import AuditDocument
from tests.cli.conftest import DGBUDGET
from tests.support import emulator_process
from tests.support.aged import age
from tests.support.ended_runs import PENDING
from tests.support.ledger import leased
from tests.support.past import live_run, lose, record_of, request_of, spend
from tests.support.project import Project
from tests.support.statement import PROJECT, Answer, Asked, Bill, Entry, refusal, unsettled
from tests.support.terminal import Terminal

KEY = "7e57ab1e00c0ffee5eed0dd5eafa11babe5ca1ab"
# What hasn't come by now never will.
SETTINGS = "[pytest]\ndg_vendor_grace = 0s\n"
TAG = "dgbudget-nightly"


@dataclass
class Audited:
    """A project with a ledger, and the vendor's statement."""

    path: Path
    bill: Bill
    capsys: pytest.CaptureFixture[str]

    @property
    def ledger(self) -> Path:
        return self.path / ".dgbudget/ledger.db"

    def audit(self, *arguments: str, since: str = "7d") -> tuple[int, dict[str, Any]]:
        """Return the exit status and the document."""
        status = main(["audit", "--since", since, "--json", *arguments])
        printed, complaints = self.capsys.readouterr()
        assert complaints == ""
        document: dict[str, Any] = json.loads(printed)
        return status, document

    def text(self, *arguments: str) -> str:
        main(["audit", "--since", "7d", *arguments])
        return self.capsys.readouterr().out

    def refused(self, *arguments: str) -> str:
        """Return the one line that says what is wrong with the usage."""
        with pytest.raises(SystemExit) as ended:
            main(["audit", *arguments])
        assert ended.value.code == 2
        printed, complaints = self.capsys.readouterr()
        assert (printed, complaints.count("\n")) == ("", 1)
        return complaints


@pytest.fixture
def audited(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Audited]:
    (tmp_path / "pytest.ini").write_text(SETTINGS, encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    with Bill(KEY) as bill:
        for name, value in {"DEEPGRAM_API_KEY": KEY, "DG_API_URL": bill.url}.items():
            monkeypatch.setenv(name, value)
        yield Audited(tmp_path, bill, capsys)


def past(audited: Audited, *seconds: float, run: str = "nightly", **fields: Any) -> list[str]:
    """Have a run spend so much in a session each; return the ids of their requests."""
    with closing(live_run(audited.ledger, run)) as ledger:
        return [request_of(spend(ledger, round(each * 1000), **fields)) for each in seconds]


def billed(request_id: str, seconds: float, *tags: str, **fields: Any) -> Entry:
    return Entry(request_id, seconds, **{"tags": tags or (TAG,), **fields})


def kinds(document: dict[str, Any]) -> dict[str, int]:
    return {kind: figures["lines"] for kind, figures in document["classes"].items()}


# Findings -------------------------------------------------------------------------------------------------------------


def test_what_agrees_is_reconciled(audited: Audited) -> None:
    a, b = past(audited, 10, 20)
    audited.bill.entries = lambda: [billed(a, 10), billed(b, 20.5)]
    status, document = audited.audit()
    assert (status, document["verdict"], document["reasons"]) == (0, "reconciled", [])
    assert kinds(document) == {"matched": 1, "within-tolerance": 1}
    assert document["classes"]["within-tolerance"] == {
        "lines": 1,
        "local_seconds": 20,
        "vendor_seconds": 20.5,
        "elapsed_seconds": 20.5,
        "delta_seconds": 0.5,
        "vendor_usd": 0.025625,
    }
    assert document["lines"] == []


def test_what_nobody_logged_is_found_in_any_run_of_the_ledger(audited: Audited) -> None:
    (a,) = past(audited, 10)
    past(audited, run="weekly")
    audited.bill.entries = lambda: [billed(a, 10), billed("unlogged", 77, "dgbudget-weekly", "team")]
    status, document = audited.audit()
    assert (status, document["verdict"]) == (1, "discrepancy")
    (line,) = document["lines"]
    assert (line["class"], line["run"], line["request_id"]) == ("missing-in-ledger", "weekly", "unlogged")
    assert (line["local_seconds"], line["vendor_seconds"]) == (None, 77)


@pytest.mark.parametrize(
    ("entries", "found"),
    [
        ([], {"missing-at-vendor": 1}),
        ([13], {"duration": 1}),
        ([10, 30], {"duplicate": 1}),
    ],
    ids=["missing", "duration", "duplicate"],
)
def test_a_session_that_disagrees_is_a_discrepancy(
    audited: Audited, entries: list[float], found: dict[str, int]
) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, seconds) for seconds in entries]
    status, document = audited.audit()
    assert (status, document["verdict"], kinds(document)) == (1, "discrepancy", found)
    assert [line["request_id"] for line in document["lines"]] == [a]


def test_what_has_not_settled_within_the_grace_is_pending(audited: Audited) -> None:
    (audited.path / "pytest.ini").unlink()
    a, b = past(audited, 10, 10)
    audited.bill.entries = lambda: unsettled([billed(a, 10)])
    status, document = audited.audit()
    assert (status, document["verdict"], kinds(document)) == (0, "pending", {"pending": 2})
    assert {line["request_id"] for line in document["lines"]} == {a, b}


def test_a_duration_that_is_none_is_unconfirmed_and_the_audit_inconclusive(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 10, details={"duration": "ten"})]
    status, document = audited.audit()
    assert (status, document["verdict"], kinds(document)) == (0, "inconclusive", {"unconfirmed": 1})


def test_a_row_without_a_duration_whose_times_differ_is_unclear(audited: Audited) -> None:
    (a,) = past(audited, 10)
    row = billed(a, 30).row()
    del row["response"]["details"]["duration"]
    audited.bill.overrides["list"] = lambda _: Answer.json({"requests": [row]})
    audited.bill.entries = lambda: [billed(a, 10)]
    status, document = audited.audit()
    assert (status, document["verdict"], kinds(document)) == (0, "inconclusive", {"unclear": 1})
    assert document["lines"][0]["elapsed_seconds"] == 30


def test_rows_without_durations_are_held_against_the_hours_of_the_days(audited: Audited) -> None:
    ids = past(audited, *[10] * 21)
    others = [billed("x", 500, "dgbudget-theirs"), billed("y", 500, "web")]
    audited.bill.entries = lambda: [*(billed(each, 10, details={"duration": None}) for each in ids), *others]
    status, document = audited.audit()
    assert (status, document["verdict"], document["hours"]["vendor_seconds"]) == (0, "reconciled", 210)
    assert document["drift"]["n"] == 21
    (asked,) = audited.bill.calls("usage")
    assert (asked.value("grouping"), asked.value("endpoint"), asked.value("tag")) == ("tags", "agent", "")
    audited.bill.entries = lambda: [billed(each, 20, details={"duration": None}) for each in ids]
    status, document = audited.audit()
    assert (status, document["hours"]["verdict"]) == (1, "discrepancy")


def test_hours_are_not_compared_where_a_session_ran_past_the_first_midnight(audited: Audited) -> None:
    a, b = past(audited, 10, 10)
    midnight = datetime.combine(datetime.now(timezone.utc).date(), time(), timezone.utc)
    with closing(sqlite3.connect(audited.ledger)) as ledger, ledger:
        moved = {
            "at": write_instant(midnight - timedelta(hours=1)),
            "closed": write_instant(midnight + timedelta(seconds=1)),
        }
        dial = b.removeprefix("request-")
        ledger.execute("UPDATE dial SET at = ? WHERE id = ?", [moved["at"], dial])
        ledger.execute("UPDATE usage SET closed_at = ? WHERE dial = ?", [moved["closed"], dial])
    audited.bill.entries = lambda: [billed(a, 10, details={"duration": None})]
    status, document = audited.audit(since=str(midnight.date()))
    assert (status, document["verdict"], kinds(document)) == (0, "inconclusive", {"matched": 1})
    assert any("ran past the midnight" in reason for reason in document["reasons"])


@pytest.mark.parametrize("shows_tags", [True, False])
def test_hours_that_can_not_be_told_apart_are_said(audited: Audited, shows_tags: bool) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 10, details={"duration": None})]
    audited.bill.shows_tags = shows_tags
    if shows_tags:
        audited.bill.overrides["usage"] = lambda _: refusal(403, "FORBIDDEN", "Insufficient permissions.")
    status, document = audited.audit()
    assert (status, document["verdict"]) == (0, "inconclusive")
    said = "usage:read" if shows_tags else "shows no tags"
    assert any(said in reason for reason in document["reasons"])


def test_small_differences_that_add_up_are_drift_in_all_and_for_each_key(audited: Audited) -> None:
    ids = past(audited, *[10] * 25)
    key = "11111111-2222-3333-4444-555555555555"  # of the statement's rows
    with closing(sqlite3.connect(audited.ledger)) as ledger, ledger:
        ledger.execute(
            "INSERT INTO run_key (id, run, invocation, made_at) VALUES (?, 'nightly', 'invocation of nightly', '')",
            [key],
        )
    audited.bill.entries = lambda: [billed(each, 11.9) for each in ids]
    status, document = audited.audit()
    assert (status, document["verdict"]) == (1, "discrepancy")
    assert kinds(document) == {"within-tolerance": 25}
    assert document["drift"]["direction"] == document["drift_by_key"][key]["direction"] == "more"
    assert document["drift"]["seconds"] == pytest.approx(25 * 1.4 - 1.25)
    assert sum(reason.startswith("drift: 25 sessions") for reason in document["reasons"]) == 2


def test_drift_that_the_user_allows_is_none(audited: Audited) -> None:
    (audited.path / "pytest.ini").write_text(f"{SETTINGS}dg_drift = 20%\n", encoding="utf-8")
    ids = past(audited, *[10] * 25)
    audited.bill.entries = lambda: [billed(each, 11.9) for each in ids]
    assert audited.audit()[1]["verdict"] == "reconciled"


def test_dollars_are_held_against_the_prices_of_the_project(audited: Audited) -> None:
    (audited.path / "dgbudget.toml").write_text("[prices]\nstandard = 0.10\n", encoding="utf-8")
    with closing(live_run(audited.ledger, "nightly")) as ledger:
        span = TierSpan(from_ms=0, ms=15_000, tier="standard", micro_usd_per_minute=100_000, estimated=False)
        ids = [request_of(spend(ledger, 15_000, tier_spans=(span,))) for _ in range(5)]
    audited.bill.entries = lambda: [billed(each, 15) for each in ids]  # $0.075 a minute
    status, document = audited.audit()
    assert (status, kinds(document)) == (1, {"wrong-rate": 5})
    assert document["rates"][0]["vendor_usd_per_minute"] == pytest.approx(0.075)


def test_rows_of_other_ledgers_are_counted_and_judged_only_when_told_to(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 10), billed("x", 4, "dgbudget-theirs"), billed("y", 3, "web")]
    status, document = audited.audit()
    assert (status, document["verdict"]) == (0, "reconciled")
    assert document["other_ledgers"] == {"dgbudget-theirs": {"requests": 1, "seconds": 4}}
    assert document["others"] == {"requests": 1, "seconds": 3}
    status, document = audited.audit("--all-tags")
    assert (status, kinds(document)) == (1, {"matched": 1, "missing-in-ledger": 1})
    assert document["others"] == {"requests": 1, "seconds": 3}


def test_a_request_under_another_ledgers_tag_keeps_it_and_is_not_laid_to_this_one(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 10), billed("x", 4, "dgbudget-theirs"), billed("y", 3)]
    _, document = audited.audit("--all-tags")
    assert {line["request_id"]: (line["run"], line["tag"]) for line in document["lines"]} == {
        "x": (None, "dgbudget-theirs"),
        "y": ("nightly", TAG),
    }
    own, others = (reason for reason in document["reasons"] if reason.startswith("missing-in-ledger (1)"))
    assert "theirs" not in own
    assert "that no run in this ledger has (dgbudget-theirs)" in others
    assert re.search(r"missing-in-ledger +dgbudget-theirs +x ", audited.text("--all-tags"))


def test_all_other_ledgers_are_one_remark_however_many_there_are(audited: Audited) -> None:
    (a,) = past(audited, 10)
    tags = [f"dgbudget-{n}" for n in range(9)]
    audited.bill.entries = lambda: [billed(a, 10), *(billed(f"of {tag}", 2, tag) for tag in tags)]
    _, document = audited.audit()
    (remark,) = (remark for remark in document["remarks"] if "dgbudget-" in remark)
    assert remark.startswith(
        "9 requests (18.0s) under 9 tags of other ledgers (dgbudget-0, dgbudget-1, dgbudget-2 and 6 "
    )
    assert document["other_ledgers"].keys() == set(tags)


def test_a_row_without_a_duration_is_shown_with_the_time_that_it_has(audited: Audited) -> None:
    (a,) = past(audited, 10)
    row = billed(a, 99).row()
    del row["response"]["details"]["duration"]
    audited.bill.overrides["list"] = lambda _: Answer.json({"requests": [row]})
    audited.bill.entries = lambda: [billed(a, 10)]
    shown = audited.text()
    assert re.search(r"99\.000s elapsed", shown)
    assert "the unclear ones took 99.0s together, and we metered 10.0s" in shown


def test_a_discrepancy_names_the_commands_that_come_next(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 99)]
    assert "dgbudget support-bundle nightly\n" in audited.text()
    audited.bill.entries = lambda: [billed(a, 10)]
    assert "support-bundle" not in audited.text()


def test_what_nobody_saw_is_at_risk_in_seconds_and_dollars_until_it_is_charged_as_stated(audited: Audited) -> None:
    with closing(live_run(audited.ledger, "nightly")) as ledger:
        lost = request_of(lose(ledger, 30_000))
    past(audited, run="next")
    audited.bill.entries = lambda: [billed("unrelated", 1, "web")]
    status, document = audited.audit()
    assert (status, document["verdict"], kinds(document)) == (0, "inconclusive", {"unconfirmed": 1})
    assert document["at_risk_seconds"] == 30
    assert document["at_risk_usd"] == pytest.approx(0.0815)  # half a minute at the highest price
    (lease,) = document["leases"]
    assert (lease["run"], lease["end"], lease["stated_seconds"]) == ("nightly", "orphaned", None)
    audited.bill.entries = lambda: [billed(lost, 12)]
    _, document = audited.audit()
    assert (document["at_risk_seconds"], document["leases"][0]["stated_seconds"]) == (30, 12)
    assert any("dgbudget reconcile nightly" in remark for remark in document["remarks"])


def test_what_was_seen_of_such_a_lease_is_not_at_risk_nor_is_one_that_was_reconciled(audited: Audited) -> None:
    with closing(live_run(audited.ledger, "nightly")) as ledger:
        seen, reconciled = (leased(ledger, ledger.begin_attempt(name, "", 30_000)) for name in ("seen", "reconciled"))
        ledger.record_usage(record_of(ledger.record_dial(seen), 12_000))
        ledger.record_welcome(ledger.record_dial(seen), "lost", 80)
        ledger.record_welcome(ledger.record_dial(reconciled), "lost as well", 80)
    with closing(live_run(audited.ledger, "next")), closing(sqlite3.connect(audited.ledger)) as ends, ends:
        ends.execute("INSERT INTO stated (lease, seq, ms, at) VALUES (?, 0, 5000, '')", [reconciled.id])
    _, document = audited.audit()
    assert [(lease["lease"], lease["unseen_seconds"]) for lease in document["leases"]] == [(seen.id, 18)]
    assert document["at_risk_seconds"] == 18
    assert document["at_risk_usd"] == pytest.approx(0.0815 - 0.015)


def test_a_lease_without_an_end_of_a_run_that_is_gone_is_at_risk_in_full(audited: Audited) -> None:
    with closing(live_run(audited.ledger, "nightly")) as ledger:
        lose(ledger, 20_000)
    _, document = audited.audit()
    assert (document["at_risk_seconds"], document["leases"][0]["end"]) == (20, "none")


def test_the_estimate_is_held_against_the_vendors_dollars(audited: Audited) -> None:
    a, b = past(audited, 10, 20)
    audited.bill.entries = lambda: [billed(a, 10), billed(b, 20, details={"usd": 0.02})]
    _, document = audited.audit()
    assert document["estimate"] == {
        "sessions": 2,
        "local_usd": 0.0375,
        "vendor_usd": 0.0325,
        "error_usd": 0.005,
    }


def test_runs_that_are_live_now_are_left_out_and_said(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 99), billed("in flight", 1)]
    lock = RunLock(audited.ledger.parent, "nightly")
    try:
        status, document = audited.audit()
    finally:
        lock.release()
    assert (status, document["verdict"], document["lines"]) == (0, "reconciled", [])
    assert document["left_out"] == {"live-run": {"requests": 2, "seconds": 11}}
    assert "live now" in document["remarks"][0]


def test_a_dial_that_was_refused_is_no_session_and_its_row_is_not_unlogged(audited: Audited) -> None:
    (a,) = past(audited, 10)
    with closing(live_run(audited.ledger, "refused")) as ledger:
        dial = ledger.record_dial(leased(ledger, ledger.begin_attempt("test", "", None)))
        ledger.record_usage(record_of(dial, 30, handshake_ms=None, closed_by="refused"))
    audited.bill.entries = lambda: [billed(a, 10), billed(request_of(dial), 0)]
    status, document = audited.audit()
    assert (status, kinds(document)) == (0, {"matched": 1})
    assert document["left_out"]["never-opened"]["requests"] == 1


def test_emulated_sessions_and_rehearsals_never_count_for_a_key_of_deepgrams(audited: Audited) -> None:
    (a,) = past(audited, 10)
    past(audited, 5, target="emulator", run="mixed")
    with closing(live_run(audited.ledger, "rehearsed", target="rehearsal", billed=False)) as ledger:
        spend(ledger)
    audited.bill.entries = lambda: [billed(a, 10)]
    status, document = audited.audit()
    assert (status, kinds(document)) == (0, {"matched": 1})
    assert document["elsewhere"] == {"emulator": 1, "rehearsal": 1}


def test_with_a_stand_alone_emulators_key_rehearsals_are_what_counts(
    audited: Audited, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = "dgemu_" + "0" * 34
    monkeypatch.setenv("DEEPGRAM_API_KEY", key)
    audited.bill.key = key
    past(audited, 10)
    with closing(live_run(audited.ledger, "rehearsed", target="rehearsal", billed=False)) as ledger:
        known, missing = (request_of(spend(ledger, 1000)) for _ in range(2))
    for run, project in (("elsewhere", "another"), ("unknown", None), ("lost", PROJECT)):
        with closing(live_run(audited.ledger, run, target="rehearsal", billed=False)) as ledger:
            lost = request_of(spend(ledger))
            ledger.record_reconciliation({**PENDING, "project": project})
    audited.bill.entries = lambda: [billed(known, 1, "dgbudget-rehearsed")]
    status, document = audited.audit()
    assert (status, document["target"]) == (1, "rehearsal")
    assert kinds(document) == {"matched": 1, "missing-at-vendor": 2}
    assert {line["request_id"] for line in document["lines"]} == {missing, lost}
    assert {why: amount["requests"] for why, amount in document["left_out"].items()} == {
        "other-emulator": 1,
        "unknown-emulator": 1,
    }
    assert any(reason.startswith("1 session of rehearsals that this emulator knows") for reason in document["reasons"])
    assert any(remark.startswith("1 session (1.0s) of rehearsals with another") for remark in document["remarks"])
    assert document["elsewhere"] == {"live": 1}


# What could not be checked --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("call", "answer", "said"),
    [
        ("list", refusal(403, "FORBIDDEN", "Insufficient permissions."), "does the key have the scope usage:read?"),
        ("projects", refusal(401, "INVALID_AUTH", "Invalid credentials."), "Invalid credentials"),
        ("list", Answer(b"<html>", 200), "not a JSON object"),
    ],
    ids=["no permission", "wrong key", "nonsense"],
)
def test_a_statement_that_can_not_be_read_is_inconclusive_and_accuses_nobody(
    audited: Audited, call: str, answer: Answer, said: str
) -> None:
    past(audited, 10)
    audited.bill.overrides[call] = lambda _: answer
    status, document = audited.audit()
    assert (status, document["verdict"], kinds(document)) == (0, "inconclusive", {"pending": 1})
    assert any(said in reason for reason in document["reasons"])


@pytest.mark.parametrize(("target", "key"), [("live", KEY), ("rehearsal", "dgemu_" + "0" * 34)])
def test_sessions_are_not_compared_where_nothing_could_be_read(
    audited: Audited, monkeypatch: pytest.MonkeyPatch, target: str, key: str
) -> None:
    monkeypatch.setenv("DEEPGRAM_API_KEY", key)
    with closing(live_run(audited.ledger, "one", target=target, billed=target == "live")) as ledger:
        for _ in range(2):
            spend(ledger)
    audited.bill.overrides["list"] = audited.bill.overrides["projects"] = lambda _: refusal(401, "NO", "No.")
    _, document = audited.audit()
    (reason,) = document["reasons"]
    assert reason.startswith("2 sessions were not compared: the statement could not be read")
    assert document["left_out"] == {}


def test_require_fails_an_audit_for_each_verdict_but_reconciled(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 10)]
    assert audited.audit("--reconcile=require")[0] == 0
    audited.bill.overrides["list"] = lambda _: refusal(401, "INVALID_AUTH", "Invalid credentials.")
    status, document = audited.audit("--reconcile=require")
    assert (status, document["verdict"]) == (1, "inconclusive")
    assert audited.audit()[0] == 0


def test_what_is_older_than_the_vendor_keeps_is_said_and_not_missing(audited: Audited) -> None:
    past(audited, 10)
    asked = audited.bill.calls
    status, document = audited.audit(since="400d")
    assert (status, kinds(document)) == (1, {"missing-at-vendor": 1})
    started = min(datetime.fromisoformat(call.value("start").replace("Z", "+00:00")) for call in asked("list"))
    assert timedelta(days=88) < datetime.now(timezone.utc) - started < timedelta(days=90)
    assert any("90 days" in remark for remark in document["remarks"])


def test_what_the_list_lacks_is_asked_for_by_its_id_before_it_counts_as_missing(audited: Audited) -> None:
    a, b = past(audited, 10, 10)
    audited.bill.entries = lambda: [billed(a, 10)]
    audited.bill.overrides["list"] = lambda _: Answer.json({"requests": []})
    status, document = audited.audit()
    assert (status, kinds(document)) == (1, {"matched": 1, "missing-at-vendor": 1})
    assert {asked.path.rpartition("/")[2] for asked in audited.bill.calls("get")} == {a, b}
    audited.bill.overrides["get"] = lambda _: refusal(403, "FORBIDDEN", "Insufficient permissions.")
    status, document = audited.audit()
    assert (status, document["verdict"], kinds(document)) == (0, "inconclusive", {"pending": 2})


def test_rows_of_several_pages_and_windows_are_each_counted_once(audited: Audited) -> None:
    ids = past(audited, *[1] * 25)
    created = datetime.now(timezone.utc)
    audited.bill.most_per_page = 10
    audited.bill.entries = lambda: [billed(each, 1, created=created) for each in ids]
    status, document = audited.audit(since="40h")
    assert (status, kinds(document)) == (0, {"matched": 25})


# What is shown --------------------------------------------------------------------------------------------------------


def test_the_tables_have_the_classes_and_what_does_not_agree_discrepancies_first(audited: Audited) -> None:
    unconfirmed, a, b = past(audited, 5, 10, 20)
    unreadable = billed(unconfirmed, 5, details={"duration": "five"})
    audited.bill.entries = lambda: [unreadable, billed(a, 10), billed(b, 99)]
    shown = audited.text()
    assert shown.index(f" {b}") < shown.index(f" {unconfirmed}")
    (summary,) = [line.split() for line in shown.splitlines() if line.startswith("matched")]
    assert summary == ["matched", "1", "10.000s", "10.000s", "+0.000s", "$0.0125"]
    (line,) = [line for line in shown.splitlines() if b in line]
    assert line.split()[:2] == ["duration", "nightly"]
    assert "+79.000s" in line
    assert "verdict: discrepancy" in shown


def test_a_ledger_without_sessions_and_a_statement_without_rows_have_nothing_to_compare(audited: Audited) -> None:
    past(audited)
    status, document = audited.audit()
    assert (status, document["verdict"]) == (0, "reconciled")
    assert "no session" in document["remarks"][0]


@pytest.mark.parametrize("odd", ["\ud800", "\x1b[2J", "\n"], ids=["surrogate", "ESC", "newline"])
def test_ids_and_tags_of_others_are_printable_whatever_they_hold(audited: Audited, odd: str) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 10), billed(f"q{odd}q", 4), billed("y", 3, f"dgbudget-t{odd}t")]
    shown = audited.text()
    assert f"q{odd.encode('unicode_escape').decode()}q" in shown
    assert odd == "\n" or odd not in shown
    assert f"(dgbudget-t{odd.encode('unicode_escape').decode()}t)" in shown


def test_an_id_that_is_the_key_is_not_shown(audited: Audited) -> None:
    past(audited, 10)
    audited.bill.entries = lambda: [billed(KEY, 10)]
    _, document = audited.audit()
    assert KEY not in json.dumps(document)
    assert any(line["request_id"] == "***" for line in document["lines"])


@pytest.mark.parametrize("since", ["1999-12-31", "0001-01-01", "0001-01-01T00:00:00+23:59"])
def test_a_period_of_another_century_is_bad_usage(audited: Audited, since: str) -> None:
    assert repr(since) in audited.refused("--since", since)


def _answered(answer: Answer, _: Asked) -> Answer:
    return answer


def test_what_to_do_about_a_wrong_key_and_a_wrong_project_is_said(audited: Audited) -> None:
    past(audited, 10)
    refusals = {
        "set a key that is valid": refusal(401, "INVALID_AUTH", "Invalid credentials."),
        "correct --project, or use a key of that project": refusal(404, "PROJECT_NOT_FOUND", "Project not found."),
    }
    for to_do, answer in refusals.items():
        audited.bill.overrides["list"] = partial(_answered, answer)
        (reason,) = (each for each in audited.audit()[1]["reasons"] if "could not be read" in each)
        assert reason.endswith(f"; {to_do}")
        assert ".;" not in reason
        assert "scope" not in reason


def test_the_key_is_not_shown(audited: Audited) -> None:
    past(audited, 10)
    audited.bill.overrides["list"] = lambda asked: refusal(400, "BAD", f"who is {asked.authorization}?")
    assert KEY not in audited.text()


def test_each_field_of_the_document_is_documented(audited: Audited) -> None:
    past(audited)
    _, document = audited.audit()
    assert document.keys() == AuditDocument.__annotations__.keys()
    page = (Path(__file__).parents[2] / "docs/audit.md").read_text(encoding="utf-8")
    assert document.keys() <= set(re.findall(r"`(\w+)`", page))


# Usage ----------------------------------------------------------------------------------------------------------------


def test_a_period_may_be_a_date(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 10)]
    today = datetime.now(timezone.utc).date()
    _, document = audited.audit(since=str(today - timedelta(days=1)))
    assert document["since"] == f"{today - timedelta(days=1)}T00:00:00.000Z"
    assert kinds(document) == {"matched": 1}


@pytest.mark.parametrize(
    ("arguments", "named"),
    [
        ([], "--since"),
        (
            ["--since", "next week"],
            "'next week' is neither a period of at most ten years (7d, 12h) nor a date (2026-11-01)",
        ),
        (["--since", "2100-01-01"], "not in the past"),
        (["--since", "7d", "--tolerance", "much"], "much"),
        (["--since", "7d", "--agent-url", "wss://example.com/agent"], "name its management API with --api-url"),
        (["--since", "7d", "--api-url", "http://example.com"], "plain text"),
    ],
)
def test_bad_usage_is_named_on_one_line(
    audited: Audited, arguments: list[str], named: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if "--agent-url" in arguments:
        monkeypatch.delenv("DG_API_URL")
    past(audited)
    assert named in audited.refused(*arguments)


def test_without_a_key_nothing_is_asked(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DEEPGRAM_API_KEY")
    assert "set DEEPGRAM_API_KEY" in audited.refused("--since", "7d")
    assert audited.bill.asked == []


def test_without_a_ledger_nothing_is_asked(audited: Audited) -> None:
    assert "there is no ledger" in audited.refused("--since", "7d")
    assert audited.bill.asked == []


def test_ctrl_c_while_pages_are_read_ends_it_with_130(audited: Audited) -> None:
    past(audited, 10)
    is_asked, is_typed = threading.Event(), threading.Event()

    def hang(_: Asked) -> None:
        is_asked.set()
        is_typed.wait(60)

    audited.bill.overrides["list"] = hang
    with closing(Terminal([*DGBUDGET, "audit", "--since", "90d"], audited.path, {})) as terminal:
        assert is_asked.wait(60)
        terminal.type("\x03")
        is_typed.set()
        assert terminal.end() == 130
    assert "Traceback" not in terminal.shown
    assert len(audited.bill.calls("list")) < 90


@pytest.mark.parametrize("call", ["projects", "list"])
def test_ctrl_c_waits_for_no_server_that_never_answers(audited: Audited, call: str) -> None:
    past(audited, 10)
    is_asked, is_over = threading.Event(), threading.Event()

    def hang(_: Asked) -> None:
        is_asked.set()
        is_over.wait(60)

    audited.bill.overrides[call] = hang
    with closing(Terminal([*DGBUDGET, "audit", "--since", "7d"], audited.path, {})) as terminal:
        assert is_asked.wait(60)
        terminal.wait_for("reading the statement")
        begun = monotonic()
        terminal.type("\x03")
        status, took = terminal.end(), monotonic() - begun
        is_over.set()
    assert (status, "Traceback" in terminal.shown, "Exception ignored" in terminal.shown) == (130, False, False)
    assert took < 5  # a call may take ten


def test_progress_goes_to_a_terminal_alone(audited: Audited) -> None:
    past(audited, 10)
    with closing(Terminal([*DGBUDGET, "audit", "--since", "7d"], audited.path, {})) as terminal:
        terminal.wait_for("reading the statement")
        assert terminal.end() == 1
    assert "verdict: discrepancy" in terminal.shown
    main(["audit", "--since", "7d"])
    assert audited.capsys.readouterr().err == ""


def test_with_json_a_terminal_is_shown_no_bar(audited: Audited, monkeypatch: pytest.MonkeyPatch) -> None:
    past(audited, 10)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True)
    main(["audit", "--since", "7d", "--json"])
    assert audited.capsys.readouterr().err == ""


def test_the_command_is_a_process_of_its_own(audited: Audited) -> None:
    (a,) = past(audited, 10)
    audited.bill.entries = lambda: [billed(a, 12.1)]
    ended = subprocess.run(
        [*DGBUDGET, "audit", "--since", "7d"], cwd=audited.path, capture_output=True, text=True, timeout=60
    )
    assert (ended.returncode, ended.stderr) == (1, "")
    assert "verdict: discrepancy" in ended.stdout


@pytest.mark.slow
def test_a_rehearsal_is_audited_against_the_emulators_own_statement(project: Project) -> None:
    """And again against another emulator, which knows nothing of it."""
    project.use("options/test_uses.py")
    command = [*DGBUDGET, "audit", "--since", "1d", "--json"]
    with emulator_process.process() as emulator, emulator_process.process() as another:
        for each in (emulator, another):
            where = emulator_process.first_line(each)
            env = {f"DG_{name.upper()}": where[name] for name in ("agent_url", "api_url")}
            env["DEEPGRAM_API_KEY"] = where["api_key"]
            if each is emulator:
                run = project.run("--dg-target=live", "--dg-budget=5m", env=env)
                assert run.status == 0, run.output
            audited = project.result(project.launch(command, env=env))
            document = json.loads(audited.output)
            assert (audited.status, document["target"], document["verdict"]) == (0, "rehearsal", "reconciled")
            assert kinds(document) == ({"matched": 1} if each is emulator else {})
            assert document["left_out"].keys() == (set() if each is emulator else {"other-emulator"})


# Archived -------------------------------------------------------------------------------------------------------------


def archive(audited: Audited) -> None:
    """Archive what there is, as of three days ago; a later run goes on."""
    with closing(sqlite3.connect(audited.ledger)) as ledger:
        ledger.execute("INSERT INTO reconciliation SELECT id, 0, 'reconciled', at, '{}' FROM run")
        ledger.execute("INSERT INTO invocation_end SELECT id, 0, at FROM invocation")
        ledger.commit()
    age(audited.ledger, 3)
    past(audited, 1, run="later")
    assert main(["ledger", "vacuum", "--before", "1d"]) == 0
    assert "removed the details of 1 run" in audited.capsys.readouterr().out


def days_ago(days: int) -> datetime:
    return datetime.now(timezone.utc) - timedelta(days=days)


@pytest.mark.parametrize("tags", [[TAG], None], ids=["under its tag", "where tags are not shown"])
def test_what_is_archived_is_left_out_and_accuses_nobody(audited: Audited, tags: Any) -> None:
    entries = [Entry(each, 10, created=days_ago(3), details={"tags": tags}) for each in past(audited, 10, 20)]
    archive(audited)
    audited.bill.entries = lambda: entries
    _, document = audited.audit()
    assert document["left_out"] == {"archived": {"requests": 2, "seconds": 20}}
    assert "missing-in-ledger" not in kinds(document)
    assert document["others"] == {"requests": 0, "seconds": 0}
    assert "2 requests (20.0s) of runs that dgbudget ledger vacuum has archived, left out" in " ".join(
        document["remarks"]
    )


def test_a_period_after_what_is_archived_is_judged_as_ever(audited: Audited) -> None:
    past(audited, 10)
    archive(audited)
    audited.bill.entries = lambda: [billed("nobody-logged", 5)]
    status, document = audited.audit(since="1d")
    assert (status, kinds(document)["missing-in-ledger"], document["left_out"]) == (1, 1, {})
