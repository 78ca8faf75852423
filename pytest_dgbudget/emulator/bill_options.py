"""The part of the command line that is about the management API, and about who can reach the emulator."""

from __future__ import annotations

import argparse
import ipaddress
import math
import sys
from typing import Any

from pytest_dgbudget.emulator.account.billing import SETTLEMENT_LAG
from pytest_dgbudget.emulator.account.prices import AS_OF, USD_PER_MINUTE

LOOPBACK = "127.0.0.1"


def add_bill_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--host", type=_address, default=LOOPBACK, help="IPv4 address to listen on (default: %(default)s)"
    )
    parser.add_argument(
        "--settlement-lag",
        type=_amount,
        default=SETTLEMENT_LAG,
        metavar="SECONDS",
        help="from a session's end to its place in the bill (default: %(default)s)",
    )
    parser.add_argument(
        "--price",
        type=_price,
        action="append",
        default=[],
        metavar="TIER=USD",
        help=f"price of a minute, instead of the shipped one of {AS_OF}; tiers: {', '.join(USD_PER_MINUTE)}",
    )
    parser.add_argument("--page-base", type=int, choices=(0, 1), default=0, help="number of the first page")
    parser.add_argument("--bare-request", action="store_true", help='answer one request without {"request": …} around')


def from_bill_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return what Emulator takes of these; say so on stderr where it can be reached from outside."""
    if not ipaddress.ip_address(options.host).is_loopback:
        sys.stderr.write(
            f"dgbudget emulator: --host {options.host} lets other machines in; its api_key is all that keeps them out, "
            "and travels unencrypted. Without --host it listens on this machine alone.\n"
        )
    return {
        "host": options.host,
        "settlement_lag": options.settlement_lag,
        "prices": dict(options.price),
        "page_base": options.page_base,
        "wrapped": not options.bare_request,
    }


def _address(text: str) -> str:
    try:
        return str(ipaddress.IPv4Address(text))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not an IPv4 address, such as {LOOPBACK} or 0.0.0.0") from None


def _amount(text: str) -> float:
    try:
        amount = float(text)
    except ValueError:
        amount = math.nan
    if not 0 <= amount < math.inf:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number, 0 or more")
    return amount


def _price(text: str) -> tuple[str, float]:
    tier, _, usd = text.partition("=")
    if tier not in USD_PER_MINUTE:
        raise argparse.ArgumentTypeError(f"there is no tier {tier!r}: {', '.join(USD_PER_MINUTE)}")
    return tier, _amount(usd)
