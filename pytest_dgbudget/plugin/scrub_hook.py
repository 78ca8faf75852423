"""``pytest_dgbudget_scrub``: what projects take out of texts before these are kept."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_dgbudget.plugin.hook_calls import HookCalls, HookFailed, Implementation
from pytest_dgbudget.plugin.state import STATE

_HOOK = "pytest_dgbudget_scrub"
# What stands in place of a text that could not be scrubbed.
WITHHELD = f"[withheld: {_HOOK} failed]"


def scrubber_of(config: pytest.Config) -> Callable[[str], str] | None:
    """Return what takes out of a text what the project wants taken out; None where no hook does that.

    It may be called on any thread and raises nothing: a text that a hook fails to scrub is withheld as a whole, and the
    end of the run says why.
    """
    if not config.hook.pytest_dgbudget_scrub.get_hookimpls():
        return None
    calls = config.stash[STATE].calls_of_hooks(config)
    implementations = list(calls.implementations(config.hook, _HOOK))
    return lambda text: _scrubbed(text, calls, implementations)


def _scrubbed(text: str, calls: HookCalls, implementations: list[Implementation]) -> str:
    for implementation in implementations:
        try:
            answer = calls.answer(implementation, text=text)
        except HookFailed:
            return WITHHELD
        if answer is not None and not isinstance(answer, str):
            what = f"returned {type(answer).__name__} in place of str or None"
            calls.problems.add(_HOOK, implementation.plugin, what)
            return WITHHELD
        text = text if answer is None else answer
    return text
