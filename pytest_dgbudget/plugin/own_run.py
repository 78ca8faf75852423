"""A run that is ours: what its processes have from before the first conftest until pytest ends."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Mapping
from json import dumps
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.client.endpoint import Endpoint, endpoint_of
from pytest_dgbudget.config import API_KEY_VARIABLE, TARGET_VARIABLE, WORKER_VARIABLE
from pytest_dgbudget.config.handed_over import from_json
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.control.browser_scripts import BROWSER_SCRIPTS
from pytest_dgbudget.control.environment import VariablesHeld
from pytest_dgbudget.control.key_variables import KeyVariables
from pytest_dgbudget.control.started_programs import StartedPrograms, what_programs_lack
from pytest_dgbudget.errors import DgBudgetError
from pytest_dgbudget.plugin.elsewhere import Controller
from pytest_dgbudget.plugin.options import Given
from pytest_dgbudget.plugin.running_tests import RunningTests
from pytest_dgbudget.plugin.state import State
from pytest_dgbudget.protocol.secrets import process_token
from pytest_dgbudget.redirect import install

_CONTROLLER = "controller"
# Where nothing listens.
_DISCARD_PORT = 9
_NO_KEYS: Mapping[str, str] = {}


class OwnRun(State):
    """The state of a process of such a run: its token, the variables in os.environ, and which test is running.

    ``token_secret`` is what the tokens of all its processes are derived from; ``port`` is the gateway's.
    """

    def __init__(
        self,
        resolve: Callable[[], RunConfig],
        config: pytest.Config,
        *,
        given: Given | None = None,
        opens_nothing: bool = False,
        token_secret: str,
        process: str,
    ) -> None:
        super().__init__(resolve, given=given, opens_nothing=opens_nothing)
        self._token_secret = token_secret
        self._gateway_port = _DISCARD_PORT
        self._config = config
        self._held = VariablesHeld()
        self._programs: StartedPrograms | None = None
        token = process_token(token_secret, process)
        self._running = RunningTests(config, self, token)
        self.tests = self._running
        self._keys = KeyVariables(self.run_config.key_variables, token, self._held)
        config.add_cleanup(self._held.put_back)

    @property
    def endpoint(self) -> Endpoint:
        target, token = os.environ.get(TARGET_VARIABLE), self._running.token
        return endpoint_of(self.run_config, self._gateway_port, self.run_config.run_id, target, token)

    @property
    def keys_taken(self) -> Mapping[str, str]:
        return self._keys.taken

    @property
    def has_token_as_key(self) -> bool:
        return os.environ.get(API_KEY_VARIABLE) == self._running.token

    def begin(self, port: int) -> None:
        """Set what conftests and applications find when they are imported."""
        self._gateway_port = port
        run_config = self.run_config
        self._keys.set_run_variables(self.endpoint.environ, run_config)
        self._keys_before = self._keys.now()
        if self.endpoint.redirect is not None:
            self._config.add_cleanup(install(self.endpoint.redirect).uninstall)
        if run_config.target_given:
            self._held.set({TARGET_VARIABLE: run_config.target})

    def conftests_were_read(self) -> None:
        """Judge the key once more, and with it the target: conftests and plugins may have set one."""
        if not self.run_config.keep_key:
            self._keys.hide_new_keys()
            if (keys := self._keys.now()) != self._keys_before:
                self.judge_again(keys, self._keys.taken)
            if self.run_config.is_live:
                self._keys.hide_value(self.run_config.api_key)
        self._held.set({TARGET_VARIABLE: self.run_config.target})

    def configure(self, config: pytest.Config) -> None:
        """Begin to take clients in, and to know which test is running."""
        config.pluginmanager.register(self._running, RunningTests.NAME)
        if self.activation is not None:
            if self.run_config.app_token is not None:
                self.activation.expect_client(self.run_config.app_token)
            self.activation.begin(self.run_config)

    def tests_begin(self) -> None:
        self._programs = StartedPrograms()

    def tests_have_ended(self) -> None:
        if self._programs is not None:
            self._programs.note()

    @property
    def what_programs_lack(self) -> str | None:
        return what_programs_lack() if self.run_config.redirects_programs else None

    def prepare_workers(self) -> None:
        """Let workers that are started from now on find their run; also those that replace crashed ones."""
        self._held.set({WORKER_VARIABLE: dumps(self.told_to_workers)})

    @property
    def told_to_workers(self) -> dict[str, Any]:
        return {
            "run_config": self.run_config.to_json(),
            "port": self._gateway_port,
            "token_secret": self._token_secret,
            "scripts": str(BROWSER_SCRIPTS.folder),
            "controller": self.told_of_controller(self._config),
        }

    def worker_token(self, worker: str) -> str | None:
        return process_token(self._token_secret, worker)


def begin_own_run(config: pytest.Config, given: Given, *, opens_nothing: bool) -> OwnRun:
    """Begin a run that is ours, in the process that runs its tests itself or in xdist's controller."""
    secret = os.urandom(32).hex()
    state = OwnRun(
        given.resolve, config, given=given, opens_nothing=opens_nothing, token_secret=secret, process=_CONTROLLER
    )
    config.add_cleanup(BROWSER_SCRIPTS.remove)
    state.begin(_DISCARD_PORT if opens_nothing else _activated(state))
    return state


def _activated(state: OwnRun) -> int:
    from pytest_dgbudget.errors import SettingsError

    try:
        return state.activate().port
    except SettingsError as error:
        raise pytest.UsageError(f"pytest-dgbudget: {error}") from None


def join_own_run(config: pytest.Config, told: dict[str, Any], keys: Mapping[str, str] = _NO_KEYS) -> OwnRun:
    """Take part in the run of xdist's controller, as one of its workers.

    One on another machine has a gateway of its own, with the key of that machine; ``keys`` were taken from its
    variables. One that has none has a token all the same, and not the key.
    """
    controller = Controller(told["controller"])
    run_config = from_json(told["run_config"])
    if controller.is_elsewhere:
        return _join_from_elsewhere(config, told, controller, run_config, keys)
    state = _joined(config, told, run_config)
    if _is_reachable(told["port"]):
        BROWSER_SCRIPTS.folder = Path(told["scripts"])
        state.begin(told["port"])
    else:
        config.add_cleanup(BROWSER_SCRIPTS.remove)
        state.begin(_DISCARD_PORT)
    return state


def _join_from_elsewhere(
    config: pytest.Config, told: dict[str, Any], controller: Controller, run_config: RunConfig, keys: Mapping[str, str]
) -> OwnRun:
    config.add_cleanup(BROWSER_SCRIPTS.remove)
    try:
        settings = controller.settings(run_config, keys, config.rootpath)
    except DgBudgetError as error:
        state = _joined(config, told, run_config)
        state.open_nothing(error)
        state.begin(_DISCARD_PORT)
        return state
    state = _joined(config, told, settings)
    state.begin(state.activate(controller.part).port)
    return state


def _joined(config: pytest.Config, told: dict[str, Any], run_config: RunConfig) -> OwnRun:
    worker = os.environ["PYTEST_XDIST_WORKER"]
    state = OwnRun(lambda: run_config, config, token_secret=told["token_secret"], process=worker)
    state.has_joined = True
    return state


def _is_reachable(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port)).close()
    except OSError:
        return False
    return True
