"""Variables that bring the redirect to the programs that a test starts, and to pages that their browsers load."""

from __future__ import annotations

import os
from collections.abc import Mapping

from pytest_dgbudget.control.browser_scripts import BROWSER_SCRIPTS
from pytest_dgbudget.redirect import RedirectSettings
from pytest_dgbudget.redirect.children import children_environment
from pytest_dgbudget.redirect.node_options import with_preload

BROWSER_SCRIPT_VARIABLE = "DGBUDGET_BROWSER_SCRIPT"
_NODE_OPTIONS = "NODE_OPTIONS"
_NO_PROXY = ("NO_PROXY", "no_proxy")
_LOOPBACK = ("127.0.0.1", "localhost")


def program_variables(settings: RedirectSettings) -> dict[str, str]:
    """Return what redirects Python and Node programs that are started with it besides our own variables."""
    return {
        **children_environment(os.environ, settings),
        _NODE_OPTIONS: with_preload(os.environ.get(_NODE_OPTIONS)),
    }


def browser_variables(settings: RedirectSettings) -> dict[str, str]:
    """Return where the init script for pages is."""
    return {BROWSER_SCRIPT_VARIABLE: BROWSER_SCRIPTS.path_of(settings)}


def proxy_variables() -> dict[str, str]:
    """Return what keeps clients from going to loopback by a proxy; nothing where none is set."""
    if not _names_proxy(os.environ):
        return {}
    return {name: _with_loopback(os.environ.get(name, "")) for name in _NO_PROXY}


def _names_proxy(environ: Mapping[str, str]) -> bool:
    return any(name.lower().endswith("_proxy") and name not in _NO_PROXY and value for name, value in environ.items())


def _with_loopback(hosts: str) -> str:
    given = [host.strip() for host in hosts.split(",") if host.strip()]
    return ",".join([*given, *(host for host in _LOOPBACK if host not in given)])
