"""This process while its clients are redirected."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from pytest_dgbudget.control.browser_scripts import BROWSER_SCRIPTS
from pytest_dgbudget.redirect import RedirectSettings, install


@contextmanager
def redirected(settings: RedirectSettings | None) -> Iterator[None]:
    """Redirect by these settings; None: leave clients alone."""
    if settings is None:
        yield
        return
    redirect = install(settings)
    try:
        yield
    finally:
        redirect.uninstall()
        BROWSER_SCRIPTS.forget(settings)
