"""One parse, one path for all kinds, consent before everything else."""

import itertools
from pathlib import Path

import msgspec
import pytest

from jobs.build import build
from jobs.config import BuildConfig
from jobs.phases.recipe import Recipe
from pipeline.decontamination import DecontaminationRules
from pipeline.url_rules import UrlRules
from schemas.documents import Page
from schemas.drops import Drop, StepError
from schemas.settings import SettingsError
from tests.jobs.site import photo, prose, write_archive
from tests.jobs.test_build import INLINE, SMALL, built, drops
from tests.pipeline.videos import make_video

KINDS = ("interleaved", "pairs", "clips")
ANY_KINDS = [chosen for size in (1, 2, 3) for chosen in itertools.combinations(KINDS, size)]
NO_AI = '<meta name="robots" content="noai">'
VIDEO = "<video src=a.mp4></video>"


def of_kinds(*kinds: str) -> BuildConfig:
    return msgspec.structs.replace(BuildConfig(), kinds=kinds)


@pytest.mark.parametrize("kinds", ANY_KINDS)
@pytest.mark.parametrize(
    "page",
    [
        Page(0, "https://a.example/", f"<html>{NO_AI}</html>".encode()),  # and has no text, no image and no video
        Page(0, "https://a.example/", f"<html>{NO_AI}<p>{prose(1)}</p>{VIDEO}</html>".encode()),
        Page(0, "https://blocked.example/", f"<html>{NO_AI}</html>".encode()),  # and is blocked by its address
        Page(0, "https://blocked.example/", b"<html></html>", robots_header=("noai",)),
        Page(0, "https://a.example/", b"<html></html>", tdm_header="1"),
    ],
)
def test_a_page_that_opts_out_goes_for_that_whatever_is_made_of_it(kinds: tuple[str, ...], page: Page) -> None:
    rules = UrlRules(blocked_domains=("blocked.example",))
    config = msgspec.structs.replace(of_kinds(*kinds), url=rules)
    with pytest.raises(Drop) as caught:
        Recipe(config).read(page)
    assert caught.value.reason == "opt_out"


@pytest.mark.parametrize("kinds", ANY_KINDS)
def test_all_kinds_are_given_what_one_kind_alone_would_be(kinds: tuple[str, ...]) -> None:
    shown = f"<p>{prose(1)}</p><img src=a.jpg alt='a wide river'><p>{prose(2)}</p>{VIDEO}"
    html = f"<html lang=en><article>{shown}</article></html>"
    page = Page(0, "https://a.example/", html.encode())
    found, alone = Recipe(of_kinds(*kinds)).read(page), {kind: Recipe(of_kinds(kind)).read(page) for kind in kinds}
    assert found.draft == (alone["interleaved"].draft if "interleaved" in kinds else None)
    assert found.pairs.pairs == (alone["pairs"].pairs.pairs if "pairs" in kinds else ())
    assert found.videos == (alone["clips"].videos if "clips" in kinds else ())


def test_a_page_that_is_no_draft_still_gives_pairs_and_videos() -> None:
    html = f"<html lang=en><article><p>Short.</p><img src=a.jpg alt='a wide river'>{VIDEO}</article></html>"
    found = Recipe(of_kinds(*KINDS)).read(Page(0, "https://a.example/", html.encode()))
    assert found.draft is None
    assert found.drop[0] in ("few_words", "language")
    assert (len(found.pairs.pairs), len(found.videos)) == (1, 1)


def test_settings_are_changed_by_their_paths() -> None:
    recipe = Recipe("obelics", {"text.gopher.min_words": 7, "seed": 3})
    assert (recipe.config.text.gopher.min_words, recipe.config.seed) == (7, 3)
    with pytest.raises(SettingsError, match="there is no setting no_such"):
        Recipe("default", {"no_such": 1})


def broken(*_: object) -> None:
    raise ValueError("the decoder is broken")


@pytest.mark.parametrize("kind", KINDS)
def test_a_broken_decoder_stops_a_build_of_any_kind(kind: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where each page is dropped in between: `no_image_left` says nothing of the decoder."""
    records, film = [], make_video()
    for n in range(25):
        shown = f"<p>{prose(n)}</p><img src='/{n}.jpg' alt='a wide river {n}'><figure><video src='/{n}.mp4'></video>"
        said = "A baker folds bread dough by hand in an old kitchen and lets it rest"
        html = f"<article>{shown}<figcaption>{said}</figcaption></figure></article>"
        records.append((f"https://a.example/{n}", html.encode(), "text/html"))
        records.append((f"https://a.example/{n}.jpg", photo(n), "image/jpeg"))
        records.append((f"https://a.example/{n}.mp4", film, "video/mp4"))
    archive = write_archive(tmp_path / "a.warc.gz", records)
    decoder = {"interleaved": "page_image", "pairs": "pair_image", "clips": "cut"}[kind]
    monkeypatch.setattr(Recipe, decoder, lambda *_, **__: broken)
    config = msgspec.structs.replace(of_kinds(kind), near_duplicates=False)
    with pytest.raises(StepError, match=r"20 failures in a row, last image .*the decoder is broken"):
        build(str(tmp_path / "out"), [str(archive)], config, INLINE)


def test_a_second_build_in_one_process_uses_its_own_evaluation_sets(tmp_path: Path, site: list[Path]) -> None:
    """Also below the same path: what a process has read of the first build is not taken for the second."""
    items = tmp_path / "items.txt"
    config = msgspec.structs.replace(SMALL, decontamination=DecontaminationRules(texts=(str(items),)))
    for seed in (100, 700):  # the first paragraphs of articles 1 and 7
        items.write_text(prose(seed))
        folder = tmp_path / "out"
        if folder.exists():
            folder.rename(tmp_path / "first")
        built(folder, site, config)
        (row,) = [row for row in drops(folder) if row["reason"] == "evaluation_text"]
        assert row["url"].endswith(f"/page{seed // 100}.html")
