"""Pages rendered by a spider against servers on this machine, and pages that do what no page should."""

import asyncio
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import msgspec
import pytest
from fastwarc.warc import ArchiveIterator, WarcRecordType

from crawlers.crawl_config import CrawlConfig
from crawlers.earlier import EARLIER, make_earlier
from crawlers.exchange import Exchange
from crawlers.render_config import RenderSettings, count_words
from crawlers.rendering import Rendered, Renderer
from crawlers.warc import read_captures
from crawlers.warc_records import WarcSettings
from schemas.drops import Drop, Tally
from schemas.links import PageSource
from schemas.settings import SettingsError
from tests.chromium import CHROMIUM
from tests.crawlers.crawling import config, crawl, image
from tests.crawlers.servers import Reply, WebServer

needs_chromium = pytest.mark.skipif(not CHROMIUM, reason="no Chromium: apt-get install chromium")
RENDER = RenderSettings(enabled=True, timeout_s=30.0, settle_s=0.3)
SCRIPT = "text/javascript"
# As a bundle of React, and one of Vue, would: the first from data, the second from a template.
TREE = b"""const make = (tag, props, ...inner) => { const node = document.createElement(tag);
Object.assign(node, props); node.append(...inner); return node; };
fetch("/articles.json").then(answer => answer.json()).then(articles => document.getElementById("root").replaceChildren(
  ...articles.map(one => make("article", {}, make("h2", {}, one.title), make("p", {}, one.text),
    make("img", {src: one.picture, alt: one.title}), make("a", {href: one.more}, "more")))));"""
TEMPLATE = b"""const app = document.getElementById("app"),
  data = {title: "Rivers", lines: ["One line.", "Another line."]};
app.innerHTML = app.querySelector("template").innerHTML.replace(/{{title}}/, data.title)
  .replace(/{{lines}}/, data.lines.map(line => `<p>${line}</p>`).join(""));"""
GALLERY = b"""<body><h1>Gallery</h1><div id=all></div><script>
for (let n = 0; n < 12; n++) {
  const img = document.createElement("img"); img.dataset.later = `/photo-${n}.jpg`; img.height = 900; all.append(img);
}
new IntersectionObserver(seen => { for (const {isIntersecting, target} of seen) if (isIntersecting) {
  target.src = target.dataset.later; } }).observe(all.firstChild);
const watch = new IntersectionObserver(seen => seen.filter(one => one.isIntersecting)
  .forEach(({target}) => { target.src = target.dataset.later; }));
document.querySelectorAll("img").forEach(img => watch.observe(img));</script>"""


def rendering(web: WebServer, **changes: object) -> CrawlConfig:
    return config(web, render=msgspec.structs.replace(RENDER, **changes))


def pages_of(folder: Path) -> dict[str, bytes]:
    """What a build reads of the archives: markup by address."""
    found: dict[str, bytes] = {}
    for path in sorted((folder / "warc").glob("*.warc.gz")):
        with path.open("rb") as file:
            for capture in read_captures(file, path.name, path.stat().st_size, WarcSettings(), Tally()):
                if not capture.is_image:
                    assert capture.url not in found
                    found[capture.url] = capture.body
    return found


def run(
    html: bytes, answer: Callable[[str], bytes] = lambda url: b"data", **changes: object
) -> tuple[Rendered, list[str]]:
    """A page rendered, and what it asked for; `answer` may raise `Drop`."""
    return run_all([html], answer, **changes)[0]


def run_all(
    pages: Sequence[bytes], answer: Callable[[str], bytes] = lambda url: b"data", **changes: object
) -> list[tuple[Rendered, list[str]]]:
    """The same of pages that one browser renders one after the other."""
    asked: list[str] = []

    async def load(url: str) -> Exchange:
        asked.append(url)
        head = {"content-type": "text/html"}
        return msgspec.convert(
            {"url": url, "status": 200, "request_head": b"", "response_head": b"", "headers": head, "body": answer(url),
             "address": "", "started": "2026-01-01T00:00:00Z"},
            Exchange,
        )  # fmt: skip

    async def render() -> list[tuple[Rendered, list[str]]]:
        renderer = Renderer(msgspec.structs.replace(RENDER, **changes), "weft/0")
        found = []
        try:
            for html in pages:
                rendered = await renderer.render(PageSource("http://a.example/page", html), load)
                again = await renderer.render(PageSource("http://a.example/", b"<p>after</p><script></script>"), load)
                assert b"<p>after</p>" in again.html  # whatever came before, the next page is rendered
                found.append((rendered, asked.copy()))
                asked.clear()
            return found
        finally:
            await renderer.close()

    return asyncio.run(render())


@pytest.mark.parametrize(
    ("html", "is_wanted"),
    [
        (b"<div id=root></div><script src=/app.js></script>", True),
        (b"<div id=root></div>", False),
        (b"<p>" + b"word " * 60 + b"</p><script></script>", False),
        (b"<p>few</p><script>" + b"word " * 60 + b"</script><style>a b</style>" + b"<svg>x y z</svg>" * 30, True),
        (b"<p>few</p><SCRIPT>let a = '<p>" + b"word " * 60, True),
    ],
)
def test_pages_without_words_but_with_scripts_are_rendered(html: bytes, is_wanted: bool) -> None:
    assert RENDER.wants("http://a.example/", html) is is_wanted
    assert not RenderSettings().wants("http://a.example/", html)
    assert RenderSettings(enabled=True, patterns=("/app/",)).wants("http://a.example/app/1", b"<p>" + b"word " * 99)


def test_words_are_counted_in_time_that_grows_with_the_markup() -> None:
    began = time.process_time()
    for unit in (b"<", b"<script>", b"<script ", b"</script>", b"<p", b"a<b "):
        count_words(unit * (2_000_000 // len(unit)), 10**9)
    assert time.process_time() - began < 10


def test_without_a_browser_the_reason_is_said_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(SettingsError, match="there is no /nowhere"):
        RenderSettings(enabled=True, browser="/nowhere").require_browser()
    monkeypatch.setattr("crawlers.render_config.find_spec", lambda name: None)
    with pytest.raises(SettingsError, match="needs the extra `render`"):
        RenderSettings(enabled=True).require_browser()
    RenderSettings().require_browser()


@needs_chromium
def test_what_scripts_make_is_read_in_place_of_an_empty_page(web: WebServer, tmp_path: Path) -> None:
    articles = b'[{"title": "Bridge", "text": "Over the river.", "picture": "/bridge.png", "more": "/app"}]'
    web.routes |= {
        "/": Reply(b"<div id=root></div><script src=/tree.js></script>"),
        "/tree.js": Reply(TREE, SCRIPT), "/articles.json": Reply(articles, "application/json"),
        "/app": Reply(b"<div id=app><template><h1>{{title}}</h1>{{lines}}</template></div><script src=/t.js></script>"),
        "/t.js": Reply(TEMPLATE, SCRIPT), "/bridge.png": image(),
    }  # fmt: skip
    outcome = crawl(tmp_path, rendering(web), "http://a.example/", limit_s=60)
    assert outcome.status.visits == {"page": 2, "image": 1}
    pages = pages_of(tmp_path)
    assert b"<p>Over the river.</p>" in pages["http://a.example/"]
    assert b"<p>Another line.</p>" in pages["http://a.example/app"]
    assert web.paths().count("/tree.js") == 1
    raw = crawl(tmp_path / "raw", config(web), "http://a.example/")
    assert raw.status.visits == {"page": 1}
    assert b"river" not in b"".join(pages_of(tmp_path / "raw").values())


@needs_chromium
def test_the_archive_holds_both_and_what_was_loaded(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {
        "/": Reply(b"<div id=root></div><script src=/s.js></script>", headers=(("X-Robots-Tag", "noarchive"),)),
        "/s.js": Reply(b"root.innerHTML = '<p>made</p>'", SCRIPT),
    }  # fmt: skip
    crawl(tmp_path, rendering(web), "http://a.example/", limit_s=60)
    records = {}
    with next((tmp_path / "warc").glob("*.warc.gz")).open("rb") as file:
        for record in ArchiveIterator(file, record_types=WarcRecordType.any_type, parse_http=False):
            records[dict(record.headers)["WARC-Type"], record.headers.get("WARC-Target-URI")] = dict(record.headers)
    raw = records["response", "http://a.example/"]
    made = records["conversion", "http://a.example/"]
    assert ("response", "http://a.example/s.js") in records
    assert made["WARC-Refers-To"] == raw["WARC-Record-ID"]
    tally = Tally()
    with next((tmp_path / "warc").glob("*.warc.gz")).open("rb") as file:
        captures = [c for c in read_captures(file, "x", 1 << 20, WarcSettings(), tally) if c.url == "http://a.example/"]
    assert [capture.headers["x-robots-tag"] for capture in captures] == ["noarchive"]
    assert b"<p>made</p>" in captures[0].body
    assert captures[0].charset.lower() == "utf-8"


def kinds_of(folder: Path, url: str) -> list[str]:
    """The types of the records of an address, in their order."""
    found = []
    for path in sorted((folder / "warc").glob("*.warc.gz")):
        with path.open("rb") as file:
            records = ArchiveIterator(file, record_types=WarcRecordType.any_type, parse_http=False)
            headers = [dict(record.headers) for record in records]
            found += [fields["WARC-Type"] for fields in headers if fields.get("WARC-Target-URI") == url]
    return [kind for kind in found if kind != "request"]


@needs_chromium
def test_a_rendered_page_is_referred_to_while_its_scripts_make_the_same_of_it(web: WebServer, tmp_path: Path) -> None:
    """The markup that is sent is the same every week, whatever the scripts make of it."""
    data = {"articles": b'[{"title": "Bridge", "text": "Over the river.", "picture": "/b.png", "more": "/more"}]'}
    web.routes |= {
        "/": Reply(b"<div id=root></div><script src=/tree.js></script>", headers=(("ETag", '"shell"'),)),
        "/tree.js": Reply(TREE, SCRIPT), "/b.png": image(), "/more": Reply(b"<p>" + b"more " * 99),
        "/articles.json": lambda _: Reply(data["articles"], "application/json"),
    }  # fmt: skip
    weeks = [tmp_path / f"week{number}" for number in range(4)]
    for number, week in enumerate(weeks):
        if number:
            make_earlier(week / EARLIER, [str(weeks[number - 1])])
        if number == 3:
            data["articles"] = data["articles"].replace(b"Over", b"Under")
        web.log.clear()
        outcome = crawl(week, rendering(web), "http://a.example/", limit_s=60)
        assert {"/", "/more", "/b.png"} <= set(web.paths())  # links and images of what scripts make are followed
        assert outcome.status.visits == {"page": 2, "image": 1}
        assert outcome.status.unchanged.get("page", 0) == (0, 2, 2, 1)[number]
    seed = "http://a.example/"
    assert kinds_of(weeks[0], seed) == ["response", "conversion"]
    assert kinds_of(weeks[1], seed) == kinds_of(weeks[2], seed) == ["revisit"]
    assert kinds_of(weeks[3], seed) == ["response", "conversion"]
    assert b"Under the river." in pages_of(weeks[3])[seed]
    assert seed not in pages_of(weeks[2])


@needs_chromium
def test_markup_that_a_page_loads_is_no_page_of_its_own(web: WebServer, tmp_path: Path) -> None:
    call = b"fetch('/part.html').then(answer => answer.text()).then(text => { root.innerHTML = text; });"
    web.routes |= {
        "/": Reply(b"<div id=root></div><script>" + call + b"</script>"),
        "/part.html": Reply(b"<p>part</p>"),
    }
    crawl(tmp_path / "alone", rendering(web), "http://a.example/", limit_s=60)
    assert list(pages_of(tmp_path / "alone")) == ["http://a.example/"]
    crawl(tmp_path / "both", rendering(web, max_words=0), "http://a.example/", "http://a.example/part.html", limit_s=60)
    assert set(pages_of(tmp_path / "both")) == {"http://a.example/", "http://a.example/part.html"}


@needs_chromium
def test_images_that_load_as_they_come_into_view_are_asked_for(web: WebServer, tmp_path: Path) -> None:
    web.routes |= {"/": Reply(GALLERY)} | {
        f"/photo-{n}.jpg": image(f"\x89PNG\r\n\x1a\n{n}".encode("latin-1")) for n in range(12)
    }
    assert crawl(tmp_path, rendering(web), "http://a.example/", limit_s=60).status.visits == {"page": 1, "image": 12}


@needs_chromium
def test_what_a_page_loads_is_subject_to_robots_and_the_list(web: WebServer, tmp_path: Path) -> None:
    calls = b"".join(b"<script src=http://%b></script>" % at for at in (
        b"b.example/no/a.js", b"c.example/a.js", b"127.0.0.1/a.js", b"169.254.169.254/a.js", b"a.example/yes.js",
    ))  # fmt: skip
    web.routes |= {
        "a.example/": Reply(b"<p>x</p>" + calls), "a.example/yes.js": Reply(b"document.body.append('yes')", SCRIPT),
        "b.example/robots.txt": Reply(b"User-agent: *\nDisallow: /no/", "text/plain"),
    }  # fmt: skip
    crawl(tmp_path, rendering(web), "http://a.example/", deny=("c.example",), limit_s=60)
    assert set(web.paths()) == {"/", "/yes.js"}
    assert b"yes" in pages_of(tmp_path)["http://a.example/"].rpartition(b"</script>")[2]


@needs_chromium
def test_a_host_of_scripts_that_asks_for_peace_gets_it(web: WebServer, tmp_path: Path) -> None:
    busy = Reply(b"no", "text/plain", status=429, headers=(("Retry-After", "60"),))
    calls = b"".join(b"<script async src=http://b.example/%d.js></script>" % number for number in range(4))
    web.routes |= {"a.example/": Reply(b"<p>x</p>" + calls), **{f"b.example/{number}.js": busy for number in range(4)}}
    outcome = crawl(tmp_path, rendering(web, timeout_s=15.0), "http://a.example/", limit_s=60)
    assert outcome.status.visits == {"page": 1}  # as it came
    assert len(web.paths("b.example")) == 1


@needs_chromium
def test_a_script_that_failed_for_one_page_is_asked_for_by_the_next(web: WebServer, tmp_path: Path) -> None:
    answers = iter([Reply(b"no", "text/plain", status=503)])
    shared = b"<p>x</p><script src=http://b.example/s.js></script>"
    web.routes |= {
        "a.example/": Reply(shared + b"<a href=/next>on</a>"), "a.example/next": Reply(shared),
        "b.example/s.js": lambda _: next(answers, Reply(b"document.body.append('made')", SCRIPT)),
    }  # fmt: skip
    crawl(tmp_path, rendering(web), "http://a.example/", limit_s=60)
    assert b"made" in pages_of(tmp_path)["http://a.example/next"].rpartition(b"</script>")[2]


@needs_chromium
@pytest.mark.parametrize(
    "script",
    [
        "while (true) {}",
        "const all = []; while (true) all.push(new Array(1e6).fill('x' + all.length))",
        "for (let i = 0; i < 3e5; i++) document.body.insertAdjacentHTML('beforeend', '<p>' + 'x'.repeat(1000))",
        "onbeforeunload = () => 'stay'; onpagehide = () => { while (true) {} }; while (true) {}",
    ],
)
def test_a_page_without_end_costs_its_time_and_no_more(script: str) -> None:
    began = time.monotonic()
    rendered, _ = run(f"<body><script>{script}</script>".encode(), timeout_s=4.0, max_bytes=1 << 20)
    assert rendered.html == b""
    assert rendered.problem
    assert time.monotonic() - began < 40


@needs_chromium
def test_a_browser_that_starts_slowly_takes_nothing_of_the_time_of_a_page(tmp_path: Path) -> None:
    slow = tmp_path / "chromium"
    slow.write_text(f'#!/bin/sh\nsleep 6\nexec "{CHROMIUM}" "$@"\n')
    slow.chmod(0o755)
    rendered, _ = run(b"<p>x<script>document.body.append('made')</script>", browser=str(slow), timeout_s=6.0)
    assert b"made" in rendered.html.rpartition(b"</script>")[2]


MISBEHAVING = (
    "for (let i = 0; i < 20; i++) alert(i); setInterval(() => confirm('x'), 1)",
    "for (let i = 0; i < 10; i++) open('http://b.example/' + i)",
    "setTimeout(() => { location = 'http://b.example/' }, 10)",
    "location = 'file:///etc/passwd'",
    "const a = document.createElement('a'); a.href = '/x.zip'; a.download = 'x'; document.body.append(a);a.click()",
    "navigator.serviceWorker?.register('/worker.js')",
    "new WebSocket('ws://127.0.0.1:22/'); new RTCPeerConnection({iceServers: [{urls: 'stun:b.example'}]})",
    "fetch('/', {method: 'POST', body: 'x'}); navigator.sendBeacon('/beacon', 'x')",
    "Object.defineProperty(document.documentElement, 'outerHTML', {get: () => 'forged'})",
)


@pytest.fixture(scope="module")
def misbehaved() -> dict[str, tuple[Rendered, list[str]]]:
    """All in one browser, as a crawl has it."""
    pages = [f"<body><p>Kept.</p><script>{script}</script>".encode() for script in MISBEHAVING]
    return dict(zip(MISBEHAVING, run_all(pages), strict=True))


@needs_chromium
@pytest.mark.parametrize("script", MISBEHAVING)
def test_a_page_that_misbehaves_is_rendered_and_asks_nobody(
    misbehaved: dict[str, tuple[Rendered, list[str]]], script: str
) -> None:
    rendered, asked = misbehaved[script]
    assert b"<p>Kept.</p>" in rendered.html
    assert rendered.problem == ""
    assert asked == []


@needs_chromium
def test_files_and_private_addresses_are_not_read() -> None:
    def answer(url: str) -> bytes:
        raise Drop("blocked_address")

    places = ["file:///etc/passwd", "http://127.0.0.1:22/", "http://[::1]/", "http://169.254.169.254/latest/"]
    calls = "".join(f"fetch('{place}').then(() => document.body.append('GOT'));" for place in places)
    frames = "".join(f"<iframe src='{place}'></iframe><embed src='{place}'>" for place in places)
    rendered, asked = run(f"<body><p>x{frames}<script>{calls}</script>".encode(), answer)
    assert b"GOT" not in rendered.html.rpartition(b"</script>")[2]
    assert not any(url.startswith("file:") for url in asked)


@needs_chromium
def test_requests_and_bytes_have_a_limit() -> None:
    flood = b"<body><script>for (let i = 0; i < 200; i++) fetch('/data-' + i)</script>"
    assert len(run(flood, max_requests=10)[1]) == 10
    assert len(run(flood, lambda url: bytes(400_000), max_bytes=1_000_000)[1]) < 110


@needs_chromium
def test_a_page_that_goes_to_a_document_of_its_own_making_gives_nothing() -> None:
    blob = b"<p>x<script>location = URL.createObjectURL(new Blob(['<p>other'], {type: 'text/html'}))</script>"
    rendered, _ = run(blob)
    assert (rendered.html, rendered.problem) == (b"", "it went to another page")
