"""Calls of hooks in this process, without a gateway: their order, and what becomes of those that raise or hang."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from decimal import Decimal
from typing import Any

import pytest

from pytest_dgbudget.plugin import hook_calls
from pytest_dgbudget.plugin.hook_calls import HookCalls
from pytest_dgbudget.plugin.hook_thread import HookCall, HookThread
from pytest_dgbudget.plugin.scrub_hook import WITHHELD, scrubber_of
from pytest_dgbudget.plugin.state import STATE
from pytest_dgbudget.protocol.notifications import (
    AttemptIdentity,
    ClosedNotification,
    OpenedNotification,
    SessionIdentity,
)
from pytest_dgbudget.report.document import without_document
from pytest_dgbudget.rules.prices import SHIPPED
from tests.gateway.test_owner_notifications import USAGE

ATTEMPT = AttemptIdentity(id="a", nodeid="t", number=1, target="emulator", billed=False)
SESSION = SessionIdentity(id="s", dialled_at="2026-11-30T10:00:00.000Z", request_id="r")
OPENED = OpenedNotification(attempt=ATTEMPT, session=SESSION)
CLOSED = ClosedNotification(attempt=ATTEMPT, session=SESSION, usage=USAGE)


class Hook:
    """A plugin that implements one hook by what it is given."""

    def __init__(self, name: str, does: Callable[..., Any]) -> None:
        setattr(self, name, does)


class Hung:
    """A hook that hangs until the end of the test."""

    def __init__(self) -> None:
        self.begun = threading.Event()
        self.let_go = threading.Event()

    def hang(self) -> None:
        self.begun.set()
        self.let_go.wait(60)


@pytest.fixture
def hung(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hung]:
    """Nobody waits for it for more than a moment."""
    for name in ("_TEST_SECONDS", "_RUN_SECONDS", "_ANSWER_SECONDS"):
        monkeypatch.setattr(hook_calls, name, 0.2)
    hook = Hung()
    yield hook
    hook.let_go.set()


@pytest.fixture
def in_vain(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """For how many seconds each wait was that came to nothing."""
    waits: list[float] = []
    wait_for = HookThread.wait_for

    def noted(thread: HookThread, call: HookCall, seconds: float) -> bool:
        done = wait_for(thread, call, seconds)
        if seconds and not done:
            waits.append(seconds)
        return done

    monkeypatch.setattr(HookThread, "wait_for", noted)
    return waits


class Hooked:
    """A pytest of this process with plugins."""

    def __init__(self, config: pytest.Config) -> None:
        self.config = config
        self.calls: HookCalls = config.stash[STATE].calls_of_hooks(config)
        self.item: Any = _Item(config)

    @property
    def said(self) -> str:
        return "\n".join(self.calls.problems.lines())


class _Item:
    """As much of a test as hooks need."""

    def __init__(self, config: pytest.Config) -> None:
        self.ihook = config.hook
        self.sections: list[tuple[str, str, str]] = []

    def add_report_section(self, when: str, key: str, content: str) -> None:
        self.sections.append((when, key, content))


@pytest.fixture
def hooked(pytester: pytest.Pytester) -> Callable[..., Hooked]:
    def hooked(**plugins: Hook) -> Hooked:
        config = pytester.parseconfigure()
        for name, plugin in plugins.items():
            config.pluginmanager.register(plugin, name)
        return Hooked(config)

    return hooked


Hooking = Callable[..., Hooked]


# Sessions -------------------------------------------------------------------------------------------------------------


def test_what_happens_is_called_in_order_on_a_thread_of_its_own(hooked: Hooking) -> None:
    seen: list[object] = []
    ours = threading.get_ident()

    class Both:
        def pytest_dgbudget_session_opened(self, session: Any) -> None:
            seen.append(("opened", session.request_id, threading.get_ident() != ours))

        def pytest_dgbudget_session_closed(self, session: Any, config: pytest.Config) -> None:
            seen.append(("closed", session.seconds, config is one.config))

    one = hooked(both=Both())
    one.calls.notified(one.item, OPENED)
    one.calls.notified(one.item, CLOSED)
    one.calls.test_ended(one.item, "a", gateway_lost=False)
    assert seen == [("opened", "r", True), ("closed", 0.9, True)]
    assert not one.calls.problems
    assert one.item.sections == []


def test_a_session_of_a_lost_gateway_is_closed_once_and_what_is_unknown_is_none(hooked: Hooking) -> None:
    closed: list[Any] = []
    one = hooked(plugin=Hook("pytest_dgbudget_session_closed", lambda session: closed.append(session)))
    one.calls.notified(one.item, OPENED)
    one.calls.test_ended(one.item, "a", gateway_lost=True)
    one.calls.notified(one.item, CLOSED)
    one.calls.settle()
    (session,) = closed
    assert (session.closed_by, session.seconds, session.cost_usd) == ("gateway-lost", None, None)
    assert (session.session, session.request_id) == ("s", "r")


def test_a_session_that_closed_is_not_lost(hooked: Hooking) -> None:
    closed: list[Any] = []
    one = hooked(plugin=Hook("pytest_dgbudget_session_closed", lambda session: closed.append(session.closed_by)))
    one.calls.notified(one.item, OPENED)
    one.calls.notified(one.item, CLOSED)
    one.calls.test_ended(one.item, "a", gateway_lost=True)
    assert closed == ["client"]


def test_a_hook_that_raises_keeps_no_other_from_its_call_and_is_told_in_the_tests_report(hooked: Hooking) -> None:
    seen: list[str] = []

    def fails() -> None:
        raise ConnectionError("no route")

    one = hooked(
        after=Hook("pytest_dgbudget_session_opened", lambda session: seen.append(session.nodeid)),
        broken=Hook("pytest_dgbudget_session_opened", fails),
    )
    one.calls.notified(one.item, OPENED)
    one.calls.notified(one.item, OPENED)
    one.calls.test_ended(one.item, "a", gateway_lost=False)
    assert seen == ["t", "t"]
    ((*where, told),) = one.item.sections
    assert where == ["teardown", "dgbudget"]
    assert told.startswith("pytest_dgbudget_session_opened in broken raised ConnectionError: no route; that fails")
    first, *traceback = one.said.splitlines()
    assert first == "pytest_dgbudget_session_opened in broken raised 2 times; the first time:"
    assert traceback[1].endswith("in fails"), "the traceback begins in the hook"
    assert traceback[-1] == "  ConnectionError: no route"


def test_an_async_hook_and_a_wrapper_are_problems(hooked: Hooking) -> None:
    async def is_async() -> None:
        raise AssertionError("nothing awaits it")

    class Wraps:
        @pytest.hookimpl(wrapper=True)
        def pytest_dgbudget_session_opened(self) -> Iterator[None]:
            yield
            return "wrapped"  # type: ignore[return-value]

    one = hooked(is_async=Hook("pytest_dgbudget_session_opened", is_async), wraps=Wraps())
    one.calls.notified(one.item, OPENED)
    one.calls.settle()
    assert "TypeError: it is an async function, which nothing awaits: make it a plain one" in one.said
    assert "TypeError: it is a hook wrapper" in one.said


def test_nothing_that_goes_wrong_here_reaches_the_thread_that_it_came_from(hooked: Hooking) -> None:
    one = hooked()
    one.item.ihook = None
    one.calls.notified(one.item, OPENED)
    assert "the call of a hook in pytest-dgbudget raised:" in one.said


class Unprintable(Exception):
    """An error that can't even say what it is."""

    def __str__(self) -> str:
        raise ValueError("no words")


@pytest.mark.parametrize(
    "raised",
    [SystemExit("now"), KeyboardInterrupt(), pytest.fail.Exception("no"), Unprintable()],
    ids=lambda raised: type(raised).__name__,
)
def test_a_hook_can_end_neither_its_thread_nor_pytest(hooked: Hooking, raised: BaseException) -> None:
    seen: list[str] = []

    def fails(session: Any) -> None:
        seen.append(session.nodeid)
        raise raised

    one = hooked(plugin=Hook("pytest_dgbudget_session_opened", fails))
    for _ in range(2):
        one.calls.notified(one.item, OPENED)
        one.calls.test_ended(one.item, "a", gateway_lost=False)
    assert seen == ["t", "t"]
    assert "raised 2 times" in one.said


def test_a_hook_that_hangs_is_waited_for_once_and_holds_up_its_own_plugin_alone(
    hooked: Hooking, hung: Hung, in_vain: list[float]
) -> None:
    seen: list[str] = []
    one = hooked(
        hangs=Hook("pytest_dgbudget_session_opened", hung.hang),
        works=Hook("pytest_dgbudget_session_opened", lambda session: seen.append(session.nodeid)),
    )
    for _ in range(20):
        one.calls.notified(one.item, OPENED)
        one.calls.test_ended(one.item, "a", gateway_lost=False)
    assert seen == ["t"] * 20
    assert hung.begun.is_set()
    assert len(in_vain) == 1
    one.calls.settle()
    assert "session_opened in hangs was still running after" in one.said
    assert one.said.endswith("s, and was left alone; 19 calls after it were not made")


def test_a_hook_that_was_late_and_has_caught_up_is_no_problem(hooked: Hooking, hung: Hung) -> None:
    one = hooked(slow=Hook("pytest_dgbudget_session_opened", hung.hang))
    one.calls.notified(one.item, OPENED)
    one.calls.test_ended(one.item, "a", gateway_lost=False)
    hung.let_go.set()
    one.calls.settle()
    assert one.said == ""


def test_the_end_of_the_run_comes_after_everything_else(hooked: Hooking) -> None:
    seen: list[str] = []

    class All:
        def pytest_dgbudget_session_opened(self) -> None:
            seen.append("opened")

        def pytest_dgbudget_run_finished(self, run: Any) -> None:
            seen.append(f"finished {run.exit_status} {run.usage} {run.notices}")

    one = hooked(all=All())
    one.calls.notified(one.item, OPENED)
    one.calls.run_ended(without_document("no report"), 3)
    one.calls.settle()
    assert seen == ["opened", "finished 3 None ('no report',)"]


# Scrubbing ------------------------------------------------------------------------------------------------------------


def scrubbed(one: Hooked, text: str) -> str:
    scrub = scrubber_of(one.config)
    assert scrub is not None
    return scrub(text)


def test_without_a_hook_there_is_no_scrubber(hooked: Hooking) -> None:
    assert scrubber_of(hooked().config) is None


def test_each_scrubber_gets_what_the_one_before_it_returned_and_none_leaves_a_text(hooked: Hooking) -> None:
    one = hooked(
        third=Hook("pytest_dgbudget_scrub", lambda text: text + "3"),
        second=Hook("pytest_dgbudget_scrub", lambda: None),
        first=Hook("pytest_dgbudget_scrub", lambda text: text + "1"),
    )
    assert scrubbed(one, "text") == "text13"


@pytest.mark.parametrize("answer", [7, b"bytes", ["list"]], ids=repr)
def test_a_scrubber_that_returns_no_text_has_it_withheld(hooked: Hooking, answer: object) -> None:
    one = hooked(
        works=Hook("pytest_dgbudget_scrub", lambda text: text), broken=Hook("pytest_dgbudget_scrub", lambda: answer)
    )
    assert scrubbed(one, "secret") == WITHHELD
    assert one.said == f"pytest_dgbudget_scrub in broken returned {type(answer).__name__} in place of str or None"


def test_a_scrubber_that_raises_has_each_of_its_texts_withheld(hooked: Hooking) -> None:
    def fails_on_secrets(text: str) -> str:
        return str(["", text.index("a")] and text)

    one = hooked(plugin=Hook("pytest_dgbudget_scrub", fails_on_secrets))
    assert [scrubbed(one, text) for text in ("an", "so", "no", "as")] == ["an", WITHHELD, WITHHELD, "as"]
    assert one.said.startswith("pytest_dgbudget_scrub in plugin raised 2 times; the first time:")


def test_a_scrubber_that_hangs_has_all_texts_withheld_and_is_waited_for_once(
    hooked: Hooking, hung: Hung, in_vain: list[float]
) -> None:
    one = hooked(hangs=Hook("pytest_dgbudget_scrub", hung.hang))
    assert [scrubbed(one, "secret") for _ in range(20)] == [WITHHELD] * 20
    assert len(in_vain) == 1
    assert one.said == "pytest_dgbudget_scrub in hangs did not answer within 0.2 s"


# Prices ---------------------------------------------------------------------------------------------------------------


def prices(pytester: pytest.Pytester, *plugins: Hook) -> tuple[Mapping[str, int], str | None, str]:
    """Return the prices that a run has with these plugins, their day, and what is said of the hooks."""
    pytester.plugins = list(plugins)
    config = pytester.parseconfigure()
    state = config.stash[STATE]
    said = "" if state.hook_calls is None else "\n".join(state.hook_calls.problems.lines())
    return state.run_config.prices, state.run_config.prices_as_of, said


def test_prices_of_hooks_stand_under_those_of_the_project_file(pytester: pytest.Pytester) -> None:
    (pytester.path / "dgbudget.toml").write_text("[prices]\nstandard = 0.01\n", encoding="utf-8")
    table = {"standard": 0.07, "advanced": 0.1 + 0.2, "as_of": "2026-11-01"}
    found, as_of, said = prices(pytester, Hook("pytest_dgbudget_prices", lambda: table))
    assert (found, as_of) == ({"standard": 10_000, "advanced": 300_000}, "2026-11-01")
    assert said == ""


def test_of_two_tables_the_one_that_is_called_first_counts(pytester: pytest.Pytester) -> None:
    last = Hook("pytest_dgbudget_prices", lambda: {"standard": 1, "advanced": Decimal("0.5")})
    none = Hook("pytest_dgbudget_prices", lambda: None)
    found, as_of, _ = prices(pytester, last, none, Hook("pytest_dgbudget_prices", lambda: {"standard": 2}))
    assert (found, as_of) == ({"standard": 2_000_000, "advanced": 500_000}, None)


@pytest.mark.parametrize(
    ("table", "says"),
    [
        ({"standart": 0.07}, 'unknown key "standart" in [prices]; did you mean "standard"?'),
        ({"standard": "0.07"}, "standard = '0.07' is not a price; accepted: US dollars a minute"),
        ({"standard": -1.5}, "standard = -1.5 is not a price"),
        ({"standard": float("nan")}, "is not a price"),
        ({"standard": float("inf")}, "is not a price"),
        ({"as_of": "yesterday"}, "as_of = 'yesterday' is not a date"),
        ([("standard", 0.07)], "returned list; accepted: a mapping of [prices], or None"),
    ],
    ids=str,
)
def test_a_wrong_table_is_a_usage_error(pytester: pytest.Pytester, table: object, says: str) -> None:
    with pytest.raises(pytest.UsageError) as raised:
        prices(pytester, Hook("pytest_dgbudget_prices", lambda: table))
    assert str(raised.value).startswith("pytest-dgbudget: pytest_dgbudget_prices in ")
    assert says in str(raised.value)


def test_a_hook_that_raises_leaves_the_shipped_prices_and_is_reported(pytester: pytest.Pytester) -> None:
    def fails() -> None:
        raise OSError("no price list")

    found, _, said = prices(pytester, Hook("pytest_dgbudget_prices", fails))
    assert found == {}
    assert SHIPPED.micro_usd_per_minute
    assert "OSError: no price list" in said


def test_a_hook_that_hangs_leaves_the_shipped_prices_and_is_reported(pytester: pytest.Pytester, hung: Hung) -> None:
    found, _, said = prices(pytester, Hook("pytest_dgbudget_prices", hung.hang))
    assert found == {}
    assert "did not answer within" in said
