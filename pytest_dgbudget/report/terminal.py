"""The usage document in a terminal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from io import StringIO
from posixpath import commonpath

from pytest_dgbudget.report.document import AttemptEntry, RunFigures, UsageDocument
from pytest_dgbudget.rules.waits import what_to_change, what_was_awaited
from pytest_dgbudget.units import counted, format_usd

_BAR_CELLS = 20
_MOST_NAMES = 5
_SKIPS_FROM = 0.05  # seconds: the forecast is of sessions, what was used is of leases
_HEADINGS = ("used", "live", "budget", "cost", "waited", "sessions", "verdict")
_GAP = 2
_ESTIMATE, _VENDOR = "~", "vendor "
_COST_MARKS = {
    _ESTIMATE: "~ is an estimate, the highest that it may be",
    _VENDOR: "vendor is what the statement has",
}


def table_of_tests(document: UsageDocument, *, width: int, color: bool) -> str:
    """Lay out the test attempts, those that take longest live first, fitted to ``width`` columns.

    Names lose the folders that they share, and then their beginnings; where those differ, a name goes on in a new line.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    tests = sorted(document["tests"], key=_live_seconds, reverse=True)
    figures = [_figures(test, _cost(test, document)) for test in tests]
    columns = [column for column in zip(_HEADINGS, *figures, strict=True) if any(column[1:])]
    width = max(width, 60)
    room = width - sum(max(map(len, column)) + _GAP for column in columns)
    names = shortened([_name(test, document["run"]) for test in tests], room - _GAP)
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, _GAP, 0, 0))
    table.add_column("test", overflow="fold", ratio=1)
    for heading, *_ in columns:
        table.add_column(heading, justify="left" if heading == "verdict" else "right", no_wrap=True)
    for test, name, *row in zip(tests, names, *(column[1:] for column in columns), strict=True):
        style = "red" if _fails(test) else ""
        table.add_row(*(Text(cell, style=style) for cell in (name, *row)))
    output = StringIO()
    console = Console(
        file=output, width=width, force_terminal=color, no_color=not color, highlight=False, soft_wrap=False
    )
    console.print(table)
    return output.getvalue()


def _live_seconds(test: AttemptEntry) -> float:
    return max(test["used_seconds"] or 0.0, test["forecast_seconds"] or 0.0)


def _name(test: AttemptEntry, run: RunFigures) -> str:
    notes = [f"attempt {test['attempt']}"] if test["attempt"] > 1 else []
    notes += [test["target"]] if test["target"] != run["target"] else []
    return f"{test['nodeid']} ({', '.join(notes)})" if notes else test["nodeid"]


def shortened(names: Sequence[str], room: int) -> list[str]:
    """Return the names cut to the room that there is, unless that would take what distinguishes them."""
    from rich.cells import cell_len

    if all(cell_len(name) <= room for name in names):
        return [*names]
    folder = commonpath([name.partition("::")[0].rpartition("/")[0] or "." for name in names])
    inner = [name.removeprefix(f"{folder}/") for name in names]
    cut = [name if cell_len(name) <= room else f"…{_end_of(name, room - 1)}" for name in inner]
    return cut if len(set(cut)) == len(set(names)) else inner


def _end_of(name: str, room: int) -> str:
    from rich.cells import cell_len

    return next((name[start:] for start in range(len(name)) if cell_len(name[start:]) <= room), "")


def _figures(test: AttemptEntry, cost: str) -> list[str]:
    return [
        _shown(test["used_seconds"]),
        _shown(test["forecast_seconds"]) if differs_live(test) else "",
        _budget(test),
        cost,
        _shown(test["waited_seconds"]) if test["waited_seconds"] >= 1 else "",
        str(test["sessions"]),
        _verdict(test),
    ]


def _budget(test: AttemptEntry) -> str:
    """Return what was left of the test's budgets for it: in time, in money, or in both."""
    of_money = test.get("cost_budget_usd")  # which reports of earlier versions lack
    if of_money is None:
        return _shown(test["budget_seconds"])
    of_time = [] if test["budget_seconds"] is None else [_shown(test["budget_seconds"])]
    return ", ".join([*of_time, _exact_usd(of_money)])


def _cost(test: AttemptEntry, document: UsageDocument) -> str:
    """Return what a test cost: by the statement, once that agrees, else by our prices, marked where it is estimated."""
    of_vendor = test.get("vendor_usd")  # which reports of earlier versions lack, as they do estimated
    if of_vendor is not None and document["reconciliation"]["verdict"] == "reconciled":
        return f"{_VENDOR}{_shown_usd(of_vendor)}"
    return f"{_ESTIMATE if test.get('estimated') else ''}{_shown_usd(test['cost_usd'])}"


def cost_line(document: UsageDocument) -> str | None:
    """Return one line on the marks of the costs in the table; None where none is marked."""
    costs = [_cost(test, document) for test in document["tests"]]
    said = [what for mark, what in _COST_MARKS.items() if any(cost.startswith(mark) for cost in costs)]
    return f"cost: {'; '.join(said)}" if said else None


def _verdict(test: AttemptEntry) -> str:
    if test["verdict"] == "within":
        return "within; live over budget" if exceeds_live(test) else "within"
    if not _fails(test):
        return "overrun, expected"
    how = "cut" if test["cut"] else "exceeded" if test["exceeded"] else "refused"
    return f"overrun, {how}"


def differs_live(figures: AttemptEntry | RunFigures) -> bool:
    """Return whether live sessions would use more than was used here: what pace max has skipped."""
    forecast, used = figures["forecast_seconds"], figures["used_seconds"]
    return forecast is not None and used is not None and forecast > used + _SKIPS_FROM


def exceeds_live(figures: AttemptEntry | RunFigures) -> bool:
    """Return whether they would use more than there is budget for, in time or in money."""
    return differs_live(figures) and bool(_exceeded_live(figures))


def _exceeded_live(figures: AttemptEntry | RunFigures) -> list[str]:
    """Return the budgets that live sessions would exceed."""
    seconds, of_time = figures["forecast_seconds"], figures["budget_seconds"]
    dollars, of_money = figures["forecast_usd"], figures.get("cost_budget_usd")
    exceeded = [f"{of_time:.2f}s"] if seconds is not None and of_time is not None and seconds > of_time else []
    exceeded += [_exact_usd(of_money)] if dollars is not None and of_money is not None and dollars > of_money else []
    return exceeded


def _fails(test: AttemptEntry) -> bool:
    """Return whether an overrun fails its test: not where a mark expected it, or a policy skips the test."""
    skipped = test["outcome"] == "skipped" and not test["cut"] and not test["exceeded"]
    return test["verdict"] == "overrun" and test["outcome"] != "xfailed" and not skipped


def run_line(document: UsageDocument) -> str:
    """Return one line: what the run used of its budget, with a bar, and its verdict."""
    run = document["run"]
    has_budget = run["budget_seconds"] is not None or run["cost_budget_usd"] is not None
    without = "" if has_budget else ", no run budget"
    billed = f"{run['target']}, {'billed' if run['billed'] else 'not billed'}"
    expected = ", expected" if run["verdict"] == "overrun" and not run["failing"] and run["bypass"] != "seen" else ""
    sessions = counted(run["sessions"], "session")
    extras = [
        f"; {seconds:.2f}s{cost} {what}"
        for seconds, cost, what in (
            (run["at_risk_seconds"], _in_brackets(run.get("at_risk_usd")), "charged without having been seen"),
            (run["overshoot_seconds"], "", "beyond what was set aside"),
        )
        if seconds
    ]
    past = "; sessions went past the gateway, unmetered" if run["bypass"] == "seen" else ""
    live = f"; live {_live_phrase(run)}" if differs_live(run) else ""
    verdict = f"verdict: {run['verdict']}{expected}{''.join(extras)}{past}"
    return f"used {_used_time(run)}{_used_money(run)} in {sessions}{without} ({billed}){live}; {verdict}"


def _used_time(run: RunFigures) -> str:
    used, budget = run["used_seconds"], run["budget_seconds"]
    return f"{used:.2f}s" if budget is None else f"{used:.2f}s of {budget:.2f}s {_bar(used, budget)}"


def _used_money(run: RunFigures) -> str:
    """Return what the run used of its budget in money; nothing where it has none."""
    cost, budget = run["cost_usd"], run["cost_budget_usd"]
    if budget is None:
        return ""
    used = "unknown" if cost is None else f"{_ESTIMATE if run.get('estimated') else ''}{_shown_usd(cost)}"
    bar = "" if cost is None or run["budget_seconds"] is not None else f" {_bar(cost, budget)}"
    return f", {used} of {_exact_usd(budget)}{bar}"


def _in_brackets(dollars: float | None) -> str:
    return "" if dollars is None else f" ({_shown_usd(dollars)})"


def warning_lines(document: UsageDocument) -> list[str]:
    """Return what fails nothing and should be known; where it is about money, the header has said it of prices."""
    run = document["run"]
    has_header = run["target"] != "emulator" or run["cost_budget_usd"] is not None
    return [each["text"] for each in document["warnings"] if not (has_header and each["kind"] == "prices")]


def _live_phrase(run: RunFigures) -> str:
    """Say what live sessions would use, and cost where that is known."""
    dollars, exceeded = run["forecast_usd"], _exceeded_live(run)
    cost = "" if dollars is None else f", {_shown_usd(dollars)}"
    over = f", more than the budget of {' and '.join(exceeded)}" if exceeded else ""
    return f"about {_shown(run['forecast_seconds'])}{cost}{over}"


def unused_line(document: UsageDocument) -> str | None:
    """Return the one line of a run in which nothing asked for a session; None where there is more to say."""
    run, reconciliation = document["run"], document["reconciliation"]
    if document["tests"] or document["sessions"] or run["verdict"] != "within":
        return None
    if reconciliation["verdict"] not in {"reconciled", "off"} or run["used_seconds"]:
        return None
    budgets = [] if run["budget_seconds"] is None else [f"{run['budget_seconds']:.2f}s"]
    budgets += [] if run["cost_budget_usd"] is None else [_exact_usd(run["cost_budget_usd"])]
    unused = f", nothing used of {', '.join(budgets)}" if budgets else ""
    return f"no test asked for a session ({run['target']}{unused})"


def run_keys_line(document: UsageDocument) -> str | None:
    """Return one line on the run's own keys; None where it had none."""
    keys = document["run"]["keys"]
    if not keys:
        return None
    ids = [f"{key['id']}{'' if key['deleted_at'] is None else ' (deleted)'}" for key in keys]
    return f"dialled with {'a key' if len(keys) == 1 else 'keys'} of the run's own: {', '.join(ids)}"


def no_session_line(document: UsageDocument) -> str | None:
    """Return one line on a live run that no session reached, and what such an application lacks; None for others."""
    if document["run"]["bypass"] != "unknown":
        return None
    return (
        "no session reached the gateway: an application that was started before pytest, in a container or in another "
        "language needs DG_APP_TOKEN, or the key and address of voice_agent_endpoint"
    )


def no_test_line(count: int) -> str | None:
    """Return one line on clients that came while no test was running, and what to change; None where none did."""
    if not count:
        return None
    sessions = "1 session was" if count == 1 else f"{count} sessions were"
    return (
        f"{sessions} refused (403 DGBUDGET_NO_TEST): no test was running, as while a test module is imported; open "
        f"{'it' if count == 1 else 'them'} in a test or in a fixture"
    )


def longest_wait(document: UsageDocument) -> str | None:
    """Return one line on the test that waited longest, and what to change; None where none waited a second."""
    longest = max(document["tests"], key=lambda test: float(test["waited_seconds"]), default=None)
    if longest is None or longest["waited_seconds"] < 1:
        return None
    return (
        f"{longest['nodeid']} waited {longest['waited_seconds']:.1f}s, unbilled, for "
        f"{what_was_awaited(longest['waited_for'])}: {what_to_change(longest['waited_for'])}"
    )


def leaks_line(document: UsageDocument) -> str | None:
    """Return one line on the sessions that tests left open, and what to change; None where they closed all of theirs.

    What an interruption closed, no test left open.
    """
    opened = (session for session in document["sessions"] if session["handshake_seconds"] is not None)
    left = Counter(session["nodeid"] for session in opened if session["closed_by"] == "teardown")
    if not left or document["run"]["verdict"] == "interrupted":
        return None
    if left.total() == 1:
        happened = "1 session was left open by its test and closed when it ended"
    else:
        happened = f"{left.total()} sessions were left open by their tests and closed when these ended"
    names = [name if count == 1 else f"{name} ({count})" for name, count in left.most_common(_MOST_NAMES)]
    if len(left) > _MOST_NAMES:
        names.append(f"and {len(left) - _MOST_NAMES} more tests")
    return f"{happened}: {', '.join(names)}; close sessions in the test"


def protocol_line(document: UsageDocument) -> str | None:
    """Return one line on the sessions whose messages broke the protocol's order; None where none did."""
    from pytest_dgbudget.rules.order import is_of_order

    broken = [
        (session["nodeid"], violation["what"])
        for session in document["sessions"]
        for violation in session["protocol"] or ()
        if is_of_order(violation["rule"])
    ]
    if not broken:
        return None
    tests = list(dict.fromkeys(nodeid for nodeid, _ in broken))
    times = "once" if len(broken) == 1 else f"{len(broken)} times"
    others = f" and in {len(tests) - 1} more tests" if len(tests) > 1 else ""
    return (
        f"the protocol's order was broken {times}, in {tests[0]}{others}: {broken[0][1]}; usage.json has all of it "
        "under protocol, and dg_check_protocol = fail makes it fail its test"
    )


def _shown(seconds: float | None) -> str:
    return "-" if seconds is None else f"{seconds:.2f}s"


def _shown_usd(dollars: float | None) -> str:
    return "-" if dollars is None else f"${dollars:.4f}"


def _exact_usd(dollars: float) -> str:
    return format_usd(round(1_000_000 * dollars))


def _bar(used: float, budget: float) -> str:
    share = min(1.0, used / budget) if budget else 1.0
    full = round(share * _BAR_CELLS)
    return f"[{'#' * full}{'.' * (_BAR_CELLS - full)}] {share:.0%}"
