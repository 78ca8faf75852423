"""A picture of how likely a change is found, by its size and by how many earlier runs there are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from xml.sax.saxutils import escape

Curve = Sequence[tuple[float, float]]
"""Sizes of a change, and the share of suites in which it is found."""
Panel = Mapping[str, Curve]
"""By what a line stands for."""

_WIDTH, _HEIGHT = 800, 330
_PANEL_WIDTH, _PANEL_HEIGHT, _TOP = 300, 200, 70
_LEFTS = (70, 440)
_LARGEST = 0.6
_INK, _MUTED, _RULE = "#1f2933", "#52606d", "#c3ccd6"
_COLORS = ("#b45309", "#2563a8", "#2f7d4f")
_SAID = "Shares of suites in which a change is found within two runs, by the size of the change. "


def power_curve(panels: Mapping[str, Panel], wanted: float) -> str:
    """Return two charts as SVG, with a line at the share of suites that is wanted."""
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {_HEIGHT}" width="{_WIDTH}" '
            f'height="{_HEIGHT}" role="img" aria-labelledby="power-title power-desc" '
            "font-family=\"system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif\">",
            '  <title id="power-title">How likely a change is found within two runs</title>',
            f'  <desc id="power-desc">{escape(_SAID + " ".join(_in_words(panels)))}</desc>',
            f'  <rect x="0.5" y="0.5" width="{_WIDTH - 1}" height="{_HEIGHT - 1}" rx="10" fill="#ffffff" '
            f'stroke="{_RULE}"/>',
            *(
                line
                for left, name in zip(_LEFTS, panels, strict=True)
                for line in _panel(left, name, panels[name], wanted)
            ),
            "</svg>\n",
        ]
    )


def _in_words(panels: Mapping[str, Panel]) -> Iterator[str]:
    for name, panel in panels.items():
        for label, curve in panel.items():
            yield f"{name}, {label}: {', '.join(f'+{size:.0%} {share:.0%}' for size, share in curve)}."


def _panel(left: int, name: str, panel: Panel, wanted: float) -> Iterator[str]:
    yield _text(left, 40, name, _INK, "start", ' font-weight="700"')
    for share in (0, 0.2, 0.4, 0.6, 0.8, 1):
        dashes = ' stroke-dasharray="6 4"' if share == wanted else ""
        y = _y(share)
        yield f'  <path d="M{left} {y:g}H{left + _PANEL_WIDTH}" stroke="{_MUTED if dashes else _RULE}"{dashes}/>'
        yield _text(left - 8, y + 4, f"{share:.0%}", _MUTED, "end")
    for size in (0, 0.2, 0.4, 0.6):
        yield _text(_x(left, size), _TOP + _PANEL_HEIGHT + 22, f"+{size:.0%}", _MUTED, "middle")
    for number, (color, (label, curve)) in enumerate(zip(_COLORS, panel.items(), strict=True)):
        points = [(_x(left, size), _y(share)) for size, share in curve]
        line = "L".join(f"{x:g} {y:g}" for x, y in points)
        yield f'  <path d="M{line}" fill="none" stroke="{color}" stroke-width="2"/>'
        yield from (f'  <circle cx="{x:g}" cy="{y:g}" r="3.5" fill="{color}"/>' for x, y in points)
        yield _text(left + 110 * number, _HEIGHT - 12, label, color, "start")


def _x(left: int, size: float) -> float:
    return round(left + _PANEL_WIDTH * size / _LARGEST, 1)


def _y(share: float) -> float:
    return round(_TOP + _PANEL_HEIGHT * (1 - share), 1)


def _text(x: float, y: float, text: str, color: str, anchor: str, more: str = "") -> str:
    return (
        f'  <text x="{x:g}" y="{y:g}" font-size="13" fill="{color}" text-anchor="{anchor}"{more}>{escape(text)}</text>'
    )
