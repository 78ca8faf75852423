"""A test that warns as pytest-asyncio does."""

import warnings

import pytest

UNSET = 'The configuration option "asyncio_default_fixture_loop_scope" is unset'


def test_it() -> None:
    with pytest.warns(DeprecationWarning, match="is unset"):
        warnings.warn(UNSET, DeprecationWarning, stacklevel=1)
