"""A client of the management API for the tests: asks over real sockets, and checks every answer's form."""

from __future__ import annotations

import asyncio
import json
import re
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit
from uuid import uuid4

from jsonschema import Draft202012Validator
from websockets.asyncio.client import connect

from pytest_dgbudget.emulator.behavior import Behavior
from pytest_dgbudget.emulator.server import Emulator
from pytest_dgbudget.emulator.vendor import AS_SEEN
from tests.support.emulator_agent_forms import AGENT_ANSWERS, AGENT_FORMS
from tests.support.emulator_client import PATIENCE, SETTINGS, session

PROJECT = "/v1/projects/{project}"
VENDOR: dict[str, Any] = json.loads(Path(__file__).with_name("vendor_openapi.json").read_text(encoding="utf-8"))
ANSWERS: dict[str, str] = {**VENDOR["answers"], **AGENT_ANSWERS}  # the form of what each emulated operation answers
CAN_DO_ALL = {"comment": "c", "scopes": ["owner"]}
WITH_DURATION = Behavior(vendor=replace(AS_SEEN, row_duration=True))  # rows show what a session lasted


@dataclass(frozen=True)
class Reply:
    """One answer; header names are lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        assert self.headers["content-type"] == "application/json"
        return json.loads(self.body)

    def refusal(self) -> tuple[int, str]:
        """The status and the vendor's code; the error has one of the vendor's two forms."""
        error = self.json
        error.pop("emulator", None)  # a hint of the emulator's own
        assert error["request_id"] == self.headers["dg-request-id"]
        if "category" in error:
            assert error.keys() == {"category", "message", "details", "request_id"}
            check(error, "ErrorResponseModernError")
            return self.status, error["category"]
        assert error.keys() == {"err_code", "err_msg", "request_id"}
        check(error, "ErrorResponseLegacyError")
        return self.status, error["err_code"]


class Line:
    """One connection to the API port."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def reply(self, *, to_head: bool = False) -> Reply:
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), PATIENCE)
        first, *fields = head.decode().strip().split("\r\n")
        headers = {name.lower(): value for name, _, value in (field.partition(": ") for field in fields)}
        assert headers["dg-request-id"]
        size = 0 if to_head else int(headers["content-length"])
        body = await asyncio.wait_for(self.reader.readexactly(size), PATIENCE)
        return Reply(int(first.split()[1]), headers, body)

    async def rest(self) -> bytes:
        """What comes until the server closes."""
        return await asyncio.wait_for(self.reader.read(), PATIENCE)


@asynccontextmanager
async def line(emulator: Emulator, first: bytes = b"") -> AsyncIterator[Line]:
    address = urlsplit(emulator.api_url)
    reader, writer = await asyncio.open_connection(address.hostname, address.port)
    writer.write(first)
    try:
        yield Line(reader, writer)
    finally:
        writer.transport.abort()


def request(
    emulator: Emulator, path: str, *, method: str = "GET", authorization: str | None = "", body: bytes = b""
) -> bytes:
    """A complete request, with the emulator's own key by default; None for no credentials."""
    target = path.replace("{project}", emulator.project_id)
    authorization = f"Token {emulator.api_key}" if authorization == "" else authorization
    credentials = "" if authorization is None else f"Authorization: {authorization}\r\n"
    length = f"Content-Length: {len(body)}\r\n" if body else ""
    return f"{method} {target} HTTP/1.1\r\nHost: x\r\n{credentials}{length}\r\n".encode() + body


async def ask(emulator: Emulator, path: str, **options: Any) -> Reply:
    async with line(emulator, request(emulator, path, **options)) as api:
        return await api.reply(to_head=options.get("method") == "HEAD")


async def get(emulator: Emulator, path: str, **parameters: Any) -> Any:
    """What a successful GET of a path below the project answers, valid by the vendor's file."""
    return await call(emulator, "GET", PROJECT + path, query=urlencode(parameters, doseq=True))


async def call(
    emulator: Emulator, method: str, path: str, body: Any = None, *, query: str = "", authorization: str | None = ""
) -> Any:
    """What an operation answers that succeeds, valid by the vendor's file; the body as JSON."""
    data = b"" if body is None else json.dumps(body).encode()
    reply = await ask(emulator, f"{path}?{query}", method=method, authorization=authorization, body=data)
    assert reply.status == 200, reply
    check(reply.json, ANSWERS[f"{method} {template(path)}"])
    return reply.json


async def rows(emulator: Emulator, count: int = 1, *, settled: bool = True) -> list[dict[str, Any]]:
    """All rows, once there are this many and they are settled, which no event reports."""
    end = time.monotonic() + PATIENCE
    while True:
        found: list[dict[str, Any]] = (await get(emulator, "/requests", limit=1000))["requests"]
        if len(found) == count and all(row["response"] or not settled for row in found):
            return found
        assert time.monotonic() < end, found


async def spend(emulator: Emulator, *tags: str) -> str:
    """One session, no longer than it takes; returns its request id."""
    async with session(emulator, tags=list(tags)) as client:
        return str(client.seen[0]["request_id"])


async def make_key(emulator: Emulator, **fields: Any) -> dict[str, Any]:
    made: dict[str, Any] = await call(emulator, "POST", f"{PROJECT}/keys", {**CAN_DO_ALL, **fields})
    return made


async def use_key(emulator: Emulator, secret: str, *tags: str) -> None:
    """A session of this key's or token's."""
    headers = {"Authorization": f"Token {secret}"}
    async with connect(emulator.agent_url, additional_headers=headers, proxy=None) as client:
        await client.recv()
        await client.send(json.dumps({**SETTINGS, "tags": tags}))
        assert json.loads(await client.recv())["type"] == "SettingsApplied"


async def until(condition: Callable[[], bool]) -> None:
    """For what gives no event to wait for: tasks that end."""
    end = time.monotonic() + PATIENCE
    while not condition():
        assert time.monotonic() < end
        await asyncio.sleep(0.005)


def filled(path: str, emulator: Emulator) -> str:
    """A path of the vendor's file with our project's id, and ids of nothing elsewhere."""
    path = path.replace("/projects/{}", f"/projects/{emulator.project_id}")
    return str(uuid4()).join(path.split("{}"))


def template(path: str) -> str:
    """Return a path as the vendor's file has it, without the names of its parameters."""
    return re.sub(r"\{\w+\}|[0-9a-f-]{36}", "{}", path)


def check(answer: Any, schema: str) -> None:
    validator = Draft202012Validator(
        {
            "$ref": f"#/components/schemas/{schema}",
            "components": {"schemas": corrected(VENDOR["components"]["schemas"])},
        },
        format_checker=Draft202012Validator.FORMAT_CHECKER,
    )
    validator.validate(answer)


def corrected(schemas: dict[str, Any]) -> dict[str, Any]:
    """Let be null what the vendor's own examples show as null, though its file does not say so.

    And models, errors and wishes for keys match one form or another: most match several, which oneOf forbids.
    """
    row = schemas["ProjectRequestResponse"]
    may_be_null = {name: {"anyOf": [row["properties"][name], {"type": "null"}]} for name in ("response", "callback")}
    either = {
        name: {"anyOf": schemas[name]["oneOf"]}
        for name in ("GetModelV1Response", "CreateKeyV1Request", "ErrorResponse")
    }
    return {
        **schemas,
        **AGENT_FORMS,
        **either,
        "ProjectRequestResponse": {**row, "properties": {**row["properties"], **may_be_null}},
    }
