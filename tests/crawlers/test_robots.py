import codecs
import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from protego import Protego

from crawlers.robots import PathRules, Robots
from crawlers.site_policy import read_rules
from schemas.path_patterns import encoded, path_of, read_patterns

SITE = "http://a.example"


def allowed(text: str, path: str) -> bool:
    return Robots(text, "weft").may_visit(SITE + path)


@pytest.mark.parametrize(
    ("pattern", "matching", "others"),
    [
        ("/", ["/", "/a", "/?q"], []),
        ("/fish", ["/fish", "/fish.html", "/fish/x", "/fishheads", "/fish?id=1"], ["/Fish", "/catfish", "/?id=fish"]),
        ("/fish*", ["/fish", "/fish.html"], ["/Fish", "/catfish"]),
        ("/fish/", ["/fish/", "/fish/?id=1", "/fish/x"], ["/fish", "/fish.html"]),
        ("/*.php", ["/a.php", "/a/b.php?x", "/a.phpx", "/x?y=.php"], ["/a.PHP", "/php"]),
        ("/*.php$", ["/a.php", "/x?.php", "/.php"], ["/a.php?x", "/a.php/", "/a.php5"]),
        ("/fish*.php", ["/fish.php", "/fishheads/c.php?x"], ["/Fish.PHP", "/fish"]),
        ("/a$", ["/a"], ["/a/", "/ab", "/"]),
        ("/a**b$", ["/ab", "/abab", "/a/b"], ["/a", "/abc"]),
        ("/ab*ba$", ["/abba", "/ab/ba", "/abaaba"], ["/aba", "/abab"]),
        ("*", ["/", "/x"], []),
        ("*x", ["/x", "/a/xy"], ["/", "/y"]),
        ("/$", ["/"], ["/a", "/?q"]),
        ("/a$b", ["/a$b", "/a%24bc"], ["/a", "/ab"]),
        ("/a%24", ["/a$", "/a$b"], ["/a"]),
        ("/a%2Ab", ["/a*b", "/a%2abc"], ["/ab", "/axb"]),
        ("/%7Ejoe/", ["/~joe/x", "/%7ejoe/"], ["/joe/"]),
        ("/~joe/", ["/%7Ejoe/", "/~joe/"], []),
        ("/%62%61%7A", ["/baz", "/b%61z"], ["/%62a"]),
        ("/ツ", ["/%E3%83%84", "/%e3%83%84/x", "/ツ"], ["/%E3%83"]),
        ("/%e3%83%84", ["/ツ", "/%E3%83%84"], []),
        ("/a%2Fb", ["/a%2fb"], ["/a/b"]),
        ("/a/b", ["/a/b"], ["/a%2Fb"]),
        ("/foo/bar?baz=http://foo.bar", ["/foo/bar?baz=http%3A%2F%2Ffoo.bar", "/foo/bar?baz=http://foo.bar"], []),
        ("/foo/bar?baz=http%3A%2F%2Ffoo.bar", ["/foo/bar?baz=http://foo.bar"], ["/foo/bar?baz=http:foo.bar"]),
        ("/*url=http%3A%2F%2F", ["/go?url=http%3a%2f%2fx", "/go?url=http://x", "/url=http%3A%2F%2F"], []),
        ("/*?*id=", ["/a?id=1", "/a?b=c&id=2", "/?x?id="], ["/id=", "/a?i=1"]),
        ("/a%", ["/a%", "/a%25b"], ["/a"]),
        ("private", [], ["/private"]),
        ("$", [], ["/"]),
    ],
)
def test_what_a_pattern_matches(pattern: str, matching: list[str], others: list[str]) -> None:
    for path in matching:
        assert any(read.matches(path_of(SITE + path)) for read in read_patterns(pattern)), path
        assert not allowed(f"User-agent: *\nDisallow: {pattern}", path), path
    for path in others:
        assert not any(read.matches(path_of(SITE + path)) for read in read_patterns(pattern)), path
        assert allowed(f"User-agent: *\nDisallow: {pattern}", path), path


@pytest.mark.parametrize(
    ("rules", "path", "is_allowed"),
    [
        ("Allow: /p\nDisallow: /", "/page", True),
        ("Allow: /folder\nDisallow: /folder", "/folder/page", True),
        ("Disallow: /folder\nAllow: /folder", "/folder/page", True),
        ("Allow: /page\nDisallow: /*.htm", "/page.htm", False),
        ("Allow: /page\nDisallow: /*.ph", "/page.php5", True),
        ("Allow: /$\nDisallow: /", "/", True),
        ("Allow: /$\nDisallow: /", "/page.htm", False),
        ("Disallow: /a/b\nAllow: /a/*", "/a/b", True),
        ("Allow: /x/index.html\nDisallow: /x", "/x/", True),
        ("Disallow:\nAllow: /", "/x", True),
        ("Disallow: /", "/robots.txt", True),
        ("Disallow: /*/c\nAllow: /a/b", "/a/b/c", True),
        ("Disallow: /*/b/\nAllow: /a/b", "/a/b/c", False),
    ],
)
def test_the_longest_decides_and_allow_before_disallow(rules: str, path: str, is_allowed: bool) -> None:
    assert allowed(f"User-agent: *\n{rules}\n", path) == is_allowed


@pytest.mark.parametrize(
    ("text", "is_allowed"),
    [
        ("User-agent: weft\nDisallow: /x\nUser-agent: *\nDisallow:\n", False),
        ("User-agent: *\nDisallow: /x\nUser-agent: weft\nAllow: /\n", True),
        ("User-agent: *\nDisallow: /x\nUser-agent: weft\n", True),
        ("User-agent: other\nUser-agent: WEFT\n\n\nDisallow: /x\n", False),
        ("User-agent: Weft/1.0 (+https://a.example)\nDisallow: /x\n", False),
        ("User-agent: weft\nDisallow: /a\nUser-agent: other\nAllow: /\nUser-agent: weft\nDisallow: /x\n", False),
        ("User-agent: weft-images\nDisallow: /x\n", True),
        ("User-agent: we\nDisallow: /x\n", True),
        ("Disallow: /x\nUser-agent: *\nDisallow: /y", True),
        ("\ufeffUser-agent: *\nDisallow: /x", False),
        ("User-agent: *\rDisallow: /x\r", False),
        ("User-agent: *\r\nDisallow: /x # all\r\n", False),
        ("user agent *\ndisallow /x", False),
        ("User-agent: *\nDissallow : /x", False),
        ("User-agent: *\nSitemap: http://a.example/s.xml\nDisallow: /x", False),
        ("User-agent: a\nSitemap: http://a.example/s.xml\nUser-agent: weft\nDisallow: /x", False),
        ("User-agent: weft\nNoindex: /y\nUser-agent: other\nDisallow: /x", False),
        ("User-agent: weft\nCrawl-delay: 2\nUser-agent: *\nDisallow: /x", False),
        ("User-agent: weft\nCrawl-delay: 2\nUser-agent: other\nDisallow: /x", False),
        ("User-agent: weft\nDisallow:\nUser-agent: *\nDisallow: /x", True),
        ("User-agent: weft/0.1.0\nDisallow: /x", False),
        ("User-agent: weft crawler\nDisallow: /x", False),
        ("User-agent: GPTBot, weft, CCBot\nDisallow: /x", False),
        ("User-agent: GPTBot,weft/2\nDisallow: /x", False),
        ("User-agent: GPTBot, *\nDisallow: /x", False),
        ("User-agent: weft*\nDisallow: /x", False),
        ("User-agent: Mozilla/5.0 (compatible; weft/0.1.0; +http://x)\nDisallow: /x", False),
        ("User-agent: *\nDisallow: /x\nUser-agent: not weft\nAllow: /x", False),
        ("User-agent: *\nDisallow: /x\nUser-agent: GPTBot, weft\nAllow: /x", True),
        ("User-agent: wefter, my-weft, weft-x\nDisallow: /x", True),
        ("User-agent: w\nDisallow: /x", True),
        ("User-agent: * \nDisallow: /x", False),
        ("User-agent:\nDisallow: /x", True),
    ],
)
def test_which_group_speaks_to_us(text: str, is_allowed: bool) -> None:
    assert allowed(text, "/x") == is_allowed


@pytest.mark.parametrize(
    ("text", "licences"),
    [
        ("License: /all\nUser-agent: *\nAllow: /", ["/all"]),
        ("License: /all\nUser-agent: *\nAllow: /\nLicense: /group", ["/group"]),
        ("User-agent: weft\nLicense: /ours\nAllow: /\n\nUser-agent: *\nAllow: /\nLicense: /theirs", ["/ours"]),
        ("License: /all\nUser-agent: Other\nAllow: /\nLicense: /theirs\nUser-agent: *\nAllow: /", ["/all"]),
        ("User-agent: *\nAllow: /\nUser-agent: Other\nLicense: /theirs\nDisallow: /", []),
        ("User-agent: *\nLicense: /1\nLicense: /2\nAllow: /", ["/1", "/2"]),
        # Behind an empty line it stands outside of the group, as sitemaps do.
        ("User-agent: Other\nDisallow: /\n\nLicense: /all", ["/all"]),
        ("User-agent: *\nAllow: /\n\n# terms\nLicense: /all", ["/all"]),
        ("User-agent: *\n\nLicense: /group\nAllow: /", ["/group"]),
    ],
)
def test_a_licence_is_of_the_group_it_stands_in_or_of_all_crawlers(text: str, licences: list[str]) -> None:
    assert Robots(text, "weft").licences == licences


def test_sitemaps_stand_anywhere() -> None:
    text = "Sitemap: http://a.example/1.xml\nUser-agent: *\nSitemap http://a.example/2.xml\nDisallow: /\nsitemap:\n"
    assert Robots(text, "weft").sitemaps == ["http://a.example/1.xml", "http://a.example/2.xml"]


@pytest.mark.parametrize(
    ("line", "delay_s"),
    [
        ("Crawl-delay: 2.5", 2.5),
        ("Crawl delay 3", 3.0),
        ("Crawl-delay: .5", 0.5),
        ("Crawl-delay: 10s", 10.0),
        ("Crawl-delay: 10 Seconds", 10.0),
        ("Crawl-delay: 1,5", 1.5),
        ("Crawl-delay: 2 min", 120.0),
        ("Crawl-delay: 500ms", 0.0),
        ("Crawl-delay: 5\nCrawl-delay: 2", 5.0),
        ("Crawl-delay: 1e999", 0.0),
        (f"Crawl-delay: {'9' * 5000}", 0.0),
        ("Request-rate: 1/10s 0600-0845", 10.0),
        ("Request-rate: 2/1m", 30.0),
        ("Request-rate: 0/5", 0.0),
        (f"Request-rate: 1/{'9' * 5000}", 999_999_999.0),
        ("Request-rate: x", 0.0),
    ],
)
def test_the_delay(line: str, delay_s: float) -> None:
    assert Robots(f"User-agent: *\n{line}", "weft").delay_s == delay_s


def _text(choose: random.Random) -> str:
    lines = []
    for _ in range(choose.randrange(1, 12)):
        agents = choose.choices(["*", "weft", "Weft", "other", "Googlebot"], k=choose.randrange(1, 3))
        lines += [f"User-agent: {agent}" for agent in agents]
        for _ in range(choose.randrange(1, 6)):
            path = (
                "".join(choose.choices(["a", "b", "/", "%61", "é", "*", "~", "="], k=4))
                .replace("**", "*")
                .replace("**", "*")
            )
            lines.append(
                choose.choice(["Allow: /", "Disallow: /", "disallow:/"]) + path + choose.choice(["", "", "", "$"])
            )
        lines += choose.choice([[], [""], ["# a comment"], ["Crawl-delay: 1"]])
    return choose.choice(["\n", "\r\n", "\r"]).join(lines)


def test_verdicts_are_those_of_protego() -> None:
    """Where both count alike: to Protego a `?` in a rule is three characters long, and `**` is longer than `*`."""
    choose, differing = random.Random(5), []
    for _ in range(3000):
        text = _text(choose)
        theirs, ours = Protego.parse(text), Robots(text, "weft")
        for _ in range(5):
            path = "/" + "".join(
                choose.choice(["a", "b", "/", "%61", "é", "%C3%A9", "~", "x", "?", "="]) for _ in range(5)
            )
            if theirs.can_fetch(SITE + path, "weft") != ours.may_visit(SITE + path):
                differing.append((text, path))
    assert not differing, (len(differing), differing[0])


@given(st.text(st.sampled_from("ab*$%/?"), max_size=12), st.text(st.sampled_from("ab/?"), max_size=12))
def test_a_pattern_matches_what_trying_every_way_would(pattern: str, path: str) -> None:
    def tried(pattern: str, path: str) -> bool:
        if not pattern:
            return True
        if pattern == "$":
            return not path
        if pattern[0] == "*":
            return any(tried(pattern[1:], path[at:]) for at in range(len(path) + 1))
        return bool(path) and encoded(pattern[0]) == encoded(path[0]) and tried(pattern[1:], path[1:])

    if "%" not in pattern and "$" not in pattern[:-1]:
        whole = f"/{path}"
        assert any(read.matches(path_of(SITE + whole)) for read in read_patterns(pattern)) == tried(pattern, whole)


@given(st.text(), st.text())
def test_no_text_breaks_the_reader(text: str, path: str) -> None:
    for whole in (text, f"User-agent: *\nDisallow: {text}\nAllow: {text}*\nCrawl-delay: {text}\nRequest-rate: {text}"):
        robots = Robots(whole, "weft")
        robots.may_visit(f"{SITE}/{path}")
        robots.may_visit(path)
        assert robots.delay_s >= 0


def _cost_s(number: int, length: int, rule: str) -> float:
    rules = PathRules([("disallow", rule.format(n=n)) for n in range(number)])
    path = "/" + "a" * length
    began = time.process_time()
    for _ in range(3):
        rules.allow(path)
    return time.process_time() - began


@pytest.mark.parametrize("rule", ["/*a*a*a*a*a*a*ab{n}", "/*aaaaaaab{n}$", "/" + "a" * 50 + "{n}", "/*{n}*a*b$"])
def test_cost_grows_no_faster_than_rules_and_address(rule: str) -> None:
    """20,000 rules and an address of 2,000 characters take a fraction of a second; by trying, they would for ever."""
    assert _cost_s(20_000, 2_000, rule) < 3.0
    assert _cost_s(10, 200_000, rule) < 3.0


@pytest.mark.parametrize(
    "text",
    ["\n" * (1 << 20), "User-agent: *\n" * 70_000, "User-agent: *\n" + "Disallow: /%\n" * 80_000,
     "User-agent: *\nDisallow: /" + "*a" * 500_000, "User-agent: *\nDisallow: /" + "%" * 1_000_000, "a" * (1 << 20),
     "a " * (1 << 19), ": " * (1 << 19), "#" * (1 << 20)],
    ids=["empty lines", "agents", "rules", "stars", "percents", "a word", "words", "colons", "a comment"],
)  # fmt: skip
def test_a_megabyte_is_read_in_a_moment(text: str) -> None:
    began = time.process_time()
    Robots(text, "weft").may_visit(f"{SITE}/{'a' * 2000}")
    assert time.process_time() - began < 10.0


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "latin-1"])
def test_any_encoding(encoding: str) -> None:
    body = "# \u00fcber\r\nUser-agent: weft\r\nDisallow: /x\r\n".encode(encoding)
    bodies = [body, codecs.BOM_UTF16_BE + body] if encoding == "utf-16-be" else [body]
    assert [allowed(read_rules(body), "/x") for body in bodies] == [False] * len(bodies)
