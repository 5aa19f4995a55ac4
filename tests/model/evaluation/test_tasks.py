import json
from pathlib import Path

import numpy as np
import pytest

from model.data.images import ImageSettings
from model.evaluation.items import Item
from model.evaluation.prompts import Examples, Showing, answer_text, in_context, query_text
from model.evaluation.similar import ranked
from model.evaluation.tasks import ItemSource, TaskSettings, read_items
from model.network.generate import make_prompt
from schemas.settings import SettingsError, settings_of
from tests.model.makers import pair, photo, some_tokens, write_dataset


def write_jsonl(folder: Path, rows: list[dict[str, object]]) -> ItemSource:
    for number in range(4):
        (folder / f"{number}.jpg").write_bytes(photo(number))
    (folder / "items.jsonl").write_text("\n".join(json.dumps(row) for row in rows) + "\n\n")
    return ItemSource(str(folder / "items.jsonl"))


def test_items_come_from_jsonl_and_from_shards(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"image": "0.jpg", "question": "what?", "answers": [{"answer": "cat"}, {"answer": "dog"}], "key": "k"},
        {"images": ["1.jpg", "2.jpg"], "caption": "two"},
        {"image": "3.jpg", "label": "cat", "group": "g"},
    ]
    first, second, third = read_items(write_jsonl(tmp_path, rows))
    assert (first.key, first.question, first.answers) == ("k", "what?", ("cat", "dog"))
    assert (second.key, len(second.media), second.answers) == ("2", 2, ("two",))
    assert (third.group, third.answers) == ("g", ("cat",))
    write_dataset(tmp_path / "pairs", [pair(n) for n in range(5)])
    assert len(read_items(ItemSource(str(tmp_path / "pairs"), limit=3))) == 3


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"image": 3, "answer": "a"}, "line 1: image is a path, or a list of paths"),
        ({"images": ["0.jpg", 3], "answer": "a"}, "line 1: images is a path, or a list of paths"),
        ({"image": "0.jpg", "answer": "a", "candidates": 5}, "line 1: candidates is a list of answers"),
    ],
)
def test_what_a_line_names_wrongly_is_told(tmp_path: Path, row: dict[str, object], said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        read_items(write_jsonl(tmp_path, [row]))


def test_lines_may_begin_with_a_byte_order_mark_and_hold_any_letter(tmp_path: Path) -> None:
    """Nothing but a line feed ends a line; null is as if it was not there."""
    source = write_jsonl(tmp_path, [])
    row = {"image": "0.jpg", "question": None, "group": None, "candidates": None, "label": 3}
    lines = [json.dumps({**row, "answers": ["a\u2028b\u0085c"]}, ensure_ascii=False), json.dumps(row)]
    Path(source.path).write_text("\ufeff" + "\r\n".join(lines), "utf-8", newline="")
    first, second = read_items(source)
    assert first.answers == ("a\u2028b\u0085c",)
    assert (second.answers, second.question, second.group, second.candidates) == (("3",), "", "", ())


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ({"image": "9.jpg", "answer": "x"}, "line 1: FileNotFoundError"),
        ({"image": "0.jpg"}, "line 1: no answers"),
        ({"image": "0.jpg", "answers": []}, "line 1: its list of answers is empty"),
        ({"image": "0.jpg", "answers": ["", " "]}, "line 1: its list of answers is empty"),
        ({"answer": "x"}, "line 1: no images, image or video"),
        ({"images": "9.jpg", "answer": "x"}, r"9\.jpg"),
    ],
)
def test_a_line_that_cannot_be_used_is_named(tmp_path: Path, row: dict[str, object], message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        read_items(write_jsonl(tmp_path, [row]))


@pytest.mark.parametrize("template", ["{foo} {answer}", "{} {answer}", "{ {answer}", "{question.foo} {answer}"])
def test_a_template_that_cannot_be_filled_is_refused(template: str) -> None:
    with pytest.raises(SettingsError, match="other braces are written twice"):
        settings_of(TaskSettings, {"name": "t", "query": {"path": "a.jsonl"}, "template": template})


def test_a_prompt_is_a_page_of_examples_that_ends_open(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [{"image": f"{n}.jpg", "answer": f"the mat {n}"} for n in range(3)]
    *examples, query = map(Showing(ImageSettings(size_px=16)), read_items(write_jsonl(tmp_path, rows)))
    tokens = some_tokens()
    prompt = in_context(examples, query, "Output: {answer}", tokens)
    assert tokens.decode(list(prompt.tokens)) == (
        "<s><image>Output: the mat 0<|endofchunk|><image>Output: the mat 1<|endofchunk|><image>Output:"
    )
    starts = [place for place, token in enumerate(prompt.tokens) if token == tokens.image_id]
    expected = [-1] + [sum(start <= place for start in starts) - 1 for place in range(1, len(prompt.tokens))]
    assert list(prompt.media_index) == expected
    assert len(prompt.media) == 3
    text_only = in_context(examples, query, "Output: {answer}", tokens, with_media=False)
    assert tokens.decode(list(text_only.tokens)) == (
        "<s>Output: the mat 0<|endofchunk|>Output: the mat 1<|endofchunk|><image>Output:"
    )
    assert len(text_only.media) == 1
    assert max(text_only.media_index[: text_only.tokens.index(tokens.image_id)]) == -1


def test_an_item_of_several_pictures_stands_as_on_a_page(tmp_path: Path) -> None:
    row: dict[str, object] = {"images": ["0.jpg", "1.jpg"], "answer": "both"}
    (shown,) = map(Showing(ImageSettings(size_px=16)), read_items(write_jsonl(tmp_path, [row])))
    tokens = some_tokens()
    prompt = in_context([], shown, "Output: {answer}", tokens)
    page = make_prompt([*map(np.asarray, shown.media), "Output:"], tokens)
    assert tokens.decode(list(prompt.tokens)) == "<s><image><|endofchunk|><image>Output:"
    assert (prompt.tokens, prompt.media_index) == (page.tokens, page.media_index)


def test_templates_are_cut_at_the_answer() -> None:
    template = "Question: {question} Answer: {answer}."
    item = Item("k", (), ("red",), "which?")
    assert query_text(template, item) == "Question: which? Answer:"
    assert answer_text(template, "red") == " red."
    assert answer_text("{answer}", "red") == "red"


def test_examples_are_of_the_querys_group_and_never_the_query(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"image": "0.jpg", "answer": str(n), "key": str(n), "group": str(n % 2)} for n in range(12)
    ]
    items = read_items(write_jsonl(tmp_path, rows))
    query = items[0]
    examples = Examples(items, seed=0)
    chosen = examples.drawn(query, 4)
    assert len(set(chosen)) == 4
    assert set(chosen) < {2, 4, 6, 8, 10}
    assert chosen == examples.drawn(query, 4)
    assert chosen != Examples(items, seed=1).drawn(query, 4)
    for place in (4, 6, 10):
        examples.leave_out(place)
    assert set(examples.drawn(query, 4)) == {2, 8}
    features = np.eye(12, dtype=np.float16)
    like_four = np.array([[0, 0, 0, 0, 1, 0, 0.5, 0.9, 0, 0, 0, 0]], np.float16)
    assert ranked(items, features, np.arange(12), [query], like_four, 2) == [[4, 6]]
