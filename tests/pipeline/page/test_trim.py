import pytest

from pipeline.page.content import by_rules, judge
from pipeline.page.content_settings import ContentSettings
from pipeline.page.leaves import Media, Text
from pipeline.page.trim import trim
from pipeline.page.verdicts import Weighed
from tests.pipeline.makers import URL, paragraphs, prose, walk

BODY = [prose(number) for number in range(4)]
FACTS = (("Care", prose(9)), ("Use", "Three drops every evening"), ("Shelf life", "Nine months"))


def kept(body, title="", author=""):
    """The texts and the file names of the media that are kept, and the rules that left others out."""
    walked = walk(body)
    verdicts = judge(walked, ContentSettings(), title, author)
    names = [leaf.text if isinstance(leaf, Text) else leaf.candidates[0].rsplit("/", 1)[1] for leaf in walked.leaves]
    pairs = list(zip(names, verdicts, strict=True))
    return [name for name, verdict in pairs if verdict is None], {name: v.rule for name, v in pairs if v is not None}


@pytest.mark.parametrize("title", ["The old bridge", "The Old Bridge - Valley News", "Valley News | The old bridge"])
def test_the_heading_that_says_the_title_is_left_to_the_title(title):
    left, rules = kept(f"<article><h1>The old bridge</h1><h2>A story</h2>{paragraphs(4)}</article>", title)
    assert left == ["A story", *BODY]
    assert rules == {"The old bridge": "title"}


def test_a_heading_like_the_title_further_down_is_content():
    body = f"<article>{paragraphs(2)}<h2>The old bridge</h2>{paragraphs(2, 2)}</article>"
    assert kept(body, "The old bridge")[0] == [*BODY[:2], "The old bridge", *BODY[2:]]


def test_a_title_in_a_script_without_spaces_is_recognised():
    assert kept(f"<article><h1>古い橋</h1>{paragraphs(4)}</article>", "古い橋 - 谷の新聞")[1] == {"古い橋": "title"}


@pytest.mark.parametrize(
    "line",
    [
        "April 28, 2019 at 6:01 am",
        "Par Martin — 24 novembre 2017 à 18:42",
        "2016年10月14日07:17",
        "28 апреля 2019 г.",
        "By Jane Doe",
        "Le 3 octobre 2014 à 15h02",
        "14 de marzo de 2020",
        "2024. július 3.",
        "Mar 3, 20263 mins",
        "February 2017 · 5 min read",
        "发布时间： 2019-09-26 10:09:11 来源：山谷报",
    ],
)
def test_date_and_author_above_the_text_are_left_to_the_metadata(line):
    left, rules = kept(f"<article><p>{line}</p>{paragraphs(4)}</article>", author="Jane Doe")
    assert left == BODY
    assert rules == {line: "byline"}


@pytest.mark.parametrize(
    "line",
    [
        "All 25 were the champions of the year 2023!",
        "The act of the town was signed into law on August 14, 1935, by all of the council of the valley",
        "2018年进口继续扩大，突破3000亿美元",
        "今日（2018年12月28日）有网友称，有60万个账号和410万条联系人数据在网上低价出售。",
        "Why people love to talk with Jane Doe about bridges.",
    ],
)
def test_a_sentence_with_a_date_or_the_author_is_no_byline(line):
    assert kept(f"<article><p>{line}</p>{paragraphs(4)}</article>", author="Jane Doe")[0] == [line, *BODY]


def test_a_year_alone_or_a_date_inside_the_text_is_no_byline():
    body = f"<article><p>A look at 2019</p>{paragraphs(2)}<p>Opened 3 May 1987</p>{paragraphs(2, 2)}</article>"
    assert kept(body)[0] == ["A look at 2019", *BODY[:2], "Opened 3 May 1987", *BODY[2:]]


def test_the_portrait_of_the_author_is_no_picture_of_the_article():
    portrait = "<img src=jane.jpg alt='Jane Doe' width=70 height=70>"
    figure = "<figure><img src=jane2.jpg alt='Jane Doe'><figcaption>The author.</figcaption></figure>"
    left, rules = kept(f"<article>{portrait}{paragraphs(2)}{figure}{paragraphs(2, 2)}</article>", author="Jane Doe")
    assert left == [*BODY[:2], "jane2.jpg", "The author.", *BODY[2:]]
    assert rules == {"jane.jpg": "author"}


def test_scraps_behind_the_text_are_left_out_and_its_last_short_lines_are_not():
    text = f"<div class=entry>{paragraphs(4)}<p>Jane, Paris</p></div>"
    left, rules = kept(f"<article>{text}<div>View discussion</div><h4>Get our letters</h4></article>")
    assert left == [*BODY, "Jane, Paris"]
    assert rules == {"View discussion": "tail", "Get our letters": "tail"}


def test_a_heading_behind_the_text_stays_with_its_short_sentence():
    section = "<div><h2>How to get there</h2><p>Take bus 12 to the church and walk down.</p></div><h4>Letters</h4>"
    left, rules = kept(f"<article><div class=entry>{paragraphs(4)}</div>{section}</article>")
    assert left == [*BODY, "How to get there", "Take bus 12 to the church and walk down."]
    assert rules == {"Letters": "tail"}


def test_a_picture_behind_the_text_is_left_out_if_it_stands_outside_or_leads_away():
    text = f"<div class=entry>{paragraphs(4)}<img src=in.jpg><a href=/next><img src=next.jpg></a></div>"
    left, rules = kept(f"<article>{text}<div><img src=badge-like.jpg></div></article>")
    assert left == [*BODY, "in.jpg"]
    assert set(rules.values()) == {"tail"}


@pytest.mark.parametrize(("pictured", "is_kept"), [((0, 1, 2, 3), True), ((0, 2, 3), True), ((3,), False)])
def test_the_photo_of_the_last_step_stays_as_those_of_the_others_do(pictured, is_kept):
    photos = [f"<div><a href=/step/{at}><img src=s{at}.jpg></a></div>" * (at in pictured) for at in range(4)]
    steps = "".join(f"<li><div><p>{prose(at)}</p>{photos[at]}</div></li>" for at in range(4))
    left, _ = kept(f"<article><ol>{steps}</ol></article><div><a href=/next><img src=next.jpg></a></div>")
    assert ("s3.jpg" in left, "next.jpg" in left) == (is_kept, False)


@pytest.mark.parametrize(("caption", "is_kept"), [("<div>The works plate</div>", True), ("", False)])
def test_pictures_behind_the_prose_stay_with_their_captions_in_a_gallery(caption, is_kept):
    picture = "<li><a href=/wiki/File:{0}.jpg><img src={0}.jpg></a>{1}</li>"
    gallery = f"<ul>{picture.format('plate', caption)}{picture.format('cab', '<div>The cab</div>')}</ul>"
    left, _ = kept(f"<article><div>{paragraphs(4)}</div>{gallery}</article>")
    assert [name for name in left if name.endswith(".jpg")] == ["plate.jpg"] * is_kept + ["cab.jpg"]


def test_a_heading_whose_section_was_left_out_goes_too():
    links = "".join(f"<li><a href=/{number}>Another story of the valley</a></li>" for number in range(4))
    body = f"<article>{paragraphs(2)}<h2>From the valley</h2><ul>{links}</ul><h2>More</h2>{paragraphs(2, 2)}</article>"
    left, rules = kept(body)
    assert left == [*BODY[:2], "More", *BODY[2:]]
    assert rules["From the valley"] == "empty_section"


def test_a_heading_that_is_a_sentence_needs_nothing_below_it():
    said = prose(9, 2)
    assert kept(f"<article>{paragraphs(4)}<h2>{said}</h2><h2>And then</h2></article>")[0] == [*BODY, said]


def test_a_short_text_behind_the_last_prose_is_no_scrap_where_letters_say_more():
    line = "这次活动的主题是走丝绸之路，促合作共赢，南美站将先后在巴西、乌拉圭、阿根廷举行（张巨峰）"
    assert kept(f"<article><div>{paragraphs(4)}</div><p>{line}</p></article>")[0] == [*BODY, line]


def test_a_heading_with_subsections_only_is_kept():
    body = f"<article>{paragraphs(2)}<h2>Part</h2><h3>Section</h3>{paragraphs(2, 2)}</article>"
    assert kept(body)[0] == [*BODY[:2], "Part", "Section", *BODY[2:]]


@pytest.mark.parametrize(
    "buttons",
    [
        "<a href='#book'>Book now</a>",
        "<a href='#popup'>Оставить заявку</a>",
        "<a href='#start'>Get started</a><a href='#demo'>Book a demo</a> <a href='#more'>Learn more →</a>",
    ],
)
def test_buttons_that_call_to_act_are_labels(buttons):
    body = f"<article>{paragraphs(2)}<div>{buttons}</div>{paragraphs(2, 2)}</article>"
    assert kept(body)[0] == BODY


def test_words_that_are_no_link_and_headings_call_nobody_to_act():
    head, words = "<h2><a href='#a'>Get started</a></h2>", "<p>Book a demo</p>"
    body = f"<article>{paragraphs(2)}{head}{paragraphs(1, 2)}{words}{paragraphs(1, 3)}</article>"
    assert kept(body)[0] == [*BODY[:2], "Get started", BODY[2], "Book a demo", BODY[3]]


@pytest.mark.parametrize(
    ("line", "is_kept"),
    [
        ("Tags: <a href=/t/a>bridges</a>, <a href=/t/b>towns of old</a>", False),
        ("Schlagworte：<a href=/t/a>Brücken</a>", False),
        ("Filed under <a href=/t/a>bridges</a>", False),
        ("<a href=/feed>Kommentarfeed</a> | Kommentare geschlossen | <a href=/tb>Trackback-URL</a>", False),
        ("<a href=/>Home</a> › <a href=/t>Towns</a> › Bridges of old", False),
        ("<a href=/>Home</a> › Bridges of old", True),
        ("<a href=/>Home</a> > <a href=/t>Towns</a> > Bridges of old", False),
        ("If a > b > c, then a is more", True),
        ("take :: <a href=/i>Int</a> -> [a] -> [<a href=/l>List</a>]", True),
        ("Its type is &lt;<a href=/o>Object</a>> or &lt;<a href=/s>string</a>>", True),
        ("Tags: bridges and towns", True),
        ("Bridges: <a href=/t/a>old ones</a>", True),
    ],
)
def test_a_line_that_says_what_a_story_is_filed_under_is_a_label(line, is_kept):
    body = f"<article>{paragraphs(2)}<p>{line}</p>{paragraphs(2, 2)}</article>"
    assert (len(kept(body)[0]) == 5) is is_kept


@pytest.mark.parametrize(
    ("box", "are_kept"),
    [
        (
            f"<div><p>Bridges of old</p><p><a href={URL}>{URL}</a></p></div><div><p>Author</p><p>Ann Lee</p></div>",
            False,
        ),
        (f"<p>Permalink: {URL.removeprefix('https://')}/</p>", False),
        (f"<p>This story stands at {URL} and at no other place of this world or the next one.</p>", True),
        (f"<p>The other half of it is at {URL}/2</p>", True),
    ],
)
def test_where_the_page_is_to_be_found_is_no_part_of_it(box, are_kept):
    left, _ = kept(f"<article>{paragraphs(2)}<div>{box}</div>{paragraphs(2, 2)}</article>")
    assert (left == BODY) is not are_kept


@pytest.mark.parametrize(
    ("said", "is_kept"),
    [("A quiet place for walkers on the northern coast.", True), ("Shall we call you tomorrow morning?", False)],
)
def test_a_statement_below_a_title_needs_no_section(said, is_kept):
    button = "<p><a href=/on>Book now</a></p>"
    body = f"<main><h1>Lindenhof</h1><h2>{said}</h2>{button}<h2>Rooms</h2>{paragraphs(4)}</main>"
    assert (said in trimmed(body, likely=[said])) is is_kept
    assert said not in trimmed(body)


@pytest.mark.parametrize(
    ("said", "is_kept"),
    [
        ("This post may contain affiliate links. Read more about what that means here.", False),
        ("Disclosure: As an Amazon Associate I earn from qualifying purchases.", False),
        ("*Wenn du über diesen Link kaufst, erhalten wir eine Provision.", False),
        ("Cet article contient des liens affiliés vers des boutiques.", False),
        ("No affiliate links, no paid promotion: I bought every lamp that is named here.", True),
        ("The agents of the port receive a commission from each ship that they send on.", True),
        ("Breakfast is served in the garden at no extra cost to you.", True),
        (f"We receive a commission. {prose(9, 6)}", True),
    ],
)
def test_how_a_site_earns_by_its_links_is_no_part_of_its_stories(said, is_kept):
    left, _ = kept(f"<article>{paragraphs(2)}<p>{said}</p>{paragraphs(2, 2)}</article>")
    assert (said.replace("<br>", "\n") in left) is is_kept


@pytest.mark.parametrize(
    ("said", "is_kept"),
    [
        ("{{ errors[11794641].message }}", False),
        ("{{x}} is a name", True),
        ("1<br>2<br>3<br>4<br>5", False),
        ("1<br>2<br>3<br>5<br>8", True),
        ('{"categories":["docs"],"for":["a","b"]}', False),
        ("&lt;iframe src='https://site.example/embed/1' width=90>&lt;/iframe>", False),
        ('&lt;iframe src="https://site.example/embed/1" width=90 title="A player">', False),
        ('{"x"} is a set', True),
    ],
)
def test_what_no_script_has_filled_in_is_no_text(said, is_kept):
    left, _ = kept(f"<article>{paragraphs(2)}<p>{said}</p>{paragraphs(2, 2)}</article>")
    assert (said.replace("<br>", "\n") in left) is is_kept


def test_a_heading_of_rows_goes_with_the_goods_below_it():
    heads = ["Description", "Facts", "Others"]
    goods = "".join(f"<li><h3><a href=/goods/{n}>Good number {n}</a></h3></li>" for n in range(4))
    sections = "".join(f"<div><h2>{head}</h2></div>{prose(n)}" for n, head in enumerate(heads[:2]))
    body = f"<main>{paragraphs(6)}{sections}<div><h2>{heads[2]}</h2></div><ul>{goods}</ul></main>"
    left = trimmed(body, likely=heads, place=heads)
    assert [head in left for head in heads] == [True, True, False]


def test_a_long_line_of_dates_is_a_byline():
    line = "2024-06-15 10:15 2024-06-15 10:15 Created 2024-06-25 11:00 2024-06-25 11:00 Updated"
    assert len(line) > 80
    assert kept(f"<main><p>{line}</p>{paragraphs(4)}</main>") == (BODY, {line: "byline"})


def test_items_of_a_list_keep_what_they_are_filed_under():
    items = "".join(f"<div><p>{prose(n)}</p><p>Topics: <a href=/t/{n}>bridges {n}</a></p></div>" for n in range(4))
    assert sum(text.startswith("Topics") for text in kept(f"<main>{items}</main>")[0]) == 4


def trimmed(body, likely=(), place=()):
    """The texts that are kept where the evidence takes some for likely, or finds some at one place of rows."""
    walked = walk(body)
    verdicts, _ = by_rules(walked, ContentSettings())
    texts = [leaf.text for leaf in walked.leaves]
    trim(walked, verdicts, "", "", Weighed(False, set(map(texts.index, likely)), [list(map(texts.index, place))]))
    return [text for text, verdict in zip(texts, verdicts, strict=True) if verdict is None]


def test_the_address_behind_the_text_stays_where_the_evidence_takes_it_for_content():
    end = "<section><h3>Where</h3><p>Lindenhof 4, Berlin</p></section>"
    body = f"<main><div>{paragraphs(4)}</div>{end}</main>"
    assert trimmed(body, likely=["Where", "Lindenhof 4, Berlin"]) == [*BODY, "Where", "Lindenhof 4, Berlin"]
    assert trimmed(body) == BODY


def test_the_dates_of_the_first_items_of_a_list_are_no_bylines():
    dates = [f"March {number + 11}, 2025" for number in range(4)]
    posts = "".join(f"<div><p>{date}</p><p>{text}</p></div>" for date, text in zip(dates, BODY, strict=True))
    assert trimmed(f"<main>{posts}</main>", place=dates) == [
        text for pair in zip(dates, BODY, strict=True) for text in pair
    ]
    assert dates[0] not in trimmed(f"<main>{posts}</main>")


def test_a_date_in_a_row_of_what_else_is_said_of_a_story_is_a_byline():
    said = ["June 15, 2024", "540 words", "Towns of the coast"]
    row = "".join(f"<li>{some}</li>" for some in said)
    body = f"<main><ul>{row}</ul>{paragraphs(4)}</main>"
    assert trimmed(body, place=[f"{some}" for some in said]) == [*said[1:], *BODY]


def test_what_stands_in_rows_before_a_sentence_of_theirs_that_stays_is_no_tail():
    persons = [
        ("Ann Lee", "Captain", "Sails in any wind."),
        ("Bo Ray", "Mate", "Ties all knots."),
        ("Cy Dun", "Cook", ""),
    ]
    cards = "".join(f"<div><h3>{name}</h3><p>{task}</p><p>{said}</p></div>" for name, task, said in persons)
    told = [text for person in persons for text in person if text]
    body = f"<main><div>{paragraphs(4)}</div><section><h2>Crew</h2>{cards}</section></main>"
    assert trimmed(body, place=told) == [*BODY, "Crew", *told[:6]]
    assert trimmed(body) == [*BODY, "Sails in any wind.", "Ties all knots."]


def test_pictures_between_short_sections_of_a_page_of_items_are_not_behind_its_text():
    rooms = "".join(f"<section><h3>Room {n}</h3><p>Sleeps {n} in it.</p></section>" for n in range(2, 5))
    body = f"<main><div>{paragraphs(4)}</div>{rooms}<div><img src=/a.jpg></div><p>We look forward to you.</p></main>"
    walked = walk(body + "<img src=/b.jpg>")
    items = {
        at for at, leaf in enumerate(walked.leaves) if isinstance(leaf, Text) and leaf.text.startswith(("Room", "Sl"))
    }
    pictures = [at for at, leaf in enumerate(walked.leaves) if isinstance(leaf, Media)]
    for places, stays in (([list(items)], [True, False]), ([], [False, False])):
        verdicts = [None] * len(walked.leaves)
        trim(walked, verdicts, "", "", Weighed(places=places))
        assert [verdicts[at] is None for at in pictures] == stays


def test_a_page_of_fragments_is_not_trimmed():
    assert kept("<h1>Menu of the day</h1><p>Soup</p><p>Bread</p>", "Menu of the day")[0] == [
        "Menu of the day",
        "Soup",
        "Bread",
    ]


def test_references_are_content_and_link_lists_are_not():
    cited = "".join(
        f"<li>Miller, J. ({1980 + number}). <a href=/{number}>{prose(number + 30, 1)}</a> The Valley Press.</li>"
        for number in range(5)
    )
    links = "".join(f"<li><a href=/{number}>{prose(number + 60, 1)}</a></li>" for number in range(5))
    left, rules = kept(f"<article>{paragraphs(4)}<ol>{cited}</ol><ul>{links}</ul></article>")
    assert len(left) == 4 + 5
    assert set(rules.values()) == {"links"}


def test_a_picture_among_linked_words_is_a_card():
    card = "<div><a href=/other><img src=other.jpg></a><p><a href=/other>Another story of the valley</a></p></div>"
    left, rules = kept(f"<article>{paragraphs(2)}{card}{paragraphs(2, 2)}</article>")
    assert left == BODY
    assert rules["other.jpg"] == "links"


def test_a_label_of_an_advertisement_or_link_is_left_out_and_its_words_in_a_sentence_are_not():
    body = f"<article>{paragraphs(2)}<p>Реклама</p><p>Read more:</p><p>分享到：</p><p>Read more books.</p>"
    body += f"{paragraphs(2, 2)}</article>"
    left, rules = kept(body)
    assert left == [*BODY[:2], "Read more books.", *BODY[2:]]
    assert rules == {"Реклама": "label", "Read more:": "label", "分享到：": "label"}


@pytest.mark.parametrize(("count", "are_kept"), [(2, False), (40, True)])
def test_short_texts_behind_the_prose_are_items_where_they_are_many(count, are_kept):
    items = "".join(f"<div><p>Lake number {n}, 10 miles</p></div>" for n in range(count))
    found = kept(f"<main><div>{paragraphs(2)}</div><div>{items}</div></main>")[0]
    assert (f"Lake number {count - 1}, 10 miles" in found) == are_kept


def test_the_title_over_each_post_of_a_thread_is_left_out():
    posts = "".join(f"<h3><a href=/p{n}>Re: The bridge</a></h3><p>{prose(n)}</p>" for n in range(4))
    assert kept(f"<div class=topic>{posts}</div>", "The bridge - Forum")[0] == BODY


def test_a_byline_under_the_standfirst_is_left_out():
    body = f"<article><p>{prose(0)}</p><p>27 February 2024, 10.41</p>{paragraphs(3, 1)}</article>"
    assert kept(body)[1] == {"27 February 2024, 10.41": "byline"}


@pytest.mark.parametrize(
    "labels",
    [
        "<div><p>Sales</p><p>Costs</p></div><div><p>Sales</p><p>Costs</p></div>",
        "<p>Sales</p><p>Sales</p><p>Costs</p><p>Costs</p>",
    ],
)
@pytest.mark.parametrize("drawing", ["<svg><text>Sales</text></svg>", "<div><canvas></canvas></div>"])
def test_words_beside_a_drawing_that_stand_there_twice_are_read_once(drawing, labels):
    chart = f"<div class=x1>{drawing}{labels}</div>"
    names, _ = kept(f"<article>{paragraphs(2)}{chart}{paragraphs(2, 2)}</article>")
    assert names == [*BODY[:2], "Sales", "Costs", *BODY[2:]]
    names, _ = kept(f"<article>{paragraphs(2)}<div class=x1>{labels}</div>{paragraphs(2, 2)}</article>")
    assert len(names) == 8


def test_the_heading_of_a_list_behind_the_prose_stays_with_it():
    plans = "".join(f"<div><h4>Plan {n}</h4><ul><li>{n} sites<li>{n} users</ul></div>" for n in range(3))
    left, rules = kept(f"<article><div>{paragraphs(12)}</div><section>{plans}<h4>Write to us</h4></section></article>")
    assert left[12:] == [text for n in range(3) for text in (f"Plan {n}", f"{n} sites", f"{n} users")]
    assert rules == {"Write to us": "tail"}


@pytest.mark.parametrize(
    "label", ["Learn more", "View all →", "Mehr erfahren", "En savoir plus", "続きを読む", "Подробнее"]
)
def test_buttons_that_lead_to_the_rest_of_a_story_are_labels(label):
    left, rules = kept(f"<article>{paragraphs(2)}<div><a href=/on>{label}</a></div>{paragraphs(2, 2)}</article>")
    assert (left, rules) == (BODY, {label: "label"})


@pytest.mark.parametrize(("named", "is_kept"), [("class=fact", True), ("", False)])
def test_a_word_in_a_row_whose_first_says_a_sentence_is_no_tail(named, is_kept):
    facts = "".join(f"<div {named}><h3>{head}</h3><div>{said}</div></div>" for head, said in FACTS)
    left, _ = kept(f"<div>{paragraphs(4)}{facts}</div>")
    assert ("Nine months" in left) == is_kept


@pytest.mark.parametrize(
    "label",
    [
        "24 results",
        "Showing 1–8 of 312 objects",
        "1 - 20 von 1.240 Treffern",
        "Seite 2 von 9",
        "1,204+ items",
        "Sort by:",
    ],
)
def test_how_much_a_list_holds_and_shows_is_a_label(label):
    left, rules = kept(f"<article>{paragraphs(2)}<div>{label}</div>{paragraphs(2, 2)}</article>")
    assert (left, rules) == (BODY, {label: "label"})


@pytest.mark.parametrize(
    "label",
    [
        "5 min read",
        "13 Min Read",
        "Estimated reading time: 11 minutes",
        "Lesezeit: ca. 3 Min.",
        "3 Minuten Lesezeit",
        "Temps de lecture : 4 min",
        "5 мин. чтения",
        "阅读时间：约 5 分钟",
        "約 3 分で読めます",
        "Lecture 4 min.",
        "1,204 views",
        "3.1K views",
        "Views: 314",
        "Visto 314 veces",
        "Lu 314 fois",
        "314 mal gelesen",
        "Просмотров: 3 140",
        "浏览量：314",
        "조회수 314",
        "Found a typo? Select the text and press Ctrl+Enter.",
        "Нашли ошибку? Выделите ее и нажмите Ctrl + Enter",
    ],
)
def test_how_long_a_story_takes_and_how_often_it_was_read_is_a_label(label):
    left, rules = kept(f"<article>{paragraphs(2)}<div>{label}</div>{paragraphs(2, 2)}</article>")
    assert (left, rules) == (BODY, {label: "label"})


@pytest.mark.parametrize(
    "label",
    [
        "© 2013-present Keel & Sons Ltd.",
        "Copyright (c) 2019 by the Keel Gazette",
        "Copyright 2021 Keel",
        "Keel Gazette. All rights reserved.",
        "Keel. Tous droits réservés",
        "Free shipping on all orders over $75",
        "Free standard delivery",
        "Tax included. Shipping calculated at checkout.",
        "Shipping calculated at checkout.",
        "excl. VAT",
        "inkl. 7 % MwSt.",
        "zzgl. Versandkosten",
        "Kostenloser Versand ab 50 €",
        "Livraison offerte dès 299 €",
        "Envío gratis a partir de 30 €",
        "incl. btw",
        "送料無料",
        "包邮",
    ],
)
def test_whose_the_site_is_and_the_terms_beside_a_price_are_labels(label):
    left, rules = kept(f"<article>{paragraphs(2)}<div>{label}</div>{paragraphs(2, 2)}</article>")
    assert (left, rules) == (BODY, {label: "label"})


@pytest.mark.parametrize(
    "line",
    [
        "Powered by Keel © 2010-2015 Keel Inc.",
        "Keel Gallery 2005-2015 © All pictures are ours.",
        "Keel Boats (c) by Ann Keel since 1998.",
        "Ferry planner 3.0 is made by Keel, copyright 2003 to 2014.",
    ],
)
def test_the_last_line_of_a_page_that_says_whose_it_is_and_since_when_is_a_label(line):
    left, rules = kept(f"<article>{paragraphs(4)}<div>{line}</div></article>")
    assert (left, rules) == (BODY, {line: "label"})
    left, _ = kept(f"<article>{paragraphs(2)}<div>{line}</div>{paragraphs(6, 2)}</article>")
    assert line in left  # it ends no page


def test_the_last_caption_or_code_of_a_page_may_say_since_when():
    picture = "<figure><img src=a.jpg><figcaption>The pier in Keel © 2019 Ann Keel</figcaption></figure>"
    left, _ = kept(f"<article>{paragraphs(4)}{picture}<pre>print('Keel (c) 2019')</pre></article>")
    assert left[-2:] == ["The pier in Keel © 2019 Ann Keel", "print('Keel (c) 2019')"]


def test_the_last_text_of_a_page_may_speak_of_a_right_since_some_year():
    said = f"{prose(1, 50)} It bears the mark (c) 1998, which the firm had cut into each of the boats by hand."
    left, _ = kept(f"<article>{paragraphs(4)}<div>{said}</div></article>")
    assert left[-1] == said
    assert len(said) > 200


@pytest.mark.parametrize(
    "said",
    [
        "45 min",
        "314 viewers",
        "3 reads of the river",
        "Read 3 times a day",
        "Press Ctrl+Enter to send the letter that you wrote.",
        "Reading time of 3 novels",
        "3 rooms",
        "2–1 at home",
        "Page 3",
        "12 results of a long inquiry",
        "Free delivery apps compared",
        "Copyright of a song lasts for 70 years",
        "Free shipping was what ruined the firm in the end, as its founder told us in a long talk last May.",
    ],
)
def test_other_numbers_are_none(said):
    left, _ = kept(f"<article>{paragraphs(2)}<div>{said}</div>{paragraphs(2, 2)}</article>")
    assert left == [*BODY[:2], said, *BODY[2:]]


def test_a_section_whose_number_follows_on_that_of_another_is_no_count():
    sections = "".join(f"<h2>{head}</h2>{paragraphs(1, n)}" for n, head in enumerate(["1 Methods", "2 Results"]))
    left, _ = kept(f"<article>{sections}</article>")
    assert left == ["1 Methods", BODY[0], "2 Results", BODY[1]]
    left, rules = kept(f"<article>{paragraphs(1)}<h2>24 results</h2>{paragraphs(1, 1)}</article>")
    assert rules == {"24 results": "label"}


def test_a_timeline_before_the_text_is_no_byline():
    days = ["4 May 1931: Alba launched", "9 June 1936: Bree launched", "2 July 1941: Cora launched"]
    items = "".join(f"<li>{day}" for day in days)
    assert kept(f"<main><ul>{items}</ul>{paragraphs(4)}</main>")[0][:3] == days
    assert kept(f"<main><ul><li>{days[0]}<li>{days[1]}</ul>{paragraphs(4)}</main>")[0] == BODY


def test_each_of_several_authors_signs():
    portrait = "<p><img src=/max.jpg alt='Max Tor' width=400></p>"
    body = f"<main><p>By Jo Reed and Max Tor</p>{portrait}{paragraphs(4)}</main>"
    assert kept(body, author="Jo Reed, Max Tor") == (BODY, {"By Jo Reed and Max Tor": "byline", "max.jpg": "author"})


@pytest.mark.parametrize(
    "prompt",
    [
        "<div class='prompt input_prompt'>In&nbsp;[3]:</div>",
        "<div class=jp-OutputPrompt>Out[12]:</div>",
        "<div>In [ ]:</div>",
        "<div>In [*]:</div>",
        "<div class='prompt highlight-none'><div class=highlight><pre><span></span>[3]:\n</pre></div></div>",
    ],
)
def test_prompts_of_notebooks_are_labels(prompt):
    left, rules = kept(f"<article>{paragraphs(2)}{prompt}<pre>print(5)</pre>{paragraphs(2, 2)}</article>")
    assert left == [*BODY[:2], "print(5)", *BODY[2:]]
    assert set(rules.values()) == {"label"}


@pytest.mark.parametrize("said", ["<p>[3]:</p>", "<pre>In [3]: x = 5</pre>", "<p>In [3]: we see</p>"])
def test_what_only_looks_like_a_prompt_stays(said):
    assert not kept(f"<article>{paragraphs(2)}{said}{paragraphs(2, 2)}</article>")[1]
