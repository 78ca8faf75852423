"""What hooks are called with. None is unknown, never zero; instants are UTC; nothing in it was said, or is a secret."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    from datetime import datetime
    from pathlib import Path

    from pytest_dgbudget.model import ClosedBy, ScopeName, TurnSince
    from pytest_dgbudget.report.document import UsageDocument
    from pytest_dgbudget.rules.verdicts import LineClass


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedSession:
    """A session that has opened.

    ``attempt`` is the number of the test's attempt, from 1. ``session`` is its id in ``usage.json``, ``request_id`` the
    vendor's (None: it named none before something else happened). ``target`` is ``live``, ``emulator``,
    ``replay`` or ``rehearsal``. ``opened_at`` is the instant of its dial, from which its seconds count.
    """

    nodeid: str
    attempt: int
    session: str
    request_id: str | None
    target: str
    billed: bool
    opened_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedTurn:
    """The user's part and the agent's answer to it, as the gateway measured them.

    ``started_seconds`` is where its latency begins, in seconds since the session's dial; ``since`` says what is there:
    the end of the user's ``audio``, an injected ``text``, or the ``transcript`` of audio that can't be read or is never
    loud.
    ``latency_seconds`` is the silence before the answer, None without an answer; ``function_seconds`` of it went into
    the client's functions. ``overlapped``: the agent was still speaking. ``unpaced``: the user's audio came faster than
    1.5 times real time. ``continued``: the user went on before an answer came.
    """

    nodeid: str
    attempt: int
    session: str
    request_id: str | None
    started_seconds: float
    latency_seconds: float | None
    function_seconds: float
    since: TurnSince
    overlapped: bool
    unpaced: bool
    continued: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedSession:
    """A session that is closed. ``closed_by`` says by whom or what, ``close_code`` is the WebSocket's.

    ``seconds`` is the metered connection time, from ``opened_at``, and ``cost_usd`` its price in US dollars at the
    prices of the run; ``estimated``: at the highest price that it may be. ``tier`` is the last one. ``turns`` counts
    them. ``forecast_seconds`` is what it would have taken live (None where it was). ``confirmed``: the vendor confirmed
    the close. After the end of its gateway (``gateway-lost``) all that nobody saw is None.
    """

    nodeid: str
    attempt: int
    session: str
    request_id: str | None
    target: str
    billed: bool
    opened_at: datetime
    closed_at: datetime | None
    seconds: float | None
    cost_usd: float | None
    estimated: bool | None
    tier: str | None
    turns: int | None
    forecast_seconds: float | None
    closed_by: ClosedBy
    close_code: int | None
    confirmed: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class OverrunReport:
    """A budget that has cut a test's sessions (``cut``), ``refused`` one, or was ``exceeded`` by what was used.

    ``scope`` is the budget's, and so is ``currency``: ``used`` and ``allowed`` are seconds where it is ``time``, US
    dollars where it is ``money``. ``message`` says the same in words, and what to change.
    """

    nodeid: str
    attempt: int
    kind: Literal["cut", "refused", "exceeded"]
    scope: ScopeName
    currency: Literal["time", "money"]
    used: float
    allowed: float
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Discrepancy:
    """A request about which the vendor's statement and our figures disagree; ``kind`` is its class in ``usage.json``.

    ``local_seconds`` is what was metered here, ``vendor_seconds`` the duration that the statement states, and
    ``elapsed_seconds`` its time from creation to completion: rows of agents state no duration. ``nodeid`` and
    ``attempt`` are None where no test of the run is known to have made it.
    """

    kind: LineClass
    request_id: str | None
    nodeid: str | None
    attempt: int | None
    local_seconds: float | None
    vendor_seconds: float | None
    elapsed_seconds: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunReport:
    """The end of a run: pytest's ``exit_status`` as it is then, and where ``usage.json`` is (None: nowhere).

    ``usage`` is what stands there, a copy; None where no document could be made. ``notices`` are sentences about how
    the run went.
    """

    exit_status: int
    report: Path | None
    usage: UsageDocument | None = field(repr=False)
    notices: tuple[str, ...]
