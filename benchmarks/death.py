"""How soon the server sees a session closed when its owner is killed."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.comparison import Benchmark, Figure, Figures, Reach, Subject
from benchmarks.pytests import project, running
from benchmarks.recorder import Recorder, recorder
from benchmarks.through_gateway import KEY

# Without a gateway, the kernel of a killed process closes its socket: nothing is faster.
DIRECT = """
import os, time
from pathlib import Path
from websockets.sync.client import connect

def test_it():
    with connect(os.environ["URL"], compression=None, proxy=None) as websocket:
        websocket.recv()
        websocket.send('{"type":"Settings"}')
        Path("worker").write_text(str(os.getpid()))
        time.sleep(60)
"""
OURS = """
import os, time
from pathlib import Path

def test_it(voice_agent):
    with voice_agent.connect():
        Path("worker").write_text(str(os.getpid()))
        time.sleep(60)
"""

VICTIMS = ("pytest", "worker", "controller")


def benchmarks() -> Sequence[Benchmark]:
    trials = Trials()
    arguments = ["--dg-budget=10m", "--dg-reconcile=off"]
    xdist = [*arguments, "-n1"]
    return [
        Benchmark(
            name="death",
            title="close after an owner's death",
            subjects=[
                Subject(name="direct", trial=trials.of("", DIRECT, ["-p", "no:dgbudget"], itself), setup=trials.open),
                Subject(name="pytest", trial=trials.of("pytest", OURS, arguments, itself)),
                Subject(name="worker", trial=trials.of("worker", OURS, xdist, its_worker), needs=["xdist"]),
                Subject(name="controller", trial=trials.of("controller", OURS, xdist, itself), needs=["xdist"]),
            ],
            figures=[Figure(name="close", unit="ms", statistic="p50"), *map(worst, VICTIMS)],
            trials=20,
            quick_trials=2,
            warm_up=0,
            null_within=10,
        )
    ]


def worst(victim: str) -> Figure:
    reach = Reach(subject=victim, limit=100, row=f"close after the death of: {victim}, worst")
    return Figure(name=f"worst, {victim} killed", unit="ms", statistic="max", reach=reach)


def itself(folder: Path, process: subprocess.Popen[bytes]) -> int:
    return process.pid


def its_worker(folder: Path, process: subprocess.Popen[bytes]) -> int:
    give_up = time.monotonic() + 20
    while not (text := read(folder / "worker")):
        if time.monotonic() > give_up:
            raise RuntimeError("a worker did not come to its session")
        time.sleep(0.01)
    return int(text)


def read(path: Path) -> str:
    return path.read_text() if path.exists() else ""


Victim = Callable[[Path, subprocess.Popen[bytes]], int]


@dataclass(slots=True)
class Trials:
    """`recorder` is there from the reference's setup on, which is around all others."""

    recorder: Recorder = field(default_factory=Recorder)

    @contextmanager
    def open(self) -> Iterator[None]:
        with recorder() as self.recorder:
            yield

    def of(self, name: str, source: str, arguments: Sequence[str], victim: Victim) -> Callable[[], Figures]:
        return lambda: figures_of(name, self.milliseconds(source, arguments, victim))

    def milliseconds(self, source: str, arguments: Sequence[str], victim: Victim) -> float:
        environ = {"URL": self.recorder.url, "DG_AGENT_URL": self.recorder.url, "DEEPGRAM_API_KEY": KEY}
        number = len(self.recorder.sessions)
        with project(source) as folder, running(folder, arguments, environ) as process:
            session = self.recorder.session(number)
            pid = victim(folder, process)
            time.sleep(0.1)  # Let it come to rest, as a test in mid-session is.
            os.kill(pid, signal.SIGKILL)
            killed_at = time.monotonic()
            if not session.closed.wait(20):
                raise RuntimeError("a session outlived its owner by 20 s")
        return (session.closed_at - killed_at) * 1000


def figures_of(victim: str, late: float) -> Figures:
    return {"close": late, **({worst(victim).name: late} if victim else {})}
