"""One page alone: what the rules of a build keep of it, what they let go, and why."""

from typing import Any

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.one_page import fetch_page
from jobs.config import BuildConfig
from jobs.phases.extract import page_steps
from pipeline.page.explain import explain_page, reason_of
from pipeline.text.rules import paragraph_fault
from schemas.documents import Draft, Page, TextBlock
from schemas.drops import Drop

#: What one page alone cannot tell.
NOT_APPLIED = (
    "duplicates of the page, its text or its images elsewhere",
    "the size, shape, colours and content of images",
)
_NOWHERE = "http://page.invalid/"


def explain(page: Page, config: BuildConfig) -> dict[str, Any]:
    """What `weft explain --json` prints. Raises `Drop("hostile_html")`."""
    report: dict[str, Any] = msgspec.to_builtins(explain_page(page, config.extract))
    language, dropped, item = "", "", page
    try:
        for step in page_steps(config):
            item = step(item)
            language = item.language if isinstance(item, Draft) else ""
    except Drop as drop:
        dropped = reason_of(drop)
    for part in report["items"]:
        if part["kind"] == "text" and part["kept"]:
            fault = paragraph_fault(TextBlock(part["text"], part["role"]), config.text.paragraph, language)
            if fault is not None:
                part.update(kept=False, reason=reason_of(fault))
    return {**report, "page": {"kept": not dropped, "reason": dropped}, "not_applied": NOT_APPLIED}


def page_at(url: str, config: BuildConfig) -> Page:
    """The page at an address, asked for with a crawl's manners. Raises `Drop` for what cannot or must not be had."""
    return fetch_page(url, CrawlConfig(fetch=config.media.fetch, consent=config.consent))


def page_of_html(html: bytes, url: str = "") -> Page:
    """A saved page. Without the address that it was at, its relative links lead nowhere."""
    return Page(uid=0, url=url or _NOWHERE, html=html)
