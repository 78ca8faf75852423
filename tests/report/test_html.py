"""The page of a run, as its readers get it."""

from __future__ import annotations

import copy
import json
import re
import time
from base64 import b64encode
from collections.abc import Callable
from hashlib import sha256
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import fastjsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_dgbudget.report
from pytest_dgbudget.config import OPTIONS, PLAN_FLAG
from pytest_dgbudget.model import ScopeName
from pytest_dgbudget.report.dearest import by_dearness
from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html.attention import findings
from pytest_dgbudget.report.html.elements import Markup, element, relative_url
from pytest_dgbudget.report.html.figures import UNKNOWN
from pytest_dgbudget.report.html.lanes import Scale, Span, packed, stretches
from pytest_dgbudget.report.html.page import USAGE_CSS, usage_page
from pytest_dgbudget.report.merging import merge
from tests.support import pages
from tests.support.markup import ReadPage
from tests.support.shards import changed, shards

REPORT = Path(pytest_dgbudget.report.__path__[0])
SAMPLES: list[Callable[[], UsageDocument]] = [pages.ordinary, pages.overrun, pages.merged, pages.unused]
SHOWN_AS_WHAT_IT_IS = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069\ud800-\udfff]"
)


def read(document: UsageDocument) -> ReadPage:
    return ReadPage(usage_page(document))


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_samples_are_valid_documents(sample: Callable[[], UsageDocument]) -> None:
    schema = json.loads((REPORT / "usage.schema.json").read_text(encoding="utf-8"))
    fastjsonschema.compile(schema)(json.loads(json.dumps(sample())))


# Its form -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_policy_allows_the_one_style_and_the_one_script_by_their_hashes(
    sample: Callable[[], UsageDocument],
) -> None:
    page = read(sample())
    (policy,) = [str(meta["content"]) for meta in page.of("meta") if meta.get("http-equiv")]
    rules = dict(rule.strip().split(" ", 1) for rule in policy.split(";"))
    assert rules == {
        "default-src": "'none'",
        "style-src": f"'{hash_of(page.inside('style'))}' 'self'",
        "script-src": f"'{hash_of(page.inside('script'))}'",
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    assert (len(page.of("style")), len(page.of("script"))) == (1, 1)


def hash_of(text: str) -> str:
    return f"sha256-{b64encode(sha256(text.encode()).digest()).decode()}"


@pytest.mark.parametrize("sample", SAMPLES)
def test_no_element_has_a_style_or_a_handler_of_its_own_and_nothing_else_is_loaded(
    sample: Callable[[], UsageDocument],
) -> None:
    page = read(sample())
    assert not [name for name in page.attributes if name == "style" or name.startswith("on")]
    assert "src" not in page.attributes
    assert [link["href"] for link in page.of("link")] == ["usage.css", "data:,"]
    assert "url(" not in USAGE_CSS
    assert "@import" not in USAGE_CSS


def test_the_file_beside_the_page_has_the_rules_of_the_page() -> None:
    assert read(pages.ordinary()).inside("style") == USAGE_CSS
    assert (REPORT / "html/usage.css").read_text(encoding="utf-8") == USAGE_CSS


@pytest.mark.parametrize("name", ["style", "onclick", "onLoad".lower()])
def test_what_the_policy_forbids_can_be_made_of_no_element(name: str) -> None:
    with pytest.raises(ValueError, match=name):
        element("p", **{name: "x"})


@pytest.mark.parametrize("sample", SAMPLES)
def test_ids_are_unique_and_links_within_the_page_lead_somewhere(sample: Callable[[], UsageDocument]) -> None:
    page = read(sample())
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    named = {attributes[name] for _, attributes in page.elements for name in ("aria-labelledby",) if name in attributes}
    led_to = {str(link["href"])[1:] for link in page.of("a") if str(link["href"]).startswith("#")}
    assert named | led_to <= set(ids)


@pytest.mark.parametrize("sample", SAMPLES)
def test_the_navigation_has_the_sections_in_their_order(sample: Callable[[], UsageDocument]) -> None:
    page = usage_page(sample())
    (links,) = re.findall("<nav.*?</nav>", page, re.DOTALL)
    assert re.findall('href="#([^"]+)"', links) == re.findall('<section id="([^"]+)"', page)


def test_the_page_of_a_run_without_sessions_has_no_section_on_any() -> None:
    page = usage_page(pages.unused())
    assert re.findall('<section id="([^"]+)"', page) == ["attention", "next"]
    assert "0 sessions used 0.00s of a run budget of 600.00s. Nothing was billed." in ReadPage(page).text
    refused = pages.unused()
    refused["tests"] = [pages.overrun()["tests"][11]]
    assert '<section id="tests"' in usage_page(refused)


# What it does with any document ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("sample", SAMPLES)
def test_a_hostile_report_becomes_text(sample: Callable[[], UsageDocument]) -> None:
    page = usage_page(pages.hostile(sample()))
    benign, found = read(sample()), ReadPage(page)
    assert found.tags <= benign.tags
    assert found.attributes <= benign.attributes
    assert not SHOWN_AS_WHAT_IT_IS.search(page)
    assert "<script>alert" not in page
    assert page.encode("utf-8")
    assert r"]]>&amp;\x1b[31m\x00\x0d\u202e\u2066\ud800\x9b" in found.text


def test_a_very_long_text_is_cut_in_its_middle() -> None:
    page = read(pages.hostile(pages.overrun(), "é" * 10_000))
    assert max(len(text) for tag, text in page.texts if tag not in {"style", "script"}) < 1500
    assert "characters left out" in page.text


def test_a_link_leads_nowhere_but_below_the_page() -> None:
    document = pages.ordinary()
    document["tests"][0]["artifacts"] = ["javascript:alert(1)", "//elsewhere/x", "a b/é\udcff#?.txt", "C:\\x"]
    hrefs = [str(link["href"]) for link in read(document).of("a")]
    assert {href for href in hrefs if not href.startswith("#")} == {
        "./javascript%3Aalert%281%29",
        ".///elsewhere/x",
        "./a%20b/%C3%A9%ED%B3%BF%23%3F.txt",
        "./C%3A%5Cx",
    }
    long = "a" * 5000
    document["tests"][0]["artifacts"] = [long]
    assert f"./{long}" in [link["href"] for link in read(document).of("a")]
    assert relative_url("transcripts/a.txt") == "./transcripts/a.txt"


@given(shards())
def test_any_document_becomes_a_page_and_the_same_one_each_time(documents: list[UsageDocument]) -> None:
    merged = merge((f"{number}.json", document) for number, document in enumerate(documents))
    for document in (documents[0], merged):
        before = copy.deepcopy(document)
        page = usage_page(document)
        assert page.encode("utf-8")
        assert ReadPage(page).of("h1")
        assert usage_page(before) == page
        assert document == before


def test_a_document_of_an_earlier_version_becomes_a_page() -> None:
    document = cast(dict[str, Any], pages.overrun())
    del document["regression"], document["history"], document["warnings"]
    for name in ("turns", "latency_p50_ms", "latency_p95_ms", "estimated", "cost_budget_usd", "at_risk_usd"):
        del document["run"][name]
    for each in (*document["tests"], *document["sessions"]):
        for name in ("marked_turns", "vendor_latency", "estimated", "vendor_usd", "overrun"):
            del each[name]
    page = read(cast(UsageDocument, document))
    assert "a budget was overrun (cut)" in page.text
    assert "No earlier runs are known to this report." in page.text


# What it says ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sample", "said"),
    [
        (pages.ordinary, ["Within budget", "live, BILLED", "12 sessions used 250.22s of a run budget of 600.00s"]),
        (pages.overrun, ["Over budget", "4 tests failed", "of a run budget of 240.00s and $0.50"]),
        (pages.merged, ["Over budget", "This is a merged report: 2 runs in one"]),
    ],
)
def test_the_head_says_what_the_run_came_to(sample: Callable[[], UsageDocument], said: list[str]) -> None:
    text = read(sample()).text
    head = text[: text.index("Needs attention")]
    assert [each for each in said if each not in head] == []


def test_emulated_figures_are_called_that() -> None:
    emulated = {"target": "emulator", "billed": False, "forecast_seconds": 900.0, "forecast_usd": 1.125}
    document = changed(pages.ordinary(), "run", **emulated)
    text = read(document).text
    assert "emulator, not billed" in text
    assert "Nothing was billed (target: emulator). Live they would take about 900.00s and cost" in text
    assert "Cost, if it were live" in text


def test_a_legend_says_what_the_marks_of_a_budget_are() -> None:
    at_risk, plain = read(pages.overrun()), read(changed(pages.ordinary(), "run", at_risk_seconds=0.0))
    emulated = changed(pages.ordinary(), "run", target="emulator", billed=False, forecast_seconds=900.0)
    head = at_risk.text[: at_risk.text.index("Needs attention")]
    assert "used at risk" in head
    assert {"over", "risk"} <= {str(rect["class"]) for rect in at_risk.of("rect") if "class" in rect}
    assert "used live" in read(emulated).text
    assert "used at risk" not in plain.text
    assert "They were billed: $0.3128 at our prices." in plain.text


def test_a_rehearsal_is_called_that_and_is_nothing_for_the_vendors_support() -> None:
    live, rehearsal = pages.overrun(), changed(pages.overrun(), "run", target="rehearsal", billed=False)
    for document, is_rehearsal in ((live, False), (rehearsal, True)):
        page = usage_page(document)
        assert ("Nothing was billed (target: rehearsal)." in page) is is_rehearsal
        assert ("<code>dgbudget support-bundle" in page) is not is_rehearsal
        assert "<code>dgbudget reconcile" in page  # its emulator may be asked later, too


def test_what_needs_attention_comes_in_the_order_of_how_grave_it_is() -> None:
    document = pages.overrun()
    document["run"]["bypass"] = "possible"
    document["sessions"][2]["protocol"] = [{"rule": "settings-once", "at_ms": 30, "what": "Settings came twice"}]
    document["run"]["complete"] = False
    kinds = dict.fromkeys(found.kind for found in findings(document))
    order = "overrun bypass leak reconciliation regression unconfirmed unanswered ended protocol interrupted"
    assert [*kinds] == [*order.split(), "warning", "notice", "wait"]


def test_where_nothing_needs_attention_the_page_says_so() -> None:
    assert findings(pages.ordinary()) == []
    assert "nothing needs attention" in read(pages.ordinary()).text


def test_unknown_is_a_dash_and_never_zero() -> None:
    document = pages.overrun()
    rows = rows_of(usage_page(document), "sessions-table")
    (lost,) = [row for row in rows if "owner-lost" in row]
    assert "0.00s" not in lost
    assert "$0.0000" not in lost
    assert lost.count(UNKNOWN) == 6
    assert "None" not in read(document).text


def test_each_row_says_who_was_cut_by_what() -> None:
    rows = rows_of(usage_page(pages.overrun()), "tests-table")
    (cut,) = [row for row in rows if "test_hands_complaints_over" in row]
    assert "test budget of 30s used up, 29.8s used; raise it by marker dg_budget" in cut
    assert [row for row in rows if "run budget of 4m nearly spent" in row and "1 refused" in row]
    assert [row for row in rows if "12.40sfor budget of the run" in row]
    assert [row for row in rows if "1 unpaced, 2 unanswered" in row]


def test_an_overrun_that_fails_nothing_is_called_expected() -> None:
    document: Any = changed(pages.overrun(), "run", failing=False)
    for test in document["tests"]:
        test.update(outcome="xfailed", failing=False)
    page = read(document)
    table = "".join(rows_of(usage_page(document), "tests-table"))
    assert table.count("overrun, expected") == 3
    assert "3 tests overran a budget, which xfail or skip expected." in page.text
    assert "3 tests over budget, expected" in page.text
    assert "Over budget, expected" in page.text


def test_one_whose_test_was_run_again_is_called_rerun() -> None:
    document: Any = changed(pages.overrun(), "run", failing=False)
    for test in document["tests"]:
        test.update(outcome="rerun", failing=False)
    page = read(document)
    table = "".join(rows_of(usage_page(document), "tests-table"))
    assert table.count("overrun, rerun") == 3
    assert "3 attempts overran a budget before pytest ran the test again." in page.text
    assert "Over budget, rerun" in page.text
    assert "expected" not in page.text


def test_overruns_that_fail_the_run_come_apart_from_the_others() -> None:
    document: Any = pages.overrun()
    document["tests"][3].update(outcome="xfailed", failing=False)
    said = [(found.tone, found.label) for found in findings(document) if found.kind == "overrun"]
    assert said == [("bad", "overrun"), ("warn", "overrun, expected")]
    text = read(document).text
    assert "2 tests overran a budget." in text
    assert "2 tests over budget" in text
    assert "1 test over budget, expected" in text


def test_where_pace_max_skipped_time_there_is_a_forecast_and_no_latency() -> None:
    document = pages.ordinary()
    for each in (*document["tests"], *document["sessions"]):
        each["forecast_seconds"] = 95.5
    row = rows_of(usage_page(document), "tests-table")[1]
    assert "95.50s" in row
    assert "p50 (ms)" not in read(document).text
    skipped = changed(document, "run", forecast_seconds=900.0)
    assert "Latency, median" in read(document).text
    assert "Latency, median" not in read(skipped).text


def test_what_stands_beside_latencies_is_kept_apart() -> None:
    document = pages.ordinary()
    document["tests"][0]["transcript_latency"] = {"turns": 2, "p50_ms": 1500, "p95_ms": None}
    document["tests"][0]["function_max_ms"] = 2300
    assert f"since the transcript 1,500 / {UNKNOWN} ms, functions took up to 2,300 ms" in read(document).text


def test_a_session_has_its_handshake_and_its_greeting_beside_its_seconds() -> None:
    heads, first = rows_of(usage_page(pages.ordinary()), "sessions-table")[:2]
    assert "SecondsHandshake, closeClosed by" in heads
    assert "0.18s, 0.02sclient" in first
    assert "410" in first


def rows_of(page: str, table: str) -> list[str]:
    """Return the text of each row of a table."""
    (found,) = re.findall(rf'<table id="{table}">.*?</table>', page, re.DOTALL)
    return [ReadPage(row).text for row in re.findall("<tr.*?</tr>", found, re.DOTALL)]


def test_the_trend_has_no_latency_of_pace_max_and_the_page_says_why_none_is_shown() -> None:
    why = "At pace max they say nothing, and are not shown."
    text = read(pages.at_pace_max()).text
    assert "Median turn latency: unknown now" in text
    assert why in text
    assert why not in read(pages.ordinary()).text


def test_a_cost_by_the_statement_is_marked_and_an_estimate_too() -> None:
    assert "vendor $0.0416" in read(pages.ordinary()).text
    assert "~$0.0750" in read(pages.overrun()).text


# Of two rows, in different units: usage.js sorts no table as short as that.
_UNSORTED = {"sums", "compared"}


@pytest.mark.parametrize("sample", SAMPLES)
def test_each_figure_has_the_number_by_which_its_column_is_sorted(sample: Callable[[], UsageDocument]) -> None:
    document = sample()
    for session in document["sessions"]:
        session["forecast_seconds"] = 95.5
    for name, table in re.findall(r'<table id="([^"]+)">(.*?)</table>', usage_page(document), re.DOTALL):
        heads = re.findall(r'<th scope="col"([^>]*)>', table)
        for row in re.findall("<tr.*?</tr>", table, re.DOTALL)[1:]:
            cells = re.findall("<t[dh]([^>]*)>(.*?)</t[dh]>", row, re.DOTALL)
            unsorted = [
                shown
                for (attributes, shown), head in zip(cells, heads, strict=True)
                if "number" in head and shown and 'title="unknown"' not in shown and "data-value" not in attributes
            ]
            assert name in _UNSORTED or unsorted == []


def test_tiers_stand_by_what_their_rows_show_the_dearest_first() -> None:
    document: Any = pages.ordinary()
    for session in document["sessions"][:4]:
        session.update(tier="advanced", cost_usd=9.0)
    document["sessions"][0]["cost_usd"] = None
    _, dearest, other = rows_of(usage_page(document), "tiers-table")
    assert "1 of them unknown" in dearest
    assert "$27.0000" in dearest
    assert other.startswith("standard")


def test_figures_of_two_runs_are_not_called_this_runs() -> None:
    page = usage_page(pages.overrun())
    assert "FigureUsualBoth runsChange" in rows_of(page, "compared")[0]
    assert "TestFigureUsualThis runChange" in rows_of(page, "contributors")[0]
    assert "This run and the one before it, against what is usual" in ReadPage(page).text


def test_tests_stand_as_in_the_terminal_the_dearest_first() -> None:
    document = pages.ordinary()
    document["tests"][7]["cost_usd"] = 3.0
    rows = rows_of(usage_page(document), "tests-table")[1:]
    names = [test["nodeid"].rpartition("::")[2] for test in by_dearness(document["tests"])]
    assert names[0] == "test_greets_in_the_callers_language[en]"
    assert [name for name, row in zip(names, rows, strict=True) if name not in row] == []


def test_marks_of_costs_are_explained_where_there_are_some() -> None:
    unmarked = pages.ordinary()
    for test in unmarked["tests"]:
        test["vendor_usd"] = None
    assert "vendor is what the statement has" in read(pages.ordinary()).text
    assert "vendor is what the statement has" not in read(unmarked).text
    assert "Cost: ~ is an estimate" in read(pages.overrun()).text


def test_sessions_that_did_not_end_normally_are_called_what_the_timeline_calls_them() -> None:
    (ended,) = [found for found in findings(pages.overrun()) if found.kind == "ended"]
    assert ended.said == "2 sessions did not end normally: 1 closed as idle, 1 lost with a test's process."
    timeline = read(pages.overrun()).text
    assert "closed as idle (1)" in timeline
    assert "lost with a test's process (1)" in timeline


def test_next_steps_are_commands_for_what_was_found() -> None:
    document = pages.overrun()
    document["run"]["id"] = "of ours; rm"
    steps = re.findall("<code>(.*?)</code>", usage_page(document))
    assert f"@pytest.mark.dg_budget(&quot;45s&quot;)  # {pages.NAMES[3]}" in steps
    assert "dgbudget support-bundle &#39;of ours; rm&#39;" in steps
    assert [step for step in steps if step.startswith("dgbudget report") and "--compare 2026" in step]


def test_advice_gives_each_test_that_fails_half_of_its_whole_budget_more() -> None:
    document: Any = pages.overrun()
    cut = document["tests"][3]
    again, expected = copy.deepcopy(cut), copy.deepcopy(cut)
    again.update(nodeid="test_again", attempt=2, budget_seconds=10.0)  # what the first attempt left of its 60 s
    again["overrun"] = {**pages.BUDGET, "allowed": 60.0}
    expected.update(nodeid="test_expected", outcome="xfailed", failing=False)
    of_money = copy.deepcopy(cut)
    of_money.update(nodeid="test_of_money", cost_budget_usd=0.01)
    of_money["overrun"] = {**pages.BUDGET, "currency": "money", "used": 0.05, "allowed": 0.04}
    document["tests"] = [cut, again, expected, of_money]
    markers = re.findall("<code>(@.*?)</code>", usage_page(document), re.DOTALL)
    assert "\n".join(markers).splitlines() == [
        f"@pytest.mark.dg_budget(&quot;45s&quot;)  # {pages.NAMES[3]}",
        "@pytest.mark.dg_budget(&quot;1m30s&quot;)  # test_again",
        "@pytest.mark.dg_budget(cost=0.06)  # test_of_money",
    ]


@pytest.mark.parametrize(
    ("scope", "label", "said"),
    [
        ("path", "tests/smoke/**", "Path budget: raise it in dgbudget.toml, [[path]] tests/smoke/**."),
        ("window", "day", "Day window: raise day in dgbudget.toml or wait for the next one."),
    ],
)
def test_advice_names_the_path_or_the_window_that_was_overrun(scope: ScopeName, label: str, said: str) -> None:
    document: Any = pages.overrun()
    document["tests"][3]["overrun"] = {**pages.BUDGET, "scope": scope, "label": label}
    assert said in read(document).text


def test_no_step_is_said_twice() -> None:
    document: Any = pages.overrun()
    document["tests"][10]["overrun"] = {**pages.BUDGET, "scope": "run", "currency": "money"}
    assert read(document).text.count("raise the run budget or run fewer of them") == 1


def test_a_merged_report_has_the_commands_of_each_run() -> None:
    steps = re.findall("<code>(.*?)</code>", usage_page(pages.merged()), re.DOTALL)
    assert "dgbudget support-bundle 20261102-100000-7f3a9c\ndgbudget support-bundle 20261102-100000-b2" in steps


def test_a_merged_report_has_no_links_to_files_that_are_elsewhere() -> None:
    page = read(pages.merged())
    assert pages.TRANSCRIPTS[0] in page.text
    assert not [link for link in page.of("a") if not str(link["href"]).startswith("#")]


def test_a_trend_of_many_runs_is_drawn_whole() -> None:
    document = pages.ordinary()
    document["history"] = document["history"] * 30
    lines = [str(line["points"]) for line in read(document).of("polyline")]
    assert [line.count(",") for line in lines] == [301, 301]


def test_the_page_names_no_option_that_does_not_exist() -> None:
    sources = [path.read_text(encoding="utf-8") for path in (REPORT / "html").glob("*.py")]
    flags = {flag for source in sources for flag in re.findall(r"--dg-[a-z-]*[a-z]", source)}
    keys = {key for source in sources for key in re.findall(r"\bdg_[a-z_]*[a-z]\b", source)}
    assert flags <= {PLAN_FLAG} | {option.flag for option in OPTIONS if not option.in_ini_only}
    assert keys <= {option.name for option in OPTIONS} | {"dg_budget"}


def test_two_thousand_sessions_are_soon_a_page_of_a_size_that_opens() -> None:
    document = pages.large()
    begun = time.process_time()
    page = usage_page(document)
    took = time.process_time() - begun
    print(f"2,000 sessions: {took:.2f}s, {len(page.encode()) / 1e6:.2f} MB")
    assert len(page.encode()) < 3_000_000
    assert took < 5  # ten times what it takes


# The timeline's geometry ----------------------------------------------------------------------------------------------

SPANS = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**5)), min_size=1, max_size=60).map(
    lambda pairs: sorted(Span(begin, begin + long, at, ended=True) for at, (begin, long) in enumerate(pairs))
)


@given(SPANS, st.integers(1, 8))
def test_sessions_on_one_lane_never_overlap_and_none_is_lost(spans: list[Span], most: int) -> None:
    lanes, left_out = packed(spans, most)
    assert len(lanes) <= most
    assert sum(map(len, lanes)) + left_out == len(spans)
    for lane in lanes:
        assert all(one.end <= other.begin for one, other in pairwise(lane))
    if left_out == 0:
        open_at_once = max(sum(one.begin <= at.begin < max(one.end, one.begin + 1) for one in spans) for at in spans)
        assert len(lanes) == open_at_once


@given(SPANS)
def test_time_goes_from_left_to_right_within_the_drawing(spans: list[Span]) -> None:
    scale = Scale(stretches(spans), 1000)
    places = [scale(at) for at in sorted({ms for span in spans for ms in (span.begin, span.end)})]
    assert places == sorted(places)
    assert places[0] == 0
    assert places[-1] <= 1000.001
    assert all(0 <= x <= 1000.001 for x, _ in (*scale.ticks(8), *scale.breaks))


def test_a_long_time_without_a_session_is_a_break() -> None:
    spans = [Span(0, 10_000, 0, ended=True), Span(3_610_000, 3_620_000, 1, ended=True)]
    (only_break,) = Scale(stretches(spans), 1000).breaks
    assert only_break[1] == 3_600_000


def test_markup_is_a_type_of_its_own() -> None:
    assert element("p", "<b>", Markup("<br>")).html == "<p>&lt;b&gt;<br></p>"
