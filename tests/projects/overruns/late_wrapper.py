"""A plugin whose wrapper, registered when tests run already, is around every other."""

from collections.abc import Generator

import pytest


class _Late:
    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        try:
            return (yield)
        except Exception:
            return None


def pytest_runtest_setup(item: pytest.Item) -> None:
    item.config.pluginmanager.register(_Late(), "late")
