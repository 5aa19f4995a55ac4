import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.page.decoration import DECORATION
from pipeline.page.extract import extract_page
from pipeline.page.hostile import refuse_hostile
from pipeline.page.parsed import ExtractSettings
from schemas.documents import Draft, ImageRef, TextBlock, VideoRef
from schemas.drops import Drop, DropRow
from tests.pipeline.makers import URL, attempt, dropped, extract, outline, page, paragraphs, prose, texts

LEAD = '<meta property="og:image" content="https://site.example/img/lead.jpg">'


def images(draft):
    return [image.url for image in draft.images]


# --- blocks


def test_a_page_becomes_texts_and_images_in_reading_order():
    body = f"""<nav><a href=/>Home</a></nav><article><h1>Title</h1><p>{prose(1)}</p>
        <figure><img src=a.jpg alt="A cat"><figcaption>The cat.</figcaption></figure><p>{prose(2)}</p>
        <ul><li>{prose(3)}</li></ul><img src=b.jpg></article><footer>{prose(9)}</footer>"""
    draft = extract(body)
    assert outline(draft) == ["Title", prose(1), "a.jpg", "The cat.", prose(2), prose(3), "b.jpg"]
    assert [block.role for block in draft.texts] == ["heading", "paragraph", "caption", "paragraph", "list"]


def test_captions_stay_with_their_figure():
    body = f"""{paragraphs(2)}<figure><img src=a.jpg><figcaption>Cap A</figcaption></figure><img src=b.jpg>
        <div class=wp-caption><a href=/big.jpg><img src=c.jpg></a><p class=wp-caption-text>Cap C</p></div>
        {paragraphs(2, 2)}
        <figure><img src=d.jpg></figure><figure><figcaption>Above E</figcaption><img src=e.jpg></figure>"""
    draft = extract(body)
    assert [image.caption for image in draft.images] == ["Cap A", "", "Cap C", "", "Above E"]
    assert draft.images[2].link == "https://site.example/big.jpg"


def test_a_caption_with_a_credit_is_one_caption():
    body = f"<figure><img src=a.jpg><figcaption><p>A cat.</p><p>Photo: Ann</p></figcaption></figure>{paragraphs(3)}"
    assert extract(body).images[0].caption == "A cat. Photo: Ann"


def test_all_images_of_a_figure_have_its_caption():
    body = f"<figure><img src=a.jpg><img src=b.jpg><figcaption>Both</figcaption></figure>{paragraphs(3)}"
    assert [image.caption for image in extract(body).images] == ["Both", "Both"]


def test_what_an_image_says_of_itself_reaches_the_draft():
    body = (
        f"{paragraphs(2)}<a href=/big><img src=a.jpg alt='A cat' title='T' width=640 height=480></a>{paragraphs(2, 2)}"
    )
    (image,) = extract(body).images
    assert image == ImageRef(
        ("https://site.example/news/a.jpg",), "A cat", "T", "", "https://site.example/big", 640, 480, "body"
    )


def test_relative_addresses_follow_the_base_element():
    body = f"{paragraphs(3)}<img src=a.jpg>"
    assert images(extract(body, "<base href='//cdn.example/x/'>")) == ["https://cdn.example/x/a.jpg"]
    assert images(extract(body, "<base href='/deep/er/'>")) == ["https://site.example/deep/er/a.jpg"]
    assert images(extract(body, "<base target=_blank>")) == ["https://site.example/news/a.jpg"]
    assert images(extract(body, "<base href='data:,'>")) == ["https://site.example/news/a.jpg"]


def test_an_image_shown_twice_is_referred_to_once():
    draft = extract(f"<img src=a.jpg>{paragraphs(3)}<img src='./a.jpg#again'>")
    assert images(draft) == ["https://site.example/news/a.jpg"]
    assert draft.dropped == (DropRow("https://site.example/news/a.jpg", "image", "repeated_image", f"on {URL}", URL),)


def test_a_lazy_image_with_its_noscript_twin_counts_once():
    body = f"""{paragraphs(2)}<figure><img class=lazy src="data:image/gif;base64,R0lGOD" data-src=real.jpg>
        <noscript><img src=real.jpg alt=cat></noscript><figcaption>Cap</figcaption></figure>{paragraphs(2, 2)}"""
    (image,) = extract(body).images
    assert (image.candidates, image.alt, image.caption) == (("https://site.example/news/real.jpg",), "cat", "Cap")


def test_a_twin_before_its_lazy_image_counts_once():
    body = f"{paragraphs(3)}<noscript><img src=a.jpg></noscript><img src='data:,' data-src=a.jpg>"
    assert images(extract(body)) == ["https://site.example/news/a.jpg"]


def test_an_image_that_is_only_a_placeholder_is_none():
    draft = extract(f"{paragraphs(3)}<img src='data:image/gif;base64,R0'><img src=/blank.gif><img>")
    assert draft.images == []
    assert draft.dropped == (DropRow("", "image", "no_address", f"on {URL}", URL),) * 3


def test_videos_keep_their_place_poster_and_caption():
    body = f"""<p>{prose(1)}</p><figure><video src=v.mp4 poster=p.jpg title=Film></video>
        <figcaption>Cap</figcaption></figure><p>{prose(2)}</p>"""
    blocks = extract(body).blocks
    assert blocks[1] == VideoRef(
        ("https://site.example/news/v.mp4",), "https://site.example/news/p.jpg", caption="Cap", title="Film"
    )
    assert [type(block) for block in blocks] == [TextBlock, VideoRef, TextBlock, TextBlock]


# --- decoration


@pytest.mark.parametrize(
    ("img", "detail"),
    [
        ("<img src=a.gif width=1 height=1>", "declared width 1"),
        ("<img src=a.jpg width=300 height=49>", "declared height 49"),
        ("<img src=a.jpg class='user avatar'>", "named avatar"),
        ("<img src=a.jpg id=siteLogo>", "named logo"),
        ("<img src=/img/rss-icon.png>", "file named icon"),
        ("<img src='/img/logo.svg?v=2'>", "file named logo"),
    ],
)
def test_decoration_is_dropped_with_a_row_that_says_why(img, detail):
    draft = extract(f"{paragraphs(2)}{img}<img src=real.jpg>{paragraphs(2, 2)}")
    assert images(draft) == ["https://site.example/news/real.jpg"]
    (row,) = draft.dropped
    assert (row.kind, row.reason, row.detail) == ("image", "icon", f"{detail}, on {URL}")
    assert row.url.startswith("https://site.example/")


@pytest.mark.parametrize(
    "img",
    [
        "<img src=a.jpg width=50 height=50>",
        "<img src=a.jpg width=100%>",
        "<img src=silicon-valley.jpg>",
        "<img src=iconic-photo.jpg class=iconography>",
        "<img src=/icons/cat.jpg>",
        "<img src=catalogo.jpg>",
    ],
)
def test_an_image_that_merely_resembles_decoration_is_kept(img):
    draft = extract(f"{paragraphs(3)}{img}")
    assert len(draft.images) == 1
    assert draft.dropped == ()


def test_only_the_file_name_decides_and_not_what_follows_the_question_mark():
    draft = extract(f"{paragraphs(3)}<img src='/photos/cat.jpg?fallback=/img/logo.png'>")
    assert draft.dropped == ()
    assert images(draft) == ["https://site.example/photos/cat.jpg?fallback=/img/logo.png"]


def test_the_smallest_declared_side_is_a_setting():
    body = f"{paragraphs(3)}<img src=a.jpg width=99>"
    assert (
        extract(body, settings=ExtractSettings(min_declared_px=100)).dropped[0].detail.startswith("declared width 99")
    )
    assert extract(body, settings=ExtractSettings(min_declared_px=99)).dropped == ()


def test_an_icon_inside_a_sentence_does_not_cut_it_in_two():
    sentence = "The ferry <img class=emoji src=ship.png alt=ship> crossed the river."
    assert "The ferry crossed the river." in texts(extract(f"{paragraphs(3)}<p>{sentence}</p>"))


@pytest.mark.parametrize(
    "picture",
    [
        "<div class=image><picture><img src=a.jpg></picture><div class=image__caption>Reels from the boat</div></div>",
        "<div><div><div><img src=a.jpg></div></div><div><p class=caption>Reels from the boat</p></div></div>",
        "<div><figure><img src=a.jpg></figure><p class=caption>Reels from the boat</p></div>",
        "<div><img src=a.jpg><p class=caption>Reels from the <a href=/boat>boat</a></p></div>",
        "<div><a href=/big.jpg><img src=a.jpg></a><p class=caption>Reels from the boat</p></div>",
        "<div><a href=#a><img src=a.jpg></a><p class=caption>Reels from the boat</p></div>",
        "<div><p>Said before.</p><img src=a.jpg><p class=caption>Reels from the boat</p></div>",
        "<div><img src=a.jpg><p>A pause.</p><img src=a.jpg><p class=caption>Reels from the boat</p></div>",
    ],
)
def test_a_caption_right_behind_an_image_is_its_own_without_a_figure(picture):
    draft = extract(f"{paragraphs(2)}{picture}{paragraphs(2, 2)}")
    assert [image.caption for image in draft.images] == ["Reels from the boat"]
    assert [block.text for block in draft.texts if block.role == "caption"] == ["Reels from the boat"]


@pytest.mark.parametrize(
    "picture",
    [
        "<div><p class=caption>Reels from the boat</p><img src=a.jpg></div>",
        "<div><img src=a.jpg><p>A pause.</p><p class=caption>Reels from the boat</p></div>",
        "<div><p class=caption>Of b</p><img src=b.jpg><p class=caption>Of a</p><img src=a.jpg></div>",
        "<div><img src=a.jpg><div class=caption><h3>Another story</h3></div></div>",
        "<div><img src=a.jpg><div class=caption><a href=/other>Another story</a></div></div>",
        "<div><a href=/other><img src=a.jpg></a><div class=caption>Another story</div></div>",
        "<div><div><div><div><div><div><img src=a.jpg></div></div></div></div></div><p class=caption>Far off</p></div>",
        "<div><video src=v.mp4></video><p class=caption>Of a video</p></div>",
    ],
)
def test_a_caption_elsewhere_is_of_no_image(picture):
    draft = extract(f"{paragraphs(2)}{picture}{paragraphs(2, 2)}")
    assert {block.caption for block in draft.blocks if not isinstance(block, TextBlock)} == {""}


def test_a_caption_behind_a_figure_of_two_images_is_of_both():
    pair = "<figure><img src=a.jpg><img src=b.jpg></figure><p class=caption>Low water, high water</p>"
    draft = extract(f"{paragraphs(2)}<div>{pair}</div>{paragraphs(2, 2)}")
    assert [image.caption for image in draft.images] == ["Low water, high water"] * 2


def test_a_caption_stays_though_its_image_has_no_address():
    body = f"{paragraphs(2)}<div><img class=poster><p class=caption>Said of a film</p></div>{paragraphs(2, 2)}"
    assert "Said of a film" in [block.text for block in extract(body).texts]


@pytest.mark.parametrize(
    ("image", "caption", "is_kept"),
    [
        ("<img src=a.jpg>", "The hydrophone worked to a depth of sixty feet.", True),
        ("<img src=a.jpg>", "News, 12.11.2018", False),
        ("", "The hydrophone worked to a depth of sixty feet.", False),
    ],
)
def test_the_caption_of_an_image_stays_in_a_part_of_a_weak_name_if_it_is_no_label(image, caption, is_kept):
    box = f"<div class=image>{image}<div class=metadata><p class=caption>{caption}</p></div></div>"
    draft = extract(f"<article>{paragraphs(3)}{box}{paragraphs(3, 3)}</article>")
    assert (caption in [block.text for block in draft.texts]) is is_kept


def test_captions_of_no_figure_stay_where_the_only_image_outside_figures_goes():
    body = f"{paragraphs(2)}<img src=a.png width=16><p class=caption>Said of a film</p>{paragraphs(2, 2)}"
    assert "Said of a film" in [block.text for block in extract(body).texts]


def test_the_caption_of_a_second_copy_is_that_of_the_image():
    copy = "<div><img src=a.jpg><p class=caption>The boat at the pier</p></div>"
    image, *others = extract(f"{paragraphs(2)}<img src=a.jpg?w=90>{paragraphs(1, 2)}{copy}{paragraphs(2, 3)}").images
    assert (image.caption, others) == ("The boat at the pier", [])


def test_a_place_in_the_same_page_is_no_link_of_an_image():
    links = [f"<a href='{href}'><img src={name}.jpg></a>" for name, href in (("a", "#"), ("b", " #top"), ("c", "/c"))]
    images = extract(
        f"{paragraphs(2)}{links[0]}{paragraphs(1)}{links[1]}{paragraphs(1)}{links[2]}{paragraphs(2)}"
    ).images
    assert [image.link for image in images] == ["", "", "https://site.example/c"]


def test_the_caption_of_an_icon_goes_with_it():
    body = f"{paragraphs(3)}<figure><img src=a.png width=16><figcaption>A tiny sign</figcaption></figure>"
    assert "A tiny sign" not in texts(extract(body))


def test_decoration_words_are_lower_case_tokens():
    assert all(word.isalpha() and word == word.lower() for word in DECORATION)


# --- the lead image


def test_a_stated_image_that_the_page_does_not_show_is_not_made_up():
    assert images(extract(paragraphs(3), LEAD)) == []


def test_the_stated_image_above_the_content_comes_first_though_it_stands_in_a_banner():
    body = f"<header><img src=/img/lead.jpg alt=Lead><img src=/img/other.jpg></header><div>{paragraphs(3)}</div>"
    draft = extract(body, LEAD)
    assert images(draft) == ["https://site.example/img/lead.jpg"]
    assert draft.blocks[0] == draft.images[0]
    assert (draft.images[0].alt, draft.images[0].source) == ("Lead", "lead")
    assert images(extract(body)) == []


def test_a_lead_image_that_the_content_shows_is_not_doubled():
    body = f"{paragraphs(3)}<img src='https://cdn.example/other/lead.jpg?w=640'>"
    draft = extract(body, LEAD)
    assert images(draft) == ["https://cdn.example/other/lead.jpg?w=640"]


@pytest.mark.parametrize("shown", ["lead-1024x683.jpg", "lead-scaled.jpg", "lead-300x200.jpg"])
def test_a_lead_image_that_the_content_shows_in_another_size_of_wordpress_is_not_doubled(shown):
    draft = extract(f"{paragraphs(3)}<img src=/img/{shown}>", LEAD)
    assert images(draft) == [f"https://site.example/img/{shown}"]


def test_a_page_that_opens_with_an_image_needs_no_lead():
    assert images(extract(f"<img src=top.jpg>{paragraphs(3)}", LEAD)) == ["https://site.example/news/top.jpg"]


def test_a_lead_precedes_images_of_the_content():
    body = f"<header><img src=/img/lead.jpg></header><div>{paragraphs(3)}<img src=late.jpg>{paragraphs(1)}</div>"
    assert images(extract(body, LEAD)) == ["https://site.example/img/lead.jpg", "https://site.example/news/late.jpg"]


def test_a_lead_of_json_ld_is_as_good():
    head = '<script type="application/ld+json">{"@type": "Article", "image": {"url": "/img/x.jpg"}}</script>'
    body = f"<header><img src=/img/x.jpg></header><div>{paragraphs(3)}</div>"
    assert images(extract(body, head)) == ["https://site.example/img/x.jpg"]


def test_a_lead_of_several_addresses_is_doubled_by_none_of_them():
    head = LEAD + '<meta name="twitter:image" content="/img/lead-wide.jpg">'
    draft = extract(f"{paragraphs(3)}<img src=/img/lead-wide.jpg>", head)
    assert images(draft) == ["https://site.example/img/lead-wide.jpg"]


@pytest.mark.parametrize("name", ["logo.png", "default-icon.jpg", "site_logo.webp?v=3"])
def test_a_lead_that_is_the_logo_of_the_site_is_none(name):
    assert extract(paragraphs(3), f'<meta property="og:image" content="/img/{name}">').images == []


def test_the_lead_can_be_turned_off():
    assert extract(paragraphs(3), LEAD, ExtractSettings(lead_image=False)).images == []


# --- what a draft carries


def test_a_draft_carries_the_pages_words_of_itself_and_where_it_came_from():
    head = """<title> A  story </title><meta name=author content="Ann Bee"><meta name=date content=2024-05-01>
        <link rel=license href=/cc><link rel=canonical href="https://site.example/s"><meta name=robots content=noai>"""
    draft = extract(
        f"{paragraphs(3)}",
        head,
        uid=7,
        fetch_time="2024-06-01T00:00:00Z",
        warc_file="x.warc.gz",
        warc_offset=10,
        warc_length=20,
        tdm_header="1",
        tdm_policy_header="https://site.example/policy",
        robots_header=("nosnippet",),
    )
    assert (draft.uid, draft.url, draft.title, draft.author, draft.date) == (7, URL, "A story", "Ann Bee", "2024-05-01")
    assert (draft.canonical_url, draft.licence) == ("https://site.example/s", "https://site.example/cc")
    assert (draft.fetch_time, draft.warc_file, draft.warc_offset, draft.warc_length) == (
        "2024-06-01T00:00:00Z",
        "x.warc.gz",
        10,
        20,
    )
    assert draft.consent.robots == ("nosnippet", "noai")
    assert (draft.consent.tdm_reservation, draft.consent.tdm_policy) == (True, "https://site.example/policy")


def test_the_charset_of_the_header_is_used():
    html = "<html><body>" + "<p>Это простой русский текст о реке и мосте.</p>" * 3
    draft = extract(html.encode("cp1251"), charset="windows-1251")
    assert texts(draft) == ["Это простой русский текст о реке и мосте."] * 3


# --- pages that are none


@pytest.mark.parametrize(
    "html",
    [
        b"",
        b"   \n",
        b"<html></html>",
        b"<html><head><title>T</title></head></html>",
        b"<html><body></body></html>",
        b"<html><body><script>var a = 1</script></body></html>",
        b"<img src=a.jpg><img src=b.jpg>",
        b"\x00\x00\x00",
        b"<!-- only a comment -->",
        b"<!--",
    ],
)
def test_a_page_without_text_is_dropped_as_such(html):
    with pytest.raises(Drop) as caught:
        extract(html)
    assert caught.value.reason == "no_text"


def test_a_frameset_is_dropped_because_it_has_no_body():
    with pytest.raises(Drop) as caught:
        extract(b"<html><frameset cols='1,2'><frame src=a><frame src=b></frameset></html>")
    assert dropped(caught)[0] == "no_text"


def test_a_page_of_only_images_says_so_by_having_no_text():
    with pytest.raises(Drop) as caught:
        extract("<img src=a.jpg><figure><img src=b.jpg></figure>", LEAD)
    assert caught.value.reason == "no_text"


def test_nul_bytes_cost_nothing_but_themselves():
    html = f"<html><body>\x00<p>He\x00llo there.</p>{paragraphs(3)}<img src='a.jpg'>\x00</body>".encode()
    draft = extract(html)
    assert texts(draft)[1:] == [prose(0), prose(1), prose(2)]
    assert images(draft) == ["https://site.example/news/a.jpg"]


def test_a_page_cut_off_anywhere_gives_what_came_before_the_cut():
    html = f"<html><body><article>{paragraphs(4)}<figure><img src=a.jpg><figcaption>Cap</figcaption></figure></article>"
    whole = extract(html.encode())
    for end in range(html.index("<p>") + 20, len(html), 23):
        cut = extract(html[:end].encode())
        assert "".join("".join(texts(whole)).split()).startswith("".join("".join(texts(cut)[:-1]).split()))


# --- hostile pages

N = 100_000
DEEP = {
    "div": "<div>" * N,
    "div with text": "<div>x" * N,
    "div with a long class": f"<div class='{'z' * 100}'>" * N,
    "section": "<section>" * N,
    "blockquote": "<blockquote>" * N,
    "list": "<ol><li>" * N,
    "definition list": "<dl><dd>" * N,
    "table": "<table><tr><td>" * N,
    "unknown element": "<x-y>x" * N,
    "links": "<a href=x>" * N,
    "bold": "<b>" * 2 * N,
    "end tags of other elements": "<div></x>" * N,
}
LONG = {
    "values": "<p " + " ".join(f"a{i}=1" for i in range(N)) + ">",
    "names alone": "<p " + " ".join(f"a{i}" for i in range(N)) + ">",
    "long names": "<p " + " ".join(f"data-some-attribute-{i}=1" for i in range(N)) + ">",
    "values that hold an angle": "<p " + " ".join(f'a{i}=">"' for i in range(N)) + ">",
    "no space between": "<p " + "".join(f'a{i}="1"' for i in range(N)) + ">",
    "a quote left open": "<p x' " + " ".join(f"a{i}" for i in range(N)) + ">",
}


@pytest.mark.parametrize("name", DEEP)
def test_a_page_of_100000_nested_elements_is_refused_before_it_is_parsed(name):
    with pytest.raises(Drop) as caught:
        refuse_hostile(f"<html><body>{DEEP[name]}</body></html>".encode())
    assert caught.value.reason == "hostile_html"


@pytest.mark.parametrize("name", LONG)
def test_a_tag_of_100000_attributes_is_refused_before_it_is_parsed(name):
    with pytest.raises(Drop) as caught:
        refuse_hostile(f"<html><body>{LONG[name]}text</p></body></html>".encode())
    assert caught.value.reason == "hostile_html"


@pytest.mark.parametrize("tag", ["b", "em", "code"])
def test_inline_elements_nested_200000_deep_are_answered(tag):
    result = attempt(extract, f"<{tag}>" * 200_000 + prose(1))
    if isinstance(result, Drop):
        assert result.reason == "hostile_html"
    else:
        assert texts(result)[-1].endswith(prose(1))


@pytest.mark.parametrize(
    "html",
    [
        "<div>" * 400 + "x" + "</div>" * 400,
        "<p>one paragraph never closed " * 20_000,
        "<ul>" + "<li>an item never closed" * 20_000 + "</ul>",
        "<br>" * 20_000 + "<hr><img src=a.jpg>" * 5000,
        "<table>" + "<tr><td>1<td>2" * 10_000 + "</table>",
        "<p>if a < b and 1 <2 then</p>" * 5000,
        f"<img src='data:image/png;base64,{'A' * 300_000}'>",
        f"<a href='?{'a=1&' * 1000}'>x</a>",
        f"<script>{'if (a<b) { c = 1 }' * 10_000}</script>",
        f"<div data-variants='{json.dumps([{'src': 'a.jpg?w=640&h=480&q=75'}] * 3000)}'>x</div>",
    ],
    ids=["deep", "paragraphs", "items", "void", "rows", "angles", "data", "query", "script", "variants"],
)
def test_large_and_untidy_pages_are_not_refused_as_hostile(html):
    refuse_hostile(f"<html><body>{html}</body></html>".encode())


def test_a_page_of_more_blocks_than_the_cap_is_hostile():
    body = "<p>A text.</p>" * 11
    with pytest.raises(Drop) as caught:
        extract(body, settings=ExtractSettings(max_blocks=10))
    assert dropped(caught) == ("hostile_html", "11 blocks")
    assert len(extract(body, settings=ExtractSettings(max_blocks=11)).blocks) == 11


PIECES = st.sampled_from(
    "<p> </p> <div> </div> <b> </i> <table> <td> </table> <tr> <figure> <figcaption> </figure> <pre> </pre> <br> <li>"
    " </ul> <img/src=a.jpg> <img> <a/href=x> </a> <noscript> </noscript> <picture> <source/srcset=b.jpg> </picture>"
    " <!-- --> <?"
    " <svg> </svg> <![CDATA[ ]]> <video/src=v> </video> <iframe/src=f> </iframe> <select> <option> <h1> </h2> </body>"
    " <html> <head> <base/href=//x/> <template> </template> <math> <form> </form> <button> </button> & &# \x00 < > \" '"
    " <frameset> <plaintext> <textarea> </textarea> <title> </title>".split(" ")
)


@settings(max_examples=300, deadline=None)
@given(st.lists(st.one_of(PIECES, st.text(max_size=8)), max_size=40))
def test_any_soup_of_tags_gives_a_draft_or_a_drop(pieces):
    draft = attempt(extract_page, page("".join(pieces).encode("utf-8", "replace")))
    if isinstance(draft, Drop):
        assert draft.reason in ("no_text", "hostile_html")
        return
    assert isinstance(draft, Draft)
    assert all(block.text.strip() for block in draft.texts)
    assert all(isinstance(row, DropRow) for row in draft.dropped)
    assert all(url.startswith(("http://", "https://")) for image in draft.images for url in image.candidates)


@pytest.mark.parametrize(
    "body",
    [
        "<table><tr>" + "<td><p>a</p>" * 60_000,
        "<div class=author>" * 1900 + "<p>t</p>" * 9000,
        "<div class=sidebar>" * 1900 + "<p>x y z.</p>" * 3000,
        "<div class=caption>" * 1900 + "<p>t</p>" * 9000,
        "<p>" + "<span hidden>x</span>" * 60_000,
    ],
    ids=["cells", "weak names", "chrome", "captions", "hidden"],
)
def test_markup_that_repeats_itself_takes_no_more_than_its_length(body):
    """These hang where a step looks at all of the page again for each of its elements."""
    try:
        extract(body)
    except Drop as drop:
        assert drop.reason == "no_text"  # noqa: PT017 - whether it is dropped is not the point


@pytest.mark.parametrize("inside", ["<?pi", "<!--", "</div", "<p>a", "<iframe>", "<![CDATA["])
@pytest.mark.parametrize("tag", ["iframe", "xmp", "noembed", "textarea", "title", "style"])
def test_text_that_looks_like_markup_swallows_nothing_behind_it(tag, inside):
    """What an element holds as it is, tags and all, must not be taken for the markup of the page."""
    draft = extract(f"<div><p>{prose(1)}</p><{tag}>{inside}</{tag}></div><p>{prose(2)}</p>")
    found = " ".join(block.text for block in draft.texts)
    assert prose(1) in found
    assert prose(2) in found
    assert (inside in found) == (tag == "xmp")  # whose text is for reading


def test_markup_that_only_lexbor_understands_ends():
    """The processing instruction in the frame hides its end from the expression that cuts tags."""
    html = "<html>&<img><iframe/src=f><table><?(u"
    draft = attempt(extract_page, page(html.encode()))
    assert [block.text for block in draft.texts] == ["&"]
