"""What can go wrong on demand: the kinds of faults and their parameters, for scenarios and tests. Pure.

The vendor documents none of this; each is something that happens to clients of servers on a network.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from pytest_dgbudget.emulator.codes import AUDIO, CLIENT, SERVER
from pytest_dgbudget.emulator.readers import nearest, one_of, read_text, read_time, shown, whole

MESSAGES = (AUDIO, *CLIENT, *SERVER)
OUT_OF_CREDIT = "EMULATED_OUT_OF_CREDIT"  # the vendor documents neither code nor close for it
MALFORMED = {
    "json": b'\x81\x08{"type":',
    "utf8": b"\x81\x02\xff\xfe",
    "frame": b"\x83\x00",  # an opcode that RFC 6455 reserves
}


class BadFault(ValueError):
    """An invalid fault; ``key`` is the parameter that is wrong."""

    def __init__(self, key: str, why: str) -> None:
        super().__init__(f"{key}: {why}")
        self.key = key
        self.why = why


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault, with a value for each of its parameters: times in milliseconds."""

    kind: str
    values: Mapping[str, Any] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        return self.values[name]

    @property
    def at(self) -> str | None:
        """The type of message that triggers it or that it applies to; None for none, or for all."""
        at: str | None = self.values.get("at")
        return at

    @property
    def timed(self) -> bool:
        """Whether it takes effect at a moment of a session, not on the handshake or on every message."""
        return "after" in self.values


Read = Callable[[Any], Any]
REQUIRED = object()


def _factor(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value <= 1000:
        raise ValueError(f"{shown(value)} is not a number from 0 to 1000")
    return float(value)


def _word(value: Any) -> str:
    text = read_text(value)
    if not text:
        raise ValueError("the text is empty")
    return text


def _message(value: Any) -> str:
    if value not in MESSAGES:
        raise ValueError(f"{shown(value)} is no type of message{nearest(shown(value), MESSAGES)}")
    return str(value)


_STATUS = whole(400, 599)  # statuses that refuse and may have a body
_BYTES = whole(1, 1024**3)
_MOMENT: dict[str, tuple[Read, Any]] = {"at": (_message, None), "after": (read_time, 0)}
_DELAY: dict[str, tuple[Read, Any]] = {"delay": (read_time, REQUIRED)}

# The parameters of each kind: what reads a value, and the default.
KINDS: dict[str, dict[str, tuple[Read, Any]]] = {
    "refuse": {"status": (_STATUS, 503), "code": (_word, "EMULATED_REFUSAL")},
    "limit": {"sessions": (whole(0, 10_000), REQUIRED)},
    "slow-handshake": _DELAY,
    "no-welcome": {},
    "slow-messages": {**_DELAY, "at": (_message, None)},
    "duplicate": {"at": (_message, None)},
    "out-of-order": {"at": (_message, "ConversationText")},
    "silence": _MOMENT,
    "drop": {**_MOMENT, "how": (one_of("rst", "fin"), "rst")},
    "deaf": _MOMENT,
    "slow-think": _DELAY,
    "late-audio": _DELAY,
    "ignore-close": _MOMENT,
    "flood": {**_MOMENT, "messages": (whole(1, 10_000_000), 10_000), "bytes": (_BYTES, 1000)},
    "malformed": {**_MOMENT, "form": (one_of(*MALFORMED), "json")},
    "oversized": {**_MOMENT, "bytes": (_BYTES, 16 * 1024**2)},
    "out-of-credit": _MOMENT,
    "bill-late": {"by": (read_time, REQUIRED)},
    "bill-missing": {},
    "bill-duplicate": {},
    "bill-foreign": {"seconds": (_factor, 60.0)},
    "bill-wrong": {"factor": (_factor, 2.0)},
    "bill-rounded-up": {"to": (read_time, 60_000)},
    "bill-refused": {"status": (_STATUS, 403), "times": (whole(1, 10_000), None)},
    "bill-slow": _DELAY,
}


def read_fault(kind: Any, given: Mapping[str, Any]) -> Fault:
    """Return a fault from its kind and parameters as a test or a file gives them; raises BadFault."""
    if not isinstance(kind, str) or kind not in KINDS:
        raise BadFault("kind", f"{shown(kind)} is no fault{nearest(shown(kind), KINDS)}")
    parameters = KINDS[kind]
    for name in given:
        if name not in parameters:
            accepted = ", ".join(parameters) or "none"
            raise BadFault(name, f"{kind} has no such parameter; it takes: {accepted}")
    return Fault(kind=kind, values={name: _value(kind, name, *each, given) for name, each in parameters.items()})


def _value(kind: str, name: str, read: Read, default: Any, given: Mapping[str, Any]) -> Any:
    if given.get(name) is None:
        if default is REQUIRED:
            raise BadFault(name, f"{kind} needs it")
        return default
    try:
        return read(given[name])
    except ValueError as error:
        raise BadFault(name, str(error)) from None
