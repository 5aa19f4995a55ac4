"""Python that reads shards in README.md and docs/format.md does so, whatever the format of the pictures."""

import io
import re
from pathlib import Path

import pytest
from PIL import Image

from jobs.cli import main
from schemas.documents import Sample
from tests.docs.test_docs import ROOT
from tests.jobs.site import photo, prose, write_archive

FORMAT = (ROOT / "docs/format.md").read_text("utf-8")


def snippets(text: str, word: str) -> list[str]:
    """Blocks of Python in which a word stands."""
    return [block for block in re.findall(r"```python\n(.*?)```", text, re.DOTALL) if word in block]


@pytest.fixture
def demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One page with a JPEG and a PNG, where the demo's dataset would lie; `out` is the same folder."""
    with Image.open(io.BytesIO(photo(2))) as picture:
        picture.save(png := io.BytesIO(), "PNG")
    tags = f"<p>{prose(1)}</p><img src=/1.jpg><p>{prose(2)}</p><img src=/2.png><p>{prose(3)}</p>"
    records = [("https://a.example/page", f"<body><article>{tags}</article></body>".encode(), "text/html")]
    records += [("https://a.example/1.jpg", photo(1), "image/jpeg")]
    records += [("https://a.example/2.png", png.getvalue(), "image/png")]
    archive = write_archive(tmp_path / "a.warc.gz", records)
    command = ["build", "--input", str(archive), "--output", str(tmp_path / "demo-out/dataset"), "--engine", "inline"]
    assert main([*command, "--set", "partitions=1"]) == 0
    (tmp_path / "out").symlink_to(tmp_path / "demo-out/dataset")
    monkeypatch.chdir(tmp_path)


@pytest.mark.usefixtures("demo")
def test_what_reads_shards_reads_pictures_of_every_format(capsys: pytest.CaptureFixture[str]) -> None:
    (readme,) = snippets((ROOT / "README.md").read_text("utf-8"), "webdataset.WebDataset(")
    (by_webdataset,) = snippets(FORMAT, "wds.WebDataset(")
    (by_offset,) = snippets(FORMAT, "pq.read_table(")
    read: dict[str, list[Image.Image]] = {}
    exec(readme, read)
    assert [image.size for image in read["images"]] == [(320, 240)] * 2
    capsys.readouterr()
    exec(by_webdataset, {})
    assert "[(320, 240), (320, 240)]" in capsys.readouterr().out
    exec(by_offset, {})
    shown = capsys.readouterr().out
    assert shown.startswith("https://a.example/page {'000000000000.json': ")
    assert "'000000000000.1.jpg': " in shown
    assert "'000000000000.3.png': " in shown


def test_the_document_that_is_shown_has_every_field_in_order() -> None:
    shown = FORMAT[FORMAT.index("`000000000005.json` of the demo") :].partition("```json\n")[2].partition("```")[0]
    assert re.findall(r'^ "(\w+)":', shown, re.MULTILINE) == list(Sample.__struct_fields__)
