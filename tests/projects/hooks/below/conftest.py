from pathlib import Path

from pytest_dgbudget import OpenedSession


def pytest_dgbudget_session_opened(session: OpenedSession) -> None:
    with Path("below.txt").open("a", encoding="utf-8") as file:
        file.write(f"{session.nodeid}\n")
