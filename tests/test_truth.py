"""What the content model learns from, and what it is measured by."""

import gzip
from pathlib import Path

import msgspec
import numpy as np

from benchmarks.extraction_by_kind import FLOORS, Score, below_floors, without_names
from benchmarks.labels import shares_known
from benchmarks.trees import Learning, chances, learn
from benchmarks.truth import KnownPage, known_pages, overlap, words


def test_no_domain_is_in_both_halves(tmp_path: Path) -> None:
    lines = []
    for number in range(60):
        said = {
            "id": str(number),
            "kind": "article",
            "url": f"https://w{number % 3}.site{number // 3}.example/{number}",
        }
        lines.append(msgspec.json.encode({**said, "main_content": None if number == 7 else "One word."}))
        (tmp_path / f"{number}.html.gz").write_bytes(gzip.compress(b"<p>One word.</p>"))
    (tmp_path / "truth.jsonl.gz").write_bytes(gzip.compress(b"\n".join(lines)))
    halves = [list(known_pages(tmp_path / "truth.jsonl.gz", half)) for half in ("tuned", "held-out")]
    assert sum(map(len, halves)) == 60
    assert all(halves)
    assert not {page.domain for page in halves[0]} & {page.domain for page in halves[1]}


def test_a_text_is_known_by_its_runs_of_words_its_line_or_its_neighbours() -> None:
    known = "The river rose in spring and fell again.\nBuy now\nThree miles on it meets the sea."
    texts = ["Menu", "The river rose in spring and fell again.", "Buy now", "river", "Three miles on it meets the sea."]
    assert shares_known(texts, known) == [0.0, 1.0, 1.0, 0.0, 1.0]


def test_of_copies_of_a_text_as_many_are_known_as_there_are() -> None:
    line = "The river rose in spring and fell again."
    assert shares_known([line, "Menu", line], line) == [1.0, 0.0, 0.0]


def test_the_score_is_that_of_bags_of_lower_cased_words() -> None:
    f1, precision, recall = overlap(words("The river, the RIVER"), words("the river"))
    assert (precision, recall) == (0.5, 1.0)
    assert round(f1, 3) == 0.667


def test_trees_learn_what_two_columns_say_together_and_learn_it_the_same_again() -> None:
    rows = np.random.default_rng(3).random((2000, 5)).astype(np.float32)
    truth = ((rows[:, 1] > 0.5) ^ (rows[:, 3] > 0.5)).astype(float)
    how = Learning(trees=60, depth=3, calm=1.0, columns=1.0, rate=0.3)
    trees = learn(rows, truth, np.ones(2000), how)
    assert np.mean((chances(trees, rows) > 0.5) == truth) > 0.95
    assert learn(rows, truth, np.ones(2000), how) == trees


def test_a_kind_below_its_floor_is_named_though_the_whole_is_above() -> None:
    floors = msgspec.json.decode(FLOORS.read_bytes(), type=dict[str, float])
    kinds = [*["article"] * 9, "product"]
    pages = [KnownPage(str(at), kind, "", b"", "", "", 0) for at, kind in enumerate(kinds)]
    low = floors["product"] - 0.01
    scores = [Score(low if kind == "product" else 1.0, 1.0, 1.0, 1.0) for kind in kinds]
    assert below_floors(pages, scores) == [f"product {low:.3f} of {floors['product']:.3f}"]
    assert not below_floors(pages, [Score(1.0, 1.0, 1.0, 1.0)] * len(pages))


def test_every_kind_has_its_floor_and_the_whole_has_one() -> None:
    floors = msgspec.json.decode(FLOORS.read_bytes(), type=dict[str, float])
    assert {"all", "article", "collection", "documentation", "forum", "listing", "product", "service"} == set(floors)


def test_names_are_hidden_by_hashes_of_their_words_the_same_each_time() -> None:
    html = b'<p class=\'card wide\' id="card" data-id="card">class="card"</p>'
    hidden = without_names(html)
    card = hidden.split(b'id="')[1].split(b'"')[0]
    assert card.startswith(b"css-")
    assert len(card) == 10
    wide = hidden.split(b" ")[2].rstrip(b'"')
    assert hidden == b'<p class="%b %b" id="%b" data-id="card">class="card"</p>' % (card, wide, card)
    assert without_names(html) == hidden
