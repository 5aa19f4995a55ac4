"""Pages of the viewer and the report as people read them: scripts that run leftwards, wide tables, contrast."""

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from playwright.sync_api import Browser, Page

from jobs.build import build
from jobs.cli import main
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings
from tests.chromium import CHROMIUM, chromium
from tests.jobs.looked_at import viewer
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.view.test_view import keys

pytestmark = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")

_HEBREW = str.maketrans("abcdefghijklmnopqrstuvwxyz", "אבגדהוזחטיכלמנסעפצקרשתאבגד")
_SITE = "https://scripts.example"
_CONFIG = msgspec.convert(
    {
        "kinds": ["interleaved", "pairs"],
        "partitions": 1,
        "buckets": 1,
        "language": {"keep": [], "min_score": 0},
        "text": {"gopher": {"min_stop_words": None, "min_alphabetic_words": None}},
    },
    BuildConfig,
)
#: Of what is shown of visible texts and of hints in empty fields: those below the contrast that WCAG asks for at AA.
_FAINT = """() => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", {willReadFrequently: true});
    const parse = (colour) => {
        canvas.clearRect(0, 0, 1, 1);
        canvas.fillStyle = colour;
        canvas.fillRect(0, 0, 1, 1);
        const [red, green, blue, alpha] = canvas.getImageData(0, 0, 1, 1).data;
        return [red, green, blue, alpha / 255];
    };
    const over = (front, back) => [0, 1, 2].map((at) => front[at] * front[3] + back[at] * (1 - front[3]));
    const behind = (element) => {
        const found = [];
        for (let one = element; one; one = one.parentElement) found.push(parse(getComputedStyle(one).backgroundColor));
        return found.reverse().reduce((back, front) => over(front, back), [255, 255, 255]);
    };
    const light = (colour) => {
        const [red, green, blue] = colour.map((value) => value / 255)
            .map((value) => (value <= 0.03928 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const faint = new Set();
    const look = (element, style, name) => {
        const back = behind(element), ink = parse(style.color);
        for (let one = element; one; one = one.parentElement) ink[3] *= Number(getComputedStyle(one).opacity);
        const [low, high] = [light(back), light(over(ink, back))].sort((a, b) => a - b);
        if ((high + 0.05) / (low + 0.05) < 4.5)
            faint.add(`${name}.${element.className} ${element.textContent.slice(0, 30)}`);
    };
    for (const element of document.querySelectorAll("body :not(svg *)")) {
        if (!element.checkVisibility()) continue;
        if ([...element.childNodes].some((one) => one.nodeType === 3 && one.textContent.trim()))
            look(element, getComputedStyle(element), element.tagName);
        if (element.placeholder) look(element, getComputedStyle(element, "::placeholder"), "placeholder");
    }
    return [...faint];
}"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page in Hebrew, and one with a table that is wider than any screen."""
    folder = tmp_path_factory.mktemp("scripts")
    first, second = prose(1).lower().translate(_HEBREW), prose(2).lower().translate(_HEBREW)
    rows = ["".join(f"<td>{word}</td>" for word in prose(seed, 4).split()[:40]) for seed in (5, 6)]
    pages = {
        "he": f"<title>{first[:30]}</title><article><h1>{first[:30]}</h1><p>{first}</p><ul><li>{second[:80]}</ul>"
        f"<img src='/he.jpg' alt='{second[:60]}'><p>{second}</p></article>",
        "wide": f"<title>Wide</title><article><p>{prose(3)}</p><img src='/wide.jpg' alt='A wide river and a bridge'>"
        f"<table><tr>{rows[0]}</tr><tr>{rows[1]}</tr></table><p>{prose(4)}</p></article>",
    }
    records = [(f"{_SITE}/{name}", html.encode(), "text/html; charset=utf-8") for name, html in pages.items()]
    records += [(f"{_SITE}/{name}.jpg", photo(number), "image/jpeg") for number, name in enumerate(pages)]
    records += [(f"{_SITE}/short", b"<p>Too short to be of use.</p><img src='/x.jpg'>", "text/html")]
    archive = write_archive(folder / "scripts.warc.gz", records)
    build(str(folder / "out"), [str(archive)], _CONFIG, EngineSettings(engine="inline"))
    return folder / "out"


@pytest.fixture(scope="module")
def address(scripts: Path) -> Iterator[str]:
    with viewer(str(scripts), inputs=[str(scripts.parent / "scripts.warc.gz")]) as found:
        yield found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as found:
        yield found


@pytest.fixture
def page(browser: Browser, address: str) -> Iterator[Page]:
    context = browser.new_context(base_url=address)
    context.set_default_timeout(60_000)
    yield context.new_page()
    context.close()


def _key(scripts: Path, name: str) -> str:
    return keys(scripts, "interleaved", f"url LIKE '%/{name}'")[0]


def test_each_text_runs_as_its_letters_do(page: Page, scripts: Path, tmp_path: Path) -> None:
    assert main(["report", str(scripts), "-o", str(tmp_path / "report.html")]) == 0
    he, wide = _key(scripts, "he"), _key(scripts, "wide")
    pair = keys(scripts, "pairs", "url LIKE '%/he.jpg'")[0]
    for path, texts in (
        (f"/sample/interleaved/{he}", "h1, .reader p, .reader ul, .alt"),
        (f"/sample/pairs/{pair}", ".caption"),
        (f"/source?url={_SITE}/he", "h1, .what bdi"),
        (f"/browse/interleaved?where=key='{he}'", ".row h2, .excerpt"),
        ("/browse/pairs?q=he.jpg", ".words p"),
        (f"file://{tmp_path}/report.html", ".document:has(.url:text('/he')) :is(h4, .flow p)"),
    ):
        page.goto(path)
        ways = page.locator(texts).evaluate_all("all => all.map(one => getComputedStyle(one).direction)")
        assert set(ways) == {"rtl"}, path
    page.goto(f"/sample/interleaved/{wide}")
    assert page.locator(".reader p").first.evaluate("one => getComputedStyle(one).direction") == "ltr"


@pytest.mark.parametrize("width", [360, 1280])
def test_a_wide_table_is_scrolled_by_itself(page: Page, scripts: Path, width: int) -> None:
    page.set_viewport_size({"width": width, "height": 800})
    page.goto("/sample/interleaved/" + _key(scripts, "wide"))
    assert page.evaluate("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
    assert page.locator(".wide").evaluate("one => one.scrollWidth > one.clientWidth")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_all_text_stands_out_from_what_is_behind_it(page: Page, scripts: Path, tmp_path: Path, scheme: str) -> None:
    assert main(["report", str(scripts), "-o", str(tmp_path / "report.html")]) == 0
    page.emulate_media(color_scheme="light" if scheme == "light" else "dark")
    sample = "/sample/interleaved/" + _key(scripts, "wide")
    paths = ("/", "/browse/interleaved", "/drops", sample, f"{sample}/attention", f"/source?url={_SITE}/wide")
    for path in (*paths, f"file://{tmp_path}/report.html"):
        page.goto(path)
        assert page.evaluate(_FAINT) == [], path
