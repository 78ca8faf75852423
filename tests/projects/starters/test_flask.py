"""The application runs in a thread of pytest's own, for all tests of this process."""

import threading
from collections.abc import Iterator

import flask_app
import pytest
from visitor import reply_to
from werkzeug.serving import make_server


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    server = make_server("127.0.0.1", 0, flask_app.app, threaded=True)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.port
    server.shutdown()
    thread.join()


def test_flask_answers_one_visitor(port: int) -> None:
    assert "weather" in reply_to("How is the weather?", port)


def test_flask_answers_two_visitors(port: int) -> None:
    assert "weather" in reply_to("How is the weather?", port)
    assert "order" in reply_to("Where is my order?", port)


def test_flask_has_no_visitor(port: int) -> None:
    assert flask_app.app.test_client().get("/").status_code == 404
