"""The command line: ports, first line, and what ends the process."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import ipaddress
import json
import math
import os
import signal
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

from pytest_dgbudget.emulator.agent.limits import Limits
from pytest_dgbudget.emulator.project.billing import SETTLEMENT_LAG
from pytest_dgbudget.emulator.project.prices import AS_OF, USD_PER_MINUTE
from pytest_dgbudget.emulator.scenarios.library import read_agents
from pytest_dgbudget.emulator.scenarios.scenario import Agents
from pytest_dgbudget.emulator.scenarios.toml import BadScenario
from pytest_dgbudget.emulator.server import HOST, Emulator
from pytest_dgbudget.processes import leave_no_core


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
    _warn_of_others(options.host)
    asyncio.run(_run_until_stopped(emulator, tied=options.tied))
    return 0


def _parser() -> _Parser:
    parser = _Parser(prog="dgbudget emulator", description="Speaks Deepgram's Voice Agent protocol on 127.0.0.1.")
    parser.add_argument("--host", type=_address, default=HOST, help="IPv4 address to listen on (default: %(default)s)")
    parser.add_argument("--port", type=_port, default=0, help="Voice Agent port (default: any free one)")
    parser.add_argument("--api-port", type=_port, default=0, help="management API port (default: any free one)")
    parser.add_argument(
        "--client-timeout",
        type=_seconds,
        default=Limits().silence,
        metavar="SECONDS",
        help="end a session whose client is silent this long (default: %(default)g; the vendor documents no figure)",
    )
    parser.add_argument(
        "--agents",
        type=_agents,
        default={},
        metavar="FILE",
        help="reusable agents: a JSON object that maps ids to agents",
    )
    parser.add_argument("--scenario", metavar="FILE", help="what the agent does; FILE::NAME for one of several")
    parser.add_argument("--journal", type=Path, metavar="FILE", help="record messages in both directions as JSON Lines")
    _add_bill_options(parser)
    parser.add_argument("--tied", action="store_true", help="end when stdin ends")
    return parser


def _add_bill_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settlement-lag",
        type=_amount,
        default=SETTLEMENT_LAG,
        metavar="SECONDS",
        help="time from a session's end until it is billed (default: %(default)s)",
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
    parser.add_argument("--bare-request", action="store_true", help='answer one request without {"request": …} around')


def _emulator(options: argparse.Namespace) -> Emulator:
    return Emulator(
        host=options.host,
        port=options.port,
        api_port=options.api_port,
        limits=Limits(silence=options.client_timeout),
        agents=options.agents,
        scenario=options.scenario,
        journal=options.journal,
        **_bill_options(options),
    )


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


def _seconds(text: str) -> float:
    seconds = _amount(text)
    if not seconds:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds above 0")
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


def _agents(path: str) -> Agents:
    try:
        return read_agents(Path(path))
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


async def _run_until_stopped(emulator: Emulator, *, tied: bool) -> None:
    end = asyncio.Event()
    _listen_for_signals(end, tied=tied)
    async with emulator:
        with contextlib.suppress(BrokenPipeError):  # no reader is left: stdin or a signal will end us
            sys.stdout.write(json.dumps(emulator.addresses()) + "\n")
            sys.stdout.flush()
        if tied:
            _watch_stdin(end)
        await end.wait()
    await _end_everything()


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
