"""A session that is used before it is open."""

from __future__ import annotations

from typing import cast

import pytest

from pytest_dgbudget.client.connect import Opening
from pytest_dgbudget.client.voice_agent import Connect


def test_a_session_that_is_not_open_says_how_to_open_it() -> None:
    with pytest.raises(
        AttributeError, match=r"the session is not open yet and has no say: use 'with voice_agent\.connect"
    ):
        Connect(cast(Opening, None), {}, {}).say("hi")
