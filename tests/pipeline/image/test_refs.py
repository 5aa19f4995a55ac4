import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.image.refs import BEST_WIDTH, LAZY_URLS, candidates, is_placeholder

BASE = "https://site.example/news/story.html"


def addresses(img, sources=(), base=BASE):
    return list(candidates(img, list(sources), base))


def names(img, sources=()):
    return [url.removeprefix("https://site.example/news/") for url in addresses(img, sources)]


# --- which candidate comes first


def test_the_largest_width_up_to_the_best_comes_first_and_the_others_follow():
    srcset = "s.jpg 320w, xl.jpg 2400w, l.jpg 1600w, m.jpg 800w, xxl.jpg 4000w"
    assert names({"srcset": srcset, "src": "src.jpg"}) == ["l.jpg", "m.jpg", "s.jpg", "xl.jpg", "xxl.jpg", "src.jpg"]


def test_the_best_width_itself_still_fits():
    assert BEST_WIDTH == 1600
    assert names({"srcset": "over.jpg 1601w, fits.jpg 1600w"}) == ["fits.jpg", "over.jpg"]


def test_where_all_widths_are_over_the_best_the_smallest_of_them_comes_first():
    assert names({"srcset": "b.jpg 4000w, a.jpg 2000w"}) == ["a.jpg", "b.jpg"]


def test_densities_are_ordered_as_widths():
    assert names({"srcset": "a.jpg 1x, b.jpg 2x, c.jpg 1.5x", "src": "a.jpg"}) == ["b.jpg", "c.jpg", "a.jpg"]


def test_a_height_beside_a_width_is_allowed():
    assert names({"srcset": "a.jpg 320w 200h, b.jpg 640w 400h"}) == ["b.jpg", "a.jpg"]


def test_a_candidate_without_a_usable_descriptor_is_the_last_resort():
    assert names({"srcset": "what.jpg foo, a.jpg 320w, plain.jpg", "src": "src.jpg"}) == [
        "a.jpg",
        "src.jpg",
        "what.jpg",
        "plain.jpg",
    ]


@pytest.mark.parametrize("descriptor", ["9" * 400 + "w", "9" * 400 + "x", "-5w", "1e3w", "w", "٣w"])
def test_an_absurd_descriptor_costs_neither_the_page_nor_the_address(descriptor):
    assert "a.jpg" in names({"srcset": f"a.jpg {descriptor}", "src": "b.jpg"})


def test_sources_of_a_picture_are_candidates_of_its_image():
    sources = [{"srcset": "a.webp 800w", "type": "image/webp"}, {"data-srcset": "b.jpg 1200w"}]
    assert names({"src": "c.jpg"}, sources) == ["b.jpg", "a.webp", "c.jpg"]


def test_an_address_named_twice_is_one_candidate():
    assert names({"srcset": "a.jpg 1x, a.jpg 2x", "data-src": "a.jpg", "src": "./a.jpg#x"}) == ["a.jpg"]


# --- lazy images


@pytest.mark.parametrize("attribute", LAZY_URLS)
def test_each_lazy_attribute_comes_before_the_src(attribute):
    assert names({"src": "tiny.jpg", attribute: " real.jpg\n"}) == ["real.jpg", "tiny.jpg"]


def test_the_lazy_attributes_of_the_field_are_known():
    known = "data-src data-original data-lazy-src data-lazy data-url data-full data-hi-res-src data-orig-file"
    assert {*known.split(), "data-large-file", "data-medium-file"} <= set(LAZY_URLS)


@pytest.mark.parametrize("attribute", ["data-srcset", "data-lazy-srcset", "data-src-set", "data-lazyset"])
def test_each_lazy_srcset_is_read_like_a_srcset(attribute):
    assert names({"src": "tiny.jpg", attribute: "a.jpg 400w, b.jpg 900w"}) == ["b.jpg", "a.jpg", "tiny.jpg"]


@pytest.mark.parametrize("value", ["/real.jpg", "real.JPEG?w=1", "https://cdn.example/a.webp", "//cdn.example/a.avif"])
def test_any_data_attribute_that_holds_an_image_address_is_a_candidate(value):
    assert len(addresses({"src": "tiny.jpg", "data-whatever": value})) == 2


@pytest.mark.parametrize("value", ["a caption about photo.jpg", "42", "{'url': 'a.jpg'}", "https://site.example/page"])
def test_a_data_attribute_that_holds_something_else_is_no_candidate(value):
    assert names({"src": "tiny.jpg", "data-whatever": value}) == ["tiny.jpg"]


@pytest.mark.parametrize("attribute", ["data-filename", "data-image-name", "data-image-key", "data-title"])
def test_the_name_of_a_file_beside_an_image_is_no_address(attribute):
    assert names({"src": "up/1.png", attribute: "image.png"}) == ["up/1.png"]


@pytest.mark.parametrize("attribute", ["file", "zoomfile", "original", "lazy-src", "_src"])
def test_an_attribute_that_a_script_of_old_made_up_holds_an_address(attribute):
    assert names({"src": "common/none.gif", attribute: "album/a.jpg"}) == ["album/a.jpg", "common/none.gif"]


@pytest.mark.parametrize("attribute", ["lowsrc", "longdesc", "title", "alt", "value"])
def test_other_attributes_of_an_image_hold_none(attribute):
    assert names({"src": "a.jpg", attribute: "album/b.jpg"}) == ["a.jpg"]


def test_an_alt_that_looks_like_a_file_is_no_candidate():
    assert names({"src": "a.jpg", "alt": "IMG_2041.jpg"}) == ["a.jpg"]


@pytest.mark.parametrize(
    "value",
    [
        "data:image/gif;base64,R0lGODlhAQABAAAAACw=",
        "blank.gif",
        "/img/spacer.gif",
        "/img/1x1.png",
        "https://cdn.example/lazy-load.png",
        "/a/placeholder-600.png",
        "about:blank",
        "javascript:void(0)",
        "blob:https://site.example/1",
        "#",
        "",
    ],
)
def test_a_placeholder_is_no_candidate(value):
    assert is_placeholder(value)
    assert names({"src": value, "data-src": "real.jpg"}) == ["real.jpg"]
    assert names({"src": value}) == []


@pytest.mark.parametrize(
    "value", ["/blanket.jpg", "/photos/blank.jpg", "/pixels/cat.jpg", "/nuclear.png", "/a.gif?x=1x1"]
)
def test_a_name_that_merely_resembles_a_placeholder_is_a_candidate(value):
    assert not is_placeholder(value)


@pytest.mark.parametrize(
    "value",
    ["/clear-sky.png", "/img/pixel-art-castle.png", "/Google-Pixel-9.png", "/loading-dock-3.png", "/clear_creek.png"],
)
def test_a_picture_named_after_clear_skies_or_loading_docks_is_no_placeholder(value):
    assert not is_placeholder(value)


@pytest.mark.parametrize(
    "stem", ["blank1x" + "111x" * 300 + "1!", "placeholder" + "a1-" * 3000, "blank" + "-img" * 3000]
)
def test_an_address_made_to_exhaust_the_search_for_placeholders_is_answered(stem):
    """In a process of its own: a pattern that backtracks without end cannot be interrupted in this one."""
    call = f"from pipeline.image.refs import is_placeholder; print(is_placeholder('/{stem}'))"
    run = subprocess.run([sys.executable, "-c", call], capture_output=True, text=True, timeout=10, check=True)
    assert run.stdout == "False\n"


# --- addresses


@pytest.mark.parametrize(
    ("reference", "resolved"),
    [
        ("a.jpg", "https://site.example/news/a.jpg"),
        ("../a.jpg", "https://site.example/a.jpg"),
        ("/a.jpg", "https://site.example/a.jpg"),
        ("//cdn.example/a.jpg", "https://cdn.example/a.jpg"),
        ("http://cdn.example:8080/a.jpg", "http://cdn.example:8080/a.jpg"),
        ("https://bücher.example/ä b.jpg", "https://xn--bcher-kva.example/%C3%A4%20b.jpg"),
        ("https://CDN.example/image/48213", "https://cdn.example/image/48213"),
        ("?id=7", "https://site.example/news/story.html?id=7"),
        (" a.jpg\n", "https://site.example/news/a.jpg"),
        ("a.jpg#top", "https://site.example/news/a.jpg"),
        ("\\\\cdn.example\\a.jpg", "https://cdn.example/a.jpg"),
    ],
)
def test_an_address_is_resolved_as_browsers_do(reference, resolved):
    assert addresses({"src": reference}) == [resolved]


def test_the_base_decides_where_a_relative_address_points():
    assert addresses({"src": "a.jpg"}, base="https://cdn.example/x/y") == ["https://cdn.example/x/a.jpg"]


@pytest.mark.parametrize(
    "value", ["ftp://site.example/a.jpg", "http://", "http://[::1", "file:///etc/passwd", "mailto:a@b"]
)
def test_an_address_that_is_not_of_the_web_is_no_candidate(value):
    assert addresses({"src": value}) == []


def test_an_image_without_any_address_has_no_candidate():
    assert addresses({"alt": "x", "src": None, "srcset": None}) == []


@given(st.dictionaries(st.sampled_from(["src", "srcset", "data-src", "data-x"]), st.text(max_size=60)))
def test_candidates_are_absolute_and_distinct_whatever_the_attributes_hold(img):
    found = addresses(img)
    assert all(url.startswith(("http://", "https://")) for url in found)
    assert len(found) == len(set(found))


# --- what a <source> says of its one address


def test_of_sources_for_several_windows_that_of_the_widest_comes_first():
    sources = [
        {"media": "(min-width: 1024px)", "srcset": "desk.jpg"},
        {"media": "(min-width: 40em) and (orientation: landscape)", "srcset": "tab.jpg"},
    ]
    assert names({"src": "mobile.jpg"}, sources) == ["desk.jpg", "tab.jpg", "mobile.jpg"]
    assert names({"src": "mobile.jpg"}, sources[::-1]) == ["desk.jpg", "tab.jpg", "mobile.jpg"]


def test_a_source_may_state_its_width_and_one_for_narrow_windows_says_nothing():
    sources = [{"width": "600", "srcset": "a.jpg"}, {"width": "1400", "srcset": "b.jpg"}]
    assert names({"src": "src.jpg"}, sources) == ["b.jpg", "a.jpg", "src.jpg"]
    narrow = [{"media": "(max-width: 600px)", "srcset": "phone.jpg", "width": "x"}]
    assert names({"src": "src.jpg"}, narrow) == ["src.jpg", "phone.jpg"]
