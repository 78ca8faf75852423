"""Grants as the emulator knows them: who shares faults and open sessions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_dgbudget.emulator.faults.kinds import OUT_OF_CREDIT, Fault
from pytest_dgbudget.emulator.http import Refusal

if TYPE_CHECKING:
    from pytest_dgbudget.emulator.faults.wire import Wire

OF_API = ("bill-refused", "bill-slow")
_ALWAYS = 10**9  # times
MOST = 1000  # grants that are remembered: those of tests that have ended are never named again

NAMELESS = "default"  # whoever sends no x-dgbudget-grant


class Grant:
    """One test's sessions, or those of all clients that name no grant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self.wires: set[Wire] = set()
        self.out_of_credit = False

    def add(self, fault: Fault) -> None:
        """Let this go wrong: from now on in sessions that are open, and in those to come."""
        self.faults.append(fault)
        for wire in list(self.wires):
            wire.arm(fault)

    def clear(self) -> None:
        """Let nothing go wrong any more; what has happened stays."""
        self.faults.clear()
        self.out_of_credit = False
        for wire in self.wires:
            wire.disarm()

    def refusal(self, faults: tuple[Fault, ...]) -> Refusal | None:
        """Return what a new session is refused with, the faults of its scenario included."""
        if self.out_of_credit:
            return Refusal(402, OUT_OF_CREDIT, "The emulator plays a project without credit.")
        for fault in faults:
            if fault.kind == "refuse":
                return Refusal(fault["status"], fault["code"], "A fault of the emulator refuses this session.")
            if fault.kind == "limit" and len(self.wires) >= fault["sessions"]:
                return Refusal(429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later")
        return None


class Grants:
    """Every grant that was named so far, and the faults of the management API, which belongs to all of them."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._of_api: list[tuple[Fault, list[int]]] = []

    def named(self, name: str) -> Grant:
        """Return the grant of this name; one that was not named for long, and has no session, is a new one again."""
        grant = self._grants.pop(name, None) or Grant(name)
        self._grants[name] = grant  # behind all others
        if len(self._grants) > MOST:
            self._forget_one(grant)
        return grant

    def _forget_one(self, but: Grant) -> None:
        idle = (each.name for each in self._grants.values() if each is not but and not each.wires)
        self._grants.pop(next(idle, ""), None)

    def add(self, grant: Grant, fault: Fault) -> None:
        if fault.kind in OF_API:
            self.script((fault,))
        else:
            grant.add(fault)

    def script(self, faults: tuple[Fault, ...]) -> None:
        """Let those of the management API go wrong, each once however often its scenario is played."""
        for fault in faults:
            if fault.kind in OF_API and not any(fault is known for known, _ in self._of_api):
                times = fault.values.get("times")
                self._of_api.append((fault, [_ALWAYS if times is None else times]))

    def api_refusal(self) -> Refusal | None:
        """Return what this request to the management API is refused with."""
        for fault, left in self._of_api:
            if fault.kind == "bill-refused" and left[0] > 0:
                left[0] -= 1
                return Refusal(fault["status"], "EMULATED_REFUSAL", "A fault of the emulator refuses this request.")
        return None

    def api_delay(self) -> float:
        """Return the seconds that the management API takes for each answer."""
        return float(sum(fault["delay"] for fault, _ in self._of_api if fault.kind == "bill-slow")) / 1000
