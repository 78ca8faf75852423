"""pytest-django's live_server: a thread for the whole session."""

import httpx
import pytest


@pytest.mark.django_db(databases=[])
def test_django_is_asked_once(live_server: object) -> None:
    assert "weather" in ask(live_server, "How is the weather?")


@pytest.mark.django_db(databases=[])
def test_django_is_asked_twice(live_server: object) -> None:
    assert "weather" in ask(live_server, "How is the weather?")
    assert "order" in ask(live_server, "Where is my order?")


def ask(live_server: object, question: str) -> str:
    answer = httpx.get(f"{live_server}/ask", params={"question": question}, trust_env=False, timeout=20)
    return str(answer.raise_for_status().text)
