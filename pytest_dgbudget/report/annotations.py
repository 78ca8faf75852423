"""Annotations that GitHub shows in the files of a change: workflow commands in the output of a job."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from itertools import chain
from typing import TYPE_CHECKING, Literal, NamedTuple

from pytest_dgbudget.report.overrun_effect import effect_of
from pytest_dgbudget.report.overrun_words import overrun_phrase
from pytest_dgbudget.report.plain_text import cut, harmless
from pytest_dgbudget.report.regression import found_regression
from pytest_dgbudget.report.run_line import run_line
from pytest_dgbudget.report.run_remarks import mismatch_phrase, missed

if TYPE_CHECKING:
    from pytest_dgbudget.report.document import AttemptEntry, RunFigures, UsageDocument

# GitHub shows ten of a step.
_MOST = 10
_LONGEST = 1000

Level = Literal["error", "warning"]


class Place(NamedTuple):
    """A file, as its path in the repository, and a line, from 1; None: which one is not known."""

    path: str
    line: int | None


PlaceOf = Callable[[str], Place | None]


def workflow_commands(document: UsageDocument, place_of: PlaceOf, spoken_for: Collection[str] = ()) -> list[str]:
    """Return the commands, ten at most: an error for each overrun that fails the run, a warning for what else matters.

    ``place_of`` says where a test is, by its node id. ``spoken_for``: outcomes that another plugin annotates.
    """
    title = _title(document["run"])
    of_run = [*chain(_of_run(document, title), _of_regression(document, title))]
    of_tests = [*_of_tests(document["tests"], place_of, spoken_for, title)]
    of_tests += _of_mismatches(document, place_of, spoken_for, title)
    room = _MOST - len(of_run)
    if len(of_tests) > room:
        more = len(of_tests) - (room - 1)
        level: Level = "error" if any(each.startswith("::error ") for each in of_tests[room - 1 :]) else "warning"
        of_tests[room - 1 :] = [_command(level, title, f"{more} more {_overruns_or(document)}, all in usage.json")]
    return [*of_tests, *of_run]


def _overruns_or(document: UsageDocument) -> str:
    return "overruns of budgets or mismatches of cassettes" if missed(document) else "overruns of budgets"


def _title(run: RunFigures) -> str:
    return f"Voice agent budget ({run['target']}, {'billed' if run['billed'] else 'not billed'})"


def _of_tests(
    tests: Collection[AttemptEntry], place_of: PlaceOf, spoken_for: Collection[str], title: str
) -> Iterator[str]:
    """Yield those that fail the run first. What a mark expected, or was run again, needs nobody's attention."""
    for test in tests:
        if effect_of(test) == "fails" and test["outcome"] not in spoken_for:
            yield _of_test("error", test, place_of, title)
    for test in tests:
        if effect_of(test) == "expected" and test["outcome"] == "skipped":
            yield _of_test("warning", test, place_of, title)


def _of_test(level: Level, test: AttemptEntry, place_of: PlaceOf, title: str) -> str:
    return _command(level, title, f"{cut(test['nodeid'], 200)}: {overrun_phrase(test)}", place_of(test["nodeid"]))


def _of_mismatches(
    document: UsageDocument, place_of: PlaceOf, spoken_for: Collection[str], title: str
) -> Iterator[str]:
    """Yield an error for each session that did not match its cassette."""
    outcomes = {(test["nodeid"], test["attempt"]): test["outcome"] for test in document["tests"]}
    for session in missed(document):
        if outcomes.get((session["nodeid"], session["attempt"])) not in spoken_for:
            message = f"{cut(session['nodeid'], 200)}: {mismatch_phrase(session)}"
            yield _command("error", title, message, place_of(session["nodeid"]))


def _of_run(document: UsageDocument, title: str) -> Iterator[str]:
    """Yield what no test is to blame for: more was charged than the budget has, or sessions went past the gateway."""
    run = document["run"]
    by_tests = any(test["verdict"] == "overrun" for test in document["tests"])
    if run["verdict"] == "overrun" and (run["bypass"] == "seen" or not by_tests):
        yield _command("error" if run["failing"] else "warning", title, run_line(document))


def _of_regression(document: UsageDocument, title: str) -> Iterator[str]:
    if (regression := found_regression(document)) is not None:
        yield _command("warning", title, " ".join(regression["sentences"]))


def _command(level: Level, title: str, message: str, place: Place | None = None) -> str:
    properties = [] if place is None else [f"file={_in_property(place.path)}"]
    if place is not None and place.line is not None:
        properties.append(f"line={place.line}")
    properties.append(f"title={_in_property(title)}")
    return f"::{level} {','.join(properties)}::{_in_message(cut(message, _LONGEST))}"


def _in_message(text: str) -> str:
    """A line end would begin another command; other unseen characters would command a terminal."""
    return harmless(text).replace("%", "%25")


def _in_property(text: str) -> str:
    return _in_message(text).replace(":", "%3A").replace(",", "%2C")
