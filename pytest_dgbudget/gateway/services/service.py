"""A service: all that the gateway knows of what is spoken on a session. Pure: time comes in as a clock."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_dgbudget.gateway.chunks import Chunk
from pytest_dgbudget.gateway.clock import Clock
from pytest_dgbudget.gateway.credentials import Credentials
from pytest_dgbudget.gateway.events import SessionEvent
from pytest_dgbudget.gateway.heard_audio import AudioMemory
from pytest_dgbudget.gateway.http import Request
from pytest_dgbudget.rules.prices import PriceTable

# Asks for the milliseconds that a session skipped, by its id at the vendor; None where nobody can say.
AskSkipped = Callable[[str], Awaitable[int | None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionContext:
    """What an inspection knows of its session: its id, when it was dialled on the metering clock, the run's tag and
    prices. ``emit`` takes what the session's messages say of its life. ``affords`` returns whether the session may
    cost so many micro-dollars a minute from now on.
    """

    session: str
    dialled_ms: int
    tag: str
    prices: PriceTable
    audio_memory: AudioMemory
    clock: Clock
    emit: Callable[[SessionEvent], None]
    affords: Callable[[int], bool] = lambda micro_usd_per_minute: True


class MessageNotAfforded(Exception):
    """At the price that a client's message brings, the money of its session is used up: it must not pass."""


class Inspection(Protocol):
    """What one session's messages say of it. Times are milliseconds of the metering clock."""

    request_id: str | None
    last_moved_ms: int

    @property
    def configured(self) -> bool:
        """False as long as ``client_said`` may change a text message: what is broken is refused then, not mended."""
        ...

    @property
    def tagged(self) -> bool:
        """True when the vendor took the run's tag."""
        ...

    @property
    def waits_for_client(self) -> bool:
        """True while the vendor waits for the client: that nothing moves is not idleness then."""
        ...

    def moved(self) -> None:
        """Note that something has passed which is more than a sign of life."""
        ...

    def client_said(self, text: bytes) -> bytes:
        """Note a client's text message and return what to pass on for it; raises MessageNotAfforded."""
        ...

    def client_said_too_much(self) -> None:
        """Note that a text of the client's is to pass unread, which may be the session's settings.

        Raises MessageNotAfforded.
        """
        ...

    def client_audio(self, chunk: Chunk) -> None:
        """Note what has passed with binary messages of the client's in it."""
        ...

    def vendor_said(self, text: bytes) -> None:
        """Note a text message of the vendor's."""
        ...

    def vendor_audio(self, frames: int, size: int) -> None:
        """Note so many binary messages of the vendor's, with so many bytes; before the text that came after them."""
        ...

    def closing(self) -> None:
        """Note that the session's end has begun: what the vendor still says passes no more."""
        ...

    def ended(self, *, cut: bool) -> None:
        """Note that the vendor's socket is closed; ``cut``: a budget, or we ourselves, closed the session."""
        ...

    @property
    def is_reading(self) -> bool:
        """True while something that has passed is still to be read: more events come."""
        ...

    @property
    def awaits_answer(self) -> bool:
        """True while a turn of the user's waits for its answer."""
        ...

    def audio_ms(self, *, in_bytes: int, out_bytes: int) -> tuple[int | None, int | None]:
        """How long the binary messages of each direction play; None where that can't be known."""
        ...


class Service(Protocol):
    """One protocol that clients speak to a vendor through the gateway."""

    @property
    def name(self) -> str:
        """What a target has an address for."""
        ...

    @property
    def paths(self) -> Sequence[str]:
        """Where clients ask for it at the gateway; messages name the first one."""
        ...

    @property
    def rate(self) -> int:
        """The meter: how many milliseconds a session uses for each one in which it is connected."""
        ...

    def credentials(self, request: Request) -> Credentials:
        """Read what a client shows in place of the vendor's key."""
        ...

    def dial_headers(self, request: Request, key: str) -> Mapping[str, str]:
        """Return the headers of a dial: what passes of the client's, and the vendor's key."""
        ...

    def passes_down(self, header: str) -> bool:
        """True for a header of the vendor's 101 that the client gets; names are lower case."""
        ...

    def handshake_id(self, headers: Sequence[tuple[str, str]]) -> str | None:
        """Return the vendor's id of a session as its 101 has it; None where it has none."""
        ...

    def inspect(self, context: SessionContext) -> Inspection:
        """Begin to inspect a session."""
        ...
