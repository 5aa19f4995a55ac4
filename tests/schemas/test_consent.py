import pytest

from schemas.consent import ConsentSettings, merge_consent, read_consent, refusal
from schemas.documents import Consent

RULES = ConsentSettings()


def test_directives_are_read_in_any_case_and_each_once() -> None:
    assert read_consent(["NoIndex, noai", "noai,NOFOLLOW"]).robots == ("noindex", "noai", "nofollow")


@pytest.mark.parametrize("value", ["noindex;nofollow", "NOINDEX; nofollow", "noindex ;nofollow,", "noindex nofollow"])
def test_directives_stand_apart_by_whatever_sites_write(value: str) -> None:
    assert read_consent([value]).robots == ("noindex", "nofollow")


def test_nothing_said_is_no_signal() -> None:
    assert read_consent([]) == read_consent([""]) == read_consent([" , "]) == Consent()


@pytest.mark.parametrize(
    ("value", "directives"),
    [
        ("googlebot: noindex, noai", ()),
        ("GPTBot:noai", ()),
        ("some-bot_2.0: none", ()),
        ("weft: noai", ("noai",)),
        ("Weft : noindex, nofollow", ("noindex", "nofollow")),
        ("googlebot: nofollow, weft: noai", ("noai",)),
        ("BadBot: noindex, nofollow, ai: noai, max-snippet: -1, googlebot: none", ("noai", "max-snippet:-1")),
        ("noai, googlebot: noindex", ("noai",)),
    ],
)
def test_directives_addressed_to_another_bot_say_nothing_to_us(value: str, directives: tuple[str, ...]) -> None:
    assert read_consent([value]).robots == directives


def test_a_header_for_another_bot_does_not_hide_the_next_header() -> None:
    assert read_consent(["googlebot: noindex", "noai"]).robots == ("noai",)


@pytest.mark.parametrize(
    "value",
    ["max-snippet:-1, noai", "unavailable_after: 25 Jun 2010 15:00:00 PST, noai", "noai, max-image-preview:large"],
)
def test_a_directive_with_a_value_is_not_taken_for_a_bot(value: str) -> None:
    assert "noai" in read_consent([value]).robots


@pytest.mark.parametrize(
    ("value", "reserved"),
    [("1", True), (" 1 ", True), ("0", False), ("", None), ("yes", None), ("2", None), ("1, 1", True), ("0, 1", True)],
)
def test_a_reservation_is_1_or_0_and_all_else_says_nothing(value: str, reserved: bool | None) -> None:
    assert read_consent([], value).tdm_reservation is reserved


def test_a_policy_is_kept_as_it_was_written() -> None:
    assert read_consent([], "1", " https://a.org/Policy.json ").tdm_policy == "https://a.org/Policy.json"


@pytest.mark.parametrize(
    ("first", "second", "merged"),
    [
        (None, None, None),
        (None, False, False),
        (False, None, False),
        (True, False, True),
        (False, True, True),
        (None, True, True),
    ],
)
def test_a_reservation_in_either_place_stands(first: bool | None, second: bool | None, merged: bool | None) -> None:
    assert merge_consent(Consent((), first), Consent((), second)).tdm_reservation is merged


def test_merging_keeps_every_directive_once_and_the_first_policy() -> None:
    merged = merge_consent(Consent(("noai", "nofollow"), None, ""), Consent(("noindex", "noai"), None, "p"))
    assert merged == Consent(("noai", "nofollow", "noindex"), None, "p")
    assert merge_consent(Consent((), None, "a"), Consent((), None, "b")).tdm_policy == "a"


@pytest.mark.parametrize("directive", RULES.page_directives)
def test_each_directive_that_refuses_is_named(directive: str) -> None:
    assert refusal(Consent(("nofollow", directive)), RULES.page_directives, True) == f"robots: {directive}"


def test_a_reservation_refuses_where_it_is_honoured() -> None:
    reserved = Consent((), True, "https://a.org/licence")
    assert refusal(reserved, RULES.page_directives, True) == "tdm-reservation: 1"
    assert refusal(reserved, RULES.page_directives, False) == ""


@pytest.mark.parametrize(
    "consent", [Consent(), Consent(("nofollow", "noarchive", "index", "all")), Consent((), False), Consent(("noaix",))]
)
def test_what_does_not_refuse_does_not_refuse(consent: Consent) -> None:
    assert refusal(consent, RULES.page_directives, True) == ""


def test_directives_that_are_not_asked_about_do_not_refuse() -> None:
    assert refusal(Consent(("noindex",)), ("noai",), True) == ""


@pytest.mark.parametrize("name", ["unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"])
@pytest.mark.parametrize("colon", [":", ": ", " : "])
def test_the_value_of_a_directive_is_no_directive(name: str, colon: str) -> None:
    for value in (f"{name}{colon}none", f"index, {name}{colon}none", f"weft: {name}{colon}none, follow"):
        assert "none" not in read_consent([value]).robots
        assert "noai" in read_consent([f"{value}, noai"]).robots


def test_directives_are_compared_in_small_letters() -> None:
    """`[NOAI]` had switched all off, and said nothing."""
    settings = ConsentSettings(page_directives=("NOAI",), image_directives=("NoImageAI",))
    assert (settings.page_directives, settings.image_directives) == (("noai",), ("noimageai",))


def test_a_signal_that_nobody_knows_is_refused() -> None:
    with pytest.raises(ValueError, match="honour cannot be 'content_usage'"):
        ConsentSettings(honour=("content_usage",))
