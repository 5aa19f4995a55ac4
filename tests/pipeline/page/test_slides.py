"""Carousels within a text: pictures that a reader pages through, of which markup shows one."""

import pytest

from tests.pipeline.makers import extract, outline, paragraphs

HIDDEN = 'aria-hidden="true"'


def slide(name, named, written="", said=""):
    return f'<div class="{named}" {written}><img src=/{name}.jpg width=900 height=600>{said}</div>'


def carousel(*slides, named="slider"):
    return f'<div class="{named}"><div class=track>{"".join(slides)}</div></div>'


def kept(body, around="article"):
    draft = extract(f"<{around}>{paragraphs(3)}{body}{paragraphs(3, 3)}</{around}>")
    return [name for name in outline(draft) if len(name) < 40]


@pytest.mark.parametrize("around", ["article", "div"])
@pytest.mark.parametrize("written", [HIDDEN, "style='display:none'", "hidden"])
def test_slides_that_are_not_shown_yet_are_pictures_too(around, written):
    rest = (slide(name, "slick-slide", written) for name in "bc")
    assert kept(carousel(slide("a", "slick-slide slick-active"), *rest), around) == ["a.jpg", "b.jpg", "c.jpg"]


def test_with_their_captions():
    slides = (slide(n, "slide", HIDDEN if n > "a" else "", f"<p>The bridge {n}</p>") for n in "ab")
    assert kept(carousel(*slides)) == ["a.jpg", "The bridge a", "b.jpg", "The bridge b"]


@pytest.mark.parametrize(
    "clone",
    [
        "slick-slide slick-cloned",
        "swiper-slide swiper-slide-duplicate",
        "splide__slide splide__slide--clone",
        "glide__slide glide__slide--clone",
        "carousel__slide carousel__slide--clone",
        "tns-slide tns-slide-cloned",
        "slide bx-clone",
        "slide clone left",
        "owl cloned",
    ],
)
@pytest.mark.parametrize("written", [HIDDEN, ""])
def test_copies_by_which_they_go_round_are_none(clone, written):
    """Neither before the first slide, where it would change their order, nor with the caption once more."""
    named, said = clone.split()[0], "<p>The last bridge</p>"
    shown, last = slide("a", named), slide("b", named, HIDDEN, said)
    body = carousel(slide("b", clone, written, said), shown, last, slide("a", clone, written))
    assert kept(body) == ["a.jpg", "b.jpg", "The last bridge"]


def test_a_copy_without_a_name_is_one_by_its_picture():
    slides = slide("a", "slide"), slide("b", "slide", HIDDEN, "<p>Once</p>"), slide("b", "slide", HIDDEN, "<p>Once</p>")
    assert kept(carousel(*slides)) == ["a.jpg", "b.jpg", "Once"]


@pytest.mark.parametrize(
    "body",
    [
        carousel(*(slide(n, "box", HIDDEN if n > "a" else "") for n in "ab"), named="boxes"),
        carousel(slide("a", "slide"), slide("b", "slide", HIDDEN, f"<p>{'Words of another story. ' * 20}</p>")),
        carousel(slide("a", "slide"), slide("b", "slide", HIDDEN, "<a href=/b>Another story</a>")),
        carousel(slide("a", "slide"), f"<a href=/b>{slide('b', 'slide', HIDDEN)}</a>"),
        f"<img src=/a.jpg width=900 height=600>{carousel(slide('b', 'slide', HIDDEN))}",
        f"<img src=/a.jpg width=900 height=600>{carousel('<div class=slide></div>', slide('b', 'slide', HIDDEN))}",
    ],
    ids=["no carousel", "prose", "title", "link", "none is shown", "none with a picture"],
)
def test_what_else_is_hidden_stays_out(body):
    assert kept(body) == ["a.jpg"]
