"""Whether there is a key, and whether it looks like one."""

from __future__ import annotations

import os

from pytest_dgbudget.cli.checks.check import Check, CheckResult
from pytest_dgbudget.cli.configuration import find_configuration
from pytest_dgbudget.config import ACTIVE_VARIABLE, host_of
from pytest_dgbudget.config.key_hint import key_hint
from pytest_dgbudget.config.resolve import RunConfig, is_loopback
from pytest_dgbudget.credentials import could_be_a_key, is_emulated_key

NAME = "key"


def check_key(run_config: RunConfig) -> Check:
    """Return what is known of the key without asking anybody."""
    key, variable = run_config.api_key, run_config.key_variable
    if key is None:
        return _no_key(run_config)
    if is_emulated_key(key) and not is_loopback(host_of(run_config.agent_url)):
        found = f"{variable} is a key of the emulator, which {run_config.agent_url} would refuse"
        to_do = "set a Deepgram key, or name your dgbudget emulator with --agent-url=URL and --api-url=URL"
        return Check(name=NAME, result="failed", found=found, to_do=to_do)
    if not could_be_a_key(key):
        found = f"{variable} is set, and has not the shape of a Deepgram key (40 hexadecimal digits)"
        to_do = "copy the key again; target auto takes it for a dummy, and goes to the emulator"
        return Check(name=NAME, result="warning", found=found, to_do=to_do)
    return Check(name=NAME, result="ok", found=f"{variable} has the shape of a key")


def may_be_asked_with(run_config: RunConfig, of_key: Check) -> bool:
    """Return whether a live run would use this key: the target ``live`` takes any."""
    return of_key.result == "ok" or (of_key.result == "warning" and run_config.is_live)


def _no_key(run_config: RunConfig) -> Check:
    if ACTIVE_VARIABLE in os.environ:
        found = "inside a run, whose gateway holds the key"
        return Check(name=NAME, result="skipped", found=found, to_do="run this outside of it")
    variable = run_config.key_variable
    hint = key_hint(os.environ, find_configuration().rootdir)
    to_do = hint or f"for live runs, set {variable}; the emulator needs none"
    result: CheckResult = "failed" if run_config.is_live else "skipped"
    return Check(name=NAME, result=result, found=f"{variable} is not set", to_do=to_do)
