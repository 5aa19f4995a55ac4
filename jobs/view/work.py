"""What the viewer does with hostile bytes in a process of its own."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlencode

import msgspec

from jobs.phases.recipe import Recipe
from schemas.documents import Page
from schemas.hash_lists import HashListSettings, refuse_listed_look


class Explained(msgspec.Struct, frozen=True):
    """A page with the verdicts on its parts: drawn again with marks, and as a list."""

    report: dict[str, Any]  # as `weft explain --json` prints it
    marked: str  # HTML for the body
    plain: str  # the page as it was captured, as HTML that loads nothing from elsewhere


def draw_sheet(data: bytes) -> bytes:
    """The sampled frames of a clip as one JPEG."""
    from pipeline.video.clips import contact_sheet, jpeg

    return jpeg(contact_sheet(data))


def look_at(settings: HashListSettings, data: bytes) -> None:
    """Raises `Drop("hash_listed")` for a picture that a list knows by its look; what cannot be decoded has none."""
    import numpy as np

    from schemas.images import open_image

    with suppress(OSError, ValueError), open_image(data) as image:
        refuse_listed_look(np.asarray(image.convert("RGB")), settings)


def explain_captured(recipe: Recipe, notes: list[str], page: Page) -> Explained:
    """Raises `Drop("hostile_html")`."""
    from jobs.dataset.explain import explain
    from pipeline.page.annotate import annotate_page, harmless_page

    report = {**explain(page, recipe), "notes": notes}
    marked = annotate_page(page, recipe.config.extract, [item["reason"] for item in report["items"]], media_address)
    return Explained(report, marked, harmless_page(page, media_address))


def media_address(url: str) -> str:
    """Where the viewer serves a captured image."""
    return f"/captured/media?{urlencode({'url': url})}"
