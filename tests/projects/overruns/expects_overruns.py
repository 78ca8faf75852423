"""A plugin of a project: its refused test is expected to fail."""

import pytest


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if item.name == "test_is_refused":
            item.add_marker(pytest.mark.xfail)
