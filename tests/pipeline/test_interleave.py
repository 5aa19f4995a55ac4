import json

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.interleave import Illustration, interleave
from schemas import __version__
from schemas.documents import Consent, ImageRef, Sample, StoredImage, TextBlock, VideoRef
from tests.pipeline.makers import URL, draft, image_ref


def stored(name, format="jpg"):
    return StoredImage(
        data=name.encode(),
        format=format,
        width=512,
        height=384,
        original_format="gif",
        original_width=1024,
        original_height=768,
        original_sha256=f"original of {name}",
        sha256=f"sha256 of {name}",
        phash=f"phash of {name}",
    )


def illustrate(*refs, format="jpg"):
    return {ref: Illustration(ref, ref.url + "?served", stored(ref.url, format)) for ref in refs}


def made(blocks, refs, key="000001000002"):
    return interleave(draft(*blocks), illustrate(*refs), key, "c0ffee")


A, B, C = image_ref("a.jpg"), image_ref("b.jpg"), image_ref("c.jpg")


def test_texts_and_images_take_turns_in_the_order_of_the_page():
    sample, _ = made(["One.", A, "Two.", B, C, "Three."], [A, B, C])
    assert sample.texts == ["One.", None, "Two.", None, None, "Three."]
    assert sample.images == [
        None,
        "000001000002.1.jpg",
        None,
        "000001000002.3.jpg",
        "000001000002.4.jpg",
        None,
    ]


def test_texts_between_two_images_become_one_with_blank_lines():
    sample, _ = made(["One.", TextBlock("Head", "heading"), "Two.", A, "Three.", "Four."], [A])
    assert sample.texts == ["One.\n\nHead\n\nTwo.", None, "Three.\n\nFour."]


def test_a_lost_image_leaves_no_hole():
    sample, members = made(["One.", A, "Two.", B, "Three."], [B])
    assert sample.texts == ["One.\n\nTwo.", None, "Three."]
    assert sample.images == [None, "000001000002.1.jpg", None]
    assert [name for name, _ in members] == ["000001000002.json", "000001000002.1.jpg"]
    assert sample.image_urls == ["https://site.example/b.jpg?served"]


def test_lost_images_at_both_ends_leave_no_hole():
    sample, _ = made([A, "One.", B, "Two.", C], [B])
    assert sample.texts == ["One.", None, "Two."]


def test_the_caption_of_a_lost_image_goes_with_it():
    lost, kept = image_ref("l.jpg", caption="Lost cat."), image_ref("k.jpg", caption="Kept cat.")
    blocks = ["One.", lost, TextBlock("Lost cat.", "caption"), kept, TextBlock("Kept cat.", "caption"), "Two."]
    sample, _ = made(blocks, [kept])
    assert sample.texts == ["One.", None, "Kept cat.\n\nTwo."]
    assert sample.image_captions == ["Kept cat."]


def test_a_caption_above_its_lost_image_goes_too():
    lost = image_ref("l.jpg", caption="Lost cat.")
    assert made([TextBlock("Lost cat.", "caption"), lost, "One.", A], [A])[0].texts == ["One.", None]


def test_a_caption_of_two_blocks_goes_with_its_lost_image():
    lost = image_ref("l.jpg", caption="Lost cat. Photo: Ann")
    blocks = ["One.", lost, TextBlock("Lost cat.", "caption"), TextBlock("Photo: Ann", "caption"), A]
    assert made(blocks, [A])[0].texts == ["One.", None]


def test_a_paragraph_with_the_words_of_a_lost_caption_stays():
    lost = image_ref("l.jpg", caption="A cat.")
    assert made([lost, TextBlock("A cat.", "caption"), "A cat.", A], [A])[0].texts == ["A cat.", None]


def test_a_caption_shared_with_an_image_that_is_there_stays():
    lost, kept = image_ref("l.jpg", caption="Both."), image_ref("k.jpg", caption="Both.")
    assert made([lost, kept, TextBlock("Both.", "caption")], [kept])[0].texts == [None, "Both."]


def test_a_caption_without_an_image_stays():
    assert made([A, B, TextBlock("Above.", "caption")], [B])[0].texts == [None, "Above."]


def test_videos_leave_no_hole_either():
    video = VideoRef(("https://v.example/1",))
    assert made(["One.", video, "Two.", A], [A])[0].texts == ["One.\n\nTwo.", None]


def test_the_json_comes_first_and_the_images_after_it_in_order():
    sample, members = made([A, "One.", B], [B, A], key="00000a")
    assert [name for name, _ in members] == ["00000a.json", "00000a.0.jpg", "00000a.2.jpg"]
    assert [data for _, data in members[1:]] == [A.url.encode(), B.url.encode()]
    assert msgspec.json.decode(members[0][1], type=Sample) == sample


@pytest.mark.parametrize("format", ["jpg", "png", "webp"])
def test_the_name_of_a_member_is_key_position_and_format(format):
    _, members = interleave(draft("One.", A), illustrate(A, format=format), "k", "")
    assert members[1][0] == f"k.1.{format}"


def test_an_image_that_stands_twice_on_the_page_is_a_member_twice():
    sample, members = made([A, "One.", A], [A], key="k")
    assert sample.images == ["k.0.jpg", None, "k.2.jpg"]
    assert [name for name, _ in members[1:]] == ["k.0.jpg", "k.2.jpg"]
    assert len(sample.image_urls) == 2


def test_each_image_has_one_entry_in_every_list():
    one = image_ref("1.jpg", alt="alt 1", title="title 1", caption="caption 1")
    two = image_ref("2.jpg", alt="alt 2")
    illustrations = illustrate(one) | illustrate(two, format="png")
    sample, _ = interleave(draft(two, "One.", one), illustrations, "k", "c0ffee")
    assert sample.image_urls == [two.url + "?served", one.url + "?served"]
    assert sample.image_alts == ["alt 2", "alt 1"]
    assert sample.image_titles == ["", "title 1"]
    assert sample.image_captions == ["", "caption 1"]
    assert sample.image_sizes == [(512, 384)] * 2
    assert sample.image_formats == ["png", "jpg"]
    assert sample.image_sha256 == [f"sha256 of {two.url}", f"sha256 of {one.url}"]
    assert sample.image_original_sizes == [(1024, 768)] * 2
    assert sample.image_original_formats == ["gif"] * 2
    assert sample.image_original_sha256 == [f"original of {two.url}", f"original of {one.url}"]
    assert sample.image_phashes == [f"phash of {two.url}", f"phash of {one.url}"]
    assert sample.image_scores == [{}, {}]


def test_a_sample_says_where_it_came_from():
    given = draft(
        A,
        "One.",
        title="T",
        language="en",
        language_score=0.9,
        licence="https://cc.example/by",
        author="Ann",
        date="2024",
        fetch_time="2024-06-01T00:00:00Z",
        warc_file="x.warc.gz",
        warc_offset=5,
        warc_length=6,
        consent=Consent(robots=("nosnippet",)),
    )
    sample, members = interleave(given, illustrate(A), "k", "c0ffee")
    for (
        field
    ) in "title language language_score licence author date fetch_time warc_file warc_offset warc_length".split():
        assert getattr(sample, field) == getattr(given, field)
    assert (sample.key, sample.url, sample.consent) == ("k", URL, given.consent)
    assert (sample.weft_version, sample.config_hash) == (__version__, "c0ffee")
    assert (sample.scores, sample.screened) == ({}, [])
    assert json.loads(members[0][1])["consent"] == {"robots": ["nosnippet"]}


def test_the_same_draft_gives_the_same_bytes():
    assert made(["One.", A, B], [A, B])[1] == made(["One.", A, B], [B, A])[1]


REFS = st.builds(
    lambda name, caption: ImageRef((f"https://site.example/{name}",), caption=caption),
    st.sampled_from("abcdef"),
    st.sampled_from(["", "Cap.", "Cup."]),
)
BLOCKS = st.one_of(
    REFS,
    st.builds(
        TextBlock, st.sampled_from(["Cap.", "Cup.", "Other."]), st.sampled_from(["paragraph", "caption", "heading"])
    ),
    st.just(VideoRef(("https://v.example/1",))),
)


@given(st.lists(BLOCKS, max_size=12), st.sets(REFS))
def test_a_sample_is_sound_whatever_was_lost(blocks, lost):
    kept = {block for block in blocks if isinstance(block, ImageRef)} - lost
    sample, members = interleave(draft(*blocks), illustrate(*kept), "k", "")
    assert len(sample.texts) == len(sample.images)
    for text, image in zip(sample.texts, sample.images, strict=True):
        assert (text is None) != (image is None)
    assert not any(
        left is not None and right is not None for left, right in zip(sample.texts, sample.texts[1:], strict=False)
    )
    listed = [name for name in sample.images if name is not None]
    assert [name for name, _ in members] == ["k.json", *listed]
    assert len(set(listed)) == len(listed)
    assert all(name == f"k.{at}.jpg" for at, name in enumerate(sample.images) if name is not None)
    assert [data.decode() for _, data in members[1:]] == [
        block.url for block in blocks if isinstance(block, ImageRef) and block in kept
    ]
    for field in sample.__struct_fields__:
        if field.startswith("image_"):
            assert len(getattr(sample, field)) == len(listed)
    said = "\n\n".join(text for text in sample.texts if text is not None).split("\n\n")
    kept_texts = [b.text for b in blocks if isinstance(b, TextBlock) and b.role != "caption"]
    rest = iter(said)
    assert all(text in rest for text in kept_texts)


def test_headings_and_list_items_bear_their_marks_and_items_follow_line_by_line():
    blocks = (
        TextBlock("Head", "heading", "## "),
        TextBlock("Text."),
        TextBlock("one", "list", "- "),
        TextBlock("two", "list", "- "),
        TextBlock("End."),
    )
    sample, _ = interleave(draft(*blocks), {}, "k", "h")
    assert sample.texts == ["## Head\n\nText.\n\n- one\n- two\n\nEnd."]
