"""The head of a request, parsed by h11."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import uuid4

import h11

from pytest_dgbudget.protocol.answers import error_answer

LONGEST_HEAD = 16 * 1024
# Each line takes time to parse, however short it is.
MOST_LINES = 128

Headers = Sequence[tuple[str, str]]

_END_OF_HEAD = re.compile(rb"\n\r?\n")


class BadRequest(Exception):
    """What came is not HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A request's head; header names are lower case. ``rest`` came after it."""

    method: str
    path: str
    query: str
    headers: Headers
    rest: bytes

    def header(self, name: str) -> str:
        """Return a header's values, joined by commas as HTTP has it; empty when there is none."""
        return ", ".join(value for key, value in self.headers if key == name)

    @property
    def upgrade(self) -> str:
        return self.header("upgrade").lower()

    @property
    def is_websocket(self) -> bool:
        return "websocket" in {protocol.strip() for protocol in self.upgrade.split(",")}


class RequestReader:
    """Feed it bytes until it returns a request; raises BadRequest. ``http`` reads what follows the head."""

    def __init__(self) -> None:
        self.http = h11.Connection(h11.SERVER, max_incomplete_event_size=LONGEST_HEAD)
        self._came = bytearray()

    def feed(self, data: bytes) -> Request | None:
        self._came += data
        self._refuse_long_head()
        try:
            self.http.receive_data(data)
            event = self.http.next_event()
        except h11.RemoteProtocolError as error:
            raise BadRequest(str(error)) from None
        if not isinstance(event, h11.Request):
            return None
        path, _, query = event.target.decode("latin-1").partition("?")
        return Request(
            method=event.method.decode("latin-1"),
            path=path,
            query=query,
            headers=[(name.decode("latin-1"), value.decode("latin-1")) for name, value in event.headers],
            rest=self.http.trailing_data[0],
        )

    def _refuse_long_head(self) -> None:
        """Look before h11 does, which has no bound for a head that comes at once."""
        end = _END_OF_HEAD.search(self._came)
        size = end.end() if end else len(self._came)
        if size > LONGEST_HEAD or self._came.count(b"\n", 0, size) > MOST_LINES:
            raise BadRequest(f"its head is longer than {LONGEST_HEAD} bytes or {MOST_LINES} lines")


def refusal(status: int, code: str, message: str, *, headers: Headers = ()) -> bytes:
    """Build an answer in the vendor's JSON error form, with an id of its own."""
    return error_answer(status, code, message, str(uuid4()), headers)
