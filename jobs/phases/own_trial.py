"""A made-up item of each sort: an own step that forgets to return its item is told so before any work begins."""

import io
from collections.abc import Callable
from typing import Any

import numpy as np
from PIL import Image

from pipeline.image.codec import DecodedImage
from schemas.clips import Clip, VideoInfo
from schemas.documents import Draft, ImageRef, Page, TextBlock
from schemas.pairs import Caption, PairRef
from schemas.videos import VideoDraft, VideoText

_URL = "https://trial.example/page.html"
_TEXT = "A made-up page, by which a step is tried before the first real one."


def wrong_result(function: Callable[..., Any], settings: dict[str, Any], takes: type, gives: type) -> type | None:
    """The type that a step returns for a made-up item, if it is not the one wanted; None also where it raises.

    A step may well fail on, or drop, what is no real page: that says nothing of it.
    """
    try:
        result = function(_EXAMPLES[takes](), **settings)
    except (Exception, SystemExit):
        return None
    return None if isinstance(result, gives) else type(result)


def _jpeg() -> bytes:
    file = io.BytesIO()
    Image.new("RGB", (64, 64), "grey").save(file, "JPEG")
    return file.getvalue()


def _page() -> Page:
    return Page(0, _URL, f"<html lang=en><title>Trial</title><p>{_TEXT}</p><img src=a.jpg></html>".encode())


def _draft() -> Draft:
    image = ImageRef(("https://trial.example/a.jpg",), alt="a picture")
    return Draft(0, _URL, (TextBlock(_TEXT), image), title="Trial", language="en", language_score=1.0)


def _pair() -> PairRef:
    url = "https://trial.example/a.jpg"
    return PairRef(0, 0, (url,), (Caption("a picture", "alt"),), "a picture", "alt", page_url=_URL, language="en")


def _video() -> VideoDraft:
    return VideoDraft(0, ("https://trial.example/a.mp4",), (VideoText("title", "a film"),), page_url=_URL)


def _image() -> DecodedImage:
    return DecodedImage(
        "https://trial.example/a.jpg", np.full((64, 64, 3), 128, np.uint8), "jpeg", 64, 64, _jpeg(), "jpg"
    )


def _clip() -> Clip:
    info = VideoInfo("mp4", "h264", "yuv420p", 64, 64, 0, 2.0, False)
    return Clip(0, (0.0, 2.0), 0.0, 2.0, b"", info, 50, "encode", "0" * 64, [1.0], ["0" * 16], [_jpeg()])


_EXAMPLES: dict[type, Callable[[], Any]] = {
    Page: _page,
    Draft: _draft,
    PairRef: _pair,
    VideoDraft: _video,
    DecodedImage: _image,
    Clip: _clip,
}
