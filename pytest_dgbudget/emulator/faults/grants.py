"""Grants as the emulator knows them: sessions that share their faults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from pytest_dgbudget.emulator.faults.kinds import OUT_OF_CREDIT, Fault
from pytest_dgbudget.emulator.http import Refusal

OF_API = ("bill-refused", "bill-slow")
MOST = 1000  # grants that are kept: those of tests that have ended are never named again

NAMELESS = "default"  # the grant of clients that send no x-dgbudget-grant


class GrantedSession(Protocol):
    """An open session, as far as its grant goes."""

    @property
    def request_id(self) -> str: ...

    def arm(self, fault: Fault) -> None:
        """Have this fault take effect at its moment."""
        ...

    def cancel(self, faults: Sequence[Fault]) -> None:
        """Cancel these faults."""
        ...

    def inject(self, message: Mapping[str, Any] | bytes) -> None:
        """Begin to send a message as if the agent had sent it."""
        ...

    @property
    def hear_out(self) -> Callable[[], None]:
        """Call this when the client listens to the end of what was sent."""
        ...


class Grant:
    """One test's sessions, or those of all clients that name no grant."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.faults: list[Fault] = []
        self.sessions: set[GrantedSession] = set()
        self.out_of_credit = False

    def add(self, fault: Fault) -> None:
        """Apply this fault to open sessions, from now on, and to later ones."""
        self.faults.append(fault)
        for session in list(self.sessions):
            session.arm(fault)

    def clear(self) -> None:
        """Remove all faults but those of scenarios, and restore the credit."""
        for session in self.sessions:
            session.cancel(self.faults)
        self.faults = []
        self.out_of_credit = False

    def refusal(self, faults: tuple[Fault, ...]) -> Refusal | None:
        """Return the refusal of a new session, if any; ``faults`` include those of its scenario."""
        if self.out_of_credit:
            return Refusal(402, OUT_OF_CREDIT, "The emulated project is out of credit.")
        for fault in faults:
            if fault.kind == "refuse":
                return Refusal(fault["status"], fault["code"], "A fault of the emulator refuses this session.")
            if fault.kind == "limit" and len(self.sessions) >= fault["sessions"]:
                return Refusal(429, "TOO_MANY_REQUESTS", "Too many requests. Please try again later")
        return None


@dataclass(slots=True)
class _ApiFault:
    """A fault of the management API, of a ``grant`` or of a scenario. ``left``: how many times; None means always."""

    fault: Fault
    grant: Grant | None
    left: int | None


class Grants:
    """Every grant named so far, and the faults of the management API, which all of them share."""

    def __init__(self) -> None:
        self._grants: dict[str, Grant] = {}
        self._of_api: list[_ApiFault] = []

    def named(self, name: str) -> Grant:
        """Return the grant of this name; one without sessions may have been forgotten, and then starts afresh."""
        grant = self._grants.pop(name, None) or Grant(name)
        self._grants[name] = grant  # moved to the end
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
        """Remove all faults that were added for this grant."""
        grant.clear()
        self._of_api = [each for each in self._of_api if each.grant is not grant]

    def script(self, faults: tuple[Fault, ...]) -> None:
        """Add a scenario's faults of the management API, once however often the scenario is played."""
        for fault in faults:
            if fault.kind in OF_API and not any(each.grant is None and each.fault == fault for each in self._of_api):
                self._of_api.append(_ApiFault(fault, None, fault.values.get("times")))

    def api_refusal(self) -> Refusal | None:
        """Return the refusal of this request to the management API, if any."""
        for each in self._of_api:
            if each.fault.kind == "bill-refused" and each.left != 0:
                each.left = None if each.left is None else each.left - 1
                status = each.fault["status"]
                return Refusal(status, "EMULATED_REFUSAL", "A fault of the emulator refuses this request.")
        return None

    def api_delay(self) -> float:
        """Return the seconds by which the management API delays each answer."""
        return float(sum(each.fault["delay"] for each in self._of_api if each.fault.kind == "bill-slow")) / 1000
