"""Replays of a minute of audio and more: how soon they are over, how true to the recording, how large the cassette."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.emulator import emulator
from benchmarks.pacer import PATH
from benchmarks.pytests import project, running, until_nobody_works_in
from pytest_dgbudget.cassette.cassette import Cassette, CassetteAudio
from pytest_dgbudget.cassette.store import cassettes_in, write_cassettes
from pytest_dgbudget.instants import epoch_ms
from pytest_dgbudget.recording.lines import Side

SECONDS = 60
AT_ONCE, LONGER, IN_ITS_TIME = "at pace max", "at pace max, a minute of the agent's audio", "at the vendor's pace"
_AGENT: Side = "server_to_client"
_A_MINUTE = 60 * 16_000 * 2
# It has function calls and an interruption, and notes how long its session took.
_CONVERSATION = Path(__file__).parent.parent / "tests" / "projects" / "replays"
_ARGUMENTS = ("--dg-reconcile=off", "--dg-regression=off", "-odg_artifacts=always")


def benchmarks() -> Sequence[Benchmark]:
    recorded = Recorded()
    at_once = Reach(subject=LONGER, limit=1, row="replay at pace max, a minute of audio both ways: connect to end")
    in_its_time = Reach(
        subject=IN_ITS_TIME, limit=50, row="replay at the vendor's pace: furthest message of the agent's"
    )
    small = Reach(subject=AT_ONCE, limit=1.1, row="a cassette's size / its FLAC and session.jsonl")
    return [
        Benchmark(
            name="replay",
            title=f"a replay of a conversation with {SECONDS} s of the user's audio",
            subjects=[
                Subject(name=AT_ONCE, trial=recorded.at_once, setup=recorded.is_there),
                Subject(name=LONGER, trial=recorded.longer_at_once),
                Subject(name=IN_ITS_TIME, trial=recorded.in_its_time, every=3),
            ],
            figures=[
                Figure(name="connect to end", unit="s", reach=at_once),
                Figure(name="off the recorded instant", unit="ms", statistic="max", reach=in_its_time),
                Figure(name="off the recorded gap, between two of the agent's", unit="ms", statistic="max"),
                Figure(name="size / FLAC and lines", unit="times", reach=small),
            ],
            trials=12,
            quick_trials=3,
            needs=["soundfile"],
            null_within=0.2,
        )
    ]


class _Message(NamedTuple):
    """When it came, after the first one; how long after what passed before it, and whether that was the agent's too."""

    at_ms: float
    gap_ms: float
    follows_agent: bool


class Recorded:
    """A project with the conversation's cassette, and one whose cassette has a minute of the agent's audio besides."""

    def __init__(self) -> None:
        self._folder = self._longer = Path()
        self._messages: Sequence[_Message] = ()

    @contextmanager
    def is_there(self) -> Iterator[None]:
        test = (_CONVERSATION / "test_conversation.py").read_text(encoding="utf-8")
        with project(test) as self._folder, project(test) as self._longer:
            with emulator("--scenario", str(_CONVERSATION / "agent.toml")) as vendor:
                dialled = {"DG_AGENT_URL": f"ws://127.0.0.1:{vendor.port}{PATH}", "DEEPGRAM_API_KEY": vendor.key}
                _run(self._folder, ["--dg-target=live", "--dg-budget=5m", "--dg-record=rewrite"], dialled)
            self._messages = _messages_in(self._folder)
            session = _cassette_in(self._folder)
            (cassette,) = cassettes_in(session.parent)
            write_cassettes(self._longer / session.parent.relative_to(self._folder), [with_a_minute(cassette)])
            yield

    def at_once(self) -> Figures:
        return {
            "connect to end": _seconds_of_replay(self._folder, "max"),
            "size / FLAC and lines": _size(_cassette_in(self._folder)),
        }

    def longer_at_once(self) -> Figures:
        return {"connect to end": _seconds_of_replay(self._longer, "max")}

    def in_its_time(self) -> Figures:
        _seconds_of_replay(self._folder, "vendor")
        both = list(zip(_messages_in(self._folder), self._messages, strict=True))
        return {
            "off the recorded instant": [abs(now.at_ms - then.at_ms) for now, then in both],
            "off the recorded gap, between two of the agent's": [
                abs(now.gap_ms - then.gap_ms) for now, then in both if then.follows_agent
            ],
        }


def with_a_minute(cassette: Cassette) -> Cassette:
    """Return a cassette whose agent's messages of audio are so much longer that they are a minute together."""
    audio = cassette.audio[_AGENT]
    times = math.ceil(_A_MINUTE / len(audio))
    events = [
        replace(event, offset=event.offset * times, size=event.size * times)
        if isinstance(event, CassetteAudio) and event.side == _AGENT
        else event
        for event in cassette.events
    ]
    return replace(cassette, events=tuple(events), audio={**cassette.audio, _AGENT: audio * times})


def _seconds_of_replay(folder: Path, pace: str) -> float:
    _run(folder, ["--dg-target=replay", f"--dg-pace={pace}"], {})
    return float((folder / "took").read_text(encoding="ascii"))


def _run(folder: Path, arguments: Sequence[str], environ: dict[str, str]) -> None:
    with running(folder, [*_ARGUMENTS, *arguments], {**environ, "SECONDS": str(SECONDS)}) as process:
        if process.wait() != 0:
            raise RuntimeError("a pytest of the benchmark failed")
    until_nobody_works_in(folder)


def _cassette_in(folder: Path) -> Path:
    (session,) = folder.glob("cassettes/*/1")
    return session


def _size(session: Path) -> float:
    """Return how often a cassette's bytes are those of its audio and of what a reviewer reads."""
    sizes = {file.name: file.stat().st_size for file in session.iterdir()}
    return sum(sizes.values()) / sum(sizes[name] for name in ("user.flac", "agent.flac", "session.jsonl"))


def _messages_in(folder: Path) -> Sequence[_Message]:
    """Return the agent's texts and pieces of audio, in order."""
    (events,) = folder.glob(".dgbudget/report/artifacts/*/*events*.jsonl")
    lines = [json.loads(line) for line in events.read_text(encoding="utf-8").splitlines()]
    passed = [(line["direction"], epoch_ms(line["ts"])) for line in lines if line["direction"] != "gateway"]
    first = next(at for side, at in passed if side == _AGENT)
    return [
        _Message(at_ms=at - first, gap_ms=at - before_at, follows_agent=before == _AGENT)
        for (before, before_at), (side, at) in pairwise([("", first), *passed])
        if side == _AGENT
    ]
