"""Tests without sessions."""


def test_passes() -> None:
    pass


def test_fails() -> None:
    raise AssertionError
