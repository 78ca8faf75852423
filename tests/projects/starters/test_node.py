"""The application is a program in Node, started once."""

import os
import subprocess
from collections.abc import Iterator

import pytest
from visitor import reply_to


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    with subprocess.Popen(["node", "node_app.mjs"], stdout=subprocess.PIPE, text=True, env={**os.environ}) as server:
        assert server.stdout is not None
        yield int(server.stdout.readline())
        server.terminate()


def test_node_answers_one_visitor(port: int) -> None:
    assert "weather" in reply_to("How is the weather?", port)


def test_node_answers_two_visitors(port: int) -> None:
    assert "weather" in reply_to("How is the weather?", port)
    assert "order" in reply_to("Where is my order?", port)
