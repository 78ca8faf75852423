"""Write cassettes in processes that are killed, or that write at once, while this one reads: a program.

``kills``: a writer is killed before each of its steps on the disk in turn. ``at-once``: two of them write all the time.
Prints how often it read which set, as JSON; ends with an error as soon as one is neither the old nor the new one.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
import traceback
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import count
from pathlib import Path

from pytest_dgbudget.cassette.cassette import Cassette, CassetteText
from pytest_dgbudget.cassette.store import cassettes_in, write_cassettes
from tests.support.cassettes import cassette
from tests.support.recordings import VENDOR

# How many sessions each set has.
SETS = {"old": 2, "new": 1}
_STEPS = ("open", "os.rename", "os.mkdir", "os.remove", "os.rmdir", "os.scandir", "os.listdir", "shutil.rmtree")
_SECONDS_AT_ONCE = 1.0


def main() -> None:
    how, folder = sys.argv[1], Path(sys.argv[2])
    made = cassette(folder / "recordings")
    sets = {name: [_named(made, name)] * size for name, size in SETS.items()}
    of_test = folder / "cassettes" / "test"
    write_cassettes(of_test, sets["old"])
    read = (_killed if how == "kills" else _at_once)(of_test, sets)
    write_cassettes(of_test, sets["old"])
    print(json.dumps({"read": read, "left": sorted(each.name for each in of_test.parent.iterdir())}))


def _named(made: Cassette, name: str) -> Cassette:
    """Return a cassette all of whose texts and audio are those of one set."""
    events = tuple(
        replace(each, payload={"type": name}) if isinstance(each, CassetteText) and each.line else each
        for each in made.events
    )
    audio = {side: name[:1].encode() * len(data) for side, data in made.audio.items()}
    return replace(made, events=events, audio=audio)


def read_set(of_test: Path) -> str:
    """Return which set a test has, whole; AssertionError for anything else."""
    found = cassettes_in(of_test)
    names = {
        each.payload["type"] for one in found for each in one.events if isinstance(each, CassetteText) and each.line
    }
    (name,) = names
    assert len(found) == SETS[name], f"{len(found)} sessions of {name}"
    assert all(set(one.audio[VENDOR]) == {name.encode()[0]} for one in found), f"another set's audio with {name}"
    return str(name)


def _killed(of_test: Path, sets: dict[str, list[Cassette]]) -> Counter[str]:
    read: Counter[str] = Counter()
    for step in count(1):
        write_cassettes(of_test, sets["old"])
        _, status = os.waitpid(_forked(partial(_write_up_to, step, of_test, sets["new"])), 0)
        read[read_set(of_test)] += 1
        if not os.WIFSIGNALED(status):
            assert status == 0, "the writer failed"
            break
    return read


def _write_up_to(step: int, of_test: Path, cassettes: list[Cassette]) -> None:
    steps = count(1)

    def on_event(event: str, _arguments: object) -> None:
        if event in _STEPS and next(steps) == step:
            os.kill(os.getpid(), signal.SIGKILL)

    sys.addaudithook(on_event)
    write_cassettes(of_test, cassettes)


def _at_once(of_test: Path, sets: dict[str, list[Cassette]]) -> Counter[str]:
    writers = [_forked(partial(_write_for_ever, of_test, each)) for each in sets.values()]
    read: Counter[str] = Counter()
    try:
        until = time.monotonic() + _SECONDS_AT_ONCE
        while time.monotonic() < until or len(read) < len(SETS):
            read[read_set(of_test)] += 1
    finally:
        for writer in writers:
            os.kill(writer, signal.SIGKILL)
        ended = [os.waitpid(writer, 0)[1] for writer in writers]
    assert all(map(os.WIFSIGNALED, ended)), "a writer failed"
    return read


def _write_for_ever(of_test: Path, cassettes: list[Cassette]) -> None:
    while True:
        write_cassettes(of_test, cassettes)


def _forked(does: Callable[[], None]) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            does()
            os._exit(0)
        except BaseException:
            traceback.print_exc()
        finally:
            os._exit(1)
    return pid


if __name__ == "__main__":
    main()
