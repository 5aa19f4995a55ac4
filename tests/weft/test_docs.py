"""docs/python.md names what there is, and its examples run as they stand there."""

import re
from pathlib import Path

import pytest

import weft
from tests.jobs.site import article, photo, write_archive
from tests.model.makers import save_tokenizer

PAGE = (Path(__file__).parents[2] / "docs/python.md").read_text("utf-8")


def test_every_name_is_in_the_table_and_no_other() -> None:
    rows = re.findall(r"^\| (`.*?) \|", PAGE, re.MULTILINE)
    assert sorted(name for row in rows for name in re.findall(r"`(\w+)`", row)) == sorted(weft.__all__)


def test_every_method_of_a_dataset_that_is_named_is_there(looked_at: Path) -> None:
    dataset = weft.open(looked_at)
    named = set(re.findall(r"\bds\.(\w+)\(", PAGE))
    assert {"where", "stats", "drops", "query", "of"} <= named
    assert [name for name in named if not hasattr(dataset, name)] == []


def test_the_examples_run(
    looked_at: Path,
    checkpoint: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """In the order of the page, in a folder with the dataset, the archive, the tokenizer and the run that they name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "out").symlink_to(looked_at)
    (tmp_path / "tiny-out").symlink_to(checkpoint)
    save_tokenizer(tmp_path / "tokenizer")
    (tmp_path / "crawl/warc").mkdir(parents=True)
    site = "https://built.example"
    records = [(f"{site}/1", article(1, ["/a.jpg"]).encode(), "text/html"), (f"{site}/a.jpg", photo(1), "image/jpeg")]
    write_archive(tmp_path / "crawl/warc/part.warc.gz", records)
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    blocks = re.findall(r"^(<!-- not run: .*? -->\n)?```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    assert sum(bool(skipped) for skipped, _ in blocks) == 1
    (front_door,) = re.findall(r"^```python\n(import weft\n.*?)^```$", readme, re.MULTILINE | re.DOTALL)
    blocks.append(("", front_door))
    names: dict[str, object] = {}
    for skipped, code in blocks:
        if not skipped:
            exec(compile(code, f"docs/python.md: {code.splitlines()[0]}", "exec"), names)
    printed = capsys.readouterr().out
    for said in re.findall(r"^print\((?:ds|verdicts\.kept, verdicts\.reason)\) +# (.*)$", PAGE, re.MULTILINE):
        assert said in printed
