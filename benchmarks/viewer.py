"""How long people wait for `weft inspect` and `weft view` on made-up datasets of so many samples.

python -m benchmarks.viewer [SAMPLES ...]; default 100,000
"""

import asyncio
import io
import itertools
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import msgspec
from aiohttp import web
from PIL import Image

from benchmarks.cpu import cpu_seconds
from jobs.config import BuildConfig
from jobs.dataset.compare import compare
from jobs.dataset.index import Index
from jobs.dataset.summary import summary
from jobs.dataset.text_index import build_text_index
from jobs.kinds.shards import Shards
from jobs.view.app import make_app, open_context
from jobs.view.library import texts_file
from schemas import __version__
from schemas.commits import Attempt
from schemas.dataset import DATASET, Dataset, totals, write_reader_files
from schemas.documents import Consent, Sample
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow, Tally
from schemas.kinds import INTERLEAVED
from schemas.shards import ShardInfo, ShardSettings
from schemas.storage import Store

_A_SHARD = 10_000
_ROUNDS = 7
_WORDS = "river mountain painter window garden letter morning engine harbour winter colour method story bridge".split()
#: As frequent as words of a language are (Zipf's law).
_VOCABULARY = [*_WORDS, *(f"word{number}" for number in range(50_000))]
_FREQUENCIES = list(itertools.accumulate(1 / rank for rank in range(1, len(_VOCABULARY) + 1)))
_LANGUAGES = ("en", "en", "en", "de", "fr", "ja")


def main(sizes: list[int]) -> None:
    for samples in sizes:
        with tempfile.TemporaryDirectory() as folder:
            started = time.perf_counter()
            make_dataset(Store(folder), samples)
            size = sum(path.stat().st_size for path in Path(folder).rglob("*.parquet"))
            print(f"{samples:,} samples, {size / 1e6:.0f} MB of index, made in {time.perf_counter() - started:.0f} s")
            measure(folder)
            peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
            print(f"  largest memory of this process, generator included: {peak:,.0f} MB", flush=True)


def make_dataset(store: Store, samples: int) -> None:
    """Interleaved samples with tiny pictures, a drop for each fifth."""
    picture = io.BytesIO()
    Image.new("RGB", (24, 16), "#0b6e75").save(picture, "JPEG")
    rng, infos = random.Random(0), list[ShardInfo]()
    for partition in range(-(-samples // _A_SHARD)):
        count = min(_A_SHARD, samples - partition * _A_SHARD)
        with Attempt(store, "publish", partition) as attempt:
            with DropFile(attempt, f"drops/publish-{partition:06d}.parquet") as drops:
                settings, tally = ShardSettings(max_bytes=1 << 40), Tally(drops.add)
                shards = Shards(attempt, INTERLEAVED, partition, settings, "0" * 16, tally)
                for number in range(count):
                    sample = _sample(shards.next_key, rng)
                    members = [(f"{sample.key}.json", msgspec.json.encode(sample))]
                    members += [(name, picture.getvalue()) for name in sample.images if name]
                    shards.add(sample.key, sample, members)
                    if number % 5 == 0:
                        tally.drop(DropRow(sample.url, "page", rng.choice(("few_words", "language")), "3 < 50"))
            infos += attempt.commit(Counts(), shards.finish()).shards
    write_reader_files(store, INTERLEAVED.name, infos)
    config = msgspec.to_builtins(BuildConfig(), str_keys=True)
    dataset = Dataset({INTERLEAVED.name: totals(infos)}, {}, {}, 1, 1, config, "0" * 16, __version__)
    store.put(DATASET, msgspec.json.encode(dataset))


def _sample(key: str, rng: random.Random) -> Sample:
    images = rng.randint(1, 4)
    paragraphs = [
        " ".join(rng.choices(_VOCABULARY, cum_weights=_FREQUENCIES, k=rng.randint(60, 240))) for _ in range(images)
    ]
    texts = [text for paragraph in paragraphs for text in (paragraph, None)]
    names = [None if text is not None else f"{key}.{place}.jpg" for place, text in enumerate(texts)]
    url = f"https://site{rng.randrange(5000)}.example/{key}/{rng.choice(_WORDS)}.html"
    hashes = [f"{rng.getrandbits(256):064x}" for _ in range(images)]
    return Sample(
        key=key, url=url, title=" ".join(rng.choices(_WORDS, k=5)), texts=texts, images=names,
        image_urls=[url] * images, image_alts=["a picture"] * images, image_titles=[""] * images,
        image_captions=[""] * images, image_sizes=[(24, 16)] * images, image_formats=["jpg"] * images,
        image_sha256=hashes, image_original_sizes=[(24, 16)] * images, image_original_formats=["jpeg"] * images,
        image_original_sha256=hashes, image_phashes=[one[:16] for one in hashes], image_scores=[{}] * images,
        clip_similarity=[], clip_assignment=[], language=rng.choice(_LANGUAGES), language_score=rng.random(),
        licence="", author="", date="", fetch_time=f"2026-{rng.randint(1, 12):02d}-01T00:00:00Z", warc_file="a.warc.gz",
        warc_offset=0, warc_length=1, consent=Consent(), redacted={},
        scores={"clip": round(rng.random(), 3), "nsfw": round(rng.random() ** 4, 3)}, screened=[],
        weft_version=__version__, config_hash="0" * 16,
    )  # fmt: skip


def measure(folder: str) -> None:
    command = [sys.executable, "-m", "jobs.cli", "inspect", folder, "--json"]
    _tell("weft inspect, the whole command", lambda: subprocess.run(command, check=True, capture_output=True))
    _tell("its totals and distributions, in a process that runs", lambda: summary(Store(folder)))
    _measure_texts(folder)
    measure_comparison(folder)
    asyncio.run(_measure_viewer(folder))


def _measure_texts(folder: str) -> None:
    """The index of texts, made and asked; the viewer then uses it."""
    started, before = time.perf_counter(), cpu_seconds()
    with Index(Store(folder)) as index:
        path = texts_file(index.store)
        samples = max(build_text_index(index, path))
    wall, cost = time.perf_counter() - started, cpu_seconds() - before
    size = path.stat().st_size / samples
    print(f"  {'index of texts':<58} {wall:8,.1f} s; CPU {cost:,.1f} s; {size:,.0f} bytes a sample")


def measure_comparison(folder: str) -> None:
    """With itself: every address is looked up, and none has changed."""

    def run() -> None:
        with Index(Store(folder), other=Store(folder)) as index:
            assert compare(index)[0].counts["gained"] == 0

    _tell("compared with itself", run)


async def _measure_viewer(folder: str) -> None:
    started = time.perf_counter()
    context = open_context(folder, [])
    runner = web.AppRunner(make_app(context))
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    port = runner.addresses[0][1]
    print(f"  {'viewer opened and listening':<58} {1000 * (time.perf_counter() - started):8,.0f} ms")
    total = context.library.total("interleaved")
    key = context.library.random_key("interleaved")
    async with aiohttp.ClientSession(f"http://127.0.0.1:{port}") as session:
        pages = {
            "first page of samples": "/browse/interleaved",
            "last page": f"/browse/interleaved?page={-(-total // 24)}",
            "search: a word of the title": "/browse/interleaved?q=harbour+winter",
            "search and filters: word, language, images, score": (
                "/browse/interleaved?q=harbour&language=de&images_min=3&score=clip&score_min=0.9"
            ),
            "search: a rare word of the texts": "/browse/interleaved?q=word7777",
            "ordered by words": "/browse/interleaved?order=words",
            "one domain": "/browse/interleaved?domain=site77.example",
            "a sample by its key": f"/sample/interleaved/{key}",
            "a sample among those of a search, ordered": f"/sample/interleaved/{key}?q=harbour&order=words",
            "distributions of all": "/distributions/interleaved",
            "distributions of a search": "/distributions/interleaved?q=harbour+winter",
            "what was dropped, by reason": "/drops?reason=language",
            "a draw of what was dropped": "/drops/look",
            "more like this": f"/alike/interleaved/{key}",
        }
        for name, path in pages.items():
            await _tell_page(session, name, path)
    await runner.cleanup()


async def _tell_page(session: aiohttp.ClientSession, name: str, path: str) -> None:
    """Time of the first request, and the median of those that follow."""
    times = []
    for _ in range(_ROUNDS):
        started = time.perf_counter()
        async with session.get(path) as response:
            await response.read()
            assert response.status == 200, (path, response.status)
        times.append(1000 * (time.perf_counter() - started))
    print(f"  {name:<58} {times[0]:8,.0f} ms, then {statistics.median(times[1:]):,.0f} ms")


def _tell(name: str, run: Callable[[], object]) -> None:
    """Wall time and CPU time, children's included: on a machine with others the second says what it costs."""
    walls, costs = [], []
    for _ in range(_ROUNDS):
        started, before = time.perf_counter(), cpu_seconds()
        run()
        walls.append(1000 * (time.perf_counter() - started))
        costs.append(1000 * (cpu_seconds() - before))
    print(f"  {name:<58} {walls[0]:8,.0f} ms, then {statistics.median(walls[1:]):,.0f} ms; CPU {min(costs):,.0f} ms")


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100_000])
