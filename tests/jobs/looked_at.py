"""A dataset of all three kinds for the tests of what people look with; some of its pages mean harm."""

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from html import escape
from pathlib import Path

import msgspec

from jobs.build import build
from jobs.config import BuildConfig
from jobs.engine.engine import EngineSettings
from jobs.view.app import open_context, serve
from pipeline.video.settings import ClipRules, ClipSettings
from tests.jobs.site import article, photo, prose, write_archive
from tests.pipeline.videos import make_video

SITE = "https://looked.example"
EVIL = "<script>window.pwned=1</script>"
EVIL_ALT = 'A bridge over the wide river"><img src=x onerror="window.pwned=1"><svg onload=\'window.pwned=1\'>'
EVIL_DRAWING = (
    b'<svg xmlns="http://www.w3.org/2000/svg" width="200" height="200" onload="window.pwned=1"><style>rect{fill:#2a6}'
    b'</style><script>window.pwned=1</script><rect width="200" height="200"/></svg>'
)
PAGES = 6
CONFIG = msgspec.structs.replace(
    BuildConfig(),
    kinds=("interleaved", "pairs", "clips"),
    partitions=2,
    buckets=2,
    clips=ClipSettings(rules=ClipRules(target_s=0)),
)


def build_looked_at(folder: Path) -> Path:
    """Six plain pages, one that means harm, one that is too short, one that shows a video."""
    html = "text/html; charset=utf-8"
    records = [
        (f"{SITE}/{n}.html", article(n, [f"/img/{n}a.jpg", f"/img/{n}b.jpg"]).encode(), html) for n in range(PAGES)
    ]
    records += [
        (f"{SITE}/img/{n}{side}.jpg", photo(2 * n + place), "image/jpeg")
        for n in range(PAGES)
        for place, side in enumerate("ab")
    ]
    evil = (
        f"<html><head><title>{escape(EVIL)}</title></head><body onload='window.pwned=1'><script>window.pwned=1</script>"
        f"<meta http-equiv=refresh content='0;url=https://evil.example/'><iframe src='https://evil.example/'></iframe>"
        f"<link rel=stylesheet href='https://evil.example/a.css'><nav>Menu <a href='javascript:pwned=1'>run</a></nav>"
        f"<article><h1>Harm</h1><p>{escape(EVIL)} {prose(77)}</p><img src='/img/evil.jpg' alt='{escape(EVIL_ALT)}'>"
        f"<p style='background:url(https://evil.example/b.png)'>{prose(78)}</p></article></body></html>"
    )
    short = b"<p>This page is in English but it is a little too short to be of use.</p><img src='/x.jpg'>"
    film = (
        f"<html><head><title>Bread</title></head><body><figure><video src='/v/bread.mp4'></video>"
        f"<figcaption>A baker folds the dough by hand and leaves it to rest {escape(EVIL)}</figcaption>"
        "</figure></body></html>"
    )
    records += [
        (f"{SITE}/evil.html", evil.encode(), html),
        (f"{SITE}/img/evil.jpg", photo(99), "image/jpeg"),
        (f"{SITE}/img/evil.svg", EVIL_DRAWING, "image/svg+xml; charset=utf-8"),
        (f"{SITE}/short.html", short, html),
        (f"{SITE}/film.html", film.encode(), html),
        (f"{SITE}/v/bread.mp4", make_video(scenes=(60,), size=(320, 240)), "video/mp4"),
    ]
    folder.mkdir(parents=True, exist_ok=True)
    archive = write_archive(folder / "looked.warc.gz", records)
    build(str(folder / "out"), [str(archive)], CONFIG, EngineSettings(engine="inline"))
    return folder / "out"


def archive_of(looked_at: Path) -> str:
    """What the dataset was made of."""
    return str(looked_at.parent / "looked.warc.gz")


@contextmanager
def viewer(
    url: str,
    *tokenizers: str,
    inputs: Sequence[str] = (),
    own_steps: bool = False,
    flags: str = "",
    review: int = 0,
    embeddings: str = "",
    compare: str = "",
) -> Iterator[str]:
    """`weft view` in a thread; the address without the last slash."""
    import asyncio

    context = open_context(url, list(tokenizers), inputs, own_steps, flags, embeddings, compare)
    if review:
        context.draw_review(review)
    loop, ready = asyncio.new_event_loop(), threading.Event()
    address: list[str] = []

    def told(where: str) -> None:
        address.append(where)
        ready.set()

    task = loop.create_task(serve(context, "127.0.0.1", 0, told))

    def work() -> None:
        try:
            loop.run_until_complete(task)
        except asyncio.CancelledError:
            pass
        finally:
            loop.run_until_complete(loop.shutdown_default_executor())
            loop.close()

    thread = threading.Thread(target=work)
    thread.start()
    try:
        assert ready.wait(30)
        yield address[0].rstrip("/")
    finally:
        loop.call_soon_threadsafe(task.cancel)
        thread.join(30)
