"""Ends a run at the place that INTERRUPTED_AT names."""

import os
from collections.abc import Iterator

import pytest

from pytest_dgbudget import VoiceAgent

at, _, how = os.environ["INTERRUPTED_AT"].partition(" ")


def interrupt_at(place: str) -> None:
    if place == at and how == "exit":
        pytest.exit("enough", returncode=0)
    if place == at:
        raise {"Ctrl-C": KeyboardInterrupt, "error": LookupError}[how]


def pytest_collection_modifyitems() -> None:
    interrupt_at("collection")


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call":
        interrupt_at("report")


@pytest.fixture
def application(voice_agent: VoiceAgent) -> Iterator[None]:
    yield
    interrupt_at("teardown")
