"""The picture in ``docs/regression.md``: what it draws is what was found."""

from __future__ import annotations

from xml.etree import ElementTree

from benchmarks.regression import CHANGES, PASTS, picture

SVG = "{http://www.w3.org/2000/svg}"


def test_a_point_is_as_high_as_what_is_found_within_two_runs() -> None:
    """The larger of two changes is further to the right."""
    found = {
        earlier: {name: (0.0, number / 10, 1.0) for number, name in enumerate(CHANGES, earlier // 10)}
        for earlier in PASTS
    }
    root = ElementTree.fromstring(picture(found))
    points = [(float(each.attrib["cx"]), float(each.attrib["cy"])) for each in root.iter(f"{SVG}circle")]
    # Four changes of spend, then three of latency, each by how many earlier runs there are.
    assert len(points) == 3 * (4 + 3)
    spend, latency = points[:4], points[12:15]
    assert [y for _, y in spend] == [270, 250, 230, 210]
    assert [y for _, y in latency] == [190, 170, 150]
    assert [x for x, _ in spend] == [145, 170, 220, 320]
    assert [x for x, _ in latency] == [502.5, 565, 690]
