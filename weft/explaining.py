"""`weft.explain`: one page, part by part, with the rule that decided."""

import itertools
import os
from collections.abc import Mapping
from typing import Any

import msgspec

from jobs.dataset import explain as explaining
from schemas.settings import SettingsError
from weft.notebooks import outside_a_loop
from weft.settings import recipe_of

_SHOWN = 100  # characters of a part in the plain form


class Part(msgspec.Struct, frozen=True):
    """A text, image or video of a page, in its place. `reason` is "" for what is kept."""

    kind: str  # text, image or video
    kept: bool
    reason: str  # code or rule, and the number that decided
    text: str = ""
    role: str = ""  # of a text: paragraph, heading, list, table, code, quote or caption
    mark: str = ""  # what stands before it as in Markdown: "## " of a heading, "- " or "3. " of a list item
    url: str = ""  # of an image or video: the address to try first
    alt: str = ""
    caption: str = ""
    likely: float | None = None  # of a text: its chance to be content by all evidence, where the page has enough

    @property
    def shown(self) -> str:
        """The part as one line or more of text."""
        if self.kind == "text":
            return self.mark + self.text if self.kept else self.text
        return f"[{' · '.join(filter(None, (self.kind, self.url, self.alt, self.caption)))}]"


class Verdicts(msgspec.Struct, frozen=True):
    """What the rules say of a page: of the whole, and of its parts in reading order."""

    url: str
    title: str
    kept: bool
    reason: str  # why the page is dropped; "" for one that is kept
    parts: list[Part]
    not_applied: tuple[str, ...]  # what one page alone cannot tell
    confidence: float = 0.0  # how clear it was what of the page is content: the text F1 to be expected
    text_source: str = ""  # json_ld or state: where the text stood if the markup held next to none

    @property
    def text(self) -> str:
        """The texts that are kept, divided by empty lines."""
        return "\n\n".join(part.text for part in self.parts if part.kind == "text" and part.kept)

    @property
    def counts(self) -> list[str]:
        """How many parts of each kind are kept, as `text: 3 of 5 kept`."""
        kinds = [kind for kind in ("text", "image", "video") if any(part.kind == kind for part in self.parts)]
        of_kind = {kind: [part.kept for part in self.parts if part.kind == kind] for kind in kinds}
        return [f"{kind}: {sum(kept)} of {len(kept)} kept" for kind, kept in of_kind.items()]

    @property
    def stretches(self) -> list[tuple[str, str]]:
        """What is shown of the parts, and the reason: those that follow one another and go for one reason together."""
        found: list[tuple[str, str]] = []
        for reason, parts in itertools.groupby(self.parts, key=lambda part: part.reason):
            shown = [part.shown for part in parts]
            found += [(" · ".join(shown), reason)] if reason else [(one, "") for one in shown]
        return found

    def __repr__(self) -> str:
        lines = [self.title or "(no title)", self.url, ""]
        for shown, reason in self.stretches:
            text = " ".join(shown.split())
            text = text if len(text) <= _SHOWN else f"{text[:_SHOWN]} …"
            lines.append(f"- {text}\n    {reason}" if reason else f"+ {text}")
        verdict = "kept" if self.kept else f"dropped, {self.reason}"
        return "\n".join([*lines, "", f"the page: {verdict}; {'; '.join(self.counts) or 'nothing in it'}"])

    def _repr_html_(self) -> str:
        from weft.html import verdicts_html

        return verdicts_html(self)


def explain(
    page: str | bytes | os.PathLike[str],
    config: Any = "default",
    *,
    url: str = "",
    settings: Mapping[str, Any] | None = None,
) -> Verdicts:
    """What a build with these settings would keep of one page, and why not the rest: `weft explain`.

    page      HTML as `str` or `bytes`; an address, which is fetched with a crawl's manners; or a `pathlib.Path`
    config    as of `weft.build`
    url       the address that saved HTML was at: relative links are read by it
    settings  what to change: `{"text.gopher.min_words": 30}`

    Raises `Drop` for a page that cannot or must not be fetched, is none, or whose HTML means harm; `SettingsError` for
    a wrong call; `OSError` for a file that is not there.
    """
    recipe = recipe_of(config, settings or {})
    if isinstance(page, str) and page.startswith(("http://", "https://")):
        read = outside_a_loop(lambda: explaining.page_at(page, recipe.config))
    else:
        read = explaining.page_of_html(_html(page), url)
    report = explaining.explain(read, recipe)
    return Verdicts(
        report["url"],
        report["title"],
        report["page"]["kept"],
        report["page"]["reason"],
        [msgspec.convert(item, Part) for item in report["items"]],
        report["not_applied"],
        report["confidence"],
        report["text_source"],
    )


def _html(page: str | bytes | os.PathLike[str]) -> bytes:
    if isinstance(page, bytes):
        return page
    if isinstance(page, os.PathLike):
        with open(page, "rb") as file:
            return file.read()
    if "<" not in page:
        raise SettingsError(f"neither HTML nor an address: {page[:80]!r}; a file is named by a pathlib.Path")
    return page.encode("utf-8", "surrogatepass")
