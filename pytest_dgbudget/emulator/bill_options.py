"""The management API's part of the command line."""

from __future__ import annotations

import argparse
import math
from typing import Any

from pytest_dgbudget.emulator.project.billing import SETTLEMENT_LAG
from pytest_dgbudget.emulator.project.prices import AS_OF, USD_PER_MINUTE


def add_bill_options(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--settlement-lag",
        type=amount,
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


def from_bill_options(options: argparse.Namespace) -> dict[str, Any]:
    """Return these options as keyword arguments of Emulator."""
    return {
        "settlement_lag": options.settlement_lag,
        "prices": dict(options.price),
        "page_base": options.page_base,
        "wrapped": not options.bare_request,
    }


def amount(text: str) -> float:
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
    return tier, amount(usd)
