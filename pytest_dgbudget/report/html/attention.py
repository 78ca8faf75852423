"""What needs attention, the gravest first."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from typing import Literal, NamedTuple

from pytest_dgbudget.report.document import AttemptEntry, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.closings import closing_of
from pytest_dgbudget.report.html.elements import Child, Markup, element, name_of, together
from pytest_dgbudget.report.html.parts import Tone, badge, listed, paragraph, section
from pytest_dgbudget.report.html.sentences import sentence
from pytest_dgbudget.report.merged_reconciliation import merged_sentences
from pytest_dgbudget.report.overrun_effect import OverrunEffect, effect_of
from pytest_dgbudget.report.overrun_words import overrun_phrase
from pytest_dgbudget.report.regression import TAKES_LONGER, found_regression
from pytest_dgbudget.report.run_line import exceeds_live
from pytest_dgbudget.report.run_remarks import (
    leaks_line,
    longest_wait,
    mismatch_phrase,
    missed,
    no_session_line,
    protocol_line,
)
from pytest_dgbudget.report.shown import AT_RISK
from pytest_dgbudget.rules.verdicts import DISAGREEING
from pytest_dgbudget.units import counted

_MOST_TESTS = 10
_MOST_SENTENCES = 3
_RECONCILIATION = {
    "discrepancy": "The vendor's statement and what was metered disagree",
    "pending": "The vendor's statement is not complete yet",
    "inconclusive": "Not everything could be compared with the vendor's statement",
}

Kind = Literal[
    "overrun",
    "bypass",
    "mismatch",
    "leak",
    "reconciliation",
    "regression",
    "unconfirmed",
    "unanswered",
    "ended",
    "protocol",
    "interrupted",
    "warning",
    "notice",
    "wait",
]


class Finding(NamedTuple):
    """Something that needs attention: its kind, how grave it is, and what happened."""

    kind: Kind
    tone: Tone
    label: str
    said: Child
    details: Markup | None = None


def attention_section(document: UsageDocument) -> Markup:
    """Return the section with what was found."""
    items = [_item(each) for each in findings(document)]
    if not items:
        return section("attention", "Needs attention", paragraph(badge("good", "nothing"), " needs attention."))
    return section("attention", "Needs attention", element("ol", *items, class_="findings"))


def findings(document: UsageDocument) -> list[Finding]:
    """Return what needs attention in a run, the gravest first."""
    return [found for look in _LOOKS for found in look(document)]


def _item(found: Finding) -> Markup:
    return element("li", badge(found.tone, found.label), " ", element("div", found.said, found.details))


def _overruns(document: UsageDocument) -> Iterator[Finding]:
    overran = {effect: [test for test in document["tests"] if effect_of(test) == effect] for effect in _OVERRAN}
    for effect, tests in overran.items():
        if tests:
            tone, label, noun, said = _OVERRAN[effect]
            yield Finding("overrun", tone, label, f"{counted(len(tests), noun)} {said}", _tests(tests, overrun_phrase))
    if not any(overran.values()) and document["run"]["verdict"] == "overrun" and document["run"]["bypass"] != "seen":
        yield Finding("overrun", "bad", "overrun", "The run was charged more than its budget allows.")
    if exceeds_live(document["run"]):
        live = figures.time(document["run"]["forecast_seconds"])
        said = f"Live, this run would use about {live}, more than its budget."
        yield Finding("overrun", "warn", "live over budget", said)
    if beyond := document["run"]["overshoot_seconds"]:
        said = f"{figures.time(beyond)} were metered beyond what was set aside: a cut came late."
        yield Finding("overrun", "warn", "late cut", said)


_OVERRAN: Mapping[OverrunEffect, tuple[Tone, str, str, str]] = {
    "fails": ("bad", "overrun", "test", "overran a budget."),
    "expected": ("warn", "overrun, expected", "test", "overran a budget, which xfail or skip expected."),
    "rerun": ("warn", "overrun, rerun", "attempt", "overran a budget before pytest ran the test again."),
}


def _tests(tests: list[AttemptEntry], words: Callable[[AttemptEntry], str]) -> Markup | None:
    lines: list[Child] = [together(name_of(test["nodeid"]), f": {words(test)}") for test in tests[:_MOST_TESTS]]
    if len(tests) > _MOST_TESTS:
        all_tests = element("a", "the table of tests", href="#tests")
        lines.append(together(f"and {len(tests) - _MOST_TESTS:,} more, in ", all_tests))
    return listed(lines)


def _bypasses(document: UsageDocument) -> Iterator[Finding]:
    bypass = document["run"]["bypass"]
    if bypass == "seen":
        said = "Sessions were dialled past the gateway: they are not metered, and in no figure of this page."
        yield Finding("bypass", "bad", "bypass", said)
    elif bypass == "possible":
        said = "Sessions could be dialled past the gateway unseen, as the run's settings allow; none was seen."
        yield Finding("bypass", "warn", "bypass possible", said)
    elif (line := no_session_line(document)) is not None:
        yield Finding("bypass", "warn", "no session", f"{sentence(line)}")


def _mismatches(document: UsageDocument) -> Iterator[Finding]:
    if sessions := missed(document):
        said = f"{counted(len(sessions), 'session')} did not match {'its' if len(sessions) == 1 else 'their'} cassette."
        lines = [together(name_of(each["nodeid"]), f": {mismatch_phrase(each)}") for each in sessions[:_MOST_TESTS]]
        more = len(sessions) - _MOST_TESTS
        yield Finding(
            "mismatch", "bad", "mismatch", said, listed([*lines, *([f"and {more:,} more"] if more > 0 else [])])
        )


def _leaks(document: UsageDocument) -> Iterator[Finding]:
    if (line := leaks_line(document)) is not None:
        yield Finding("leak", "warn", "left open", sentence(line))


def _reconciliation(document: UsageDocument) -> Iterator[Finding]:
    verdict = document["reconciliation"]["verdict"]
    if verdict in ("reconciled", "off"):
        return
    lines = document["reconciliation"]["lines"]
    differing = sum(line["class"] in DISAGREEING for line in lines)
    count = f" in {differing:,} of {counted(len(lines), 'request')}" if differing else ""
    link = element("a", f"{_RECONCILIATION.get(verdict, verdict)}{count}.", href="#reconciliation")
    said: list[Child] = [sentence(line) for line in merged_sentences(document)]
    more = len(said) - _MOST_SENTENCES
    details = listed([*said[:_MOST_SENTENCES], *([f"and {more:,} more, below"] if more > 0 else [])])
    yield Finding("reconciliation", "bad" if verdict == "discrepancy" else "warn", verdict, link, details)


def _regressions(document: UsageDocument) -> Iterator[Finding]:
    if (regression := found_regression(document)) is not None:
        link = element("a", sentence(TAKES_LONGER), href="#regression")
        yield Finding("regression", "bad", "regression", link, listed(map(sentence, regression["sentences"])))


def _unconfirmed(document: UsageDocument) -> Iterator[Finding]:
    run = document["run"]
    if run["at_risk_seconds"]:
        dollars = run.get("at_risk_usd")
        cost = "" if dollars is None else f" ({figures.money(dollars)})"
        said = f"{figures.time(run['at_risk_seconds'])}{cost} of what was used is {AT_RISK}."
        yield Finding("unconfirmed", "warn", "at risk", said)
    ended = [session for session in document["sessions"] if session["closed_by"] is not None]
    if unseen := sum(not session["confirmed"] for session in ended):
        said = f"Nobody saw the end of {counted(unseen, 'session')} at the vendor's side."
        yield Finding("unconfirmed", "warn", "unconfirmed", said)


def _unanswered(document: UsageDocument) -> Iterator[Finding]:
    tests = [test for test in document["tests"] if unanswered_in(test)]
    if tests:
        said = f"{counted(sum(map(unanswered_in, tests)), 'turn')} had no answer."
        yield Finding(
            "unanswered", "warn", "unanswered", said, _tests(tests, lambda t: counted(unanswered_in(t), "turn"))
        )


def unanswered_in(test: AttemptEntry) -> int:
    """Return how many turns of a test are known to have had no answer."""
    marked = test.get("marked_turns")
    return 0 if marked is None else marked["unanswered"]


def _unplanned_ends(document: UsageDocument) -> Iterator[Finding]:
    ends = Counter(session["closed_by"] for session in document["sessions"] if session["closed_by"] in _UNPLANNED)
    if ends:
        found = ", ".join(f"{ends[kind]:,} {closing_of(kind).words}" for kind in _UNPLANNED if ends[kind])
        said = f"{counted(ends.total(), 'session')} did not end normally: {found}."
        yield Finding("ended", "warn", "ended", said)


_UNPLANNED = ("idle", "network", "refused", "owner-lost", "gateway-lost")


def _protocol(document: UsageDocument) -> Iterator[Finding]:
    if (line := protocol_line(document)) is not None:
        yield Finding("protocol", "warn", "protocol", sentence(line))


def _interruption(document: UsageDocument) -> Iterator[Finding]:
    if not document["run"]["complete"]:
        said = "pytest never said that it finished: what this page has is what the ledger knew by then."
        yield Finding("interrupted", "warn", "incomplete", said)
    elif document["run"]["verdict"] == "interrupted":
        yield Finding("interrupted", "warn", "interrupted", "pytest was interrupted: tests may be missing.")


def _warnings(document: UsageDocument) -> Iterator[Finding]:
    for warning in document.get("warnings", ()):
        yield Finding("warning", "warn", "warning", sentence(warning["text"]))


def _notices(document: UsageDocument) -> Iterator[Finding]:
    for notice in document["notices"]:
        yield Finding("notice", "note", "notice", sentence(notice))


def _waits(document: UsageDocument) -> Iterator[Finding]:
    if (line := longest_wait(document)) is not None:
        yield Finding("wait", "note", "wait", sentence(line))


_LOOKS: tuple[Callable[[UsageDocument], Iterator[Finding]], ...] = (
    _overruns,
    _bypasses,
    _mismatches,
    _leaks,
    _reconciliation,
    _regressions,
    _unconfirmed,
    _unanswered,
    _unplanned_ends,
    _protocol,
    _interruption,
    _warnings,
    _notices,
    _waits,
)
