"""Two builds compared by address."""

import shutil
from pathlib import Path

import fsspec
import msgspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem

from jobs.build import append, build
from jobs.dataset.compare import UNSEEN, compare
from jobs.dataset.index import Index
from schemas.storage import Store
from tests.jobs.site import article, photo, prose, write_archive
from tests.jobs.test_append import small_site
from tests.jobs.test_build import INLINE, SMALL

SITE = "https://compared.example"
SHORT = "<title>Short</title><p>This page is in English but too short.</p><img src='/2.jpg'>"
BOTH = msgspec.structs.replace(SMALL, kinds=("interleaved", "pairs"))


def archive(path: Path, pages: dict[int, str]) -> str:
    """Pages by number, which show the pictures of twelve."""
    records = [(f"{SITE}/{number}.html", page.encode(), "text/html") for number, page in pages.items()]
    records += [(f"{SITE}/{number}.jpg", photo(number), "image/jpeg") for number in range(12)]
    return str(write_archive(path, records))


def plain(number: int) -> str:
    return article(number, [f"/{number}.jpg"])


@pytest.fixture(scope="module")
def builds(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """In `old` pages 0 to 3; in `new` 0 as it was, 1 longer and with two pictures, 2 too short, and 4, which was too
    short in `old`."""
    folder = tmp_path_factory.mktemp("compared")
    old = {**{number: plain(number) for number in range(4)}, 4: SHORT}
    longer = article(1, ["/1.jpg", "/11.jpg"]).replace("</article>", f"<p>{prose(7)}</p></article>")
    new = {0: plain(0), 1: longer, 2: SHORT, 4: plain(4)}
    for name, pages in (("old", old), ("new", new)):
        build(str(folder / name), [archive(folder / f"{name}.warc.gz", pages)], BOTH, INLINE)
    return folder


def states(index: Index, table: str) -> dict[tuple[str, str], set[str]]:
    """The names of what is in each state for a reason."""
    found: dict[tuple[str, str], set[str]] = {}
    for state, reason, url in index.ask(f"SELECT state, reason, url FROM {table}").rows:
        found.setdefault((state, reason), set()).add(str(url).rpartition("/")[2])
    return found


def test_what_was_gained_lost_and_changed_is_told_with_its_reason(builds: Path) -> None:
    with Index(Store(str(builds / "new")), other=Store(str(builds / "old"))) as index:
        pages, pairs = compare(index)
        assert pages.counts == {"gained": 1, "lost": 2, "changed": 1, "same": 1}
        assert states(index, pages.table) == {
            ("same", ""): {"0.html"},
            ("changed", ""): {"1.html"},
            ("lost", "few_words"): {"2.html"},
            ("lost", UNSEEN): {"3.html"},
            ("gained", "few_words"): {"4.html"},
        }
        changes = index.ask(
            f"SELECT changes, old_num_images, new_num_images FROM {pages.table} WHERE state = 'changed'"
        )
        assert changes.rows == [(["num_images", "num_chars", "num_words", "image_phashes"], 1, 2)]
        found = states(index, pairs.table)
        assert found == {
            ("same", ""): {"0.jpg", "1.jpg"},
            ("lost", "no_caption"): {"2.jpg"},
            ("lost", UNSEEN): {"3.jpg"},
            ("gained", "few_words"): {"4.jpg"},  # with its page
            ("gained", UNSEEN): {"11.jpg"},
        }
        assert pairs.counts == {"gained": 2, "lost": 2, "changed": 0, "same": 2}


def test_the_other_way_round_gained_and_lost_change_places(builds: Path) -> None:
    with Index(Store(str(builds / "old")), other=Store(str(builds / "new"))) as index:
        pages, _ = compare(index)
        assert pages.counts == {"gained": 2, "lost": 1, "changed": 1, "same": 1}


def test_what_was_replaced_by_a_later_build_does_not_count(tmp_path: Path) -> None:
    first = small_site(tmp_path, range(10), "2026-01-01T00:00:00Z", "1.warc.gz")
    second = small_site(tmp_path, range(6, 16), "2026-02-01T00:00:00Z", "2.warc.gz")
    build(str(tmp_path / "out"), [str(first)], SMALL, INLINE)
    shutil.copytree(tmp_path / "out", tmp_path / "before")
    append(str(tmp_path / "out"), [str(second)], SMALL, INLINE)
    for new, old, counts in (
        ("out", "before", {"gained": 6, "lost": 0, "changed": 0, "same": 10}),
        ("before", "out", {"gained": 0, "lost": 6, "changed": 0, "same": 10}),
    ):
        with Index(Store(str(tmp_path / new)), other=Store(str(tmp_path / old))) as index:
            assert compare(index)[0].counts == counts


def test_a_kind_that_one_has_not_is_all_gained_or_lost(builds: Path, looked_at: Path) -> None:
    for new, old, state in ((looked_at, builds / "old", "gained"), (builds / "old", looked_at, "lost")):
        with Index(Store(str(new)), other=Store(str(old))) as index:
            clips = next(one for one in compare(index) if one.kind == "clips")
            assert clips.counts == {"gained": 0, "lost": 0, "changed": 0, "same": 0, state: 1}


def test_on_a_store_both_are_read_once(builds: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    fs = fsspec.filesystem("memory")
    fs.put(str(builds / "old"), "/compared/old", recursive=True)
    opened: list[str] = []
    plain_open = MemoryFileSystem._open

    def counting(self: MemoryFileSystem, path: str, *arguments: object, **named: object) -> object:
        opened.append(path)
        return plain_open(self, path, *arguments, **named)

    try:
        with Index(Store(str(builds / "new")), other=Store("memory://compared/old")) as index:
            monkeypatch.setattr(MemoryFileSystem, "_open", counting)
            pages, _ = compare(index)
            assert pages.counts == {"gained": 1, "lost": 2, "changed": 1, "same": 1}
            most = len([name for name in fs.find("/compared/old") if name.endswith(".parquet")])
            assert len(opened) <= 6 * most
            opened.clear()
            assert len(index.ask(f"SELECT * FROM {pages.table}").rows) == 5
            assert opened == []
    finally:
        fs.rm("/compared", recursive=True)
