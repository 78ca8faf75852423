"""Tokens name who may spend."""

from __future__ import annotations

import base64

import pytest

from pytest_dgbudget.gateway.tokens import Tokens


def test_a_token_means_what_it_was_issued_for_until_it_is_revoked() -> None:
    tokens: Tokens[str] = Tokens()
    first, second = tokens.issue("first"), tokens.issue("second")
    assert (tokens.find(first), tokens.find(second)) == ("first", "second")
    tokens.revoke(first)
    assert (tokens.find(first), tokens.find(second)) == (None, "second")
    tokens.revoke(first)


@pytest.mark.parametrize("token", ["", "dgb_", "nonsense", "ü", "\ud800", "x" * 10_000], ids=ascii)
def test_any_other_token_means_nothing(token: str) -> None:
    tokens: Tokens[str] = Tokens()
    tokens.issue("something")
    assert tokens.find(token) is None
    tokens.revoke(token)


def test_tokens_are_never_the_same_and_have_128_bits_and_more() -> None:
    tokens: Tokens[int] = Tokens()
    issued = [tokens.issue(number) for number in range(100)]
    assert len(set(issued)) == 100
    assert all(token.startswith("dgb_") for token in issued)
    assert all(8 * len(base64.urlsafe_b64decode(token[4:])) >= 128 for token in issued)


def test_a_token_fits_a_header_and_a_subprotocol() -> None:
    assert all(c.isascii() and (c.isalnum() or c in "_-") for c in Tokens[int]().issue(1))


def test_no_token_is_kept_in_the_clear() -> None:
    tokens: Tokens[str] = Tokens()
    token = tokens.issue("meaning")
    assert token not in repr(vars(tokens))
    assert token[4:] not in repr(vars(tokens))
