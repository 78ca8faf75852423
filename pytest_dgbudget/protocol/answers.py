"""HTTP answers that end a connection, and the vendor's JSON error form, which every refusal of ours has."""

from __future__ import annotations

from collections.abc import Sequence
from http import HTTPStatus
from json import dumps


def response(status: int, headers: Sequence[tuple[str, str]], body: bytes) -> bytes:
    """Build an answer that ends the connection."""
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "Unknown"
    length = [] if status == HTTPStatus.NO_CONTENT else [("Content-Length", str(len(body)))]
    fields = [*headers, *length, ("Connection", "close")]
    head = "".join(f"{name}: {value}\r\n" for name, value in fields)
    return f"HTTP/1.1 {status} {phrase}\r\n{head}\r\n".encode("latin-1", "replace") + body


def error_answer(
    status: int, code: str, message: str, request_id: str, headers: Sequence[tuple[str, str]] = ()
) -> bytes:
    """Build an answer in the vendor's JSON error form."""
    body = dumps({"err_code": code, "err_msg": message, "request_id": request_id}).encode()
    on_one_line = " ".join(message.split())
    fields = [("Content-Type", "application/json"), ("dg-request-id", request_id), ("dg-error", on_one_line), *headers]
    return response(status, fields, body)


NO_TEST = (
    "no test is running in the process that this token belongs to: a session belongs to a test, from the start of its "
    "setup to the end of its teardown"
)
