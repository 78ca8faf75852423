"""A network of its own in which the vendor's names lead to a stand-in with a certificate; it has no other host.

Runs inside ``unshare --net --mount``. Its argument is a folder; on its stdin it is told, a JSON line each, which
programs and projects to run. Of each session that a program says it has tried, it prints what reached a recording
gateway and the vendor; of a project, whose gateway is the real one, what reached the vendor.
"""

from __future__ import annotations

import contextlib
import json
import os
import ssl
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import trustme

from pytest_dgbudget.redirect import RedirectSettings
from pytest_dgbudget.redirect.children import children_environment
from tests.support.peers import process_of
from tests.support.recording_server import RecordingServer

TOKEN = "d9b0d9e7" + "0a1b2c3d" * 4
VENDOR = "127.0.0.2"
NAMES = ["agent.deepgram.com", "api.deepgram.com", "api.eu.deepgram.com"]
SECONDS = 60  # for one program
PROJECT_SECONDS = 240
PAUSE_SECONDS = 0.2  # longer than what a figure may be off
AGENT_URL = "wss://agent.deepgram.com/v1/agent/converse"


def main() -> None:
    folder = Path(sys.argv[1])
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
    replace_file(folder, "/etc/hosts", f"127.0.0.1 localhost\n{VENDOR} {' '.join(NAMES)}\n")
    replace_file(folder, "/etc/resolv.conf", "nameserver 127.0.0.53\n")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "authority.pem")
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.num_tickets = 0  # clients that read and write on two threads at once would race for them
    authority.issue_cert(*NAMES).configure_cert(tls)
    stand_in = RecordingServer(tls, (VENDOR, 443), process_of, lambda: welcomes(folder))
    with stand_in as vendor, RecordingServer() as gateway:
        for line in sys.stdin:
            told = json.loads(line)
            if "project" in told:
                run_project(told, folder, vendor)
            else:
                run(told, folder, vendor, gateway)
            print("done", flush=True)


def welcomes(folder: Path) -> bool:
    """Withhold the Welcome of the next session when there is a file ``silent``; otherwise let it be waited for."""
    try:
        (folder / "silent").unlink()
    except FileNotFoundError:
        time.sleep(PAUSE_SECONDS)
        return True
    return False


def replace_file(folder: Path, path: str, text: str) -> None:
    """Put another file in the place of one, for this mount namespace alone."""
    ours = folder / Path(path).name
    ours.write_text(text, encoding="utf-8")
    subprocess.run(["mount", "--bind", str(ours), path], check=True)


def run(told: dict[str, Any], folder: Path, vendor: RecordingServer, gateway: RecordingServer) -> None:
    settings = RedirectSettings(gateway.netloc, TOKEN, AGENT_URL)
    environment = {**os.environ, **told["env"], "SSL_CERT_FILE": str(folder / "authority.pem")}
    if told["how"] == "child":
        environment.update(children_environment(environment, settings))
    redirect = settings.to_json() if told["how"] == "in process" else None
    arguments = json.dumps({**told["program"], "redirect": redirect})
    with subprocess.Popen(
        [sys.executable, "-m", "tests.projects.redirect.cells", arguments],
        cwd=told["cwd"],
        env=environment,
        text=True,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
    ) as program:
        assert program.stdin is not None
        assert program.stdout is not None
        deadline = threading.Timer(SECONDS, program.kill)
        deadline.start()
        for line in program.stdout:
            client, source, outcome = json.loads(line)
            print(json.dumps([client, source, outcome, taken(gateway), taken(vendor)]), flush=True)
            program.stdin.write("\n")
            program.stdin.flush()
        deadline.cancel()


def run_project(told: dict[str, Any], folder: Path, vendor: RecordingServer) -> None:
    environment = {**os.environ, **told["env"], "SSL_CERT_FILE": str(folder / "authority.pem")}
    del environment["DG_AGENT_URL"]  # the vendor's own names lead nowhere else here
    command = [sys.executable, "-m", "pytest", *told["project"]]
    with (folder / "output").open("w", encoding="utf-8") as output, contextlib.suppress(subprocess.TimeoutExpired):
        subprocess.run(
            command,
            cwd=told["cwd"],
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            check=False,
            timeout=PROJECT_SECONDS,
        )
    print(json.dumps([asdict(one) | {"body": None} for one in vendor.requests]), flush=True)
    vendor.requests.clear()


def taken(server: RecordingServer) -> list[dict[str, Any]]:
    found = [
        {"path": one.path, "credential": one.credential, "process": one.process, "said": repr(one)}
        for one in server.requests
    ]
    server.requests.clear()
    return found


if __name__ == "__main__":
    main()
