import subprocess
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crawlers.crawl_config import CrawlConfig
from crawlers.scope import ScopeSettings, check_trap, crawl_url, in_scope, is_wanted, partition_of, shape_limit
from schemas.drops import Drop
from schemas.settings import SettingsError, load_settings

RULES = ScopeSettings()


@pytest.mark.parametrize(
    ("url", "visited"),
    [
        ("http://a.example/x;jsessionid=0A1B2C?p=1", "http://a.example/x?p=1"),
        ("http://a.example/x?PHPSESSID=abc&p=1", "http://a.example/x?p=1"),
        ("http://a.example/(S(lit3py55t21z5v55vlm25s55))/x", "http://a.example/x"),
        ("http://a.example/x?utm_source=n&b=2&a=1", "http://a.example/x?b=2&a=1"),
        ("http://a.example/x?b=2&a=%C3%A4+c", "http://a.example/x?b=2&a=%C3%A4+c"),
        ("http://a.example", "http://a.example/"),
        ("http://a.example/side?sidebar=1", "http://a.example/side?sidebar=1"),
    ],
)
def test_the_address_that_is_visited(url: str, visited: str) -> None:
    assert crawl_url(url) == visited
    assert crawl_url(visited) == visited


@pytest.mark.parametrize(
    "path",
    [
        "/a/b/c/" * 10,
        "/x/" + "y" * 3000,
        "/go/go/go/go/",
        "/a/b/a/b/a/b/a/b",
        "/?" + "&".join(f"p{n}=1" for n in range(20)),
    ],
)
def test_addresses_that_only_a_trap_makes(path: str) -> None:
    with pytest.raises(Drop, match="trap"):
        check_trap(f"http://a.example{path}", RULES)


@pytest.mark.parametrize("path", ["/", "/2024/05/17/a-title", "/en/docs/en/api", "/1/1/1/1/1", "/a?b=1&c=2"])
def test_addresses_of_ordinary_sites(path: str) -> None:
    check_trap(f"http://a.example{path}", RULES)


@pytest.mark.parametrize(
    ("url", "limit"),
    [
        ("http://a.example/calendar/2024/05", 100),
        ("http://a.example/x?month=5", 100),
        ("http://a.example/events/2024-05-01", 100),
        ("http://a.example/item?id=17", 5000),
        ("http://a.example/2024/05/17/title", 0),
        ("http://a.example/update/4", 0),
    ],
)
def test_how_many_of_one_form_a_host_may_have(url: str, limit: int) -> None:
    assert shape_limit(url, RULES)[1] == limit


@pytest.mark.parametrize(
    ("follow", "same_host", "same_domain", "elsewhere"),
    [("host", True, False, False), ("domain", True, True, False), ("any", True, True, True)],
)
def test_what_belongs_to_a_crawl(follow: str, same_host: bool, same_domain: bool, elsewhere: bool) -> None:
    settings = ScopeSettings(follow=follow)  # type: ignore[arg-type]
    for url, expected in (
        ("http://x.a.com/2", same_host), ("http://y.a.com/", same_domain), ("http://b.com/", elsewhere)
    ):  # fmt: skip
        assert in_scope(url, "http://x.a.com/1", settings) is expected


def test_patterns() -> None:
    settings = ScopeSettings(include=(r"/docs/",), exclude=(r"\.bak$",))
    assert is_wanted("http://a.example/docs/x", True, settings)
    assert not is_wanted("http://a.example/blog/x", True, settings)
    assert is_wanted("http://a.example/blog/x.png", False, settings)
    assert not is_wanted("http://a.example/docs/x.bak", True, settings)


@given(st.sampled_from(["www.a.co.uk", "a.co.uk", "img.a.co.uk:8080"]), st.integers(1, 64))
def test_all_hosts_of_a_domain_are_in_one_partition(host: str, partitions: int) -> None:
    assert partition_of(f"http://{host}/x", partitions) == partition_of("https://a.co.uk/", partitions)


@pytest.mark.parametrize("pattern", ["(a+)+$", "(a|a)+$", "a*a*a*a*a*a*a*a*b$", "(?:a?){30}a{30}$"])
def test_no_pattern_of_the_user_takes_long_on_an_address(pattern: str) -> None:
    program = f"""
from crawlers.scope import ScopeSettings, is_wanted
settings = ScopeSettings(exclude=({pattern!r},))
assert is_wanted("http://x.example/" + "a" * 2000 + "!", True, settings)
"""
    subprocess.run([sys.executable, "-c", program], timeout=20, check=True)


@pytest.mark.parametrize("pattern", ["(?!a)b", r"(a)\1", "(", "a{2000}", "[", "*"])
@pytest.mark.parametrize("name", ["include", "exclude"])
def test_a_pattern_that_cannot_be_taken_is_refused_in_one_line(pattern: str, name: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_settings(CrawlConfig, overrides=[f"scope.{name}=['{pattern}']"])
    assert pattern in str(caught.value)
    assert str(caught.value).startswith("scope: ")
    assert "\n" not in str(caught.value)


def test_no_address_breaks_a_pattern() -> None:
    settings = ScopeSettings(include=("ä", "."))
    assert is_wanted("http://a.example/\ud800ä", True, settings)
    assert is_wanted("http://a.example/\0", True, settings)
