"""The viewer as people use it: in Chromium."""

import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from playwright.sync_api import Browser, Error, Page, expect, sync_playwright

from tests.jobs.dataset.test_compare import builds  # noqa: F401
from tests.jobs.looked_at import EVIL, SITE, archive_of, viewer
from tests.jobs.view.test_view import keys

expect.set_options(timeout=60_000)

CHROMIUM = next(
    (found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), ""
)
pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", "--disable-gpu"])


@pytest.fixture(scope="module")
def address(looked_at: Path) -> Iterator[str]:
    with viewer(str(looked_at), inputs=[archive_of(looked_at)]) as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    """A page that fails its test when it complains, asks elsewhere, or runs what a sample brought."""
    context = browser.new_context(base_url=address, viewport={"width": 1200, "height": 800})
    context.set_default_timeout(60_000)
    page = context.new_page()
    complaints: list[str] = []
    # An image that the archive does not hold is not found: that is no fault.
    page.on(
        "console",
        lambda message: (
            complaints.append(f"{message.text} {message.location}")
            if message.type == "error"
            and not any(path in str(message.location) for path in ("/captured/media", "/dropped/picture"))
            else None
        ),
    )
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("request", lambda request: complaints.append(request.url) if not request.url.startswith(address) else None)
    page.on("dialog", lambda dialog: complaints.append(dialog.message))
    yield page
    assert page.evaluate("window.pwned") is None
    context.close()
    assert complaints == []


def until(page: Page, condition: str) -> None:
    """Waits for a condition; `wait_for_function` would need a policy that allows eval."""
    deadline = time.monotonic() + 60
    while not page.evaluate(condition):
        assert time.monotonic() < deadline, condition
        page.wait_for_timeout(50)


def press(page: Page, key: str) -> None:
    """On a page whose script has run: what is to be seen is there before."""
    page.wait_for_load_state()
    page.keyboard.press(key)


def test_open_browse_page_search_and_filter(page: Page) -> None:
    page.goto("/")
    expect(page.get_by_role("heading", name="What each phase kept")).to_be_visible()
    page.get_by_role("link", name="Interleaved", exact=True).click()
    expect(page.locator(".row")).to_have_count(7)
    page.wait_for_load_state()  # rows are there before the script is that leaves out empty fields
    page.get_by_role("searchbox").fill("Article 3")
    page.keyboard.press("Enter")
    expect(page.locator(".row")).to_have_count(1)
    assert page.url.endswith("/browse/interleaved?q=Article+3")  # empty fields say nothing
    page.get_by_text("Filter and order").click()
    page.get_by_role("link", name="Clear").click()
    page.get_by_text("Filter and order").click()
    page.get_by_label("Images from").fill("2")
    page.get_by_role("button", name="Apply").click()
    expect(page.locator(".row")).to_have_count(6)
    page.goto("/browse/pairs?where=false")
    expect(page.get_by_text("Nothing fits")).to_be_visible()


def test_pages_of_a_long_list_are_turned_by_link_and_key(page: Page) -> None:
    page.goto("/browse/pairs?page=1")
    expect(page.locator(".tile")).to_have_count(13)
    page.goto("/query?sql=SELECT+1")
    page.locator("textarea").fill("SELECT key FROM interleaved ORDER BY key LIMIT 2")
    page.locator("textarea").press("Control+Enter")
    page.locator("td a").first.click()
    page.wait_for_url("**/sample/interleaved/*")
    first = page.url
    page.keyboard.press("j")
    page.wait_for_url(lambda url: url != first)
    page.keyboard.press("k")
    page.wait_for_url(first)
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).not_to_be_visible()


def test_a_link_leads_from_a_drop_to_its_page_and_its_parts(page: Page) -> None:
    page.goto("/drops?reason=few_words&kind=page")
    page.get_by_role("link", name="the page").click()
    expect(page.get_by_text("dropped: few_words")).to_be_visible()
    frame = page.frame_locator("iframe")
    expect(frame.locator("mark").first).to_contain_text("too short")
    page.get_by_role("link", name="As it was captured").click()
    expect(frame.locator("p").first).to_contain_text("too short")


def test_hovering_over_a_part_tells_the_rule(page: Page) -> None:
    page.goto(f"/source?url={SITE}/evil.html")
    part = page.frame_locator("iframe").locator(".dropped", has_text="Menu").first
    part.hover()
    shown = part.evaluate("element => getComputedStyle(element, '::after').content")
    assert shown.startswith('"chrome: <nav>')
    page.locator(".verdicts a").last.click()
    until(page, "document.querySelector('iframe').contentWindow.location.hash.startsWith('#b')")


def test_a_clip_plays_and_has_a_contact_sheet(page: Page, looked_at: Path) -> None:
    page.goto(f"/sample/clips/{keys(looked_at, 'clips')[0]}")
    video = page.locator("video")
    video.evaluate("video => { video.muted = true; return video.play(); }")
    until(page, "document.querySelector('video').currentTime > 0.2")
    assert video.evaluate("video => [video.videoWidth, video.videoHeight]") == [320, 240]
    page.locator(".sheet").scroll_into_view_if_needed()
    until(page, "document.querySelector('.sheet').naturalWidth > 300")


def test_tokens_show_the_image_they_attend_to(page: Page, looked_at: Path) -> None:
    key = keys(looked_at, "interleaved", "url LIKE '%/1.html'")[0]
    page.goto(f"/sample/interleaved/{key}/attention?attends=previous&tokens=4000")
    expect(page.locator(".media-list li")).to_have_count(2)
    page.locator(".media-list li").nth(1).hover()
    lit = page.locator(".tokens .hot")
    assert lit.first.text_content() == "<image>"
    assert lit.count() == page.locator('.tokens [data-m="1"]').count() > 100
    page.get_by_label("or a model folder").fill("/nowhere")
    page.get_by_role("button", name="Cut").click()
    expect(page.get_by_role("alert")).to_contain_text("no tokenizer at /nowhere")


def test_what_means_harm_does_nothing(page: Page, looked_at: Path) -> None:
    key = keys(looked_at, "interleaved", "url LIKE '%evil%'")[0]
    page.goto(f"/sample/interleaved/{key}")
    expect(page.locator("article")).to_contain_text(EVIL)
    image = page.locator("figure img")
    assert "onerror" in (image.get_attribute("alt") or "")
    assert image.evaluate("image => image.getAttributeNames()") == ["src", "alt", "width", "height", "loading"]
    until(page, "document.querySelector('figure img').naturalWidth > 0")
    assert page.locator("main svg, main script").count() == 0
    for path in (f"/sample/interleaved/{key}/attention", "/browse/interleaved", "/browse/pairs", "/browse/clips"):
        page.goto(path)
    page.goto(f"/sample/clips/{keys(looked_at, 'clips')[0]}")
    page.goto(f"/source?url={SITE}/evil.html&as=captured")
    frame = page.frame_locator("iframe")
    expect(frame.locator("h1")).to_have_text("Harm")
    assert page.evaluate("document.querySelector('iframe').contentWindow.pwned") is None


def test_the_report_reads_from_disk_without_network(page: Page, looked_at: Path, tmp_path: Path) -> None:
    from jobs.cli import main

    out = tmp_path / "report.html"
    assert main(["report", str(looked_at), "-o", str(out)]) == 0
    try:
        other = page.context.browser.new_page()  # type: ignore[union-attr]
    except Error as error:
        pytest.fail(str(error))
    asked: list[str] = []
    other.on("request", lambda request: asked.append(request.url))
    other.goto(out.as_uri())
    expect(other.get_by_role("heading", name="The funnel")).to_be_visible()
    assert other.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert other.evaluate("window.pwned") is None
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []
    other.close()


def test_a_review_is_done_with_the_keyboard(browser: Browser, looked_at: Path, tmp_path: Path) -> None:
    with viewer(str(looked_at), flags=str(tmp_path / "flags.jsonl"), review=3) as found:
        context = browser.new_context(base_url=found)
        page = context.new_page()
        page.goto("/review")
        page.get_by_role("link", name="Begin").click()
        expect(page.get_by_text("1 of 3")).to_be_visible()
        press(page, "t")
        page.keyboard.type("blurred")
        page.keyboard.press("Enter")
        expect(page.locator("[data-tags]")).to_have_value("blurred")
        press(page, "x")
        expect(page.get_by_text("2 of 3")).to_be_visible()
        press(page, "y")
        expect(page.get_by_text("3 of 3")).to_be_visible()
        press(page, "y")
        expect(page.get_by_text("All are judged")).to_be_visible()
        expect(page.get_by_text("66.7 %")).to_be_visible()
        context.close()
    lines = (tmp_path / "flags.jsonl").read_text()
    assert '"tags":["blurred","bad"]' in lines


def test_the_next_of_a_search_is_the_next_of_its_list(page: Page) -> None:
    page.goto("/browse/interleaved?order=words&where=num_images+%3E+0")
    wanted = [link.get_attribute("href") for link in page.locator("[data-item]").all()]
    page.locator("[data-item]").first.click()
    expect(page.get_by_text(f"1 of {len(wanted)}")).to_be_visible()
    for address in wanted[1:]:
        page.keyboard.press("j")
        page.wait_for_url(f"**{address}")
    page.keyboard.press("u")
    page.wait_for_url("**/browse/interleaved?where=num_images+%3E+0&order=words")


def test_what_was_dropped_is_looked_at_by_reason(page: Page) -> None:
    page.goto("/drops")
    page.get_by_role("link", name="Pictures and texts").click()
    expect(page.locator(".pic", has_text="cannot be shown").first).to_be_visible()
    page.get_by_role("link", name="pages: few_words").click()
    page.wait_for_url("**/drops/look?kind=page&reason=few_words")
    expect(page.locator(".reading")).to_contain_text("a little too short")
    page.get_by_role("link", name="another draw").click()
    page.wait_for_url("**/drops/look?kind=page&reason=few_words&draw=1")
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_from_a_sample_to_what_is_like_it(page: Page, looked_at: Path) -> None:
    key = keys(looked_at, "interleaved", "url LIKE '%/1.html'")[0]
    page.goto(f"/sample/interleaved/{key}")
    page.keyboard.press("m")
    page.wait_for_url(f"**/alike/interleaved/{key}")
    expect(page.get_by_text("the same look").first).to_be_visible()
    page.get_by_role("link", name="Image 2").click()
    page.wait_for_url("**?image=2")
    until(page, "document.querySelector('.pic img').naturalWidth > 0")
    page.locator("[data-item]").first.click()
    page.wait_for_url("**/sample/pairs/*")


def test_two_builds_are_compared(browser: Browser, builds: Path) -> None:  # noqa: F811
    with viewer(str(builds / "new"), compare=str(builds / "old")) as found:
        context = browser.new_context(base_url=found, viewport={"width": 390, "height": 844})
        page = context.new_page()
        page.goto("/")
        page.get_by_role("link", name="Compared").click()
        page.get_by_role("link", name="lost 2").click()
        page.wait_for_url("**/compare/interleaved?state=lost")
        page.get_by_role("link", name="few_words 1").click()
        expect(page.locator("tbody").get_by_text("/2.html")).to_be_visible()
        expect(page.locator("tbody").get_by_text("/3.html")).to_have_count(0)
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
        press(page, "u")
        page.wait_for_url("**/compare/interleaved")
        expect(page.get_by_role("heading", name="Images")).to_be_visible()
        context.close()


@pytest.mark.parametrize("width", [375, 1280])
def test_rows_of_what_was_dropped_and_the_views_of_a_sample_fit_the_screen(
    page: Page, looked_at: Path, width: int
) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    sample = f"/sample/interleaved/{keys(looked_at, 'interleaved')[0]}"
    for path in ("/drops", "/duplicates", sample, f"/source?url={SITE}/0.html"):
        page.goto(path)
        cut = page.evaluate(
            "[document.documentElement, ...document.querySelectorAll('.panel, .tabs')]"
            ".filter(one => one.scrollWidth > one.clientWidth + 1).map(one => one.className || one.tagName)"
        )
        assert cut == [], path


def test_a_row_of_an_answer_is_a_line_and_a_long_value_opens(page: Page) -> None:
    page.goto("/query?sql=" + quote("SELECT range(400) AS many, 'short' AS few, repeat('x', 900) AS one"))
    row, long = page.locator(".answer tbody tr"), page.locator(".answer summary")
    height = row.evaluate("row => row.offsetHeight")
    assert height < 45
    long.first.click()
    expect(page.locator(".answer details[open]")).to_have_count(1)
    assert row.evaluate("row => row.offsetHeight") > 3 * height
    assert long.first.inner_text().endswith("398, 399]")
