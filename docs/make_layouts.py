"""Draws the pictures of docs/layouts.md: pages as a browser shows them, beside what weft keeps of them.

python docs/make_layouts.py [CHROMIUM]

The pages are those of tests/pipeline/pages. They name images that do not exist: grey boxes with their file names stand
in for them.
"""

import html
import io
import subprocess
import sys
import tempfile
from pathlib import Path
from urllib.parse import quote

from bs4 import BeautifulSoup, Tag
from PIL import Image

from pipeline.page.explain import Explanation, ImageItem, Item, TextItem, explain_page
from schemas.documents import Page

PAGES = Path("tests/pipeline/pages")
NAMES = ("news-css-modules", "recipe-plugin", "japanese-blog")
WIDTH, HEIGHT = 760, 1500  # of each half, CSS pixels
_STYLE = "body{font:15px/1.5 Georgia,serif;margin:24px} img{max-width:100%} pre{background:#f3f4f6;padding:8px}"


def main(chromium: str = "chromium") -> None:
    for name in NAMES:
        source = (PAGES / name / "source.html").read_bytes()
        kept = explain_page(Page(uid=0, url="https://site.example/", html=source))
        halves = [shoot(chromium, whole(source)), shoot(chromium, kept_page(kept))]
        picture = Image.new("RGB", (2 * WIDTH + 20, HEIGHT), "#8a8f98")
        for number, half in enumerate(halves):
            picture.paste(half, (number * (WIDTH + 20), 0))
        picture = picture.resize((picture.width // 2, picture.height // 2), Image.Resampling.LANCZOS)
        picture.quantize(128).save(f"docs/layout-{name}.png", optimize=True)


def shoot(chromium: str, page: str) -> Image.Image:
    """A page as Chromium draws it, without network."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "page.html"
        path.write_text(page, "utf-8")
        command = [chromium, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--hide-scrollbars"]
        command += ["--disable-background-networking", "--proxy-server=127.0.0.1:9", f"--window-size={WIDTH},{HEIGHT}"]
        subprocess.run(
            [*command, f"--screenshot={folder}/shot.png", path.as_uri()], check=True, capture_output=True, timeout=60
        )
        return Image.open(io.BytesIO((Path(folder) / "shot.png").read_bytes())).convert("RGB")


def whole(source: bytes) -> str:
    """The page with boxes for images, and without what needs a network."""
    soup = BeautifulSoup(source, "html.parser")
    for node in soup(["script", "noscript", "iframe", "source"]):
        node.decompose()
    for image in soup("img"):
        if isinstance(image, Tag):
            size = [str(image.get(side) or "") for side in ("width", "height")]
            name = str(image.get("data-src") or image.get("src") or "").rsplit("/", 1)[-1]
            image.attrs = {"src": box(name, *size), "style": "max-width:100%"}
    style = soup.new_tag("style")
    style.string = _STYLE
    (soup.head or soup).insert(0, style)
    return str(soup)


def box(name: str, width: str = "", height: str = "") -> str:
    """The address of a grey picture that bears a file name."""
    wide, high = (int(side) if side.isdigit() else default for side, default in ((width, 480), (height, 240)))
    label = html.escape(name[:60]) if wide > 100 else ""
    drawn = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{wide}" height="{high}"><rect width="100%" height="100%" '
        f'fill="#b9c7d6"/><text x="8" y="22" font-family="sans-serif" font-size="14">{label}</text></svg>'
    )
    return f"data:image/svg+xml,{quote(drawn)}"


def kept_page(kept: Explanation) -> str:
    parts = [drawn(item) for item in kept.items if item.kept]
    return f"<meta charset=utf-8><style>{_STYLE}</style>{''.join(parts)}"


def drawn(item: Item) -> str:
    if isinstance(item, TextItem):
        text = html.escape(f"{'' if item.role == 'heading' else item.mark}{item.text}")
        if item.role == "heading":
            level = item.mark.count("#")
            return f"<h{level}>{text}</h{level}>"
        tag = {"code": "pre", "quote": "blockquote", "caption": "small"}.get(item.role, "p")
        return f"<{tag}>{text}</{tag}>"
    name = item.url.rsplit("/", 1)[-1]
    if isinstance(item, ImageItem):
        return f'<p><img src="{box(name)}"></p>'
    return f"<p>[video {html.escape(item.url)}]</p>"


if __name__ == "__main__":
    main(*sys.argv[1:])
