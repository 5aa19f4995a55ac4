"""`weft explain`."""

import argparse
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from jobs.cli import add_archives, add_own_steps, fail

if TYPE_CHECKING:
    from jobs.config import BuildConfig
    from schemas.documents import Page

_SOURCES = {"json_ld": "JSON-LD", "state": "scripts' data"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "page",
        metavar="FILE|URL|KEY",
        help="a saved page, or the address of one to fetch; with --dataset a sample's key, or the address of a page "
        "that the build saw",
    )
    parser.add_argument(
        "--dataset", metavar="DIR", help="look the page up in this dataset, and in the archives of --input"
    )
    add_archives(parser)
    add_own_steps(parser)
    parser.add_argument("--url", metavar="BASE", default="", help="the address that a saved page was at")
    parser.add_argument(
        "--config",
        help="a YAML file or a preset: default, flamingo, obelics; default: that of the dataset, if one is named",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="K=V", help="override a setting, as in weft build"
    )
    parser.add_argument("--json", action="store_true", help="print JSON")


def run(arguments: argparse.Namespace) -> int:
    import msgspec

    from crawlers.archive_index import NotAtHand
    from crawlers.inputs import InputError, named_archives
    from jobs.dataset.explain import explain
    from jobs.dataset.page_lookup import explain_in_dataset
    from jobs.dataset.summary import NotADataset
    from jobs.phases.recipe import Recipe
    from schemas.drops import Drop, meaning_of
    from schemas.settings import SettingsError

    if arguments.input and not arguments.dataset:
        return fail("--input goes with --dataset: the page of a dataset is looked up in the archives", 2)
    try:
        if arguments.dataset:
            archives = named_archives(arguments.input)
            report = explain_in_dataset(
                arguments.dataset, arguments.page, arguments.config, arguments.set, archives, arguments.own_steps
            )
        else:
            recipe = Recipe.named(arguments.config or "default", arguments.set)
            report = explain(_read(arguments.page, arguments.url, recipe.config), recipe)
    except (NotADataset, InputError, SettingsError, OSError) as error:
        return fail(error, 2)
    except NotAtHand as error:
        return fail(f"{arguments.page}: {error}", 1)
    except Drop as drop:
        return fail(f"{arguments.page}: {drop.reason}: {drop.detail or meaning_of(drop.reason)}", 1)
    if arguments.json:
        print(msgspec.json.format(msgspec.json.encode(report), indent=2).decode())
    else:
        _print(report)
    return 0


def _read(source: str, base: str, config: "BuildConfig") -> "Page":
    """The page in a file or at an address. Raises `OSError`, and `Drop` for what cannot or must not be fetched."""
    from jobs.dataset.explain import page_at, page_of_html

    if source.startswith(("http://", "https://")):
        return page_at(source, config)
    with open(source, "rb") as file:
        return page_of_html(file.read(), base)


def _print(report: dict[str, Any]) -> None:
    from rich.text import Text

    from jobs.terminal import Terminal

    console = Terminal()
    console.print(Text(report["title"] or "(no title)", style="bold"))
    console.print(Text(report["url"], style="dim"))
    for line, style in _lines(report["items"]):
        console.print(Text(line, style=style))
    console.print()
    for kind in ("text", "image", "video"):
        of_kind = [item for item in report["items"] if item["kind"] == kind]
        if of_kind:
            console.print(f"{kind}: {sum(item['kept'] for item in of_kind)} of {len(of_kind)} kept")
    for step in report["steps"]:
        if step["own"]:
            said = "kept" if step["kept"] else f"dropped, {step['reason']}"
            console.print(Text(f"your step {step['name']}: {said}", style="green" if step["kept"] else "red"))
    verdict, reason = report["page"]["kept"], report["page"]["reason"]
    console.print(
        Text("the page: kept" if verdict else f"the page: dropped, {reason}", style="green" if verdict else "red")
    )
    console.print(f"confidence: {report['confidence']:.2f}, how clear it was what of the page is content")
    if source := report["text_source"]:
        console.print(f"its markup holds next to no text: what is shown stands in its {_SOURCES[source]}")
    if "dropped_by_the_build" in report:
        sample = report["sample"]
        console.print(Text(f"in the dataset: {f'sample {sample}' if sample else 'no sample'}", style="bold"))
        for drop in report["dropped_by_the_build"]:
            console.print(
                Text(f"- {drop['kind']} {drop['reason']}: {drop['url']} {drop['detail']}".rstrip(), style="red")
            )
        for note in report["notes"]:
            console.print(Text(note, style="yellow"))
        return
    console.print(Text(f"not applied to a page alone: {'; '.join(report['not_applied'])}", style="dim"))


def _lines(items: list[dict[str, Any]]) -> Iterator[tuple[str, str]]:
    """What is kept in full; what is not in one line, its reason first."""
    for item in items:
        if not item["kept"]:
            weighed = f" ({item['likely']:.0%} likely to be content by all evidence)" if _adds(item) else ""
            yield f"\n- {item['reason']}{weighed}\n  {' '.join(_shown(item).split())[:140]}", "red"
        else:
            yield f"\n{_shown(item)}", "" if item["kind"] == "text" else "cyan"


def _adds(item: dict[str, Any]) -> bool:
    """Whether the chance of a part is known and its reason does not say it."""
    return item.get("likely") is not None and not item["reason"].startswith("evidence")


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
