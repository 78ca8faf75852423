"""Grants as the emulator knows them: who shares faults and open sessions."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_dgbudget.emulator.faults.kinds import OUT_OF_CREDIT, Fault
from pytest_dgbudget.emulator.faults.timers import FaultTimers
from pytest_dgbudget.emulator.http import Refusal

OF_API = ("bill-refused", "bill-slow")
MOST = 1000  # grants that are remembered: those of tests that have ended are never named again

NAMELESS = "default"  # whoever sends no x-dgbudget-grant


class Grant:
    """One test's sessions, or those of all clients that name no grant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self.sessions: set[FaultTimers] = set()
        self.out_of_credit = False

    def add(self, fault: Fault) -> None:
        """Let this go wrong: from now on in sessions that are open, and in those to come."""
        self.faults.append(fault)
        for timers in list(self.sessions):
            timers.arm(fault)

    def clear(self) -> None:
        """Let nothing go wrong any more, but what a scenario does; there is credit again."""
        for timers in self.sessions:
            timers.cancel(self.faults)
        self.faults = []
        self.out_of_credit = False

    def refusal(self, faults: tuple[Fault, ...]) -> Refusal | None:
        """Return what a new session is refused with, the faults of its scenario included."""
        if self.out_of_credit:
            return Refusal(402, OUT_OF_CREDIT, "The emulator plays a project without credit.")
        for fault in faults:
            if fault.kind == "refuse":
                return Refusal(fault["status"], fault["code"], "A fault of the emulator refuses this session.")
            if fault.kind == "limit" and len(self.sessions) >= fault["sessions"]:
                return Refusal(429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later")
        return None


@dataclass(slots=True)
class _ApiFault:
    """One of the management API; of a ``grant``, or of a scenario. ``left``: how many times, None for always."""

    fault: Fault
    grant: Grant | None
    left: int | None


class Grants:
    """Every grant that was named so far, and the faults of the management API, which belongs to all of them."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._of_api: list[_ApiFault] = []

    def named(self, name: str) -> Grant:
        """Return the grant of this name; one that was not named for long, and has no session, is a new one again."""
        grant = self._grants.pop(name, None) or Grant(name)
        self._grants[name] = grant  # behind all others
        if len(self._grants) > MOST:
            self._forget_one(grant)
        return grant

    def _forget_one(self, but: Grant) -> None:
        idle = (each.name for each in self._grants.values() if each is not but and not each.sessions)
        self._grants.pop(next(idle, ""), None)

    def add(self, grant: Grant, fault: Fault) -> None:
        if fault.kind in OF_API:
            self._of_api.append(_ApiFault(fault, grant, fault.values.get("times")))
        else:
            grant.add(fault)

    def clear(self, grant: Grant) -> None:
        """Let nothing go wrong any more that was added for this grant."""
        grant.clear()
        self._of_api = [each for each in self._of_api if each.grant is not grant]

    def script(self, faults: tuple[Fault, ...]) -> None:
        """Let a scenario's faults of the management API go wrong: once, however often it is played."""
        for fault in faults:
            if fault.kind in OF_API and not any(each.grant is None and each.fault == fault for each in self._of_api):
                self._of_api.append(_ApiFault(fault, None, fault.values.get("times")))

    def api_refusal(self) -> Refusal | None:
        """Return what this request to the management API is refused with."""
        for each in self._of_api:
            if each.fault.kind == "bill-refused" and each.left != 0:
                each.left = None if each.left is None else each.left - 1
                status = each.fault["status"]
                return Refusal(status, "EMULATED_REFUSAL", "A fault of the emulator refuses this request.")
        return None

    def api_delay(self) -> float:
        """Return the seconds that the management API takes for each answer."""
        return float(sum(each.fault["delay"] for each in self._of_api if each.fault.kind == "bill-slow")) / 1000
