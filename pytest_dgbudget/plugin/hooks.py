"""Hooks of every pytest run, whether a test asks for ``voice_agent`` or not."""

from __future__ import annotations

import importlib
import json
import os
import sys
import warnings
from argparse import Namespace
from collections.abc import Generator, Sequence
from types import FrameType
from typing import Any

import pytest

from pytest_dgbudget.config import WORKER_VARIABLE
from pytest_dgbudget.plugin.loading import without_rewriting
from pytest_dgbudget.plugin.options import (
    FIXTURES,
    LATENCY_MARKER,
    MARKER_HELP,
    MARKERS,
    Given,
    changes_nothing,
    opens_nothing,
    register_options,
)
from pytest_dgbudget.plugin.state import STATE, State

# pytest-asyncio warns when a project lacks one of its settings. Our users didn't ask for pytest-asyncio, and under
# -W error their pytest would not even start.
_ASYNCIO_SETTING = "asyncio_default_fixture_loop_scope"
_NOT_OUR_USERS_WARNING = f'The configuration option "{_ASYNCIO_SETTING}"'


_LOADED_LATE = (
    "pytest-dgbudget: a live run needs the plugin before the first conftest is imported, for what is imported by then "
    "has read the key: load it by its entry point (not by pytest_plugins in a conftest), or with -p dgbudget"
)


_RECORDED_OFTEN = (
    "pytest-dgbudget: --dg-record keeps one set of cassettes for each test, and with --dist=each every worker runs "
    "every test: leave one of the two out"
)


class _QuietAsyncio:
    """Configured before pytest-asyncio, whereas the plugin itself is configured after all others."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_configure(self, config: pytest.Config) -> None:
        if config.pluginmanager.hasplugin("warnings") and _lacks_setting(config):
            # pytest runs this hook inside catch_warnings, so the filter is gone after it.
            warnings.filterwarnings("ignore", message=_NOT_OUR_USERS_WARNING)

    def __dir__(self) -> list[str]:
        """pytest inspects every name of a plugin, including those that every object has."""
        return ["pytest_configure"]


def _lacks_setting(config: pytest.Config) -> bool:
    try:
        return config.getini(_ASYNCIO_SETTING) is None
    except ValueError:  # there is no pytest-asyncio
        return False


class _XdistController:
    """Registered where xdist is: each hook of a plugin is paid for at every start of pytest."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_setupnodes(self, config: pytest.Config) -> None:
        """Let workers inherit what they need before their conftests."""
        config.stash[STATE].prepare_workers()

    def pytest_configure_node(self, node: Any) -> None:
        """Give a worker what it needs to reach the gateway."""
        from pytest_dgbudget.plugin.xdist import prepare_worker

        prepare_worker(node)

    def __dir__(self) -> list[str]:
        return ["pytest_configure_node", "pytest_xdist_setupnodes"]


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    with without_rewriting():
        import pytest_dgbudget.plugin.hookspecs as hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_addoption(parser: pytest.Parser, pluginmanager: pytest.PytestPluginManager) -> None:
    register_options(parser)
    pluginmanager.register(_QuietAsyncio(), "dgbudget-quiet-asyncio")


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_load_initial_conftests(early_config: pytest.Config) -> Generator[None, object, object]:
    """Set up a run that is ours before the first conftest is imported."""
    told = os.environ.pop(WORKER_VARIABLE, None)
    with without_rewriting():
        if told is not None and "PYTEST_XDIST_WORKER" in os.environ:
            _begin_worker(early_config, told)
        else:
            _begin(early_config)
    result = yield
    early_config.stash[STATE].conftests_were_read()
    return result


def _begin(config: pytest.Config) -> None:
    options = config.known_args_namespace
    given = Given(config, options)
    if given.is_ours and os.name != "nt" and not changes_nothing(options):
        from pytest_dgbudget.plugin.own_run import begin_own_run

        is_untold = "PYTEST_XDIST_WORKER" in os.environ and _is_worker_itself()
        config.stash[STATE] = begin_own_run(config, given, opens_nothing=is_untold or opens_nothing(options))
    else:
        _state(config, given, options)


def _is_worker_itself() -> bool:
    """Return whether this is an xdist worker, not a pytest that a worker's test has started."""
    frame: FrameType | None = sys._getframe()
    while frame is not None and frame.f_code.co_name != "wrap_session":
        if frame.f_globals.get("__name__") == "__channelexec__":  # as xdist itself knows it
            return True
        frame = frame.f_back
    return False


def _begin_worker(config: pytest.Config, told: str) -> None:
    from pytest_dgbudget.plugin.own_run import join_own_run

    config.stash[STATE] = join_own_run(config, json.loads(told))


@pytest.hookimpl(trylast=True)
def pytest_configure(config: pytest.Config) -> None:
    for text in MARKER_HELP:
        config.addinivalue_line("markers", text)
    from_controller: dict[str, Any] | None = getattr(config, "workerinput", {}).get("dgbudget")
    state = _worker_state(config, from_controller) if from_controller else _controller_state(config)
    config.add_cleanup(state.close)
    if not state.is_worker and not state.opens_nothing and config.hook.pytest_dgbudget_prices.get_hookimpls():
        from pytest_dgbudget.plugin.prices_hook import prices_of_hooks

        state.change_config(prices_of_hooks(config))
    state.configure(config)
    if not state.opens_nothing:
        _add_ending(config, state)
    if config.getoption("dg_plan", False):
        with without_rewriting():
            from pytest_dgbudget.plugin.plan import PlanOfRun

        config.pluginmanager.register(PlanOfRun(config), "dgbudget-plan")
    if config.pluginmanager.hasplugin("xdist"):
        config.pluginmanager.register(_XdistController(), "dgbudget-xdist")


def _add_ending(config: pytest.Config, state: State) -> None:
    with without_rewriting():
        from pytest_dgbudget.plugin.ending import Ending

    ending = Ending(state)
    config.add_cleanup(ending.keep_failing)
    config.pluginmanager.register(ending, "dgbudget-ending")


def _worker_state(config: pytest.Config, ours: dict[str, Any]) -> State:
    """A worker takes the controller's configuration and checks nothing."""

    def resolve() -> Any:
        from pytest_dgbudget.config.handed_over import from_json

        return from_json(ours["run_config"])

    state = config.stash.get(STATE, None)
    if ours["own"] is None:
        state = config.stash[STATE] = State(resolve)
    elif state is None or not state.has_joined:
        from pytest_dgbudget.plugin.own_run import join_own_run

        # It did not inherit what its controller has told it, and its conftests were imported without.
        keys = {} if state is None else state.keys_taken
        state = config.stash[STATE] = join_own_run(config, ours["own"], keys)
        state.conftests_were_read()
    from pytest_dgbudget.plugin.elsewhere import take_part_from_elsewhere

    take_part_from_elsewhere(config, state, ours)
    state.join(ours["port"], ours["secret"], ours["worker"])
    return state


def _controller_state(config: pytest.Config) -> State:
    state = config.stash.get(STATE, None)
    if state is None:  # a conftest has loaded the plugin: conftests and applications have read the key by now
        state = _state(config, Given(config, config.option), config.option)
        if state.given and state.run_config.is_live and not state.opens_nothing:
            raise pytest.UsageError(_LOADED_LATE)
    if state.given and state.run_config.target_given and not state.opens_nothing:
        _refuse_unbounded(config, state)
    if state.given and state.run_config.record != "none" and not state.opens_nothing:
        _refuse_recording(config, state)
    if state.given and not state.opens_nothing and state.run_config.windows:
        _look_for_history(state)
    return state


def _state(config: pytest.Config, given: Given, options: Namespace) -> State:
    """Resolve at once what was given, so that an error is reported before any test; leave the defaults for later."""
    state = config.stash[STATE] = State(given.resolve, given=given, opens_nothing=opens_nothing(options))
    if state.given:
        _ = state.run_config
    return state


def _refuse_unbounded(config: pytest.Config, state: State) -> None:
    from pytest_dgbudget.config.resolve import refuse_unbounded
    from pytest_dgbudget.errors import SettingsError

    try:
        refuse_unbounded(state.run_config)
    except SettingsError as error:
        from pytest_dgbudget.config.key_hint import key_hint

        hint = None if state.run_config.has_key else _key_is_token(state) or key_hint(os.environ, config.rootpath)
        raise pytest.UsageError(f"pytest-dgbudget: {error}{f' ({hint})' if hint else ''}") from None


def _refuse_recording(config: pytest.Config, state: State) -> None:
    from pytest_dgbudget.config.resolve import refuse_recording
    from pytest_dgbudget.errors import SettingsError

    try:
        refuse_recording(state.run_config)
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-dgbudget: {error}") from None
    if state.run_config.records and config.getoption("dist", "no") == "each":
        raise pytest.UsageError(_RECORDED_OFTEN)


def _look_for_history(state: State) -> None:
    from pytest_dgbudget.control.window_history import remark_on_history
    from pytest_dgbudget.errors import SettingsError

    try:
        remark = remark_on_history(state.run_config, os.environ)
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-dgbudget: {error}") from None
    state.remarks += [] if remark is None else [remark]


def _key_is_token(state: State) -> str | None:
    from pytest_dgbudget.credentials import is_token

    variable = state.run_config.key_variable
    return (
        f"{variable} has a token of the run that this pytest is part of"
        if is_token(os.environ.get(variable, ""))
        else None
    )


def pytest_report_header(config: pytest.Config) -> list[str] | None:
    state = config.stash[STATE]
    if state.opens_nothing or not state.given or not (state.run_config.has_run_budget or state.run_config.target_given):
        return None
    return _header(config, state)


def pytest_report_collectionfinish(config: pytest.Config, items: Sequence[pytest.Item]) -> list[str] | None:
    state = config.stash[STATE]
    if state.opens_nothing:
        return None
    lines = [] if state.header_shown or not any(_asks_for_us(item) for item in items) else _header(config, state)
    return [*lines, *_unmatched(config, state, items)]


def _unmatched(config: pytest.Config, state: State, items: Sequence[pytest.Item]) -> list[str]:
    if not state.header_shown or not state.run_config.paths:
        return []
    with without_rewriting():
        from pytest_dgbudget.plugin.unmatched_paths import unmatched_lines

    return unmatched_lines(config, items)


def _header(config: pytest.Config, state: State) -> list[str]:
    with without_rewriting():
        from pytest_dgbudget.plugin.terminal import header_lines

    state.header_shown = True
    return header_lines(config, state.run_config)


def pytest_collection_finish(session: pytest.Session) -> None:
    config = session.config
    config.stash[STATE].tests_begin()
    marked = _marked(session.items)
    if marked:
        from pytest_dgbudget.plugin.markers import check_markers

        check_markers(config, marked)
    state = config.stash[STATE]
    if state.opens_nothing:
        return
    if any(item.get_closest_marker(LATENCY_MARKER) is not None for item in marked):
        from pytest_dgbudget.plugin.latency_judge import LatencyJudge

        # Before the accounting, which judges before it that way.
        config.pluginmanager.register(LatencyJudge(state), LatencyJudge.NAME)
    if any(_asks_for_us(item) for item in session.items):
        # What runs beside the tests is loaded before one of them has replaced what it is made of.
        try:
            with without_rewriting():
                importlib.import_module("pytest_dgbudget.plugin.grant")
        except ImportError as error:
            raise pytest.UsageError(
                f"pytest-dgbudget: voice_agent can't be loaded: {error}. A folder of tests that has a library's name "
                "takes its place: rename it, or add an __init__.py to the folder above it"
            ) from error
        from pytest_dgbudget.plugin.accounting import accounting_of

        accounting_of(config)
    elif state.tests is None:
        return
    if state.ends_run:
        with without_rewriting():
            from pytest_dgbudget.plugin.live_figure import add_live_figure

        add_live_figure(config, state)
    if state.given and state.run_config.on_exhausted == "stop":
        from pytest_dgbudget.plugin.stopping import StopsTests

        config.pluginmanager.register(StopsTests(state), "dgbudget-stops-tests")
    if any(_is_ours(name) and hook.get_hookimpls() for name, hook in vars(config.hook).items()):
        state.calls_of_hooks(config)  # is loaded, for the same reason


def _is_ours(hook: str) -> bool:
    return hook.startswith("pytest_dgbudget_")


def _marked(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """Return those that have a marker of ours; what is above many of them is looked at once."""
    above: dict[int, bool] = {}

    def has_marker(node: Any) -> bool:
        return any(mark.name in MARKERS for mark in node.own_markers)

    def is_below_marker(node: Any) -> bool:
        if node is None:
            return False
        known = above.get(id(node))
        if known is None:
            known = above[id(node)] = has_marker(node) or is_below_marker(node.parent)
        return known

    return [item for item in items if has_marker(item) or is_below_marker(item.parent)]


def _asks_for_us(item: pytest.Item) -> bool:
    return not FIXTURES.isdisjoint(getattr(item, "fixturenames", ()))
