"""`weft inspect` on what other tools wrote."""

import io
import json
import random
import tarfile
from pathlib import Path
from typing import Any

import fsspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from jobs.cli import main
from tests.model.makers import page, pair, photo, write_foreign_tar


def inspected(capsys: pytest.CaptureFixture[str], path: object) -> dict[str, Any]:
    assert main(["inspect", str(path), "--json"]) == 0
    return dict(json.loads(capsys.readouterr().out))


def write_img2dataset(folder: Path) -> None:
    """The files of img2dataset's output folder: a tar, a parquet and statistics a shard."""
    folder.mkdir()
    for shard in range(2):
        write_foreign_tar(folder / f"{shard:05d}.tar", [pair(10 * shard + number) for number in range(4)])
        table = pa.table(
            {"url": ["https://a.example/1.jpg"] * 6, "status": ["success"] * 4 + ["failed_to_download"] * 2}
        )
        pq.write_table(table, folder / f"{shard:05d}.parquet")
        stats = {
            "count": 6,
            "successes": 4,
            "failed_to_download": 2,
            "status_dict": {"success": 4, "HTTP Error 404": 2},
        }
        (folder / f"{shard:05d}_stats.json").write_text(json.dumps(stats))


def test_the_output_folder_of_img2dataset(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_img2dataset(tmp_path / "laion")
    report = inspected(capsys, tmp_path / "laion")
    assert (report["layout"], report["samples"], report["shards"]) == ("img2dataset", 8, 2)
    assert report["statuses"] == {"success": 8, "HTTP Error 404": 4}
    assert report["kinds_seen"] == {"pairs": 8}
    assert report["loader"] == {"readable": 8}
    assert report["words_per_document"]["median"] > 0
    assert report["height"]["median"] == 64
    assert main(["inspect", str(tmp_path / "laion")]) == 0
    shown = capsys.readouterr().out
    assert "not weft's: img2dataset" in shown
    assert "HTTP Error 404" in shown


def test_interleaved_tars_by_folder_pattern_and_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for shard in range(3):
        write_foreign_tar(tmp_path / f"{shard:03d}.tar", [page(10 * shard + number) for number in range(5)])
    assert inspected(capsys, tmp_path)["samples"] == 15
    assert inspected(capsys, f"{tmp_path}/{{000..001}}.tar")["samples"] == 10
    assert inspected(capsys, f"{tmp_path}/00*.tar")["samples"] == 15
    report = inspected(capsys, tmp_path / "002.tar")
    assert report["kinds_seen"] == {"interleaved": 5}
    assert report["images_per_document"] == {"3": 5}


def test_tars_of_unknown_samples_and_a_tar_that_breaks_off(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "odd.tar"
    with tarfile.open(path, "w") as tar:
        for number in range(3):
            member = tarfile.TarInfo(f"{number}.npy")
            member.size = 2000
            tar.addfile(member, io.BytesIO(random.Random(number).randbytes(2000)))
    assert inspected(capsys, path)["kinds_seen"] == {"unknown": 3}
    path.write_bytes(path.read_bytes()[:-9000])
    assert inspected(capsys, path)["samples"] < 3


def test_lists_of_obelics_and_mmc4(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    obelics = tmp_path / "obelics"
    obelics.mkdir()
    table = pa.table({"texts": [["one two", None]] * 4, "images": [[None, "https://a.example/1.jpg"]] * 4})
    pq.write_table(table, obelics / "train-00000.parquet")
    report = inspected(capsys, obelics)
    assert (report["layout"], report["samples"], report["images_per_document"]) == ("OBELICS", 4, {"1": 4})
    mmc4 = tmp_path / "docs_shard_0.jsonl.gz"
    lines = [{"text_list": ["a b c", "d"], "image_info": [{"raw_url": "x"}], "url": "https://b.example/p"}] * 3
    with fsspec.open(str(mmc4), "wt", compression="gzip") as file:
        file.write("\n".join(map(json.dumps, lines)))
    report = inspected(capsys, mmc4)
    assert (report["layout"], report["looked_at"], report["samples"]) == ("mmc4", 3, None)
    assert report["top_domains"] == {"b.example": 3}
    assert report["words_per_document"]["max"] == 4


def test_shards_on_another_store(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    write_img2dataset(tmp_path / "laion")
    fsspec.filesystem("memory").put(str(tmp_path / "laion"), "/laion", recursive=True)
    assert inspected(capsys, "memory://laion")["samples"] == 8
    fsspec.filesystem("memory").rm("/laion", recursive=True)


def test_a_folder_of_something_else_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "photo.jpg").write_bytes(photo(1))
    assert main(["inspect", str(tmp_path)]) == 2
    assert "no dataset of weft" in capsys.readouterr().err
