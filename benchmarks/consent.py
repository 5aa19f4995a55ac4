"""What reading the signals of consent costs a page and an image, beside all that a build does with them alone.

    python -m benchmarks.consent [FOLDER of NAME/source.html]

In CPU seconds of one process; the pages are those of the tests unless a folder is named, with headers about use.
Images are JPEGs of 640 x 480 pixels: plain, with XMP of 40 properties, with C2PA manifests as the tests sign them.
"""

import io
import sys
import time
from collections.abc import Callable
from pathlib import Path

import msgspec
import numpy as np
from PIL import Image

from crawlers.captured import Media
from crawlers.captured_robots import CapturedRobots, RobotsCapture
from crawlers.pages import page_of
from jobs.config import BuildConfig
from jobs.phases.recipe import Recipe
from pipeline.c2pa import c2pa_signals
from pipeline.consent import honour_image_consent, refuse_opt_out
from pipeline.image.rights import read_rights
from pipeline.page.extract import consent_of
from pipeline.page.parsed import ParsedPage
from schemas.consent import ConsentSettings
from schemas.documents import Page
from schemas.drops import Drop
from schemas.response_signals import header_signals
from schemas.signals import said

PAGES = Path(__file__).parent.parent / "tests/pipeline/pages"
HEADERS = {
    "content-type": "text/html; charset=utf-8",
    "content-usage": "train-ai=y, search=y",
    "x-robots-tag": "index, follow",
    "tdm-reservation": "0",
    "link": '<https://a.example/rsl.xml>; rel="license"; type="application/rsl+xml"',
}
SITE = (said("content-signal", "/robots.txt", "search=yes", "unknown"),)
ROUNDS, IMAGES, PAGES_OF_ROBOTS = 5, 100, 20_000


def cpu_s(work: Callable[[], object], rounds: int = ROUNDS) -> float:
    """The least of some rounds, in seconds."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)


def measure_pages(folder: Path) -> tuple[float, float, int]:
    """CPU seconds of reading signals, of all that is done with a page (these included), and how many pages."""
    pages = [
        page_of(f"https://{path.parent.name}.example/", HEADERS, path.read_bytes(), site=SITE)
        for path in sorted(folder.glob("*/source.html"))
    ]
    recipe, settings = Recipe(BuildConfig()), BuildConfig()
    parsed = [(ParsedPage(page, settings.extract), page) for page in pages]

    def signals() -> None:
        for read, page in parsed:
            header_signals(HEADERS, page.url)
            refuse_opt_out(consent_of(read, page), settings.consent)

    def whole() -> None:
        for page in pages:
            _attempt(recipe.read, page)

    return cpu_s(signals), cpu_s(whole), len(pages)


def _attempt(step: Callable[[Page], object], page: Page) -> None:
    try:
        step(page)
    except Drop:
        pass


def measure_images(images: list[bytes]) -> tuple[float, float, int]:
    """The same of images; also of one that is refused all that a build would do with it is counted."""
    settings = ConsentSettings(honour=())
    step = Recipe(msgspec.structs.replace(BuildConfig(), consent=settings)).page_image()
    media = [Media("https://a.example/i.jpg", HEADERS | {"content-type": "image/jpeg"}, data, SITE) for data in images]

    def signals() -> None:
        for one in media:
            inside = read_rights(one.body)[0] + c2pa_signals(one.body)
            honour_image_consent(one.headers, settings, one.url, one.time, one.signals + inside)

    def whole() -> None:
        for one in media:
            step(one)

    return cpu_s(signals), cpu_s(whole), len(media)


def measure_robots() -> tuple[float, float, int]:
    """The same of pages that are judged by captures of robots.txt, of hosts with ten pages each; all that is done with
    such a page is taken to be what the mean page of the tests costs."""
    rules = "".join(f"User-agent: bot{number}\nDisallow: /{number}/\n\n" for number in range(20))
    rules += "User-agent: *\nDisallow: /private/\nContent-Usage: search=y\n"
    hosts = [f"https://h{number}.example" for number in range(PAGES_OF_ROBOTS // 10)]
    captures = [RobotsCapture(f"{host}/robots.txt", "2026-01-01T00:00:00Z", f"# {host}\n{rules}") for host in hosts]
    asked = [f"{host}/page/{number}" for host in hosts for number in range(10)]
    settings = BuildConfig().consent

    def judged() -> None:
        robots = CapturedRobots(captures)
        for url in asked:
            robots.judge(url, "2026-02-01T00:00:00Z", settings)

    _, whole, pages = measure_pages(PAGES)
    return cpu_s(judged, 2), whole / pages * len(asked), len(asked)


def pictures(**more: object) -> list[bytes]:
    """JPEGs of a photograph's size in bytes."""
    made = []
    for seed in range(IMAGES):
        small = np.random.default_rng(seed).integers(0, 255, (60, 80, 3), dtype=np.uint8)
        out = io.BytesIO()
        Image.fromarray(small).resize((640, 480), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90, **more)
        made.append(out.getvalue())
    return made


def main() -> None:
    from tests.pipeline.image.test_rights import packet
    from tests.pipeline.signed import signed

    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else PAGES
    _show("pages", *measure_pages(folder))
    plain = pictures()
    _show("plain images", *measure_images(plain))
    _show("images with XMP", *measure_images(pictures(xmp=packet('p:DataMining="DMI-ALLOWED"', "<a>text</a>" * 40))))
    for what, label, entries in (
        ("that says nothing of training", "", {}),
        ("that refuses it", "c2pa.training-mining", {"c2pa.ai_training": "notAllowed"}),
        ("that allows it", "c2pa.training-mining", {"c2pa.ai_training": "allowed"}),
    ):
        made = [signed(one, "image/jpeg", label, entries) for one in plain]
        _show(f"images with a C2PA manifest {what}", *measure_images(made))
    _show("pages by captured robots.txt", *measure_robots())


def _show(what: str, signals: float, whole: float, count: int) -> None:
    each, of_all = signals / count * 1e6, whole / count * 1e3
    print(f"{what}: signals {each:.0f} us each, {signals / whole:.1%} of {of_all:.2f} ms")


if __name__ == "__main__":
    main()
