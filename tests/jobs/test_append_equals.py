"""Archives added to a finished dataset: in what it equals a build of everything at once, and in what not."""

import random
from pathlib import Path

import msgspec
import pytest

from jobs.build import append, build
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.dataset.summary import shards_of
from schemas.dataset import read_dataset
from schemas.documents import Sample
from schemas.storage import Store
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.test_build import INLINE, drops

DUPLICATES = ("duplicate_url", "duplicate_text", "near_duplicate", "same_images")


class Page(msgspec.Struct, frozen=True):
    """A made page; `images` are numbers of photographs, the same ones being the same address."""

    url: str
    time: str
    paragraphs: tuple[str, ...]
    images: tuple[int, ...]
    is_illustrated: bool = True  # its images were captured

    @property
    def name(self) -> tuple[str, str]:
        return self.url, self.time


def write(path: Path, pages: list[Page]) -> str:
    """An archive of these pages, with their images."""
    records, dates = [], []
    for page in pages:
        shown = "".join(f"<img src='https://img.example/{number}.jpg'>" for number in page.images)
        text = "".join(f"<p>{text}</p>" for text in page.paragraphs)
        html = f"<html><head><title>T</title></head><body><article><h1>T</h1>{text}{shown}</article></body></html>"
        records.append((page.url, html.encode(), "text/html"))
        dates.append(page.time)
        captured = page.images if page.is_illustrated else ()
        records += [(f"https://img.example/{number}.jpg", photo(number), "image/jpeg") for number in captured]
        dates += [page.time] * len(captured)
    return str(write_archive(path, records, dates=dates))


def corpus(seed: int, count: int = 24) -> list[Page]:
    """Pages of which many repeat others: by address, by text, nearly, in chains, by their images, by a paragraph."""
    rng, pages = random.Random(seed), list[Page]()
    times = rng.sample(range(28 * 24), count)
    for number in range(count):
        url = f"https://d{rng.randrange(4)}.example/{rng.randrange(count)}"
        paragraphs = [prose(seed * 1000 + number * 10 + part, 6) for part in range(4)]
        images: tuple[int, ...] = (2 * number, 2 * number + 1)
        if pages and rng.random() < 0.6:
            other = rng.choice(pages)
            match rng.randrange(5):
                case 0:
                    url = other.url
                case 1:
                    paragraphs = list(other.paragraphs)
                case 2:  # near
                    paragraphs = [*other.paragraphs[:-1], other.paragraphs[-1].replace(" of ", f" {number} of ", 1)]
                case 3:
                    images = other.images
                case _:
                    url, paragraphs[0] = f"{other.url}/{number}", other.paragraphs[0]
        home = url.split("/")[2]
        if rng.random() < 0.35:  # stands on more pages of its domain than a paragraph may
            paragraphs.append(prose(len(home) + ord(home[1]), 6))
        if rng.random() < 0.25:  # is on more pages than an image may be
            images = (*images, 999)
        hour = times[number]
        time = f"2026-02-{1 + hour // 24:02d}T{hour % 24:02d}:00:00Z"
        shown = tuple(images) if rng.random() > 0.3 else (5000 + number,)
        pages.append(Page(url, time, tuple(paragraphs), shown, shown[0] < 5000))
    return pages


CONFIG = load_config("default", ["partitions=2", "buckets=3", "corpus.max_image_documents=3"])


def live(folder: Path) -> dict[tuple[str, str], Sample]:
    """The samples that readers have, by address and time of their page."""
    found = {}
    for _, shard in shards_of(Store(str(folder)), "interleaved"):
        rows = shard.index(["key", "offset", "size", "members"]).to_pylist()
        for members in shard.members(rows):
            sample = msgspec.json.decode(next(iter(members.values())), type=Sample)
            found[sample.url, sample.fetch_time] = sample
    return found


def says(sample: Sample) -> tuple[object, ...]:
    """What a sample holds, whatever it is called."""
    return sample.texts, sample.image_urls, sample.image_sha256, sample.title


def lost(folder: Path, reasons: tuple[str, ...]) -> list[dict[str, str]]:
    return [row for row in drops(folder) if row["kind"] == "page" and row["reason"] in reasons]


def named(detail: str) -> tuple[str, str]:
    """The page that one lost to, by its address and time."""
    url, _, time = detail.removeprefix("same as ").partition(" of ")
    return url, time


class Losses:
    """Who lost to whom in a build, as its drops tell: captures of an address to the newest, and that to others."""

    def __init__(self, folder: Path) -> None:
        rows = lost(folder, DUPLICATES)
        self._captures = {row["url"]: named(row["detail"]) for row in rows if row["reason"] == "duplicate_url"}
        self._others = {row["url"]: named(row["detail"]) for row in rows if row["reason"] != "duplicate_url"}

    def chain(self, name: tuple[str, str]) -> list[tuple[str, str]]:
        """A page, the one that it lost to, the one that this lost to, and so on."""
        found = [name]
        while len(found) < 6:
            newest = self._captures.get(found[-1][0], found[-1])
            following = newest if newest != found[-1] else self._others.get(found[-1][0])
            if following is None:
                return found
            found.append(following)
        raise AssertionError(found)

    def winner(self, name: tuple[str, str]) -> tuple[str, str]:
        return self.chain(name)[-1]


@pytest.mark.parametrize("seed", range(4))
def test_what_is_added_becomes_what_a_build_of_it_and_of_all_that_is_there_would_make(
    tmp_path: Path, seed: int
) -> None:
    """The rule of docs/corpus.md, on random corpora, split at random, in two appends."""
    pages, rng = corpus(seed), random.Random(seed)
    if seed % 2:
        pages.sort(key=lambda page: page.time)  # as crawls follow one another
    first, second = sorted(rng.sample(range(4, len(pages) - 2), 2))
    parts = [pages[:first], pages[first:second], pages[second:]]
    archives = [write(tmp_path / f"{number}.warc.gz", part) for number, part in enumerate(parts)]
    out = tmp_path / "out"
    build(str(out), archives[:1], CONFIG, INLINE)
    counted = spared = 0
    for number in (1, 2):
        before = live(out)
        append(str(out), archives[number : number + 1], CONFIG, INLINE)
        after = live(out)
        there = write(tmp_path / f"there-{number}.warc.gz", [page for page in pages if page.name in before])
        once = tmp_path / f"once-{number}"
        build(str(once), [there, archives[number]], CONFIG, INLINE)
        expected = live(once)
        counted += sum(row["reason"] in ("boilerplate", "frequent_image") for row in drops(once))
        new = {name: says(sample) for name, sample in after.items() if name not in before}
        assert new == {name: says(sample) for name, sample in expected.items() if name not in before}
        losses = Losses(once)
        for name, sample in before.items():
            if name in after:
                assert says(after[name]) == says(sample)  # what is published stays as it is
                assert losses.winner(name) == name or losses.winner(name) not in expected
                spared += losses.winner(name) != name
            else:
                assert name not in expected
                assert losses.winner(name) in expected
    assert counted + spared or seed == 1  # so that both are seen
    assert list(problems(Store(str(out)))) == []
    assert read_dataset(Store(str(out))).kinds["interleaved"].samples == len(live(out))


@pytest.mark.parametrize("seed", range(3))
def test_it_differs_from_a_build_of_everything_at_once_only_by_what_an_earlier_build_dropped(
    tmp_path: Path, seed: int
) -> None:
    """Without near-duplicates each duplicate names the page that it lost to."""
    config = load_config("default", ["partitions=2", "buckets=2", "near_duplicates=false", "corpus.min_image_set=null"])
    pages = corpus(seed + 50)
    middle = random.Random(seed).randrange(6, len(pages) - 4)
    archives = [write(tmp_path / f"{n}.warc.gz", part) for n, part in enumerate((pages[:middle], pages[middle:]))]
    build(str(tmp_path / "once"), archives, config, INLINE)
    build(str(tmp_path / "out"), archives[:1], config, INLINE)
    dropped = {(row["url"]) for row in lost(tmp_path / "out", DUPLICATES)}
    append(str(tmp_path / "out"), archives[1:], config, INLINE)
    once, grown = live(tmp_path / "once"), live(tmp_path / "out")
    assert {url for url, _ in once.keys() - grown.keys()} <= dropped
    losses = Losses(tmp_path / "once")
    for name in grown.keys() - once.keys():
        chain = losses.chain(name)
        assert chain[-1] not in once or any(url in dropped for url, _ in chain)


def test_a_page_stays_where_what_it_lost_to_became_no_sample(tmp_path: Path) -> None:
    """By whichever way: its newer capture has no image, or lost by its text to a page that has none."""
    text, other = tuple(prose(n, 6) for n in range(4)), tuple(prose(n, 6) for n in range(10, 14))
    old = [Page("https://a.example/1", "2026-01-01T00:00:00Z", text, (1, 2)),
           Page("https://b.example/2", "2026-01-01T00:00:00Z", other, (3, 4))]  # fmt: skip
    new = [Page("https://a.example/1", "2026-02-01T00:00:00Z", tuple(reversed(text)), (5001,), False),
           Page("https://b.example/2", "2026-02-01T00:00:00Z", text, (5, 6)),
           Page("https://c.example/3", "2026-03-01T00:00:00Z", text, (5002,), False)]  # fmt: skip
    archives = [write(tmp_path / f"{n}.warc.gz", pages) for n, pages in enumerate((old, new))]
    build(str(tmp_path / "out"), archives[:1], CONFIG, INLINE)
    dataset = append(str(tmp_path / "out"), archives[1:], CONFIG, INLINE)
    assert live(tmp_path / "out").keys() == {page.name for page in old}
    assert dataset.builds[1].superseded["interleaved"].samples == 0
    assert list(problems(Store(str(tmp_path / "out")))) == []
