"""Tests of a pytest that is not ours: its project may not know the plugin."""

from __future__ import annotations

import time

from application import session


def test_it() -> None:
    with session():
        time.sleep(0.5)


def test_it_again() -> None:
    with session():
        time.sleep(0.5)
