"""Surrounds each plain test with playwright's sync API, which leaves a loop running in another greenlet.

A page needs a browser; requests go the same way without one.
"""

import inspect
from collections.abc import Iterator

import pytest
from playwright.sync_api import APIRequestContext, sync_playwright

from pytest_dgbudget import VoiceAgent


@pytest.fixture
def requests() -> Iterator[APIRequestContext]:
    with sync_playwright() as playwright:
        yield playwright.request.new_context()


@pytest.fixture
def surrounded(requests: APIRequestContext, voice_agent: VoiceAgent) -> Iterator[None]:
    assert requests.get(voice_agent.endpoint.base_url).status == 404
    yield
    assert requests.get(voice_agent.endpoint.base_url).status == 404


@pytest.fixture(autouse=True)
def surround_plain_tests(request: pytest.FixtureRequest) -> None:
    if not inspect.iscoroutinefunction(request.function):
        request.getfixturevalue("surrounded")
