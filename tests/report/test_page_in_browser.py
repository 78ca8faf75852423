"""The page in a real Chromium: with and without its script, with and without its own style, and with many sessions."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from pytest_dgbudget.report.document import UsageDocument
from pytest_dgbudget.report.html.figures import UNKNOWN
from pytest_dgbudget.report.html.page import USAGE_CSS, usage_page
from tests.support import pages
from tests.support.pages_in_browser import ROWS, Shown
from tests.support.pages_in_browser import browser as browser

sync_api = pytest.importorskip("playwright.sync_api")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]

ACCESSIBILITY = (Path(__file__).parent.parent / "support/accessibility.js").read_text(encoding="utf-8")
# What Jenkins sends with files of a build by default.
OF_JENKINS = "sandbox; default-src 'none'; img-src 'self'; style-src 'self';"
LIGHT, DARK = "rgb(245, 246, 248)", "rgb(15, 19, 24)"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "usage.css").write_text(USAGE_CSS, encoding="utf-8")
    return tmp_path


def write(folder: Path, document: UsageDocument) -> str:
    path = folder / "usage.html"
    path.write_text(usage_page(document), encoding="utf-8")
    return path.as_uri()


@pytest.fixture
def shown(browser: Any, folder: Path) -> Iterator[Shown]:
    """A run over its budget, from a file; it asks for its style sheet alone, and complains of nothing."""
    context = browser.new_context(color_scheme="light")
    opened = Shown(page=context.new_page())
    opened.goto(write(folder, pages.overrun()))
    yield opened
    assert opened.complaints == []
    assert {Path(url).name for url in opened.requests} <= {"usage.html", "usage.css"}
    context.close()


# With its script ------------------------------------------------------------------------------------------------------


def test_columns_are_sorted_both_ways_with_what_is_unknown_at_the_end(shown: Shown) -> None:
    column = shown.page.get_by_role("button", name="p50 (ms)").first
    head = column.locator("xpath=..")
    assert head.get_attribute("aria-sort") is None
    column.click()
    assert head.get_attribute("aria-sort") == "descending"
    falling = figures(shown)
    column.press("Enter")
    assert head.get_attribute("aria-sort") == "ascending"
    rising = figures(shown)
    known = sorted(int(figure.replace(",", "")) for figure in rising if figure != UNKNOWN)
    assert [int(figure.replace(",", "")) for figure in rising[: len(known)]] == known
    assert [int(figure.replace(",", "")) for figure in falling[: len(known)]] == known[::-1]
    assert falling[len(known) :] == rising[len(known) :] == [UNKNOWN, UNKNOWN]


def figures(shown: Shown) -> list[str]:
    heads = shown.page.eval_on_selector_all("#tests-table thead th", "all => all.map(e => e.textContent)")
    at = heads.index("p50 (ms)")
    found: list[str] = shown.page.eval_on_selector_all(ROWS, f"all => all.map(e => e.cells[{at}].textContent)")
    return found


def test_only_one_column_is_sorted_and_text_goes_up_first(shown: Shown) -> None:
    shown.page.locator("#tests-table").get_by_role("button", name="Cost").click()
    shown.page.locator("#tests-table").get_by_role("button", name="Test", exact=True).click()
    assert shown.names() == sorted(shown.names(), key=str.casefold)
    assert shown.page.locator("#tests-table [aria-sort]").count() == 1


def test_tests_are_found_by_name_and_the_count_is_announced(shown: Shown) -> None:
    status = shown.page.get_by_role("status")
    assert status.text_content() == "12 of 12 shown"
    shown.page.get_by_label("Find a test").fill("GREETS")
    assert len(shown.names()) == 2
    assert status.text_content() == "2 of 12 shown"
    shown.page.get_by_label("Find a test").press("Enter")
    assert status.text_content() == "2 of 12 shown"


def test_only_overruns_and_only_failed_tests_are_shown_where_that_is_asked(shown: Shown) -> None:
    shown.page.get_by_label("Only overruns").check()
    assert len(shown.names()) == 3
    shown.page.get_by_label("Only overruns").uncheck()
    shown.page.get_by_label("Only failed").check()
    assert len(shown.names()) == 4
    assert "test_greets_in_the_callers_language[es]" in " ".join(shown.names())


def test_the_theme_is_switched_and_remembered(shown: Shown) -> None:
    assert shown.background() == LIGHT
    shown.page.get_by_role("button", name="Dark theme").click()
    assert shown.background() == DARK
    shown.page.reload()
    assert shown.background() == DARK
    shown.page.get_by_role("button", name="Light theme").click()
    assert shown.background() == LIGHT


def test_the_theme_is_the_systems_at_first(browser: Any, folder: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(write(folder, pages.ordinary()))
    assert Shown(page=page).background() == DARK
    page.close()


def test_what_is_drawn_leads_to_its_row(shown: Shown) -> None:
    assert not shown.page.locator("#session-3").is_visible()
    shown.page.locator("[data-session='3']").click()
    sync_api.expect(shown.page.locator("#session-3")).to_be_in_viewport()
    assert "test_hands_complaints_over" in shown.page.locator("#session-3").text_content()


def test_a_keyboard_reaches_everything_in_the_order_of_the_page(shown: Shown) -> None:
    shown.page.keyboard.press("Tab")
    skip = shown.page.locator(".skip")
    assert skip.evaluate("e => e === document.activeElement && e.getBoundingClientRect().top >= 0")
    for at in range(shown.page.evaluate(NUMBERED)):
        assert shown.page.evaluate(FOCUSED) == {"at": str(at), "outline": "solid", "width": 3}
        shown.page.keyboard.press("Tab")


NUMBERED = """() => {
  const isFolded = e => e.closest("details:not([open]) > :not(summary)");
  const all = document.querySelectorAll("a[href], button, input, summary, [tabindex='0']");
  const reached = [...all].filter(e => e.checkVisibility() && !isFolded(e));
  reached.forEach((e, at) => { e.dataset.at = at; });
  return reached.length;
}"""
FOCUSED = """() => {
  const style = getComputedStyle(document.activeElement);
  return { at: document.activeElement.dataset.at, outline: style.outlineStyle, width: parseFloat(style.outlineWidth) };
}"""


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("sample", [pages.ordinary, pages.overrun, pages.merged])
def test_accessibility(browser: Any, folder: Path, scheme: str, sample: Any) -> None:
    page = browser.new_page(color_scheme=scheme)
    page.goto(write(folder, sample()))
    page.eval_on_selector_all("details", "all => all.forEach(e => { e.open = true })")
    assert page.evaluate(ACCESSIBILITY) == []
    page.close()


def test_the_rules_of_accessibility_see_what_breaks_them(browser: Any) -> None:
    page = browser.new_page()
    page.set_content('<h3>x</h3><table><tr><td>a</td></tr><thead><tr><th></th></tr></thead></table><button></button>'
                     '<p style="color: #888">pale</p>')  # fmt: skip
    broken = {sentence.partition(":")[0] for sentence in page.evaluate(ACCESSIBILITY)}
    page.close()
    assert broken >= {
        *("a page has a language", "there is one main", "all is in a landmark", "it has a name", "contrast 3.54"),
        *("no level of headings is left out", "a table has a caption", "a heading has a scope"),
    }


def test_a_narrow_window_scrolls_tables_and_not_the_page(browser: Any, folder: Path) -> None:
    page = browser.new_page(viewport={"width": 360, "height": 740})
    page.goto(write(folder, pages.overrun()))
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    beyond = "e => e.getBoundingClientRect().right > 360 && !e.closest('.scrolls')"
    assert page.evaluate(f"[...document.querySelectorAll('body *')].filter({beyond}).map(e => e.outerHTML)") == []
    page.close()


def test_a_printer_gets_all_of_it_and_no_row_is_cut(browser: Any, folder: Path) -> None:
    page = browser.new_page(color_scheme="dark")
    page.goto(write(folder, pages.overrun()))
    page.emulate_media(media="print")
    assert page.locator("#sessions-table").bounding_box()["height"] > 100
    assert not page.locator("nav").is_visible()
    assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert page.eval_on_selector("#tests-table tbody tr", "e => getComputedStyle(e).breakInside") == "avoid"
    assert page.eval_on_selector("#tests-table thead button", "e => getComputedStyle(e).display") == "contents"
    assert re.match(b"%PDF", page.pdf(prefer_css_page_size=True))
    page.close()


def test_a_hostile_report_runs_nothing(browser: Any, folder: Path) -> None:
    context = browser.new_context()
    opened = Shown(page=context.new_page())
    dialogs: list[Any] = []
    opened.page.on("dialog", lambda dialog: dialogs.append(dialog.message))
    opened.goto(write(folder, pages.hostile(pages.overrun())))
    assert (opened.complaints, dialogs) == ([], [])
    assert opened.page.locator("h1").is_visible()
    assert opened.page.locator("b").count() == 0
    context.close()


# Without its script, without its own style ----------------------------------------------------------------------------


class Guarded(SimpleHTTPRequestHandler):
    """Files with a policy for each."""

    policy = ""

    def end_headers(self) -> None:
        self.send_header("Content-Security-Policy", self.policy)
        super().end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def served(folder: Path, request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of the folder on a server with the policy that the test names."""
    handler = type("Handler", (Guarded,), {"policy": request.param})
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(handler, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize("served", [OF_JENKINS], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_where_script_and_style_are_blocked_the_style_beside_the_page_is_used(
    browser: Any, folder: Path, served: str, scheme: str
) -> None:
    context = browser.new_context(java_script_enabled=False, color_scheme=scheme)
    opened = Shown(page=context.new_page())
    write(folder, pages.overrun())
    opened.goto(f"{served}/usage.html")
    assert [url.removeprefix(served) for url in opened.requests] == ["/usage.html", "/usage.css"]
    assert opened.background() == {"light": LIGHT, "dark": DARK}[scheme]
    assert reads_well(opened.page)
    assert opened.page.evaluate(ACCESSIBILITY) == []
    context.close()


def reads_well(page: Any) -> bool:
    """Return whether the page has its text and no control that would do nothing."""
    assert page.locator("#tests-table tbody tr").count() == 12
    assert "Over budget" in page.locator("h1").text_content()
    assert not page.locator("#filters").is_visible()
    assert page.locator("button:visible, th button").count() == 0
    page.locator("#sessions summary").click()
    assert page.locator("#sessions-table").is_visible()
    return True


@pytest.mark.parametrize("served", ["sandbox; default-src 'none'"], indirect=True)
def test_without_any_style_it_still_reads(browser: Any, folder: Path, served: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    write(folder, pages.overrun())
    page.goto(f"{served}/usage.html")
    assert page.evaluate("getComputedStyle(document.querySelector('h1')).fontFamily") != ""
    assert reads_well(page)
    assert [each for each in page.evaluate(ACCESSIBILITY) if "large enough" not in each] == []
    context.close()


# With many sessions ---------------------------------------------------------------------------------------------------


def test_two_thousand_sessions_lag_nowhere(browser: Any, folder: Path) -> None:
    page = browser.new_page()
    devtools = page.context.new_cdp_session(page)
    devtools.send("Performance.enable")
    before = computed_seconds(devtools)
    page.goto(write(folder, pages.large()))
    took = {"load": computed_seconds(devtools) - before}
    for name, script in ACTIONS.items():
        before = computed_seconds(devtools)
        page.evaluate(f"() => {{ {script} }}")
        page.evaluate("new Promise(done => requestAnimationFrame(() => setTimeout(done)))")
        took[name] = computed_seconds(devtools) - before
    print(", ".join(f"{name} {seconds:.2f}s" for name, seconds in took.items()))
    assert page.locator("svg.timeline").bounding_box()["height"] < 900
    assert page.locator("#sessions-table tbody tr").count() == 2000
    assert 0 < took.pop("load") < 5
    assert 0 < max(took.values()) < 1
    page.close()


def computed_seconds(devtools: Any) -> float:
    """Return for how long the page's thread has computed: what else the machine does is not in it."""
    metrics = {each["name"]: each["value"] for each in devtools.send("Performance.getMetrics")["metrics"]}
    return float(metrics["ThreadTime"])


ACTIONS = {
    "sort tests": "document.querySelector('#tests-table thead button').click()",
    "find": "const find = document.querySelector('#find'); find.value = 'caller_1';"
    "find.dispatchEvent(new Event('input', { bubbles: true }))",
    "open sessions": "document.querySelector('#sessions details').open = true;"
    "document.querySelector('#sessions-table').scrollIntoView()",
    "sort sessions": "document.querySelector('#sessions-table thead button').click()",
}


def test_a_long_table_is_shown_in_part_until_all_of_it_is_asked_for_or_printed(browser: Any, folder: Path) -> None:
    page = browser.new_page()
    page.goto(write(folder, pages.large(tests=60, sessions=240)))
    page.locator("#sessions summary").click()
    last = page.locator("#session-239")
    assert not last.is_visible()
    page.emulate_media(media="print")
    assert last.is_visible()
    page.emulate_media(media="screen")
    everything = page.get_by_role("button", name="Show all 240")
    everything.click()
    assert last.is_visible()
    assert not everything.is_visible()
    page.close()
