"""The variables that hold the key: it is taken from them, so that what reads one at its import gets a token."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_dgbudget.config import ACCESS_TOKEN_VARIABLE, APP_TOKEN_VARIABLE
from pytest_dgbudget.control.environment import VariablesHeld
from pytest_dgbudget.credentials import could_be_a_key, is_token

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig


# What is shorter is a dummy, and may be the value of anything.
_SHORTEST_KEY = 8


class KeyVariables:
    """``names`` may hold the key; ``token`` is what stands in place of one. ``taken`` are the keys by variable."""

    def __init__(self, names: Sequence[str], token: str, held: VariablesHeld) -> None:
        self._names = names
        self._token = token
        self._held = held
        self.taken: dict[str, str] = {}

    def set_run_variables(self, variables: dict[str, str], run_config: RunConfig) -> None:
        """Set what applications find in a run that is ours: ``variables`` are an endpoint's, the token as its key.

        Where no key was set, there is a token only if the emulator was chosen by name: "skip without a key" keeps its
        meaning.
        """
        others = {name: value for name, value in variables.items() if value != self._token}
        if not run_config.keep_key:
            self.hide()
            if run_config.target_given and not run_config.is_live:
                unset = [name for name in variables.keys() - others if not os.environ.get(name, "").strip()]
                self._held.set(dict.fromkeys(unset, self._token))
        self._held.set({**others, APP_TOKEN_VARIABLE: None})

    def hide(self) -> None:
        """Take whatever is set, dummies included, and what has the same value elsewhere."""
        for name in self._names:
            if os.environ.get(name, "").strip():
                self._take(name)
        self._held.set({ACCESS_TOKEN_VARIABLE: None})

    def hide_new_keys(self) -> None:
        """Take keys that conftests and plugins have set since; a dummy of theirs stays."""
        for name in self._names:
            if could_be_a_key(os.environ.get(name, "").strip()):
                self._take(name)
        self._held.set({ACCESS_TOKEN_VARIABLE: None})

    def hide_value(self, key: str | None) -> None:
        """Take this key, whatever it looks like, from where it stands."""
        for name, value in list(os.environ.items()):
            if key is not None and value.strip() == key:
                self._held.set({name: self._token})

    def now(self) -> Mapping[str, str]:
        """Return what the variables would hold if nothing had been taken."""
        held = {name: os.environ[name] for name in self._names if name in os.environ}
        return {name: self.taken.get(name, "") if is_token(value) else value for name, value in held.items()}

    def _take(self, name: str) -> None:
        value = os.environ[name]
        if not is_token(value):  # else it is a worker's, which has its controller's token there
            self.taken[name] = value
        self._held.set({name: self._token})
        if len(value.strip()) >= _SHORTEST_KEY:
            self.hide_value(value.strip())
