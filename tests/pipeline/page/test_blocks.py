"""Pictures of pages by site builders: each block in a part of its own, in a chain of others."""

import pytest

from tests.pipeline.makers import extract, outline, paragraphs

PICTURE = "<img src=/{}.jpg width=1024 height=683>"


def elementor(inner, kind="text"):
    widget = f'<div class="elementor-element elementor-widget elementor-widget-{kind}"><div>{inner}</div></div>'
    column = f'<div class="elementor-column"><div class="elementor-widget-wrap">{widget}</div></div>'
    return f'<section class="elementor-section elementor-top-section"><div><div>{column}</div></div></section>'


def divi(inner, kind="text"):
    module = f'<div class="et_pb_module et_pb_{kind}"><div><span>{inner}</span></div></div>'
    return f'<div class="et_pb_section"><div class=et_pb_row><div class=et_pb_column>{module}</div></div></div>'


def wix(inner, kind="rich-text"):
    block = f'<div class="comp-k1 wixui-{kind}">{inner}</div>'
    return f'<section class="wixui-section"><div><div><div><div><div>{block}</div></div></div></div></div></section>'


def pictures(block, around="div", last="", picture=PICTURE):
    first = block(PICTURE.format("first"), "image")
    blocks = first + block(paragraphs(3)) + (last or block(picture.format("last"), "image"))
    draft = extract(f"<{around} class=page>{blocks}</{around}><footer><p>© 2024</p></footer>")
    return [name for name in outline(draft) if name.endswith(".jpg")]


@pytest.mark.parametrize("block", [elementor, divi, wix])
@pytest.mark.parametrize("around", ["div", "main", "article"])
def test_a_picture_in_a_block_before_or_behind_those_of_the_text_is_kept(block, around):
    assert pictures(block, around) == ["first.jpg", "last.jpg"]


@pytest.mark.parametrize(
    "last",
    [
        elementor(f"<a href=/offer>{PICTURE.format('last')}</a>", "image"),
        elementor("".join(PICTURE.format(n) for n in "abcd"), "image"),
        elementor(PICTURE.format("last"), "banner"),
        elementor(f"<div class=background>{PICTURE.format('last')}</div>", "image"),
        f"<section class=partners><div><div><div><div>{PICTURE.format('last')}</div></div></div></div></section>",
    ],
    ids=["link", "marks", "weak name", "background", "other block"],
)
def test_what_else_stands_behind_the_text_is_not(last):
    assert pictures(elementor, "main", last) == ["first.jpg"]
