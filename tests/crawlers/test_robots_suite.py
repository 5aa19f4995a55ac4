"""What google/robotstxt expects of a reader, in our own words: files, and what each agent may and may not visit."""

import pytest

from crawlers.robots import Robots

_GROUPS = (
    "allow: /foo/bar/;;user-agent: FooBot;disallow: /;allow: /x/;user-agent: BarBot;disallow: /;allow: /y/;;;"
    "allow: /w/;user-agent: BazBot;;user-agent: FooBot;allow: /z/;disallow: /"
)
_FISH = "/fish /fish.html /fish/salmon.html /fishheads /fishheads/yummy.html /fish.html?id=anything"
_NO_FISH = "/bar /Fish.asp /catfish /?id=fish"
_TO_FOO = "user-agent: FooBot;"
_ALL_BUT = f"{_TO_FOO}disallow: /;allow: "
# Lines, divided by semicolons; the agent; paths that it may visit; paths that it may not.
_CASES = [
    ("", "foobot", "/", ""),
    (f"{_TO_FOO}disallow: /", "foobot", "", "/x/y /"),
    ("foo: FooBot;bar: /", "foobot", "/x/y", ""),
    ("user-agent FooBot;disallow /", "foobot", "", "/x/y"),
    (_GROUPS, "foobot", "/x/b /z/d", "/y/c /foo/bar/"),
    (_GROUPS, "barbot", "/y/c /w/a", "/z/d /foo/bar/"),
    (_GROUPS, "bazbot", "/z/d", "/foo/bar/"),
    *((f"{a}: FooBot;{b}: /x/;{c}: /", "foobot", "/x/y", "/a/b") for a, b, c in (
        ("USER-AGENT", "ALLOW", "DISALLOW"), ("user-agent", "allow", "disallow"), ("uSeR-aGeNt", "AlLoW", "dIsAlLoW"),
    )),
    *((f"User-Agent: {name};Allow: /x/;Disallow: /", "foo", "/x/y", "/a/b") for name in
     ("FOO BAR", "foo bar", "FoO bAr")),
    ("User-Agent: *;Disallow: /;User-Agent: Foo Bar;Allow: /x/;Disallow: /", "foo", "/x/y", ""),
    ("user-agent: *;allow: /;user-agent: FooBot;disallow: /", "foobot", "", "/x/y"),
    ("user-agent: *;allow: /;user-agent: FooBot;disallow: /", "barbot", "/x/y", ""),
    (f"{_TO_FOO}allow: /;user-agent: BarBot;disallow: /;user-agent: BazBot;disallow: /", "quxbot", "/x/y", ""),
    (f"{_TO_FOO}disallow: /x/", "foobot", "", "/x/y"),
    (f"{_TO_FOO}disallow: /X/", "foobot", "/x/y", ""),
    (f"{_TO_FOO}disallow: /x/page.html;allow: /x/", "foobot", "", "/x/page.html"),
    (f"{_TO_FOO}allow: /x/page.html;disallow: /x/", "foobot", "/x/page.html", "/x/"),
    (f"{_TO_FOO}disallow: ;allow: ", "foobot", "/x/page.html", ""),
    (f"{_TO_FOO}disallow: /;allow: /", "foobot", "/x/page.html", ""),
    (f"{_TO_FOO}disallow: /x;allow: /x/", "foobot", "/x/", "/x"),
    (f"{_TO_FOO}disallow: /x/page.html;allow: /x/page.html", "foobot", "/x/page.html", ""),
    (f"{_TO_FOO}allow: /page;disallow: /*.html", "foobot", "/page", "/page.html"),
    (f"{_TO_FOO}allow: /x/page.;disallow: /*.html", "foobot", "/x/page.html", "/x/y.html"),
    (f"User-agent: *;Disallow: /x/;{_TO_FOO}Disallow: /y/", "foobot", "/x/page", "/y/page"),
    (f"{_ALL_BUT}/foo/bar?qux=taz&baz=http://foo.bar?tar&par", "foobot",
     "/foo/bar?qux=taz&baz=http://foo.bar?tar&par", ""),
    (f"{_ALL_BUT}/foo/bar/ツ", "foobot", "/foo/bar/%E3%83%84", ""),
    (f"{_ALL_BUT}/foo/bar/%E3%83%84", "foobot", "/foo/bar/%E3%83%84", ""),
    (f"{_ALL_BUT}/foo/bar/%62%61%7A", "foobot", "/foo/bar/%62%61%7A", ""),
    (f"{_TO_FOO}Disallow: /foo/bar/quz;Allow: /foo/*/qux", "foobot", "/foo/quz /foo//quz /foo/bax/quz", "/foo/bar/quz"),
    (f"{_TO_FOO}Disallow: /foo/bar$;Allow: /foo/bar/qux", "foobot", "/foo/bar/qux /foo/bar/ /foo/bar/baz", "/foo/bar"),
    (f"{_TO_FOO}# Disallow: /;Disallow: /foo/quz#qux;Allow: /", "foobot", "/foo/bar", "/foo/quz"),
    ("User-Agent: *;Allow: /allowed-slash/index.html;Disallow: /", "foobot",
     "/allowed-slash/ /allowed-slash/index.html",
     "/allowed-slash/index.htm /anyother-url"),
    (f"{_ALL_BUT}/fish", "foobot", _FISH, _NO_FISH),
    (f"{_ALL_BUT}/fish*", "foobot", _FISH, _NO_FISH),
    (f"{_ALL_BUT}/fish/", "foobot", "/fish/ /fish/salmon /fish/?salmon /fish/salmon.html /fish/?id=anything",
     "/bar /fish /fish.html /Fish/Salmon.html"),
    (f"{_ALL_BUT}/*.php", "foobot", "/filename.php /folder/filename.php /folder/filename.php?parameters "
     "//folder/any.php.file.html /filename.php/ /index?f=filename.php/", "/bar /php/ /index?php /windows.PHP"),
    (f"{_ALL_BUT}/*.php$", "foobot",
     "/filename.php /folder/filename.php", "/bar /filename.php?parameters /filename.php/ "
     "/filename.php5 /php/ /filename?php /aaaphpaaa //windows.PHP"),
    (f"{_ALL_BUT}/fish*.php", "foobot", "/fish.php /fishheads/catfish.php?parameters", "/bar /Fish.PHP"),
    (f"{_TO_FOO}allow: /p;disallow: /", "foobot", "/page", ""),
    (f"{_TO_FOO}allow: /folder;disallow: /folder", "foobot", "/folder/page", ""),
    (f"{_TO_FOO}allow: /page;disallow: /*.htm", "foobot", "", "/page.htm"),
    (f"{_TO_FOO}allow: /$;disallow: /", "foobot", "/", "/page.html"),
]  # fmt: skip
# What it expects and we do not do: a rule `%62%61%7A` is `baz` to us, and `ツ` in an address is `%E3%83%84`, as RFC
# 9309 (2.2.2) has it; a line of more than 16,664 bytes is read whole. What has no counterpart here: an empty
# name or address of the crawler, what a valid name is, and the numbers of lines.
_OTHERWISE = [
    (f"{_ALL_BUT}/foo/bar/ツ", "/foo/bar/ツ"),
    (f"{_ALL_BUT}/foo/bar/%E3%83%84", "/foo/bar/ツ"),
    (f"{_ALL_BUT}/foo/bar/%62%61%7A", "/foo/bar/baz"),
]


@pytest.mark.parametrize(("lines", "agent", "allowed", "forbidden"), _CASES)
@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
def test_as_google_reads_it(lines: str, agent: str, allowed: str, forbidden: str, end: str) -> None:
    robots = Robots(lines.replace(";", end) + end, agent)
    assert [path for path in allowed.split() if not robots.may_visit(f"http://foo.bar{path}")] == []
    assert [path for path in forbidden.split() if robots.may_visit(f"http://foo.bar{path}")] == []


@pytest.mark.parametrize(("lines", "path"), _OTHERWISE)
def test_what_is_the_same_address_has_the_same_verdict(lines: str, path: str) -> None:
    assert Robots(lines.replace(";", "\n"), "foobot").may_visit(f"http://foo.bar{path}")
