"""What a notebook shows: escaped, small, whole in itself."""

import base64
import io
import re
from pathlib import Path

import pytest
from PIL import Image
from selectolax.lexbor import LexborHTMLParser

import weft
from schemas.storage import Store
from tests.jobs.looked_at import EVIL, SITE
from tests.weft.makers import key_of, page, picture, write_shard


def shown(thing: object) -> LexborHTMLParser:
    """The HTML of something, after a look at what must hold for all."""
    html = thing._repr_html_()  # type: ignore[attr-defined]
    tree = LexborHTMLParser(f"<body>{html}</body>")
    assert not tree.css("script, iframe, link, object, embed, form, meta, svg")
    for node in tree.css("body *"):
        assert not [name for name in node.attributes if name.startswith("on")], node.html
        assert (node.attributes.get("href") or "http").startswith("http")
        assert (node.attributes.get("src") or "data:image/jpeg;base64,").startswith("data:image/jpeg;base64,")
    assert not re.search(r"url\(|@import", tree.css_first("style").text())
    return tree


def test_hostile_texts_are_shown_as_they_stand_and_do_nothing(looked_at: Path) -> None:
    dataset = weft.open(looked_at)
    evil = dataset[f"{SITE}/evil.html"]
    assert EVIL in shown(evil).body.text()
    assert EVIL in shown(dataset.of("clips")[0]).body.text()
    assert "onerror" in shown(dataset.of("pairs")[f"{SITE}/img/evil.jpg"]).body.text()
    for kind in dataset.kinds:
        shown(dataset.of(kind))


def test_an_address_that_would_run_is_no_link(tmp_path: Path) -> None:
    write_shard(Store(str(tmp_path)), "interleaved", 0, [page(key_of(0, 0), [picture(0)], url="javascript:alert(1)")])
    tree = shown(weft.open(tmp_path)[0])
    assert tree.css("a") == []
    assert "javascript:alert(1)" in tree.body.text()


def pictures(tree: LexborHTMLParser) -> list[Image.Image]:
    return [
        Image.open(io.BytesIO(base64.b64decode(node.attributes["src"].partition(",")[2]))) for node in tree.css("img")
    ]


@pytest.mark.parametrize(
    ("format", "mode"), [("JPEG", "RGB"), ("PNG", "P"), ("PNG", "RGBA"), ("WEBP", "RGB"), ("PNG", "I;16")]
)
def test_pictures_are_small_copies_in_their_place(tmp_path: Path, format: str, mode: str) -> None:
    out = io.BytesIO()
    Image.new(mode, (900, 300)).save(out, format)
    write_shard(Store(str(tmp_path)), "interleaved", 0, [page(key_of(0, 0), [out.getvalue()])])
    tree = shown(weft.open(tmp_path)[0])
    (small,) = pictures(tree)
    assert (small.format, small.size) == ("JPEG", (160, 53))
    order = [node.tag for node in tree.css(".weft-box > p, .weft-box > figure")]
    assert order == ["p", "p", "p", "figure", "p"]  # title, facts, text, picture, text


def test_a_page_of_many_pictures_shows_some_and_counts_the_rest(tmp_path: Path) -> None:
    sample = page(key_of(0, 0), [picture(n, (640, 480)) for n in range(60)])
    write_shard(Store(str(tmp_path)), "interleaved", 0, [sample])
    tree = shown(weft.open(tmp_path)[0])
    assert len(pictures(tree)) == 12
    assert "and 97 more texts and images" in tree.body.text()
    assert len(tree.html or "") < 100_000


def test_a_dataset_shows_its_totals_and_first_samples(made: Path) -> None:
    dataset = weft.open(made)
    tree = shown(dataset)
    assert len(tree.css(".weft-card")) == 10
    text = tree.body.text()
    assert "interleaved: 13 samples · pairs: 20 · the build is not finished" in text
    assert "and 3 more" in text
    view = shown(dataset.where("num_images = 3"))
    assert "3 of 13 samples" in view.body.text()
    assert len(view.css(".weft-card")) == 3
