"""Texts that would break a report, or whoever reads it, if they got into it as they are."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

from pytest_dgbudget.report.document import UsageDocument
from tests.support.shards import changed, report

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
    "another command": "a\n::error::owned",
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
    document["tests"][0].update(nodeid=text, verdict="overrun", cut=True, outcome="failed", waited_seconds=2.0)
    document["tests"][0]["overrun"] = {"scope": "path", "currency": "time", "label": text, "used": 3.0, "allowed": 2.0}
    document["tests"][1].update(nodeid=other)
    document["sessions"][0].update(nodeid=text, tier=text, closed_by="teardown", request_id=text)
    document["warnings"] = [{"kind": "prices", "text": text}]
    document["notices"] = [text]
    document["reconciliation"].update(verdict="discrepancy", reasons=[text], remarks=[text])
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


def long_report(tests: int, name: str) -> UsageDocument:
    """Return the report of a run with so many tests, which all overran a budget, and as many of everything else."""
    document: Any = report("run", *(f"{number}" for number in range(min(tests, 50))))
    entry = document["tests"][0]
    cut = {**entry, "verdict": "overrun", "cut": True, "outcome": "failed"}
    document["tests"] = [{**cut, "nodeid": f"{name}{number}"} for number in range(tests)]
    document["notices"] = [f"{name} {number}" for number in range(tests)]
    document["warnings"] = [{"kind": "prices", "text": f"{name} {number}"} for number in range(tests)]
    document["reconciliation"]["reasons"] = [f"{name} {number}" for number in range(tests)]
    return changed(document, "run", id=name)
