"""Samples that look like one another, by hash and by embedding."""

import re
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from jobs.dataset.index import Index, QueryError
from jobs.view.alike import by_embeddings, by_hash
from jobs.view.library import Library
from schemas.storage import Store
from tests.jobs.looked_at import viewer
from tests.jobs.view.test_view import ask, keys


def all_hashes(looked_at: Path) -> dict[tuple[str, str, int], int]:
    """Of all images and frames."""
    columns = (("interleaved", "image_phashes"), ("pairs", "phash"), ("clips", "frame_hashes"))
    found = {}
    with Index(Store(str(looked_at))) as index:
        for kind, column in columns:
            for key, hashes in index.ask(f"SELECT key, {column} FROM {kind}").rows:
                for number, one in enumerate([hashes] if isinstance(hashes, str) else hashes, 1):
                    found[kind, key, number] = int(one, 16)
    return found


@pytest.mark.parametrize("within", [0, 10, 24])
def test_just_those_within_so_many_bits_are_found_in_all_kinds(looked_at: Path, within: int) -> None:
    hashes, library = all_hashes(looked_at), Library(Store(str(looked_at)))
    for kind in ("interleaved", "pairs", "clips"):
        key = keys(looked_at, kind)[0]
        own = hashes[kind, key, 1]
        found = by_hash(library, kind, library.whole_row(kind, key), 1, within)
        wanted = {place for place, one in hashes.items() if (one ^ own).bit_count() <= within}
        assert (kind, key, 1) in {(one.kind, one.key, one.image) for one in found}
        assert {(one.kind, one.key, one.image) for one in found} == wanted
    library.index.close()


def test_the_image_of_a_page_is_found_in_its_pair(looked_at: Path) -> None:
    key = keys(looked_at, "interleaved", "url LIKE '%/1.html'")[0]
    with viewer(str(looked_at)) as address:
        body = ask(f"{address}/alike/interleaved/{key}?image=2")[2].decode()
        assert "the same look" in body
        assert f'/alike/interleaved/{key}"' in body  # to the first image
        picture = re.search(r'<div class="pic"><img src="([^"]+)"', body)
        assert picture
        assert ask(address + picture[1])[1]["Content-Type"] == "image/jpeg"
        assert ask(f"{address}/alike/interleaved/{key}?image=99")[0] == 404
        assert ask(f"{address}/alike/interleaved/nothing")[0] == 404
        assert b"weft view --embeddings" in ask(f"{address}/alike/interleaved/{key}?by=embedding")[2]


def test_by_embedding_the_nearest_come_first(looked_at: Path, tmp_path: Path) -> None:
    own = keys(looked_at, "pairs")
    places = np.random.default_rng(0).normal(size=(len(own), 8))
    file = tmp_path / "embeddings.parquet"
    pq.write_table(pa.table({"kind": ["pairs"] * len(own), "key": own, "embedding": places.tolist()}), file)
    library = Library(Store(str(looked_at)), str(file))
    cosines = places @ places[0] / np.linalg.norm(places, axis=1)
    assert [one.key for one in by_embeddings(library, "pairs", own[0], 1)] == [own[n] for n in np.argsort(-cosines)]
    with pytest.raises(QueryError, match="not in the file"):
        by_embeddings(library, "interleaved", own[0], 1)
    library.index.close()
    with viewer(str(looked_at), embeddings=str(file), compare=str(looked_at)) as address:
        listed = re.findall(r"<h3>(\w+)</h3>", ask(f"{address}/query")[2].decode())
        kinds = ["interleaved", "pairs", "clips"]
        assert listed == [
            *kinds,
            "samples",
            "drops",
            "removed",
            "embeddings",
            *(f"other_{one}" for one in kinds),
            "other_drops",
        ]
        assert b"by embedding" in ask(f"{address}/alike/pairs/{own[0]}")[2]
        assert b"cosine " in ask(f"{address}/alike/pairs/{own[0]}?by=embedding")[2]


def test_embeddings_that_say_nothing_or_are_of_what_is_gone_take_no_place(looked_at: Path, tmp_path: Path) -> None:
    own = keys(looked_at, "pairs")
    gone = [f"gone-{number}" for number in range(60)]  # as near as can be, and more than are shown
    places: list[list[float | None] | None] = [[1.0, 0.0]] * 61
    places += [[0.0, 0.0], [float("nan"), 1.0], [None, 1.0], None, [1.0], [0.5, 0.5], [float("inf"), 1.0]]
    named = [own[0], *gone, *own[1:8]]
    table = pa.table({"kind": ["pairs"] * len(named), "key": named, "embedding": places})
    pq.write_table(table, tmp_path / "embeddings.parquet")
    library = Library(Store(str(looked_at)), str(tmp_path / "embeddings.parquet"))
    found = by_embeddings(library, "pairs", own[0], 1)
    assert [(one.key, one.near) for one in found] == [(own[0], "cosine 1.000"), (own[6], "cosine 0.707")]
    for number in (1, 2, 3, 4):
        with pytest.raises(QueryError, match="not in the file" if number == 4 else "points nowhere"):
            by_embeddings(library, "pairs", own[number], 1)
    library.index.close()


def test_embeddings_in_several_files_of_one_kind_are_a_table_of_queries_too(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = keys(looked_at, "pairs")
    for number, some in enumerate((own[:2], own[2:])):
        part = pa.table({"kind": ["pairs"] * len(some), "key": some, "embedding": [[1.0, float(number)]] * len(some)})
        pq.write_table(part, tmp_path / f"part-{number}.parquet")
    files = str(tmp_path / "part-*.parquet")
    library = Library(Store(str(looked_at)), files)
    assert len(by_embeddings(library, "pairs", own[0], 1)) == len(own)
    library.index.close()
    sql = (
        "select count(*) n from pairs join embeddings using (key) where list_cosine_similarity(embedding, [1, 0]) > 0.9"
    )
    capsys.readouterr()
    assert main(["query", str(looked_at), sql, "--embeddings", files, "--csv"]) == 0
    assert capsys.readouterr().out == "n\n2\n"
    assert main(["query", str(looked_at), sql, "--embeddings", str(tmp_path / "none-*.parquet")]) == 2
    assert "no such file" in capsys.readouterr().err


def test_a_column_that_holds_no_lists_of_numbers_is_told_of(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pa.table({"key": ["a"], "embedding": ["0.1 0.2"]}), tmp_path / "texts.parquet")
    assert main(["view", str(looked_at), "--embeddings", str(tmp_path / "texts.parquet"), "--port", "0"]) == 2
    assert "`embedding` holds VARCHAR, and no lists of numbers" in capsys.readouterr().err


def test_a_file_without_embeddings_is_refused_in_one_line(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pq.write_table(pa.table({"name": ["a"]}), tmp_path / "other.parquet")
    (tmp_path / "text.parquet").write_text("no parquet")
    for name, message in (("other", "has no columns key and embedding, but name"), ("text", "text.parquet: ")):
        assert main(["view", str(looked_at), "--embeddings", str(tmp_path / f"{name}.parquet"), "--port", "0"]) == 2
        said = capsys.readouterr().err
        assert message in said
        assert said.count("\n") == 1
