"""What rendering saves of pages that are empty without their scripts: python -m benchmarks.rendering --pages 10

A site of made pages of four kinds, ten of each: a tree that a script makes of data (as React does), a template that a
script fills in (as Vue does), a gallery whose images load as they come into view, and plain markup. Crawled without and
with rendering; prints, of each kind, how many pages have their text and how many images were found, and what it took.
"""

import argparse
import asyncio
import json
import multiprocessing
import resource
import socket
import tempfile
import time
from pathlib import Path

from fastwarc.warc import ArchiveIterator, WarcRecordType

from crawlers.crawl_config import CrawlConfig
from crawlers.fetch_settings import FetchSettings
from crawlers.items import Item
from crawlers.pace_settings import PaceSettings
from crawlers.render_config import RenderSettings
from crawlers.spider import Spider
from pipeline.page.links import find_links

_KINDS = ("tree", "template", "gallery", "plain")
_IMAGES = 12
_PNG = b"\x89PNG\r\n\x1a\n"
_TREE = """const make = (tag, props, ...inner) => { const node = Object.assign(document.createElement(tag), props);
node.append(...inner); return node; };
fetch(location.pathname + ".json").then(answer => answer.json()).then(data => root.replaceChildren(
  ...data.lines.map(line => make("p", {}, line)), ...data.images.map(src => make("img", {src, width: 400}))));
"""
_TEMPLATE = """fetch(location.pathname + ".json").then(answer => answer.json()).then(data => { root.innerHTML =
  data.lines.map(line => `<p>${line}</p>`).join("") + data.images.map(src => `<img src="${src}">`).join("") });
"""
_GALLERY = """fetch(location.pathname + ".json").then(answer => answer.json()).then(data => {
  const watch = new IntersectionObserver(seen => seen.filter(one => one.isIntersecting)
    .forEach(({target}) => { target.src = data.images[target.dataset.n]; }));
  root.innerHTML = data.lines.map(line => `<p>${line}</p>`).join("");
  data.images.forEach((_, n) => { const img = document.createElement("img"); img.dataset.n = n; img.height = 700;
    root.append(img); watch.observe(img); });
});
"""
_SCRIPTS = {"tree": _TREE, "template": _TEMPLATE, "gallery": _GALLERY}


def answer_to(path: str, pages: int) -> tuple[str, bytes]:
    """Type and body of what lies at a path; ("", b"") for nothing."""
    if path == "/":
        return "text/html", b"".join(b"<a href=/%b/%d>x</a>" % (k.encode(), n) for k in _KINDS for n in range(pages))
    if path.endswith(".png"):
        return "image/png", _PNG + path.encode()
    kind, _, name = path.removeprefix("/").partition("/")
    if path.endswith(".js"):
        return "text/javascript", _SCRIPTS[name.removesuffix(".js")].encode()
    data = {
        "lines": [f"Sentence {n} of page {name.removesuffix('.json')} in {kind}." for n in range(20)],
        "images": [f"/{kind}/{name.removesuffix('.json')}-{n}.png" for n in range(_IMAGES)],
    }
    if name.endswith(".json"):
        return "application/json", json.dumps(data).encode()
    if kind == "plain":
        inner = "".join(f"<p>{line}</p>" for line in data["lines"]) + "".join(f"<img src={s}>" for s in data["images"])
        return "text/html", inner.encode()
    return (
        ("text/html", f"<div id=root></div><script src=/js/{kind}.js></script>".encode())
        if name.isdigit()
        else ("", b"")
    )


def serve(listener: socket.socket, pages: int) -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1].decode()
                kind, body = ("", b"") if path.endswith(".txt") or "well-known" in path else answer_to(path, pages)
                status = "200 OK" if kind else "404 Not Found"
                writer.write(
                    f"HTTP/1.1 {status}\r\nContent-Type: {kind}\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
                )
        except (OSError, asyncio.IncompleteReadError):
            writer.close()

    async def run() -> None:
        await (await asyncio.start_server(answer, sock=listener)).serve_forever()

    asyncio.run(run())


async def crawl(port: int, folder: Path, is_rendered: bool) -> int:
    """Requests that it took."""
    config = CrawlConfig(
        partitions=1,
        pace=PaceSettings(delay_s=0.0, concurrency_per_host=8),
        fetch=FetchSettings(connect_to={"made.example": f"127.0.0.1:{port}"}),
        render=RenderSettings(enabled=is_rendered),
    )
    async with Spider(folder, 0, config, find_links) as spider:
        spider.offer([Item("http://made.example/", "page")])
        running = asyncio.create_task(spider.run())
        while not spider.status().is_idle and not running.done():
            await asyncio.sleep(0.1)
        spider.stop()
        await running
        return spider.status().requests


def found_in(folder: Path) -> dict[str, tuple[int, int]]:
    """Of each kind, pages with all their text, and images."""
    texts, images = dict.fromkeys(_KINDS, 0), dict.fromkeys(_KINDS, 0)
    for path in (folder / "warc").glob("*.warc.gz"):
        with path.open("rb") as file:
            for record in ArchiveIterator(file, record_types=WarcRecordType.response | WarcRecordType.conversion):
                name = (record.headers.get("WARC-Target-URI") or "").removeprefix("http://made.example/")
                kind, body = name.partition("/")[0], record.reader.read()
                if kind in _KINDS and name.endswith(".png"):
                    images[kind] += 1
                elif kind in _KINDS and not name.endswith(".json"):
                    texts[kind] += b"<p>Sentence 0" in body and b"<p>Sentence 19" in body
    return {kind: (texts[kind], images[kind]) for kind in _KINDS}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--pages", type=int, default=10)
    pages = parser.parse_args().pages
    listener = socket.create_server(("127.0.0.1", 0), backlog=1024)
    server = multiprocessing.get_context("fork").Process(target=serve, args=(listener, pages), daemon=True)
    server.start()
    try:
        for is_rendered in (False, True):
            with tempfile.TemporaryDirectory() as folder:
                began = time.monotonic()
                requests = asyncio.run(crawl(listener.getsockname()[1], Path(folder), is_rendered))
                found = found_in(Path(folder))
            parts = (f"{kind} {texts}/{pages}, {images}/{_IMAGES * pages}" for kind, (texts, images) in found.items())
            browser = resource.getrusage(resource.RUSAGE_CHILDREN)
            cost = f"{requests} requests, {time.monotonic() - began:.0f} s"
            cost += f", {browser.ru_utime + browser.ru_stime:.1f} CPU seconds of the browser" if is_rendered else ""
            print(f"{'rendered' if is_rendered else 'not rendered'}: {'; '.join(parts)}; {cost}")
    finally:
        server.terminate()


if __name__ == "__main__":
    main()
