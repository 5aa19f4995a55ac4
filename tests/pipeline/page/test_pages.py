"""The pages of `pages/`: each is a whole page of one kind of site, with what a reader should see of it."""

import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest
from bs4 import BeautifulSoup, NavigableString, Tag
from bs4.element import PreformattedString

from benchmarks import extraction
from pipeline.page.elements import SKIPPED
from pipeline.page.leaves import Media, Text
from pipeline.page.markup import Markup
from pipeline.page.names import is_hidden
from pipeline.page.walk import Walk
from schemas.documents import ImageRef

PAGES = extraction.pages_in(Path(__file__).parents[1] / "pages")
FLOORS = Path(extraction.__file__).with_name("floors.json")
BASE = "https://site.example/page.html"


class Floors(msgspec.Struct):
    text_f1: float
    text_f1_of_each: float
    image_f1: float
    false_images: int
    placed: float


def test_the_floors_hold() -> None:
    floors = msgspec.json.decode(FLOORS.read_bytes(), type=Floors)
    reached = extraction.score_weft(PAGES)
    assert reached.text_f1 >= floors.text_f1
    assert reached.image_f1 >= floors.image_f1
    assert reached.false_images <= floors.false_images
    assert reached.placed >= floors.placed
    for page in PAGES:
        assert extraction.score_weft([page]).text_f1 >= floors.text_f1_of_each, page.name


def reference(source: bytes) -> tuple[str, list[str]]:
    """What BeautifulSoup sees: the characters that are shown, spaces left out, and the images by their `src`."""
    soup = BeautifulSoup(source, "lxml")
    characters: list[str] = []
    images: list[str] = []

    def read(node: Tag) -> None:
        for child in node.children:
            if isinstance(child, Tag):
                written = "".join(f' {name}="{_value(value)}"' for name, value in child.attrs.items())
                is_block = child.name not in extraction.INLINE and "-" not in child.name  # of AMP: inline till styled
                if child.name in ("img", "amp-img"):
                    images.append(str(child.get("src", "")))
                elif child.name == "a" and child.get_text() == "^":
                    continue  # leads back from a note
                elif child.name not in LEFT_OUT and (is_block or not is_hidden(written)):
                    read(child)
            elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
                characters.append(str(child))

    assert soup.body is not None
    read(soup.body)
    return re.sub(r"[\s\u00ad\u200b\ufeff]+", "", "".join(characters)), images


LEFT_OUT = SKIPPED | {"button", "script", "style", "noscript", "video", "noembed", "noframes"}


def _value(value: object) -> str:
    return " ".join(map(str, value)) if isinstance(value, list) else str(value)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_another_parser_sees_the_same_text_and_images_in_the_same_order(page: Path) -> None:
    source = (page / "source.html").read_bytes()
    expected_text, expected_images = reference(source)
    leaves = Walk(Markup(without_noscript(source)), BASE, passes_over=False).leaves
    # an icon cuts no paragraph: it stands before the text that goes on behind it
    seen = "".join(leaf.text for leaf in leaves if isinstance(leaf, Text))
    assert re.sub(r"[\s|]+", "", seen) == expected_text.replace("|", "")
    images = [leaf for leaf in leaves if isinstance(leaf, Media) and leaf.kind == "image"]
    assert len(images) == len(expected_images)
    for image, src in zip(images, expected_images, strict=True):
        assert src.startswith("data:") or image.mentions(src.replace("&", "&amp;")), src


def without_noscript(source: bytes) -> bytes:
    """BeautifulSoup keeps the markup inside as text."""
    return re.sub(rb"<noscript.*?</noscript>", b"", source, flags=re.DOTALL)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_a_caption_stands_once_and_belongs_to_its_image(page: Path) -> None:
    draft = extraction.run_weft((page / "source.html").read_bytes())
    assert draft is not None
    texts = Counter(block.text for block in draft.texts)
    for block in draft.blocks:
        if isinstance(block, ImageRef) and len(block.caption) > 30:
            assert texts[block.caption] <= 1
            assert sum(block.caption in text for text in texts) <= 1
