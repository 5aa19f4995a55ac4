"""What is added to a dataset is there at once and whole; what it replaced is passed over by every reader."""

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from jobs.dataset.append import aside, clear, history, is_appending, publish
from jobs.dataset.index import Index
from jobs.dataset.subset import subset
from jobs.dataset.summary import shards_of, summary
from jobs.view.library import Library
from model.data.listing import list_shards
from model.data.reading import Reader
from schemas.builds import Amount, Build, drop_files
from schemas.dataset import DATASET, Dataset, live_totals, read_dataset, totals, write_reader_files
from schemas.drop_files import DropFile
from schemas.drops import Counts, DropRow
from schemas.shards import ShardSettings, read_marks
from schemas.storage import Store
from schemas.superseded import Superseded, list_name
from tests.jobs.conftest import contents
from tests.weft.makers import SHARDS, key_of, make_dataset, page, picture, write_shard
from weft import open as open_dataset

GONE = {0: [0, 2], 1: [3], 2: [0]}  # rows by shard; the third has no other
LEFT = [key_of(partition, n) for partition, count in enumerate(SHARDS) for n in range(count)
        if n not in GONE.get(partition, [])]  # fmt: skip
NEW = [key_of(4, 0), key_of(4, 1)]


def finish(store: Store, kinds: tuple[str, ...] = ("interleaved", "pairs"), **fields: object) -> None:
    shards = {kind: [mark.shard for mark in read_marks(store, kind, before=1 << 20)] for kind in kinds}
    for kind, of_kind in shards.items():
        write_reader_files(store, kind, of_kind)
    made = Dataset(
        kinds={kind: totals(of_kind) for kind, of_kind in shards.items()},
        phases={},
        drops={},
        inputs=1,
        input_bytes=10,
        config={},
        config_hash="0" * 16,
        weft_version="0",
    )
    store.put(DATASET, msgspec.json.encode(msgspec.structs.replace(made, **fields)))


@pytest.fixture
def growing(tmp_path: Path) -> Store:
    """A finished dataset, beside it two pages that replace four."""
    store = Store(str(make_dataset(tmp_path / "out")))
    finish(store)
    added = aside(store)
    added.put("work/plan.json", b"{}")
    write_shard(added, "interleaved", 4, [page(key, [picture(n + 90)]) for n, key in enumerate(NEW)])
    images = 0
    for partition, rows in GONE.items():
        here = sum(row % 3 + 1 for row in rows)
        images += here
        data = msgspec.json.encode(Superseded(rows, here))
        added.put(list_name("interleaved", f"{partition:06d}-000", 1), data)

    class Files:
        def create(self, name: str) -> object:
            return added.create(name)

    with DropFile(Files(), "drops/extract-000000.parquet") as drops:
        drops.add(DropRow("https://made.example/none", "page", "few_words"))
    build = Build(1, 1, 5, {"interleaved": Amount(2, 2)}, {"interleaved": Amount(4, images)},
                  {"interleaved": 5, "pairs": 2}, "1" * 16, "0")  # fmt: skip
    counts = {"extract": Counts({"page": 3}, {"page": 2}, {"page": {"few_words": 1}})}
    finish(added, ("interleaved",), builds=[build], phases=counts)
    return store


def walked_shards(store: Store) -> list[str]:
    """As `weft show` goes through them."""
    return [key for _, shard in shards_of(store, "interleaved") for key in shard.index(["key"])["key"].to_pylist()]


def keys_by_reader(store: Store) -> dict[str, list[str]]:
    """What each way of reading finds, in its order."""
    files = list_shards(f"{store.url}/interleaved")
    reader = Reader(files)
    by_name = list_shards(f"{store.url}/interleaved/shards/*.tar")
    with Index(store) as index:
        sql = [row[0] for row in index.ask("SELECT key FROM interleaved ORDER BY key").rows]
    library = Library(store)
    walked, row = [], library.row("interleaved", library.find(LEFT[0])[1])
    first = library.number("interleaved", row)
    while True:
        walked.append(row["key"])
        assert library.number("interleaved", row) == first + len(walked) - 1
        if not (following := library.neighbour("interleaved", row, 1)):
            break
        row = library.row("interleaved", following)
    library.index.close()
    with open_dataset(store.url) as dataset:
        opened = [sample.key for sample in dataset]
        table = dataset.to_arrow(["key", "shard", "row"]).to_pylist()
        where = [sample.key for sample in dataset.where("num_images >= 1")]
    try:
        return {
            "loader": [reader.members(n, m)[0] for n, file in enumerate(files) for m in range(file.samples)],
            "loader, tars": [key for file in by_name for key in [""] * file.samples],
            "sql": sql,
            "view": walked,
            "weft.open": opened,
            "where": where,
            "arrow": [one["key"] for one in table],
            "show": walked_shards(store),
        }
    finally:
        reader.close()


def test_every_reader_has_what_is_there_and_passes_over_what_was_replaced(growing: Store) -> None:
    publish(growing)
    for how, keys in keys_by_reader(growing).items():
        assert len(keys) == len(LEFT + NEW) if how == "loader, tars" else keys == LEFT + NEW, how
    dataset, found = read_dataset(growing), summary(growing)
    assert dataset.kinds["interleaved"] == live_totals(growing, "interleaved")
    assert found["kinds"]["interleaved"]["samples"] == len(LEFT + NEW)
    assert sum(found["kinds"]["interleaved"]["images_per_document"].values()) == len(LEFT + NEW)
    assert dataset.drops == {"page": {"few_words": 1}}
    assert [build.number for build in dataset.builds] == [0, 1]
    assert dataset.builds[0].partitions == {"interleaved": 4, "pairs": 2}
    assert not is_appending(growing)


def test_until_it_is_published_every_reader_has_the_old_dataset_whole(
    growing: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Before each step of publishing that changes anything, as a kill there would leave it."""
    old = keys_by_reader(growing)
    totals_before, seen = read_dataset(growing).kinds, []

    def watched(real: Callable[..., None]) -> Callable[..., None]:
        def step(self: Store, *arguments: object) -> None:
            if not read_dataset(growing).builds[1:]:
                seen.append(arguments[0])
                assert keys_by_reader(growing) == old
                assert read_dataset(growing).kinds == totals_before
                assert drop_files(growing) == []
            real(self, *arguments)

        return step

    for name in ("move", "put"):
        monkeypatch.setattr(Store, name, watched(getattr(Store, name)))
    publish(growing)
    assert len(seen) > 10


@pytest.mark.parametrize("kill_at", range(0, 30, 3))
def test_publishing_killed_at_any_step_is_finished_by_the_next(
    growing: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill_at: int
) -> None:
    import shutil

    shutil.copytree(tmp_path / "out", tmp_path / "peace")
    publish(Store(str(tmp_path / "peace")))
    steps = 0

    def dies(real: Callable[..., None]) -> Callable[..., None]:
        def step(self: Store, *arguments: object) -> None:
            nonlocal steps
            steps += 1
            if steps == kill_at + 1:
                raise KeyboardInterrupt
            real(self, *arguments)

        return step

    with monkeypatch.context() as patch:
        for name in ("move", "put", "remove"):
            patch.setattr(Store, name, dies(getattr(Store, name)))
        with pytest.raises(KeyboardInterrupt):
            publish(growing)
    if aside(growing).exists(DATASET):
        publish(growing)
    else:
        assert len(read_dataset(growing).builds) == 2
        clear(growing)
    for path in (tmp_path / "out").rglob(".*.tmp"):
        path.unlink()
    assert contents(tmp_path / "out") == contents(tmp_path / "peace")


def test_a_subset_holds_nothing_that_was_replaced(growing: Store, tmp_path: Path) -> None:
    publish(growing)
    made = Store(str(tmp_path / "subset"))
    subset(growing, made, "num_images = 1", ["interleaved"], ShardSettings())
    assert walked_shards(made) == [key for key in LEFT + NEW if key in NEW or int(key) % 10 % 3 == 0]


def test_the_history_of_a_dataset_of_one_build_is_that_build(growing: Store) -> None:
    (first,) = history(growing, read_dataset(growing))
    assert (first.number, first.partitions, first.inputs) == (0, {"interleaved": 4, "pairs": 2}, 1)
