"""One page alone: what the rules of a build keep of it, what they drop, and why."""

from typing import Any

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.one_page import fetch_page
from crawlers.sniff import is_binary
from jobs.config import BuildConfig
from jobs.phases.recipe import Recipe
from pipeline.page.explain import explain_page, reason_of
from pipeline.text.rules import paragraph_fault
from schemas.documents import Page, TextBlock
from schemas.drops import Drop
from schemas.settings import SettingsError
from schemas.urls import resolve

#: What one page alone cannot tell.
NOT_APPLIED = (
    "duplicates of the page, its text or its images elsewhere",
    "the size, shape, colours and content of images",
)
_NOWHERE = "http://page.invalid/"


def explain(page: Page, recipe: Recipe) -> dict[str, Any]:
    """What `weft explain --json` prints. `steps` are those that the page came to; the last may have ended it.

    Raises `Drop("hostile_html")`.
    """
    config = recipe.config
    report: dict[str, Any] = msgspec.to_builtins(explain_page(page, config.extract))
    language, dropped, steps = "", "", []
    for step, draft, drop in recipe.explain(page):
        language = draft.language if draft is not None else language
        dropped = reason_of(drop) if drop is not None else ""
        steps.append({"name": step.name, "own": step.is_own, "kept": not dropped, "reason": dropped})
    for part in report["items"]:
        if part["kind"] == "text" and part["kept"]:
            fault = paragraph_fault(TextBlock(part["text"], part["role"]), config.text.paragraph, language)
            if fault is not None:
                part.update(kept=False, reason=reason_of(fault))
    verdict = {"kept": not dropped, "reason": dropped}
    return {**report, "page": verdict, "steps": steps, "not_applied": NOT_APPLIED}


def page_at(url: str, config: BuildConfig) -> Page:
    """The page at an address, asked for with a crawl's manners. Raises `Drop` for what cannot or must not be had."""
    return fetch_page(url, CrawlConfig(fetch=config.media.fetch, consent=config.consent))


def page_of_html(html: bytes, url: str = "") -> Page:
    """A saved page. Without the address that it was at, its relative links lead nowhere. Raises `SettingsError` for
    what is no address, and `Drop("unsupported_type")`."""
    if url and not (url.lower().startswith(("http://", "https://")) and resolve(url, "")):
        raise SettingsError(f"{url[:200]!r} is no address: one begins with http:// or https://")
    if is_binary(html):
        raise Drop("unsupported_type", f"no page: {len(html):,} bytes that begin with {html[:16]!r}")
    return Page(uid=0, url=url or _NOWHERE, html=html)
