"""What the methods of a session don't take is refused at once, with what they do take."""

from __future__ import annotations

import asyncio
import re
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_dgbudget.client.session_base import SessionBase, checked_name, expectation, in_seconds
from pytest_dgbudget.errors import SettingsError


@pytest.mark.parametrize("name", ["", 5, None, print])
def test_a_function_has_a_name(name: Any) -> None:
    with pytest.raises(TypeError, match=re.escape('@session.on_function("lookup"), not ')):
        checked_name(name)
    assert checked_name("lookup") == "lookup"


def test_what_is_expected_has_a_type_and_perhaps_a_predicate() -> None:
    with pytest.raises(TypeError, match=r"expect needs the type of a message: .* not 5"):
        expectation(5, None, {})
    with pytest.raises(TypeError, match=re.escape("'assistant' can't be called; name a field for it")):
        expectation("ConversationText", "assistant", {})  # type: ignore[arg-type]
    assert expectation("ConversationText", None, {"role": "user"}).fields == {"role": "user"}


@pytest.mark.parametrize(("timeout", "seconds"), [("500ms", 0.5), ("5s", 5.0), (2, 2.0), (0, 0.0)])
def test_a_time_is_a_number_of_seconds_or_a_text(timeout: Any, seconds: float) -> None:
    assert in_seconds(timeout) == seconds


@pytest.mark.parametrize("timeout", [None, -3, [], "soon", float("nan")])
def test_anything_else_is_no_time(timeout: Any) -> None:
    with pytest.raises(SettingsError):
        in_seconds(timeout)


def test_who_listens_to_a_session_that_has_just_ended_learns_of_that_by_its_close_alone() -> None:
    async def ask(_operation: Any) -> None:
        raise SettingsError("no session of this test is open: open one first")

    session = SessionBase.__new__(SessionBase)
    session._io, session._attempt = cast(Any, SimpleNamespace(request_id="r")), "a1"
    session._gateway = cast(Any, SimpleNamespace(membership=SimpleNamespace(ask=ask)))
    asyncio.run(session._listens())
