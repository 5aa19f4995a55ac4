"""The report: one file, everything in it, nothing from elsewhere, nothing that runs."""

import errno
import os
import re
import shutil
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import PIL
import pytest

from jobs.build import build
from jobs.cli import main
from schemas.storage import Store
from tests.jobs.looked_at import SITE, archive_of
from tests.jobs.site import article, write_archive
from tests.jobs.test_build import INLINE, SMALL


class Elements(HTMLParser):
    def __init__(self, html: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


@pytest.fixture(scope="module")
def report(looked_at: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    out = tmp_path_factory.mktemp("report") / "report.html"
    assert main(["report", str(looked_at), "--input", archive_of(looked_at), "-o", str(out)]) == 0
    return out.read_text()


def test_it_shows_funnel_distributions_samples_drops_and_settings(report: str) -> None:
    for said in (
        "The funnel",
        "few_words",
        "Words per document",
        "Words per caption",
        "Length of clips",
        "Domain, top of 1",
    ):
        assert said in report
    assert report.count("data:image/jpeg;base64,") >= 7  # pictures of samples, sheets of clips
    assert "a little too short" in report  # what was dropped, out of the archive
    assert "text.gopher.min_words" in report
    assert f"{SITE}/short.html" in report
    assert f"pillow {PIL.__version__}" in report


def test_nothing_in_it_runs_or_is_loaded(report: str) -> None:
    elements = Elements(report).found
    assert not {tag for tag, _ in elements} & {"script", "iframe", "link", "object", "embed", "form", "base"}
    for tag, attributes in elements:
        assert not [name for name in attributes if name.startswith("on")], tag
        for name in ("src", "href", "xlink:href"):
            assert (attributes.get(name) or "#").startswith(("#", "data:image/jpeg;base64,")), (tag, attributes)
    assert not re.search(r"url\((?!#)", report)
    assert "&lt;script&gt;" in report


def test_no_two_things_in_it_have_one_id(looked_at: Path, tmp_path: Path) -> None:
    assert main(["report", str(looked_at), "--compare", str(looked_at), "-o", str(tmp_path / "r.html")]) == 0
    ids = re.findall(r'\bid="([^"]*)"', (tmp_path / "r.html").read_text())
    assert len(ids) > 5
    assert sorted(set(ids)) == sorted(ids)


def test_a_report_that_cannot_be_written_leaves_the_one_before(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(file: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    (tmp_path / "r.html").write_text("before")
    monkeypatch.setattr("schemas.storage.sync", full)
    assert main(["report", str(looked_at), "-o", str(tmp_path / "r.html")]) == 1
    assert [(file.name, file.read_text()) for file in tmp_path.iterdir()] == [("r.html", "before")]


def test_two_runs_stand_beside_each_other(looked_at: Path, tmp_path: Path) -> None:
    other, out = tmp_path / "other", tmp_path / "both.html"
    assert main(["subset", str(looked_at), "--where", "url LIKE '%1%'", "-o", str(other)]) == 0
    assert main(["report", str(looked_at), "--compare", str(other), "-o", str(out)]) == 0
    html = out.read_text()
    assert "not_selected" in html
    assert "A · out" in html
    assert "B · other" in html


def test_funnels_beside_each_other_are_on_one_scale(looked_at: Path, tmp_path: Path) -> None:
    small, out = tmp_path / "small", tmp_path / "both.html"
    archive = write_archive(
        tmp_path / "one.warc.gz", [("https://a.example/", article(1, ["/i.jpg"]).encode(), "text/html")]
    )
    build(str(small), [str(archive)], SMALL, INLINE)
    assert main(["report", str(small), "--compare", str(looked_at), "-o", str(out)]) == 0
    funnel = out.read_text().partition('id="funnel"')[2].partition("</section>")[0]
    bars = r'aria-label="(\d+) of (\d+) kept"><rect width="([\d.]+)".*?width="([\d.]+)"'
    ours, theirs = (re.findall(bars, one) for one in funnel.split("<h3>pages</h3>")[1:])
    (_, seen, width, lost), (_, most, *_) = ours[0], theirs[0]
    assert (seen, most) == ("1", "9")
    assert float(width) + float(lost) == pytest.approx(100 / 9, abs=0.1)


def test_it_is_written_into_the_dataset_also_of_an_unfinished_one(looked_at: Path, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(looked_at, tmp_path / "copy"))
    (copy / "dataset.json").unlink()
    shutil.rmtree(copy / "work")
    shutil.rmtree(copy / "drops")
    assert main(["report", str(copy)]) == 0
    assert "not finished" in (copy / "report.html").read_text()
    assert main(["report", "/nowhere"]) == 2


@pytest.mark.parametrize("command", ["report", "audit"])
def test_where_the_dataset_takes_no_files_it_says_what_does(
    looked_at: Path, tmp_path: Path, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def refusing(method: Callable[..., Any]) -> Callable[..., Any]:
        def refused(store: Store, *arguments: Any) -> Any:
            if store.url == str(looked_at):
                raise OSError(errno.EROFS, os.strerror(errno.EROFS), "a file")
            return method(store, *arguments)

        return refused

    for name in ("create", "put"):
        monkeypatch.setattr(Store, name, refusing(getattr(Store, name)))
    assert main([command, str(looked_at)]) == 1
    assert capsys.readouterr().err.endswith("Read-only file system: 'a file'; -o FILE writes it elsewhere\n")
    assert main([command, str(looked_at), "-o", str(tmp_path / "out.html")]) == 0
