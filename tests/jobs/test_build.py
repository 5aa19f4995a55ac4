"""Whole builds, in this process."""

import json
from pathlib import Path

import msgspec
import pyarrow.parquet as pq
import pytest
import webdataset

from jobs.build import build
from jobs.config import BuildConfig, load_config
from jobs.engine.engine import EngineSettings
from jobs.phases.plan import read_plan
from jobs.phases.planning import make_plan
from jobs.phases.recipe import Recipe
from jobs.phases.run import BuildError
from pipeline.video.settings import ClipRules, ClipSettings
from schemas.dataset import Dataset
from schemas.settings import SettingsError
from schemas.storage import Store
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive

INLINE = EngineSettings(engine="inline")
SMALL = msgspec.structs.replace(BuildConfig(), partitions=3, buckets=2)


def built(folder: Path, archives: list[Path], config: BuildConfig = SMALL) -> Dataset:
    return build(str(folder), [str(path) for path in archives], config, INLINE)


def samples(folder: Path) -> list[dict]:
    shards = sorted(map(str, (folder / "interleaved/shards").glob("*.tar")))
    stock = webdataset.WebDataset(shards, shardshuffle=False, empty_check=False)
    return [dict(sample, document=json.loads(sample["json"])) for sample in stock]


def drops(folder: Path) -> list[dict]:
    return [row for path in sorted((folder / "drops").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]


def test_stock_webdataset_reads_every_sample_with_its_images_in_place(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site)
    read = samples(tmp_path / "out")
    assert len(read) == dataset.kinds["interleaved"].samples == 24
    for sample in read:
        document = sample["document"]
        number = int(document["title"].split()[1])
        shown = [name for name in document["images"] if name]
        assert [url.rsplit("/", 1)[1] for url in document["image_urls"]] == [f"{number}-a.jpg", f"{number}-b.jpg"]
        assert [sample[name.split(".", 1)[1]] for name in shown] == [photo(2 * number), photo(2 * number + 1)]
        assert [text is None for text in document["texts"]] == [False, True, False, True, False]


def test_a_rewrite_gives_the_same_bytes(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "one", site)
    built(tmp_path / "two", site)
    first, second = contents(tmp_path / "one"), contents(tmp_path / "two")
    assert first == second
    assert any(name.endswith(".tar") for name in first)


def test_another_seed_gives_another_order_of_the_same_samples(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "one", site)
    built(tmp_path / "two", site, msgspec.structs.replace(SMALL, seed=1))
    first, second = ([sample["document"]["url"] for sample in samples(tmp_path / name)] for name in ("one", "two"))
    assert first != second
    assert sorted(first) == sorted(second)


def test_pages_of_a_domain_share_a_partition(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site)
    homes: dict[str, set[str]] = {}
    for sample in samples(tmp_path / "out"):
        homes.setdefault(sample["document"]["url"].split("/")[2], set()).add(sample["__key__"][:6])
    assert len(homes) == 5
    assert all(len(partitions) == 1 for partitions in homes.values())


def test_every_loss_has_a_row_and_a_count(tmp_path: Path, site: list[Path]) -> None:
    dataset = built(tmp_path / "out", site)
    rows = drops(tmp_path / "out")
    assert dataset.drops["image"] == {"not_captured": 6}
    assert dataset.drops["page"] == {"few_words": 4}
    for kind, reasons in dataset.drops.items():
        for reason, count in reasons.items():
            assert sum(row["kind"] == kind and row["reason"] == reason for row in rows) == count


def test_the_newest_capture_of_a_page_is_kept(tmp_path: Path) -> None:
    def archive(name: str, seed: int, date: str, url: str) -> Path:
        html = article(seed, ["https://a.example/i.jpg"]).encode()
        records = [(url, html, "text/html"), ("https://a.example/i.jpg", photo(1), "image/jpeg")]
        return write_archive(tmp_path / name, records, date)

    old = archive("old.warc.gz", 1, "2026-01-01T00:00:00Z", "https://a.example/story")
    new = archive("new.warc.gz", 2, "2026-02-01T00:00:00Z", "https://www.a.example/story/?utm_source=x")
    dataset = built(tmp_path / "out", [new, old])
    assert [sample["document"]["title"] for sample in samples(tmp_path / "out")] == ["Article 2"]
    assert dataset.drops["page"] == {"duplicate_url": 1}


def test_a_text_is_kept_once_even_when_its_other_copy_is_superseded(tmp_path: Path) -> None:
    """B repeats the old text of A; A's newer capture says something else. B's text must survive."""
    image = ("https://a.example/i.jpg", photo(1), "image/jpeg")
    page = article(1, ["https://a.example/i.jpg"]).encode()
    other = article(2, ["https://a.example/i.jpg"]).encode()
    first = write_archive(
        tmp_path / "1.warc.gz", [("https://b.example/b", page, "text/html"), image], "2026-01-01T00:00:00Z"
    )
    second = write_archive(tmp_path / "2.warc.gz", [("https://a.example/a", page, "text/html")], "2026-01-02T00:00:00Z")
    third = write_archive(tmp_path / "3.warc.gz", [("https://a.example/a", other, "text/html")], "2026-01-03T00:00:00Z")
    dataset = built(tmp_path / "out", [first, second, third])
    assert {sample["document"]["url"] for sample in samples(tmp_path / "out")} == {
        "https://a.example/a",
        "https://b.example/b",
    }
    assert dataset.drops["page"] == {"duplicate_url": 1}


def test_shards_are_cut_by_bytes_and_their_marks_add_up(tmp_path: Path, site: list[Path]) -> None:
    config = load_config("default", ["partitions=1", "shards.max_bytes=60000"])
    dataset = built(tmp_path / "out", site, config)
    marks = [json.loads(path.read_text()) for path in sorted((tmp_path / "out/interleaved/commit").glob("*.json"))]
    assert len(marks) == dataset.kinds["interleaved"].shards > 3
    assert all(mark["shard"]["tar_bytes"] <= 60_000 for mark in marks)
    assert sum(mark["shard"]["samples"] for mark in marks) == 24
    assert sum(mark["drops"].get("image", {}).get("not_captured", 0) for mark in marks) <= 6


def test_a_finished_build_is_left_alone(tmp_path: Path, site: list[Path], caplog: pytest.LogCaptureFixture) -> None:
    built(tmp_path / "out", site)
    before = contents(tmp_path / "out")
    built(tmp_path / "out", site)
    assert contents(tmp_path / "out") == before
    assert "nothing to do" in caplog.text


def test_other_settings_on_an_existing_output_are_refused_by_name(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site)
    with pytest.raises(SettingsError, match=r"image\.min_side_px: 64 -> 100"):
        built(tmp_path / "out", site, load_config("default", ["partitions=3", "buckets=2", "image.min_side_px=100"]))


def test_the_resolved_settings_lie_beside_the_plan_and_build_again(tmp_path: Path, site: list[Path]) -> None:
    config = load_config("obelics", ["partitions=2", "seed=7"])
    built(tmp_path / "out", site, config)
    assert load_config(str(tmp_path / "out/work/config.yaml"), []) == config


def test_a_build_has_its_plan_as_one_that_goes_on_reads_it(tmp_path: Path, site: list[Path]) -> None:
    """A number that Python wrote without a point came out of the plan with one, and `dataset.json` differed."""
    config = msgspec.structs.replace(BuildConfig(), clips=ClipSettings(rules=ClipRules(target_s=0)))
    plan = make_plan(Store(str(tmp_path)), [str(site[0])], Recipe(config))
    assert msgspec.json.encode(plan) == msgspec.json.encode(read_plan(Store(str(tmp_path))))


def test_nothing_is_left_of_files_whose_writer_was_killed(tmp_path: Path, site: list[Path]) -> None:
    """Wherever a build writes: those of `dataset.json` itself and of the files for other readers stayed."""
    names = ("", "work", "drops", "interleaved", "interleaved/shards", "interleaved/commit", "interleaved/.nv-meta")
    for name in names:
        (tmp_path / name).mkdir(parents=True, exist_ok=True)
        (tmp_path / name / ".0123456789ab.some.json.tmp").write_bytes(b"{")
    built(tmp_path, site)
    assert list(tmp_path.rglob(".*.tmp")) == []


def test_only_what_is_missing_is_done_again(tmp_path: Path, site: list[Path]) -> None:
    """Where what it was made of was kept: a phase that was complete would need it never again."""
    out, config = tmp_path / "out", msgspec.structs.replace(SMALL, keep_work=True)
    built(out, site, config)
    whole = contents(out)
    (out / "dataset.json").unlink()
    kept = (out / "work/assemble/000000.json").stat().st_mtime_ns
    for phase in ("assemble", "publish"):
        (out / f"work/{phase}/000001.json").unlink()
    for path in (out / "interleaved").glob("*/000001-*"):
        path.unlink()
    built(out, site, config)
    assert contents(out) == whole
    assert (out / "work/assemble/000000.json").stat().st_mtime_ns == kept


def test_a_vanished_archive_fails_its_partition_alone_and_a_rerun_finishes(tmp_path: Path, site: list[Path]) -> None:
    archives = [tmp_path / path.name for path in site]
    for source, copy in zip(site, archives, strict=True):
        copy.write_bytes(source.read_bytes())
    hidden = tmp_path / "hidden"
    out = tmp_path / "out"
    make_plan(Store(str(out)), [str(path) for path in archives], Recipe(SMALL))
    archives[1].rename(hidden)
    with pytest.raises(BuildError, match=r"1 of 3 partitions of phase extract failed, first 1: FileNotFoundError"):
        build(str(out), [], SMALL, INLINE)
    assert sorted(path.name for path in (out / "work/extract").glob("*.json")) == ["000000.json", "000002.json"]
    hidden.rename(archives[1])
    build(str(out), [], SMALL, INLINE)
    assert len(samples(out)) == 24


def test_memory_store_builds_like_a_folder(tmp_path: Path, site: list[Path]) -> None:
    built(tmp_path / "out", site)
    build("memory://weft-build-test", [str(path) for path in site], SMALL, INLINE)
    store = Store("memory://weft-build-test")
    for name, data in contents(tmp_path / "out").items():
        assert store.read(name) == data, name


def test_images_are_found_whatever_form_their_records_have_their_addresses_in(tmp_path: Path) -> None:
    """Archives of before 2010 write the port, and some writers the host and the letters as they stood in the page."""
    site = "http://site.example:80"
    html = article(1, ["/a.jpg", "http://Site.example/b.jpg", "/\u00e4.jpg"]).encode()
    images = [f"{site}/a.jpg", "HTTP://Site.Example/b.jpg", f"{site}/\u00e4.jpg"]
    records = [(f"{site}/page", html, "text/html; charset=utf-8")]
    records += [(url, photo(number), "image/jpeg") for number, url in enumerate(images)]
    dataset = built(tmp_path / "out", [write_archive(tmp_path / "a.warc.gz", records)])
    assert dataset.drops.get("image", {}) == {}
    (sample,) = samples(tmp_path / "out")
    assert len(sample["document"]["image_urls"]) == 3
