"""Every error that users meet.

DgBudgetError
├── BudgetError                       a budget ended or refused a session
│   ├── BudgetExceeded                it cut the session in mid-flight
│   └── BudgetExhausted               it refused the session before it was opened
├── BypassRefused                     a client would have dialled past the gateway
├── LatencyExceeded                   a test's turns were slower than its dg_latency allows, or fewer
├── SessionClosed (ConnectionError)   the session ended while it was still in use
├── HandshakeRefused (ConnectionError)  the vendor refused or never completed the handshake
├── AgentError                        the agent answered with an Error or refused an injection
├── ExpectTimeout (TimeoutError)      an awaited message did not arrive in time
├── BadFunctionCall (AssertionError)  the agent called a function with arguments that it doesn't take
├── ProtocolViolated (AssertionError)  a session's messages broke the protocol's order
├── CassetteError                     a cassette can't be read, or not be made of a recording
│   └── CassetteRefused               it would hold something that looks like a secret
├── CassetteMismatch (AssertionError)  a client sent something else than the cassette of its session has
├── CassetteTooOld                    a test used a cassette that is older than it may be
├── LedgerError                       the ledger can't be read or written
├── GatewayError                      the gateway is gone, hung or not ours
├── ReconciliationError               the vendor's statement can't be fetched or read
└── SettingsError (ValueError)        an option, ini key, variable, marker or file is wrong

Seconds are decimal numbers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pytest_dgbudget.model import ClosedBy, ScopeName

__all__ = [
    "AgentError",
    "BadFunctionCall",
    "BudgetError",
    "BudgetExceeded",
    "BudgetExhausted",
    "BypassRefused",
    "CassetteError",
    "CassetteMismatch",
    "CassetteRefused",
    "CassetteTooOld",
    "DgBudgetError",
    "ExpectTimeout",
    "GatewayError",
    "HandshakeRefused",
    "LatencyExceeded",
    "LedgerError",
    "ProtocolViolated",
    "ReconciliationError",
    "SessionClosed",
    "SettingsError",
]


class DgBudgetError(Exception):
    """Root of every error of this package."""


class BudgetError(DgBudgetError):
    """A budget ended a session or refused one.

    ``budget`` is the scope (``test``, ``path``, ``run`` or ``window``; None where it is not known), ``used_seconds``
    what was metered, ``allowed_seconds`` the budget: infinite where that is in money, whose US dollars are ``used_usd``
    and ``allowed_usd`` (None: not known, or the budget is in time).
    """

    def __init__(
        self,
        message: str,
        *,
        budget: ScopeName | None = None,
        used_seconds: float = 0.0,
        allowed_seconds: float = 0.0,
        used_usd: float | None = None,
        allowed_usd: float | None = None,
    ) -> None:
        super().__init__(message)
        self.budget = budget
        self.used_seconds = used_seconds
        self.allowed_seconds = allowed_seconds
        self.used_usd = used_usd
        self.allowed_usd = allowed_usd


class BudgetExceeded(BudgetError):
    """A budget cut a session in mid-flight."""


class BudgetExhausted(BudgetError):
    """A budget refused a session before it was opened: nothing was dialled, nothing is billed."""


class BypassRefused(DgBudgetError):
    """A client would have dialled the vendor past the gateway: it was refused, whatever became of the error there.

    ``host`` and ``path`` are where it would have gone, ``program`` is what it ran in (None: not known).
    """

    def __init__(self, message: str, *, host: str, path: str, program: str | None = None) -> None:
        super().__init__(message)
        self.host = host
        self.path = path
        self.program = program


class LatencyExceeded(DgBudgetError):
    """The turns of a test were slower than its ``dg_latency`` allows, or fewer than it wants.

    ``percentile`` (50 or 95) is the first one that was, ``measured_seconds`` what it was (None: a turn without an
    answer), ``allowed_seconds`` its limit; all three are None where the turns were too few alone. ``turns`` is how many
    were judged.
    """

    def __init__(
        self,
        message: str,
        *,
        percentile: int | None,
        measured_seconds: float | None,
        allowed_seconds: float | None,
        turns: int,
    ) -> None:
        super().__init__(message)
        self.percentile = percentile
        self.measured_seconds = measured_seconds
        self.allowed_seconds = allowed_seconds
        self.turns = turns


class CassetteTooOld(DgBudgetError):
    """A test used cassettes that are older than ``dg_cassette_max_age`` allows, which is to fail it."""


class SessionClosed(DgBudgetError, ConnectionError):
    """The session is closed: WebSocket close ``code``, ``reason``, and who closed it (``closed_by``)."""

    def __init__(self, message: str, *, code: int, reason: str, closed_by: ClosedBy) -> None:
        super().__init__(message)
        self.code = code
        self.reason = reason
        self.closed_by = closed_by


class HandshakeRefused(DgBudgetError, ConnectionError):
    """The handshake failed: HTTP ``status``, the vendor's ``code`` and ``vendor_message``, ``request_id`` if known."""

    def __init__(self, message: str, *, status: int, code: str, vendor_message: str, request_id: str | None) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.vendor_message = vendor_message
        self.request_id = request_id


class AgentError(DgBudgetError):
    """The agent sent an ``Error`` message or refused an injection; ``code`` and ``description`` as it sent them."""

    def __init__(self, message: str, *, code: str, description: str) -> None:
        super().__init__(message)
        self.code = code
        self.description = description


class ExpectTimeout(DgBudgetError, TimeoutError):
    """An awaited message did not arrive within its timeout; the error lists what came instead."""


class BadFunctionCall(DgBudgetError, AssertionError):
    """The agent called a ``function`` with ``arguments`` (JSON text) that its parameters in the settings don't allow.

    ``path`` is where the wrong ``value`` stands, as a JSON Pointer: ``/items/0/size``; empty for all of them.
    """

    def __init__(self, message: str, *, function: str, path: str, value: object, arguments: str) -> None:
        super().__init__(message)
        self.function = function
        self.path = path
        self.value = value
        self.arguments = arguments


class ProtocolViolated(DgBudgetError, AssertionError):
    """The messages of a session broke the protocol's order rules; ``violations`` has a sentence for each."""

    def __init__(self, violations: Sequence[str]) -> None:
        super().__init__("the protocol's order was broken: " + "; ".join(violations))
        self.violations = tuple(violations)


class CassetteError(DgBudgetError):
    """A cassette can't be read, which names file and line, or not be made of a recording: nothing is written then."""


class CassetteRefused(CassetteError):
    """A cassette would hold something that looks like a secret, so nothing is written.

    ``kind`` says what it looks like, and ``pointer`` where it stands: a JSON Pointer into the message of ``line`` of
    its ``session.jsonl`` (None: of its ``recording.json``).
    """

    def __init__(self, message: str, *, kind: str, line: int | None, pointer: str) -> None:
        super().__init__(message)
        self.kind = kind
        self.line = line
        self.pointer = pointer


class CassetteMismatch(DgBudgetError, AssertionError):
    """A client did something else than the ``cassette`` (its folder, relative to the rootdir) that played its session.

    ``line`` is that of its ``session.jsonl``, from 1 (None: no line is concerned), ``differences`` lines of a diff.
    """

    def __init__(self, message: str, *, cassette: str, line: int | None, differences: Sequence[str]) -> None:
        super().__init__(message)
        self.cassette = cassette
        self.line = line
        self.differences = tuple(differences)


class LedgerError(DgBudgetError):
    """The ledger can't be opened, read or written; nothing is opened without one."""


class GatewayError(DgBudgetError):
    """The gateway can't be started or reached, has died, or isn't ours."""


class ReconciliationError(DgBudgetError):
    """The vendor's statement can't be fetched or read.

    ``status`` is the HTTP status of its answer, None without an answer; ``temporary``: asking again later may help;
    ``too_late``: but only after the time that there is.
    """

    def __init__(
        self, message: str, *, status: int | None = None, temporary: bool = False, too_late: bool = False
    ) -> None:
        super().__init__(message)
        self.status = status
        self.temporary = temporary
        self.too_late = too_late


class SettingsError(DgBudgetError, ValueError):
    """A setting is wrong; the message names it, its value and what is accepted."""


for _name in __all__:
    # Where users import them from, which is what pytest's summary shows.
    globals()[_name].__module__ = "pytest_dgbudget"
