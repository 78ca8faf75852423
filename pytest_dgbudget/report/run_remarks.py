"""What is said of a run beside its table and its line: a line for each thing that should be known."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterator

from pytest_dgbudget.report.document import SessionFigures, UsageDocument
from pytest_dgbudget.report.run_line import recorded_line, replays_line
from pytest_dgbudget.rules.waits import what_to_change, what_was_awaited

_MOST_NAMES = 5
_MOST_DIFFERENCES = 3

LineOf = Callable[[UsageDocument], str | None]
"""Returns a line on a run; None where there is nothing to say."""


def remark_lines(document: UsageDocument, unasked: Collection[LineOf] = ()) -> Iterator[str]:
    """Yield a line for each thing that should be known of a run's tests, or of those of several runs together.

    ``unasked``: what nobody has asked for.
    """
    for line_of in (replays_line, recorded_line, run_keys_line, longest_wait, protocol_line, leaks_line):
        if line_of not in unasked and (line := line_of(document)) is not None:
            yield line


def attention_lines(document: UsageDocument) -> Iterator[str]:
    """Yield a line for each thing that makes the run's figures, or its verdict, need attention."""
    for line_of in (bypass_line, over_budget_line, incomplete_line):
        if (line := line_of(document)) is not None:
            yield line


def bypass_line(document: UsageDocument) -> str | None:
    """Return one line on sessions that were seen to go past the gateway; None where none was."""
    if document["run"]["bypass"] != "seen":
        return None
    return "sessions went past the gateway, unmetered: they are in none of the figures"


def over_budget_line(document: UsageDocument) -> str | None:
    """Return one line on a run that was charged more than its budget, without a test to blame; None for others."""
    run = document["run"]
    if run["verdict"] != "overrun" or run["bypass"] == "seen":
        return None
    if any(test["verdict"] == "overrun" for test in document["tests"]):
        return None
    return "the run was charged more than its budget, although no test overran a budget"


def incomplete_line(document: UsageDocument) -> str | None:
    """Return one line on a run whose end is not known; None for others."""
    if document["run"]["complete"]:
        return None
    return "the run was stopped, or a part of it is missing: it never said that it finished"


def warning_lines(document: UsageDocument) -> list[str]:
    """Return what fails nothing and should be known; where it is about money, the header has said it of prices."""
    run = document["run"]
    has_header = run["target"] in {"live", "rehearsal"} or run["cost_budget_usd"] is not None
    return [each["text"] for each in document["warnings"] if not (has_header and each["kind"] == "prices")]


def missed(document: UsageDocument) -> list[SessionFigures]:
    """Return the sessions that did not match their cassettes."""
    replays = ((session, session.get("replay")) for session in document["sessions"])
    return [session for session, replay in replays if replay is not None and replay["result"] == "miss"]


def mismatch_phrase(session: SessionFigures) -> str:
    """Say in one line what a session did otherwise than its cassette has, with the first differences."""
    replay = session["replay"]
    assert replay is not None, "it is of a replay"
    mismatch = replay["mismatch"]
    assert mismatch is not None, "it did not match"
    cassette = "no cassette of its test has its Settings" if replay["cassette"] is None else replay["cassette"]
    line = "" if mismatch["line"] is None else f", line {mismatch['line']}"
    differences = "; ".join(" ".join(each.split()) for each in mismatch["differences"][:_MOST_DIFFERENCES])
    return f"{cassette}{line}: {mismatch['what']}{f' ({differences})' if differences else ''}"


def mismatches(document: UsageDocument) -> Iterator[str]:
    """Yield a line for each session that did not match its cassette, with its test."""
    for session in missed(document):
        yield f"{session['nodeid']}: {mismatch_phrase(session)}"


def run_keys_line(document: UsageDocument) -> str | None:
    """Return one line on the run's own keys; None where it had none."""
    keys = document["run"]["keys"]
    if not keys:
        return None
    ids = [f"{key['id']}{'' if key['deleted_at'] is None else ' (deleted)'}" for key in keys]
    return f"dialled with {'a key' if len(keys) == 1 else 'keys'} of the run's own: {', '.join(ids)}"


def no_session_line(document: UsageDocument) -> str | None:
    """Return one line on a live run that no session reached, and what such an application lacks; None for others."""
    if document["run"]["bypass"] != "unknown" or document["sessions"]:
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
    found = [
        (session["nodeid"], violation) for session in document["sessions"] for violation in session["protocol"] or ()
    ]
    if not found:
        return None
    from pytest_dgbudget.rules.order import is_of_order  # a run without sessions needs nothing of it

    broken = [(nodeid, violation["what"]) for nodeid, violation in found if is_of_order(violation["rule"])]
    if not broken:
        return None
    tests = list(dict.fromkeys(nodeid for nodeid, _ in broken))
    times = "once" if len(broken) == 1 else f"{len(broken)} times"
    others = f" and in {len(tests) - 1} more tests" if len(tests) > 1 else ""
    return (
        f"the protocol's order was broken {times}, in {tests[0]}{others}: {broken[0][1]}; usage.json has all of it "
        "under protocol, and dg_check_protocol = fail makes it fail its test"
    )
