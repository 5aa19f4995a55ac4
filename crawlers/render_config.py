"""Which pages are rendered, and what that may cost."""

import re
import shutil
from importlib.util import find_spec
from pathlib import Path

import re2

from schemas.settings import Settings, SettingsError

_TAG = re.compile(rb"<(/?)(script|style|noscript|template|svg)(?![a-z0-9-])[^<>]*+>|<[^<>]*+>", re.IGNORECASE)
_LOOKED_AT = 2 << 20  # bytes of markup
_NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")


class RenderSettings(Settings, frozen=True):
    """Pages that are empty without their scripts, in a headless Chromium; needs the extra `render`."""

    enabled: bool = False
    """Render pages with scripts and hardly any text, and those of `patterns`."""
    max_words: int = 50
    """A page with scripts whose markup has no more words than this is rendered."""
    patterns: tuple[str, ...] = ()
    """Regular expressions of RE2; a page whose address matches one somewhere is rendered whatever it holds."""
    browser: str = ""
    """The program; else the first Chromium in PATH, else the one that Playwright has installed."""
    pages: int = 2
    """Rendered at a time by one worker, each in a context of its own."""
    timeout_s: float = 20.0
    """For one page, from its markup to what its scripts made of it."""
    settle_s: float = 0.5
    """A page is done when it has asked for nothing for so long."""
    max_requests: int = 100
    """Of one page: scripts, styles, frames and data; images are not loaded."""
    max_bytes: int = 20 << 20
    """Of all that one page loads, after decompression, and of what its scripts make of it."""

    def __post_init__(self) -> None:
        for pattern in self.patterns:
            try:
                re2.compile(pattern)
            except re2.error:
                raise ValueError(f"`{pattern}` is no pattern of RE2") from None

    def wants(self, url: str, html: bytes) -> bool:
        """Whether a page is to be rendered, by its address or its markup."""
        if not self.enabled:
            return False
        address = url.encode("utf-8", "replace").decode()
        if any(re2.search(pattern, address) for pattern in self.patterns):
            return True
        return b"<script" in html.lower() and count_words(html[:_LOOKED_AT], self.max_words) <= self.max_words

    def require_browser(self) -> None:
        """Raises `SettingsError` where there is none to render with."""
        if not self.enabled:
            return
        if find_spec("playwright") is None:
            raise SettingsError(
                "render.enabled needs the extra `render`: pip install -c constraints.txt -e '.[render]'"
            )
        if self.browser and not Path(self.browser).is_file():
            raise SettingsError(f"render.browser: there is no {self.browser}")

    @property
    def program(self) -> str | None:
        """The path of the browser; None where Playwright is to find its own."""
        return self.browser or next((found for name in _NAMES if (found := shutil.which(name))), None)


def count_words(html: bytes, most: int) -> int:
    """Words between the tags of a page, those of scripts, styles and the like left out; counted up to `most` + 1."""
    words, at, inside = 0, 0, b""
    for tag in _TAG.finditer(html):
        if not inside:
            words += len(html[at : tag.start()].split())
        if words > most:
            return words
        at, name = tag.end(), (tag[2] or b"").lower()
        if name and not inside and not tag[1]:
            inside = name
        elif name == inside and tag[1]:
            inside = b""
    return words if inside else words + len(html[at:].split())
