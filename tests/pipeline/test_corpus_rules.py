from pipeline.corpus_rules import image_keys, image_set_key, paragraph_keys, without_frequent
from schemas.documents import Draft, ImageRef, TextBlock
from schemas.urls import media_key


def draft(url: str = "https://a.com/1") -> Draft:
    blocks = (
        TextBlock("All rights reserved.", "heading"),
        TextBlock("A river runs."),
        ImageRef(("https://a.com/logo.png",)),
        TextBlock("All rights  RESERVED"),
        ImageRef(("https://a.com/river.jpg", "https://a.com/small.jpg")),
    )
    return Draft(uid=1, url=url, blocks=blocks)


def test_paragraphs_are_the_same_on_one_registered_domain_only() -> None:
    here, sister, elsewhere = (
        list(paragraph_keys(draft(url))) for url in ("https://a.com/1", "https://www.a.com/2", "https://b.com/1")
    )
    assert here == sister
    assert not set(here) & set(elsewhere)
    assert len(here) == 2, "headings are exempt"


def test_frequent_blocks_go_by_name_and_headings_stay() -> None:
    page = draft()
    _, notice = paragraph_keys(page)
    left = without_frequent(page, {notice}, {media_key("http://a.com/logo.png")})
    assert [getattr(block, "text", "image") for block in left.blocks] == [
        "All rights reserved.",
        "A river runs.",
        "image",
    ]
    assert [(row.kind, row.reason) for row in left.dropped] == [
        ("image", "frequent_image"),
        ("paragraph", "boilerplate"),
    ]
    assert left.dropped[0].url == "https://a.com/logo.png"


def test_a_page_without_anything_frequent_is_left_as_it_is() -> None:
    assert without_frequent(draft(), set(), set()) == draft()
    assert without_frequent(draft(), {b"other"}, {b"other"}) == draft()


def test_sets_of_images_know_no_order() -> None:
    keys = image_keys(draft())
    assert len(keys) == 2
    assert image_set_key(keys) == image_set_key(frozenset(sorted(keys, reverse=True)))
    assert image_set_key(keys) != image_set_key({min(keys)})
