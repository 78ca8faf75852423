"""This machine's clock against the Date of an answer."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from pytest_dgbudget.cli.checks.clock import check_clock


@contextmanager
def dated(date: Callable[[], str | None], status: int = 401) -> Iterator[tuple[str, list[str]]]:
    """Serve answers with this Date that lead nowhere; yield the URL, and the credentials that it is shown."""
    shown: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            shown.append(self.headers.get("Authorization", ""))
            self.send_response_only(status)
            self.send_header("Location", "http://127.0.0.1:1/")
            told = date()
            if told is not None:
                self.send_header("Date", told)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}", shown
        server.shutdown()
        thread.join(10)


def ahead(seconds: float) -> Callable[[], str]:
    return lambda: formatdate(time.time() + seconds, usegmt=True)


@pytest.mark.parametrize(
    ("seconds", "result", "said"),
    [
        (0, "ok", "as the management API's"),
        (60, "warning", "behind the management API's"),
        (-60, "warning", "ahead of the management API's"),
        (3600, "failed", "behind the management API's"),
    ],
)
def test_the_clock_is_held_against_the_date_of_an_answer_without_the_key(
    seconds: float, result: str, said: str
) -> None:
    with dated(ahead(seconds)) as (url, shown):
        check = check_clock(url)
    assert check.result == result
    assert said in check.found
    assert (check.to_do is None) == (result == "ok")
    assert shown == [""]
    if seconds:
        assert abs(float(check.found.split()[0]) - abs(seconds)) < 30


@pytest.mark.parametrize("date", [None, "yesterday", "Mon, 99 Nov 2026 10:00:00 GMT"])
def test_an_answer_without_a_date_says_nothing_about_the_clock(date: str | None) -> None:
    with dated(lambda: date) as (url, _):
        check = check_clock(url)
    assert (check.result, check.found) == ("skipped", "not compared: the answer has no date")
    assert check.to_do is None, "the management API is in order"


def test_where_the_management_api_cannot_be_reached_its_line_says_what_to_do() -> None:
    with dated(lambda: None) as (url, _):
        pass
    check = check_clock(url)
    assert (check.result, check.to_do) == ("skipped", "see the management API")


def test_an_api_that_does_not_answer_says_nothing_about_the_clock() -> None:
    check = check_clock("http://127.0.0.1:1")
    assert check.result == "skipped"
    assert "Connection refused" in check.found


def test_a_redirect_is_an_answer_as_well() -> None:
    with dated(ahead(0), status=302) as (url, _):
        assert check_clock(url).result == "ok"
