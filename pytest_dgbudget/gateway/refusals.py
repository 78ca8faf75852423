"""A request that is refused: what its client is answered, and what its test is told."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_dgbudget.gateway.grants import Grant
from pytest_dgbudget.gateway.http import Headers, refusal
from pytest_dgbudget.gateway.upstream import DialFailed, on_one_line
from pytest_dgbudget.protocol import codes
from pytest_dgbudget.rules.refusals import advised, read_error


class RequestRefused(Exception):
    """Answered in the vendor's JSON error form; ``code`` is ours, unless the vendor would have refused the same."""

    def __init__(self, status: int, code: str, message: str, *, headers: Headers = ()) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        self.message = message
        self.headers = headers

    def answer(self) -> bytes:
        return refusal(self.status, self.code, self.message, headers=self.headers)


@contextmanager
def told_to(grant: Grant) -> Iterator[None]:
    """Keep for a test's report what its client is refused for in here."""
    try:
        yield
    except RequestRefused as refused:
        grant.note_refusal(refused.status, refused.code, _with_advice(refused))
        raise
    except DialFailed as failed:
        error = read_error(failed.body)
        grant.note_refusal(failed.status, error.code, on_one_line(advised(failed.status, error.code, error.message)))
        raise


def _with_advice(refused: RequestRefused) -> str:
    if refused.code != codes.UPSTREAM:
        return refused.message
    return on_one_line(advised(refused.status, refused.code, refused.message))
