"""Pages that repeat one thing take no longer for each of its copies the more there are."""

import contextlib

import pytest

from benchmarks.zoo.shapes import SHAPES
from pipeline.interleave import lay_out
from pipeline.page.extract import draft_of
from pipeline.page.hostile import refuse_hostile
from pipeline.page.parsed import ExtractSettings, ParsedPage
from pipeline.pairs import PairRules, take_pairs
from pipeline.text.pii import PiiRules, redact
from pipeline.text.rules import text_rules
from pipeline.video.refs import take_videos
from schemas.documents import Consent
from schemas.drops import Drop
from tests.linear import grows_faster
from tests.pipeline.makers import page


def read_it(html: str) -> None:
    """All that a build does with a page in one process."""
    with contextlib.suppress(Drop):
        of = page(html.encode())
        parsed = ParsedPage(of, ExtractSettings())
        with contextlib.suppress(Drop):
            draft = redact(draft_of(parsed, of))
            lay_out(draft, {})
            text_rules(draft)
        take_pairs(parsed, of, PairRules(everywhere=True), PiiRules(), Consent())
        take_videos(parsed, of, PiiRules(), Consent())


@pytest.mark.parametrize("shape", SHAPES)
def test_time_grows_with_the_length_of_a_page(shape: str) -> None:
    assert not grows_faster(read_it, SHAPES[shape], 250)


def test_styles_left_open_are_refused_before_every_block_opens_them_again() -> None:
    with pytest.raises(Drop, match="hostile_html"):
        refuse_hostile(SHAPES["styles left open"](1_000).encode())
    refuse_hostile(b"<p><font color=red>x" * 1_000)  # equal ones are opened three times at most
    refuse_hostile(
        "".join(f"<p><i class=icon-{i}></i> x</p>" for i in range(3_000)).encode()
    )  # and none that is closed


def test_a_drawing_of_many_paths_is_not_deep():
    refuse_hostile(b"<svg>" + b'<path d="M0 0"/>' * 12_000 + b"</svg>")


def test_a_script_that_compares_is_no_tag_of_attributes():
    refuse_hostile(b"<script>if (a<b) {" + b"x = y + z; " * 9_000 + b"}</script><p>Text.</p>")
