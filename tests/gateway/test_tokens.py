"""Tokens name who may spend."""

from __future__ import annotations

import re

import pytest

from pytest_dgbudget.credentials import TOKEN_PREFIX, is_token
from pytest_dgbudget.gateway.tokens import Secrets, Tokens


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
    assert all(is_token(token) for token in issued)
    assert all(8 * len(bytes.fromhex(token.removeprefix(TOKEN_PREFIX))) >= 128 for token in issued)


def test_a_token_looks_like_a_key_to_whoever_checks_that() -> None:
    assert re.fullmatch("[a-f0-9]{40}", Tokens[int]().issue(1))


def test_a_token_fits_a_header_and_a_subprotocol() -> None:
    assert all(c.isascii() and (c.isalnum() or c in "_-") for c in Tokens[int]().issue(1))


def test_no_token_is_kept_in_the_clear() -> None:
    tokens: Tokens[str] = Tokens()
    token = tokens.issue("meaning")
    assert token not in repr(vars(tokens))
    assert token.removeprefix(TOKEN_PREFIX) not in repr(vars(tokens))


def test_i9_a_secret_is_taken_out_of_texts_and_blanked_in_data_where_nothing_moves() -> None:
    secrets = Secrets("the-real-key", "dgb_token")
    assert secrets.hide("<the-real-key|dgb_token>") == "<***|***>"
    assert secrets.hide_in([("the-real-key", "dgb_token")]) == [("***", "***")]
    assert secrets.blank(b"<the-real-key|dgb_token>") == b"<************|*********>"


@pytest.mark.parametrize(
    ("data", "size"), [(b"", 0), (b"x", 0), (b"the-real-ke", 11), (b"xt", 1), (b"the-real-key", 0), (b"tthe-rdgb_", 4)]
)
def test_the_end_of_data_may_begin_a_secret(data: bytes, size: int) -> None:
    assert Secrets("the-real-key", "dgb_token").begins_at_end_of(data) == size


def test_what_is_too_short_to_be_a_secret_or_no_key_at_all_is_not_looked_for() -> None:
    assert Secrets("", "short").hide("a short text") == "a short text"
