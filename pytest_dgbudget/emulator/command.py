"""The command line: ports, first line, and what ends the process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import math
import os
import re
import signal
import sys
import threading
import uuid
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pytest_dgbudget.credentials import EMULATOR_KEY_PREFIX
from pytest_dgbudget.emulator.behavior import Behavior, Limits
from pytest_dgbudget.emulator.project.billing import SETTLEMENT_LAG
from pytest_dgbudget.emulator.project.continuation import BadContinuation, read_continuation
from pytest_dgbudget.emulator.project.prices import AS_OF, USD_PER_MINUTE
from pytest_dgbudget.emulator.scenarios.library import read_agents
from pytest_dgbudget.emulator.scenarios.scenario import ReusableAgents
from pytest_dgbudget.emulator.scenarios.tables import BadScenario
from pytest_dgbudget.emulator.server import HOST, Emulator
from pytest_dgbudget.emulator.session_clock import PACES
from pytest_dgbudget.emulator.vendor import AS_SEEN, SETS, BadVendor, Vendor, read_assignment
from pytest_dgbudget.errors import SettingsError
from pytest_dgbudget.processes import leave_no_core
from pytest_dgbudget.units import parse_time


class _Parser(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.exit(2, f"{self.prog}: {message}\n")  # one line, without argparse's usage block


def run(argv: Sequence[str] | None) -> int:
    """Run the emulator to its end; see :func:`pytest_dgbudget.emulator.main`."""
    parser = _parser()
    options = parser.parse_args(argv)
    if options.tied:
        leave_no_core()
    try:
        emulator = _emulator(options)
    except (OSError, BadScenario) as error:
        parser.error(str(error))
    except BadVendor as error:
        parser.error(f"--vendor: {error}")
    except BadContinuation as error:
        parser.error(f"--continue: can't continue by the line on stdin: {error}")
    if options.write_bill:
        emulator.on_bill(_write_line)
    _warn_of_others(options.host)
    asyncio.run(_run_until_stopped(emulator, tied=options.tied))
    return 0


def _parser() -> _Parser:
    parser = _Parser(prog="dgbudget emulator", description="Speaks Deepgram's Voice Agent protocol on 127.0.0.1.")
    parser.add_argument("--host", type=_address, default=HOST, help="IPv4 address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="port of agent and API (default: any free one)")
    parser.add_argument("--api-port", type=_port, help="another port that serves the same; api_url names it")
    parser.add_argument(
        "--api-key",
        type=_api_key,
        metavar="KEY",
        help=f"the key that it takes: {EMULATOR_KEY_PREFIX} and 16 letters or digits or more (default: a new one)",
    )
    parser.add_argument("--project", type=_project, metavar="ID", help="its project's id, a UUID (default: a new one)")
    parser.add_argument(
        "--pace",
        choices=PACES,
        default=PACES[0],
        help="vendor: as the real service was seen to speak and think; max: as fast as the CPU (default: %(default)s)",
    )
    parser.add_argument(
        "--vendor",
        action="append",
        default=[],
        metavar="SWITCH=VALUE",
        help=f"how the service behaves where observations differ: a switch, or one of the sets {', '.join(SETS)}",
    )
    parser.add_argument(
        "--client-timeout",
        type=_time_above_zero,
        default=Limits().silence,
        metavar="TIME",
        help="end a session whose client sends nothing for this long (default: %(default)g, about what was measured)",
    )
    parser.add_argument(
        "--agents",
        type=_agents,
        default=ReusableAgents(),
        metavar="FILE",
        help="reusable agents: a JSON object that maps ids to agents, and variables to their values",
    )
    parser.add_argument("--scenario", metavar="FILE", help="what the agent does; FILE::NAME for one of several")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="record messages in both directions as JSON Lines")
    _add_bill_options(parser)
    parser.add_argument("--tied", action="store_true", help="end when stdin ends")
    parser.add_argument("--write-bill", action="store_true", help=argparse.SUPPRESS)  # for who keeps reading stdout
    parser.add_argument("--continue", action="store_true", dest="continues", help=argparse.SUPPRESS)
    return parser


def _add_bill_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settlement-lag",
        type=_time,
        default=SETTLEMENT_LAG,
        metavar="TIME",
        help="time from a session's end until it is billed: 20s, or a number of seconds (default: %(default)s)",
    )
    parser.add_argument(
        "--price",
        type=_price,
        action="append",
        default=[],
        metavar="TIER=USD",
        help=f"price of a minute, instead of the built-in one of {AS_OF}; tiers: {', '.join(USD_PER_MINUTE)}",
    )
    parser.add_argument("--page-base", type=int, choices=(0, 1), default=0, help="number of the first page")
    parser.add_argument("--bare-request", action="store_true", help='answer one request without {"request": ...}')


def _emulator(options: argparse.Namespace) -> Emulator:
    given = {"port": options.port, "api_key": options.api_key, "project_id": options.project}
    return Emulator(
        host=options.host,
        api_port=options.api_port,
        behavior=Behavior(limits=Limits(silence=options.client_timeout), vendor=_vendor(options.vendor)),
        pace=options.pace,
        agents=options.agents,
        scenario=options.scenario,
        journal=options.journal,
        **_bill_options(options),
        **{**given, **_continued(options)},
    )


def _continued(options: argparse.Namespace) -> dict[str, Any]:
    """Return what is taken over from an emulator that has died: a line on stdin has it."""
    if not options.continues:
        return {}
    before = read_continuation(sys.stdin.readline())
    return {"continues": before, "port": before.port, "api_key": before.api_key, "project_id": before.project_id}


def _bill_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return these options as keyword arguments of Emulator."""
    return {
        "settlement_lag": options.settlement_lag,
        "prices": dict(options.price),
        "page_base": options.page_base,
        "wrapped": not options.bare_request,
    }


def _warn_of_others(host: str) -> None:
    """Warn on stderr if other machines can connect."""
    if not ipaddress.ip_address(host).is_loopback:
        sys.stderr.write(
            f"dgbudget emulator: --host {host} lets other machines in; its api_key is all that keeps them out, and "
            "travels unencrypted. Without --host it listens on this machine alone.\n"
        )


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address, such as {HOST} or 0.0.0.0") from None


def _port(text: str) -> int:
    if not (text.isascii() and text.isdigit() and int(text[:6]) <= 65535):
        raise argparse.ArgumentTypeError(f"{text!r} is not a port: 0 to 65535")
    return int(text)


def _time(text: str) -> float:
    """Return the seconds of a TIME."""
    try:
        return parse_time(text) / 1000
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _time_above_zero(text: str) -> float:
    seconds = _time(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return seconds


def _amount(text: str) -> float:
    """Return a finite number, 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = math.nan
    if not 0 <= number < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, 0 or more")
    return number


def _price(text: str) -> tuple[str, float]:
    tier, _, usd = text.partition("=")
    if tier not in USD_PER_MINUTE:
        raise argparse.ArgumentTypeError(f"there is no tier {tier!r}: {', '.join(USD_PER_MINUTE)}")
    return tier, _amount(usd)


def _api_key(text: str) -> str:
    if not re.fullmatch(f"{EMULATOR_KEY_PREFIX}[A-Za-z0-9_-]{{16,200}}", text):
        raise argparse.ArgumentTypeError(
            f"a key begins with {EMULATOR_KEY_PREFIX}, followed by 16 to 200 letters, digits, - or _"
        )
    return text


def _project(text: str) -> str:
    try:
        return str(uuid.UUID(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a UUID") from None


def _vendor(assignments: Sequence[str]) -> Vendor:
    """Return the switches; raises BadVendor."""
    vendor = AS_SEEN
    for assignment in assignments:
        vendor = read_assignment(assignment, vendor)
    return vendor


def _agents(path: str) -> ReusableAgents:
    try:
        return read_agents(Path(path))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _run_until_stopped(emulator: Emulator, *, tied: bool) -> None:
    end = asyncio.Event()
    _listen_for_signals(end, tied=tied)
    async with emulator:
        _write_line(json.dumps(emulator.addresses()))
        if tied:
            _watch_stdin(end)
        await end.wait()
    await _end_everything()


def _write_line(line: str) -> None:
    try:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()
    except BrokenPipeError:  # no reader is left: stdin or a signal will end us; Python flushes once more at exit
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


async def _end_everything() -> None:
    """End unfinished tasks while the loop still runs: Python 3.13 prints what a transport leaves open."""
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await asyncio.sleep(0)


def _listen_for_signals(end: asyncio.Event, *, tied: bool) -> None:
    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    if tied:  # Ctrl-C reaches the whole process group; the holder of our stdin decides
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    else:
        loop.add_signal_handler(signal.SIGINT, end.set)


def _watch_stdin(end: asyncio.Event) -> None:
    """A thread, because not every stdin can be polled (a file, /dev/null)."""
    loop = asyncio.get_running_loop()

    def wait() -> None:
        with contextlib.suppress(OSError):  # a missing stdin counts as ended
            while os.read(0, 4096):
                pass
        with contextlib.suppress(RuntimeError):  # a signal came first and the loop is closed
            loop.call_soon_threadsafe(end.set)

    threading.Thread(target=wait, name="dgbudget-emulator-stdin", daemon=True).start()
