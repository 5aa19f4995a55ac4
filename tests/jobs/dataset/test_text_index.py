"""Full text: what is found is what is there, whatever is searched for."""

import random
import unicodedata
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.build import build
from jobs.dataset.index import Index
from jobs.dataset.text_index import TextIndex, TextIndexError, build_text_index, match_of, text_of, words_of
from schemas.storage import Store
from tests.jobs.test_build import INLINE, SMALL


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory, site: list[Path]) -> Store:
    folder = tmp_path_factory.mktemp("texts") / "out"
    build(str(folder), [str(path) for path in site], SMALL, INLINE)
    return Store(str(folder))


def made(store: Store, path: Path) -> TextIndex:
    with Index(store) as index:
        list(build_text_index(index, path))
    return TextIndex(path)


def documents(store: Store) -> dict[str, str]:
    """Texts by key, by reading every sample."""
    found = {}
    with Index(store) as index:
        for row in index.ask("SELECT key, shard, members FROM interleaved").dicts():
            for member in row["members"]:
                if member["name"].endswith(".json"):
                    data = store.read_range(f"interleaved/shards/{row['shard']}.tar", member["offset"], member["size"])
                    found[row["key"]] = text_of("interleaved", msgspec.json.decode(data))
    return found


def plain(text: str) -> list[str]:
    decomposed = unicodedata.normalize("NFD", text.casefold())
    kept = "".join(one if one.isalnum() else " " for one in decomposed if not unicodedata.combining(one))
    return kept.split()


def test_every_word_finds_the_samples_that_hold_it(dataset: Store, tmp_path: Path) -> None:
    texts = made(dataset, tmp_path / "texts.sqlite")
    held = {key: plain(text) for key, text in documents(dataset).items()}
    words = sorted({word for one in held.values() for word in one})
    rng = random.Random(0)
    for _ in range(200):
        some = rng.sample(words, rng.randint(1, 3))
        wanted = {key for key, one in held.items() if set(some) <= set(one)}
        assert set(texts.keys("interleaved", " ".join(some))) == wanted, some
        start = some[0][: rng.randint(1, len(some[0]))]
        wanted = {key for key, one in held.items() if any(word.startswith(start) for word in one)}
        assert set(texts.keys("interleaved", f"{start}*")) == wanted, start
    key, one = next(iter(held.items()))
    at = rng.randrange(len(one) - 3)
    assert key in texts.keys("interleaved", f'"{" ".join(one[at : at + 3])}"')
    assert texts.keys("pairs", words[0]) == []
    texts.close()


@given(
    st.text(max_size=40)
    | st.sampled_from(['"', "AND", "a NEAR b", "col:x", "*", "a* OR", "-x", "(", "^a", "''", "a\x00b", "\ud800"])
)
def test_no_search_is_an_error(dataset_path: Path, text: str) -> None:
    texts = TextIndex(dataset_path)
    assert isinstance(texts.keys("interleaved", text), list)
    texts.close()


@pytest.fixture(scope="module")
def dataset_path(dataset: Store, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("made") / "texts.sqlite"
    made(dataset, path).close()
    return path


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("bread Butter", '"bread" "Butter"'),
        ('"fresh bread" now', '"fresh bread" "now"'),
        ("brea*", '"brea" *'),
        ("虐待", '"虐 待"'),
        ("東京タワー 2020", '"東 京 タ ワ ー" "2020"'),
        ('" - *', ""),
    ],
)
def test_what_is_asked_for(text: str, query: str) -> None:
    assert match_of(text) == query


def test_words_that_are_shown() -> None:
    assert words_of('fresh "brown bread" but* -') == ["fresh", "brown bread", "but*"]


def test_an_index_that_was_interrupted_goes_on_and_one_of_other_shards_is_made_anew(
    dataset: Store, tmp_path: Path
) -> None:
    path, whole = tmp_path / "texts.sqlite", made(dataset, tmp_path / "whole.sqlite")
    with Index(dataset) as index:
        steps = build_text_index(index, path)
        next(steps)
        steps.close()  # as a kill between two shards would
        begun = TextIndex(path)
        assert not begun.covers(index.marks)
        assert len(begun.shards) == 1
        begun.close()
        list(build_text_index(index, path))
        assert TextIndex(path).covers(index.marks)
        assert TextIndex(path).keys("interleaved", "the") == whole.keys("interleaved", "the") != []
        del index.marks["interleaved"][0]
        assert not TextIndex(path).covers(index.marks)
        list(build_text_index(index, path))
        fewer = TextIndex(path)
        assert fewer.covers(index.marks)
        assert set(fewer.keys("interleaved", "the")) < set(whole.keys("interleaved", "the"))


def test_a_file_that_is_something_else_is_left_alone(dataset: Store, tmp_path: Path) -> None:
    (tmp_path / "letter").write_text("dear reader, " * 100)
    with Index(dataset) as index, pytest.raises(TextIndexError, match="letter: file is not a database"):
        list(build_text_index(index, tmp_path / "letter"))
    assert (tmp_path / "letter").read_text().startswith("dear")
    (tmp_path / "folder").mkdir()
    with Index(dataset) as index, pytest.raises(TextIndexError):
        list(build_text_index(index, tmp_path / "folder"))
