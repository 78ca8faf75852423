"""The timeline: sessions as lanes, each with what closed it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

from pytest_dgbudget.report.document import SessionFigures, UsageDocument
from pytest_dgbudget.report.html import figures
from pytest_dgbudget.report.html.closings import CLOSINGS, ClosingMark, closing_of
from pytest_dgbudget.report.html.elements import Markup, element
from pytest_dgbudget.report.html.lanes import Scale, Span, packed, spans, stretches
from pytest_dgbudget.report.html.parts import Tone, muted, paragraph, section
from pytest_dgbudget.units import counted, format_time

_WIDTH, _LANE, _TOP = 1000, 24, 24
_MOST_LANES = 30
_LETTER = 6.4  # how wide one is, about
_NARROWEST = 2.5
_MARK = 11  # how wide a bar must be to have one
_COLORS: Mapping[Tone, str] = {"good": "#2a6fc4", "warn": "#976012", "bad": "#c53b3b", "note": "#5f6b78"}


def timeline_section(document: UsageDocument) -> Markup:
    """Return the timeline; the table of sessions has the same in words."""
    ordered = spans(document["sessions"], document["run"]["finished_at"])
    if not ordered:
        return section("timeline", "Timeline", paragraph("No session was opened."))
    lanes, left_out = packed(ordered, _MOST_LANES)
    drawing = element(
        "div", _drawing(document["sessions"], lanes, ordered), class_="scrolls", role="region",
        aria_label="Timeline", tabindex=0,
    )  # fmt: skip
    return section("timeline", "Timeline", _legend(document["sessions"]), drawing, *_notes(lanes, left_out))


def _notes(lanes: Sequence[Sequence[Span]], left_out: int) -> Iterator[Markup]:
    listed = element("a", "The table of sessions", href="#sessions")
    if left_out:
        yield muted(
            f"{counted(left_out, 'session')} that overlapped with {_MOST_LANES} others are not drawn. ", listed,
            " has all of them.",
        )  # fmt: skip
    else:
        at_once = counted(len(lanes), "session")
        yield muted(f"At most {at_once} open at once. ", listed, " has the same in words.")


def _legend(sessions: Sequence[SessionFigures]) -> Markup:
    """Return what the marks mean that there are, and how often each is."""
    kinds = Counter(session["closed_by"] for session in sessions)
    known = [kind for kind in (*CLOSINGS, *sorted(str(each) for each in kinds.keys() - CLOSINGS.keys())) if kinds[kind]]
    items = [_key(closing_of(kind), kinds[kind]) for kind in known]
    return element("ul", *items, class_="legend")


def _key(closing: ClosingMark, number: int) -> Markup:
    sample = element(
        "svg",
        _bar(closing, 0, 0, 22, ended=True),
        _mark(closing.mark, 11) if closing.mark else None,
        viewBox=f"0 0 22 {_LANE}", width=22, height=_LANE, font_size=11, aria_hidden="true",
    )  # fmt: skip
    return element("li", sample, f" {closing.words} ({number:,})")


def _drawing(sessions: Sequence[SessionFigures], lanes: Sequence[Sequence[Span]], ordered: Sequence[Span]) -> Markup:
    scale, height = Scale(stretches(ordered), _WIDTH), _TOP + len(lanes) * _LANE
    bars = (_session(span, sessions[span.at], scale, lane) for lane, row in enumerate(lanes) for span in row)
    return element(
        "svg",
        *_axis(scale, height),
        *bars,
        viewBox=f"0 0 {_WIDTH} {height}", width="100%", class_="timeline", role="img",
        aria_label=f"{counted(len(ordered), 'session')} in time, on {counted(len(lanes), 'lane')}", font_size=11,
    )  # fmt: skip


def _axis(scale: Scale, height: int) -> Iterator[Markup]:
    for x, ms in scale.ticks(8):
        anchor = "end" if x > _WIDTH - 40 else "start"
        yield element("line", x1=round(x, 1), x2=round(x, 1), y1=_TOP - 6, y2=height, class_="tick", stroke="#7d8794",
                      stroke_opacity="0.4")  # fmt: skip
        label = f"+{format_time(ms)}" if ms else "0s"
        yield element("text", label, x=round(x, 1), y=_TOP - 10, fill="currentColor", text_anchor=anchor)
    for x, ms in scale.breaks:
        yield element("line", x1=round(x, 1), x2=round(x, 1), y1=_TOP - 6, y2=height, class_="break",
                      stroke="currentColor", stroke_dasharray="2 4")  # fmt: skip
        yield element("text", f"{format_time(ms)} later", x=round(x, 1), y=10, fill="currentColor",
                      text_anchor="middle")  # fmt: skip


def _session(span: Span, session: SessionFigures, scale: Scale, lane: int) -> Markup:
    closing = closing_of(session["closed_by"])
    x, y = scale(span.begin), _TOP + lane * _LANE
    width = max(_NARROWEST, scale(span.end) - x)
    title = element("title", f"{session['nodeid']}: {figures.time(session['seconds'])}, {closing.words}")
    return element(
        "g",
        title,
        _bar(closing, x, y, width, span.ended),
        _label(session, closing, x, y, width, span.ended),
        data_session=span.at,
    )


def _bar(closing: ClosingMark, x: float, y: float, width: float, ended: bool) -> Markup:
    """Return the bar of a session; one that its client did not close is higher, one without a known end an outline."""
    inset, color = 3 if closing.tone == "good" else 1, _COLORS[closing.tone]
    place = {"x": round(x, 1), "y": y + inset, "width": round(width, 1), "height": _LANE - 2 * inset, "rx": 2}
    if ended:
        return element("rect", **place, fill=color)
    return element("rect", **place, fill="none", stroke=color, stroke_width=2, stroke_dasharray="6 3")


def _label(
    session: SessionFigures, closing: ClosingMark, x: float, y: float, width: float, ended: bool
) -> Markup | None:
    """Return the mark and the test's name where there is room for some of it; else the mark, where that fits."""
    room = int((width - 8) / _LETTER) - (2 if closing.mark else 0)
    name = session["nodeid"].rpartition("::")[2] or session["nodeid"]
    text = name if len(name) <= room else f"{name[: room - 1]}…" if room >= 6 else ""
    color = "#ffffff" if ended else "currentColor"
    if text:
        return _text(f"{closing.mark} {text}".strip(), x + 4, y, fill=color)
    return _mark(closing.mark, x + width / 2, y, color) if closing.mark and width >= _MARK else None


def _mark(mark: str, x: float, y: float = 0, color: str = "#ffffff") -> Markup:
    return _text(mark, x, y, text_anchor="middle", fill=color)


def _text(text: str, x: float, y: float, **attributes: str) -> Markup:
    return element("text", text, x=round(x, 1), y=y + 16, **attributes)
