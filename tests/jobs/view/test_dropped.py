"""What was dropped, with pictures and texts; what is on a list of hashes is never shown."""

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import msgspec
import pytest

from jobs.build import build
from jobs.cli import main
from jobs.config import load_config
from schemas import hash_lists
from schemas.consent import ConsentSettings
from schemas.hash_lists import HashListSettings
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.looked_at import viewer
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import INLINE, SMALL
from tests.jobs.test_media_from_web import CDN, archive, settings
from tests.jobs.view.test_view import ask
from tests.pipeline.videos import make_video

SITE = "https://dropped.example"
LISTED = photo(50)


@pytest.fixture(scope="module")
def dropped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A page whose second picture is on a list, which another page shows at another address; twelve short pages."""
    folder = tmp_path_factory.mktemp("dropped")
    (folder / "list.txt").write_text(hashlib.sha256(LISTED).hexdigest())
    records = [
        (f"{SITE}/good.html", article(1, ["/good.jpg", "/listed.jpg", "/gone.jpg"]).encode(), "text/html"),
        (f"{SITE}/good.jpg", photo(1), "image/jpeg"),
        (f"{SITE}/listed.jpg", LISTED, "image/jpeg"),
        (f"{SITE}/elsewhere.jpg", LISTED, "image/jpeg"),
        (f"{SITE}/broken.html", article(2, ["/good2.jpg", "/broken.jpg"]).encode(), "text/html"),
        (f"{SITE}/good2.jpg", photo(2), "image/jpeg"),
        (f"{SITE}/broken.jpg", photo(3)[:-2000], "image/jpeg"),
    ]
    short = "<title>Short {0}</title><p>Page {0} is in English but a little too short.</p><img src='/good.jpg'>"
    records += [(f"{SITE}/short{n}.html", short.format(n).encode(), "text/html") for n in range(12)]
    write_archive(folder / "site.warc.gz", records)
    rules = ConsentSettings(hash_lists=HashListSettings(files=(str(folder / "list.txt"),)))
    config = msgspec.structs.replace(SMALL, consent=rules)
    build(str(folder / "out"), [str(folder / "site.warc.gz")], config, INLINE)
    return folder


@pytest.fixture(scope="module")
def view(dropped: Path) -> Iterator[str]:
    with viewer(str(dropped / "out"), inputs=[str(dropped / "site.warc.gz")]) as address:
        yield address


def picture(view: str, name: str) -> tuple[int, bytes]:
    status, _, body = ask(f"{view}/dropped/picture?url={quote(f'{SITE}/{name}')}")
    return status, body


def test_each_reason_has_some_drawn_at_random_and_a_chosen_one_more(view: str) -> None:
    body = ask(f"{view}/drops/look")[2].decode()
    assert "6 of 12" in body
    assert "the image does not decode" in body
    drawn = set(re.findall(r"short\d+\.html", body))
    assert set(re.findall(r"short\d+\.html", ask(f"{view}/drops/look")[2].decode())) == drawn
    others = [set(re.findall(r"short\d+\.html", ask(f"{view}/drops/look?draw={n}")[2].decode())) for n in range(1, 5)]
    assert any(other != drawn for other in others)
    one = ask(f"{view}/drops/look?kind=page&reason=few_words")[2].decode()
    assert "12 of 12" in one
    assert "broken_image" not in one
    assert b"Nothing was dropped" in ask(f"{view}/drops/look?reason=spam")[2]


def test_pictures_are_drawn_small_and_texts_are_read(view: str) -> None:
    status, body = picture(view, "good.jpg")
    assert (status, body[:2]) == (200, b"\xff\xd8")
    text = ask(f"{view}/dropped/text?url={quote(f'{SITE}/short3.html')}")[2].decode()
    assert "<b>Short 3</b>" in text
    assert "Page 3 is in English" in text
    missing = ask(f"{view}/dropped/text?url={quote(f'{SITE}/nowhere.html')}")
    assert missing[0] == 200
    assert b"not in the archives" in missing[2]


def test_what_cannot_be_drawn_is_not_there(view: str) -> None:
    assert picture(view, "nowhere.jpg")[0] == 404
    assert picture(view, "short1.html")[0] == 404
    assert ask(f"{view}/dropped/picture")[0] == 404


def test_what_a_list_names_is_never_shown(view: str, dropped: Path) -> None:
    assert b"never shown" in ask(f"{view}/drops/look?reason=hash_listed")[2]
    assert b"/dropped/picture" not in ask(f"{view}/drops/look?reason=hash_listed")[2]
    for name in ("listed.jpg", "elsewhere.jpg"):  # the second was never looked at by the build
        assert picture(view, name)[0] == 404
        assert ask(f"{view}/captured/media?url={quote(f'{SITE}/{name}')}")[0] == 404
    assert ask(f"{view}/captured/media?url={quote(f'{SITE}/good.jpg')}")[0] == 200
    (dropped / "list.txt").rename(dropped / "elsewhere.txt")
    hash_lists._state.cache_clear()  # as in a process that has not read them
    hash_lists._read.cache_clear()
    try:
        with viewer(str(dropped / "out"), inputs=[str(dropped / "site.warc.gz")]) as without:
            status, body = picture(without, "good.jpg")
            assert (status, b"not at hand" in body) == (404, True)
    finally:
        (dropped / "elsewhere.txt").rename(dropped / "list.txt")


def test_without_archives_it_is_said_where_pictures_lie(dropped: Path) -> None:
    with viewer(str(dropped / "out")) as address:
        body = ask(f"{address}/drops/look")[2].decode()
    assert "--input" in body
    assert "/dropped/picture" not in body


def test_what_a_build_has_fetched_itself_needs_no_archive_to_be_named(tmp_path: Path) -> None:
    with WebServer() as web:
        web.routes[f"{CDN}/0.jpg"] = Reply(photo(1), "image/jpeg")
        web.routes[f"{CDN}/3.jpg"] = Reply(photo(2)[:-2000], "image/jpeg")
        pages = archive(tmp_path, pages=1, images=8)
        build(str(tmp_path / "out"), [str(pages)], load_config("default", settings(web, delay_s=0.0)), INLINE)
    with viewer(str(tmp_path / "out")) as address:
        body = ask(f"{address}/drops/look?kind=image")[2].decode()
        assert "broken_image" in body
        assert f"/dropped/picture?url=http%3A//{CDN}/3.jpg" in body
        assert ask(f"{address}/dropped/picture?url={quote(f'http://{CDN}/0.jpg')}")[0] == 200


def test_a_video_that_gave_no_clip_is_shown_by_its_frames(tmp_path: Path) -> None:
    film = (
        "<html><head><title>Bread</title></head><body><figure><video src='/v.mp4'></video><figcaption>A baker folds "
        "the dough by hand and leaves it to rest</figcaption></figure></body></html>"
    )
    records = [
        (f"{SITE}/film.html", film.encode(), "text/html"),
        (f"{SITE}/v.mp4", make_video(scenes=(20,), size=(160, 120)), "video/mp4"),
        (f"{SITE}/good.html", article(1, ["/good.jpg"]).encode(), "text/html"),
        (f"{SITE}/good.jpg", photo(1), "image/jpeg"),
    ]
    archive = str(write_archive(tmp_path / "film.warc.gz", records))
    config = msgspec.structs.replace(SMALL, kinds=("interleaved", "clips"))
    build(str(tmp_path / "out"), [archive], config, INLINE)
    with viewer(str(tmp_path / "out"), inputs=[archive]) as address:
        assert b"videos: too_short" in ask(f"{address}/drops/look")[2]
        status, _, body = ask(f"{address}/dropped/picture?url={quote(f'{SITE}/v.mp4')}")
        assert (status, body[:2]) == (200, b"\xff\xd8")
    assert main(["report", str(tmp_path / "out"), "--input", archive, "-o", str(tmp_path / "report.html")]) == 0
    dropped = (tmp_path / "report.html").read_text().partition('<section id="dropped">')[2]
    assert "data:image/jpeg;base64," in dropped.partition("<h3>videos</h3>")[2]
