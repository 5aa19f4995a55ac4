import json

import pytest

from pipeline.page.markup import Markup
from pipeline.page.metadata import Metadata, read_metadata

URL = "https://www.example.co.uk/news/story.html"


def read(head="", body="<p>x</p>", html_attributes="", url=URL) -> Metadata:
    html = f"<!doctype html><html {html_attributes}><head>{head}</head><body>{body}</body></html>"
    return read_metadata(Markup(html.encode()), url)


def ld(thing):
    text = thing if isinstance(thing, str) else json.dumps(thing)
    return f'<script type="application/ld+json">{text}</script>'


def test_a_page_that_says_nothing_gives_empty_values_and_its_own_address_as_base():
    assert read() == Metadata(base=URL)


# --- title, author, date, language


def test_the_title_is_that_of_open_graph_else_of_the_element():
    assert read("<title> A \n title </title>").title == "A title"
    assert read("<title>A</title><meta property='og:title' content=' B  b '>").title == "B b"
    assert read("<title>A</title><meta property='og:title' content=''>").title == "A"
    assert read("<title>Q&amp;A &lt;b&gt;</title>").title == "Q&A <b>"
    drawing = "<svg><title>Logo</title><g></g></svg>"
    assert read("", f"<header>{drawing}{drawing}</header><h1>B</h1>").title == ""
    assert read("", f"{drawing}<title>A</title>").title == "A"


def test_references_that_were_written_twice_are_undone():
    assert read("<meta property='og:title' content='A &amp;#8211; B &amp;amp; C'>").title == "A – B & C"
    assert read("<meta property='og:title' content='What &amp;lt;b&amp;gt; and &amp;nbsp; mean'>").title == (
        "What &lt;b&gt; and &nbsp; mean"
    )
    assert read(ld({"author": {"name": "Jane O&#8217;Brien"}})).author == "Jane O’Brien"


def test_a_name_is_the_author_before_the_address_of_a_profile():
    profile = "<meta property=article:author content=https://social.example/ann>"
    assert read(profile + ld({"author": {"name": "Ann"}})).author == "Ann"
    assert read(profile).author == "https://social.example/ann"


def test_a_meta_with_a_name_and_a_property_states_both():
    found = read("<meta name=title property=og:title content=A><meta name=image property=og:image content=/a.jpg>")
    assert (found.title, found.lead_images) == ("A", ["https://www.example.co.uk/a.jpg"])


def test_the_author_is_that_of_a_meta_else_of_json_ld():
    assert read("<meta name=Author content=' Ann  Bee '>").author == "Ann Bee"
    assert read("<meta property=article:author content=Ann>").author == "Ann"
    assert read(ld({"author": {"@type": "Person", "name": "Cid"}})).author == "Cid"
    assert read(ld({"author": [{"name": "Cid"}, {"name": "Dee"}]})).author == "Cid, Dee"
    assert read(ld({"author": "Eve"})).author == "Eve"
    assert read("<meta name=author content=Ann>" + ld({"author": "Eve"})).author == "Ann"


def test_the_date_is_kept_as_the_page_states_it():
    assert (
        read("<meta property=article:published_time content='2024-05-01T10:00+02:00'>").date == "2024-05-01T10:00+02:00"
    )
    assert read("<meta name=date content='May 1st'>").date == "May 1st"
    assert read(ld({"datePublished": "2024-05-01"})).date == "2024-05-01"


def test_the_language_is_that_of_the_root_element():
    assert read(html_attributes="lang=' de-AT '").language == "de-AT"
    assert read(html_attributes="lang").language == ""


# --- licence


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("<link rel=license href='/terms'>", ""),
        ("", "<a rel='nofollow license' href='/terms'>x</a>"),
        ("<base href='https://www.example.co.uk/'>", "<a rel=license href=terms>x</a>"),
        ("<link rel=license href='/terms'>", "<a href='https://creativecommons.org/licenses/by/4.0/'>x</a>"),
    ],
)
def test_a_link_marked_as_licence_is_the_licence(head, body):
    assert read(head, body).licence == "https://www.example.co.uk/terms"


def test_json_ld_may_name_the_licence():
    assert read(ld({"license": "https://example.com/l"})).licence == "https://example.com/l"


@pytest.mark.parametrize(
    ("href", "licence"),
    [
        ("https://creativecommons.org/licenses/by-sa/4.0/", "https://creativecommons.org/licenses/by-sa/4.0/"),
        ("http://www.creativecommons.org/licenses/by/3.0/de/", "http://www.creativecommons.org/licenses/by/3.0/de/"),
        (
            "https://creativecommons.org/publicdomain/zero/1.0/?ref=x",
            "https://creativecommons.org/publicdomain/zero/1.0/",
        ),
        ("https://creativecommons.org/about/", ""),
        ("https://evil.example/?u=https://creativecommons.org/licenses/by/4.0/", ""),
    ],
)
def test_a_link_to_a_creative_commons_licence_is_the_licence(href, licence):
    assert read(body=f"<a href='{href}'>CC</a>").licence == licence


@pytest.mark.parametrize("href", ["", "javascript:void(0)", "mailto:a@b.c"])
def test_a_licence_link_that_leads_nowhere_is_none(href):
    assert read(body=f"<a rel=license href='{href}'>x</a>").licence == ""


# --- canonical address


@pytest.mark.parametrize(
    ("href", "canonical"),
    [
        ("https://www.example.co.uk/s", "https://www.example.co.uk/s"),
        ("https://example.co.uk/s", "https://example.co.uk/s"),
        ("https://m.example.co.uk/s", "https://m.example.co.uk/s"),
        ("/s?id=1", "https://www.example.co.uk/s?id=1"),
        ("s", "https://www.example.co.uk/news/s"),
        ("https://other.co.uk/s", ""),
        ("https://example.com/s", ""),
        ("https://example.co.uk.evil.com/s", ""),
        ("", ""),
        ("javascript:x", ""),
        ("http://[broken", ""),
    ],
)
def test_a_canonical_address_counts_on_the_same_registered_domain_only(href, canonical):
    stated = read(f"<link rel=canonical href='{href}'>").canonical_url
    assert stated == canonical or (href == "" and stated == URL)


def test_two_tenants_of_one_host_are_different_domains():
    link = "<link rel=canonical href='https://ann.github.io/s'>"
    assert read(link, url="https://bob.github.io/s").canonical_url == ""
    assert read(link, url="https://ann.github.io/other").canonical_url == "https://ann.github.io/s"


# --- consent


def test_robots_directives_of_all_metas_addressed_to_us_are_kept():
    head = """<meta name=ROBOTS content='NoIndex, noai'><meta name=robots content=noimageai>
              <meta name=weft content=none><meta name=otherbot content=nofollow>"""
    assert read(head).consent.robots == ("noindex", "noai", "noimageai", "none")


@pytest.mark.parametrize(("value", "reserved"), [("1", True), (" 1 ", True), ("0", False), ("", None), ("yes", None)])
def test_the_tdm_reservation_of_a_meta_is_read(value, reserved):
    consent = read(f"<meta name=tdm-reservation content='{value}'><meta name=tdm-policy content='https://x/p'>").consent
    assert (consent.tdm_reservation, consent.tdm_policy) == (reserved, "https://x/p")


# --- JSON-LD


def test_json_ld_with_line_ends_in_its_strings_or_a_charset_is_read():
    thing = '{"description": "a\nb\tc", "datePublished": "2024-05-01"}'
    assert read(ld(thing)).date == "2024-05-01"
    assert read(f'<script type="application/ld+json; charset=utf-8">{thing}</script>').date == "2024-05-01"


def test_the_language_of_xhtml_and_a_canonical_address_that_is_also_something_else_are_read():
    found = read("<link rel='shortlink Canonical' href='/c'>", html_attributes='xml:lang="fr"')
    assert (found.language, found.canonical_url) == ("fr", "https://www.example.co.uk/c")


def test_things_are_found_in_lists_and_graphs():
    things = [{"@type": "WebSite"}, {"@graph": [{"@type": "Org"}, {"@graph": [{"datePublished": "2020"}]}]}]
    assert read(ld(things)).date == "2020"


@pytest.mark.parametrize(
    "broken",
    [
        "{",
        "",
        "   ",
        "null",
        "3",
        '"text"',
        "{'author': 'x'}",
        '{"author": }',
        "<!-- -->",
        "[" * 5000,
        '{"a":"\\ud800"}',
    ],
)
def test_broken_json_ld_is_ignored_and_the_next_script_is_read(broken):
    assert read(ld(broken) + ld({"author": "Ann"})).author == "Ann"


@pytest.mark.parametrize("value", [None, 3, [], {}, [3], [None], {"name": 3}, {"name": ["x"]}, ""])
def test_json_ld_of_other_shapes_says_nothing(value):
    found = read(ld({"author": value, "datePublished": value, "license": value, "image": value, "@graph": value}))
    assert (found.author, found.date, found.licence, found.lead_images) == ("", "", "", [])


# --- lead images


def test_lead_images_come_from_open_graph_twitter_and_json_ld_in_that_order_once_each():
    head = """<meta name=twitter:image content=/t.jpg><meta property=og:image content=/o.jpg>
              <meta property=og:image:url content='https://www.example.co.uk/o.jpg'>"""
    head += (
        ld({"image": ["/j.jpg", {"url": "/k.jpg"}, "/t.jpg"]})
        + ld({"image": {"url": "/l.jpg"}})
        + ld({"image": "/m.jpg"})
    )
    assert read(head).lead_images == [f"https://www.example.co.uk/{name}.jpg" for name in "otjklm"]


@pytest.mark.parametrize("value", ["", "data:image/png;base64,AA", "/blank.gif", "javascript:x", "   "])
def test_a_lead_image_without_a_picture_is_none(value):
    assert read(f"<meta property=og:image content='{value}'>").lead_images == []


def test_one_page_has_no_part_in_the_lead_images_of_another():
    read("<meta property=og:image content=/o.jpg>")
    assert read().lead_images == []


# --- base


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ("https://cdn.example/x/", "https://cdn.example/x/"),
        ("/deep/", "https://www.example.co.uk/deep/"),
        ("data:text/plain,x", URL),
        ("", URL),
        ("http://[broken", URL),
    ],
)
def test_the_base_is_resolved_against_the_page_and_ignored_if_it_leads_nowhere(base, expected):
    assert read(f"<base href='{base}'>").base == expected


def test_the_first_base_with_an_address_counts():
    assert read("<base target=_blank><base href=/a/><base href=/b/>").base == "https://www.example.co.uk/a/"


# --- other ways to state an author and a date


@pytest.mark.parametrize(
    ("before", "behind"),
    [("//<![CDATA[\n", "\n//]]>"), ("/*<![CDATA[*/", "/*]]>*/"), ("<!--\n", "\n-->"), ("<!--//\n", "//-->"), ("", ";")],
)
def test_json_ld_is_read_within_the_signs_that_once_told_scripts_from_text(before, behind):
    found = read(ld(f'{before}{{"@type": "Article", "author": "Ann Bee", "datePublished": "2024-03-01"}}{behind}'))
    assert (found.author, found.date, found.says_article) == ("Ann Bee", "2024-03-01", True)


def test_the_author_may_be_a_thing_of_its_own_and_the_article_that_of_a_page():
    graph = [{"author": {"@id": "#ann"}}, {"@id": "#ann", "@type": "Person", "name": "Ann Bee"}]
    assert read(ld({"@graph": graph})).author == "Ann Bee"
    assert read(ld({"@type": "WebPage", "mainEntity": {"datePublished": "2024-03-01"}})).date == "2024-03-01"


@pytest.mark.parametrize(
    ("head", "body"),
    [
        ("<meta name=citation_author content='Ann Bee'><meta name=citation_publication_date content=2024-03-01>", ""),
        ("<meta name=DC.creator content='Ann Bee'><meta name=DC.date.issued content=2024-03-01>", ""),
        ("<meta name=parsely-author content='Ann Bee'><meta name=parsely-pub-date content=2024-03-01>", ""),
        ("", "<meta itemprop=author content='Ann Bee'><meta itemprop=datePublished content=2024-03-01>"),
        ("", "<p itemprop=author>By <b itemprop=name>Ann Bee</b></p><i itemprop=datePublished content=2024-03-01>1.3."),
        (
            "",
            "<a rel=author href=/ann><img src=ann.jpg></a><a rel=author href=/ann>Ann Bee</a>"
            "<time class='entry-date published' datetime=2024-03-01>1 March</time>",
        ),
    ],
)  # fmt: skip
def test_an_author_and_a_date_are_read_where_libraries_newsrooms_and_microdata_state_them(head, body):
    found = read(head, body)
    assert (found.author, found.date) == ("Ann Bee", "2024-03-01")


def test_the_authors_of_a_list_of_stories_are_none_of_the_page():
    found = read(body="<p><a rel=author href=/a>Ann</a><p><a rel=author href=/b>Bob</a><i itemprop=author>" + "x " * 99)
    assert found.author == ""


@pytest.mark.parametrize("kind", ["CollectionPage", "SearchResultsPage"])
def test_a_page_that_says_it_lists_posts_is_no_article_whatever_it_says_to_open_graph(kind):
    """As the plugins of WordPress write it on the archive of a category."""
    said = '<meta property="og:type" content="article">'
    assert read(said + ld({"@graph": [{"@type": "WebPage"}, {"@type": "BreadcrumbList"}]})).says_article
    assert not read(said + ld({"@graph": [{"@type": kind}, {"@type": "BreadcrumbList"}]})).says_article


@pytest.mark.parametrize(
    ("address", "is_thread"),
    [
        ("/viewforum.php?f=4", False),
        ("/forum/index.php?topic=33871.0", True),
        ("/forum/index.php?p=/discussion/871/old-wall", True),
        ("/forum/?t=871", True),
        ("/forum/?sort=8", False),
        ("/forum/index.php?board=4.0", False),
        ("/forum/index.php", False),
        ("/forumdisplay.php?fid=2", False),
        ("/forums/workshop.12/", False),
        ("/forum/", False),
        ("/viewtopic.php?f=4&t=300", True),
        ("/forums/topic/squeaks", True),
        ("/forums/workshop.12/threads", True),
    ],
)
def test_a_board_that_lists_threads_is_none(address, is_thread):
    found = read_metadata(Markup(b'<html><body id="phpbb"></body></html>'), f"https://site.example{address}")
    assert found.is_thread is is_thread


@pytest.mark.parametrize(("kind", "is_question"), [("qa", True), ("Question", True), ("article", False)])
def test_open_graph_may_call_a_page_a_question(kind, is_question):
    assert read(f"<meta property='og:type' content='{kind}'>").is_question is is_question


@pytest.mark.parametrize(
    "body",
    [
        '<time class="entry-date" datetime="2012-05-06">May</time><b class="author vcard">Jo Reed</b>',
        '<a class="p-author h-card">Jo Reed</a> <time class="dt-published" datetime="2012-05-06">6 May</time>',
        '<h1>A</h1><time datetime="2012-05-06">6 May</time><span class="author vcard">by Jo Reed</span>',
    ],
)
def test_themes_of_blogs_and_microformats_say_who_wrote_and_when(body):
    found = read(body=body)
    assert (found.author, found.date) == ("Jo Reed", "2012-05-06")


@pytest.mark.parametrize(
    "body",
    [
        '<h1>A</h1><time datetime="2012-05-06">6 May</time><time datetime="2012-05-07">7 May</time>',
        '<h1>A</h1><h1>B</h1><time datetime="2012-05-06">6 May</time>',
        '<time datetime="2012-05-06">6 May</time>' + "<p>x</p>" * 40 + "<h1>A</h1>",
        "<h1>A</h1><time>6 May</time>",
    ],
)
def test_a_time_that_is_not_the_only_one_or_far_from_the_title_is_no_date(body):
    assert read(body=body).date == ""


def test_all_authors_are_named():
    names = [{"@type": "Person", "name": "Jo Reed"}, "Max Tor", {"name": "Jo Reed"}, None]
    assert read(ld({"@type": "NewsArticle", "author": names})).author == "Jo Reed, Max Tor"


def test_an_article_is_asked_before_its_page_and_site():
    site = {"@type": "WebSite", "author": {"name": "Lark Trust"}, "datePublished": "2019"}
    story = {"@type": ["Thing", "Article"], "author": "Jo Reed", "datePublished": "2023"}
    found = read(ld({"@graph": [site, story]}))
    assert (found.author, found.date) == ("Jo Reed", "2023")
    assert read(ld({"@graph": [site]})).author == "Lark Trust"


def test_the_licence_of_a_photo_is_not_that_of_the_page():
    link = '<a rel=license href="https://creativecommons.org/licenses/by/2.0/">CC</a>'
    figure = f"<figure><img src=/a.jpg><figcaption>Ann, {link}</figcaption></figure>"
    assert read(body=figure).licence == ""
    assert read(body=f"{figure}<footer>{link}</footer>").licence.endswith("/by/2.0/")


def test_a_licence_beside_or_between_captions_is_that_of_the_page():
    caption = "<figcaption>Ann <a rel=license href=/photo>CC</a> <a rel=license href=/other>CC</a></figcaption>"
    for body in (
        f"{caption}{caption}<a rel=license href=/page>CC</a>",
        f"{caption}<a rel=license href=/page>CC</a>{caption}",
    ):
        assert read(body=body).licence.endswith("/page")
