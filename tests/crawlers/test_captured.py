import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from crawlers.archive_index import Archives
from crawlers.captured import CapturedMedia, Location
from crawlers.warc import read_captures
from crawlers.warc_records import WarcSettings
from schemas.drops import Drop, Tally
from schemas.urls import media_key
from tests.crawlers.conftest import Site
from tests.crawlers.warcs import (
    Record,
    arc_bytes,
    chunked,
    damaged,
    record_bytes,
    response,
    warc_bytes,
    write_warc,
    zst_bytes,
)

CAP = 1 << 20


def image(number: int, **headers: str) -> Record:
    data = b"\xff\xd8\xff" + b"%d " % number * 500
    return response(f"https://example.org/{number}.jpg", data, headers=headers, content_type="image/jpeg")


def located(archives: Sequence[str]) -> dict[bytes, Location]:
    """What the build's index holds: every capture of the archives, by its address."""
    locations = {}
    for number, url in enumerate(archives):
        with fsspec.open(url, "rb") as file:
            data = file.read()
        for capture in read_captures(io.BytesIO(data), url, len(data), WarcSettings(), Tally()):
            locations[media_key(capture.url)] = Location(number, capture.offset, capture.length)
    return locations


@pytest.fixture
def archives(tmp_path: Path) -> list[str]:
    paths = [str(tmp_path / name) for name in ("a.warc.gz", "b.warc")]
    write_warc(paths[0], [image(0), image(1, **{"X-Robots-Tag": "noai"})])
    write_warc(paths[1], [image(2), image(3)], gzip=False)
    return paths


def test_an_image_is_given_by_its_address_out_of_any_archive(archives: list[str]) -> None:
    with CapturedMedia(archives, located(archives), CAP) as media:
        for number in (3, 0, 2, 1):
            found = media.get(f"https://example.org/{number}.jpg")
            assert found.body == image(number).payload
            assert found.url == f"https://example.org/{number}.jpg"
        assert found.headers == {"content-type": "image/jpeg", "x-robots-tag": "noai"}


def test_http_and_https_are_one_address_and_fragments_none(archives: list[str]) -> None:
    with CapturedMedia(archives, located(archives), CAP) as media:
        assert media.get("http://example.org/0.jpg").body == image(0).payload
        assert media.get("https://example.org/0.jpg#x").body == image(0).payload


def test_encodings_are_undone(tmp_path: Path) -> None:
    body = image(0).payload
    headers = {"Transfer-Encoding": "chunked"}
    path = str(tmp_path / "a.warc.gz")
    write_warc(path, [response("https://a.org/0", chunked(body, 99), headers=headers, content_type="image/jpeg")])
    with CapturedMedia([path], located([path]), CAP) as media:
        assert media.get("https://a.org/0").body == body


def test_an_address_that_nobody_captured_is_not_captured(archives: list[str]) -> None:
    with CapturedMedia(archives, located(archives), CAP) as media, pytest.raises(Drop) as drop:
        media.get("https://example.org/9.jpg")
    assert drop.value.reason == "not_captured"


def test_a_capture_without_length_is_not_seekable(archives: list[str]) -> None:
    locations = {media_key("https://example.org/0.jpg"): Location(1, 0, 0)}
    with CapturedMedia(archives, locations, CAP) as media, pytest.raises(Drop) as drop:
        media.get("https://example.org/0.jpg")
    assert (drop.value.reason, drop.value.detail) == ("not_seekable", archives[1])


def test_a_damaged_capture_costs_only_itself(tmp_path: Path) -> None:
    members = [record_bytes(image(i)) for i in range(3)]
    path = tmp_path / "a.warc.gz"
    path.write_bytes(b"".join(members))
    locations = located([str(path)])
    members[1] = members[1][:20] + b"\xff" * 60 + members[1][80:]
    path.write_bytes(b"".join(members))
    with CapturedMedia([str(path)], locations, CAP) as media:
        with pytest.raises(Drop) as drop:
            media.get("https://example.org/1.jpg")
        assert drop.value.reason == "broken_record"
        assert media.get("https://example.org/2.jpg").body == image(2).payload


def test_a_body_over_the_cap_is_too_large(archives: list[str]) -> None:
    with CapturedMedia(archives, located(archives), 100) as media, pytest.raises(Drop) as drop:
        media.get("https://example.org/0.jpg")
    assert drop.value.reason == "too_large"


def test_an_archive_that_is_gone_is_an_os_error(archives: list[str]) -> None:
    locations = located(archives)
    Path(archives[0]).unlink()
    with CapturedMedia(archives, locations, CAP) as media, pytest.raises(FileNotFoundError):
        media.get("https://example.org/0.jpg")


@pytest.mark.parametrize("error", [TimeoutError("slow"), RuntimeError("client's own error")])
def test_an_archive_that_fails_is_an_os_error(
    archives: list[str], error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(self: Any) -> Any:
        raise error

    locations = located(archives)
    monkeypatch.setattr(fsspec.core.OpenFile, "open", fails)
    with (
        CapturedMedia(archives, locations, CAP) as media,
        pytest.raises(OSError, match=str(error)) as caught,
    ):
        media.get("https://example.org/0.jpg")
    assert error in (caught.value, caught.value.__cause__)


def test_an_image_is_read_by_range_from_a_server(site: Site) -> None:
    site.files["/a.warc.gz"] = warc_bytes([image(i) for i in range(3)])
    archives = [f"{site.url}/a.warc.gz"]
    with CapturedMedia(archives, located(archives), CAP) as media:
        assert media.get("https://example.org/1.jpg").body == image(1).payload


def test_an_image_is_read_from_an_object_store(memory: str) -> None:
    archives = [f"{memory}/a.warc.gz"]
    with fsspec.open(archives[0], "wb") as file:
        write_warc(file, [image(i) for i in range(3)])
    with CapturedMedia(archives, located(archives), CAP) as media:
        assert media.get("https://example.org/2.jpg").body == image(2).payload


def test_few_archives_stay_open_and_those_the_last_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archives = [str(tmp_path / f"{i}.warc.gz") for i in range(12)]
    for number, path in enumerate(archives):
        write_warc(path, [image(number)])
    locations = located(archives)
    opened: list[Any] = []
    open_file = fsspec.core.OpenFile.open

    def watched(self: Any) -> Any:
        opened.append(open_file(self))
        return opened[-1]

    monkeypatch.setattr(fsspec.core.OpenFile, "open", watched)
    with CapturedMedia(archives, locations, CAP) as media:
        for number in range(8):
            media.get(f"https://example.org/{number}.jpg")
        media.get("https://example.org/0.jpg")
        assert len(opened) == 8, "an open archive is used again"
        media.get("https://example.org/8.jpg")
        assert [file.closed for file in opened] == [False, True, *[False] * 7], "the one not used longest goes"
        for number in range(12):
            assert media.get(f"https://example.org/{number}.jpg").body == image(number).payload
            assert sum(not file.closed for file in opened) <= 8
    assert all(file.closed for file in opened)


def test_damage_made_by_the_helper_is_damage() -> None:
    """`damaged` is what other tests rely on: it keeps the size and breaks the member."""
    member = record_bytes(image(0))
    assert len(damaged(member)) == len(member)
    assert damaged(member) != member


@pytest.mark.parametrize("packed", [True, False])
def test_media_and_pages_of_a_zst_are_found_by_offset_with_its_dictionary(tmp_path: Path, packed: bool) -> None:
    html = response("https://example.org/p", "<!doctype html>" + "words " * 50)
    path = str(tmp_path / "a.warc.zst")
    samples = [record_bytes(image(number), gzip=False) for number in range(9)]
    parts = zst_bytes([image(0), html, image(1)], b"".join(samples), packed)
    Path(path).write_bytes(b"".join(parts))
    locations = located([path])
    assert [place.length for place in locations.values()] == [len(part) for part in parts[1:]]
    with CapturedMedia([path], locations, CAP) as media:
        for number in (1, 0):
            assert media.get(f"https://example.org/{number}.jpg").body == image(number).payload
    archives, place = Archives([path]), locations[media_key(html.url)]
    assert archives.page(html.url).html == html.payload
    assert archives.page(html.url, path, place.offset, place.length).html == html.payload
    assert archives.media(image(1).url).body == image(1).payload


@pytest.mark.parametrize("version", [1, 2])
@pytest.mark.parametrize("gz", [True, False])
def test_media_of_an_arc_are_found_by_offset(tmp_path: Path, version: int, gz: bool) -> None:
    path = str(tmp_path / "a.arc")
    Path(path).write_bytes(b"".join(arc_bytes([image(0), image(1)], gz, version)))
    with CapturedMedia([path], located([path]), CAP) as media:
        for number in (1, 0):
            assert media.get(f"https://example.org/{number}.jpg").body == image(number).payload


def test_of_an_archive_on_a_web_server_only_the_record_is_asked_for(archives: list[str], site: Site) -> None:
    padding = [image(number) for number in range(10, 2000)]
    write_warc(archives[0], [image(0), *padding, image(1)], gzip=False)
    site.files["/a.warc"] = Path(archives[0]).read_bytes()
    with CapturedMedia([f"{site.url}/a.warc"], located(archives[:1]), CAP) as media:
        for number in (1, 0, 500):
            assert media.get(f"https://example.org/{number}.jpg").body == image(number).payload
    assert sum(site.sent) < 20_000


class ObjectStore(MemoryFileSystem):
    """Objects in memory, asked as those of a network are."""

    protocol = "objects"
    async_impl = True
    cachable = False
    store: ClassVar[dict[str, Any]] = {}
    asked: ClassVar[list[list[tuple[str, int, int]]]] = []
    broken: ClassVar[set[str]] = set()

    @classmethod
    def _strip_protocol(cls, path: str) -> str:
        return str(super()._strip_protocol(path.replace("objects://", "memory://")))

    def cat_ranges(self, paths: list[str], starts: Any, ends: Any, **_: Any) -> list[Any]:  # type: ignore[override]
        self.asked.append(list(zip(paths, starts, ends, strict=True)))
        return [
            OSError("lost") if path in self.broken else self.cat_file(path, start, end)
            for path, start, end in self.asked[-1]
        ]


@pytest.fixture
def objects(archives: list[str], monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The same archives in a store of objects."""
    fsspec.register_implementation("objects", ObjectStore, clobber=True)
    monkeypatch.setattr(ObjectStore, "asked", [])
    monkeypatch.setattr(ObjectStore, "broken", set())
    for path in archives:
        ObjectStore().pipe_file(f"/{Path(path).name}", Path(path).read_bytes())
    return [f"objects://{Path(path).name}" for path in archives]


def asked_of(numbers: list[int]) -> list[list[str]]:
    return [[f"https://example.org/{number}.jpg"] for number in numbers]


def test_what_pages_need_of_a_store_of_objects_is_asked_for_at_once_in_its_order(
    archives: list[str], objects: list[str]
) -> None:
    pages = [[3, 0], [2], [9, 1], []]
    with CapturedMedia(objects, located(archives), CAP) as media:
        seen = []
        for page in media.prefetch(iter(pages), asked_of):
            found = [media.get(f"https://example.org/{number}.jpg").body for number in page if number < 4]
            assert found == [image(number).payload for number in page if number < 4]
            seen.append(page)
    assert seen == pages
    (ranges,) = ObjectStore.asked
    assert ranges == sorted(ranges)
    assert len(ranges) == 4


def test_no_more_is_held_than_is_said(archives: list[str], objects: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crawlers.captured._BYTES_AHEAD", 100)
    with CapturedMedia(objects, located(archives), CAP) as media:
        assert list(media.prefetch(iter([[0], [1], [2]]), asked_of)) == [[0], [1], [2]]
    assert [len(ranges) for ranges in ObjectStore.asked] == [1, 1, 1]


def test_a_range_that_failed_ahead_of_time_is_asked_for_again_when_it_is_needed(
    archives: list[str], objects: list[str]
) -> None:
    ObjectStore.broken.add(ObjectStore._strip_protocol(objects[0]))
    with CapturedMedia(objects, located(archives), CAP) as media:
        for _ in media.prefetch(iter([[0], [2]]), asked_of):
            pass
        assert media.get("https://example.org/0.jpg").body == image(0).payload
        ObjectStore().rm_file(ObjectStore._strip_protocol(objects[0]))
        with pytest.raises(FileNotFoundError):
            media.get("https://example.org/0.jpg")
