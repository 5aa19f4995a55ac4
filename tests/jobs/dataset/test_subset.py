"""Subsets are whole datasets: they pass every check, and tell where they come from."""

import json
import shutil
from pathlib import Path

import pytest

import weft
from jobs.cli import main
from jobs.dataset import subset as subset_module
from jobs.dataset.check import problems
from jobs.dataset.index import Index, QueryError
from schemas.dataset import read_dataset
from schemas.storage import Store
from tests.jobs.conftest import contents


def test_a_subset_holds_what_was_asked_for_and_passes_the_check(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    where = "url LIKE '%/1.html' OR url LIKE '%/img/1a.jpg'"
    assert main(["subset", str(looked_at), "--where", where, "-o", str(out)]) == 0
    assert "interleaved: 1 samples" in capsys.readouterr().out
    assert list(problems(Store(str(out)))) == []
    with Index(Store(str(looked_at))) as source, Index(Store(str(out))) as made:
        for kind in ("interleaved", "pairs"):
            sql = f'SELECT * EXCLUDE (shard, row, "offset", members) FROM {kind} WHERE {where}'
            assert made.ask(sql).rows == source.ask(sql).rows
            assert len(made.ask(f"SELECT key FROM {kind}").rows) == 1
    dataset, before = read_dataset(Store(str(out))), read_dataset(Store(str(looked_at)))
    assert dataset.phases["subset"].seen == {"clip": 1, "page": 7, "pair": 13}
    assert dataset.drops["page"] == {**before.drops["page"], "not_selected": 6}
    assert list(dataset.phases)[:-1] == list(before.phases)
    assert json.loads((out / "subset.json").read_text())["where"] == where


def test_one_kind_and_a_subset_of_a_subset(looked_at: Path, tmp_path: Path) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    assert main(["subset", str(looked_at), "--where", "num_words > 0", "--kind", "pairs", "-o", str(first)]) == 0
    assert list(read_dataset(Store(str(first))).kinds) == ["pairs"]
    assert main(["subset", str(first), "--where", "num_words > 10000", "-o", str(second)]) == 1
    assert list(read_dataset(Store(str(second))).phases)[-2:] == ["subset", "subset-2"]
    assert list(problems(Store(str(second)))) == []


def test_an_interrupted_subset_goes_on_and_ends_the_same(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    call = ["subset", str(looked_at), "--where", "num_words >= 1", "-o"]
    assert main([*call, str(whole)]) == 0
    write, calls = subset_module._write, []

    def failing(*arguments: object) -> None:
        calls.append(arguments)
        if len(calls) == 2:
            raise OSError("the disk is full")
        write(*arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(subset_module, "_write", failing)
    assert main([*call, str(broken)]) == 1
    assert not (broken / "dataset.json").exists()
    monkeypatch.setattr(subset_module, "_write", write)
    assert main([*call, str(broken)]) == 0
    assert contents(broken) == contents(whole)


def test_wrong_calls_say_what_is_wrong(looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*arguments: str) -> str:
        assert main(["subset", *arguments]) == 2
        return capsys.readouterr().err

    out = str(tmp_path / "out")
    assert "nonsense" in said(str(looked_at), "--where", "nonsense > 1", "-o", out)
    assert "num_images" in said(str(looked_at), "--where", "num_images > 1", "-o", out)  # clips have none
    assert not Path(out).exists()
    (tmp_path / "full").mkdir()
    (tmp_path / "full/file").write_text("x")
    assert "cannot be asked for" in said(str(looked_at), "--where", "domain='x') OR (1=1", "-o", out)
    with weft.open(looked_at, "pairs") as dataset, pytest.raises(QueryError):
        dataset.where("domain = ?) OR (1=1", "x")
    assert "not empty" in said(str(looked_at), "--where", "true", "-o", str(tmp_path / "full"))
    assert main(["subset", str(looked_at), "--where", "num_words > 5", "-o", out]) == 0
    assert "another subset: where num_words > 5" in said(str(looked_at), "--where", "num_words > 6", "-o", out)
    call = (str(looked_at), "--where", "num_words > 5", "-o", out)
    assert "in shards of 536870912 bytes" in said(*call, "--shard-bytes", "99999")
    assert "of the kinds interleaved, pairs, clips" in said(*call, "--kind", "pairs")
    before = json.loads((Path(out) / "subset.json").read_text())
    del before["shard_bytes"]  # as versions before wrote it
    (Path(out) / "subset.json").write_text(json.dumps(before))
    assert main(["subset", *call, "--shard-bytes", "99999"]) == 0
    (tmp_path / "keys").write_text("none-such\n")
    assert main(["subset", str(looked_at), "--keys", str(tmp_path / "keys"), "-o", str(tmp_path / "none")]) == 1
    assert f"no sample was chosen: none has a key of {tmp_path / 'keys'}" in capsys.readouterr().err
    unfinished = Path(shutil.copytree(looked_at, tmp_path / "copy"))
    (unfinished / "dataset.json").unlink()
    assert "not finished" in said(str(unfinished), "--where", "true", "-o", str(tmp_path / "other"))


def test_brackets_of_a_condition_do_not_pair_with_those_around_it(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "keys").write_text("none-such\n")
    out = tmp_path / "out"
    for more in ([], ["--keys", str(tmp_path / "keys")]):
        assert main(["subset", str(looked_at), "--where", "false) OR (true", *more, "-o", str(out)]) == 2
        assert "cannot be asked for false) OR (true" in capsys.readouterr().err
        assert not out.exists()


def test_keys_that_are_not_there_are_told(looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Index(Store(str(looked_at))) as index:
        ((key,),) = index.ask("SELECT key FROM pairs LIMIT 1").rows
    (tmp_path / "keys").write_text(f"{key}\nnone-such\nnor-this\nnone-such\n")
    call = ["subset", str(looked_at), "--keys", str(tmp_path / "keys"), "--kind", "pairs", "-o", str(tmp_path / "out")]
    assert main(call) == 0
    out, err = capsys.readouterr()
    assert "pairs: 1 samples" in out
    assert f"of {tmp_path / 'keys'} 2 keys are not there, the first none-such" in err
    assert main([*call[:-1], str(tmp_path / "none"), "--where", "num_words < 0"]) == 1
    assert f"3 keys are not there, or do not meet the condition, the first {key}" in capsys.readouterr().err


def test_shards_of_no_bytes_are_refused(looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        main(["subset", str(looked_at), "--where", "true", "-o", str(tmp_path / "out"), "--shard-bytes", "-1"])
    assert "a number of 1 or more is wanted" in capsys.readouterr().err


def test_of_a_source_that_has_changed_it_is_another_subset(
    looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """It stayed as it was, with what was removed since, and said nothing of that."""
    source = Path(shutil.copytree(looked_at, tmp_path / "source"))
    call = ["subset", str(source), "--where", "num_words > 0", "--kind", "interleaved", "-o"]
    assert main([*call, str(tmp_path / "out")]) == 0
    with Index(Store(str(source))) as index:
        ((url,),) = index.ask("SELECT url FROM interleaved ORDER BY url LIMIT 1").rows
    (tmp_path / "deny.txt").write_text(f"{url}\n")
    assert main(["remove", str(source), "--deny", str(tmp_path / "deny.txt"), "--engine", "inline"]) == 0
    assert main([*call, str(tmp_path / "out")]) == 2
    assert "as that was before it grew or shrunk" in capsys.readouterr().err
    assert main([*call, str(tmp_path / "anew")]) == 0
    with Index(Store(str(tmp_path / "anew"))) as index:
        assert not index.ask("SELECT url FROM interleaved WHERE url = ?", [url]).rows


@pytest.mark.parametrize("call", ["subset {} --where true -o {}", "export {} --to parquet --engine inline -o {}"])
def test_noise_in_a_shard_is_not_copied(
    call: str, looked_at: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source = shutil.copytree(looked_at, tmp_path / "source")
    tar = next((source / "pairs/shards").glob("*.tar"))
    tar.write_bytes(bytes(tar.stat().st_size))
    assert main(call.format(source, tmp_path / "out").split()) == 1
    said = capsys.readouterr().err
    assert f"pairs/shards/{tar.name} is damaged: " in said
    assert "Traceback" not in said
