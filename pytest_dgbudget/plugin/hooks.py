"""Hooks of every pytest run, whether a test asks for ``voice_agent`` or not."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Sequence
from typing import Any

import pytest

from pytest_dgbudget.plugin.ending import Ending
from pytest_dgbudget.plugin.options import FIXTURE, MARKER_HELP, MARKERS, Given, opens_nothing, register_options
from pytest_dgbudget.plugin.state import STATE, State

# pytest-asyncio warns when a project lacks one of its settings. Our users didn't ask for pytest-asyncio, and under
# -W error their pytest would not even start.
_NOT_OUR_USERS_WARNING = 'The configuration option "asyncio_default_fixture_loop_scope"'


class _QuietAsyncio:
    """Configured before pytest-asyncio, whereas the plugin itself is configured after all others."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        if config.pluginmanager.hasplugin("warnings"):
            # pytest runs this hook inside catch_warnings, so the filter is gone after it.
            warnings.filterwarnings("ignore", message=_NOT_OUR_USERS_WARNING)

    def __dir__(self) -> list[str]:
        """pytest inspects every name of a plugin, including those that every object has."""
        return ["pytest_configure"]


class _XdistController:
    """Registered where xdist is: each hook of a plugin is paid for at every start of pytest."""

    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker what it needs to reach the gateway."""
        from pytest_dgbudget.plugin.xdist import prepare_worker

        prepare_worker(node)

    def __dir__(self) -> list[str]:
        return ["pytest_configure_node"]


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    register_options(parser)
    pluginmanager.register(_QuietAsyncio(), "dgbudget-quiet-asyncio")


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    for text in MARKER_HELP:
        config.addinivalue_line("markers", text)
    from_controller: dict[str, Any] | None = getattr(config, "workerinput", {}).get("dgbudget")
    state = _worker_state(from_controller) if from_controller else _state(config)
    config.stash[STATE] = state
    config.add_cleanup(state.close)
    ending = Ending(state)
    config.add_cleanup(ending.keep_failing)
    config.pluginmanager.register(ending, "dgbudget-ending")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_XdistController(), "dgbudget-xdist")


def _worker_state(ours: dict[str, Any]) -> State:
    """A worker takes the controller's configuration and checks nothing."""

    def resolve() -> Any:
        from pytest_dgbudget.config.resolve import from_json

        return from_json(ours["run_config"])

    return State(resolve, port=ours["port"], secret=ours["secret"], worker=ours["worker"])


def _state(config: pytest.Config) -> State:
    """Resolve at once what was given, so that an error is reported before any test; leave the defaults for later."""
    given = Given(config)
    state = State(given.resolve, given=given.anything, opens_nothing=opens_nothing(config))
    if state.given and state.run_config.target_given and not state.opens_nothing:
        _refuse_unbounded(state)
    return state


def _refuse_unbounded(state: State) -> None:
    from pytest_dgbudget.config.resolve import refuse_unbounded
    from pytest_dgbudget.errors import SettingsError

    try:
        refuse_unbounded(state.run_config)
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-dgbudget: {error}") from None


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    state = config.stash[STATE]
    if (
        state.opens_nothing
        or not state.given
        or (state.run_config.budget_ms is None and not state.run_config.target_given)
    ):
        return None
    return _header(config, state)


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str] | None:
    state = config.stash[STATE]
    if state.header_shown or state.opens_nothing or not any(_asks_for_us(item) for item in items):
        return None
    return _header(config, state)


def _header(config: pytest.Config, state: State) -> list[str]:
    from pytest_dgbudget.plugin.terminal import header_lines

    state.header_shown = True
    return header_lines(config, state.run_config)


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    marked = [item for item in session.items if any(item.get_closest_marker(name) for name in MARKERS)]
    if marked:
        from pytest_dgbudget.plugin.markers import check_markers

        check_markers(config, marked)
    if not config.stash[STATE].opens_nothing and any(_asks_for_us(item) for item in session.items):
        # What runs beside the tests is loaded before one of them has replaced what it is made of.
        try:
            importlib.import_module("pytest_dgbudget.plugin.grant")
        except ImportError as error:
            raise pytest.UsageError(
                f"pytest-dgbudget: voice_agent can't be loaded: {error}. A folder of tests that has a library's name "
                "takes its place: rename it, or add an __init__.py to the folder above it"
            ) from error
        from pytest_dgbudget.plugin.accounting import accounting_of

        accounting_of(config)


def _asks_for_us(item: pytest.Item) -> bool:
    return FIXTURE in getattr(item, "fixturenames", ())
