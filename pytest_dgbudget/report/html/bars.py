"""Bars: what is used of a budget. They are drawn by presentation attributes alone, so they need no style."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import NamedTuple

from pytest_dgbudget.report.html.elements import Markup, element

_WIDTH = 1000  # units of the drawing, however wide it is shown
# Dark enough for a light page and light enough for a dark one; usage.css knows the theme.
USED, OVER, RISK, LIVE, TRACK = "#3b82d6", "#d64545", "#b7791f", "#7d8794", "#7d8794"


class Amounts(NamedTuple):
    """What is used of how much, in one unit; ``at_risk`` is a part of ``used``, ``live`` what a live run would use."""

    used: float
    allowed: float
    at_risk: float = 0.0
    live: float | None = None


def bar(amounts: Amounts, label: str, height: int) -> Markup:
    """Return a bar, whose marks ``legend`` explains."""
    most = max(amounts.used, amounts.allowed, amounts.live or 0.0) or 1.0
    return element(
        "svg",
        *_marks(amounts, _WIDTH / most, height),
        viewBox=f"0 0 {_WIDTH} {height}",
        preserveAspectRatio="none",
        width="100%",
        height=height,
        class_="bar",
        role="img",
        aria_label=label,
    )


def legend(amounts: Amounts) -> Markup | None:
    """Return what the marks of a bar mean; None where it has but one."""
    meanings = {"over" if amounts.used > amounts.allowed else "used": "used"}
    if amounts.at_risk:
        meanings["risk"] = "at risk"
    if amounts.live is not None:
        meanings["live"] = "live"
    items = [element("li", _sample(name), f" {meaning}") for name, meaning in meanings.items()]
    return element("ul", *items, class_="legend") if len(items) > 1 else None


def _sample(name: str) -> Markup:
    top, height = _PLACES[name]
    rect = element("rect", class_=name, x=0, y=top, width=16, height=height, fill=_FILLS[name])
    return element("svg", rect, viewBox="0 0 16 12", width=16, height=12, class_="sample", aria_hidden="true")


# Where in the 12 units of a sample's height each is, as in a bar.
_PLACES: Mapping[str, tuple[int, int]] = {"used": (0, 9), "over": (0, 9), "risk": (3, 6), "live": (9, 3)}
_FILLS: Mapping[str, str] = {"used": USED, "over": OVER, "risk": RISK, "live": LIVE}


def _marks(amounts: Amounts, scale: float, height: int) -> Iterator[Markup]:
    used, allowed = amounts.used * scale, amounts.allowed * scale
    seen = max(0.0, used - amounts.at_risk * scale)
    over = amounts.used > amounts.allowed
    thick = height if amounts.live is None else height * 3 // 4
    yield _part("track", 0, allowed, 0, height, fill=TRACK, fill_opacity="0.25")
    if amounts.live is not None:
        yield _part("live", 0, amounts.live * scale, thick, height - thick, fill=LIVE)
    yield _part("over" if over else "used", 0, seen, 0, thick, fill=OVER if over else USED)
    if used > seen:
        yield _part("risk", seen, used - seen, height // 4, height // 2, fill=RISK)
    if over or (amounts.live or 0.0) > amounts.allowed:
        yield _part("limit", max(0.0, allowed - 4), 4, 0, height, fill="currentColor")


def _part(name: str, x: float, width: float, y: int, height: int, **attributes: str) -> Markup:
    place = {"x": round(x, 1), "y": y, "width": round(width, 1), "height": height}
    return element("rect", class_=name, **place, **attributes)
