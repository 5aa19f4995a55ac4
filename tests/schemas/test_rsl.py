"""Really Simple Licensing 1.0, clause by clause."""

import time

import pytest

from schemas.rsl import MAX_RSL_BYTES, read_rsl, verdict_on

BASE = "https://a.example/licence.xml"
PAGE = "https://a.example/news/1"


def verdict(licences: str, url: str = "/", page: str = PAGE, attributes: str = "") -> str:
    document = f'<rsl xmlns="https://rslstandard.org/rsl"><content url="{url}"{attributes}>{licences}</content></rsl>'
    return verdict_on(read_rsl(document.encode(), BASE), page)


@pytest.mark.parametrize("usage", ["ai-train", "ai-all", "all", "search, ai-train", "search ai-train", " AI-Train\n"])
def test_a_prohibited_usage_refuses(usage: str) -> None:
    assert verdict(f'<license><prohibits type="usage">{usage}</prohibits></license>') == "no"


@pytest.mark.parametrize("usage", ["search", "search ai-input", "ai-index", ""])
def test_permits_for_other_usages_only_refuse(usage: str) -> None:
    assert verdict(f'<license><permits type="usage">{usage}</permits></license>') == "no"


@pytest.mark.parametrize("usage", ["ai-train", "train-ai", "ai-all", "all", "search,ai-train"])
def test_a_permitted_usage_is_a_yes(usage: str) -> None:
    assert verdict(f'<license><permits type="usage">{usage}</permits></license>') == "yes"


def test_a_prohibition_wins_over_a_permission_of_the_same() -> None:
    both = '<permits type="usage">ai-train</permits><prohibits type="usage">ai-train</prohibits>'
    assert verdict(f"<license>{both}</license>") == "no"
    assert verdict(f"<license>{both.replace('><pro', '></license><license><pro')}</license>") == "no"


def test_prohibiting_other_usages_leaves_training_permitted() -> None:
    assert verdict('<license><prohibits type="usage">search</prohibits></license>') == "yes"


@pytest.mark.parametrize(
    ("payment", "expected"),
    [("free", "yes"), ("attribution", "yes"), ("subscription", "conditional"), ("training", "conditional")],
)
def test_what_must_be_paid_for_is_conditional(payment: str, expected: str) -> None:
    permits = '<permits type="usage">ai-train</permits>'
    assert verdict(f'<license>{permits}<payment type="{payment}"/></license>') == expected


@pytest.mark.parametrize(
    ("payments", "expected"),
    [
        ("<payment><standard>https://collective.example/licence</standard></payment>", "conditional"),
        ('<payment type="free"/><payment type="use"/>', "conditional"), ("", "yes"),
        ('<payment type="attribution"><standard>https://a.example/by</standard></payment>', "yes"),
    ],
)  # fmt: skip
def test_without_a_payment_it_is_free_and_every_payment_there_is_must_be_met(payments: str, expected: str) -> None:
    assert verdict(f'<license><permits type="usage">ai-train</permits>{payments}</license>') == expected


def test_a_duty_to_report_that_nobody_here_can_meet_is_a_condition() -> None:
    report = '<reporting type="telemetry" profile="https://a.example/profile"/>'
    assert verdict(f'<license><permits type="usage">ai-train</permits>{report}</license>') == "conditional"
    assert verdict(f'<license><prohibits type="usage">ai-train</prohibits>{report}</license>') == "no"


@pytest.mark.parametrize("kind", ["user", "geo"])
def test_a_permission_for_some_people_or_places_is_conditional(kind: str) -> None:
    assert verdict(f'<license><permits type="{kind}">education</permits></license>') == "conditional"


def test_an_asset_with_a_licence_server_needs_a_licence_of_it() -> None:
    permits = '<license><permits type="usage">all</permits></license>'
    assert verdict(permits, attributes=' server="https://licences.example"') == "conditional"


def test_of_alternatives_the_best_counts() -> None:
    search = '<license><permits type="usage">search</permits></license>'
    train = '<license><permits type="usage">ai-train</permits></license>'
    assert verdict(search + train) == verdict(train + search) == "yes"


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("/", True), ("/news/", True), ("/news/*", True), ("/*$", True), ("/news/1$", True), ("/sport/", False),
        ("/news$", False), ("https://a.example/", True), ("https://a.example/news/*", True),
        ("https://a.example", True),
        ("https://b.example/", False), ("", False),
    ],
)  # fmt: skip
def test_patterns_are_those_of_robots_txt_or_whole_addresses(url: str, covered: bool) -> None:
    prohibits = '<license><prohibits type="usage">ai-train</prohibits></license>'
    assert (verdict(prohibits, url) == "no") is covered


def test_the_longest_pattern_decides_and_of_equal_ones_the_most_restrictive() -> None:
    free = '<license><permits type="usage">all</permits></license>'
    none = '<license><prohibits type="usage">all</prohibits></license>'

    def of(*contents: tuple[str, str]) -> str:
        parts = "".join(f'<content url="{url}">{licence}</content>' for url, licence in contents)
        return verdict_on(read_rsl(f"<rsl>{parts}</rsl>".encode(), BASE), PAGE)

    assert of(("/", none), ("/news/", free)) == "yes"
    assert of(("/news/", free), ("/", none)) == "yes"
    assert of(("/", free), ("/news/", none)) == "no"
    assert of(("/news/", free), ("/news/", none)) == of(("/news/", none), ("/news/", free)) == "no"


def test_terms_in_a_feed_are_read() -> None:
    feed = (
        '<rss xmlns:rsl="https://rslstandard.org/rsl"><channel><item><rsl:content url="/news/1"><rsl:license>'
        '<rsl:prohibits type="usage">ai-train</rsl:prohibits></rsl:license></rsl:content></item></channel></rss>'
    )
    assert verdict_on(read_rsl(feed.encode(), BASE), PAGE) == "no"


def test_a_content_without_licences_says_nothing() -> None:
    assert verdict("") == "unknown"


BOMB = (
    b'<!DOCTYPE rsl [<!ENTITY a "ai-train"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]><rsl><content url="/"><license>'
    b'<prohibits type="usage">&b;</prohibits></license></content></rsl>'
)


@pytest.mark.parametrize(
    "document",
    [
        b"", b"<html></html>", b"User-agent: *", b"<rsl><content url='/'><license><prohibits>ai-train", BOMB,
        b"\0<rsl/>",
        b"<?xml version='1.0' encoding='nonsense'?><rsl/>", b"<rsl>" * 5000, b" " * (MAX_RSL_BYTES + 1),
        b'<!DOCTYPE rsl SYSTEM "file:///etc/passwd"><rsl/>',
    ],
)  # fmt: skip
def test_what_is_no_licence_is_none(document: bytes) -> None:
    assert read_rsl(document, BASE) == ()


def test_no_document_takes_long() -> None:
    piece = b'<content url="/*a*a*a*a"><license><prohibits type="usage">x</prohibits></license></content>'
    document = b"<rsl>" + piece * (MAX_RSL_BYTES // len(piece) - 2) + b"</rsl>"
    began = time.process_time()
    verdict_on(read_rsl(document, BASE), "https://a.example/" + "a" * 2000)
    assert time.process_time() - began < 2
