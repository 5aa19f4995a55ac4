"""Full text in the viewer: words in any order, shown where they stand."""

import shutil
from pathlib import Path

import pytest

from jobs.cli import main
from jobs.dataset.index import Index
from jobs.dataset.text_index import build_text_index
from jobs.view.excerpts import excerpt_of
from jobs.view.library import texts_file
from schemas.storage import Store
from tests.jobs.looked_at import viewer
from tests.jobs.view.test_view import ask


@pytest.fixture
def indexed(looked_at: Path, tmp_path: Path) -> Path:
    copy = Path(shutil.copytree(looked_at, tmp_path / "out"))
    with Index(Store(str(copy))) as index:
        list(build_text_index(index, texts_file(index.store)))
    return copy


def test_texts_of_pages_are_searched_and_the_place_is_shown(indexed: Path, looked_at: Path) -> None:
    query = "harbour+orchard+%22the%22"
    with viewer(str(looked_at)) as address:
        assert b"Nothing fits" in ask(f"{address}/browse/interleaved?q={query}")[2]
    with viewer(str(indexed)) as address:
        shown = ask(f"{address}/browse/interleaved?q={query}")[2].decode()
        assert "<mark>harbour</mark>" in shown
        assert "<mark>orchard</mark>" in shown
        assert "Search all texts" in shown
        assert b"Nothing fits" in ask(f"{address}/browse/interleaved?q=harbour+nowhere")[2]
        assert b"data-item" in ask(f"{address}/browse/interleaved?q=looked.example")[2]  # addresses, as before
        assert ask(f"{address}/distributions/interleaved?q={query}")[0] == 200
        assert ask(f"{address}/browse/pairs?q=%22%29+OR+key%3A")[0] == 200


def test_an_index_of_other_shards_is_not_used(indexed: Path, tmp_path: Path) -> None:
    mark = sorted((indexed / "interleaved/commit").iterdir())[0]
    mark.write_bytes(mark.read_bytes().replace(b'"tar_sha256":"', b'"tar_sha256":"0'))
    with viewer(str(indexed)) as address:
        assert b"Search titles and addresses" in ask(f"{address}/browse/interleaved")[2]


def test_view_makes_the_index_and_says_what_it_took(
    looked_at: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    copy = shutil.copytree(looked_at, tmp_path / "out")
    (tmp_path / "out.texts.sqlite").write_text("something else")
    assert main(["view", str(copy), "--texts", "--port", "0"]) == 2
    assert "out.texts.sqlite: file is not a database" in capsys.readouterr().err
    (tmp_path / "out.texts.sqlite").unlink()

    def served(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("jobs.view.app.serve", served)
    assert main(["view", str(copy), "--texts", "--port", "0"]) == 0
    assert "out.texts.sqlite: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("texts", "words", "marked"),
    [
        (["# Bread", "Salt only.", "Fresh BREAD and salt"], ["bread", "salt"], ["BREAD", "salt"]),
        (["One two  three"], ["two three"], ["two  three"]),
        (["embroidery"], ["broid"], []),
        (["they and the"], ["the"], ["the"]),
        (["They bake bread"], ["the*", "bak*"], ["They", "bake"]),
        (["Un CAFÉ noir, des cafés"], ["cafe"], ["CAFÉ"]),
        (["児童虐待を防ぐ"], ["虐待"], ["虐待"]),
        (["a+b (c)"], ["a+b"], ["a+b"]),
        ([], ["x"], []),
    ],
)
def test_excerpts(texts: list[str], words: list[str], marked: list[str]) -> None:
    pieces = excerpt_of(texts, words)
    assert [piece for piece, is_hit in pieces if is_hit] == marked


def test_marks_of_headings_stand_in_no_excerpt() -> None:
    text = "It rests.\n\n## Crust\n\nThin #1."
    assert excerpt_of(["# Bread", text], []) == [("It rests.\n\nCrust\n\nThin #1.", False)]
    assert excerpt_of(["# Bread", text], ["crust"])[1] == ("Crust", True)
    assert excerpt_of(["# Bread"], ["bread"]) == [("Bread", True)]


def test_an_excerpt_is_cut_around_the_word() -> None:
    pieces = excerpt_of([f"{'before ' * 200}needle{' after' * 200}"], ["needle"])
    text = "".join(piece for piece, _ in pieces)
    assert len(text) < 450
    assert text.startswith("… before")
    assert text.endswith(" …")
    assert ("needle", True) in pieces
