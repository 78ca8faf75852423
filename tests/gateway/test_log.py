"""The gateway's log."""

from __future__ import annotations

import contextlib
import errno
import io

import pytest

from pytest_dgbudget.gateway.log import log


class FullDisk(io.StringIO):
    def write(self, text: str) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_is_logged_with_where_it_was_raised(capsys: pytest.CaptureFixture[str]) -> None:
    try:
        raise ValueError("broken")
    except ValueError as error:
        log(error)
    logged = capsys.readouterr().err
    assert logged.endswith("ValueError: broken\n")
    assert __file__ in logged


def test_a_log_that_can_not_be_written_stops_nothing() -> None:
    with contextlib.redirect_stderr(FullDisk()):
        log(ValueError("broken"))
