"""Whether the turns of a test were as quick as ``dg_latency`` wants them, and what to say where they were not. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_dgbudget.errors import LatencyExceeded
from pytest_dgbudget.model import MeasuredTurn, SessionTurns
from pytest_dgbudget.rules.percentiles import judged_latencies_ms, percentile_ms
from pytest_dgbudget.units import counted, seconds

# Of the turns above a limit, those that are named.
_MOST_NAMED = 5
# Why turns are not judged; of several reasons, the first one counts.
_NOT_JUDGED: tuple[tuple[str, Callable[[MeasuredTurn], bool]], ...] = (
    ("that the user went on with before an answer", lambda turn: turn.continued),
    ("whose audio came faster than real time (unpaced)", lambda turn: turn.unpaced),
    ("whose audio can't be read, or is never loud (since: transcript)", lambda turn: turn.since == "transcript"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class LatencyLimits:
    """The most that a percentile of a test's latencies may be, in milliseconds (None: no limit), and how many turns
    must be judged at least.
    """

    p50_ms: int | None = None
    p95_ms: int | None = None
    turns: int = 1

    @property
    def percentiles(self) -> list[tuple[int, int]]:
        """The percentiles that have a limit, each with it."""
        return [(percent, ms) for percent, ms in ((50, self.p50_ms), (95, self.p95_ms)) if ms is not None]


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenLimit:
    """A percentile above its limit, in milliseconds; ``measured_ms`` is None where that turn was never answered."""

    percent: int
    measured_ms: int | None
    allowed_ms: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slowness:
    """What was broken: limits of percentiles, or (``too_few``) how many turns must be judged."""

    judged: int
    wanted: int
    broken: tuple[BrokenLimit, ...]
    too_few: bool


def find_slowness(sessions: Sequence[SessionTurns], limits: LatencyLimits) -> Slowness | None:
    """Return what of the limits the turns of a test's sessions have broken; None where they hold.

    A turn that still waits for its answer may yet be one of those that are wanted.
    """
    latencies_ms = judged_latencies_ms(turn for session in sessions for turn in session.turns)
    waiting = sum(session.awaits_answer for session in sessions)
    too_few = len(latencies_ms) + waiting < limits.turns
    found = (_broken(latencies_ms, *limit) for limit in limits.percentiles) if latencies_ms else ()
    broken = tuple(each for each in found if each is not None)
    if not (too_few or broken):
        return None
    return Slowness(judged=len(latencies_ms), wanted=limits.turns, broken=broken, too_few=too_few)


def _broken(latencies_ms: Sequence[int | None], percent: int, allowed_ms: int) -> BrokenLimit | None:
    measured_ms = percentile_ms(latencies_ms, percent)
    if _is_within(measured_ms, allowed_ms):
        return None
    return BrokenLimit(percent=percent, measured_ms=measured_ms, allowed_ms=allowed_ms)


def _is_within(latency_ms: int | None, allowed_ms: int) -> bool:
    """A turn without an answer is slower than any limit."""
    return latency_ms is not None and latency_ms <= allowed_ms


def latency_error(slowness: Slowness, sessions: Sequence[SessionTurns]) -> LatencyExceeded:
    """Return the error of a test whose turns were slower than it wants, or fewer."""
    first = next(iter(slowness.broken), None)
    return LatencyExceeded(
        "\n".join(_lines(slowness, sessions)),
        percentile=None if first is None else first.percent,
        measured_seconds=None if first is None or first.measured_ms is None else seconds(first.measured_ms),
        allowed_seconds=None if first is None else seconds(first.allowed_ms),
        turns=slowness.judged,
    )


def _lines(slowness: Slowness, sessions: Sequence[SessionTurns]) -> Iterator[str]:
    few = [_too_few(slowness, sessions)] if slowness.too_few else []
    yield "; ".join([*few, *(_above(each, slowness.judged) for each in slowness.broken)])
    if slowness.broken:
        yield f"  slower: {_slower(sessions, min(each.allowed_ms for each in slowness.broken))}"
    if left_out := _left_out(turn for session in sessions for turn in session.turns):
        yield f"  not judged: {left_out}"
    if waiting := sum(session.awaits_answer for session in sessions):
        yield f"  without an answer when the test's body ended: {counted(waiting, 'turn')}"
    yield f"  {_advice(slowness)}"


def _too_few(slowness: Slowness, sessions: Sequence[SessionTurns]) -> str:
    judged = f"{counted(slowness.judged, 'turn')} judged" if slowness.judged else "no turn was judged"
    where = f" in {counted(len(sessions), 'session')}" if sessions else ", for no session passed the gateway"
    return f"dg_latency wants at least {counted(slowness.wanted, 'turn')}: {judged}{where}"


def _above(broken: BrokenLimit, judged: int) -> str:
    of = f"p{broken.percent} of {counted(judged, 'turn')}"
    measured = "one without an answer" if broken.measured_ms is None else _shown(broken.measured_ms)
    return f"{of} is {measured}, and dg_latency allows {_shown(broken.allowed_ms)}"


def _slower(sessions: Sequence[SessionTurns], allowed_ms: int) -> str:
    """Name the judged turns above a limit, the slowest first."""
    slower = [
        (latency_ms, f"turn {number} of session {session.name} ({_of_turn(turn)})")
        for session in sessions
        for number, turn in enumerate(session.turns, start=1)
        for latency_ms in judged_latencies_ms([turn])
        if not _is_within(latency_ms, allowed_ms)
    ]
    slower.sort(key=lambda each: (each[0] is not None, -(each[0] or 0)))
    more = [f"and {len(slower) - _MOST_NAMED} more"] if len(slower) > _MOST_NAMED else []
    return ", ".join([*(name for _, name in slower[:_MOST_NAMED]), *more])


def _of_turn(turn: MeasuredTurn) -> str:
    latency = "no answer" if turn.latency_ms is None else _shown(turn.latency_ms)
    functions = f"{_shown(turn.function_ms)} of it in client functions" if turn.function_ms else ""
    return ", ".join(filter(None, [latency, functions, "overlapped" if turn.overlapped else ""]))


def _left_out(turns: Iterable[MeasuredTurn]) -> str:
    """Say how many turns are not judged, and why."""
    reasons = [next((why for why, is_so in _NOT_JUDGED if is_so(turn)), None) for turn in turns]
    counts = ((reasons.count(why), why) for why, _ in _NOT_JUDGED)
    return "; ".join(f"{counted(count, 'turn')} {why}" for count, why in counts if count)


def _advice(slowness: Slowness) -> str:
    if any(each.measured_ms is None for each in slowness.broken):
        return "a turn without an answer is above every limit: keep its session open until the agent has answered"
    if slowness.broken:
        return "make the agent answer sooner, or raise the limit in the marker dg_latency"
    return "have the test take more turns, or lower turns= in the marker dg_latency"


def _shown(milliseconds: int) -> str:
    """To the millisecond: what is just above a limit must not look like it."""
    return f"{seconds(milliseconds):.3f}s"
