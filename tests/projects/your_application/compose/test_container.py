"""The application was started before pytest, with DG_APP_TOKEN as its key; port.txt says where."""

from pathlib import Path

from websockets.sync.client import connect

PORT = Path("port.txt").read_text(encoding="utf-8")


def test_the_agent_says_welcome() -> None:
    with connect(f"ws://127.0.0.1:{PORT}", proxy=None) as application:
        assert "Welcome" in str(application.recv())
