"""One test attempt while it runs: what its grant is, and what its report already says."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from os import getpid

from pytest_dgbudget.model import Refusal
from pytest_dgbudget.protocol.operations import GrantedAttempt


@dataclass(slots=True)
class RunningTest:
    """One test attempt while it runs; ``reported`` counts the overruns that the test has already failed for.

    ``finish`` tears the fixture down; None once the grant has ended. ``thread`` runs the test; plugins may run several.
    ``process`` began it: a child that the test forks judges and ends nothing. ``told`` are the refusals that its
    report has, as often as it says. ``last_report`` is the last one that was seen; ``has_told``: a report has the end
    of the transcript.
    """

    attempt: GrantedAttempt
    thread: int
    finish: Callable[[], object] | None
    process: int = field(default_factory=getpid)
    reported: int = 0
    gateway_lost: bool = False
    bypass_reported: bool = False
    noted: set[str] = field(default_factory=set)
    expects_clients: Callable[[], bool] = bool
    last_report: object = None
    has_failed: bool = False
    has_told: bool = False
    told: dict[tuple[int, str, str], int] = field(default_factory=dict)

    def untold(self, refusals: Iterable[Refusal]) -> Iterator[Refusal]:
        """Yield what clients were refused for since this was asked last."""
        for refusal in refusals:
            known = (refusal.status, refusal.code, refusal.reason)
            times = refusal.times - self.told.get(known, 0)
            self.told[known] = refusal.times
            if times:
                yield replace(refusal, times=times)
