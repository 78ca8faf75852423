"""A session that is used before it is open."""

from __future__ import annotations

from typing import cast

import pytest

from pytest_dgbudget.client.connect import Opening
from pytest_dgbudget.client.voice_agent import Connect


def test_whoever_forgets_with_is_told_so() -> None:
    with pytest.raises(AttributeError, match=r"the session is not open, it has no say: use 'with voice_agent\.connect"):
        Connect(cast(Opening, None), {}, {}).say("hi")
