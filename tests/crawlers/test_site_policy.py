import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlers.robots import Robots
from crawlers.site_policy import SitePolicy, read_rules, read_tdmrep
from schemas.drops import Drop


def test_while_robots_txt_is_unknown_nothing_may_be_fetched() -> None:
    with pytest.raises(Drop, match="robots_unavailable"):
        SitePolicy(robots=None).check("http://a.example/")


@pytest.mark.parametrize(
    ("text", "delay_s"),
    [
        ("User-agent: *\nCrawl-delay: 2.5\n", 2.5),
        ("User-agent: *\nRequest-rate: 1/10\n", 10.0),
        ("User-agent: weft\nCrawl-delay: 7\n\nUser-agent: *\nCrawl-delay: 1\n", 7.0),
        ("User-agent: other\nCrawl-delay: 7\n", 0.0),
        ("User-agent: *\nCrawl-delay: soon\n", 0.0),
        ("User-agent: *\nCrawl-delay: -3\n", 0.0),
        ("User-agent: *\nCrawl-delay: nan\n", 0.0),
        ("User-agent: *\nCrawl-delay: inf\n", 0.0),
        ("", 0.0),
    ],
)
def test_the_delay_that_a_site_asks_for(text: str, delay_s: float) -> None:
    assert SitePolicy(robots=text).delay_s == delay_s


def test_an_error_page_is_no_rules() -> None:
    assert Robots(read_rules(b"<html><p>Page not found: /robots.txt</html>"), "weft").may_visit("http://a.example/")
    assert read_rules(b"\xef\xbb\xbfUser-agent: *\n") == "User-agent: *\n"


def test_of_a_file_that_is_cut_what_is_whole_counts() -> None:
    for encoding in ("utf-8", "utf-16"):
        assert read_rules("Disallow: /a\r\nDisallow: /b".encode(encoding), is_cut=True) == "Disallow: /a\r\n"
    entry = b'{"location": "/a", "tdm-reservation": 1}'
    for rest in (b"", b",", b',{"location": "/'):
        assert [rule.location for rule in read_tdmrep(b"[" + entry + rest, is_cut=True)] == ["/a"]
    assert read_tdmrep(b"[", is_cut=True) == ()


@pytest.mark.parametrize(
    ("path", "signals"),
    [
        ("/", ("0", "p")),
        ("/closed/a", ("1", "")),
        ("/closedness", ("0", "p")),
        ("/a.pdf", ("1", "q")),
        ("/a.pdf?x", ("0", "p")),
        ("/open/closed/", ("0", "p")),
    ],
)
def test_tdmrep_locations_match_as_robots_paths_do(path: str, signals: tuple[str, str]) -> None:
    body = b"""[{"location": "/", "tdm-reservation": 0, "tdm-policy": "p"},
               {"location": "/closed/", "tdm-reservation": 1},
               {"location": "/*.pdf$", "tdm-reservation": "1", "tdm-policy": "q"}]"""
    assert SitePolicy(tdm=read_tdmrep(body)).tdm_signals(f"http://a.example{path}") == signals


@pytest.mark.parametrize("location", ["/*a*a*a*a*a*a*ab", "/" + "*a" * 500 + "$", "/*" + "a*" * 60 + "b$"])
def test_no_pattern_takes_long_on_an_address_that_nearly_fits(location: str) -> None:
    body = f'[{{"location": "{location}", "tdm-reservation": 1}}]'.encode()
    rules = f"User-agent: *\nDisallow: {location}\n"
    program = f"""
from crawlers.robots import Robots
from crawlers.site_policy import SitePolicy, read_tdmrep
policy = SitePolicy({rules!r}, {rules!r}, read_tdmrep({body!r}))
for length in (60, 300, 2000):
    policy.check("http://a.example/" + "a" * length + "/c")
    print(policy.tdm_signals("http://a.example/" + "a" * length + "/c"))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=True)
    assert done.stdout == "('', '')\n" * 3


@pytest.mark.parametrize(
    "body",
    [b"", b"<html>", b"{}", b"[1, null, {}]", b'[{"location": 3, "tdm-reservation": 1}]', b"[" * 100_000, b"\xff"],
)
def test_what_is_no_tdmrep_says_nothing(body: bytes) -> None:
    assert read_tdmrep(body) == ()


@given(st.binary(max_size=300))
def test_no_bytes_break_the_readers(body: bytes) -> None:
    policy = SitePolicy(read_rules(body), read_rules(body), read_tdmrep(body))
    assert policy.delay_s >= 0
    policy.tdm_signals("http://a.example/x")
    try:
        policy.check("http://a.example/x")
    except Drop as drop:
        assert drop.reason == "robots"  # noqa: PT017
