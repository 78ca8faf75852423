"""A management API of the tests' own in the vendor's place: it bills what it is given, or misbehaves as told."""

from __future__ import annotations

import contextlib
import json
import ssl
import threading
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta, timezone
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

PROJECT = "0f8fad5b-d9cb-469f-a165-70867728950e"
USD_PER_SECOND = 0.00125


@dataclass(frozen=True)
class Entry:
    """One request as the vendor has it. ``details`` replace fields of ``response.details``; None leaves one out.

    ``elapsed``: from its creation to its completion; None: as its seconds, or not shown where it has no duration.
    """

    request_id: str
    seconds: float
    tags: tuple[str, ...] = ()
    created: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    settled: bool = True
    details: Mapping[str, Any] = field(default_factory=dict)
    elapsed: float | None = None
    key_id: str = "11111111-2222-3333-4444-555555555555"

    def row(self) -> dict[str, Any]:
        return {
            "request_id": self.request_id,
            "project_uuid": PROJECT,
            "created": self.created.isoformat().replace("+00:00", "Z"),
            "path": "/v1/agent/converse",
            "api_key_id": self.key_id,
            "response": self._response() if self.settled else None,
            "callback": None,
        }

    def _response(self) -> dict[str, Any]:
        details = {
            "usd": round(self.seconds * USD_PER_SECOND, 9),
            "duration": self.seconds,
            "method": "streaming",
            "tags": list(self.tags),
            **self.details,
        }
        response = {"details": {name: value for name, value in details.items() if value is not None}, "code": 200}
        shown = None if self.details.get("duration", 0) is None else self.seconds
        elapsed = shown if self.elapsed is None else self.elapsed
        if elapsed is not None:
            response["completed"] = (self.created + timedelta(seconds=elapsed)).isoformat()
        return response


@dataclass(frozen=True)
class Asked:
    """One call as the API saw it: ``projects``, ``list``, ``get``, ``usage``, ``billing`` or ``keys``."""

    call: str
    path: str
    query: dict[str, list[str]]
    authorization: str
    method: str = "GET"
    body: bytes = b""

    def value(self, name: str, otherwise: str = "") -> str:
        return self.query.get(name, [otherwise])[0]


@dataclass(frozen=True)
class Answer:
    """``slowly``: the seconds between two bytes of the body."""

    body: bytes
    status: int = 200
    headers: Mapping[str, str] = field(default_factory=dict)
    slowly: float = 0.0

    @classmethod
    def json(cls, body: object, status: int = 200, **headers: str) -> Answer:
        shown = {name.replace("_", "-"): value for name, value in headers.items()}
        return cls(json.dumps(body).encode(), status, {"Content-Type": "application/json", **shown})


# A call's name, and what is answered instead; None: as usual.
Override = Callable[[Asked], "Answer | None"]


class Bill:
    """Serves until it is left. ``entries`` says what was used, by then; ``overrides`` stand in for single calls."""

    def __init__(
        self, key: str, entries: Callable[[], Iterable[Entry]] = tuple, tls: ssl.SSLContext | None = None
    ) -> None:
        self._tls = tls
        self.key = key
        self.entries = entries
        self.projects = [PROJECT]
        self.page_base = 0
        self.tells_page = True
        self.most_per_page = 1000
        self.wrapped = True
        self.shows_tags = True
        self.shows_keys = True
        self.shows_tags_in_rows = True
        self.overrides: dict[str, Override] = {}
        self.asked: list[Asked] = []

    def __enter__(self) -> Bill:
        bill = self

        class Handler(_Handler):
            pass

        Handler.bill = bill
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        if self._tls is not None:
            self._server.socket = self._tls.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,), name="bill", daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    @property
    def url(self) -> str:
        scheme, host = ("https", "localhost") if self._tls else ("http", "127.0.0.1")
        return f"{scheme}://{host}:{self._server.server_address[1]}"

    def calls(self, call: str) -> list[Asked]:
        return [asked for asked in self.asked if asked.call == call]

    def answer(self, asked: Asked) -> Answer:
        self.asked.append(asked)
        if asked.authorization != f"Token {self.key}":
            return refusal(401, "INVALID_AUTH", "Invalid credentials.")
        override = self.overrides.get(asked.call)
        answer = override(asked) if override is not None else None
        return answer or getattr(self, f"_{asked.call}")(asked)

    def _projects(self, asked: Asked) -> Answer:
        return Answer.json({"projects": [{"project_id": project, "name": "tests"} for project in self.projects]})

    def _keys(self, asked: Asked) -> Answer:
        return refusal(403, "INSUFFICIENT_PERMISSIONS", "No.")

    def _unknown(self, asked: Asked) -> Answer:
        return refusal(404, "NOT_FOUND", "Nothing here.")

    def _list(self, asked: Asked) -> Answer:
        limit = min(int(asked.value("limit", "10")), self.most_per_page)
        page = int(asked.value("page", str(self.page_base)))
        start, end = (datetime.fromisoformat(asked.value(name).replace("Z", "+00:00")) for name in ("start", "end"))
        rows = [self._row(entry) for entry in self.entries() if start <= entry.created <= end]
        first = max(0, page - self.page_base) * limit
        told = {"page": page} if self.tells_page else {}
        return Answer.json({**told, "limit": limit, "requests": rows[first : first + limit]})

    def _row(self, entry: Entry) -> dict[str, Any]:
        return entry.row() if self.shows_tags_in_rows else replace(entry, details={**entry.details, "tags": None}).row()

    def _get(self, asked: Asked) -> Answer:
        request_id = unquote(asked.path.rpartition("/")[2])
        for entry in self.entries():
            if entry.request_id == request_id:
                return Answer.json({"request": self._row(entry)} if self.wrapped else self._row(entry))
        return refusal(404, "NOT_FOUND", "Request not found.")

    def _usage(self, asked: Asked) -> Answer:
        figures = dict.fromkeys(("hours", "total_hours", "tokens_in", "tokens_out", "tts_characters", "requests"), 0)
        return self._breakdown(asked, lambda entry: {**figures, "agent_hours": entry.seconds / 3600})

    def _billing(self, asked: Asked) -> Answer:
        return self._breakdown(asked, lambda entry: {"dollars": entry.row()["response"]["details"].get("usd", 0)})

    def _breakdown(self, asked: Asked, figures: Callable[[Entry], dict[str, Any]]) -> Answer:
        """One bucket for each request, which is as good as a sum for whoever adds them up."""
        first, last, tag, key_id = (asked.value(name) for name in ("start", "end", "tag", "accessor"))
        results = []
        for entry in self.entries():
            day = entry.created.date().isoformat()
            is_asked_for = entry.key_id == key_id if key_id else not tag or tag in entry.tags
            if entry.settled and is_asked_for and first <= day <= last:
                tags = list(entry.tags) if self.shows_tags and not key_id else None
                accessor = entry.key_id if self.shows_keys and key_id else None
                grouping = {"start": day, "end": day, "tags": tags, "accessor": accessor}
                results.append({**figures(entry), "grouping": grouping})
        body = {"start": first, "end": last, "resolution": {"units": "day", "amount": 1}, "results": results}
        return Answer.json(body)


def refusal(status: int, code: str, message: str, **headers: str) -> Answer:
    """One of the vendor's two forms of an error."""
    return Answer.json({"err_code": code, "err_msg": message, "request_id": "x"}, status, **headers)


def unsettled(entries: Iterable[Entry]) -> list[Entry]:
    return [replace(entry, settled=False) for entry in entries]


class _Handler(BaseHTTPRequestHandler):
    bill: Bill
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        url = urlsplit(self.path)
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        authorization = self.headers.get("Authorization", "")
        asked = Asked(_call(url.path), url.path, parse_qs(url.query), authorization, self.command, body)
        with contextlib.suppress(OSError):
            self._send(self.bill.answer(asked))

    do_POST = do_DELETE = do_GET  # noqa: N815 - their names are the standard library's

    def _send(self, answer: Answer) -> None:
        self.send_response(answer.status)
        for name, value in {"Content-Length": str(len(answer.body)), **answer.headers}.items():
            self.send_header(name, value)
        self.end_headers()
        if not answer.slowly:
            self.wfile.write(answer.body)
            return
        for at in range(len(answer.body)):
            self.wfile.write(answer.body[at : at + 1])
            time.sleep(answer.slowly)

    def handle(self) -> None:
        """A client that goes away, or does not trust us, is none of the server's business."""
        with contextlib.suppress(OSError):
            super().handle()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


def _call(path: str) -> str:
    parts = path.strip("/").split("/")
    if parts[:2] != ["v1", "projects"]:
        return "unknown"
    return {
        "": "projects",
        "requests": "get" if len(parts) == 5 else "list",
        "usage": "usage",
        "billing": "billing",
        "keys": "keys",
    }.get(parts[3] if len(parts) > 3 else "", "unknown")
