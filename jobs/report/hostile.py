"""What a report does with hostile bytes, in processes of their own: small pictures, and the text of pages."""

import io

import msgspec
from PIL import Image

from jobs.config import BuildConfig
from schemas.documents import Page
from schemas.images import on_white, open_image

_SIDE = 420  # pixels
_QUALITY = 72
_TEXT = 400  # characters
_MAX_PIXELS = 100_000_000


def thumbnail(data: bytes) -> bytes:
    """A JPEG of at most 420 pixels a side: of an image, or of a clip's sampled frames. Raises what decoders raise."""
    if data[4:8] == b"ftyp":
        from pipeline.video.clips import contact_sheet

        return _jpeg(contact_sheet(data))
    with open_image(data) as image:
        if image.width * image.height > _MAX_PIXELS:
            raise ValueError("too many pixels")
        image.draft("RGB", (_SIDE, _SIDE))
        return _jpeg(image)


def main_text(config: BuildConfig, page: Page) -> tuple[str, str]:
    """Title and the start of the main text of a page, by weft's own steps alone. Raises `Drop("hostile_html")`."""
    title, texts = _explained(config, page)
    return title, " ".join(texts)[:_TEXT]


def whole_text(config: BuildConfig, page: Page) -> str:
    """The main text of a page, a block a line. Raises `Drop("hostile_html")`."""
    return "\n".join(_explained(config, page)[1])


def _explained(config: BuildConfig, page: Page) -> tuple[str, list[str]]:
    from jobs.dataset.explain import explain
    from jobs.phases.recipe import Recipe

    report = explain(page, Recipe(msgspec.structs.replace(config, steps=(), score_with=(), caption_with=())))
    return str(report["title"]), [part["text"] for part in report["items"] if part["kind"] == "text" and part["kept"]]


def _jpeg(image: Image.Image) -> bytes:
    small = on_white(image)
    small.thumbnail((_SIDE, _SIDE))
    out = io.BytesIO()
    small.save(out, "JPEG", quality=_QUALITY, optimize=True)
    return out.getvalue()
