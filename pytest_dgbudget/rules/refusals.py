"""Why a handshake or a request was refused: the forms of the vendor's errors, and what to do about each."""

from __future__ import annotations

from dataclasses import dataclass
from json import loads

from pytest_dgbudget.model import Refusal
from pytest_dgbudget.rules.vendor_messages import writable
from pytest_dgbudget.units import counted

_ADVICE = {
    401: "Deepgram refused the key: check DEEPGRAM_API_KEY",
    402: "the Deepgram project is out of credit: add some; the test is not at fault",
    403: "the key lacks a permission, or the project has no access to the model",
    429: "too many sessions at once for the Deepgram project: lower --dg-max-sessions",
    502: "check --dg-agent-url and the network",
    504: "check --dg-agent-url and the network",
}
_NO_ADVICE = "see the vendor's message"
_EMULATED = "EMULATED_"  # begins the codes of faults that a test asked for, which needs no advice
_LONGEST_TEXT = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class VendorError:
    """One of the vendor's error forms; code and message are empty where the body is of none."""

    code: str
    message: str
    request_id: str | None


def read_error(body: bytes) -> VendorError:
    """Read the body of a refusal; of what has neither form, the text is the message."""
    text = body.decode("utf-8", "replace")
    try:
        fields = loads(text)
    except (ValueError, RecursionError):
        fields = None
    if not isinstance(fields, dict):
        return VendorError(code="", message=text[:_LONGEST_TEXT], request_id=None)
    request_id = fields.get("request_id")
    return VendorError(
        code=writable(str(fields.get("err_code") or fields.get("category") or "")),
        message=writable(str(fields.get("err_msg") or fields.get("message") or text[:_LONGEST_TEXT])),
        request_id=writable(request_id) if isinstance(request_id, str) else None,
    )


def advised(status: int, code: str, said: str) -> str:
    """Return the vendor's words and what to do."""
    if code.startswith(_EMULATED):
        return said
    return f"{said}; {_ADVICE.get(status, _NO_ADVICE)}"


def describe_refusal(refusal: Refusal) -> str:
    """Say what a client was refused for, and how often it came again."""
    what = f"{refusal.status} {refusal.code}".strip()
    again = refusal.times - 1
    more = f"; {counted(again, 'reconnect')} refused" if again else ""
    return f"a client was refused: {what}: {refusal.reason}{more}"
