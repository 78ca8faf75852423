import os
from contextlib import suppress
from pathlib import Path

from pytest_dgbudget import VoiceAgent


def sockets() -> set[str]:
    links = set()
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(OSError):
            links.add(str(descriptor.readlink()))
    return {link[8:-1] for link in links if link.startswith("socket:")}


def over_tcp(local_port: str = "") -> set[str]:
    """Return this process's sockets, or those at one port."""
    rows = Path("/proc/self/net/tcp").read_text(encoding="ascii").splitlines()
    return {row.split()[9] for row in rows if row.split()[1].endswith(local_port)} & sockets()


# Another plugin listens as well.
PORT = f":{int(os.environ['DGBUDGET_BASE_URL'].rpartition(':')[2]):04X}"
OTHERS = over_tcp() - over_tcp(PORT)


def test_forks(voice_agent: VoiceAgent) -> None:
    voice_agent.connect().__enter__()
    ours = over_tcp() - OTHERS
    assert len(ours) == 3, "the gateway's port, the control connection, the session"
    if os.fork() == 0:
        os._exit(len(ours & over_tcp()))
    _, status = os.wait()
    assert os.waitstatus_to_exitcode(status) == 1, "the session's own, which is worth nothing without its test"
