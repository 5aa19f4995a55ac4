import pytest

from pipeline.page.cards import titles_of_cards
from pipeline.page.content import by_rules, judge
from pipeline.page.content_settings import ContentSettings
from pipeline.page.leaves import Text
from pipeline.page.rows import siblings
from tests.pipeline.makers import paragraphs, prose, walk


def content(body, **settings):
    """The content's texts and the file names of its media."""
    chosen = ContentSettings(**settings)
    walked = walk(body, chrome_share=chosen.chrome_share, passes_over=True)
    verdicts = judge(walked, chosen)
    leaves = [leaf for leaf, verdict in zip(walked.leaves, verdicts, strict=True) if verdict is None]
    return [leaf.text if isinstance(leaf, Text) else leaf.candidates[0].rsplit("/", 1)[1] for leaf in leaves]


BODY = [prose(number) for number in range(6)]
ARTICLE = f"<article>{paragraphs(6)}</article>"
LINKS = "".join(f"<li><a href=/{number}>{prose(number + 50, 1)}</a></li>" for number in range(6))


@pytest.mark.parametrize("tag", ["nav", "aside", "footer", "form", "menu", "header"])
def test_page_furniture_is_left_out_by_its_element(tag):
    assert content(f"<{tag}><input><p>{prose(90, 2)}</p><img src=x.jpg></{tag}>{ARTICLE}") == BODY
    assert content(f"<article><{tag}><input><p>{prose(90, 2)}</p></{tag}>{paragraphs(6)}</article>")[-6:] == BODY


@pytest.mark.parametrize(
    "named",
    [
        "class=sidebar",
        "class='box related-posts'",
        "id=relatedPosts",
        "class=share-bar",
        "class=comments",
        "id=comment-list",
        "class='post__author'",
        "class=newsletter-signup",
        "class=breadcrumbs",
        "class=cookie-notice",
        "role=navigation",
        "class=sharedaddy",
    ],
)
def test_page_furniture_is_left_out_by_whole_words_of_its_names(named):
    chrome = f"<div {named}><p>{prose(90, 2)}</p><img src=x.jpg></div>"
    assert content(f"<div class=page>{paragraphs(3)}{chrome}{paragraphs(3, 3)}</div>") == BODY


def test_what_posts_are_signed_with_is_left_out_however_long_it_is():
    signed = f"<div class=message-signature><p>{prose(90, 5)}</p></div>"
    assert content("".join(f"<div><div>{paragraphs(1, at)}</div>{signed}</div>" for at in range(6))) == BODY


def test_a_name_that_all_posts_bear_makes_no_signatures_of_them():
    posts = "".join(
        f"<div><b>Name{at}</b><div class=body-signature-highlight>{paragraphs(1, at)}</div></div>" for at in range(6)
    )
    assert [text for text in content(posts) if text in BODY] == BODY


@pytest.mark.parametrize("named", ["userinfo", "usertitle"])
def test_what_a_forum_says_of_who_wrote_a_post_is_left_out(named):
    said = f"<div class={named}><img src=/a.gif><dl><dt>Joined</dt><dd>Mar 2009</dd><dt>Posts</dt><dd>8</dd></dl></div>"
    assert content("".join(f"<div>{said}{paragraphs(1, at)}</div>" for at in range(6))) == BODY


@pytest.mark.parametrize(("stated", "count"), [("itemprop=mainEntity", 9), ("itemprop=mainContentOfPage", 8)])
def test_the_question_stays_beside_one_long_answer(stated, count):
    question = f"<div class=x1><div>{paragraphs(1, 90, 1)}</div></div>"
    answer = f"<div class=x2><div><div>{paragraphs(8)}</div></div></div>"
    assert len(content(f"<div {stated}>{question}<div>{answer}</div></div>")) == count


TERMS = f"<h2>Terms of service</h2>{paragraphs(40, 50)}"


@pytest.mark.parametrize(
    "dialog",
    [
        f"<div role=dialog>{TERMS}</div>",
        f"<div aria-modal=true>{TERMS}</div>",
        f"<section role=alertdialog><div>{TERMS}</div></section>",
        f"<terms-popup role=dialog>{TERMS}</terms-popup>",
        f"<dialog>{TERMS}</dialog>",
        f"<div popover>{TERMS}</div>",
        f"<app-card popover=manual>{TERMS}</app-card>",
        f"<footer><p>A shop.</p><div role=dialog>{TERMS}</div><div role=dialog>{TERMS}</div></footer>",
    ],
)
def test_a_dialog_is_not_read_though_it_says_more_than_the_page(dialog):
    assert content(f"<div>{paragraphs(6)}</div>{dialog}") == BODY
    assert content(f"{dialog}<div><div>{paragraphs(6)}</div></div>") == BODY


def test_a_page_that_is_all_a_dialog_is_read():
    assert content(f"<p>Menu</p><div role=dialog aria-modal=true>{paragraphs(6)}</div>") == BODY


@pytest.mark.parametrize("field", ["<input type=hidden name=id>", "<button>Report</button><input type=SUBMIT>", ""])
def test_a_form_with_nothing_to_fill_in_is_read(field):
    posts = "".join(f"<div><form action='#'>{field}<div>{paragraphs(1, at)}</div></form></div>" for at in range(6))
    assert content(f"<div>{posts}</div>") == BODY


@pytest.mark.parametrize(
    "field", ["<input name=q>", "<input type=email>", "<textarea></textarea>", "<select></select>"]
)
def test_a_form_to_fill_in_is_not_read(field):
    assert content(f"<div>{paragraphs(6)}<form>{field}{paragraphs(1, 9)}</form></div>") == BODY


@pytest.mark.parametrize("subject", ["<h1>A kettle</h1>", "<div itemprop=description>A kettle</div>"])
def test_a_form_around_what_the_page_is_about_is_read(subject):
    bought = f"<form action=/cart/add>{subject}<input name=quantity>{paragraphs(2, 9)}</form>"
    found = content(f"<div>{bought}</div><div>{paragraphs(6)}</div>")
    assert found == ["A kettle", prose(9), prose(10), *BODY]


@pytest.mark.parametrize(("count", "is_read"), [(4, True), (3, False)])
@pytest.mark.parametrize("field", ["<input name=qty>", "<input type=hidden name=id>"])
def test_forms_that_are_cards_are_read(count, is_read, field):
    card = "<form action=/add>{0}<a href=/k{1}><img src=/k{1}.jpg width=300 height=300></a><div>{2}</div></form>"
    cards = "".join(card.format(field, n, prose(20 + n)) for n in range(count))
    assert (prose(20) in content(f"<div>{paragraphs(6)}{cards}</div>")) is is_read


def test_a_form_without_paragraphs_is_not_read():
    assert content(f"<div>{paragraphs(6)}<form><input type=hidden>{prose(9)}</form></div>") == BODY


HEAD = "<div class='{0}'><div class={0}__body><h1>Easy saver</h1><p class={0}__said>A rate that stays.</p></div></div>"


@pytest.mark.parametrize("named", ["teaser", "widget", "banner", "masthead"])
def test_the_part_of_the_title_is_the_head_of_the_page_whatever_it_is_called(named):
    assert content(f"<div>{HEAD.format(named)}{paragraphs(6)}</div>") == ["Easy saver", "A rate that stays.", *BODY]


def test_a_part_of_such_a_name_is_no_head_without_the_title_or_without_words_beside_it():
    assert content(f"<div>{HEAD.replace('h1', 'h2').format('teaser')}{paragraphs(6)}</div>") == BODY
    assert content(f"<div><div class=search><h1>Saver</h1></div>{paragraphs(6)}</div>") == BODY
    home = HEAD.replace("Easy saver", "<a href=/>Easy saver</a>").format("masthead")  # the name of the site
    assert "A rate that stays." not in content(f"<div>{home}{paragraphs(6)}</div>")


@pytest.mark.parametrize("tag", ["div", "p", "li"])
def test_a_row_of_cards_beside_the_text_does_not_join_it(tag):
    cards = "".join(
        f"<div><{tag}><a href=/{n}>The title of story {n}</a></{tag}><p>{prose(60 + n, 2)}</p><i>2026</i></div>"
        for n in range(3)
    )
    assert content(f"<div><div>{paragraphs(6)}</div><div class=x1>{cards}</div></div>") == BODY


@pytest.mark.parametrize(("rows", "are_kept"), [(4, True), (2, False)])
def test_a_table_beside_the_text_joins_it(rows, are_kept):
    table = "".join(f"<tr><th>Size {at}</th><td>{at} m</td></tr>" for at in range(rows))
    page = f"<div class=p><h3>About</h3>{paragraphs(6)}</div><div class=q><h3>Sizes</h3><table>{table}</table></div>"
    assert ("Size 0 | 0 m" in content(f"<div>{page}</div>")) == are_kept


def test_the_rest_of_the_text_joins_it_though_two_of_its_lines_are_links():
    lines = "".join(f"<p><a href=/{n}>{prose(n + 30, 1)}</a></p>" for n in range(2))
    found = content(f"<div><div>{paragraphs(3)}</div><div class=x1>{lines}{paragraphs(6, 3)}</div></div>")
    assert [text for text in found if text in BODY] == BODY


@pytest.mark.parametrize(
    "named",
    [
        "author-box",
        "authorBio",
        "about-the-author",
        "entry-author-info",
        "post_author_description",
        "bio",
        "saboxplugin-wrap",
    ],
)
def test_a_box_about_the_author_is_left_out_however_much_it_says(named):
    box = f"<div class='{named}'><h3>Jane Doe</h3>{paragraphs(1, 80, 8)}</div>"
    assert content(f"<div>{paragraphs(12)}</div>{box}") == [prose(number) for number in range(12)]
    assert content(f"<div>{paragraphs(6)}{box}{paragraphs(6, 6)}</div>") == [prose(number) for number in range(12)]


@pytest.mark.parametrize(
    "named", ["author-page", "authors", "by-author", "post author-jane", "bionics box", "bio bio-lab"]
)
def test_a_part_is_no_box_about_its_author_because_it_names_one(named):
    part = f"<div class='{named}'>{paragraphs(2, 80)}</div>"
    assert len(content(f"<div>{paragraphs(6)}{part}{paragraphs(6, 6)}</div>")) == 14


def test_the_page_of_an_author_keeps_what_it_says_of_them():
    assert content(f"<div><div class='author-bio'>{paragraphs(3)}</div>{paragraphs(3, 3, 2)}</div>")[:3] == BODY[:3]


@pytest.mark.parametrize(
    "name",
    ["silhouette", "headline", "shareholders", "administration", "socialism", "download", "navy-history", "stage"],
)
def test_a_word_that_contains_the_name_of_furniture_is_content(name):
    inner = f"<div class={name}><p>{BODY[3]}</p></div>"
    assert content(f"<div>{paragraphs(3)}{inner}{paragraphs(2, 4)}</div>") == BODY


def test_a_wrapper_named_after_the_sidebar_it_holds_is_kept():
    inner = f"<div class=entry>{paragraphs(6)}</div><div class=sidebar>{paragraphs(1, 80)}</div>"
    assert content(f"<div class=has-sidebar>{inner}</div>") == BODY


def test_a_body_whose_classes_name_everything_is_kept():
    inner = f"{ARTICLE}<div class=widgets>{paragraphs(1, 80)}</div>"
    assert content(f"<div class='page single-post with-widgets social sidebar-right'>{inner}</div>") == BODY


def test_an_article_with_the_tags_and_categories_of_wordpress_in_its_class_is_content_beside_much_else():
    article = f"<article class='post-7 post type-post tag-travel category-social hentry'>{paragraphs(6)}</article>"
    other = f"<div class=reactions>{paragraphs(12, 40)}</div>"
    assert content(article + other)[:6] == BODY


def test_furniture_counts_as_content_only_over_its_share():
    body = f"<div>{paragraphs(6)}</div><div class=newsletter>{paragraphs(3, 60)}</div>"
    assert content(body) == BODY
    assert len(content(body, chrome_share=0.2)) == 9


def test_furniture_beside_what_markup_calls_the_article_may_be_longer_than_it():
    sidebar = f"<div class=sidebar>{paragraphs(9, 60)}</div>"
    assert content(f"<article>{paragraphs(6)}</article>{sidebar}") == BODY
    assert content(f"<div class=entry>{paragraphs(6)}</div>{sidebar}") == BODY
    assert len(content(f"<div>{paragraphs(6)}</div>{sidebar}")) == 15
    assert len(content(f"<article>{paragraphs(1)}</article>{sidebar}")) >= 9
    inside = f"<div class=sidebar><article>{paragraphs(9, 60)}</article></div>"
    assert len(content(f"<article>{paragraphs(6)}</article>{inside}")) == 15


def test_a_call_to_act_of_a_line_is_none_of_the_text():
    call = f"<div class=cta><p>{prose(90, 1)}</p></div>"
    assert content(f"<div>{paragraphs(3)}{call}{paragraphs(3, 3)}</div>") == BODY
    assert len(content(f"<div>{paragraphs(3)}{call.replace('cta', 'x1')}{paragraphs(3, 3)}</div>")) == 7


def test_other_stories_are_furniture_though_they_say_more_than_the_page():
    body = f"<div>{paragraphs(6)}</div><div class=related-posts>{paragraphs(9, 60)}</div>"
    assert content(body) == BODY
    assert len(content(body, comment_share=0.5)) == 15
    assert len(content(body.replace("related-posts", "newsletter"))) == 15


@pytest.mark.parametrize(
    ("host", "is_article", "are_kept"), [("", True, 0), ("//other.example", True, 3), ("", False, 3)]
)
def test_other_stories_beside_an_article_may_begin_with_a_paragraph(host, is_article, are_kept):
    card = "<div><h3><a href={1}/story/{0}>A story of the year {0}</a></h3><p>{2}</p><p>{3}</p></div>"
    cards = "".join(card.format(n, host, prose(60 + n, 2), prose(70 + n, 1)) for n in range(3))
    walked = walk(f"<main><div>{paragraphs(14)}</div><section>{cards}</section></main>")
    verdicts, _ = by_rules(walked, ContentSettings(), is_article)
    found = [leaf.text for leaf, verdict in zip(walked.leaves, verdicts, strict=True) if verdict is None]
    assert sum(prose(60 + n, 2) in found for n in range(3)) == are_kept


STORY = "<div><p>News</p><p><a href=/story/{0}>A story of the year {0}</a></p><p>{1}</p></div>"
BUTTON = "<div><p>News</p><p><a href=/story/{0}>Read the full story</a></p><p>{1}</p></div>"
LATE = "<div><p>News</p><p>In 20{0}</p><p><a href=/story/{0}>A story of the year {0}</a></p><p>{1}</p></div>"


@pytest.mark.parametrize(
    ("card", "is_article", "are_kept"), [(STORY, True, 0), (STORY, False, 4), (BUTTON, True, 4), (LATE, True, 4)]
)
def test_beside_an_article_lines_that_are_links_are_titles_of_other_stories(card, is_article, are_kept):
    cards = "".join(card.format(n, prose(60 + n, 1)) for n in range(4))
    walked = walk(f"<main><div>{paragraphs(14)}</div><section>{cards}</section></main>")
    verdicts, _ = by_rules(walked, ContentSettings(), is_article)
    found = [leaf.text for leaf, verdict in zip(walked.leaves, verdicts, strict=True) if verdict is None]
    assert sum(prose(60 + n, 1) in found for n in range(4)) == are_kept


@pytest.mark.parametrize(("host", "are_kept"), [("", 0), ("//other.example", 4)])
def test_lines_that_lead_to_other_sites_are_no_other_stories(host, are_kept):
    cards = "".join(STORY.replace("/story", f"{host}/story").format(n, prose(60 + n, 3)) for n in range(4))
    walked = walk(f"<main><div>{paragraphs(14)}</div><section>{cards}</section></main>")
    verdicts, _ = by_rules(walked, ContentSettings(), True)
    found = [leaf.text for leaf, verdict in zip(walked.leaves, verdicts, strict=True) if verdict is None]
    assert sum(prose(60 + n, 3) in found for n in range(4)) == are_kept


def test_references_beside_an_article_are_no_other_stories():
    items = "".join(f"<li><a href=//far.example/{n}>A paper of the year {n}</a></li>" for n in range(5))
    walked = walk(f"<main>{paragraphs(9)}<ol>{items}</ol></main>")
    assert not titles_of_cards(walked, siblings(walked.containers))


def test_a_part_that_says_much_before_the_headings_of_others_is_none_of_teasers():
    links = "".join(f"<div><h3><a href=/story/{n}>A story of the year {n}</a></h3></div>" for n in range(12))
    walked = walk(f"<div>{paragraphs(14)}</div><div>{paragraphs(6, 60)}<section>{links}</section></div>")
    verdicts, _ = by_rules(walked, ContentSettings(), True)
    rules = {leaf.text: verdict.rule if verdict else "" for leaf, verdict in zip(walked.leaves, verdicts, strict=True)}
    assert rules["A story of the year 3"] == "teasers"
    assert "teasers" not in {rules[prose(60 + n)] for n in range(6)}


def test_hidden_blocks_are_left_out_with_all_they_hold():
    hidden = f"<div hidden><p>{prose(90, 2)}</p><img src=x.jpg></div>"
    assert content(f"<article>{paragraphs(3)}{hidden}{paragraphs(3, 3)}</article>") == BODY


def test_the_header_of_an_article_is_content_and_the_banner_of_the_page_is_not():
    banner = f"<header><p>{prose(95, 1)}</p><img src=banner.jpg></header>"
    article = f"<article><header><h1>The title</h1><img src=hero.jpg></header>{paragraphs(6)}</article>"
    assert content(banner + article) == ["The title", "hero.jpg", *BODY]


@pytest.mark.parametrize("tag", ["article", "main"])
def test_the_title_and_picture_above_the_text_column_are_content(tag):
    body = f"<{tag}><header><h1>The title</h1><img src=hero.jpg></header><div class=entry>{paragraphs(6)}</div></{tag}>"
    assert content(f"<div class=top>{prose(95, 1)}</div>{body}") == ["The title", "hero.jpg", *BODY]


def test_a_column_beside_the_text_is_not_content_even_without_a_name():
    assert content(f"<div><div>{paragraphs(6)}</div><div>{paragraphs(1, 80)}</div></div>") == BODY


def test_text_in_two_halves_is_kept_whole():
    assert content(f"<main><section>{paragraphs(3)}</section><section>{paragraphs(3, 3)}</section></main>") == BODY


def test_one_long_paragraph_does_not_hide_its_neighbours():
    long = prose(0, 40)
    assert content(f"<div><p>{BODY[1]}</p><img src=a.jpg><p>{long}</p><p>{BODY[2]}</p></div>") == [
        BODY[1],
        "a.jpg",
        long,
        BODY[2],
    ]


@pytest.mark.parametrize("tag", ["ul", "blockquote", "table", "figure"])
def test_the_region_is_never_as_narrow_as_a_list_or_quote(tag):
    inner = {"ul": "<li>", "table": "<tr><td>"}.get(tag, "") + prose(0, 40)
    found = content(f"<div><h2>Head</h2><{tag}>{inner}</{tag}><img src=a.jpg></div>")
    assert (found[0], found[-1]) == ("Head", "a.jpg")


def test_a_list_of_links_is_left_out_and_a_list_with_a_link_is_kept():
    listed = [f"{prose(number, 1)} And more." for number in range(70, 73)]
    items = "".join(f"<li>{text.replace('day', '<a href=x>day</a>')}</li>" for text in listed)
    assert content(f"<article>{paragraphs(6)}<ul>{LINKS}</ul><ul>{items}</ul></article>") == BODY + listed


def test_a_column_of_links_does_not_outweigh_a_shorter_article():
    links = "".join(f"<p><a href=/{number}>{prose(number, 2)}</a></p>" for number in range(50, 70))
    assert content(f"<div class=left>{links}</div><div class=right>{paragraphs(6)}</div>") == BODY


def test_one_linked_item_stays_in_a_list_of_prose():
    items = "".join(f"<li>{prose(number, 2)}</li>" for number in range(70, 74))
    linked = f"<li><a href=x>{prose(74, 1)}</a></li>"
    assert prose(74, 1) in content(f"<article>{paragraphs(6)}<ul>{items}{linked}</ul></article>")


def test_a_linked_heading_is_kept():
    assert (
        content(f"<article><h2><a href=x>A linked heading</a></h2>{paragraphs(6)}</article>")[0] == "A linked heading"
    )


def test_a_block_of_links_may_be_allowed():
    body = f"<article>{paragraphs(6)}<ul>{LINKS}</ul></article>"
    assert len(content(body)) == 6
    assert len(content(body, max_link_share=1.0)) == 12


def test_a_page_without_text_keeps_its_images():
    assert content("<div><img src=a.jpg></div><img src=b.jpg>") == ["a.jpg", "b.jpg"]


def test_a_page_of_nothing_has_no_content():
    assert content("") == []


@pytest.mark.parametrize("place", ["<a name=top>", "<a id=top />"])
def test_a_place_in_the_page_that_is_left_open_makes_no_link_of_the_text_behind_it(place):
    assert content(f"<div>{place}{paragraphs(6)}</div><p><a href=/next>Next</a></p>") == BODY


def test_what_a_search_in_the_page_opens_is_not_hidden():
    closed = f"<div hidden=until-found>{paragraphs(2, 2)}</div>"
    assert content(f"<article>{paragraphs(2)}{closed}{paragraphs(2, 4)}</article>") == BODY


@pytest.mark.parametrize("opening", ["div hidden", "div style='visibility: hidden'", "app-root aria-hidden=true"])
def test_what_holds_most_of_the_page_is_never_hidden(opening):
    named = f"<{opening}><article>{paragraphs(6)}</article></{opening.split()[0]}>"
    assert content(f"{named}<p>Loading.</p>") == BODY


def test_a_dialog_is_hidden_however_long_it_is():
    assert content(f"<article>{paragraphs(6)}</article><div class=modal hidden>{paragraphs(20, 9)}</div>") == BODY


@pytest.mark.parametrize(
    "opener",
    [
        "<h3><button aria-expanded=false aria-controls=p1>What is it?</button></h3>",
        "<h3><a href='#p1'>What is it?</a></h3>",
        "<h3 data-bs-toggle=collapse data-bs-target='#p1'>What is it?</h3>",
        "<dl><dt><button aria-controls=p1>What is it?</button></dt></dl>",
        "<button aria-expanded=false aria-controls=p1>What is it?</button>",
        "<div><button aria-expanded=false aria-controls=p1><span>What is it?</span><svg></svg></button></div>",
    ],
)
def test_what_a_reader_opens_is_read_whatever_it_is_called(opener):
    panel = "<div class=x7 id=p1 hidden><p>It is what stands behind the question.</p></div>"
    found = content(f"<article>{paragraphs(3)}{opener}{panel}{paragraphs(3, 3)}</article>")
    assert [text for text in found if text not in BODY] == ["What is it?", "It is what stands behind the question."]


def test_an_answer_without_a_name_stands_behind_the_button_of_its_question():
    asked = "<dl><dt><button>What is it?</button></dt><dd hidden>It is what stands behind the question.</dd></dl>"
    found = content(f"<article>{paragraphs(3)}{asked}{paragraphs(3, 3)}</article>")
    assert [text for text in found if text not in BODY] == ["What is it?", "It is what stands behind the question."]


@pytest.mark.parametrize(("around", "is_read"), [("faq-item", True), ("accordion", True), ("more", False)])
def test_an_answer_stands_behind_its_button_in_a_part_that_is_named_as_one_of_answers(around, is_read):
    asked = f"<div class={around}><button>To the lake</button><div hidden>{prose(50)}</div></div>"
    found = content(f"<main>{paragraphs(3)}{asked}{paragraphs(3, 3)}</main>")
    assert (prose(50) in found) is is_read


def test_a_button_that_asks_what_the_text_behind_it_answers_is_a_heading():
    """Styles hide the answer by a class, and scripts find it by its place: nothing names it."""
    asked = "<div><button class=flex><span>{0}</span><svg></svg></button><div class=hidden><p>{1}</p></div></div>"
    faq = asked.format("Is it free?", prose(9)) + asked.format("Subscribe", prose(10))
    found = content(f"<main>{paragraphs(3)}{faq}<button>Lost?</button><ul>{LINKS}</ul>{paragraphs(3, 3)}</main>")
    assert found == [*map(prose, range(3)), "Is it free?", prose(9), prose(10), *map(prose, range(3, 6))]


def test_the_footer_of_a_quotation_says_who_said_it():
    quoted = f"<blockquote><p>{prose(9)}</p><footer>Lena Ortiz, class of 2022</footer></blockquote>"
    found = content(f"<main>{paragraphs(3)}{quoted}{paragraphs(3, 3)}</main><footer>Anywhere 1</footer>")
    assert [text for text in found if text not in BODY] == [prose(9), "Lena Ortiz, class of 2022"]


def test_a_menu_that_a_reader_opens_is_none():
    menu = (
        "<button aria-controls=m>More</button><div id=m hidden><a href=/a>All of it</a> <a href=/b>The rest</a></div>"
    )
    assert content(f"<article>{paragraphs(3)}{menu}{paragraphs(3, 3)}</article>") == BODY


def test_an_answer_that_a_builder_of_sites_writes_into_a_menu_is_read():
    answer = f"<div>Why?</div><nav class=w-dropdown-list><p>{prose(1)}</p><p>{prose(2)} <a href=/m>More.</a></p></nav>"
    found = content(f"<div>{paragraphs(8, 3)}{answer}{paragraphs(2, 20)}</div>")
    assert [prose(1), f"{prose(2)} More."] == found[9:11]


@pytest.mark.parametrize(
    "entry",
    [
        "<a href=/{0}>{1}</a>",
        "<li><button>Products</button> <a href=/{0}>{1}</a>",
        "<li><span>All that is left {0}</span>",
    ],
)
def test_a_menu_is_none_of_the_text_however_long_its_entries_are(entry):
    entries = "".join(entry.format(number, prose(number)) for number in range(3))
    found = content(f"<div>{paragraphs(8, 3)}<nav>{entries}</nav>{paragraphs(2, 20)}</div>")
    assert found == [prose(number) for number in (*range(3, 11), 20, 21)]


@pytest.mark.parametrize("name", ["widget-span", "promo-block", "teaser"])
def test_a_name_that_most_of_a_page_bears_tells_nothing(name):
    parts = "".join(f"<div class={name}><h2>About {n}</h2><p>{prose(n, 2)}</p></div>" for n in range(4))
    found = content(f"<header><p>The site</p></header><main>{parts}</main>")
    assert found == [text for n in range(4) for text in (f"About {n}", prose(n, 2))]


def test_a_menu_of_dishes_is_read_and_the_menu_of_the_site_is_not():
    dish = "<div class=menu-item><h4 class=menu-item-title>Soup {0}</h4><p class=menu-item-text>{1}</p></div>"
    dishes = "".join(dish.format(n, prose(n)) for n in range(60))
    way = "".join(f"<li class=menu-item><a href=/{n}>{prose(n)}</a></li>" for n in range(80, 90))
    found = content(f"<div><ul class=menu>{way}</ul></div><div><p>{prose(99)}</p>{dishes}</div>")
    assert found == [prose(99), *(text for n in range(60) for text in (f"Soup {n}", prose(n)))]


def test_a_menu_with_words_beside_its_links_is_none_of_the_text():
    entries = "".join(
        f"<div class=menu-item><a href=/{n}>{prose(n)}</a> <i>{prose(n)}</i></div>" for n in range(50, 60)
    )
    assert content(f"<div>{entries}</div><main>{paragraphs(8)}</main>") == [prose(n) for n in range(8)]


def test_a_long_and_a_short_menu_of_dishes_are_both_read():
    card = "<section class=menu-card><h2>Card {0}</h2>{1}</section>"
    found = content(f"<main>{paragraphs(2)}{card.format(1, paragraphs(6, 2))}{card.format(2, paragraphs(3, 8))}</main>")
    assert found == [*map(prose, (0, 1)), "Card 1", *map(prose, range(2, 8)), "Card 2", *map(prose, range(8, 11))]


def test_a_name_around_the_whole_page_leaves_that_of_a_part_its_meaning():
    more = f"<div class=menu><p>{prose(20, 2)}</p></div>"
    found = content(f"<div class=menu-area><main>{paragraphs(4)}{more}{paragraphs(4, 4)}</main></div>")
    assert found == [prose(n) for n in range(8)]


def test_a_name_of_few_small_parts_still_tells():
    widget = f"<div class=widget><p>{prose(20, 2)}</p></div>"
    assert content(f"<main>{paragraphs(4)}{widget}{paragraphs(4, 4)}</main>") == [prose(n) for n in range(8)]


def test_a_row_of_videos_beside_an_article_is_none_of_it():
    video = "<div><img src=/{0}.jpg><div>What was seen on day {0}</div><div>0{0}:5{0}</div><b>Now playing</b></div>"
    videos = "".join(video.format(n) for n in range(5))
    assert content(f"<article>{paragraphs(2)}<div>{videos}</div>{paragraphs(4, 2)}</article>") == BODY


def test_times_without_pictures_are_no_videos():
    hours = "".join(f"<li><b>1{n}:30</b><div>The talk of day {n}, in hall {n}</div></li>" for n in range(5))
    found = content(f"<article>{paragraphs(2)}<ol>{hours}</ol>{paragraphs(4, 2)}</article>")
    assert [text for text in found if text.endswith(":30")] == [f"1{n}:30" for n in range(5)]


def test_the_section_around_the_heaviest_is_read_whole():
    kind = f"<section><h3>Class: Socket</h3>{paragraphs(8, 20)}</section>"
    body = f"<div><section><h2>Sockets</h2><p>Stable</p><pre>open()</pre>{kind}</section></div>"
    assert content(f"<div>{body}</div>")[:4] == ["Sockets", "Stable", "open()", "Class: Socket"]


@pytest.mark.parametrize(
    ("title", "is_box"),
    [
        ('<div class="titlepage"><div><div><p class="title">Vocabulary</p></div></div></div>', True),
        ('<p class="sidebar-title">Vocabulary</p>', True),
        ('<div class="widget"><h3 class="widget-title">Vocabulary</h3></div>', False),
    ],
)
def test_a_box_of_a_manual_is_called_sidebar_and_has_a_title(title, is_box):
    found = content(f"<main>{paragraphs(6)}<div class=sidebar>{title}<p>{prose(9)}</p></div></main>")
    assert (prose(9) in found) is is_box


@pytest.mark.parametrize(
    ("before", "is_kept"),
    [
        ("<p>Over the week the towns along the river have told us what they mean to do:</p>", True),
        ("<p>本周沿河各镇纷纷公布了今年防汛的详细计划，市民可以在线查阅：</p>", True),
        ("<p>Over the week the towns along the river have told us what they mean to do.</p>", False),
        ("<p>More on the river:</p>", False),
        ("<p><a href=/towns>Over the week the towns along the river have told us what they mean to do:</a></p>", False),
        ("<div><p>Over the week the towns along the river have told us what they mean to do:</p></div>", False),
    ],
)
def test_links_that_a_sentence_announces_with_a_colon_stay(before, is_kept):
    towns = "".join(f"<li><a href=/towns/{n}>Town {n} by the river</a></li>" for n in range(5))
    walked = walk(f"<article>{paragraphs(3)}{before}<ul>{towns}</ul>{paragraphs(3, 3)}</article>")
    kept = [verdict is None for leaf, verdict in zip(walked.leaves, judge(walked, ContentSettings()), strict=True)]
    listed = [leaf.text.startswith("Town") for leaf in walked.leaves]
    assert [stays for stays, is_town in zip(kept, listed, strict=True) if is_town] == [is_kept] * 5
