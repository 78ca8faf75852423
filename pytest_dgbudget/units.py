"""TIME and USD: parse and print; sums of what may be unknown; rounding up.

Integer milliseconds and millionths of a dollar inside, ``1h2m3s`` and ``$0.50`` at the edges.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, TypeVar

from pytest_dgbudget.errors import SettingsError

if TYPE_CHECKING:
    from pytest_dgbudget.model import Currency

N = TypeVar("N", int, float)

ACCEPTED = "accepted: 500ms, 90s, 10m, 1h30m, 1h2m3s, or a plain number of seconds (decimals are fine)"

MINUTE_MS = 60_000
_DAY_MS = 24 * 3_600_000

ACCEPTED_USD = "accepted: US dollars such as 0.50, 5 or $150"
_HIGHEST_USD = 1_000_000

# Ten years: far beyond any budget, far below where 64-bit milliseconds end.
_LONGEST_MS = 10 * 365 * 24 * 3600 * 1000

_NUMBER = r"([0-9]+(?:\.[0-9]+)?)"
# Compiled where they are used: this is loaded at every start of pytest.
_TIME = rf"(?:{_NUMBER}h)?(?:{_NUMBER}m(?!s))?(?:{_NUMBER}s)?(?:{_NUMBER}ms)?"
_SCALES_MS = (3_600_000, 60_000, 1_000, 1)


class WrongCurrency(SettingsError):
    """The setting takes a time and was given money, or the other way round.

    ``amount`` is what was given: millionths of a dollar where the ``currency`` is money, milliseconds where it is time.
    """

    def __init__(self, message: str, currency: Currency, amount: int) -> None:
        super().__init__(message)
        self.currency = currency
        self.amount = amount


def parse_time(text: str) -> int:
    """Return the milliseconds that a TIME names; raise SettingsError for anything else."""
    milliseconds = _milliseconds(text)
    if milliseconds > _LONGEST_MS:
        raise SettingsError(f"{text!r} is longer than ten years; {ACCEPTED}")
    if 0 < milliseconds < 1:
        raise SettingsError(f"{text!r} is shorter than a millisecond; {ACCEPTED}")
    return round(milliseconds)


def _milliseconds(text: str) -> float:
    if plain := re.fullmatch(_NUMBER, text):
        return float(plain[1]) * 1000
    match = re.fullmatch(_TIME, text) if text else None
    if match is None:
        raise SettingsError(f"{text!r} is not a time; {ACCEPTED}")
    return sum(
        float(number) * scale for number, scale in zip(match.groups(), _SCALES_MS, strict=True) if number is not None
    )


def parse_period(text: str) -> int:
    """Return the milliseconds that an age or a period names: a TIME, or days (``90d``)."""
    if days := re.fullmatch(_NUMBER + "d", text):
        return parse_time(str(float(days[1]) * _DAY_MS / 1000))
    try:
        return parse_time(text)
    except SettingsError as error:
        raise SettingsError(f"{error}, or days: 90d") from None


def format_time(milliseconds: int) -> str:
    """Return the shortest TIME for a number of milliseconds, rounded to 10 ms from one second on."""
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest_ms = divmod(round(milliseconds, -1), 60_000)
    hours, minutes = divmod(minutes, 60)
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else ""]
    if rest_ms or not milliseconds:
        parts.append(f"{rest_ms / 1000:.2f}".rstrip("0").rstrip(".") + "s")
    return "".join(parts)


def format_period(milliseconds: int) -> str:
    """Return the shortest text that ``parse_period`` reads: days (``90d``), or a TIME."""
    days, rest = divmod(milliseconds, _DAY_MS)
    return f"{days}d" if days and not rest else format_time(milliseconds)


def format_age(milliseconds: int) -> str:
    """Return an age in whole days, or of less than one in whole hours or minutes: ``143d``, ``5h``, ``0m``."""
    units = (("d", _DAY_MS), ("h", 3_600_000), ("m", MINUTE_MS))
    return next((f"{milliseconds // ms}{unit}" for unit, ms in units if milliseconds >= ms), "0m")


def parse_usd(text: str) -> int:
    """Return the millionths of a dollar that an amount names; raise SettingsError for anything else."""
    match = re.fullmatch(r"\$?([0-9]+)(?:\.([0-9]+))?", text)
    if match is None:
        raise SettingsError(f"{text!r} is not an amount of money; {ACCEPTED_USD}")
    dollars, decimals = int(match[1]), match[2] or ""
    if dollars > _HIGHEST_USD:
        raise SettingsError(f"{text!r} is more than a million dollars; {ACCEPTED_USD}")
    if decimals[6:].strip("0"):
        raise SettingsError(f"{text!r} has more than six decimals; {ACCEPTED_USD}")
    return dollars * 1_000_000 + int(decimals[:6].ljust(6, "0"))


def format_usd(micro_usd: int) -> str:
    """Return the shortest text for so many millionths of a dollar: ``$150``, ``$0.50``, ``$0.0125``."""
    dollars, rest = divmod(abs(micro_usd), 1_000_000)
    decimals = f"{rest:06d}".rstrip("0")
    sign = "-" if micro_usd < 0 else ""
    return f"{sign}${dollars:,}{f'.{decimals:<02}' if decimals else ''}"


def short_usd(dollars: float) -> str:
    """Return dollars in four decimals, as tables have them; what would read as zero there and is not, as less."""
    return "<$0.0001" if 0 < dollars < 0.00005 else f"${dollars:,.4f}"


def format_amount(amount: int, currency: Currency) -> str:
    """Return milliseconds, or millionths of a dollar, as users write them: ``1m30s`` or ``$0.50``."""
    return format_time(amount) if currency == "time" else format_usd(amount)


def rounded_up(numerator: int, denominator: int) -> int:
    """Return a quotient, rounded up to a whole number: so are all costs, to millionths of a dollar."""
    return -(-numerator // denominator)


def seconds(milliseconds: int) -> float:
    """Return milliseconds as decimal seconds, the unit of every figure that users see."""
    return milliseconds / 1000


def usd(micro_usd: int) -> float:
    """Return millionths of a dollar as decimal dollars, the unit of every price that users see."""
    return micro_usd / 1_000_000


def in_units(amount: int, currency: Currency) -> float:
    """Return milliseconds, or millionths of a dollar, in the unit of the figures that users see."""
    return seconds(amount) if currency == "time" else usd(amount)


def counted(count: int, what: str) -> str:
    """Return a count with its noun: ``1 session``, ``1,200 sessions``."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def known_sum(figures: Iterable[N | None]) -> N | None:
    """Return a sum; None when a part of it is unknown."""
    parts = list(figures)
    return None if None in parts else sum(part for part in parts if part is not None)
