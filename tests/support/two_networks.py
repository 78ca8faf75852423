"""Two networks with one link between them, as a host and its containers have; there is no other host.

Runs inside ``unshare --net``: ``python -m tests.support.two_networks COMMAND...``. The command's environment has
``THERE``, an address in the other network, and ``ENTER``, what runs a command there. Where ``DG_APP_TOKEN`` is set, an
``application.py`` is running there before the command, with it as its key: ``APPLICATION`` is its HOST:PORT.
"""

from __future__ import annotations

import os
import subprocess
import sys

HERE, THERE = "10.77.0.1", "10.77.0.2"


def main() -> int:
    with subprocess.Popen(["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE) as other:
        assert other.stdin is not None
        assert other.stdout is not None
        other.stdin.write(b"\n")
        other.stdin.flush()
        other.stdout.readline()  # it is in its network now
        enter = ["nsenter", f"--net=/proc/{other.pid}/ns/net"]
        link(other.pid, enter)
        status = run(sys.argv[1:], enter)
        other.stdin.close()
    return status


def link(pid: int, enter: list[str]) -> None:
    for command in (
        "ip link set lo up",
        f"ip link add dg0 type veth peer name dg1 netns {pid}",
        f"ip address add {HERE}/24 dev dg0",
        "ip link set dg0 up",
    ):
        subprocess.run(command.split(), check=True)
    for command in ("ip link set lo up", f"ip address add {THERE}/24 dev dg1", "ip link set dg1 up"):
        subprocess.run([*enter, *command.split()], check=True)


def run(command: list[str], enter: list[str]) -> int:
    environment = {**os.environ, "THERE": THERE, "ENTER": " ".join(enter)}
    if "DG_APP_TOKEN" not in environment:
        return subprocess.run(command, env=environment, check=False).returncode
    application = [*enter, sys.executable, "application.py", THERE]
    env = {**environment, "DEEPGRAM_API_KEY": environment["DG_APP_TOKEN"]}
    with subprocess.Popen(application, env=env, stdout=subprocess.PIPE, text=True) as started:
        assert started.stdout is not None
        environment["APPLICATION"] = f"{THERE}:{started.stdout.readline().strip()}"
        status = subprocess.run(command, env=environment, check=False).returncode
        started.terminate()
    return status


if __name__ == "__main__":
    sys.exit(main())
