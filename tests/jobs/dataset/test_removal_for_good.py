"""What was removed is nowhere in the folder of a dataset, by whatever it was named, whenever the removal was killed."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from jobs.build import build
from jobs.cli import main
from jobs.config import load_config
from jobs.dataset.check import problems
from jobs.dataset.index import Index
from jobs.dataset.removal import remove as run_removal
from schemas.dataset import read_dataset
from schemas.denied_hashes import PHASH_DISTANCE
from schemas.storage import Store
from tests.jobs.conftest import contents
from tests.jobs.site import photo, write_archive
from tests.jobs.test_build import INLINE, drops, samples

SETTINGS = ["partitions=2", "kinds=[interleaved,pairs]", "keep_work=true"]
CONFIG = load_config("default", SETTINGS)
PAGE, IMAGE = "https://site1.example/page1.html", "https://site2.example/img/2-a.jpg"


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> Path:
    """A dataset with all that may lie beside its shards."""
    out = tmp_path_factory.mktemp("whole") / "out"
    build(str(out), [str(path) for path in site], CONFIG, INLINE)
    (out / "media/warc").mkdir(parents=True)
    records = [(IMAGE, photo(4), "image/jpeg"), ("https://site0.example/other.jpg", photo(9), "image/jpeg")]
    write_archive(out / "media/warc/weft-000-000.warc.gz", records)
    (out / "report.html").write_text("its samples")
    return out


@pytest.fixture
def dataset(whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1790000000")
    return Path(shutil.copytree(whole, tmp_path / "out"))


def remove(dataset: Path, *lines: str, more: tuple[str, ...] = ()) -> int:
    listed = dataset.parent / "list.txt"
    listed.write_text("\n".join(lines))
    return main(["remove", str(dataset), "--deny", str(listed), *more])


def image_of(dataset: Path, url: str) -> tuple[dict[str, Any], int, bytes]:
    """The document of the page that shows an image, its number, and its bytes."""
    for sample in samples(dataset):
        document = sample["document"]
        if url in document["image_urls"]:
            number = document["image_urls"].index(url)
            name = [name for name in document["images"] if name][number]
            return document, number, sample[name.partition(".")[2]]
    raise LookupError(url)


def holds(dataset: Path, data: bytes) -> list[str]:
    return [str(path) for path in dataset.rglob("*") if path.is_file() and data in path.read_bytes()]


def rows(dataset: Path, sql: str) -> list[tuple[Any, ...]]:
    with Index(Store(str(dataset))) as index:
        return index.ask(sql).rows


def test_bytes_texts_keys_and_records_are_gone_and_what_went_is_told(
    dataset: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    document, _, data = image_of(dataset, IMAGE)
    (page,) = [one["document"] for one in samples(dataset) if one["document"]["url"] == PAGE]
    words = next(text for text in page["texts"] if text)[-60:].encode()
    assert holds(dataset, data)
    assert holds(dataset, words)
    archive = dataset / "media/warc/weft-000-000.warc.gz"
    before = archive.read_bytes()
    assert remove(dataset, PAGE, IMAGE) == 0
    assert "interleaved: 1 samples, and 1 images of others went" in capsys.readouterr().out
    assert holds(dataset, data) == holds(dataset, words) == []
    assert list(problems(Store(str(dataset)))) == []
    assert rows(dataset, f"select count(*) from samples where key = '{page['key']}' and kind = 'interleaved'") == [(0,)]
    of_page = "select entry, image, sha256 = '' from removed where kind = 'interleaved' order by image"
    assert rows(dataset, of_page) == [(PAGE, -1, True), (IMAGE, 0, False)]
    after = archive.read_bytes()
    assert len(after) == len(before)
    assert after != before
    (removal,) = read_dataset(Store(str(dataset))).removals
    assert removal.time == "2026-09-21T14:13:20Z"
    assert removal.records == 1
    assert removal.samples == {"interleaved": 1, "pairs": 3}
    assert removal.images == {"interleaved": 1}
    left = {path.parts[-1] for path in (dataset / "work").rglob("*") if path.is_file() and "looked" not in path.parts}
    assert left == {"config.yaml", "plan.json"}
    assert not (dataset / "report.html").exists()
    (edited,) = [one["document"] for one in samples(dataset) if one["document"]["key"] == document["key"]]
    assert edited["image_urls"] == [url for url in document["image_urls"] if url != IMAGE]


@pytest.mark.parametrize("how", ["sha256", "stored", "bare", "phash", "near"])
def test_an_image_goes_by_its_hash_whatever_its_address(dataset: Path, how: str) -> None:
    document, number, data = image_of(dataset, IMAGE)
    phash = document["image_phashes"][number]
    near = f"{int(phash, 16) ^ ((1 << PHASH_DISTANCE) - 1):016x}"
    original, stored = document["image_original_sha256"][number], document["image_sha256"][number]
    entry = {"sha256": f"sha256:{original}", "stored": f"SHA256: {stored}", "bare": original}
    line = entry.get(how) or f"phash:{near if how == 'near' else phash}"
    assert remove(dataset, line) == 0
    assert holds(dataset, data) == []
    removed = rows(dataset, "select kind, image from removed order by kind")
    assert removed == [("interleaved", number), ("pairs", -1)]
    assert read_dataset(Store(str(dataset))).removals[0].records == 1


@pytest.mark.parametrize("how", ["url", "page_url", "original_sha256", "sha256", "frame_hashes"])
def test_clips_go_by_address_and_hash(looked_at: Path, tmp_path: Path, how: str) -> None:
    dataset = Path(shutil.copytree(looked_at, tmp_path / "out"))
    (clip,) = rows(dataset, f"select {how} from clips limit 1")[0]
    value = clip[0] if how == "frame_hashes" else clip
    line = {"url": "", "page_url": "", "frame_hashes": "phash:"}.get(how, "sha256:") + value
    (before,) = rows(dataset, "select count(*) from clips")[0]
    film = next(path for path in (dataset / "clips/shards").glob("*.tar")).read_bytes()
    assert before
    assert remove(dataset, line) == 0
    is_left = list((dataset / "clips/shards").glob("*.tar"))
    after = rows(dataset, "select count(*) from clips")[0][0] if is_left else 0
    assert after < before
    assert read_dataset(Store(str(dataset))).removals[0].samples["clips"] == before - after
    assert holds(dataset, film) == []
    assert list(problems(Store(str(dataset)))) == []


def test_a_dataset_in_a_store_of_objects_is_worked_on_in_place(site: list[Path]) -> None:
    url = "memory://weft-removal-test"
    build(url, [str(site[0])], load_config("default", ["partitions=1"]), INLINE)
    store = Store(url)
    before = read_dataset(store).kinds["interleaved"].samples
    (removal,) = run_removal(store, ["site1.example"], INLINE).removals
    assert 0 < removal.samples["interleaved"] < before
    assert list(problems(store)) == []
    assert store.list("work/extract") == []


def test_an_image_goes_by_its_pdq_hash(dataset: Path) -> None:
    pytest.importorskip("pdqhash")
    import numpy as np

    from schemas.hash_lists import pdq_hash
    from schemas.images import open_image

    _, _, data = image_of(dataset, IMAGE)
    with open_image(data) as image:
        look = pdq_hash(np.asarray(image.convert("RGB")))
    assert look is not None
    assert remove(dataset, f"pdq:{look.tobytes().hex()}") == 0
    assert holds(dataset, data) == []
    assert list(problems(Store(str(dataset)))) == []


def test_a_build_into_the_same_folder_honours_hashes(dataset: Path, site: list[Path]) -> None:
    other = IMAGE.replace("2-a", "7-a")
    found = [image_of(dataset, IMAGE), image_of(dataset, other)]
    (one, first, _), (two, second, _) = found
    lines = f"sha256:{one['image_original_sha256'][first]}", f"phash:{two['image_phashes'][second]}"
    assert remove(dataset, *lines) == 0
    for path in dataset.iterdir():
        if path.name != "deny.txt":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    build(str(dataset), [str(path) for path in site], load_config("default", SETTINGS[:2]), INLINE)
    assert [holds(dataset, data) for _, _, data in found] == [[], []]
    denied = [row["detail"].partition(",")[0] for row in drops(dataset) if row["reason"] == "denied"]
    assert sorted(denied) == sorted(lines * 2)


def test_details_of_drops_that_quote_a_denied_page_are_blank(dataset: Path) -> None:
    page = "https://site0.example/page0.html"
    before = [row for row in drops(dataset) if row["page_url"] == page]
    assert any(row["detail"] for row in before)
    assert remove(dataset, page) == 0
    of_page = [row for row in drops(dataset) if row["page_url"] == page and row["reason"] != "denied"]
    assert [row["reason"] for row in of_page] == [row["reason"] for row in before]
    assert not any(row["detail"] for row in of_page)


def test_a_dry_run_tells_and_changes_nothing(dataset: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = contents(dataset)
    assert remove(dataset, PAGE, IMAGE, "nowhere.example", more=("--dry-run",)) == 0
    said = capsys.readouterr().out
    assert "interleaved: 1 samples, and 1 images of others would go" in said
    assert "archives beside the shards: 1 records would go" in said
    assert f"  3 by {PAGE}" in said
    assert f"  2 by {IMAGE}" in said
    assert contents(dataset) == before
    assert remove(dataset, PAGE, IMAGE) == 0
    capsys.readouterr()
    assert main(["remove", str(dataset), "--dry-run"]) == 0
    assert "nothing would go" in capsys.readouterr().out


def test_killed_at_any_moment_the_same_command_finishes_it(
    dataset: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Killed(BaseException):
        pass

    reference = Path(shutil.copytree(dataset, tmp_path / "reference"))
    remove(reference, PAGE, IMAGE)
    wanted = contents(reference)
    archive = (reference / "media/warc/weft-000-000.warc.gz").read_bytes()
    changing = ("put", "put_if_absent", "move", "move_all", "remove", "remove_all", "create")
    moment, was_killed = 2, True
    while was_killed:
        part = Path(shutil.copytree(dataset, tmp_path / f"part{moment}"))
        left = moment
        with monkeypatch.context() as patch:
            for name in changing:
                patch.setattr(Store, name, _killing(getattr(Store, name), Killed))
            _killing.left = left  # type: ignore[attr-defined]
            try:
                remove(part, PAGE, IMAGE)
                was_killed = False
            except Killed:
                pass
        assert main(["remove", str(part)]) == 0 or remove(part, PAGE, IMAGE) == 0
        found = contents(part)
        assert found.keys() == wanted.keys(), moment
        assert [name for name in wanted if found[name] != wanted[name]] == [], moment
        assert (part / "media/warc/weft-000-000.warc.gz").read_bytes() == archive
        shutil.rmtree(part)
        moment += 43


def _killing(method: Any, killed: type[BaseException]) -> Any:
    def wrapped(*arguments: Any, **named: Any) -> Any:
        if not _killing.left:  # type: ignore[attr-defined]
            raise killed
        _killing.left -= 1  # type: ignore[attr-defined]
        return method(*arguments, **named)

    return wrapped


def test_a_second_removal_adds_to_the_history(dataset: Path) -> None:
    assert remove(dataset, PAGE) == 0
    assert remove(dataset, IMAGE) == 0
    once = contents(dataset)
    assert main(["remove", str(dataset)]) == 0
    assert contents(dataset) == once
    assert [one.number for one in read_dataset(Store(str(dataset))).removals] == [1, 2]
    assert rows(dataset, "select distinct removal from removed order by 1") == [(1,), (2,)]
    assert list(problems(Store(str(dataset)))) == []


@pytest.mark.parametrize("line", ["sha256:12", "phash:123", "pdq:00"])
def test_a_hash_that_is_none_is_told_in_one_line(dataset: Path, line: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert remove(dataset, line) == 2
    assert line in capsys.readouterr().err
    assert not (dataset / "deny.txt").exists()


def test_what_is_no_dataset_is_told(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["remove", str(tmp_path)]) == 2
    assert "is no finished dataset" in capsys.readouterr().err
