"""A dataset as a sequence: places, keys, views, tables, and what is said of one that is damaged."""

import json
import pickle
import shutil
import sys
from pathlib import Path

import fsspec
import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import weft
from jobs.cli import main
from tests.jobs.looked_at import PAGES, SITE
from tests.weft.makers import SHARDS, key_of
from weft.dataset import _open_again

ALL = [key_of(partition, number) for partition, count in enumerate(SHARDS) for number in range(count)]


def keys(dataset: weft.Dataset) -> list[str]:
    return [sample.key for sample in dataset]


@pytest.fixture
def pages(made: Path) -> weft.Dataset:
    return weft.open(made)


def test_the_first_kind_is_opened_and_the_others_are_beside_it(made: Path, looked_at: Path) -> None:
    assert (weft.open(made).kind, weft.open(made).kinds) == ("interleaved", ["interleaved", "pairs"])
    assert weft.open(made, "pairs").kind == weft.open(made).of("pairs").kind == "pairs"
    dataset = weft.open(str(looked_at))
    assert [(kind, len(dataset.of(kind))) for kind in dataset.kinds] == [
        ("interleaved", 7),
        ("pairs", 13),
        ("clips", 1),
    ]
    assert (dataset.is_finished, weft.open(made).is_finished) == (True, False)


def test_samples_stand_in_the_order_of_the_shards(pages: weft.Dataset) -> None:
    assert len(pages) == len(ALL) == sum(SHARDS)
    assert keys(pages) == ALL
    assert [pages[place].key for place in range(len(pages))] == ALL
    assert [pages[place].key for place in range(-len(pages), 0)] == ALL


@pytest.mark.parametrize("place", [len(ALL), -len(ALL) - 1])
def test_a_place_that_is_not_there_is_an_index_error(pages: weft.Dataset, place: int) -> None:
    with pytest.raises(IndexError, match=f"no sample {place}: here are {len(ALL)}"):
        pages[place]


@pytest.mark.parametrize(
    "cut", [slice(2, 9), slice(None, None, 3), slice(None, None, -1), slice(8, 2, -2), slice(5, 5)], ids=str
)
def test_a_slice_is_a_view_of_the_same_type(pages: weft.Dataset, cut: slice) -> None:
    view = pages[cut]
    assert isinstance(view, weft.Dataset)
    assert keys(view) == ALL[cut]
    assert len(view) == len(ALL[cut])
    assert view.to_arrow(["key"]).column("key").to_pylist() == ALL[cut]
    assert keys(view[1:]) == ALL[cut][1:]


def test_a_sample_is_found_by_its_key_or_address(pages: weft.Dataset, looked_at: Path) -> None:
    assert pages[ALL[7]].key == ALL[7]
    assert pages[f"https://made.example/{ALL[4]}"].key == ALL[4]
    pairs = pages.of("pairs")
    assert pairs["https://made.example/000001000003.jpg"].key == "000001000003"
    assert pairs["https://made.example/page1"].key == "000000000005"  # the first of five
    clips = weft.open(looked_at, "clips")
    assert clips[clips[0].key].url == clips[f"{SITE}/film.html"].url == f"{SITE}/v/bread.mp4"


@pytest.mark.parametrize("wanted", ["999999000000", "000001000009", "https://made.example/none", "", "' OR 1=1 --"])
def test_a_key_that_is_not_there_is_a_key_error_that_names_it(pages: weft.Dataset, wanted: str) -> None:
    assert wanted not in pages
    with pytest.raises(KeyError, match="no sample of interleaved here has the key or address"):
        pages[wanted]


def test_a_view_has_the_keys_of_its_own_samples_alone(pages: weft.Dataset) -> None:
    view = pages[3:5]
    assert ALL[3] in view
    assert ALL[5] not in view
    with pytest.raises(KeyError):
        view[ALL[5]]
    assert 3 not in view


def test_conditions_choose_in_order_and_can_follow_one_another(pages: weft.Dataset) -> None:
    two = pages.where("num_images >= 2")
    assert keys(two) == [key for key in ALL if int(key[6:]) % 3 >= 1]
    assert keys(two.where("language = ?", "en")) == [key for key in keys(two) if int(key) % 2]
    assert keys(pages[::-1].where("num_images >= 2")) == keys(two)[::-1]
    assert keys(two[1:3].where("num_images = 3")) == [key for key in keys(two)[1:3] if int(key[6:]) % 3 == 2]
    assert len(pages.where("false")) == len(pages.where("false").where("true")) == 0


def test_a_condition_knows_shard_and_row_and_the_other_tables(pages: weft.Dataset) -> None:
    assert keys(pages.where("shard = '000001-000' AND row < 2")) == ALL[3:5]
    assert keys(pages.where("interleaved.row = 3")) == keys(pages[3:].where("interleaved.row = 3")) == [ALL[6], ALL[12]]
    assert len(pages.where("url IN (SELECT page_url FROM pairs)")) == 0


@pytest.mark.parametrize("wrong", ["num_pictures > 1", "num_images >", "1; DROP TABLE pairs", "title", "key = ?", ""])
def test_a_wrong_condition_is_a_query_error(pages: weft.Dataset, wrong: str) -> None:
    with pytest.raises(weft.QueryError):
        pages.where(wrong)


@pytest.mark.parametrize(
    ("condition", "values", "said"),
    [
        ("", (), "the condition is empty"),
        (" \n", (), "the condition is empty"),
        ("\ud800 = 1", (), "half of a surrogate pair"),
        ("language = ?", ("\ud800",), "half of a surrogate pair"),
        ("num_images > ?", (), "1 value is wanted, one for each `?`, and none was given"),
        ("num_images > ? AND num_images < ?", (1,), "2 values are wanted, one for each `?`, and 1 was given"),
    ],
)
def test_what_is_wrong_with_a_condition_is_said(
    pages: weft.Dataset, condition: str, values: tuple[object, ...], said: str
) -> None:
    with pytest.raises(weft.QueryError) as caught:
        pages.where(condition, *values)
    assert said in str(caught.value)
    if condition.strip():
        with pytest.raises(weft.QueryError, match=r"half|wanted"):
            pages.query(f"SELECT key FROM interleaved WHERE {condition}", *values)


def test_numbers_of_numpy_are_values(pages: weft.Dataset) -> None:
    wanted = keys(pages.where("num_images >= 2"))
    assert keys(pages.where("num_images >= ?", np.int64(2))) == wanted
    assert keys(pages.where("num_images > ?", np.float32(1.5))) == wanted
    assert keys(pages.where("(num_images >= 2) = ?", np.bool_(True))) == wanted
    assert keys(pages.where("num_images IN (SELECT unnest(?))", [np.int64(2), np.int64(3)])) == wanted
    assert keys(pages.where("num_images IN (SELECT unnest(?))", np.array([2, 3]))) == wanted
    assert pages.query("SELECT ? AS one", np.int64(1))["one"].tolist() == [1]


def test_a_key_that_is_no_text_is_not_there(pages: weft.Dataset) -> None:
    assert "\ud800" not in pages
    with pytest.raises(KeyError):
        pages["\ud800"]


def test_random_samples_are_the_same_for_a_seed_and_none_comes_twice(pages: weft.Dataset) -> None:
    drawn = pages.random(6, seed=1)
    assert keys(drawn) == keys(pages.random(6, seed=1)) != keys(pages.random(6, seed=2))
    assert len(set(keys(drawn))) == 6
    assert sorted(keys(pages.random(1000))) == ALL
    assert set(keys(pages.where("num_images = 3").random(2))) <= set(keys(pages.where("num_images = 3")))


def test_a_view_in_random_order_keeps_it(pages: weft.Dataset) -> None:
    drawn = pages.random(9, seed=3)
    assert [drawn[place].key for place in range(9)] == keys(drawn)
    assert drawn.to_arrow(["key"]).column("key").to_pylist() == keys(drawn)
    wanted = [key for key in keys(drawn) if int(key[6:]) % 3 >= 1]
    assert keys(drawn.where("num_images >= 2")) == wanted


def test_a_sample_is_read_without_any_other_shard(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "out")
    for name in ("000000-000", "000002-000", "000003-000"):
        (folder / f"interleaved/shards/{name}.tar").unlink()
        if name != "000000-000":  # the first says which columns there are
            (folder / f"interleaved/shards/{name}.parquet").write_bytes(b"damaged")
    pages = weft.open(folder)
    assert pages[4].key == pages[ALL[4]].key == ALL[4]
    assert keys(pages[3:8].where("num_images = 2")) == [ALL[4], ALL[7]]
    with pytest.raises(FileNotFoundError, match=r"000000-000\.tar"):
        pages[0]
    with pytest.raises(weft.DamagedShard, match=r"000003-000\.parquet"):
        pages[-1]


def test_a_dataset_without_one_of_its_files_is_a_failure_of_the_storage(made: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(made, tmp_path / "out")
    (folder / "interleaved/shards/000001-000.parquet").unlink()
    with pytest.raises(OSError, match=r"000001-000\.parquet"):
        weft.open(folder)


def test_the_index_of_a_view_is_a_table(pages: weft.Dataset) -> None:
    table = pages[2:5].to_arrow()
    assert isinstance(table, pa.Table)
    assert table.column_names == [
        "key",
        *(name for name in pages.columns if name not in ("key", "offset", "size", "members")),
    ]
    assert table.select(["key", "shard", "row"]).to_pylist() == [
        {"key": ALL[2], "shard": "000000-000", "row": 2},
        {"key": ALL[3], "shard": "000001-000", "row": 0},
        {"key": ALL[4], "shard": "000001-000", "row": 1},
    ]
    assert pages.to_pandas(["url", "num_images"]).columns.tolist() == ["url", "num_images"]
    assert len(pages[:0].to_arrow()) == 0
    with pytest.raises(weft.QueryError, match=r"no column pictures; it has .*num_images"):
        pages.to_arrow(["key", "pictures"])


def test_stats_are_what_inspect_says(looked_at: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["inspect", str(looked_at), "--json"]) == 0
    said = json.loads(capsys.readouterr().out)["kinds"]["interleaved"]
    stats = weft.open(looked_at).stats()
    assert isinstance(stats, pd.DataFrame)
    of = {(figure, value): number for figure, value, number in stats.itertuples(index=False)}
    assert of["samples", ""] == said["samples"] == 7
    assert of["bytes", ""] == said["bytes"]
    assert of["words_per_document", "median"] == said["words_per_document"]["median"]
    assert {value: number for (figure, value), number in of.items() if figure == "top_domains"} == said["top_domains"]
    bins = [number for (figure, _), number in of.items() if figure == "words_histogram"]
    assert bins == [count for _, _, count in said["words_histogram"]]


def test_stats_of_a_view_are_those_of_its_samples(pages: weft.Dataset) -> None:
    def numbers(dataset: weft.Dataset) -> dict[str, float]:
        stats = dataset.stats()
        return dict(zip(stats[stats.value == ""].figure, stats[stats.value == ""].number, strict=True))

    view, rest = numbers(pages.where("num_images = 3")), numbers(pages.where("num_images < 3"))
    assert (view["samples"], view["images"]) == (3, 9)
    whole = numbers(pages)
    assert view["images"] + rest["images"] == whole["images"]
    tars = sum(path.stat().st_size for path in Path(pages.path).glob("interleaved/shards/*.tar"))
    assert whole["bytes"] == tars
    assert 0 < view["bytes"] < rest["bytes"] < tars


def test_drops_are_a_frame_of_what_was_let_go(looked_at: Path) -> None:
    dataset = weft.open(looked_at)
    drops = dataset.drops()
    assert drops.columns.tolist()[:4] == ["url", "kind", "reason", "detail"]
    short = dataset.drops("kind = ? AND url LIKE '%short%'", "page")
    assert short.reason.tolist() == ["few_words"]
    assert len(dataset.drops("false")) == 0
    with pytest.raises(weft.QueryError, match="reasons"):
        dataset.drops("reasons = 'few_words'")
    for brackets in ("false) OR (true", "(false", "false)"):
        with pytest.raises(weft.QueryError, match="syntax error"):
            dataset.drops(brackets)
    with pytest.raises(weft.QueryError, match="the condition is empty"):
        dataset.drops(" ")


def test_a_query_answers_over_all_kinds_and_only_reads(looked_at: Path) -> None:
    dataset = weft.open(looked_at)
    counts = dataset.query("SELECT kind, count(*) AS n FROM samples WHERE kind <> ? GROUP BY 1 ORDER BY 1", "pairs")
    assert counts.to_dict("records") == [{"kind": "clips", "n": 1}, {"kind": "interleaved", "n": PAGES + 1}]
    for sql in ("CREATE TABLE t AS SELECT 1", "SELECT * FROM read_text('/etc/hostname')"):
        with pytest.raises(weft.QueryError):
            dataset.query(sql)


def test_without_pandas_tables_are_those_of_pyarrow(looked_at: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pandas", None)
    dataset = weft.open(looked_at)
    assert isinstance(dataset.stats(), pa.Table)
    assert dataset.drops("false").column_names[:4] == ["url", "kind", "reason", "detail"]
    assert dataset.query("SELECT 1 AS one").to_pylist() == [{"one": 1}]
    with pytest.raises(ModuleNotFoundError, match="pandas"):
        dataset.to_pandas()


@pytest.mark.parametrize("kind", ["clips", "films"])
def test_a_kind_that_is_not_there_is_no_dataset(made: Path, kind: str) -> None:
    with pytest.raises(weft.NotADataset, match=rf"has no {kind}; it has interleaved, pairs"):
        weft.open(made, kind)
    with pytest.raises(weft.NotADataset):
        weft.open(made).of(kind)


def test_what_weft_did_not_write_is_no_dataset(tmp_path: Path) -> None:
    (tmp_path / "other.txt").write_text("other")
    for path in (tmp_path, tmp_path / "nothing"):
        with pytest.raises(weft.NotADataset, match="no dataset of weft"):
            weft.open(path)


def test_an_address_of_no_known_storage_is_a_wrong_call() -> None:
    with pytest.raises(weft.SettingsError, match="no storage is known whose addresses begin with s3x://"):
        weft.open("s3x://b")


def test_a_dataset_that_lies_elsewhere_is_read_in_place(made: Path) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(made), "/weft-open", recursive=True)
    try:
        with weft.open("memory://weft-open") as dataset:
            assert keys(dataset.where("num_images = 3")) == keys(weft.open(made).where("num_images = 3"))
            assert dataset[ALL[5]].images[0].size == (96, 64)
            assert dataset.of("pairs")[-1].caption == "A picture 000001000009"
    finally:
        memory.rm("/weft-open", recursive=True)


def test_a_closed_dataset_says_so(made: Path) -> None:
    with weft.open(made) as dataset:
        view = dataset[:2]
    with pytest.raises(weft.QueryError, match="closed"):
        view.where("true")


def test_a_dataset_that_kept_nothing_is_empty(looked_at: Path, tmp_path: Path) -> None:
    shutil.copy(looked_at / "dataset.json", tmp_path)
    dataset = weft.open(tmp_path)
    assert (len(dataset), list(dataset), dataset.kinds, len(dataset.where("true"))) == (0, [], [], 0)
    assert len(dataset.stats())
    assert len(dataset.to_arrow()) == 0
    assert "0 samples" in repr(dataset)
    assert "0 samples" in dataset._repr_html_()


def test_a_dataset_says_in_a_line_what_it_is(pages: weft.Dataset) -> None:
    assert repr(pages).endswith(": interleaved, 13 samples; beside them pairs 20>")
    assert ": interleaved, 2 of 13 samples;" in repr(pages[:2])


def test_a_pickled_dataset_is_opened_anew(made: Path) -> None:
    pages = weft.open(made)
    for view in (pages, pages[2:4], pages.where("num_words > 0").random(3)):
        assert keys(pickle.loads(pickle.dumps(view))) == keys(view)
    _, (path, kind, numbers, total) = pages.__reduce__()
    with pytest.raises(ValueError, match="when it was pickled"):
        _open_again(path, kind, numbers, total + 1)


def test_one_column_may_be_named_alone(made: Path) -> None:
    assert weft.open(made).to_arrow("key").column_names == ["key"]
