"""The parameters of a URL's query; errors name the parameter. Pure.

The emulator's choices, where the vendor documents nothing: times without an offset are UTC, a date alone as ``end``
means the whole of that day, unknown parameters are ignored, and one that is given twice is refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from datetime import date, datetime, time, timezone
from urllib.parse import parse_qs

from pytest_dgbudget.emulator.management.body import bad
from pytest_dgbudget.instants import read_instant

_DATE = r"[0-9]{4}-[0-9]{2}-[0-9]{2}"
_TIME = r"T[0-9]{2}:[0-9]{2}:[0-9]{2}"
_MOMENT = re.compile(rf"{_DATE}{_TIME}(\.[0-9]{{1,9}})?(Z|[+-][0-9]{{2}}:[0-9]{{2}})?")


class Query:
    """Every method returns None, or the default, for a parameter that is absent; raises Refusal."""

    def __init__(self, text: str) -> None:
        self._values = parse_qs(text, keep_blank_values=True)

    def text(self, name: str) -> str | None:
        values = self._values.get(name, [])
        if len(values) > 1:
            raise bad(name, "is given more than once")
        return values[0] if values else None

    def whole(self, name: str, *, default: int, low: int, high: int) -> int:
        text = self.text(name)
        if text is None:
            return default
        if not re.fullmatch("[0-9]{1,9}", text) or not low <= int(text) <= high:
            raise bad(name, f"must be a whole number, {low} to {high}")
        return int(text)

    def choice(self, name: str, known: Sequence[str]) -> str | None:
        value = self.text(name)
        return value if value is None else _known(name, value, known)

    def choices(self, name: str, known: Sequence[str]) -> list[str]:
        """Return several values: the parameter repeated, or one JSON array, as in the vendor's sample."""
        values = self._values.get(name, [])
        if len(values) == 1 and values[0].startswith("["):
            values = _json_strings(name, values[0])
        return [_known(name, value, known) for value in dict.fromkeys(values)]

    def day(self, name: str) -> date | None:
        text = self.text(name)
        return text if text is None else _day(name, text, "YYYY-MM-DD")

    def start(self) -> datetime | None:
        return self._moment("start", time.min)

    def end(self) -> datetime | None:
        return self._moment("end", time.max)

    def _moment(self, name: str, time_of_day: time) -> datetime | None:
        text = self.text(name)
        if text is None:
            return None
        if _MOMENT.fullmatch(text):
            moment = read_instant(text)
            if moment is None:
                raise bad(name, "names a moment that does not exist")
            return moment
        day = _day(name, text, "YYYY-MM-DD, YYYY-MM-DDTHH:MM:SS or YYYY-MM-DDTHH:MM:SS+HH:MM")
        return datetime.combine(day, time_of_day, timezone.utc)


def _known(name: str, value: str, known: Sequence[str]) -> str:
    if value not in known:
        raise bad(name, f"must be one of {', '.join(known)}")
    return value


def _json_strings(name: str, text: str) -> list[str]:
    try:
        values = json.loads(text)
    except (ValueError, RecursionError):
        values = None
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise bad(name, "must be a JSON array of strings")
    return values


def _day(name: str, text: str, form: str) -> date:
    if re.fullmatch(_DATE, text):  # Python 3.11 accepts more forms than the vendor documents
        try:
            return date.fromisoformat(text)
        except ValueError:
            pass
    raise bad(name, f"must be {form}")
