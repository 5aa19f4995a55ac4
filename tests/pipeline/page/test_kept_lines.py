"""Lines that a style keeps are lines of the text; others are those of the source."""

import pytest

from tests.pipeline.makers import walk, walked_texts

POEM = "Roses are red\n    and violets blue\r\n\nso is the sea"
LINES = ["Roses are red\nand violets blue\nso is the sea"]
LINE = ["Roses are red and violets blue so is the sea"]


@pytest.mark.parametrize(
    "said",
    [
        "style='white-space: pre-line'",
        "style='color:red;white-space:pre-wrap;'",
        "style='white-space : pre !important'",
        "style='white-space: break-spaces'",
        "class='msg whitespace-pre-wrap'",
    ],
)
def test_lines_that_a_style_keeps_are_lines(said):
    assert walked_texts(f"<div {said}>{POEM}</div>") == LINES
    assert walked_texts(f"<div {said}><p>{POEM}</p>\n  <p>Next</p></div><p>a\nb</p>") == [*LINES, "Next", "a b"]
    assert walked_texts(f"<p><span {said}>{POEM}</span></p>") == LINES


@pytest.mark.parametrize(
    "said", ["style='white-space: nowrap'", "style='white-space:normal'", "class='whitespace-nowrap'", "data-x=white"]
)
def test_other_styles_keep_none(said):
    assert walked_texts(f"<div {said}>{POEM}</div>") == LINE
    assert (
        walked_texts(f"<div style='white-space: pre'><p>a\nb</p><div {said}>{POEM}</div><p>a\nb</p></div>")[0] == "a\nb"
    )


def test_a_style_inside_another_decides():
    inside = f"<p style='white-space: normal'>{POEM}</p>"
    assert walked_texts(f"<div style='white-space: pre'>{inside}<p>a\nb</p></div>") == [*LINE, "a\nb"]


def test_code_keeps_its_indents_and_pre_is_as_it_was():
    code = "if a:\n    b\n\tc"
    assert walked_texts(f"<div class=code style='white-space: pre'>{code}</div>") == ["if a:\n    b\n    c"]
    assert walked_texts(f"<div style='white-space: pre'><pre>{code}</pre></div>") == [code]
    assert walked_texts(f"<pre><code style='white-space: pre-wrap'>{code}</code></pre>") == [code]


def test_lines_in_a_cell_of_data_cut_no_row():
    rows = "<tr><th>Name<th>Streets<tr><td>Ann<td style='white-space: pre-line'>Quay 1\nHill 2\nLane 3"
    assert walked_texts(f"<table>{rows}</table>") == ["Name | Streets", "Ann | Quay 1 Hill 2 Lane 3"]


def test_lines_of_chinese_stay_parted():
    assert walked_texts("<div style='white-space: pre-line'>床前明月光\n疑是地上霜</div>") == ["床前明月光\n疑是地上霜"]


def test_many_styles_in_each_other_are_read_once():
    deep = "<span style='white-space: pre'>a\n" * 200
    assert walk(deep).leaves[0].text == "a\n" * 199 + "a"
