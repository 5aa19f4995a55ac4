import re

import pytest
from bs4 import BeautifulSoup, NavigableString, Tag
from bs4.element import PreformattedString

from pipeline.page.leaves import Media, Text
from pipeline.page.names import is_hidden
from tests.pipeline.makers import extract, paragraphs, prose, texts, walk, walked_images, walked_texts


def order(body):
    """The leaves as words: a text by itself, media by file name."""
    return [
        leaf.text if isinstance(leaf, Text) else leaf.candidates[0].split("/")[-1] if leaf.candidates else "?"
        for leaf in walk(body).leaves
    ]


def roles(body):
    return [(leaf.role, leaf.text) for leaf in walk(body).leaves if isinstance(leaf, Text)]


def videos(body):
    return [leaf for leaf in walk(body).leaves if isinstance(leaf, Media) and leaf.kind == "video"]


# --- order


def test_texts_and_images_come_in_reading_order():
    body = "<h1>T</h1><p>One.</p><img src=a.jpg><div>Two.<img src=b.jpg>Three.</div><ul><li>Four.</ul><img src=c.jpg>"
    assert order(body) == ["T", "One.", "a.jpg", "Two.", "b.jpg", "Three.", "Four.", "c.jpg"]


def test_an_image_inside_a_paragraph_cuts_it_where_it_stands():
    assert order("<p>Before <b>it</b> <a href=x><img src=a.jpg></a> and after.</p>") == [
        "Before it",
        "a.jpg",
        "and after.",
    ]


def test_images_inside_links_spans_and_table_cells_are_seen():
    body = "<a href=1><span><img src=a.jpg></span></a><table><tr><td><img src=b.jpg><td>x</table>"
    assert order(body) == ["a.jpg", "b.jpg", "x"]


def test_text_directly_in_the_body_is_text():
    assert order("Loose.<p>In.</p>Loose again.") == ["Loose.", "In.", "Loose again."]


def test_a_body_without_anything_has_no_leaves():
    assert order("") == []
    assert order("  \n\t <div> <p>\u00a0</p></div>") == []


# --- spacing


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<p>foo<b>bar</b>baz</p>", "foobarbaz"),
        ("<p>foo <b>bar</b> <i>baz</i></p>", "foo bar baz"),
        ("<p>foo<b> bar</b></p>", "foo bar"),
        ("<p>H<sub>2</sub>O and E=mc<sup>2</sup></p>", "H2O and E=mc2"),
        ("<p>an <a href=x>inline</a>, <code>linked</code> word</p>", "an inline, linked word"),
        ("<p>super<wbr>cali<wbr>fragilistic</p>", "supercalifragilistic"),
        ("<p>one<!-- a comment -->two</p>", "onetwo"),
        ("<p>one <x-custom>two</x-custom> three</p>", "one two three"),
        ("<p>&amp;&lt;b&gt; &eacute;&#8212;&#x4e2d;</p>", "&<b> é—中"),
    ],
)
def test_inline_tags_neither_glue_nor_split_words(body, expected):
    assert walked_texts(body) == [expected]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("<span class=x>1957</span><span class=x>1h 42m</span><span class=x>PG</span>", "1957 1h 42m PG"),
        ("<span class=day>Wed</span><span class=date>Apr 17</span>", "Wed Apr 17"),
        ("<span class=part>±15%</span><span class=name>Driver</span>", "±15% Driver"),
        ("<time datetime=2024-04-12>12 Apr 2024</time><span class=long>8 min</span>", "12 Apr 2024 8 min"),
        ("<span class=by>ann</span><time datetime=2024-04-12>12 Apr</time>", "ann 12 Apr"),
        ("<span class=x>H</span><span class=x>e</span><span class=x>y</span>", "Hey"),
        ("<span class=a>foo</span><span class=b>bar</span>", "foobar"),
        ("<span class=n>268</span><span class=u>kcal</span>", "268kcal"),
        ("<pre><span class=k>for</span><span class=k>ever</span></pre>", "forever"),
    ],
)
def test_spans_that_styles_set_side_by_side_keep_their_words_apart(body, expected):
    assert walked_texts(f"<div>{body}</div>") == [expected]


OPTION = "<label>{0}<span>Brass (2)</span></label>"


@pytest.mark.parametrize(
    ("body", "is_read"),
    [
        (OPTION.format("<input type=checkbox>"), False),
        (OPTION.format("<input type=radio name=r>"), False),
        ("<div><input type=checkbox id=a><label for=a>Brass (2)</label></div>", False),
        (OPTION.format(""), True),
        (OPTION.format("<input type=hidden>"), True),
        ("<input type=checkbox id=a><label for=a>Brass (2)</label><div>What it is.</div>", True),
    ],
)
def test_what_a_list_is_filtered_by_is_not_read(body, is_read):
    found = walk(f"{paragraphs(1)}<div>{body}</div>")
    is_option = any(container.tag == "label" and container.chrome >= 0 for container in found.containers)
    assert is_option is not is_read
    assert any(isinstance(leaf, Text) and leaf.text == "Brass (2)" for leaf in found.leaves)


@pytest.mark.parametrize(
    ("count", "said", "is_read"),
    [(3, "<time>May 4</time>", True), (3, "Share", False), (1, "<time>May 4</time>", False)],
)
def test_the_end_of_a_card_that_says_when_is_read(count, said, is_read):
    cards = f"<article><h2>A card</h2><footer class=x>{said}</footer></article>" * count
    found = walk(cards + paragraphs(3))
    ends = [container for container in found.containers if container.tag == "footer"]
    assert all((end.chrome < 0) is is_read for end in ends)


def test_whitespace_of_the_source_collapses():
    assert walked_texts("<p>\n  one\t two \r\n three\u00a0\u00a0four \f</p>") == ["one two three four"]


def test_a_line_break_is_a_line_end_and_a_source_line_end_is_a_space():
    assert walked_texts("<p>Roses are red,<br>violets\nare blue.<br/><br>End.</p>") == [
        "Roses are red,\nviolets are blue.\nEnd."
    ]


def test_a_break_does_not_part_the_blocks():
    assert walked_texts("<p>a<br></p><p><br>b</p><p><br></p>") == ["a", "b"]


def test_blocks_part_texts():
    assert walked_texts("<div>a<div>b</div>c</div><section>d</section>e") == ["a", "b", "c", "d", "e"]


def test_preformatted_text_keeps_its_whitespace():
    code = "def f(x):\n    if x:\n\treturn  1\n\n    return 2"
    assert roles(f"<pre><code>\n{code}\n</code></pre><p>a  b</p>") == [("code", code), ("paragraph", "a b")]


def test_a_break_in_preformatted_text_is_a_line_end():
    assert walked_texts("<pre>a<br>  b</pre>") == ["a\n  b"]


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("hy&shy;phen&shy;ation", "hyphenation"),
        ("zero\u200bwidth", "zerowidth"),
        ("\u200b \u00ad", None),
        ("<b>\ue036</b>Call us", "Call us"),
        ("\uf095", None),
    ],
)
def test_soft_hyphens_and_zero_width_spaces_vanish(source, expected):
    assert walked_texts(f"<p>{source}</p>") == ([expected] if expected else [])


@pytest.mark.parametrize(
    "source", ["\u200b Hello there", "Hello \u200b there", "Hello there \u200b", "\u200b\nHello there"]
)
def test_no_space_is_left_where_a_zero_width_space_vanished(source):
    assert walked_texts(f"<p>{source}</p>") == ["Hello there"]


def test_joiners_that_shape_letters_stay():
    assert walked_texts("<p>می\u200cخواهم</p>") == ["می\u200cخواهم"]


def test_nul_bytes_do_not_reach_the_text():
    assert walked_texts("<p>He\x00llo</p>") in (["Hello"], ["He\ufffdllo"])


def test_a_numeric_reference_to_half_a_character_does_not_reach_the_text():
    for text in walked_texts("<p>a&#xD800;b</p>"):
        text.encode("utf-8")


def test_bars_at_the_ends_of_a_paragraph_are_its_own():
    assert walked_texts("<p>|x| is never more than |x| + |y|</p>") == ["|x| is never more than |x| + |y|"]


# --- tables, lists, roles


def test_a_table_row_becomes_one_line_of_cells():
    head = "<thead><tr><th>City</th><th>People</th></tr></thead>"
    body = f"<table>{head}<tr><td>Ur<td>65,000<tr> <td>Uruk</td> <td>40,000</td> </tr></table>"
    assert roles(body) == [("table", "City | People"), ("table", "Ur | 65,000"), ("table", "Uruk | 40,000")]


def test_an_empty_cell_in_the_middle_keeps_its_place():
    assert walked_texts("<table><tr><td>a<td><td>c</table>") == ["a | | c"]


def test_text_after_a_table_is_not_part_of_it():
    assert walked_texts("<table><tr><td>a<td>b</table>after") == ["a | b", "after"]


def test_list_items_are_blocks_of_their_own_at_every_depth():
    assert roles("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul><dl><dt>d</dt><dd>e</dd></dl>") == [
        ("list", "a"),
        ("list", "b"),
        ("list", "c"),
        ("list", "d"),
        ("list", "e"),
    ]


@pytest.mark.parametrize(
    ("body", "role"),
    [
        ("<h1>x</h1>", "heading"),
        ("<h6><span>x</span></h6>", "heading"),
        ("<p>x</p>", "paragraph"),
        ("<div>x</div>", "paragraph"),
        ("<blockquote><p>x</p></blockquote>", "quote"),
        ("<li><p>x</p></li>", "list"),
        ("<pre>x</pre>", "code"),
        ("<figure><figcaption>x</figcaption></figure>", "caption"),
        ("<figure><figcaption><p>x</p></figcaption></figure>", "caption"),
        ("<div class=wp-caption-text>x</div>", "caption"),
        ("<li><article><p>x</p></article></li>", "paragraph"),
    ],
)
def test_the_role_of_a_text_is_that_of_the_nearest_element_that_gives_one(body, role):
    assert roles(body) == [(role, "x")]


def test_a_caption_ends_with_its_element():
    assert roles("<figure><figcaption>a</figcaption><p>b</p></figure><p>c</p>") == [
        ("caption", "a"),
        ("paragraph", "b"),
        ("paragraph", "c"),
    ]


@pytest.mark.parametrize("name", ["category-credit", "tag-legend-of-zelda", "has-caption"])
def test_an_article_whose_class_mentions_captions_is_no_caption(name):
    body = f"<article class='post {name}'><h2>T</h2><p>One.</p><p>Two.</p></article>"
    assert roles(body) == [("heading", "T"), ("paragraph", "One."), ("paragraph", "Two.")]


# --- what is skipped


@pytest.mark.parametrize(
    "element",
    [
        "<script>var a = 'x'</script>",
        "<style>p { color: red }</style>",
        "<template><p>x</p></template>",
        "<svg><text>x</text></svg>",
        "<button>x</button>",
        "<select><option>x</select>",
        "<textarea>x</textarea>",
        "<iframe src='about:blank'>x</iframe>",
        "<video><p>x</p></video>",
        "<audio controls>x</audio>",
        "<object>x</object>",
        "<canvas>x</canvas>",
        "<noscript>x</noscript>",
        "<!-- x -->",
    ],
)
def test_what_is_not_text_of_the_page_is_skipped(element):
    assert walked_texts(f"<p>a</p>{element}<p>b</p>") == ["a", "b"]


@pytest.mark.parametrize(
    "markup", ["<?php echo 1 ?>", "<?xml version='1.0'?>", "<!-- c -->", "<![CDATA[ c ]]>", "<!x>", "</>"]
)
def test_markup_that_is_no_element_is_passed_over(markup):
    assert walked_texts(f"<p>a{markup}b</p>{markup}<p>c{markup}</p>") == ["ab", "c"]


def test_an_image_inside_a_button_that_enlarges_it_is_seen():
    assert order("<figure><button><img src=a.jpg></button><figcaption>c</figcaption></figure>") == ["a.jpg", "c"]


@pytest.mark.parametrize(
    "attribute", ["hidden", "style='display:none'", "style='color:red; DISPLAY : none'", "aria-hidden=true"]
)
def test_a_hidden_block_is_marked_as_hidden(attribute):
    containers = walk(f"<div {attribute}>x</div><div style='display:block' aria-hidden=false>y</div>").containers
    assert [container.names.is_hidden for container in containers if container.tag == "div"] == [True, False]


@pytest.mark.parametrize("attribute", ["hidden", "style='display: none'"])
def test_hidden_words_inside_a_paragraph_are_not_read(attribute):
    assert walked_texts(f"<p>Seen <span {attribute}>unseen </span>words.</p>") == ["Seen words."]


def test_a_tab_that_is_an_element_of_the_sites_own_is_read():
    tabs = "<x-panel role=tabpanel hidden><p>In Java</p></x-panel><x-note hidden><p>Not shown</p></x-note>"
    assert walked_texts(f"<div>{tabs}<p>Text</p></div>") == ["In Java", "Text"]


@pytest.mark.parametrize(
    "link", ['<a class=headerlink href="#x">¶</a>', '<a href="/page#x"> # </a>', '<a href="#x">§</a>']
)
def test_the_mark_by_which_a_heading_is_pointed_at_is_none_of_its_words(link):
    assert walked_texts(f"<h2>Use{link}</h2><p>x</p>") == ["Use", "x"]
    assert walked_texts(f"<h2>{link}Use</h2><p>x</p>") == ["Use", "x"]


def test_other_links_of_one_sign_are_read():
    assert walked_texts('<p>By <a href="#s2">§</a> 2</p><h2><a href="/c">C</a><a href="/c#">#</a></h2>') == [
        "By § 2",
        "C",
    ]
    assert walked_texts('<h2>The <a href="/sharp">#</a> key</h2>') == ["The # key"]


# --- figures and captions


def test_an_image_and_its_caption_share_their_figure():
    leaves = walk("<figure><a href=x><img src=a.jpg></a><figcaption>A cat.</figcaption></figure><img src=b.jpg>").leaves
    image, caption, other = leaves
    assert image.figure == caption.figure >= 0
    assert other.figure == -1


def test_figures_inside_figures_have_figures_of_their_own():
    body = """<figure><figure><img src=a.jpg><figcaption>A</figcaption></figure>
              <figure><img src=b.jpg><figcaption>B</figcaption></figure><figcaption>Both</figcaption></figure>"""
    a, caption_a, b, caption_b, both = walk(body).leaves
    assert a.figure == caption_a.figure != b.figure == caption_b.figure
    assert both.figure not in (a.figure, b.figure)


def test_a_caption_in_the_cell_below_its_picture_is_the_caption_of_that():
    cells = "<tr><td><a href=x><img src=a.jpg></a></td></tr><tr><td>By</td><td class=tr-caption>A cat.</td></tr>"
    image, other, caption = walk(f"<table class=tr-caption-container>{cells}</table>").leaves
    assert (other.role, caption.role, caption.text) == ("table", "caption", "A cat.")
    assert image.figure == caption.figure >= 0


def test_a_wordpress_caption_is_a_figure_with_a_caption():
    body = "<div class='wp-caption alignleft'><img src=a.jpg><p class=wp-caption-text>A cat.</p></div><p>Text.</p>"
    image, caption, text = walk(body).leaves
    assert (caption.role, caption.text) == ("caption", "A cat.")
    assert image.figure == caption.figure >= 0
    assert (text.role, text.figure) == ("paragraph", -1)


# --- images


def test_what_an_image_says_of_itself_is_kept():
    (image,) = walked_images(
        "<a href='/big'><img src=a.jpg alt=' A\n cat ' title='T  t' width=640 height='480px'"
        " class='wp-image-7 fitPage'></a>"
    )
    assert (image.alt, image.title, image.width, image.height) == ("A cat", "T t", 640, 480)
    assert image.link == "https://site.example/big"


@pytest.mark.parametrize(
    ("value", "pixels"),
    [
        ("640", 640),
        (" 640px ", 640),
        ("640.5", 640),
        ("100%", 0),
        ("auto", 0),
        ("", 0),
        ("-5", 0),
        ("9" * 30, 0),
        ("12em", 0),
    ],
)
def test_a_declared_size_is_read_in_pixels_or_not_at_all(value, pixels):
    (image,) = walked_images(f"<img src=a.jpg width='{value}'>")
    assert image.width == pixels


def test_a_link_ends_with_its_element():
    first, second = walked_images("<a href=x><img src=a.jpg></a><img src=b.jpg>")
    assert first.link == "https://site.example/news/x"
    assert second.link == ""


def test_addresses_are_resolved_against_the_base():
    (image,) = walked_images("<a href=l><img src=a.jpg></a>", base="https://cdn.example/x/")
    assert (image.candidates, image.link) == (("https://cdn.example/x/a.jpg",), "https://cdn.example/x/l")


def test_the_sources_of_a_picture_belong_to_its_image_alone():
    body = """<picture><source srcset="a.webp 1200w"><source srcset="a.avif 800w"><img src=a.jpg></picture>
              <img src=b.jpg><picture><source srcset="c.webp 900w"><img src=c.jpg></picture>"""
    names = [[url.rsplit("/", 1)[1] for url in image.candidates] for image in walked_images(body)]
    assert names == [["a.webp", "a.avif", "a.jpg"], ["b.jpg"], ["c.webp", "c.jpg"]]


def test_a_source_outside_of_a_picture_belongs_to_no_image():
    (image,) = walked_images("<div><source srcset='wrong.jpg 800w'></div><img src=a.jpg>")
    assert image.candidates == ("https://site.example/news/a.jpg",)


def test_a_lazy_image_and_its_noscript_twin_are_one_image_at_the_real_address():
    body = "<p><img src='data:image/gif;base64,R0' class=lazy><noscript><img src=real.jpg alt='A cat'></noscript></p>"
    (image,) = walked_images(body)
    assert image.candidates == ("https://site.example/news/real.jpg",)
    assert image.alt == "A cat"


def test_a_noscript_twin_adds_its_address_after_those_of_the_image():
    (image,) = walked_images("<img data-src=a.jpg alt=own>\n <noscript> <img src=a-full.jpg alt=twin> </noscript>")
    assert [url.rsplit("/", 1)[1] for url in image.candidates] == ["a.jpg", "a-full.jpg"]
    assert image.alt == "own"


def test_a_noscript_image_after_text_is_an_image_of_its_own():
    assert order("<img src=a.jpg><p>Text.</p><noscript><img src=b.jpg></noscript>") == ["a.jpg", "Text.", "b.jpg"]


def test_images_that_stand_in_noscript_alone_are_as_many_images():
    body = "<div><noscript><img src=a.jpg></noscript></div>\n<div><noscript><img src=b.jpg></noscript></div>"
    assert order(body) == ["a.jpg", "b.jpg"]


def test_a_twin_is_the_twin_of_one_image_only():
    body = "<img data-src=a.jpg><noscript><img src=a.jpg></noscript><noscript><img src=b.jpg></noscript>"
    assert order(body) == ["a.jpg", "b.jpg"]


def test_the_sources_of_a_picture_in_noscript_do_not_leak():
    body = "<noscript><picture><source srcset='a.webp 900w'><img src=a.jpg></picture></noscript><p>x</p><img src=b.jpg>"
    assert [len(image.candidates) for image in walked_images(body)] == [2, 1]


def test_an_amp_image_is_an_image():
    (image,) = walked_images(
        "<amp-img src=a.jpg alt=x width=600 height=400><noscript><img src=a.jpg></noscript></amp-img>"
    )
    assert (image.candidates, image.alt, image.width) == (("https://site.example/news/a.jpg",), "x", 600)


# --- videos


def test_videos_and_embeds_are_recorded_where_they_stand():
    body = """<p>One.</p><video poster=p.jpg title="T  t"><source src=v.webm><source src=v.mp4></video><p>Two.</p>
              <iframe src="//www.youtube.com/embed/xyz" title=Film></iframe><p>Three.</p>"""
    assert order(body) == ["One.", "v.webm", "Two.", "xyz", "Three."]
    video, frame = videos(body)
    assert video.candidates == ("https://site.example/news/v.webm", "https://site.example/news/v.mp4")
    assert (video.title, video.link) == ("T t", "https://site.example/news/p.jpg")
    assert (frame.candidates, frame.title) == (("https://www.youtube.com/embed/xyz",), "Film")


def test_what_a_frame_says_to_browsers_without_frames_is_no_share_of_the_page():
    """An aside of more than 40 % of a page is content, however much is said in a frame."""
    body = f"<main><p>{prose(1)}</p></main><aside><p>{prose(2)}</p><p>{prose(3)}</p></aside>"
    framed = f"{body}<iframe src=/map>{' '.join(map(prose, range(4, 24)))}</iframe>"
    assert texts(extract(framed)) == texts(extract(body)) == [prose(1), prose(2), prose(3)]


def test_a_lazy_iframe_and_an_embed_are_videos_and_an_audio_is_not():
    assert (
        len(videos("<iframe data-src='https://v.example/1'></iframe><embed src=m.swf><audio src=a.mp3></audio>")) == 2
    )


def test_an_embed_without_an_address_is_none():
    assert videos("<iframe></iframe><video></video><iframe src='about:blank'></iframe>") == []


# --- links


def test_the_characters_inside_links_are_counted():
    (leaf,) = walk("<p>See <a href=x> the <b>report</b> </a> now, or <a href=y>later</a>.</p>").leaves
    assert leaf.text == "See the report now, or later."
    assert leaf.link_chars == len("the") + len("report") + len("later")


@pytest.mark.parametrize("address", ["mailto:desk@site.example", "tel:+4930555087"])
def test_an_address_to_write_to_or_to_call_is_no_way_off(address):
    (leaf,) = walk(f"<p>Ask <a href='{address}'>the desk</a></p>").leaves
    assert (leaf.text, leaf.link_chars) == ("Ask the desk", 0)


def test_a_button_that_sends_the_page_to_somebody_is_a_link():
    (leaf,) = walk("<p><a href='mailto:?subject=Read'>Send this</a></p>").leaves
    assert leaf.link_chars == len("Send this")


def test_links_side_by_side_do_not_glue_their_words():
    assert walked_texts("<p><a href=/a>Book a demo</a><a href=/b>Take the tour</a></p>") == [
        "Book a demo Take the tour"
    ]


def test_link_characters_do_not_run_over_into_the_next_block():
    first, second = walk("<p><a href=x>link</a></p><p>plain</p>").leaves
    assert (first.link_chars, second.link_chars) == (4, 0)


# --- depth


@pytest.mark.parametrize("tag", ["div", "span", "b", "section", "blockquote"])
def test_no_depth_overflows_a_stack(tag):
    leaves = walk(f"<{tag}>" * 3000 + "deep" + f"</{tag}>" * 3000 + "after").leaves
    assert "".join(leaf.text for leaf in leaves) == "deepafter"


# --- against another parser

SKIPPED = {"script", "style", "template", "svg", "math", "noscript", "iframe", "video", "audio", "button", "select"}
SKIPPED |= {"textarea", "object", "canvas", "title", "head"}

PAGES = {
    "article": """<header><a href=/>Home</a></header><main><article><h1>Title <small>sub</small></h1>
        <p class=lede>First <em>paragraph</em>, with <a href=x>a link</a>.</p><img src=1.jpg alt=one>
        <p>Second<br>line.</p><figure><img src=2.jpg><figcaption>Cap &mdash; tion</figcaption></figure></article></main>
        <footer>&copy; us</footer>""",
    "table": """<table><caption>Cap</caption><thead><tr><th>A</th><th>B</th></tr></thead><tbody><tr><td>1</td>
        <td><img src=1.png>2</td></tr><tr><td colspan=2><p>three</p><p>four</p></td></tr></tbody></table>after""",
    "lists": """<ol><li>one<ul><li>two</li><li><p>three</p></li></ul>tail</li></ol><dl><dt>t</dt><dd>d</dd></dl>""",
    "scripts": """<p>a</p><script>if (a < b) { document.write("<p>no</p>") }</script><style>p > a {}</style>
        <p>b<svg><title>no</title><text>no</text></svg>c</p><template><p>no</p></template>""",
    "media": """<p>see <a href=y><img src=1.jpg></a> and <video src=v.mp4>no</video> and</p>
        <iframe src=f.html>no</iframe><picture><source srcset="9.webp"><img src=2.jpg></picture>end<img src=3.jpg>""",
    "forms": """<form><label>Name <input value=no></label><select><option>no</option></select><button>no</button>
        <textarea>no</textarea><fieldset><legend>Leg</legend>yes</fieldset></form>""",
    "pre": """<pre>  code   here\n\tand <b>here</b></pre><p>x<code> y </code>z</p><blockquote>q<p>r</p></blockquote>""",
    "entities": """<p>&lt;tag&gt; &amp;amp; &nbsp;&#169; caf&eacute; 中文 العربية 🙂</p><p title="no">1 &lt; 2</p>""",
    "comments": """<!-- no <p>no</p> --><div>a<!-- no -->b<div></div><!-- no -->c<img src=1.jpg><!--no--></div>""",
    "loose": """text<div>in</div>text <span>span<div>block in span</div>tail</span><section>s<hr>t</section>
        <details><summary>sum</summary>det</details><ruby>漢</ruby><address>adr</address>""",
    "images": "".join(f"<div><p>p{i}</p><a href={i}><span><img src={i}.jpg></span></a></div>" for i in range(40)),
}


def reference(body):
    """What BeautifulSoup finds: all characters of the page but spaces, and the `src` of every image."""
    soup = BeautifulSoup(f"<html><body>{body}</body></html>", "html.parser")
    characters, images = [], []
    for node in soup.body.descendants:
        if any(parent.name in SKIPPED for parent in node.parents):
            continue
        if isinstance(node, Tag) and node.name == "img":
            images.append(node["src"])
        elif isinstance(node, NavigableString) and not isinstance(node, PreformattedString):
            characters.append(str(node))
    return re.sub(r"\s+", "", "".join(characters)), images


@pytest.mark.parametrize("name", PAGES)
def test_the_walk_finds_what_another_parser_finds_in_the_same_order(name):
    leaves = walk(PAGES[name], "https://site.example/").leaves
    seen = "".join(leaf.text for leaf in leaves if isinstance(leaf, Text))
    images = [leaf.candidates[-1] for leaf in leaves if isinstance(leaf, Media) and leaf.kind == "image"]
    expected_text, expected_images = reference(PAGES[name])
    assert "no" not in expected_text
    assert re.sub(r"[\s|]+", "", seen) == expected_text
    if name != "media":
        assert images == [f"https://site.example/{src}" for src in expected_images]
    else:
        assert [image.rsplit("/", 1)[1] for image in images] == ["1.jpg", "9.webp", "3.jpg"]


def test_texts_and_images_interleave_as_in_another_parser():
    body = PAGES["images"] + PAGES["article"]
    soup = BeautifulSoup(body, "html.parser")
    expected = []
    for node in soup.descendants:
        if isinstance(node, Tag) and node.name == "img":
            expected.append(node["src"])
        elif isinstance(node, NavigableString) and node.strip():
            expected += node.split()
    seen = []
    for leaf in walk(body, "https://site.example/").leaves:
        seen += leaf.text.split() if isinstance(leaf, Text) else [leaf.candidates[0].rsplit("/", 1)[1]]
    assert "".join(seen) == "".join(expected)


# --- marks


def marks(body):
    return [(leaf.mark, leaf.text) for leaf in walk(body).leaves if isinstance(leaf, Text)]


def test_headings_and_list_items_bear_marks():
    body = "<h1>a</h1><p>b</p><h3>c</h3><ul><li>d<li><p>e</p><p>f</p></ul><ol><li>g<li>h</ol><p>i</p>"
    expected = [("# ", "a"), ("", "b"), ("### ", "c"), ("- ", "d"), ("- ", "e"), ("", "f"), ("1. ", "g"), ("2. ", "h")]
    assert marks(body) == [*expected, ("", "i")]


def test_a_list_inside_an_item_is_indented_and_counts_for_itself():
    body = "<ol><li>a<ul><li>b</ul><li>c<ol><li>d</ol><li>e</ol>"
    assert marks(body) == [("1. ", "a"), ("  - ", "b"), ("2. ", "c"), ("  1. ", "d"), ("3. ", "e")]


def test_an_item_without_text_gives_its_mark_to_nobody():
    assert marks("<ul><li><img src=a.jpg></ul><p>b</p>") == [("", "b")]


# --- formulas, and words for screen readers


def test_the_symbols_of_a_formula_are_words():
    body = "<p>so <math><mi>a</mi><mo>=</mo><mn>2</mn><annotation encoding=other>no</annotation></math>.</p>"
    assert walked_texts(body) == ["so a = 2."]


@pytest.mark.parametrize(
    "name",
    [
        *("sr-only", "screen-reader-text", "x visually-hidden", "visuallyhidden y", "visually-hidden-focusable"),
        *("govuk-visually-hidden", "usa-sr-only", "slds-assistive-text", "a-offscreen", "off-screen", "x-sr-only__aB3"),
        *(
            "ssrcss-1f3b-VisuallyHidden",
            "ui-helper-hidden-accessible",
            "accesshide",
            "elementor-screen-only",
            "plp-price__sr-text",
        ),
        *("mw-jump-link", "mw-jump"),
        *("u-srOnly", "wt-screen-reader-only", "show-for-sr", "element-invisible"),
    ],
)
def test_words_for_screen_readers_only_are_not_shown(name):
    assert walked_texts(f"<p>word<span class='{name}'>opens a window</span></p>") == ["word"]


@pytest.mark.parametrize("name", ["not-sr-only", "focus:not-sr-only", "field--label-visually-hidden", "x-a11y-hidden"])
def test_names_that_speak_of_something_else_hide_nothing(name):
    """The Events Calendar shows what a window of some width has room for, whatever its class says."""
    assert walked_texts(f"<p>word<span class='{name}'> of a list</span></p>") == ["word of a list"]


@pytest.mark.parametrize(
    "name", ["hidden", "alert hidden", "d-none", "is-hidden", "uk-hidden", "msg hide", "slideshow hidden"]
)
def test_what_a_class_of_a_framework_hides_is_not_shown(name):
    assert walked_texts(f"<p>word<span class='{name}'>Gone</span></p>") == ["word"]
    assert is_hidden(f' class="{name}"')


@pytest.mark.parametrize(
    "name",
    ["hidden md:block", "d-none d-lg-block", "hidden visible", "d-none d-print-block", "hide active", "hidden-xs"],
)
def test_what_is_hidden_at_some_width_only_is_shown(name):
    assert walked_texts(f"<p>word<span class='{name}'>s</span></p>") == ["words"]


@pytest.mark.parametrize(
    ("inside", "is_shown"),
    [
        ("<h1>A boot</h1><p>Of leather, for winters.</p>", True),
        ("<h1>A boot</h1>", False),
        ("<p>Of leather.</p>", False),
    ],
)
def test_a_hidden_part_with_the_title_and_words_behind_it_is_shown_by_a_script(inside, is_shown):
    seen = walk(f"<div hidden>{inside}</div><div><p>{'Something else is said here, too. ' * 9}</p></div>")
    part = next(container for container in seen.containers if container.tag == "div")
    assert part.names.is_hidden is not is_shown


def test_a_class_that_only_speaks_of_hiding_hides_nothing():
    assert walked_texts("<p>word<span class='no-hidden-fees'>s</span></p>") == ["words"]


# --- what is passed over


def test_chrome_is_passed_over_unless_it_holds_most_of_the_page():
    body = "<p>Here we are.</p><nav>Menu</nav><div class=sidebar><p>More<div>and more</div></div><p>There.</p>"
    passed = [leaf.text for leaf in walk(body, passes_over=True).leaves]
    assert passed == ["Here we are.", "More", "and more", "There."]  # a name alone is a hint
    assert [leaf.text for leaf in walk(body, passes_over=True, chrome_share=0.0).leaves] == walked_texts(body)


def test_a_container_that_is_passed_over_ends_before_its_neighbour():
    seen = walk("<div>a</div><nav><ul><li>x</ul></nav><div>b</div>", passes_over=True)
    nav = next(container for container in seen.containers if container.tag == "nav")
    assert (nav.first, nav.last) == (1, 1)
    assert [seen.containers[leaf.container].tag for leaf in seen.leaves] == ["div", "div"]


def test_a_cell_that_holds_one_paragraph_is_a_cell_of_its_row():
    body = "<table><tr><td>Material</td><td><p>Linen</p></td></tr><tr><td>a</td><td><p>b</p><p>c</p></td></tr></table>"
    assert walked_texts(body) == ["Material | Linen", "a", "b", "c"]


@pytest.mark.parametrize(
    ("first", "second", "read"),
    [
        ("Data Engineer", "Lisbon", "Data Engineer Lisbon"),
        ("ready in 10", "minutes", "ready in 10 minutes"),
        ("268", "kcal", "268kcal"),
        ("T", "he first", "The first"),
    ],
)
def test_styles_part_spans_where_one_word_ends_and_another_begins(first, second, read):
    assert walked_texts(f"<p><span class=a>{first}</span><span class=b>{second}</span></p>") == [read]


def test_panels_of_tabs_are_shown_though_hidden_until_chosen():
    assert walked_texts("<div role=tabpanel style='display:none'>Size</div><div style='display:none'>no</div>") == [
        "Size",
        "no",
    ]
    names = [container.names for container in walk("<div role=tabpanel hidden>x</div>").containers]
    assert not any(name.is_hidden for name in names)


def test_what_a_form_says_when_it_was_sent_is_hidden():
    sent = "<div class='success-message w-form-done'><div>Thank you! Your submission has been received!</div></div>"
    assert walk(f"{paragraphs(3)}<div class=w-form>{sent}</div>").flagged


@pytest.mark.parametrize("between", ["", "\n  "])
def test_elements_of_the_page_s_own_that_follow_each_other_are_blocks(between):
    card = f"<app-card><app-title>{{0}}</app-title>{between}<app-body>{{1}}</app-body></app-card>"
    cards = between.join(card.format(f"The bridge {n}", prose(n)) for n in range(2))
    assert walked_texts(cards) == ["The bridge 0", prose(0), "The bridge 1", prose(1)]


@pytest.mark.parametrize(
    ("html", "text"),
    [
        ("<p>He said <my-term>ferry</my-term>, <my-term>boat</my-term>.</p>", "He said ferry, boat."),
        ("<p>Loved by <g-emoji>A</g-emoji> <g-emoji>B</g-emoji> and others.</p>", "Loved by A B and others."),
        ("<pre>a <x-a>b</x-a><x-c>c</x-c></pre>", "a bc"),
    ],
)
def test_others_stand_in_their_line(html, text):
    assert walked_texts(html) == [text]


@pytest.mark.parametrize("named", ["material-icons", "material-icons-outlined left", "x material-symbols-rounded"])
def test_words_that_a_font_draws_as_icons_are_not_read(named):
    assert walked_texts(f'<p>Zoom <i class="{named}">search</i> in</p>') == ["Zoom in"]
    assert walked_texts('<p>Zoom <i class="material">search</i> in</p>') == ["Zoom search in"]


@pytest.mark.parametrize(
    "part",
    [
        "<amp-sidebar layout=nodisplay><p>{}</p></amp-sidebar>",
        "<amp-user-notification id=n layout='nodisplay'><p>{}</p></amp-user-notification>",
        "<amp-ad width=300 height=250><div fallback><p>{}</p></div></amp-ad>",
        "<amp-embed type=taboola><div placeholder><p>{}</p></div></amp-embed>",
    ],
)
def test_what_amp_does_not_show_at_first_and_its_advertisements_are_not_read(part):
    assert walked_texts(f"{part.format(prose(9))}<article>{paragraphs(2)}</article>") == [prose(0), prose(1)]


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ('<span class="a1">In stock</span><span class="b1">Ships today</span>', "In stock Ships today"),
        ("<span>SKALAND</span><span><span>Bench</span></span>", "SKALAND Bench"),
        ("<span>14 m²</span><span>Ensuite bathroom</span>", "14 m² Ensuite bathroom"),
        ("<span>$13.40</span><span>$0.11 a tablet</span>", "$13.40 $0.11 a tablet"),
        ("<span>Mc</span><span>Donald</span>", "McDonald"),
        ("<span>T</span><span>hey</span>", "They"),
        ("<span>Data</span><span>base</span>", "Database"),
        ("<b>Tom Reed</b><span>Mason</span>", "Tom Reed Mason"),
        ("<a href=/tom>tilda</a><span>Mason</span>", "tilda Mason"),
        ("<b>You</b>Tube", "YouTube"),
    ],
)
def test_spans_that_styles_set_on_lines_of_their_own_are_parted(written, said):
    assert walked_texts(f"<p>{written}</p>") == [said]


def test_the_header_of_a_section_is_its_heading():
    section = f"<section><header><div><h2>About this app</h2></div></header>{paragraphs(2)}</section>"
    site = "<header><nav><a href=/a>Games</a></nav><h2>The shop</h2></header>"
    assert walked_texts(f"{site}<div>{section}</div>")[-3:] == ["About this app", prose(0), prose(1)]
    assert "About this app" in texts(extract(f"{site}<div>{section}</div>"))[0]
    assert "The shop" not in texts(extract(f"<section>{site}{paragraphs(9)}</section>"))


@pytest.mark.parametrize(
    ("label", "is_read"),
    [
        ("<label for=mail>Your mail</label><input id=mail type=email>", False),
        ("<label>Your mail <input type=email></label>", False),
        ("<label for=town>Your town</label><select id=town><option>Bergen</select>", False),
        ("<input id=tab type=radio><label for=tab>Your mail</label><div>What it is</div>", True),
        ("<label for=none>Your mail</label>", True),
    ],
)
def test_what_a_field_is_called_is_not_read(label, is_read):
    walked = walk(f"<main>{paragraphs(3)}{label}</main>", passes_over=True)
    assert any("Your" in leaf.text for leaf in walked.leaves) is is_read


# --- shadow trees


def shadow(inside, outside=""):
    style = "<style>p > a { color: red }</style>"
    return f"<my-page><template shadowrootmode=open>{style}{inside}</template>{outside}</my-page>"


def test_a_page_that_declares_its_text_as_a_shadow_tree_is_read():
    assert order(shadow(f"<h1>T</h1><p>{prose(1)}<script>if (1 < 2) {{}}</script>")) == ["T", prose(1)]


def test_a_shadow_tree_beside_more_text_is_what_a_script_draws_around_it():
    assert order(shadow("<p>Menu", f"<p>{prose(1)}")) == [prose(1)]
    assert order(f"<template><p>{prose(1)}</template><p>Short.") == ["Short."]


def test_signs_that_lead_back_from_notes_are_no_words():
    notes = [f"<li>Reed, 1964.&nbsp;<a href='#r1'>{sign}</a>" for sign in ("↩", "&#8617;&#xfe0e;", "↑")]
    texts = walked_texts(f"<ol>{''.join(notes)}</ol><p><a href='#c1'>^</a> Tor, 1970.</p><p><a href='/up'>↑</a> Up</p>")
    assert texts == ["Reed, 1964."] * 3 + ["Tor, 1970.", "↑ Up"]


def test_heads_of_columns_that_are_buttons_are_read():
    heads = "<tr><th><button>Boat</button><th><button>Built</button><th>Yard"
    table = f"<table>{heads}<tr><td>Alba<td>1931<td>Leith<button>Edit</button></table>"
    assert walked_texts(table) == ["Boat | Built | Yard", "Alba | 1931 | Leith"]


def test_words_that_elements_set_side_by_side_are_parted():
    for body, text in (
        ("<a href=/a>MV Cora</a><small>1941</small>", "MV Cora 1941"),
        ("<ins>€99</ins><del>€120</del>", "€99 €120"),
        ("<b>bo</b><em>ld</em>", "bold"),
    ):
        assert walked_texts(f"<p>{body}</p>") == [text]


def test_what_an_animation_lets_appear_is_shown():
    hidden = "<div class='{}' style='visibility:hidden'><p>Words of the text</p></div>"
    for name, is_flagged in (("wow fadeInUp", False), ("box", True)):
        assert bool(walk(paragraphs(2) + hidden.format(name) + paragraphs(2)).flagged) == is_flagged


def test_the_notes_at_the_end_of_an_article_may_stand_in_its_footer():
    note = "Harbour Board minutes, 1964."
    for name, is_kept in (("footnotes", True), ("entry", False)):
        footer = f"<footer class={name}><ol><li>{note}</ol></footer>"
        assert (note in extract(f"<article>{paragraphs(4)}{footer}</article>").texts[-1].text) == is_kept
