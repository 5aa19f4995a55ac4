"""Lines that close a page leave by their form, behind the last prose, whatever they stand in."""

import pytest

from tests.pipeline.makers import extract, paragraphs, prose, texts

LINES = [
    "Last updated 3 May 2020",
    "Last updated on May 3, 2020 by Ann Lee",
    "This page was last modified on 3 May 2020, at 12:01.",
    "Zuletzt geändert am 3. Mai 2020",
    "Dernière mise à jour : 3 mai 2020",
    "最終更新日：2020年5月3日",
    "Was this page helpful? Yes No",
    "Did you find this article useful?",
    "War dieser Artikel hilfreich? Ja Nein",
    "この記事は役に立ちましたか？",
    "Yes No",
    "Filed under: Bridges, Towns",
    "Filed under <a href=/b>Bridges</a>",
    "Tagged bridges, towns",
    "Tags: bridges",
    "Schlagworte: Brücken, Orte",
    "Share this: <a href=/f>Facebook</a> <a href=/x>Twitter</a>",
    "Share this post on Facebook",
    "Next article",
]
OTHERS = [
    "The bridge was last updated in 2020",
    "Last updated parts of the bridge",
    "Was this helpful advice? Nobody knows. It was given by the mayor",
    "Yes",
    "Yes no doubt about it",
    "Filed",
    "Tagged and gone.",
    "Share this with your neighbours",
    "Topics that nobody talks of",
]


def rows(count):
    return "".join(f"<div>{prose(number)}</div>" for number in range(count))


@pytest.mark.parametrize("line", LINES)
@pytest.mark.parametrize("page", ["<article>{0}<div>{1}</div></article>", "<div>{2}<div>{1}</div></div>"])
def test_a_line_that_closes_a_page_goes(line, page):
    found = texts(extract(page.format(paragraphs(5), line, rows(5))))
    assert found == [prose(number) for number in range(5)]


@pytest.mark.parametrize("line", OTHERS)
def test_another_line_stays(line):
    assert texts(extract(f"<article>{paragraphs(5)}<div>{line}</div></article>"))[-1] == line


def test_before_the_last_prose_such_a_line_is_text():
    line = "Tagged bridges, towns"
    assert line in texts(extract(f"<article>{paragraphs(3)}<p>{line}</p>{paragraphs(3, 3)}</article>"))


def test_items_of_a_list_may_all_say_when_they_were_changed():
    items = "".join(
        f"<section><h3><a href=/{n}>The boat number {n} of Leith</a></h3><p>{prose(n, 1)}</p>"
        f"<p>Last updated on May {n}, 2020</p></section>"
        for n in range(1, 9)
    )
    assert sum("Last updated" in text for text in texts(extract(f"<h1>Boats</h1>{paragraphs(1, 20)}{items}"))) == 8


LINKS = "<a href=/2>&lt;&lt; Page 2</a> <a href=/>Main page</a> <a href=/4>Page 4 &gt;&gt;</a>"


@pytest.mark.parametrize(
    "links",
    [
        LINKS,
        "<a href=/>Main page</a> <a href=/4>Page 4</a>",
        "<a href=/2>Next: the boats</a>",
        "<a href=/2>« The boats</a>",
    ],
)
def test_a_last_line_of_links_to_other_pages_goes(links):
    found = texts(extract(f"<div>{paragraphs(5)}<p>{links}</p></div>"))
    assert found == [prose(number) for number in range(5)]


def test_sources_and_reports_that_the_text_ends_with_stay():
    lines = ["Smith, J. (2020). Bridges of stone", "Lee, A. (2018). Boats of larch"]
    links = "".join(f"<p><a href=https://journal.example/{n}>{line}</a></p>" for n, line in enumerate(lines))
    assert texts(extract(f"<div>{paragraphs(5)}<h2>Sources</h2>{links}</div>"))[5:] == ["Sources", *lines]


def test_many_last_lines_of_links_are_items():
    boats = [f"{name} of Leith" for name in ("Alba", "Bree", "Clio", "Dora", "Elsa")]
    lines = "".join(f"<p><a href=/{n}>{boat}</a> <a href=/{n}.jpg>(1)</a></p>" for n, boat in enumerate(boats))
    assert texts(extract(f"<div>{paragraphs(5)}{lines}</div>"))[5:] == [f"{boat} (1)" for boat in boats]


def test_a_page_that_says_at_its_head_too_when_it_was_changed_closes_so():
    line = "<p>Last updated 3 May 2020</p>"
    found = texts(extract(f"<article>{line}{paragraphs(5)}<div>{line}</div></article>"))
    assert found == [prose(number) for number in range(5)]


def test_units_that_each_name_their_topics_are_filed_nowhere():
    lines = ["Topics: heaps, queues", "Topics: trees, tries"]
    assert texts(extract(f"<div>{paragraphs(5)}<p>{lines[0]}</p><p>{lines[1]}</p></div>"))[5:] == lines


def test_links_between_other_texts_do_not_close_a_page():
    boats = "".join(f"<p><a href=/{n}>Boat {n}</a></p><p>Built at Leith in 190{n}, sunk</p>" for n in range(3))
    found = texts(extract(f"<h1>Boats</h1><div>{paragraphs(1)}{boats}</div>"))
    assert found[1:] == [line for n in range(3) for line in (f"Boat {n}", f"Built at Leith in 190{n}, sunk")]


@pytest.mark.parametrize(
    "said",
    [
        "<ul><li>Print</li><li>Scan</li></ul>",
        "<dl><dt>Email</dt><dd>ann@site.example</dd></dl>",
        "<h3>Print</h3><p>In colour.</p>",
        "<h3>Artikel drucken</h3><p>In Farbe.</p>",
        "<p>Imprimir</p><p>Subir</p>",
    ],
)
def test_what_a_machine_does_is_no_button_of_the_page(said):
    plain = texts(extract(f"<article>{paragraphs(2)}{said}{paragraphs(2, 2)}</article>"))
    assert len(plain) == 6


@pytest.mark.parametrize(
    "button",
    [
        "<a href=/p><img src=i.gif width=16> Print this article</a>",
        "<a href=/p>Imprimir esta noticia</a> <a href=/e>Enviar a un amigo</a>",
        "<a href=/p>Artikel drucken</a>",
        "<a href=#top>Seitenanfang</a>",
    ],
)
def test_buttons_of_old_pages_are_none_of_the_text(button):
    found = texts(extract(f"<article>{paragraphs(2)}<p>{button}</p>{paragraphs(2, 2)}</article>"))
    assert found == [prose(number) for number in range(4)]
