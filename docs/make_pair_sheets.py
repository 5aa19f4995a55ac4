"""Draws contact sheets to judge pairs by: the stored image, its caption, and the page around it as a browser shows it.

python docs/make_pair_sheets.py DATASET OUT [COUNT] [SEED] [CHROMIUM]

The pairs are drawn at random. Pages and images come from the archives of the build, through a proxy that has nothing
else; both are held in memory, so this is for small crawls. The image of the pair is framed in red.
"""

import base64
import html
import io
import json
import random
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote, unquote

import fsspec

from crawlers.warc import read_captures, read_response
from crawlers.warc_records import WarcSettings, page_of_capture
from jobs.dataset.summary import shards_of
from jobs.phases.plan import read_plan
from pipeline.page.charset import utf8_html
from schemas.drops import Tally
from schemas.storage import Store

ROWS, ROW_PX, WIDTH_PX = 5, 330, 1500
#: In the page: frame the image that the fragment of the address names, and bring it into the middle.
_SCRIPT = """<script>addEventListener('load', () => {
  const wanted = decodeURIComponent(location.hash.slice(1));
  const named = image => [...image.attributes].some(attribute => ('/' + attribute.value).includes('/' + wanted));
  const image = wanted && [...document.images].find(named);
  if (!image) return;
  image.style.outline = '5px solid red';
  const top = image.getBoundingClientRect().top + Math.min(image.height, 300) / 2 + scrollY;
  document.body.style.marginTop = `${190 - top}px`;
})</script>"""
_STYLE = """body{margin:0;font:14px/1.35 sans-serif} .row{display:flex;height:324px;border-bottom:6px solid #444}
.own{width:420px;padding:6px;overflow:hidden} .own img{max-width:400px;max-height:170px;display:block;margin-bottom:4px}
.own b{font-size:15px} .own small{color:#555;display:block;word-break:break-all}
iframe{border:0;width:1200px;height:380px;transform:scale(.85);transform-origin:0 0}"""

Archive = dict[str, tuple[str, bytes]]  # address without scheme, to content type and body


def main(dataset: str, out: str, count: str = "20", seed: str = "0", chromium: str = "chromium") -> None:
    store = Store(dataset)
    archive = read_archives([source.url for source in read_plan(store).inputs])
    pairs = sample(store, int(count), int(seed))
    proxy = ThreadingHTTPServer(("127.0.0.1", 0), handler(archive))
    threading.Thread(target=proxy.serve_forever, daemon=True).start()
    Path(out).mkdir(parents=True, exist_ok=True)
    for start in range(0, len(pairs), ROWS):
        rows = [row(number, *pair) for number, pair in enumerate(pairs[start : start + ROWS], start + 1)]
        archive["sheet.invalid/"] = (
            "text/html",
            f"<meta charset=utf-8><style>{_STYLE}</style>{''.join(rows)}".encode(),
        )
        path = Path(out) / f"{start // ROWS:02d}.png"
        shoot(chromium, proxy.server_port, path)
        print(path)
    proxy.shutdown()


def read_archives(urls: list[str]) -> Archive:
    """What weft itself reads of them: pages, and images where each record can be found by its offset."""
    found: Archive = {}
    settings = WarcSettings()
    for url in urls:
        with fsspec.open(url, "rb") as file:
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            captures = list(read_captures(file, url, size, settings, Tally()))
            for capture in captures:
                if not capture.is_image:
                    html_text = utf8_html(page_of_capture(capture, 0, url, settings).html, capture.charset)
                    found.setdefault(bare(capture.url), ("text/html; charset=utf-8", html_text))
                elif capture.length and not capture.stored_in:
                    file.seek(capture.offset)
                    _, body, *_ = read_response(file.read(capture.length), capture.url, settings.max_image_bytes)
                    found.setdefault(bare(capture.url), ("image", body))
    return found


def sample(store: Store, count: int, seed: int) -> list[tuple[dict[str, Any], bytes]]:
    """Pairs at random, each once: the JSON and the image."""
    places = [(shard, row) for _, shard in shards_of(store, "pairs") for row in shard.index().to_pylist()]
    drawn = random.Random(seed).sample(places, min(count, len(places)))
    pairs = []
    for shard, row_of_index in drawn:
        members = next(iter(shard.members([row_of_index])))
        image, text, *_ = members.values()
        pairs.append((json.loads(text), image))
    return pairs


def row(number: int, pair: dict[str, Any], image: bytes) -> str:
    name = quote(unquote(pair["url"].rpartition("/")[2].partition("?")[0]), safe="")
    page = html.escape(pair["page_url"].replace("https://", "http://").partition("#")[0])
    sources = "".join(f"<small>{c['source']}: {html.escape(c['text'][:160])}</small>" for c in pair["captions"])
    data = base64.b64encode(image).decode()
    return (
        f"<div class=row><div class=own><img src='data:image/{pair['format']};base64,{data}'>"
        f"<b>{number}. {html.escape(pair['caption'])}</b> <i>{pair['caption_source']}</i>"
        f"<small>{pair['original_width']}x{pair['original_height']} {html.escape(pair['url'])}</small>{sources}</div>"
        f"<iframe src='{page}#{name}'></iframe></div>"
    )


def handler(archive: Archive) -> type[BaseHTTPRequestHandler]:
    class Proxy(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            kind, body = archive.get(bare(self.path), ("", b""))
            if kind.startswith("text/html"):
                body = body.replace(b"https://", b"http://") + _SCRIPT.encode()
            self.send_response(200 if kind else 404)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    return Proxy


def bare(url: str) -> str:
    return url.partition("://")[2].partition("#")[0]


def shoot(chromium: str, port: int, path: Path) -> None:
    command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
    command += ["--disable-background-networking", f"--proxy-server=127.0.0.1:{port}", "--virtual-time-budget=8000"]
    command += [f"--window-size={WIDTH_PX},{ROWS * ROW_PX}", f"--screenshot={path}", "http://sheet.invalid/"]
    subprocess.run(command, check=True, capture_output=True, timeout=120)


if __name__ == "__main__":
    main(*sys.argv[1:])
