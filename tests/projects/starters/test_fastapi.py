"""The application runs under uvicorn, in a thread of pytest's own."""

import threading
import time
from collections.abc import Iterator

import fastapi_app
import httpx
import pytest
import uvicorn
from visitor import converse, reply_to
from websockets.sync.client import connect


@pytest.fixture(scope="session")
def port() -> Iterator[int]:
    server = uvicorn.Server(uvicorn.Config(fastapi_app.app, port=0, log_level="warning", ws="websockets-sansio"))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        time.sleep(0.01)
    yield server.servers[0].sockets[0].getsockname()[1]
    server.should_exit = True
    thread.join()


def test_fastapi_answers_one_visitor(port: int) -> None:
    assert "weather" in reply_to("How is the weather?", port)


def test_fastapi_answers_two_visitors(port: int) -> None:
    assert "weather" in reply_to("How is the weather?", port)
    assert "order" in reply_to("Where is my order?", port)


def test_fastapi_lets_a_page_dial_the_agent_itself(port: int) -> None:
    token = httpx.get(f"http://127.0.0.1:{port}/api/session", trust_env=False).json()["token"]
    with connect(fastapi_app.AGENT_URL, subprotocols=["bearer", token]) as agent:  # type: ignore[list-item]
        assert "order" in converse(agent, "Where is my order?")
