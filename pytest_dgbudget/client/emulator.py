"""What a test may ask of the emulator while it runs: faults, and a journal of what was sent and received."""

from __future__ import annotations

from typing import Any, Literal

from pytest_dgbudget.control.client import GatewayClient
from pytest_dgbudget.protocol.operations import CallEmulator

# pytest's own convention: a failing test shows its own line, not ours.
__tracebackhide__ = True


FaultKind = Literal[
    "refuse",
    "limit",
    "slow-handshake",
    "no-welcome",
    "slow-messages",
    "duplicate",
    "out-of-order",
    "silence",
    "deaf",
    "slow-think",
    "late-audio",
    "drop",
    "ignore-close",
    "flood",
    "malformed",
    "oversized",
    "out-of-credit",
    "bill-late",
    "bill-missing",
    "bill-duplicate",
    "bill-foreign",
    "bill-wrong",
    "bill-rounded-up",
    "bill-refused",
    "bill-slow",
]


class Emulator:
    """The emulator, as one test sees it."""

    def __init__(self, gateway: GatewayClient, attempt: str) -> None:
        self._gateway = gateway
        self._attempt = attempt

    def fault(self, kind: FaultKind, **parameters: Any) -> None:
        """Make something go wrong in this test's sessions, including those already open (docs/emulator.md).

        Raises SettingsError for an unknown fault or a wrong parameter.
        """
        self._ask("POST", "faults", {**parameters, "kind": kind})

    def clear_faults(self) -> None:
        """Remove the faults that this test has set; those of its scenario stay."""
        self._ask("DELETE", "faults")

    def journal(self) -> list[dict[str, Any]]:
        """Return what this test's sessions sent and received so far, session by session, oldest first.

        The envelope is that of the vendor's observability guide; ``payload`` has the message (docs/emulator.md).
        """
        records: list[dict[str, Any]] = self._ask("GET", "journal")["records"]
        return records

    def _ask(self, method: str, what: str, body: Any = None) -> Any:
        return self._gateway.ask(CallEmulator(attempt=self._attempt, method=method, what=what, body=body))
