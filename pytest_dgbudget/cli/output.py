"""What commands write on stdout, wherever that goes: a pipe that nobody reads, a full disk, an ASCII terminal."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from pytest_dgbudget.cli.options import respelled


class OutputFailed(Exception):
    """What was to be written is lost, and somebody may miss it."""


def write(lines: Iterable[str]) -> None:
    """Write each line as it comes, with options as commands spell them; raises OutputFailed.

    What the encoding lacks is replaced. Where nobody reads any more, the rest is dropped, and the command goes on.
    """
    write_verbatim(map(respelled, lines))


def write_verbatim(lines: Iterable[str]) -> None:
    """Write lines that speak of pytest's options, the same way."""
    for line in lines:
        _write(line)


def write_json(document: Mapping[str, Any]) -> None:
    """Write one JSON document; raises OutputFailed."""
    _write(json.dumps(document, indent=2))


def is_terminal() -> bool:
    return sys.stdout is not None and sys.stdout.isatty()


@contextmanager
def flushed() -> Iterator[None]:
    """Whatever has been written by the end, a parser's help as well, is written out; raises OutputFailed."""
    try:
        yield
    finally:
        with _guarded():
            if sys.stdout is not None:
                sys.stdout.flush()


def _write(text: str) -> None:
    if sys.stdout is None:  # it was closed before we were started
        return
    encoding = sys.stdout.encoding or "utf-8"
    with _guarded():
        sys.stdout.write(text.encode(encoding, "replace").decode(encoding) + "\n")
        sys.stdout.flush()


@contextmanager
def _guarded() -> Iterator[None]:
    try:
        yield
    except BrokenPipeError:
        _drop_the_rest()
    except OSError as error:
        _drop_the_rest()
        raise OutputFailed(f"the output can't be written: {error.strerror}") from None


def _drop_the_rest() -> None:
    """What is buffered would fail once more, when Python ends."""
    devnull = os.open(os.devnull, os.O_WRONLY)
    os.dup2(devnull, sys.stdout.fileno())
    os.close(devnull)
