"""`weft explain`."""

import argparse
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobs.cli import fail

if TYPE_CHECKING:
    from jobs.config import BuildConfig
    from schemas.documents import Page

#: What one page alone cannot tell.
NOT_APPLIED = (
    "duplicates of the page, its text or its images elsewhere",
    "the size, shape, colours and content of images",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("page", metavar="FILE|URL", help="a saved page, or the address of one to fetch")
    parser.add_argument("--url", metavar="BASE", default="", help="the address that a saved page was at")
    parser.add_argument("--config", default="default", help="a YAML file or a preset: default, flamingo, obelics")
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, as in weft build"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from jobs.config import load_config
    from schemas.drops import Drop
    from schemas.settings import SettingsError

    try:
        config = load_config(arguments.config, arguments.set)
        report = explain(_read(arguments.page, arguments.url, config), config)
    except (SettingsError, OSError) as error:
        return fail(error, 2)
    except Drop as drop:
        return fail(f"{arguments.page}: {drop.reason}: {drop.detail}", 1)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(report)
    return 0


def _read(source: str, base: str, config: "BuildConfig") -> "Page":
    """The page in a file or at an address. Raises `OSError`, and `Drop` for what cannot or must not be fetched."""
    from schemas.documents import Page

    if source.startswith(("http://", "https://")):
        from crawlers.crawl_config import CrawlConfig
        from crawlers.one_page import fetch_page

        return fetch_page(source, CrawlConfig(fetch=config.media.fetch, consent=config.consent))
    with open(source, "rb") as file:
        return Page(uid=0, url=base or "http://page.invalid/", html=file.read())


def explain(page: "Page", config: "BuildConfig") -> dict[str, Any]:
    """What `--json` prints. Raises `Drop("hostile_html")`."""
    import msgspec

    from jobs.extract import page_steps
    from pipeline.explain import explain_page, reason_of
    from pipeline.text_rules import paragraph_fault
    from schemas.documents import Draft, TextBlock
    from schemas.drops import Drop

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


def _print(report: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False, soft_wrap=not sys.stdout.isatty())
    console.print(Text(report["title"] or "(no title)", style="bold"))
    console.print(Text(report["url"], style="dim"))
    for line, style in _lines(report["items"]):
        console.print(Text(line, style=style))
    console.print()
    for kind in ("text", "image", "video"):
        of_kind = [item for item in report["items"] if item["kind"] == kind]
        if of_kind:
            console.print(f"{kind}: {sum(item['kept'] for item in of_kind)} of {len(of_kind)} kept")
    verdict, reason = report["page"]["kept"], report["page"]["reason"]
    console.print(
        Text("the page: kept" if verdict else f"the page: dropped, {reason}", style="green" if verdict else "red")
    )
    console.print(Text(f"not applied to a page alone: {'; '.join(NOT_APPLIED)}", style="dim"))


def _lines(items: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What is kept in full; what is not in one line, its reason first."""
    for item in items:
        if not item["kept"]:
            yield f"\n- {item['reason']}\n  {' '.join(_shown(item).split())[:140]}", "red"
        else:
            yield f"\n{_shown(item)}", "" if item["kind"] == "text" else "cyan"


def _shown(item: dict[str, Any]) -> str:
    if item["kind"] == "text":
        return f"{item['mark']}{item['text']}"
    others = len(item["candidates"]) - 1
    facts = [
        item["kind"],
        item["url"],
        item.get("alt", ""),
        item["caption"],
        f"{others} more addresses" if others > 0 else "",
    ]
    return f"[{' · '.join(filter(None, facts))}]"
