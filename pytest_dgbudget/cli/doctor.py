"""``dgbudget doctor``: what works here, what doesn't, and what to do about it. It opens no billed session."""

from __future__ import annotations

import argparse
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

from pytest_dgbudget.cli.checks.check import Check
from pytest_dgbudget.cli.exit_status import FAILED
from pytest_dgbudget.cli.options import add_options, respelled
from pytest_dgbudget.cli.output import write, write_json
from pytest_dgbudget.cli.parser import CommandParser
from pytest_dgbudget.config import ACCESS_TOKEN_VARIABLE, API_KEY_VARIABLE, APP_TOKEN_VARIABLE
from pytest_dgbudget.credentials import could_be_a_key, without_credentials

if TYPE_CHECKING:
    from pytest_dgbudget.config.resolve import RunConfig

_DESCRIPTION = """\
Look at what a run needs: the configuration, the key and what it may do, the project and its balance, this machine's
clock, the agent's endpoint, the ledger, a gateway, and the redirect of the clients that are installed. Each line says
what was found, and what to do.

No billed session is opened, and nothing is changed. Without a key, what needs one is skipped.
Exit status: 1 when something that is needed here fails, else 0; 2 for bad usage.
"""
_EXAMPLE = "dgbudget doctor"
_OPTIONS = {
    *("dg_target", "dg_budget", "dg_cost_budget", "dg_agent_url", "dg_api_url", "dg_project", "dg_ledger"),
    *("dg_reconcile", "dg_redirect"),
}
_SECRETS = {API_KEY_VARIABLE, ACCESS_TOKEN_VARIABLE, APP_TOKEN_VARIABLE}
_NAME_WIDTH = 26


def main(arguments: Sequence[str]) -> int:
    """Look at everything, show each line as it comes, and return the exit status."""
    given = _parser().parse_args(arguments)
    checks = _without_secrets(_examined(given))
    shown = list(checks if given.json else _shown_as_they_come(checks))
    is_ok = not any(check.result == "failed" for check in shown)
    if given.json:
        write_json({"checks": [asdict(check) for check in shown], "ok": is_ok})
    return 0 if is_ok else FAILED


def _parser() -> CommandParser:
    parser = CommandParser("doctor", description=_DESCRIPTION, example=_EXAMPLE)
    parser.add_json()
    add_options(parser, names=_OPTIONS)
    return parser


def _examined(given: argparse.Namespace) -> Iterator[Check]:
    from pytest_dgbudget.cli.checks.configuration import check_configuration
    from pytest_dgbudget.cli.checks.gateway import check_gateway

    of_configuration, run_config = check_configuration(given)
    yield of_configuration
    yield from _not_configured() if run_config is None else _configured(run_config)
    yield check_gateway()
    yield from _clients(run_config)


def _not_configured() -> Iterator[Check]:
    from pytest_dgbudget.cli.checks import agent, clock, key, ledger, management

    names = (key.NAME, *management.NAMES, clock.NAME, agent.NAME, ledger.NAME)
    yield from management.skipped(names, "not looked at: the configuration can't be read", "see the configuration")


def _configured(run_config: RunConfig) -> Iterator[Check]:
    from pytest_dgbudget.cli.checks.key import check_key, may_be_asked_with
    from pytest_dgbudget.cli.checks.ledger import check_ledger

    of_key = check_key(run_config)
    yield of_key
    if run_config.api_key is not None and may_be_asked_with(run_config, of_key):
        yield from _live(run_config, run_config.api_key)
    else:
        found = "needs a key" if run_config.api_key is None else "needs a key that can be used here"
        yield from _not_live(found, of_key)
    yield check_ledger(run_config)


def _not_live(found: str, of_key: Check) -> Iterator[Check]:
    from pytest_dgbudget.cli.checks import agent, clock, management

    yield from management.skipped((*management.NAMES, clock.NAME, agent.NAME), found, of_key.to_do)


def _live(run_config: RunConfig, key: str) -> Iterator[Check]:
    """Look at what only live runs need."""
    from pytest_dgbudget.cli.checks import agent, clock, management
    from pytest_dgbudget.config.api_access import NAME_THE_API, NO_API

    if run_config.api_url is None:
        yield from management.skipped((*management.NAMES, clock.NAME), NO_API, NAME_THE_API)
    else:
        yield from management.check_management(run_config, run_config.api_url, key)
        yield clock.check_clock(run_config.api_url)
    yield agent.check_agent(run_config.agent_url)


def _clients(run_config: RunConfig | None) -> Iterator[Check]:
    from pytest_dgbudget.cli.checks.clients import check_clients

    if run_config is None or (run_config.redirects_programs and run_config.redirect != "refuse"):
        yield from check_clients()
        return
    children = "" if run_config.redirect_children else ", dg_redirect_children = false"
    found = f"clients of programs are not redirected here (--redirect={run_config.redirect}{children})"
    yield Check(name="redirect", result="skipped", found=found)


def _without_secrets(checks: Iterable[Check]) -> Iterator[Check]:
    """Whatever a server or the system has said, no line repeats what is a secret here."""
    secrets = [value for name, value in _stripped(os.environ) if name in _SECRETS or could_be_a_key(value)]
    for check in checks:
        to_do = None if check.to_do is None else _cleaned(check.to_do, secrets)
        yield replace(check, found=_cleaned(check.found, secrets), to_do=to_do)


def _stripped(environ: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield what may be a secret: what is shorter may be a part of anything."""
    for name, value in environ.items():
        if len(value.strip()) > 7:
            yield name, value.strip()


def _cleaned(text: str, secrets: Iterable[str]) -> str:
    for secret in secrets:
        text = text.replace(secret, "***")
    printable = "".join(each if each.isprintable() else " " for each in text)
    return respelled(without_credentials(printable))


def _shown_as_they_come(checks: Iterable[Check]) -> Iterator[Check]:
    """Write a line for each, and below it what to do, once for those that need the same."""
    said = None
    for check in checks:
        write([f"{check.result:<8} {check.name:<{_NAME_WIDTH}} {check.found}"])
        if check.to_do not in {None, said}:
            write([f"{'':<{_NAME_WIDTH + 9}} → {check.to_do}"])
        said = check.to_do
        yield check
