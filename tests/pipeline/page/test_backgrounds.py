"""Pictures that elements show as their background: those that a reader looks at, and those below words."""

import pytest

from tests.pipeline.makers import extract, outline, paragraphs


def kept(body):
    draft = extract(f"<article>{paragraphs(3)}{body}{paragraphs(3, 3)}</article>")
    return [name for name in outline(draft) if len(name) < 40], draft.images


@pytest.mark.parametrize(
    "written",
    [
        'style="background-image:url(/a.jpg)"',
        'style="color:red; background-image: url(&quot;/a.jpg&quot;); background-repeat: no-repeat"',
        "style=\"background:#eee url('/a.jpg') no-repeat center / cover\"",
        'style="background-image:linear-gradient(rgba(0,0,0,.5),rgba(0,0,0,.5)), url(/a.jpg)"',
        'style="background-image:url(/a.jpg);width:600px;height:400px;margin:-20px"',
        'class="bg-cover bg-center h-64" style="background-image:url(/a.jpg)"',
        'class="hero-bg" role=img aria-label="A bridge" style="background-image:url(/a.jpg)"',
        'data-bg="/a.jpg"',
        'data-bg="url(/a.jpg)"',
        'data-bgset="/a.jpg 1440w, /a-small.jpg 300w"',
        'data-background-image="/a.jpg"',
        'data-lazy-background="/a.jpg"',
    ],
)
@pytest.mark.parametrize("inside", ["", "<div class=overlay></div>"])
def test_the_background_of_an_element_without_words_is_a_picture(written, inside):
    assert kept(f"<div {written}>{inside}</div>")[0] == ["a.jpg"]


def test_what_its_label_says_is_the_alt_text():
    _, (image,) = kept('<div role=img aria-label="A bridge" style="background-image:url(/a.jpg)"></div>')
    assert image.alt == "A bridge"


def test_tiles_of_a_gallery_lead_to_the_large_pictures():
    tile = '<a href="/full/{0}.jpg" style="background-image:url(/thumb/{0}.jpg)"></a>'
    _, images = kept(f"<div class=gallery>{''.join(map(tile.format, 'ab'))}</div>")
    assert [image.link for image in images] == ["https://site.example/full/a.jpg", "https://site.example/full/b.jpg"]


def test_its_noscript_twin_is_the_same_picture():
    names, (image,) = kept('<div data-bg="/a.jpg"></div><noscript><img src="/a.jpg?w=900"></noscript>')
    assert (names, len(image.candidates)) == (["a.jpg"], 2)


def test_a_figure_has_its_caption():
    figure = '<figure><div style="background-image:url(/a.jpg)"></div><figcaption>The bridge</figcaption></figure>'
    assert kept(figure)[1][0].caption == "The bridge"


SHOWS = 'style="background-image:url(/a.jpg)"'


@pytest.mark.parametrize(
    "body",
    [
        f"<section {SHOWS}><p></p></section>",
        f"<div {SHOWS}><svg></svg></div>",
        '<div style="background:url(/a.jpg) repeat-x"></div>',
        '<div style="background-image:url(/a.jpg);background-repeat:repeat"></div>',
        '<div style="background:url(/a.jpg) -20px 0"></div>',
        '<div style="background-image:url(/a.jpg);background-position:0 -20px"></div>',
        '<div style="background-image:url(/a.svg)"></div>',
        '<div style="background-image:url(data:image/png;base64,AAAA)"></div>',
        '<div style="background-image:url(/glow-bg2.jpg)"></div>',
        '<div style="background-image:url(https://i.ytimg.com/vi/x/hq.jpg)"></div>',
        '<div style="background-image:url(/a.jpg);width:20px;height:20px"></div>',
        '<div data-bg="dark"></div>',
        f'<div class="row-bg" {SHOWS}></div>',
        f'<div class="row-bg" role=img {SHOWS}></div>',
        f"<div role=presentation {SHOWS}></div>",
        f"<div aria-hidden=true {SHOWS}></div>",
        f'<span class="color-swatch" {SHOWS}></span>',
    ],
)
def test_what_else_elements_have_as_background_is_none(body):
    assert kept(body)[0] == []


@pytest.mark.parametrize(
    "body",
    [
        f"<section {SHOWS}>Words.</section>",
        f"<p><span {SHOWS}></span> Words.</p>",
        f"<p>Words. <span {SHOWS}></span></p>",
    ],
)
def test_nor_is_what_stands_below_words_or_in_a_line(body):
    assert kept(body)[0] == ["Words."]


def test_an_element_that_is_passed_over_shows_none():
    assert kept(f"<nav><div {SHOWS}></div><a href=/b>Home</a></nav>")[0] == []
