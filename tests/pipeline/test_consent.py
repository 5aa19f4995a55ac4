import pytest

from pipeline.consent import honour_image_consent, may_state_consent, refuse_opt_out
from schemas.consent import ConsentSettings
from schemas.documents import Consent
from schemas.drops import Drop
from tests.pipeline.makers import dropped


@pytest.mark.parametrize("directive", ["noai", "noimageai", "none", "noindex", "noimageindex"])
def test_a_page_that_opts_out_is_dropped_with_its_signal(directive):
    with pytest.raises(Drop) as caught:
        refuse_opt_out(Consent(robots=("follow", directive)))
    assert dropped(caught) == ("opt_out", f"robots: {directive}")


def test_a_page_that_reserves_text_and_data_mining_is_dropped():
    with pytest.raises(Drop) as caught:
        refuse_opt_out(Consent(tdm_reservation=True, tdm_policy="https://site.example/p"))
    assert dropped(caught) == ("opt_out", "tdm-reservation: 1")


@pytest.mark.parametrize(
    "consent",
    [
        Consent(),
        Consent(robots=("index", "follow", "nosnippet", "noarchive", "max-image-preview:large")),
        Consent(tdm_reservation=False),
        Consent(tdm_policy="https://site.example/p"),
    ],
)
def test_a_page_without_such_a_signal_passes(consent):
    refuse_opt_out(consent)


def test_which_signals_are_honoured_is_a_setting():
    settings = ConsentSettings(page_directives=("nosnippet",), tdm_reservation=False)
    refuse_opt_out(Consent(robots=("noai",), tdm_reservation=True), settings)
    with pytest.raises(Drop) as caught:
        refuse_opt_out(Consent(robots=("nosnippet",)), settings)
    assert dropped(caught) == ("opt_out", "robots: nosnippet")


@pytest.mark.parametrize(
    ("headers", "signal"),
    [
        ({"x-robots-tag": "noimageai"}, "robots: noimageai"),
        ({"x-robots-tag": "nosnippet, NOAI"}, "robots: noai"),
        ({"x-robots-tag": "weft: noindex"}, "robots: noindex"),
        ({"tdm-reservation": "1"}, "tdm-reservation: 1"),
        ({"tdm-reservation": "1", "tdm-policy": "https://site.example/p"}, "tdm-reservation: 1"),
    ],
)
def test_an_image_that_opts_out_by_its_headers_is_dropped_with_its_signal(headers, signal):
    with pytest.raises(Drop) as caught:
        honour_image_consent(headers)
    assert dropped(caught) == ("opt_out", signal)


@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "image/jpeg"},
        {"x-robots-tag": ""},
        {"x-robots-tag": "otherbot: noai"},
        {"x-robots-tag": "noarchive"},
        {"tdm-reservation": "0"},
    ],
)
def test_an_image_whose_headers_do_not_refuse_us_passes(headers):
    honour_image_consent(headers)


def test_pages_and_images_have_directives_of_their_own():
    settings = ConsentSettings(image_directives=())
    honour_image_consent({"x-robots-tag": "noai"}, settings)
    with pytest.raises(Drop):
        refuse_opt_out(Consent(robots=("noai",)), settings)


@pytest.mark.parametrize(
    "markup",
    ["<META NAME=Robots CONTENT=noai>", "<meta name=weft content=noindex>", "<meta name='TDM-Reservation' content=1>"],
)
def test_a_quick_look_finds_every_signal_that_markup_can_hold(markup):
    assert may_state_consent(markup.encode())
    assert not may_state_consent(b"<html><title>A page that says nothing</title>")
