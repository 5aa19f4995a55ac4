"""Datasets with files that are cut off, gone or overwritten: each command names the file in a line, with code 1."""

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import weft
from jobs.cli import main
from jobs.dataset.index import Index, QueryError
from schemas.shards import DamagedShard
from schemas.storage import Store

COMMANDS = {
    "query": ["select 1"],
    "report": ["-o", "{out}/report.html"],
    "audit": ["-o", "{out}/audit.html"],
    "card": ["--name", "walls"],
    "view": ["--port", "0"],
    "subset": ["--where", "true", "-o", "{out}/subset"],
}
OF_DROPS = {"query": ["select count(*) from drops"], **{name: COMMANDS[name] for name in ("report", "audit", "subset")}}


def index_of(copy: Path) -> Path:
    return sorted((copy / "interleaved/shards").glob("*.parquet"))[0]


def drops_of(copy: Path) -> Path:
    return max((copy / "drops").glob("*.parquet"), key=lambda path: path.stat().st_size)


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:300])


@pytest.fixture
def copy(looked_at: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(looked_at, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("spoil", "command", "more"),
    [
        *(pytest.param((index_of, cut), *call, id=f"index cut, {call[0]}") for call in COMMANDS.items()),
        *(pytest.param((index_of, Path.unlink), *call, id=f"index gone, {call[0]}") for call in COMMANDS.items()),
        *(pytest.param((drops_of, cut), *call, id=f"drops cut, {call[0]}") for call in OF_DROPS.items()),
    ],
)
def test_every_command_names_the_file_in_a_line(
    spoil: tuple[Callable[[Path], Path], Callable[[Path], None]],
    command: str,
    more: list[str],
    copy: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    find, damage = spoil
    path = find(copy)
    damage(path)
    code = main([command, str(copy), *(one.format(out=tmp_path) for one in more)])
    said = capsys.readouterr().err
    assert code == 1
    assert said.splitlines()[-1].startswith("weft: ")
    assert path.name in said.splitlines()[-1]
    assert "Traceback" not in said


def test_python_raises_that_a_shard_is_damaged(copy: Path) -> None:
    """A file that is gone is missing from a committed shard: it is no fault of the storage."""
    tar = index_of(copy).with_suffix(".tar")
    moved = tar.rename(tar.with_suffix(".moved"))
    with pytest.raises(DamagedShard, match=re.escape(f"{tar.name} is gone")):
        weft.open(str(copy), kind="interleaved")[0]
    with pytest.raises(DamagedShard, match=re.escape(f"{tar.name} is gone")):
        list(Index(Store(str(copy))).shard("interleaved", tar.stem).members([{}]))
    moved.rename(tar)
    cut(index_of(copy))
    with pytest.raises(DamagedShard, match="No magic bytes"):
        weft.open(str(copy), kind="interleaved")


def test_damage_within_a_file_is_told_as_such(copy: Path) -> None:
    path = index_of(copy)
    data = bytearray(path.read_bytes())
    data[4 : len(data) // 2] = b"\xff" * (len(data) // 2 - 4)
    path.write_bytes(data)
    with pytest.raises(DamagedShard) as caught, Index(Store(str(copy))) as index:
        index.ask("SELECT * FROM interleaved")
    assert str(caught.value).isprintable()


def test_wrong_sql_is_no_damage(looked_at: Path) -> None:
    with Index(Store(str(looked_at))) as index:
        for sql in (
            "SELECT nothing FROM pairs",
            "SELECT CAST('x' AS INT)",
            "SELEC",
            "SELECT chr(-5)",
            "SELECT 1 / 'a'",
        ):
            with pytest.raises(QueryError):
                index.ask(sql)


def test_a_report_passes_over_one_damaged_sample_but_not_over_a_shard_that_is_gone(
    copy: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tar = index_of(copy).with_suffix(".tar")
    data = tar.read_bytes()
    tar.write_bytes(data.replace(b'{"', b"\xff\xff", 1))
    call = ["report", str(copy), "-o", str(tmp_path / "report.html")]
    assert main(call) == 0
    assert (tmp_path / "report.html").is_file()
    tar.unlink()
    assert main(call) == 1
    assert capsys.readouterr().err.endswith(f"weft: interleaved/shards/{tar.name} is gone\n")
