"""Children that a test forks, and threads that it leaves: they hold no session open and keep no dead owner alive."""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest

from tests.support.processes import wait_until
from tests.support.project import Project
from tests.support.vendor import Vendor

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="nothing forks here")

CHILDREN = {
    "fork": """
    if os.fork() == 0:
        Path("child").write_text(str(os.getpid()))
        time.sleep(30)
        os._exit(0)
""",
    "multiprocessing": """
    import multiprocessing
    def sleeps():
        Path("child").write_text(str(os.getpid()))
        time.sleep(30)
    multiprocessing.get_context("fork").Process(target=sleeps, daemon=False).start()
""",
    "pool": """
    import multiprocessing
    pool = multiprocessing.get_context("fork").Pool(1)
    Path("child").write_text(str(pool.apply(os.getpid)))
    pool.apply_async(time.sleep, (30,))
""",
    "fork by C, of which Python does not know": """
    import ctypes
    if ctypes.PyDLL(None).fork() == 0:
        Path("child").write_text(str(os.getpid()))
        time.sleep(30)
        os._exit(0)
""",
    "subprocess": """
    import subprocess, sys
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(30)"], close_fds=False)
    Path("child").write_text(str(child.pid))
""",
}


@pytest.mark.parametrize("child", CHILDREN)
def test_i5_a_child_that_outlives_pytest_keeps_none_of_its_sessions(
    project: Project, vendor: Vendor, child: str
) -> None:
    project.write(
        "test_it.py",
        f"""
import os, time
from pathlib import Path

def test_forks(voice_agent):
    session = voice_agent.connect().__enter__()
    {CHILDREN[child]}
    time.sleep(60)
""",
    )
    process = project.start("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=vendor.environ)
    vendor.wait_open(1)
    pid = written_pid(project.path / "child")
    process.kill()
    killed_at = time.monotonic()
    (seen,) = vendor.wait_closed(1)
    assert seen.closed_at is not None
    assert seen.closed_at - killed_at < 1
    wait_until((project.path / ".dgbudget/report/usage.json").exists)
    os.kill(pid, signal.SIGKILL)


@pytest.mark.parametrize("child", CHILDREN)
def test_a_child_that_outlives_its_test_keeps_none_of_its_sessions(
    project: Project, vendor: Vendor, child: str
) -> None:
    """Nor its gateway: the run ends as if there was no child."""
    project.write(
        "test_it.py",
        f"""
import os, signal, time
from pathlib import Path

def test_forks(voice_agent):
    session = voice_agent.connect().__enter__()
    {CHILDREN[child]}
    while not Path("child").exists() or not Path("child").read_text():
        time.sleep(0.01)

def test_after(voice_agent):
    with voice_agent.connect() as session:
        assert session.say("hi").reply == "about hi"
    os.kill(int(Path("child").read_text()), signal.SIGKILL)
""",
    )
    result = project.run("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=vendor.environ)
    assert result.status == 0, result.output
    first, _ = vendor.wait_closed(2)
    assert first.seconds < 10
    assert result.usage["run"]["complete"]


def test_what_a_forked_child_has_is_nothing_of_ours(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_it.py",
        """
import os
from contextlib import suppress

def sockets():
    links = set()
    for fd in os.listdir("/proc/self/fd"):
        with suppress(OSError):
            links.add(os.readlink(f"/proc/self/fd/{fd}"))
    return {link[8:-1] for link in links if link.startswith("socket:")}

def over_tcp():
    with open("/proc/self/net/tcp") as table:
        return {row.split()[9] for row in table} & sockets()

BEFORE = over_tcp()

def test_forks(voice_agent):
    session = voice_agent.connect().__enter__()
    ours = over_tcp() - BEFORE
    assert len(ours) == 3, "the gateway's port, the control connection, the session"
    if os.fork() == 0:
        os._exit(len(ours & over_tcp()))
    _, status = os.wait()
    assert os.waitstatus_to_exitcode(status) == 1, "the session's own, which is worth nothing without its test"
""",
    )
    result = project.run("--dg-budget=10m", "-W", "ignore::DeprecationWarning", env=vendor.environ)
    assert result.status == 0, result.output


def test_a_thread_that_outlives_the_suite_keeps_no_session(project: Project, vendor: Vendor) -> None:
    project.write(
        "test_it.py",
        """
import threading, time

def test_leaves_a_thread(voice_agent):
    session = voice_agent.connect().__enter__()

    def keeps_talking():
        for _ in range(200):
            try:
                session.send({"type": "KeepAlive"})
            except Exception:
                pass
            time.sleep(0.02)

    threading.Thread(target=keeps_talking).start()
""",
    )
    started_at = time.monotonic()
    result = project.run("--dg-budget=10m", env=vendor.environ)
    (seen,) = vendor.wait_closed(1)
    assert result.status == 0, result.output
    assert seen.seconds < 3
    assert time.monotonic() - started_at < 30
    (session,) = result.usage["sessions"]
    assert session["closed_by"] == "teardown"


def written_pid(path: Path) -> int:
    wait_until(lambda: path.exists() and path.read_text() != "")
    return int(path.read_text())
