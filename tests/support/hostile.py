"""Texts that would break a report, or whoever reads it, if they got into it as they are."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from pytest_dgbudget.ledger.period_sums import RunDay, TargetAndTest, TargetAndTier
from pytest_dgbudget.report.comparison_document import ComparisonDocument, compare
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.period_document import PeriodDocument, PeriodSpending, RunJudgement, period_document
from pytest_dgbudget.rules.spending import Spent
from tests.support.shards import changed, line, reconciliation, report

TEXTS = {
    "script": "<script>alert(1)</script>",
    "image": '<img src=x onerror="alert(1)">',
    "comment": "<!-- a comment that never ends",
    "end of CDATA": "]]>",
    "entity": "&lt;b&gt; &#64;team",
    "colour": "\x1b[31mred\x1b[0m",
    "title of the terminal": "\x1b]0;owned\x07",
    "ten thousand characters": "x" * 10_000,
    "ten thousand bars": "|" * 10_000,
    "right to left": "\u202egnp.exe\u2066",
    "NUL": "a\0b",
    "lone surrogate": "a\ud800b\udfff",
    "line ends": "a\nb\r\nc\u2028d\x85e",
    "command": "::error::owned",
    "command that ends commands": "::stop-commands::owned",
    "command after a blank": " ::set-output name=a::owned",
    "another command": "a\n::error::owned",
    "command at each width": "::error::owned" * 200,
    "formula": "=cmd|' /C calc'!A0",
    "formula after a blank": "\t@SUM(1)",
    "no character": "a\ufffeb\uffff",
    "not of 16 bits": "\U0001f600\U000e0001",
    "bars": "a|b||c",
    "bar after a backslash": r"a\|b\\|c",
    "backticks": "`a` ``b`` ```c",
    "backslash at the end": "a\\",
    "emphasis": "**a** _b_ ~~c~~ __d__",
    "link": "[a](https://example.org) https://example.org www.example.org a@example.org",
    "mention": "@team #123 GH-123 owner/repo#1",
    "heading": "# a",
    "list": "- a",
    "rule": "---",
    "numbered": "1. a",
    "quotation": "> a",
    "table": "| a |\n|---|\n| b |",
    "quotes": "\"a\" 'b'",
    "percents": "100% %0A::warning::owned",
    "mathematics": "$a$ $$b$$",
    "empty": "",
    "blank": "   ",
}
# Surrogates included.
ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=40) | st.sampled_from([*TEXTS.values()])


def hostile_report(text: str, other: str = "other") -> UsageDocument:
    """Return a report that has a text wherever it has others' words."""
    document: Any = report("run", "a", "b")
    document["tests"][0].update(
        nodeid=text, verdict="overrun", failing=True, cut=True, outcome="failed", waited_seconds=2.0
    )
    document["tests"][0]["overrun"] = {"scope": "path", "currency": "time", "label": text, "used": 3.0, "allowed": 2.0}
    document["tests"][1].update(nodeid=other)
    document["tests"][0]["artifacts"] = [text]
    document["sessions"][0].update(nodeid=text, tier=text, closed_by="teardown", request_id=text, reason=text)
    document["sessions"][0]["protocol"] = [{"rule": "one-welcome", "at_ms": 1, "what": text}]
    document["sessions"][0]["replay"] = {
        "cassette": text,
        "result": "miss",
        "recorded_at": None,
        "mismatch": {"line": 1, "what": text, "differences": [text]},
        "saved_seconds": 1.0,
        "saved_usd": 0.1,
    }
    document["warnings"] = [{"kind": "prices", "text": text}]
    document["notices"] = [text]
    foreign = {"created_at": "2026-11-02T10:00:00.000Z", "origin": text, "run_key": None}
    document["reconciliation"] = reconciliation(
        line(text, nodeid=text, **{"class": "duration"}),
        line(text, nodeid=None, attempt=None, foreign=foreign, **{"class": "missing-in-ledger"}),
        verdict="discrepancy",
        project=text,
        reasons=[text],
        remarks=[text],
    )
    document["run"]["keys"] = [{"id": text, "made_at": "2026-11-02T10:00:00.000Z", "deleted_at": None}]
    document["history"] = [
        {
            "id": text,
            "started_at": "2026-11-01T10:00:00.000Z",
            "tests": 2,
            "sessions": 2,
            "used_seconds": 3.0,
            "cost_usd": 0.1,
            "latency_p50_ms": None,
        }
    ]
    document["regression"] = {
        "verdict": "regression",
        "runs": 5,
        "tests": 2,
        "spend": None,
        "latency": None,
        "contributors": [
            {"nodeid": text, "figure": "spend", "usual_seconds": 1.0, "now_seconds": 2.0, "change": 1.0},
        ],
        "sentences": [text],
    }
    return changed(document, "run", id=text)


def hostile_comparison(text: str) -> ComparisonDocument:
    """Return two runs compared that have a text wherever they have others' words; one was dearer by a test."""
    before: Any = hostile_report(text)
    before["tests"], before["sessions"] = before["tests"][1:], before["sessions"][1:]
    return compare(before, hostile_report(text))


def hostile_period(text: str) -> PeriodDocument:
    """Return a period in which a run, a test and a tier are called so, and which was dearer than the one before it."""
    since = datetime(2026, 10, 1, tzinfo=timezone.utc)

    def of(beginning: datetime, seconds: int) -> PeriodSpending:
        spent = Spent(sessions=1, metered=1, ms=seconds * 1000, micro_usd=seconds * 1250)
        return PeriodSpending(
            since=beginning,
            before=beginning + timedelta(days=30),
            runs={RunDay("live", text, "2026-10-02"): spent},
            archived={},
            tests={TargetAndTest("live", text): spent},
            tiers={TargetAndTier("live", text): spent},
        )

    judged = {text: RunJudgement("within", "reconciled")}
    return period_document(of(since, 20), of(since - timedelta(days=30), 10), judged, [], most=20)


def long_report(tests: int, name: str) -> UsageDocument:
    """Return the report of a run with so many tests, which all overran a budget, and as many of everything else."""
    document: Any = report("run", *(f"{number}" for number in range(min(tests, 50))))
    entry = document["tests"][0]
    cut = {**entry, "verdict": "overrun", "failing": True, "cut": True, "outcome": "failed"}
    document["tests"] = [{**cut, "nodeid": f"{name}{number}"} for number in range(tests)]
    document["notices"] = [f"{name} {number}" for number in range(tests)]
    document["warnings"] = [{"kind": "prices", "text": f"{name} {number}"} for number in range(tests)]
    document["reconciliation"]["reasons"] = [f"{name} {number}" for number in range(tests)]
    return changed(document, "run", id=name)
