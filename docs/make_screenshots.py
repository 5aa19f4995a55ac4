"""Takes the pictures of README.md, docs/looking.md and docs/python.md: viewer, report and notebook, in Chromium.

python docs/make_screenshots.py [DATASET] [CHROMIUM]; make demo builds the first
"""

import io
import subprocess
import sys
import tempfile
from pathlib import Path

from PIL import Image
from playwright.sync_api import Page, sync_playwright

import weft
from jobs.cli import main as run
from jobs.dataset.index import Index
from schemas.storage import Store

SITE = "http://fieldnotes.example"
SIZE = {"width": 1200, "height": 800}
COLOURS = 160
WIDTH = 1000  # pixels of the stored pictures


def main(dataset: str = "demo-out/dataset", chromium: str = "/usr/bin/chromium") -> None:
    with Index(Store(dataset)) as index:
        key = index.ask("SELECT key FROM interleaved WHERE url LIKE '%coins%'").rows[0][0]
    command = [sys.executable, "-m", "jobs.cli", "view", dataset, "--port", "0"]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert server.stdout is not None
        address = next(word for word in server.stdout.readline().split() if word.startswith("http://"))
        with sync_playwright() as playwright, tempfile.TemporaryDirectory() as folder:
            browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
            page = browser.new_context(viewport=SIZE, device_scale_factor=1.5).new_page()  # type: ignore[arg-type]
            shoot(page, f"{address}browse/interleaved", "view-samples")
            shoot(page, f"{address}sample/interleaved/{key}/attention?tokens=1900&attends=previous", "view-attention")
            shoot(page, f"{address}source?url={SITE}/animals/portrait-of-a-cat.html", "view-source", 820)
            report = Path(folder) / "report.html"
            run(["report", dataset, "-o", str(report)])
            with weft.open(dataset) as opened:
                shown = f"{opened._repr_html_()}<br>{opened[1]._repr_html_()}"
            notebook = Path(folder) / "notebook.html"
            notebook.write_text(f"<meta charset=utf-8><body style='margin: 1.5rem'>{shown}", "utf-8")
            shoot(page, notebook.as_uri(), "notebook")
            dark = browser.new_context(viewport=SIZE, device_scale_factor=1.5, color_scheme="dark")  # type: ignore[arg-type]
            shoot(dark.new_page(), report.as_uri(), "report")
            browser.close()
    finally:
        server.terminate()
        server.wait()


def shoot(page: Page, url: str, name: str, scrolled: int = 0) -> None:
    """A small PNG of a page; `scrolled` is how far down the frame in it stands."""
    page.goto(url)
    page.wait_for_load_state("networkidle")
    if scrolled:
        page.frames[-1].evaluate(f"scrollTo(0, {scrolled})")
        page.evaluate("document.querySelector('.verdicts').scrollTop = 700")
        page.wait_for_timeout(300)
    picture = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
    picture = picture.resize((WIDTH, WIDTH * picture.height // picture.width), Image.Resampling.LANCZOS)
    picture.quantize(COLOURS).save(f"docs/{name}.png", optimize=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
