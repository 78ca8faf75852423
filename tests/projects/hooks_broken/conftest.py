"""Hooks that do what the environment says: they raise, or sleep for a minute."""

import os
import sys
import time


def fail() -> None:
    if os.environ["HOOKS"] == "sleep":
        time.sleep(60)
    if os.environ["HOOKS"] == "exit":
        sys.exit("a hook wants to end pytest")
    raise ConnectionError("no route to the webhook")


def pytest_dgbudget_session_opened() -> None:
    fail()


def pytest_dgbudget_turn() -> None:
    fail()


def pytest_dgbudget_session_closed() -> None:
    fail()


def pytest_dgbudget_overrun() -> None:
    fail()


def pytest_dgbudget_run_finished() -> None:
    fail()


def pytest_dgbudget_prices() -> None:
    if os.environ["HOOKS"] != "sleep":
        fail()


def pytest_dgbudget_scrub() -> None:
    fail()
