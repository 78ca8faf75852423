"""What the run cost, by the tier of its sessions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from pytest_dgbudget.report.document import SessionFigures, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.elements import Markup, element, together
from pytest_dgbudget.report.html.parts import Cell, Column, Row, dash, muted, paragraph, section, table
from pytest_dgbudget.units import known_sum

_COLUMNS = (
    Column("Tier"),
    Column("Sessions", True),
    Column("Seconds", True),
    Column("Cost", True, "At our prices"),
    Column("Cost by the statement", True),
    Column("A minute", True, "Cost at our prices by seconds"),
)


def tiers_section(document: UsageDocument) -> Markup:
    """Return the table of tiers, the dearest first."""
    groups = _by_tier(document)
    if not groups:
        return section("tiers", "Cost by tier", paragraph("No session was opened."))
    ordered = sorted(groups.items(), key=lambda group: (-_usd(_known(group[1])), group[0]))
    rows = [_row(name, sessions) for name, sessions in ordered]
    made = table("tiers-table", "What the sessions cost, by the tier that each had at last", _COLUMNS, rows)
    return section("tiers", "Cost by tier", made, *_note(document))


def _by_tier(document: UsageDocument) -> Mapping[str, list[SessionFigures]]:
    groups: dict[str, list[SessionFigures]] = {}
    for session in document["sessions"]:
        elsewhere = "" if session["target"] == document["run"]["target"] else f" ({session['target']})"
        groups.setdefault(f"{session['tier'] or 'unknown'}{elsewhere}", []).append(session)
    return groups


def _known(sessions: Sequence[SessionFigures]) -> list[SessionFigures]:
    """Return the sessions of which time and cost are known: a row shows what these come to."""
    return [each for each in sessions if each["seconds"] is not None and each["cost_usd"] is not None]


def _usd(known: Sequence[SessionFigures]) -> float:
    return sum(session["cost_usd"] or 0.0 for session in known)


def _row(name: str, sessions: Sequence[SessionFigures]) -> Row:
    known = _known(sessions)
    seconds = sum(session["seconds"] or 0.0 for session in known) if known else None
    usd = _usd(known) if known else None
    a_minute = None if usd is None or not seconds else usd / seconds * 60
    vendor = known_sum(session.get("vendor_usd") for session in sessions)
    mark = "~" if any(session.get("estimated") for session in known) else ""
    return Row(
        (
            Cell(name),
            Cell(together(f"{len(sessions):,}", _unknown(len(sessions) - len(known))), len(sessions)),
            Cell(dash(figures.time(seconds)), seconds),
            Cell(dash(figures.money(usd)) if usd is None else f"{mark}{figures.money(usd)}", usd),
            Cell(None if vendor is None else figures.money(vendor), vendor),
            Cell(dash(figures.money(a_minute)), a_minute),
        )
    )


def _unknown(number: int) -> Markup | None:
    """Say of how many sessions time or cost is not known, which no sum has."""
    return element("div", f"{number:,} of them unknown", class_="muted") if number else None


def _note(document: UsageDocument) -> list[Markup]:
    charged = document["run"]["cost_usd"]
    own = [each for each in document["sessions"] if each["target"] == document["run"]["target"]]
    usd = known_sum(session["cost_usd"] for session in own)
    if charged is None or usd is None or charged <= usd + 0.0001:
        return []
    return [
        muted(
            f"The run is charged {figures.money(charged)}: what was set aside counts in full where nobody saw how it "
            "was used."
        )
    ]
