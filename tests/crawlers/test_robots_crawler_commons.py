"""What crawler-commons expects of a reader of robots.txt (its SimpleRobotRulesParserTest), in our own words.

Names that hold a digit are no product tokens of RFC 9309: `Agent1` stands here as `AgentA`. Files that its tests load
are written anew, as short as what they claim allows.
"""

import pytest

from crawlers.pace_settings import PaceSettings
from crawlers.robots import Robots
from crawlers.site_policy import read_rules

_ALL = "User-agent: *;"
_FICT = (
    "# /robots.txt;;User-agent: unhipbot;Disallow: /;;User-agent: webcrawler;User-agent: excite;Disallow: ;;"
    f"{_ALL}Disallow: /org/plans.html;Allow: /org/;Allow: /serv;Allow: /~mak;Disallow: /"
)
_FICT_PATHS = (
    "/ /index.html /server.html /services/fast.html /services/slow.html /orgo.gif /org/about.html /org/plans.html "
    "/%7Ejim/jim.html /%7Emak/mak.html"
)
_FICT_OPEN = "/server.html /services/fast.html /services/slow.html /org/about.html /%7Emak/mak.html /robots.txt"
_FICT_SHUT = "/ /index.html /orgo.gif /org/plans.html /%7Ejim/jim.html"
_NUTCH = (
    "User-Agent: AgentA #foo;Disallow: /a;Disallow: /b/a;#Disallow: /c;;;User-Agent: AgentB, AgentC#foo;"
    f"User-Agent: AgentD;Disallow: /d;Disallow: /e/d/;;{_ALL}Disallow: /foo/bar/"
)
_NUTCH_A, _NUTCH_D, _NUTCH_ALL = "/a /a/ /a/bloh/foo.html /b/a /b/a/index.html", "/d /d/a /e/d/foo.html", "/foo/bar/baz"
_NUTCH_OPEN = (
    "/b /b/b/foo.html /c /c/a /c/a/index.html /c/b/foo.html /e/a/index.html /e/d /e/doh.html /f/index.html /f/"
)
_HERITRIX = (
    f"{_ALL}Disallow: /cgi-bin/;Disallow: /details/software;;User-agent: denybot;Disallow: /;;"
    "User-agent: allowbot-a;Disallow: ;;User-agent: allowbot-b;Disallow: /foo;Allow: /;;"
    "User-agent: delaybot;Disallow: /;Crawl-Delay: 20;Allow: /images/"
)
_SLIPS = (
    "User-agent: bot-a;desallow: /desallow/;dissalow: /dissalow/;;useragent: bot-b;disallow: /useragent/;;"
    "useg-agent: bot-c;disallow: /useg-agent/;;useragent bot-d;disallow: /no-colon/"
)
_SPACES = (
    "User-agent : bot-a;Disallow : /before-colon/;Disallow /no-colon/;;User-agent bot-b;Disallow: /no-colon-agent/;;"
    "User-agent: bot-c;Allow : /before-colon/;Disallow: /"
)
_SIMPLE = (  # RFC 9309, section 5.1
    f"{_ALL}Disallow: *.gif$;Disallow: /example/;Allow: /publications/;;User-Agent: foobot;Disallow:/;"
    "Allow:/example/page.html;Allow:/example/allowed.gif;;User-Agent: barbot;User-Agent: bazbot;"
    "Disallow: /example/page.html;;User-Agent: quxbot"
)
_LONGEST = "User-Agent: foobot;Allow: /example/page/;Disallow: /example/page/disallowed.gif"
_MERGED = (
    f"user-agent: ExampleBot;disallow: /foo;disallow: /bar;;user-agent: ExampleBot;disallow: /baz;;{_ALL}"
    "disallow: /foo;disallow: /bar;;user-agent: BazBot;disallow: /baz"
)
_ORDER = (
    "User-Agent: testy;Disallow: /foo;;User-Agent: wget;Allow: /;Allow: /foo;Allow: /index.html;Disallow: /*;;"
    "User-Agent: testy;Allow: /foo/bar;Disallow: /foo/b*"
)
_SHARED = (
    "User-Agent: testy;Disallow: /;;User-Agent: curl;Disallow: /;;User-Agent: wget;Allow: /foo/bar;;"
    "User-Agent: *;User-Agent: wget;Disallow: /foo/bar;Disallow: /tmp/bar;Allow: /ckh/bar"
)
_DELAYS = (
    f"User-agent: mybot;Crawl-delay: 10;User-agent: yourbot;Disallow: /private/;;{_ALL}Allow: /;;User-agent: yourbot;"
    f"Disallow: /login/;;{_ALL}Crawl-delay: 30"
)
_FISH = "/fish /fish.html /fish/salmon.html /fishheads /fishheads/yummy.html /fish.php?id=anything"
_NO_FISH = "/Fish.asp /catfish /?id=fish /fis"
_TWO_BOTS = ("User-agent: crawlerbot;Disallow: /foo/bar;", "User-agent: crawler;Allow: /foo/bar;")
# Lines, divided by semicolons; the agent; paths that it may visit; paths that it may not.
_CASES = [
    ("", "anybot", "/anypage.html", ""),
    (f"{_ALL}Disallow: /index.cfm?fuseaction=sitesearch.results*", "anybot", "",
     "/index.cfm?fuseaction=sitesearch.results&type=People&qry=california&pg=2"),
    (f"{_ALL}Disallow: /fish", "anybot", _NO_FISH, _FISH),
    (f"{_ALL}Disallow: /fish*", "anybot", _NO_FISH, _FISH),
    (f"{_ALL}Disallow: /fish/", "anybot", "/fish /fish.html /Fish/Salmon.asp",
     "/fish/ /fish/?id=anything /fish/salmon.htm"),
    (f"{_ALL}Disallow: /*.php", "anybot", "/ /windows.PHP", "/filename.php /folder/filename.php "
     "/folder/filename.php?parameters /folder/any.php.file.html /filename.php/"),
    (f"{_ALL}Disallow: /*.php$", "anybot", "/filename.php?parameters /filename.php/ /filename.php5 /windows.PHP",
     "/filename.php /folder/filename.php"),
    (f"{_ALL}Disallow: /fish*.php", "anybot", "/Fish.PHP", "/fish.php /fishheads/catfish.php?parameters"),
    (f"{_ALL}Disallow: /*fish*.php", "anybot", "/fishheads/catfish.htm",
     "/fish.php /superfishheads/catfish.php?parameters"),
    ("#user-agent: test;;#allow: /test;#disallow: /;", "anybot", "/anypage.html", ""),
    (f"{_ALL}Disallow: /", "anybot", "/robots.txt", ""),
    ("User-agent: crawler-a;Disallow: /index.html;Allow: /;;User-agent: crawler-b;Disallow: /", "crawler-c",
     "/anypage.html /index.html", ""),
    ("User-agent: * # \u00a2 \u20b5;Disallow:", "anybot", "/anypage.html", ""),
    (f"{_ALL}Disallow: /bücher/;Disallow: /k%C3%B6nyvek/;;User-agent: GoodBot;Allow: /", "mybot", "/",
     "/b%C3%BCcher/book1.html /bücher/book2.html /k%C3%B6nyvek/book1.html /könyvek/book2.html"),
    (f"{_ALL}Disallow: /bücher/;;User-agent: GoodBot;Allow: /", "goodbot", "/ /b%C3%BCcher/book1.html", ""),
    (f"{_ALL}Disallow:", "anybot", "/anypage.html", ""),
    (f"{_ALL}Allow:", "anybot", "/anypage.html", ""),
    (f"{_ALL}Disallow: /", "anybot", "", "?q=a /"),
    (_FICT, "unhipbot", "/robots.txt", _FICT_PATHS),
    (_FICT, "webcrawler", _FICT_PATHS, ""),
    (_FICT, "excite", _FICT_PATHS, ""),
    (_FICT, "unknown", _FICT_OPEN, _FICT_SHUT),
    (_NUTCH, "agenta", f"{_NUTCH_OPEN} {_NUTCH_D} {_NUTCH_ALL}", _NUTCH_A),
    *((_NUTCH, name, f"{_NUTCH_OPEN} {_NUTCH_A} {_NUTCH_ALL}", _NUTCH_D) for name in ("agentb", "agentc", "agentd")),
    (_NUTCH, "agente", f"{_NUTCH_OPEN} {_NUTCH_A} {_NUTCH_D}", _NUTCH_ALL),
    (_HERITRIX, "allowbot-a", "/path /", ""),
    (_HERITRIX, "allowbot-b", "/path /", "/foo"),
    (_HERITRIX, "denybot", "", "/path /"),
    (_HERITRIX, "anonbot", "/path", "/cgi-bin/foo.pl"),
    (f"{_ALL}Allow: /AnyPage.html;Allow: /somepage.html;Disallow: /", "anybot", "/AnyPage.html /somepage.html",
     "/anypage.html /SomePage.html"),
    *((f"{_ALL}Disallow: /disallowed/;Allow: /allowed/;{again}Disallow: ", "anybot", "/ /any.html /allowed/index.html",
       "/disallowed/index.html") for again in ("", _ALL)),
    (f"{_ALL}Disallow: /index.html;Allow: /;;{_ALL}Disallow: /", "anybot", "/anypage.html", "/index.html"),
    ("User-agent: crawlerbot;Disallow: /index.html;Allow: /;;User-agent: crawler;Disallow: /", "crawlerbot",
     "/anypage.html", "/index.html"),
    ("User-agent: Download Ninja;Disallow: /index.html;Allow: /", "download", "/anypage.html", "/index.html"),
    *((f"User-agent: {name};Disallow: /index.html;Allow: /", "foo", "/anypage.html", "/index.html")
      for name in ("foo/1.2", "foo bar")),
    ("User-agent: crawler-a;Disallow: /index.html;Allow: /;newfield: 234;User-agent: crawler-b;Disallow: /",
     "crawler-b", "", "/anypage.html"),
    (f"{_ALL}Disallow: /perl/;Crawl-delay: 3;;User-agent: googlebot;Crawl-delay: 1;;User-agent: qihoobot;Disallow: /",
     "googlebot", "", "/examples/index.html /"),
    (f"User-Agent: bingbot;Crawl-delay: 1;;{_ALL}Disallow: /login;Sitemap: http://a/s.xml;Disallow: /assets/",
     "bingbot", "/", "/login /assets/"),
    (_SLIPS, "bot-a", "", "/desallow/ /dissalow/"),
    (_SLIPS, "bot-b", "", "/useragent/"),
    (_SLIPS, "bot-c", "", "/useg-agent/"),
    (_SLIPS, "bot-d", "", "/no-colon/"),
    (_SPACES, "bot-a", "", "/before-colon/ /no-colon/"),
    (_SPACES, "bot-b", "", "/no-colon-agent/"),
    (_SPACES, "bot-c", "/before-colon/", "/"),
    (f"Host: www.flot.com;{_ALL}Disallow: /img/", "foobot", "", "/img/"),
    ("User-agent: *;Disallow: /bot-trap/;;User-agent: wget;User-agent: curl;Disallow: /", "wget", "", "/"),
    ("User-agent: *;Disallow: /bot-trap/;;User-agent: wget;User-agent: curl;Disallow: /", "nobody", "/", "/bot-trap/"),
    (_SHARED, "wget", "/foo/bar/bar.txt /chk/bar/bar.txt", "/tmp/bar/bar.txt"),
    (_ORDER, "wget", "/ /foo/bar", ""),
    (_ORDER, "testy", "/ /foo/bar", "/foo/blue /foo/ /foo/tar"),
    (f"{_ALL}Disallow: /wiki/Wikipedia_talk:Mediation_Committee/;Disallow: /wiki/%", "bot", "/wiki/",
     "/wiki/Wikipedia_talk:Mediation_Committee/"),
    (f"{_ALL}Disallow: /wishlist/;Allow: /wishlist/universal*;Disallow: /*/gcrnsts", "anybot",
     "/wishlist/universal/page", "/wishlist/bogus /anydirectoryhere/gcrnsts"),
    (f"{_ALL}Disallow: /fish;Allow: /fish", "anybot", "/fish", ""),
    *((f"User-agent: One, Two, Three;Disallow: /;;{_ALL}Allow: /", name, "", "/fish")
      for name in ("one", "two", "three")),
    (f"User-agent: One, Two, Three;Disallow: /;;{_ALL}Allow: /", "anybot", "/fish", ""),
    *((";".join(pair), "crawlerbot", "", "/foo/bar") for pair in (_TWO_BOTS, _TWO_BOTS[::-1])),
    *((";".join(pair), "crawler", "/foo/bar", "") for pair in (_TWO_BOTS, _TWO_BOTS[::-1])),
    (_SIMPLE, "foobot", "/example/page.html /example/allowed.gif", "/ /path/index.html"),
    *((_SIMPLE, name, "/", "/example/page.html") for name in ("barbot", "bazbot")),
    (_SIMPLE, "quxbot", "/ /example/page.html", ""),
    (_SIMPLE, "another", "/publications/doc1.html /", "/example/page.html /example.gif"),
    (_LONGEST, "foobot", "/example/page/ /example/page/index.html /", "/example/page/disallowed.gif"),
    (_MERGED, "examplebot", "/", "/foo /bar /baz"),
    (_MERGED, "another", "/baz /", "/foo /bar"),
    (_MERGED, "bazbot", "/foo /bar /", "/baz"),
    (f"{_ALL}Allow: /allowed/;Disallow: /;User-agent: allowedbot;Allow: /", "anybot", "/allowed/page.html", "/"),
    (f"{_ALL}Allow: /allowed/;Disallow: /;User-agent: allowedbot;Allow: /", "allowedbot", "/", ""),
    (f"{_ALL}Allow: /;User-agent: anybot;Disallow: /search", "foobot", "/search /home", ""),
    (f"{_ALL}Allow: /;User-agent: anybot;Disallow: /search", "anybot", "/home", "/search"),
    (_DELAYS, "mybot", "/login/ /", "/private/"),
    (_DELAYS, "yourbot", "/", "/private/ /login/"),
    (_DELAYS, "another", "/private/ /login/ /", ""),
    (f"{_ALL}Request-rate: 1/10m;Disallow: /wild/;;User-agent: mybot;Disallow: /bot/", "mybot", "/wild/", "/bot/"),
    (f"{_ALL}Disallow: /private/;Allow: /private/public.html;LLM-Policy: /llms.txt", "anybot",
     "/private/public.html /other.html", "/private/secret.html"),
]  # fmt: skip
# A pattern that is disallowed; paths that it leaves open; paths that it shuts.
_ESCAPED = [
    ("/*%20", "/ /foobar/", "/foobar%20/"),
    ("/*%2F*", "/", "/topic/9%2F11/index.html"),
    ("/topic/9%2F11/", "", "/topic/9%2F11/index.html /topic/9%2f11/index.html"),
    ("/q?*mime=application%2Fpdf", "", "/q?mime=application%2Fpdf"),
    ("/$", "/foobar", "/"),
    ("/%24", "/", "/%24100 /$100"),
    ("/search/%2A/", "/search/foobar/", "/search/%2A/ /search/%2a/ /search/*/"),
    ("/search/%2a/", "", "/search/%2a/ /search/*/"),
    ("/search/*/", "", "/search/foobar/"),
    ("/foo/bar?baz=quz", "", "/foo/bar?baz=quz"),
    ("/foo/bar?baz=https://foo.bar", "", "/foo/bar?baz=https://foo.bar"),
    ("/foo/bar?baz=https%3A%2F%2Ffoo.bar", "", "/foo/bar?baz=https%3A%2F%2Ffoo.bar"),
    ("/foo/bar/ツ", "", "/foo/bar/%E3%83%84"),
    ("/foo/bar/%E3%83%84", "", "/foo/bar/%E3%83%84"),
    ("/foo/bar/%62%61%7A", "", "/foo/bar/baz"),
    ("/path/file-with-a-%2A.html", "/path/file-with-a-foo.html", "/path/file-with-a-*.html /path/file-with-a-%2A.html"),
    ("/path/foo-%24", "/path/foo-", "/path/foo-$ /path/foo-%24"),
]
# Lines, the agent, and its delay in seconds. In each of the last four it is theirs that is shorter: a delay that stands
# in a group holds for the whole group here, whoever was named before it, and the longest counts.
_DELAYED = [
    (_HERITRIX, "delaybot", 20),
    (_HERITRIX, "denybot", 0),
    (f"{_ALL}Crawl-delay: 0.5;Disallow:", "bixo", 0.5),
    (f"{_ALL}Crawl-delay: 1;Disallow:", "bot", 1),
    (f"{_ALL}Disallow: /perl/;Crawl-delay: 3;;User-agent: googlebot;Crawl-delay: 1;;User-agent: qihoobot;Disallow: /",
     "anybot", 3),
    (f"{_ALL}Disallow: /perl/;Crawl-delay: 3;;User-agent: googlebot;Crawl-delay: 1;;User-agent: qihoobot;Disallow: /",
     "googlebot", 1),
    (_DELAYS, "mybot", 10),
    (_DELAYS, "another", 30),
    (f"{_ALL}Request-rate: 1/10m;Disallow: /wild/;;User-agent: mybot;Disallow: /bot/", "mybot", 0),
    (_DELAYS, "yourbot", 10),
    (f"User-agent: bixo;Crawl-delay: 10;User-agent: foobot;Crawl-delay: 20;{_ALL}Disallow:/baz", "bixo", 20),
    (f"User-agent: foobot;Crawl-delay: 20;{_ALL}Disallow:/baz", "bixo", 20),
    (f"User-agent: bingbot;Crawl-delay: 1;;User-agent: msnbot;Crawl-delay: 2;;{_ALL}Disallow: /login", "bingbot", 2),
]  # fmt: skip


def _forbidden(text: str, agent: str, paths: str) -> list[str]:
    robots = Robots(text, agent)
    return [path for path in paths.split() if not robots.may_visit(f"http://domain.example{path}")]


@pytest.mark.parametrize(("lines", "agent", "allowed", "forbidden"), _CASES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_as_crawler_commons_reads_it(lines: str, agent: str, allowed: str, forbidden: str, end: str) -> None:
    text = read_rules((lines.replace(";", end) + end).encode())
    assert _forbidden(text, agent, allowed) == []
    assert _forbidden(text, agent, forbidden) == forbidden.split()


@pytest.mark.parametrize(("pattern", "allowed", "forbidden"), _ESCAPED)
def test_escapes_stand_for_themselves(pattern: str, allowed: str, forbidden: str) -> None:
    text = f"User-agent: *\r\nDisallow: {pattern}\r\nAllow: /"
    assert _forbidden(text, "mybot", allowed) == []
    assert _forbidden(text, "mybot", forbidden) == forbidden.split()


def test_ends_of_lines_may_be_mixed() -> None:
    ends = ["\r\n", "\n\r", "\n", "\r\r\n", "\r", "\r\n"]
    text = "".join(line + ends[number % len(ends)] for number, line in enumerate(_FICT.split(";")))
    assert _forbidden(text, "unknown", _FICT_PATHS) == _FICT_SHUT.split()
    assert _forbidden(text.replace("Disallow: \n", "Disallow: \u0085\r"), "webcrawler", _FICT_PATHS) == []


def test_latin_1_costs_no_more_than_its_own_line() -> None:
    text = read_rules("User-agent: *\nDisallow: /bücher/\nDisallow: /k%C3%B6nyvek/".encode("latin-1"))
    assert _forbidden(text, "mybot", "/ /k%C3%B6nyvek/book1.html /könyvek/book2.html") == [
        "/k%C3%B6nyvek/book1.html", "/könyvek/book2.html",
    ]  # fmt: skip


def test_rules_in_a_web_page_are_rules() -> None:
    page = (
        b"<!DOCTYPE HTML><HTML>\n<HEAD>\n<TITLE>/robots.txt</TITLE>\n</HEAD>\n<BODY>\nUser-agent: mybot<BR>\n"
        b"Disallow: <BR>\nCrawl-Delay: 10<BR>\n\nUser-agent: *<BR>\nDisallow: /<BR>\nCrawl-Delay: 30<BR>\n</BODY>\n"
    )
    for text in (read_rules(page), read_rules(page.replace(b"\n", b""))):
        assert (_forbidden(text, "mybot", "/x"), Robots(text, "mybot").delay_s) == ([], 10)
        assert (_forbidden(text, "bogusbot", "/x"), Robots(text, "bogusbot").delay_s) == (["/x"], 30)
    assert _forbidden(read_rules(b"<HTML><HEAD><TITLE>Site under Maintenance</TITLE></HTML>"), "anybot", "/") == []


@pytest.mark.parametrize(("lines", "agent", "delay_s"), _DELAYED)
def test_the_delay_is_never_shorter_than_theirs(lines: str, agent: str, delay_s: float) -> None:
    assert Robots(lines.replace(";", "\r"), agent).delay_s == delay_s


def test_a_huge_delay_is_over_the_limit() -> None:
    assert Robots("User-agent: *\rCrawl-delay: 3600\rDisallow:", "bixo").delay_s > PaceSettings().max_delay_s


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16-le", "utf-16-be"])
def test_a_byte_order_mark_is_no_letter(encoding: str) -> None:
    body = ("" if encoding == "utf-8-sig" else "\ufeff") + "User-agent: *\nDisallow: /profile"
    assert _forbidden(read_rules(body.encode(encoding)), "foobot", "/profile") == ["/profile"]


def test_sitemaps_are_of_no_group_and_once() -> None:
    lines = "User-agent: a;Disallow: /c/;;User-agent: b;Disallow: /c/;;;Sitemap: https://a.example/Map;sitemap: /s.xml;"
    robots = Robots((lines + "Sitemap: https://a.example/Map").replace(";", "\r\n"), "a")
    assert robots.sitemaps == ["https://a.example/Map", "/s.xml"]


@pytest.mark.parametrize(
    ("text", "agent"),
    [
        (
            "User-agent: Mozilla/5.0 (compatible; Butterfly/1.0; +http://a.example/) Firefox/3.0.8\nDisallow: /",
            "butterfly",
        ),
        ("User-agent: crawler-a crawler-b\nDisallow: /a/index.html\nAllow: /", "crawler-b"),
        ("User-agent: mybot\nDisallow: /private/\nNoindex: /a/\n\nUser-agent: *\nAllow: /", "mybot"),
        ("User-agent: *\nDisallow: /*%2F*\nAllow: /", "mybot"),
    ],
)
def test_where_they_visit_and_we_do_not(text: str, agent: str) -> None:
    """A name in the midst of a line may mean us; what must not be shown in a search is not to be learnt from; and an
    encoded slash behind a `*` may stand in a query, where it is a slash."""
    assert not Robots(text, agent).may_visit("http://a.example/a/index.html")
