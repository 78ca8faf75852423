"""Rules that take as long as the vendor is given time."""

import time
from collections.abc import Callable

import pytest

from pytest_dgbudget import ExpectTimeout, HandshakeRefused
from pytest_dgbudget.client.voice_agent import Connect


def test_a_vendor_that_never_answers_is_given_up(on: Callable[..., Connect]) -> None:
    with pytest.raises(HandshakeRefused, match="10 s") as caught, on("no answer to the handshake"):
        pass
    assert caught.value.status == 504


def test_a_vendor_that_never_says_welcome_is_given_up(on: Callable[..., Connect]) -> None:
    with pytest.raises(ExpectTimeout, match="Welcome"), on("no welcome"):
        pass


def test_keep_alives_go_out_by_themselves(on: Callable[..., Connect]) -> None:
    with on():
        time.sleep(9)
