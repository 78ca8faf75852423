"""Variants that prove little more than another one: the README's test line leaves them out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest


def slow(*values: Any, id: str | None = None) -> Any:  # noqa: A002 - pytest's own name
    """Return one variant's values, to run with ``-m slow``."""
    return pytest.param(*values, marks=pytest.mark.slow, id=id)


def quick_only(variants: Iterable[str], *quick: str) -> list[Any]:
    """Return the variants; all but the ones that are named are slow."""
    return [variant if variant in quick else slow(variant) for variant in variants]
