"""Requests to the management API: with the key, within limits, and repeated where that may help."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, TypeVar
from urllib.parse import urlencode

import urllib3
from urllib3.exceptions import HTTPError, InvalidHeader, SSLError
from urllib3.util import Retry

from pytest_dgbudget.config.proxy import proxy_of
from pytest_dgbudget.deepgram.timeout import Timeout
from pytest_dgbudget.errors import ReconciliationError

_MOST_BYTES = 32 * 1024 * 1024
_MOST_SHOWN = 4096
# Kept open between calls: a period's pages are read side by side.
_CONNECTIONS = 4
_CALL_SECONDS = 10
_PAUSES_SECONDS = (0.2, 0.8, 2.0)
_NOT_FOUND = 404
# The OpenAPI file has 200 for all; what is answered with 201 was made as well.
_GRANTED = {200, 201}
_TEMPORARY = {408, 409, 425, 429, 500, 502, 503, 504}

Query = Sequence[tuple[str, object]]
R = TypeVar("R")


class TryLater(ReconciliationError):
    """A retry may succeed, but not before ``seconds`` have passed."""

    def __init__(self, message: str, *, status: int | None = None, seconds: float = 0) -> None:
        super().__init__(message, status=status, temporary=True)
        self.seconds = seconds


class Transport:
    """One API and one key. Raises ReconciliationError; no message contains the key."""

    def __init__(self, url: str, key: str) -> None:
        self._url = url.rstrip("/")
        self._key = key
        self._pool = _pool(self._url)
        self._not_before: dict[str, tuple[float, TryLater]] = {}

    def get(self, what: str, path: str, query: Query, timeout: Timeout) -> dict[str, Any]:
        """Return a JSON object; retries where that may help and time is left. ``what``: the request, in messages."""
        return _repeated(lambda: self._answer(what, path, query, timeout), timeout)

    def post(self, what: str, path: str, body: Mapping[str, object], timeout: Timeout) -> dict[str, Any]:
        """Send a JSON object and return one; once, since what seems to have failed may have been done.

        The answer may hold a secret, so no message repeats it.
        """
        return self._parsed(what, self._send("POST", what, path, timeout, body), shown=False)

    def delete(self, what: str, path: str, timeout: Timeout) -> None:
        """Delete something; retries where that may help and time is left. What is not there counts as deleted."""
        _repeated(lambda: self._delete(what, path, timeout), timeout)

    def _delete(self, what: str, path: str, timeout: Timeout) -> TryLater | None:
        try:
            self._send("DELETE", what, path, timeout)
        except TryLater as later:
            return later
        except ReconciliationError as error:
            if error.status != _NOT_FOUND:
                raise
        return None

    def _answer(self, what: str, path: str, query: Query, timeout: Timeout) -> dict[str, Any] | TryLater:
        """Ask, unless the last answer to this call asked to retry later than now.

        Where our own timeout cuts a try short or leaves no time for it, that last answer says more than the timeout.
        """
        until, last = self._not_before.get(what, (0.0, None))
        wait = until - time.monotonic()
        if last is not None and wait > 0:
            return TryLater(str(last), status=last.status, seconds=wait)
        try:
            target = f"{path}?{urlencode(query)}" if query else path
            answer = self._parsed(what, self._send("GET", what, target, timeout))
        except ReconciliationError as error:
            if last is not None and error.temporary and error.status is None and not timeout.left():
                return TryLater(str(last), status=last.status)
            if not isinstance(error, TryLater):
                raise
            self._not_before[what] = (time.monotonic() + error.seconds, error)
            return error
        self._not_before.pop(what, None)
        return answer

    def safe(self, text: str) -> str:
        """Make text from outside fit for one line of a message: printable, short, and without the key."""
        text = self.without_key(text)
        return " ".join("".join(each if each.isprintable() else " " for each in text).split())[:300]

    def without_key(self, text: str) -> str:
        """Return text from outside as it is, but for the key."""
        return text.replace(self._key, "***")

    def _send(
        self, method: str, what: str, target: str, timeout: Timeout, body: Mapping[str, object] | None = None
    ) -> bytes:
        """Send one request, and return the body of what grants it."""
        seconds = timeout.left()
        if not seconds:
            raise ReconciliationError(f"{what}: no time was left to ask", temporary=True)
        try:
            response = self._pool.request(
                method,
                f"{self._url}{target}",
                json=body,
                headers={"Authorization": f"Token {self._key}", "Accept": "application/json"},
                timeout=urllib3.Timeout(total=min(seconds, _CALL_SECONDS)),
                redirect=False,  # the key goes to the configured URL and nowhere else
                retries=False,
                preload_content=False,
                decode_content=False,
            )
            answer = self._read(what, response, timeout)
        except SSLError as error:
            raise ReconciliationError(self.safe(f"{what}: {self._url}: {_cause(error)}")) from None
        except (HTTPError, OSError, ValueError) as error:  # ValueError: the standard library's, of a bad chunk
            raise TryLater(self.safe(f"{what}: {self._url} can't be reached: {_cause(error)}")) from None
        if response.status not in _GRANTED:
            self._refused(what, response, answer)
        return answer

    def _read(self, what: str, response: Any, timeout: Timeout) -> bytes:
        body = bytearray()
        try:
            while chunk := response.read1(65536):  # what has come: an answer may trickle in, byte by byte
                body += chunk
                if len(body) > _MOST_BYTES:
                    raise ReconciliationError(f"{what}: the answer is over {_MOST_BYTES // 2**20} MiB")
                if not timeout.left():
                    raise ReconciliationError(f"{what}: the answer did not end in time", temporary=True)
            response.release_conn()
        except BaseException:
            response.close()
            raise
        return bytes(body)

    def _parsed(self, what: str, body: bytes, *, shown: bool = True) -> dict[str, Any]:
        parsed = _json(body)
        if not isinstance(parsed, dict):
            beginning = self.safe(body[:_MOST_SHOWN].decode("utf-8", "replace"))[:60]
            raise ReconciliationError(f"{what}: the answer is not a JSON object{f': {beginning!r}' if shown else ''}")
        return parsed

    def _refused(self, what: str, response: Any, body: bytes) -> NoReturn:
        said = self.safe(_error_text(body))
        message = f"{what}: HTTP {response.status}{': ' if said else ''}{said}"
        if response.status in _TEMPORARY:
            raise TryLater(message, status=response.status, seconds=_retry_after(response))
        raise ReconciliationError(message, status=response.status)


def _repeated(ask: Callable[[], R | TryLater], timeout: Timeout) -> R:
    """Ask until there is an answer; raises TryLater when there is no time, or no try, left for another one."""
    for pause in _PAUSES_SECONDS:
        answer = ask()
        if not isinstance(answer, TryLater):
            return answer
        if not timeout.pause(max(pause, answer.seconds)):
            raise answer
    answer = ask()
    if isinstance(answer, TryLater):
        raise answer
    return answer


def header_of_answer(url: str, header: str, seconds: float) -> str:
    """Ask once, without a key, and return a header of whatever is answered; empty where it has none.

    Raises ReconciliationError where nothing is.
    """
    try:
        with _pool(url) as pool:
            answer = pool.request("GET", url, timeout=seconds, redirect=False, retries=False, preload_content=False)
            answer.close()
    except (HTTPError, OSError, ValueError) as error:
        raise ReconciliationError(_cause(error), temporary=True) from None
    return answer.headers.get(header, "")


def _pool(url: str) -> urllib3.PoolManager:
    """Return connections for an API, by the environment's proxy where there is one."""
    proxy = proxy_of(url)
    if proxy is None:
        return urllib3.PoolManager(maxsize=_CONNECTIONS)
    return urllib3.ProxyManager(proxy, maxsize=_CONNECTIONS)


def _cause(error: BaseException) -> str:
    """Return the cause in words: the library wraps it."""
    cause = error.__cause__ or error.__context__ or error
    return f"{type(cause).__name__}: {cause}"


def _retry_after(response: Any) -> float:
    header = response.headers.get("Retry-After")
    try:
        return Retry().parse_retry_after(header) if header else 0
    except (InvalidHeader, ValueError, OverflowError):
        return 0


def _json(body: bytes) -> object:
    try:
        return json.loads(body)
    except (ValueError, RecursionError):
        return None


def _error_text(body: bytes) -> str:
    """Return the text of an error, which is in one of the vendor's two JSON forms, or plain."""
    error = _json(body)
    if not isinstance(error, dict):
        return body[:_MOST_SHOWN].decode("utf-8", "replace")
    parts = (error.get(name) for name in ("err_code", "err_msg", "category", "message", "details"))
    return ": ".join(part.rstrip(".") for part in parts if isinstance(part, str) and part)
