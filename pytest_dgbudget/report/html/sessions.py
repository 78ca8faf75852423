"""The sessions, one by one."""

from __future__ import annotations

from collections.abc import Mapping

from pytest_dgbudget.report.document import SessionFigures, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.closings import closing_of
from pytest_dgbudget.report.html.elements import Child, Markup, element, name_of, together
from pytest_dgbudget.report.html.latencies import LATENCY_COLUMNS, latency_cells
from pytest_dgbudget.report.html.parts import (
    Cell,
    Column,
    Row,
    Tone,
    badge,
    dash,
    folded,
    named,
    paragraph,
    section,
    table,
)
from pytest_dgbudget.report.run_line import skips_time
from pytest_dgbudget.units import counted

_COLUMNS = (
    Column("Test"),
    Column("Request"),
    Column("Opened"),
    Column("Seconds", True, "From the dial to our socket closed"),
    Column("Live", True, "What it would have taken live"),
    Column("Handshake, close", True, "From the dial to the upgrade; from the first Close to our socket closed"),
    Column("Closed by"),
    Column("Cost", True, "At our prices"),
    Column("Tier"),
    *LATENCY_COLUMNS,
    Column("Greeting (ms)", True, "From SettingsApplied to the first audio of the agent's greeting"),
    Column("Audio in, out", True, "Seconds of the user's and of the agent's audio"),
    Column("Cassette", False, "What was replayed, and saved by that; or what was recorded"),
    Column("Remarks"),
)


def sessions_section(document: UsageDocument) -> Markup:
    """Return the table of sessions, folded."""
    sessions = document["sessions"]
    if not sessions:
        return section("sessions", "Sessions", paragraph("No session was opened."))
    rows = [_row(at, session, document) for at, session in enumerate(sessions)]
    made = table("sessions-table", "Sessions, in the order in which they were opened", _COLUMNS, rows)
    return section("sessions", "Sessions", folded(f"All {counted(len(sessions), 'session')}", made))


def _row(at: int, session: SessionFigures, document: UsageDocument) -> Row:
    elsewhere = [session["target"]] if session["target"] != document["run"]["target"] else []
    request = session["request_id"]
    cells = (
        Cell(named(session["nodeid"], *elsewhere)),
        Cell(dash(figures.UNKNOWN) if request is None else name_of(request)),
        Cell(figures.instant(session["opened_at"])),
        Cell(dash(figures.time(session["seconds"])), session["seconds"]),
        Cell(_live(session), session["forecast_seconds"]),
        _pair(session["handshake_seconds"], session["closing_seconds"]),
        Cell(_closed(session)),
        Cell(dash(figures.own_cost(session)), session["cost_usd"]),
        Cell(session["tier"] or dash(figures.UNKNOWN)),
        *latency_cells(session),
        Cell(None if session["greeting_ms"] is None else figures.count(session["greeting_ms"]), session["greeting_ms"]),
        _pair(session["audio_in_seconds"], session["audio_out_seconds"]),
        Cell(_cassette(session)),
        Cell(_remarks(session)),
    )
    return Row(cells, {"id": f"session-{at}"})


def _closed(session: SessionFigures) -> Markup:
    closing, code = closing_of(session["closed_by"]), session["close_code"]
    shown = element("span", session["closed_by"] or "unknown", title=closing.words)
    return shown if code in (None, 1000) else together(shown, element("span", f" {code}", class_="muted"))


def _pair(one: float | None, other: float | None) -> Cell:
    """Return a cell of two figures, sorted by the first."""
    return Cell(None if one is None and other is None else f"{figures.time(one)}, {figures.time(other)}", one)


_RESULTS: Mapping[str, Tone] = {"hit": "good", "miss": "bad", "recorded": "note"}


def _cassette(session: SessionFigures) -> Markup | None:
    replay = session.get("replay")  # which reports of earlier versions lack
    if replay is None:
        return None
    saved = replay["saved_seconds"]
    note = None if saved is None else f"saved {figures.time(saved)}, {figures.money(replay['saved_usd'])}"
    return together(
        badge(_RESULTS.get(replay["result"], "note"), replay["result"]),
        None if replay["cassette"] is None else together(" ", name_of(replay["cassette"])),
        None if note is None else element("div", note, class_="muted"),
    )


def _live(session: SessionFigures) -> Child:
    forecast = session["forecast_seconds"]
    skipped = session["target"] != "replay" and skips_time(forecast, session["seconds"])
    return figures.time(forecast) if skipped else None


def _remarks(session: SessionFigures) -> Markup | None:
    remarks: list[Child] = [] if session["confirmed"] else [badge("warn", "unconfirmed")]
    remarks += [element("div", f"{each['what']} (after {each['at_ms']:,} ms)") for each in session["protocol"] or ()]
    replay = session.get("replay")
    if replay is not None and (mismatch := replay["mismatch"]) is not None:
        remarks.append(element("div", mismatch["what"]))
        remarks += [element("div", element("code", each)) for each in mismatch["differences"]]
    reason = session.get("reason")  # which reports of earlier versions lack
    remarks += [] if reason is None else [element("div", reason)]
    return together(*remarks) if remarks else None
