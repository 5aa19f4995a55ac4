"""What lists of hashes name is dropped before anything is stored."""

import asyncio
import hashlib
import io
from pathlib import Path

import msgspec
import numpy as np
import pdqhash
import pytest
from PIL import Image

from crawlers.crawl_config import CrawlConfig
from crawlers.items import Item
from crawlers.spider import Spider
from jobs.crawl.parse import Picture, refuse_picture
from pipeline.page.links import find_links
from schemas.consent import ConsentSettings
from schemas.drops import Drop
from schemas.hash_lists import HashListSettings, check_hash_lists, refuse_listed
from schemas.settings import SettingsError
from tests.crawlers.crawling import config, image
from tests.crawlers.servers import Reply, WebServer, page
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive
from tests.jobs.test_build import SMALL, built, drops


def pixels(data: bytes) -> np.ndarray:
    with Image.open(io.BytesIO(data)) as opened:
        return np.asarray(opened.convert("RGB"))


def look(data: bytes) -> str:
    return np.packbits(np.asarray(pdqhash.compute(pixels(data))[0], np.uint8)).tobytes().hex()


def lists(folder: Path, *hashes: str, pdq: tuple[str, ...] = ()) -> HashListSettings:
    (folder / "files.txt").write_text("".join(f"{one}\n" for one in hashes))
    (folder / "looks.txt").write_text("".join(f"{one}\n" for one in pdq))
    return HashListSettings((str(folder / "files.txt"),), (str(folder / "looks.txt"),) if pdq else ())


@pytest.mark.parametrize("kind", ["md5", "sha1", "sha256"])
@pytest.mark.parametrize("form", ["{}", "{},2024-01-01,x", " {} # comment", "{kind}:{}", '"{}";1'])
def test_bytes_are_known_by_each_hash(tmp_path: Path, kind: str, form: str) -> None:
    digest = hashlib.new(kind, b"bad").hexdigest()
    settings = lists(tmp_path, "# a list", "", form.format(digest.upper(), kind=kind))
    with pytest.raises(Drop) as caught:
        refuse_listed(b"bad", settings)
    assert (caught.value.reason, caught.value.detail) == ("hash_listed", f"{kind} in files.txt")
    refuse_listed(b"good", settings)


@pytest.mark.parametrize("line", ["not hex", "abcd", "g" * 64, "a" * 63])
def test_lists_are_read_and_what_is_none_is_said(tmp_path: Path, line: str) -> None:
    with pytest.raises(SettingsError, match=r"files\.txt"):
        check_hash_lists(lists(tmp_path, line))
    with pytest.raises(SettingsError, match="cannot read"):
        check_hash_lists(HashListSettings(("/nowhere.txt",)))
    with pytest.raises(SettingsError):
        check_hash_lists(lists(tmp_path, pdq=("abcd",)))


def test_a_copy_of_another_size_has_the_look(tmp_path: Path) -> None:
    settings = lists(tmp_path, pdq=(look(photo(1)), look(photo(7))))
    out = io.BytesIO()
    Image.fromarray(pixels(photo(1))).resize((200, 150)).save(out, "JPEG", quality=40)
    with pytest.raises(Drop) as caught:
        refuse_picture(Picture(out.getvalue(), settings))
    assert caught.value.detail == "pdq in looks.txt"
    refuse_picture(Picture(photo(2), settings))
    refuse_picture(Picture(b"no picture", settings))


def test_a_crawl_writes_nothing_of_what_is_listed(web: WebServer, tmp_path: Path) -> None:
    bad, copy, good = photo(1), photo(2), photo(3)
    text = b"<html><p>A page that a list names</p></html>"
    gone = b"an error page that a list names"
    settings = lists(
        tmp_path, hashlib.sha1(bad).hexdigest(), hashlib.md5(text).hexdigest(), hashlib.sha256(gone).hexdigest(),
        pdq=(look(copy),),
    )  # fmt: skip
    web.routes |= {
        "/": Reply(page("/named", "/gone", images=("/bad.jpg", "/copy.jpg", "/good.jpg"))), "/bad.jpg": image(bad),
        "/copy.jpg": image(copy), "/good.jpg": image(good), "/named": Reply(text), "/gone": Reply(gone, status=404),
    }  # fmt: skip
    wanted = config(web, consent=ConsentSettings(hash_lists=settings))
    refused = crawl_with_look(tmp_path / "crawl", wanted, settings)
    assert refused == {f"http://a.example/{name}": "hash_listed" for name in ("bad.jpg", "copy.jpg", "named", "gone")}
    written = b"".join(unpacked(path) for path in (tmp_path / "crawl").rglob("*") if path.is_file())
    for data in (bad, copy, text, gone):
        assert data not in written
        assert data[50:90] not in written or data[50:90] in good
    assert good in written


def crawl_with_look(folder: Path, settings: CrawlConfig, hash_lists: HashListSettings) -> dict[str, str]:
    """Addresses and reasons of what a crawl dropped."""

    async def run() -> dict[str, str]:
        def refuse(body: bytes) -> None:
            refuse_picture(Picture(body, hash_lists))

        async with Spider(folder, 0, settings, find_links, refuse_look=refuse) as spider:
            spider.offer([Item("http://a.example/", "page")])
            running = asyncio.create_task(spider.run())
            while not running.done() and not spider.status().is_idle:
                await asyncio.sleep(0.01)
            spider.stop()
            await running
            return {row.url: row.reason for row in spider.frontier.drops()}

    return asyncio.run(run())


def unpacked(path: Path) -> bytes:
    import gzip

    data = path.read_bytes()
    return data + (gzip.decompress(data) if path.name.endswith(".warc.gz") else b"")


def test_a_build_keeps_nothing_of_what_is_listed(tmp_path: Path) -> None:
    images = {name: photo(seed) for seed, name in enumerate(("good", "bad", "copy"))}
    settings = lists(tmp_path, hashlib.md5(images["bad"]).hexdigest(), pdq=(look(images["copy"]),))
    records = [("https://a.example/", article(1, [f"/{name}.jpg" for name in images]).encode(), "text/html")]
    records += [(f"https://a.example/{name}.jpg", data, "image/jpeg") for name, data in images.items()]
    made = write_archive(tmp_path / "a.warc.gz", records)
    consent = ConsentSettings(hash_lists=settings)
    built(tmp_path / "out", [made], msgspec.structs.replace(SMALL, consent=consent, keep_work=True))
    found = {row["url"].rpartition("/")[2]: row["detail"] for row in drops(tmp_path / "out") if row["kind"] == "image"}
    assert sorted(found) == ["bad.jpg", "copy.jpg"]
    assert found["bad.jpg"].startswith("md5 in files.txt")
    everything = b"".join(path.read_bytes() for path in (tmp_path / "out").rglob("*") if path.is_file())
    assert images["good"] in everything
    for name in ("bad", "copy"):
        assert images[name] not in everything
        assert hashlib.sha256(images[name]).hexdigest().encode() not in everything
    assert contents(tmp_path / "out")
