"""What the key may do at the management API, in which project, and what is left to spend there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TypeVar

from pytest_dgbudget.cli.checks.bounded import bounded
from pytest_dgbudget.cli.checks.check import Check, CheckResult
from pytest_dgbudget.config.resolve import RunConfig
from pytest_dgbudget.deepgram.permissions import KeyPermissions
from pytest_dgbudget.deepgram.project import WRONG_KEY
from pytest_dgbudget.errors import ReconciliationError
from pytest_dgbudget.report.header import budget_phrase
from pytest_dgbudget.rules.prices import price_of, price_table
from pytest_dgbudget.units import usd

T = TypeVar("T")

PROJECT, USAGE, BILLING, BALANCE, KEYS = "project", "may read usage", "may read billing", "balance", "may read keys"
API = "management API"
NAMES = (API, PROJECT, USAGE, BILLING, BALANCE, KEYS)
_REFUSED = {401, 403}
_UNREACHABLE = "see whether this machine reaches it (proxy, firewall), and --api-url"


class _NotKnown(Exception):
    """What was asked could not be answered; ``check`` says why. ``lacks_scope``: the key itself is not refused."""

    def __init__(self, check: Check, *, lacks_scope: bool = False) -> None:
        super().__init__(check.found)
        self.check = check
        self.lacks_scope = lacks_scope


def check_management(run_config: RunConfig, api_url: str, key: str) -> Iterator[Check]:
    """Yield a line for each thing, the first of them whether the API answers at all."""
    permissions = KeyPermissions(api_url, key)
    try:
        seen = _asked(API, "project:read", permissions.projects, _needed(run_config))
    except _NotKnown as unknown:
        yield unknown.check
        if not unknown.lacks_scope or run_config.project is None:
            yield from skipped(NAMES[1:], "not asked: the projects could not be read", "see the management API")
            return
        project: str | None = run_config.project
        of_project = _named_unseen(run_config.project)
    else:
        yield Check(name=API, result="ok", found=f"{api_url} accepts the key")
        of_project, project = _project(run_config, seen)
    yield of_project
    if project is None:
        yield from skipped(NAMES[2:], "not asked: it is not known of which project", "see the project")
        return
    yield from _permissions(run_config, permissions, project)


def skipped(names: tuple[str, ...], found: str, to_do: str | None) -> Iterator[Check]:
    """Yield lines of what was not looked at."""
    for name in names:
        yield Check(name=name, result="skipped", found=found, to_do=to_do)


def _permissions(run_config: RunConfig, permissions: KeyPermissions, project: str) -> Iterator[Check]:
    needed = _needed(run_config)
    yield _permission(USAGE, "usage:read", lambda: permissions.read_usage(project), needed)
    try:
        balance = _asked(BILLING, "billing:read", lambda: permissions.balance(project), needed)
    except _NotKnown as unknown:
        yield unknown.check
        yield from skipped((BALANCE,), "it could not be read", "see the billing")
    else:
        yield Check(name=BILLING, result="ok", found="yes")
        yield _balance(run_config, balance)
    yield _permission(KEYS, "keys:read", lambda: permissions.read_keys(project), "warning")


def _needed(run_config: RunConfig) -> CheckResult:
    """Return what it is where the statement can't be read: with --reconcile=require, it fails each run."""
    return "failed" if run_config.reconcile == "require" else "warning"


def _project(run_config: RunConfig, seen: list[str]) -> tuple[Check, str | None]:
    """Return which one a run would compare with; None where that is not known."""
    named, needed = run_config.project, _needed(run_config)
    if named is not None and named in seen:
        return Check(name=PROJECT, result="ok", found=f"{named}, as it was named"), named
    if named is not None:
        found = f"{named} was named, and the key does not see it (it sees {_listed(seen)})"
        return Check(name=PROJECT, result=needed, found=found, to_do="correct --project, or use its key"), None
    if len(seen) == 1:
        return Check(name=PROJECT, result="ok", found=f"{seen[0]}, the key's only one"), seen[0]
    to_do = "name one with --project or DEEPGRAM_PROJECT_ID" if seen else "use a key of a project"
    return Check(name=PROJECT, result=needed, found=f"the key sees {_listed(seen)}", to_do=to_do), None


def _named_unseen(named: str) -> Check:
    return Check(name=PROJECT, result="ok", found=f"{named}, as it was named; the key may not list projects")


def _listed(projects: list[str]) -> str:
    if not projects:
        return "no project"
    return f"{len(projects)} projects: {', '.join(projects[:5])}" if len(projects) > 1 else projects[0]


def _permission(name: str, scope: str, ask: Callable[[], object], needed: CheckResult) -> Check:
    try:
        _asked(name, scope, ask, needed)
    except _NotKnown as unknown:
        return unknown.check
    return Check(name=name, result="ok", found="yes")


def _asked(name: str, scope: str, ask: Callable[[], T], needed: CheckResult) -> T:
    """Return the answer; raises _NotKnown. Which scope a call needs is inferred: the vendor doesn't document it."""
    try:
        return bounded(ask)
    except TimeoutError as error:
        raise _NotKnown(Check(name=name, result=needed, found=str(error), to_do=_UNREACHABLE)) from None
    except ReconciliationError as error:
        if error.status not in _REFUSED:
            raise _NotKnown(Check(name=name, result=needed, found=str(error), to_do=_UNREACHABLE)) from None
        if WRONG_KEY in str(error):
            found = f"the key is refused: {error}"
            raise _NotKnown(Check(name=name, result="failed", found=found, to_do="set a key that is valid")) from None
        to_do = f"give the key the scope {scope}, which it seems to lack, or use one that has it"
        raise _NotKnown(Check(name=name, result=needed, found=f"no: {error}", to_do=to_do), lacks_scope=True) from None


def _balance(run_config: RunConfig, micro_usd: int | None) -> Check:
    if micro_usd is None:
        found = "unknown: the API shows no amount in dollars"
        return Check(name=BALANCE, result="warning", found=found, to_do="look it up in Deepgram's console")
    shown = f"${usd(micro_usd):.2f}"
    most = _most_micro_usd(run_config)
    if micro_usd <= 0:
        return Check(name=BALANCE, result="warning", found=f"{shown}: nothing is left", to_do="add credit")
    if most is not None and micro_usd < most:
        found = f"{shown}; a run may spend ${usd(most):.2f} ({budget_phrase(run_config)}, dearest tier)"
        return Check(name=BALANCE, result="warning", found=found, to_do="add credit, or lower the run budget")
    return Check(name=BALANCE, result="ok", found=shown)


def _most_micro_usd(run_config: RunConfig) -> int | None:
    highest = price_table(run_config.prices, run_config.prices_as_of).highest()
    of_time = [] if run_config.budget_ms is None else [price_of(run_config.budget_ms, highest)]
    of_money = [] if run_config.cost_budget_micro_usd is None else [run_config.cost_budget_micro_usd]
    return min([*of_time, *of_money], default=None)
