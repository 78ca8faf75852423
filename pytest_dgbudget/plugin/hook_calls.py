"""Calls the hooks of projects and plugins, whatever becomes of them.

Each plugin, a conftest included, has a thread of its own here, made by its first call: what raises or hangs there holds
up its own next calls alone. Nobody waits for one longer than the seconds below.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial
from inspect import iscoroutine
from pathlib import Path
from traceback import format_exception_only
from typing import Any, NamedTuple

import pluggy
import pytest

from pytest_dgbudget.control import real_time
from pytest_dgbudget.plugin.hook_events import HookEvent, event_of, events_at_end, lost, opened
from pytest_dgbudget.plugin.hook_payloads import OpenedSession
from pytest_dgbudget.plugin.hook_problems import HookProblems
from pytest_dgbudget.plugin.hook_thread import HookCall, HookThread
from pytest_dgbudget.protocol.notifications import AttemptNotification, ClosedNotification, OpenedNotification
from pytest_dgbudget.report.document import FinishedRun

# How long the end of a test waits for what happened in it to be delivered; one that was late once is not waited for
# again before it has caught up.
_TEST_SECONDS = 1.0
# The same for the end of the run, all hooks together.
_RUN_SECONDS = 5.0
# How long an answer is waited for.
_ANSWER_SECONDS = 5.0


class Implementation(NamedTuple):
    """What one plugin implements of a hook; ``call`` takes the hook's arguments by name."""

    hook: str
    plugin: str
    call: pluggy.HookCaller


class HookFailed(Exception):
    """An implementation raised, or did not answer in time: it is in the problems by now."""


class HookCalls:
    """The hooks of one process. ``problems`` is what is reported of them at the end of the run."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._threads: dict[str, HookThread] = {}
        # Those that are waited for one by one: they are not held up by what happens meanwhile.
        self._answering: dict[tuple[str, str], HookThread] = {}
        # By attempt and session.
        self._open: dict[str, dict[str, OpenedSession]] = {}
        # What the report of the test that ends next is to say, once each.
        self._news: dict[str, None] = {}
        self.problems = HookProblems()

    # Sessions -----------------------------------------------------------------------------------------------------

    def notified(self, item: pytest.Item, notification: AttemptNotification) -> None:
        """Have the hooks called for something that the gateway says of a test; called on the I/O thread."""
        try:
            if self._is_news(notification):
                self._put(item.ihook, event_of(notification))
        except Exception as error:  # as where no thread can be started: it would end the connection to the gateway
            self.problems.raised("the call of a hook", "pytest-dgbudget", error)

    def test_ended(self, item: pytest.Item, attempt: str, *, gateway_lost: bool) -> None:
        """Wait a moment for what happened in a test to be delivered, and say in its report what failed."""
        left = self._open.pop(attempt, {}) if gateway_lost else {}
        for session in left.values():
            self._put(item.ihook, lost(session))
        self._wait([each for each in self._threads.values() if not each.is_late or each.wait(0)], _TEST_SECONDS)
        for sentence in list(self._news):
            del self._news[sentence]
            item.add_report_section("teardown", "dgbudget", sentence)

    def _is_news(self, notification: AttemptNotification) -> bool:
        """Note what is open; False for the end of a session that was taken for lost."""
        if isinstance(notification, OpenedNotification):
            sessions = self._open.setdefault(notification.attempt.id, {})
            sessions[notification.session.id] = opened(notification)
        elif isinstance(notification, ClosedNotification):
            sessions = self._open.get(notification.attempt.id, {})
            if sessions.pop(notification.session.id, None) is None:
                return False
            if not sessions:
                self._open.pop(notification.attempt.id, None)
        return True

    # The run's end ------------------------------------------------------------------------------------------------

    def run_ended(self, finished: FinishedRun, exit_status: int) -> None:
        """Have the hooks called for the end of the run."""
        for event in events_at_end(finished, exit_status):
            self._put(self._config.hook, event)

    def settle(self) -> None:
        """Wait until all is delivered, or too long; Ctrl-C ends the waiting."""
        try:
            self._wait(list(self._threads.values()), _RUN_SECONDS)
        except KeyboardInterrupt:
            self._wait(list(self._threads.values()), 0)
        for plugin, thread in self._threads.items():
            running = thread.running if thread.is_late else None
            if running is not None:
                hook, seconds, undelivered = running
                self.problems.add(hook, plugin, _still_running(seconds, undelivered))

    # Answers ------------------------------------------------------------------------------------------------------

    def answer(self, implementation: Implementation, **arguments: Any) -> Any:
        """Return what an implementation returns, None for nothing; raises HookFailed, and within seconds."""
        hook, plugin, call = implementation
        thread = self._answering.get((hook, plugin))
        if thread is None:
            thread = self._answering[hook, plugin] = HookThread(partial(self._raised, plugin))
        if thread.is_late and not thread.wait(0):
            raise HookFailed
        asked = HookCall(hook, partial(_results, call, {**arguments, "config": self._config}))
        thread.put(asked)
        if not thread.wait_for(asked, _ANSWER_SECONDS):
            self.problems.add(hook, plugin, f"did not answer within {_ANSWER_SECONDS:g} s")
            raise HookFailed
        if asked.error is not None:
            raise HookFailed
        return next(iter(asked.result), None)

    # Calls --------------------------------------------------------------------------------------------------------

    def implementations(self, hooks: pluggy.HookRelay, hook: str) -> Iterator[Implementation]:
        """Return those of a hook, in the order in which pluggy would call them.

        Each is called on its own, so that what one does is no other's concern; a wrapper wraps nothing.
        """
        everywhere = [each.plugin for each in getattr(self._config.hook, hook).get_hookimpls()]
        for each in reversed(getattr(hooks, hook).get_hookimpls()):
            others = [plugin for plugin in everywhere if plugin is not each.plugin]
            caller = self._config.pluginmanager.subset_hook_caller(hook, others)
            yield Implementation(hook, self._shown(each.plugin_name), caller)

    def _put(self, hooks: pluggy.HookRelay, event: HookEvent) -> None:
        for hook, plugin, call in self.implementations(hooks, event.hook):
            thread = self._threads.get(plugin)
            if thread is None:
                thread = self._threads[plugin] = HookThread(partial(self._raised_in_test, plugin))
            arguments = {event.argument: event.payload, "config": self._config}
            thread.put(HookCall(hook, partial(_results, call, arguments)))

    def _raised(self, plugin: str, call: HookCall) -> None:
        assert call.error is not None
        self.problems.raised(call.hook, plugin, call.error)

    def _raised_in_test(self, plugin: str, call: HookCall) -> None:
        self._raised(plugin, call)
        error = "".join(format_exception_only(type(call.error), call.error)).strip()
        told = f"{call.hook} in {plugin} raised {error}; that fails nothing, and the end of the run has its traceback"
        self._news[told] = None

    def _shown(self, plugin_name: str) -> str:
        """Return a plugin's name; of a conftest, its path from the rootdir on."""
        path = Path(plugin_name)
        root = self._config.rootpath
        return path.relative_to(root).as_posix() if path.is_absolute() and path.is_relative_to(root) else plugin_name

    def _wait(self, threads: list[HookThread], seconds: float) -> None:
        ends = real_time.seconds() + seconds
        for thread in threads:
            thread.wait(ends - real_time.seconds())


def _results(call: pluggy.HookCaller, arguments: Mapping[str, object]) -> list[Any]:
    """Call one implementation; its answer is all that the list has, None apart."""
    results = call(**arguments)
    if not isinstance(results, list):
        raise TypeError("it is a hook wrapper: each implementation is called on its own, so there is nothing to wrap")
    for coroutine in filter(iscoroutine, results):
        coroutine.close()
        raise TypeError("it is an async function, which nothing awaits: make it a plain one")
    return results


def _still_running(seconds: float, undelivered: int) -> str:
    lost_calls = "" if not undelivered else f"; {undelivered} calls after it were not made"
    return f"was still running after {seconds:.0f} s, and was left alone{lost_calls}"
