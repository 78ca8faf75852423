"""pytest-flask's live_server: a process for the whole session."""

from typing import Any

import flask
import flask_app
import pytest
from visitor import reply_to


@pytest.fixture(scope="session")
def app() -> flask.Flask:
    return flask_app.app


def test_flask_process_answers_one_visitor(live_server: Any) -> None:
    assert "weather" in reply_to("How is the weather?", live_server.port)


def test_flask_process_answers_two_visitors(live_server: Any) -> None:
    assert "weather" in reply_to("How is the weather?", live_server.port)
    assert "order" in reply_to("Where is my order?", live_server.port)
