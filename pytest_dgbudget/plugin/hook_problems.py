"""What went wrong in hooks: once for each hook of each plugin, with how often it was."""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from types import TracebackType
from typing import Any

_OURS = ("pluggy.", "pytest_dgbudget.")
_NAMED_ONCE = 1


class HookProblems:
    """Written by the threads that call hooks, and read when those are done or given up."""

    def __init__(self) -> None:
        # By hook, plugin and what happened: how often, and the details of the first time.
        self._found: dict[tuple[str, str, str], tuple[int, str]] = {}

    def __bool__(self) -> bool:
        return bool(self._found)

    def add(self, hook: str, plugin: str, what: str, details: str = "", times: int = 1) -> None:
        before, first = self._found.get((hook, plugin, what), (0, details))
        self._found[hook, plugin, what] = before + times, first

    def raised(self, hook: str, plugin: str, error: BaseException) -> None:
        """Note an error, with its traceback from the hook's own first line on."""
        in_hook = "".join(traceback.format_exception(type(error), error, _of_hook(error.__traceback__)))
        self.add(hook, plugin, "raised", in_hook)

    def to_json(self) -> list[list[Any]]:
        """Return this in types that xdist can carry."""
        return [[*key, *value] for key, value in self._found.items()]

    def take_in(self, others: list[list[Any]]) -> None:
        """Add those of a worker."""
        for hook, plugin, what, times, details in others:
            self.add(hook, plugin, what, details, times)

    def lines(self) -> Iterator[str]:
        """Say what happened, and how often."""
        for (hook, plugin, what), (times, details) in list(self._found.items()):
            often = "" if times == _NAMED_ONCE else f" {times} times; the first time"
            yield f"{hook} in {plugin} {what}{often}{':' if details else ''}"
            yield from (f"  {line}" for line in details.splitlines())


def _of_hook(trace: TracebackType | None) -> TracebackType | None:
    """Leave out how a hook was called."""
    while trace is not None and trace.tb_next is not None:
        if not str(trace.tb_frame.f_globals.get("__name__")).startswith(_OURS):
            break
        trace = trace.tb_next
    return trace
