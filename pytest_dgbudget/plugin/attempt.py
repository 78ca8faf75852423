"""One test attempt while it runs: what its grant is, and what its report already says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from os import getpid
from typing import TYPE_CHECKING

from pytest_dgbudget.model import Outcome, Refusal
from pytest_dgbudget.protocol.operations import GrantedAttempt

if TYPE_CHECKING:
    import pytest


@dataclass(slots=True)
class RunningTest:
    """One test attempt while it runs; ``reported`` counts the overruns that the test has already failed for, and
    ``mismatches`` those of cassettes.

    ``finish`` tears the fixture down; None once the grant has ended. ``thread`` runs the test; plugins may run several.
    ``process`` began it: a child that the test forks judges and ends nothing. ``told`` are the refusals that its
    report has, as often as it says. ``sessions`` counts those that were dialled and opened, once the grant has ended.
    ``has_passed``: the test's body has; ``has_failed``: something of it has, whatever came later. ``has_told``: a
    report has the end of the transcript.
    """

    attempt: GrantedAttempt
    thread: int
    finish: Callable[[], object] | None
    process: int = field(default_factory=getpid)
    reported: int = 0
    mismatches: int = 0
    gateway_lost: bool = False
    bypass_reported: bool = False
    noted: set[str] = field(default_factory=set)
    expects_clients: Callable[[], bool] = bool
    sessions: int = 0
    has_passed: bool = False
    has_failed: bool = False
    has_told: bool = False
    told: dict[tuple[int, str, str], int] = field(default_factory=dict)
    _last_report: object = None

    def takes_in(self, report: pytest.TestReport, outcome: Outcome | None) -> bool:
        """Take in a phase's report; False for one that is known: two hooks may have seen it.

        ``outcome`` is the test's, as far as it was logged by now.
        """
        if self._last_report is report:
            return False
        self._last_report = report
        body_passed = report.when == "call" and report.passed and not hasattr(report, "wasxfail")
        self.has_passed = self.has_passed or outcome == "passed" or body_passed
        self.has_failed = self.has_failed or outcome == "failed" or report.failed
        return True

    def untold(self, refusals: Iterable[Refusal]) -> Iterator[Refusal]:
        """Yield what clients were refused for since this was asked last."""
        for refusal in refusals:
            known = (refusal.status, refusal.code, refusal.reason)
            times = refusal.times - self.told.get(known, 0)
            self.told[known] = refusal.times
            if times:
                yield replace(refusal, times=times)


def own_nodeid(item: pytest.Item) -> str:
    """Return a test's id without the group that xdist's --dist=loadgroup adds: the one that pytest knows it by."""
    own = f"{item.parent.nodeid}::{item.name}" if item.parent is not None else item.nodeid
    return own if item.nodeid.startswith(own) else item.nodeid
