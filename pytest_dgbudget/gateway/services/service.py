"""A service: all that the gateway knows of what is spoken on a session. Pure: time comes in as a clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_dgbudget.gateway.credentials import Credentials
from pytest_dgbudget.gateway.http import Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Listener:
    """Where an inspection reports what a session's messages say of its life.

    ``welcomed`` is called once, with the vendor's id of the session; ``warned`` with the code of each warning or error.
    """

    welcomed: Callable[[str], None]
    warned: Callable[[str], None] = lambda code: None


class Inspection(Protocol):
    """What one session's messages say of it. Times are milliseconds of the metering clock."""

    request_id: str | None
    last_moved_ms: int

    @property
    def configured(self) -> bool:
        """False as long as ``client_said`` may change a text message: each is held back until it is whole."""
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
        """Note a client's text message and return what to pass on for it."""
        ...

    def client_said_too_much(self) -> None:
        """Note that a text of the client's has passed unread, which may have been the session's settings."""
        ...

    def vendor_said(self, text: bytes) -> None:
        """Note a text message of the vendor's."""
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

    def inspect(self, tag: str, listener: Listener, now_ms: Callable[[], int]) -> Inspection:
        """Begin to inspect a session, which is to carry the run's tag."""
        ...
