"""What becomes of an overrun: it fails the run, or it was expected, or its test was run again; and the words for it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pytest_dgbudget.report.document import AttemptEntry, UsageDocument

OverrunEffect = Literal["fails", "expected", "rerun"]
_EXCUSES: Mapping[OverrunEffect, str] = {"expected": "expected", "rerun": "rerun"}


def effect_of(test: AttemptEntry) -> OverrunEffect | None:
    """Return what becomes of an attempt's overrun; None where it has none.

    ``expected``: by ``xfail``, or a session was refused under ``skip``. ``rerun``: a later attempt counts.
    """
    if test["verdict"] != "overrun":
        return None
    if test["outcome"] == "rerun":
        return "rerun"
    failing = test["failing"] if "failing" in test else _would_fail(test)
    return "fails" if failing else "expected"


def fails(test: AttemptEntry) -> bool:
    """Return whether an overrun of this attempt changes the exit status."""
    return effect_of(test) == "fails"


def excuse_of(test: AttemptEntry) -> str | None:
    """Return in a word why an attempt's overrun fails nothing; None where it does, or there is none."""
    effect = effect_of(test)
    return None if effect is None else _EXCUSES.get(effect)


def excuse_of_run(document: UsageDocument) -> str | None:
    """Return in a few words why the overruns of a run fail nothing; None where one does, or there is none."""
    run = document["run"]
    if run["verdict"] != "overrun" or run["failing"] or run["bypass"] == "seen":
        return None
    excuses = {excuse_of(test) for test in document["tests"]}
    return " or ".join(each for each in _EXCUSES.values() if each in excuses) or None


def _would_fail(test: AttemptEntry) -> bool:
    """Tell by the outcome what reports of earlier versions don't say."""
    skipped = test["outcome"] == "skipped" and not test["cut"] and not test["exceeded"]
    return test["outcome"] != "xfailed" and not skipped
