"""Pages that were dropped for another, beside it."""

from collections.abc import Iterator
from urllib.parse import quote

import pytest

from jobs.build import build
from jobs.view.duplicates import compare_texts
from tests.jobs.looked_at import viewer
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.test_build import INLINE, SMALL
from tests.jobs.view.test_view import ask

SITE = "https://twice.example"
TEXT = " ".join(prose(n) for n in range(40, 48))


def page_of(text: str, number: int) -> bytes:
    image = f"<img src='/{number}.jpg' alt='A bridge over the wide river'>"
    return f"<title>Twice</title><article><h1>Twice</h1><p>{text}</p>{image}</article>".encode()


@pytest.fixture(scope="module")
def view(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """One page three times: as it is, the same, and with a word changed."""
    folder = tmp_path_factory.mktemp("twice")
    changed = TEXT.replace(TEXT.split()[30], "zeppelin", 1)
    records = [(f"{SITE}/{n}.html", page_of(text, n), "text/html") for n, text in enumerate((TEXT, TEXT, changed))]
    records += [(f"{SITE}/short.html", page_of("Too short.", 0), "text/html")]
    records += [(f"{SITE}/{n}.jpg", photo(n), "image/jpeg") for n in range(3)]
    write_archive(folder / "twice.warc.gz", records)
    build(str(folder / "out"), [str(folder / "twice.warc.gz")], SMALL, INLINE)
    with viewer(str(folder / "out"), inputs=[str(folder / "twice.warc.gz")]) as address:
        yield address


def test_groups_are_counted_and_shown_with_what_they_lost_to(view: str) -> None:
    body = ask(f"{view}/duplicates")[2].decode()
    assert "near_duplicate 1" in body
    assert "duplicate_text 1" in body
    assert f"{SITE}/2.html" in body  # of equal times the last page stays
    assert "duplicate_text" in ask(f"{view}/duplicates?reason=near_duplicate")[2].decode()  # as a choice
    group = ask(f"{view}/duplicates/of?url={quote(f'{SITE}/2.html')}")[2].decode()
    assert "2 dropped for one page" in group  # one of them by way of the other
    assert f"for {SITE}/1.html" in group
    between = ask(f"{view}/duplicates/of?url={quote(f'{SITE}/1.html')}")[2].decode()
    assert "dropped itself" in between
    status, _, alone = ask(f"{view}/duplicates/of?url={quote(f'{SITE}/short.html')}")
    assert (status, b"is no sample: dropped as language." in alone) == (200, True)
    assert b"No page was dropped for this one" in alone


@pytest.mark.parametrize("url", ["nope", f"{SITE}/9.html", ""])
def test_an_address_that_the_dataset_never_saw_is_not_found(view: str, url: str) -> None:
    status, _, body = ask(f"{view}/duplicates/of?url={quote(url)}")
    assert status == 404
    assert b"no page of this dataset, kept or dropped, has the address" in body


def test_the_difference_of_the_texts_is_marked(view: str) -> None:
    asked = f"url={quote(f'{SITE}/1.html')}&of={quote(f'{SITE}/2.html')}"
    body = ask(f"{view}/duplicates/difference?{asked}")[2].decode()
    assert ">zeppelin</del>" in body
    assert f">{TEXT.split()[30]}</ins>" in body
    same = ask(f"{view}/duplicates/difference?url={quote(f'{SITE}/0.html')}&of={quote(f'{SITE}/1.html')}")[2].decode()
    assert "the texts are the same" in same
    missing = ask(f"{view}/duplicates/difference?url={quote(f'{SITE}/9.html')}&of={quote(f'{SITE}/2.html')}")
    assert missing[0] == 200
    assert b"not in the archives" in missing[2]


@pytest.mark.parametrize(
    ("stayed", "lost"), [("", ""), ("a b c", ""), ("", "a"), ("a b c d", "a x c d"), ("<b> a", "a <b>")]
)
def test_no_word_is_lost_between_the_pieces(stayed: str, lost: str) -> None:
    pieces, shared = compare_texts(stayed, lost)
    assert " ".join(text for text, how in pieces if how in ("same", "gone")).split() == stayed.split()
    assert " ".join(text for text, how in pieces if how in ("same", "new")).split() == lost.split()
    assert 0 <= shared <= 1


def test_long_runs_of_the_same_words_are_cut() -> None:
    words = [str(number) for number in range(1000)]
    pieces, _ = compare_texts(" ".join(words), " ".join([*words[:500], "x", *words[501:]]))
    assert [how for _, how in pieces] == ["cut", "same", "gone", "new", "same", "cut"]
    assert pieces[0][0] == "488 words are the same"


def test_a_text_of_few_words_again_and_again_is_the_same_as_itself() -> None:
    words = ["buy", "now"] * 700
    assert compare_texts(" ".join(words), " ".join(words)) == ([("1,400 words are the same", "cut")], 1.0)
    pieces, shared = compare_texts(" ".join(words), " ".join([*words[:700], "cheap", *words[701:]]))
    assert [piece for piece in pieces if piece[1] in ("gone", "new")] == [("buy", "gone"), ("cheap", "new")]
    assert shared == pytest.approx(1399 / 1400)
