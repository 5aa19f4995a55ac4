"""What the docs site has beside the pages of docs/: README as its start, references made from the code, linked sources.

`make docs` runs it as a hook of MkDocs. On a forge a link leads from a page to any file of the repository; here
each file that a page links to becomes a page as well.
"""

import argparse
import importlib
import posixpath
import re
import textwrap
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import griffe
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import weft
from jobs.cli import COMMANDS, make_parser

ROOT = Path(__file__).resolve().parents[1]
#: Files of the repository that are pages of their own.
PAGES = {
    "README.md": "index.md",
    "CHANGELOG.md": "changelog.md",
    "CONTRIBUTING.md": "contributing.md",
    "examples/README.md": "examples.md",
}
LANGUAGES = {".py": "python", ".yaml": "yaml", ".json": "json", ".toml": "toml", ".sh": "bash", ".html": "html"}
#: What is longer is linked to by few and read by nobody in a browser.
SHOWN_BYTES = 100_000

LINK = re.compile(r"\]\(([^)\s]+)\)")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the pages that do not lie in docs/."""
    for source, page in PAGES.items():
        files.append(File.generated(config, page, content=(ROOT / source).read_text("utf-8")))
    files.append(File.generated(config, "reference/commands.md", content=commands_page()))
    files.append(File.generated(config, "reference/api.md", content=api_page()))
    for target in sorted(linked_sources(files)):
        files.append(File.generated(config, page_of(target), content=source_page(ROOT / target)))
    return files


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    """Links as they lead in the site."""
    source = source_of(page.file.src_uri)
    if source is None:
        return markdown

    def lead(match: re.Match[str]) -> str:
        target = repository_path(source, match[1])
        if target is None:
            return match[0]
        _, hash_sign, anchor = match[1].partition("#")
        to = posixpath.relpath(page_of(target), posixpath.dirname(page.file.src_uri) or ".")
        return f"]({to}{hash_sign}{anchor})"

    return LINK.sub(lead, markdown)


def source_of(page: str) -> str | None:
    """The file of the repository that a page of the site shows; None for pages that are made here."""
    of_pages = {name: source for source, name in PAGES.items()}
    if page in of_pages:
        return of_pages[page]
    return f"docs/{page}" if (ROOT / "docs" / page).exists() else None


def repository_path(source: str, link: str) -> str | None:
    """Where a link leads, from the root of the repository; None if it leads elsewhere or within the page."""
    path = link.partition("#")[0]
    if not path or "://" in link or link.startswith("mailto:"):
        return None
    return posixpath.normpath(posixpath.join(posixpath.dirname(source), path))


def page_of(target: str) -> str:
    """The page, or the file, of the site that stands for a file of the repository."""
    if target in PAGES:
        return PAGES[target]
    return target.removeprefix("docs/") if target.startswith("docs/") else f"source/{target}.md"


def linked_sources(files: Files) -> set[str]:
    """The files of the repository that pages link to and that are no pages yet."""
    found = set()
    for file in files:
        source = source_of(file.src_uri)
        if source is not None and source.endswith(".md"):
            links = LINK.findall((ROOT / source).read_text("utf-8"))
            found |= {target for link in links if (target := repository_path(source, link))}
    return {target for target in found if target not in PAGES and not target.startswith("docs/")}


def source_page(path: Path) -> str:
    """A file as a page; of a folder, what is in it."""
    title = f"# {path.relative_to(ROOT)}\n\n"
    if path.is_dir():
        return title + "\n".join(f"* `{entry.name}`" for entry in sorted(path.iterdir()))
    text = path.read_bytes()[:SHOWN_BYTES].decode("utf-8", "replace")
    if path.suffix == ".md":
        return text
    fence = "`" * (3 + max((len(run) for run in re.findall("`+", text)), default=0))
    return f"{title}{fence}{LANGUAGES.get(path.suffix, '')}\n{text}\n{fence}\n"


def commands_page() -> str:
    """Every command with its options, from the parser."""
    _, parsers = make_parser()
    lines = ["# Commands", "", "Exit codes: 0 done, 1 the data is bad (named), 2 the call is wrong.", ""]
    for name in COMMANDS:
        parser = parsers[name]
        call = " ".join(parser.format_usage().removeprefix("usage: ").replace("[-h] ", "").split())
        lines += [f"## weft {name}", "", parser.description or "", ""]
        lines += ["```", textwrap.fill(call, 90, subsequent_indent="    ", break_on_hyphens=False), "```", ""]
        lines += ["| option | what it is for |", "| --- | --- |", *option_rows(parser), ""]
    return "\n".join(lines)


def option_rows(parser: argparse.ArgumentParser) -> Iterator[str]:
    """A row for each argument and option: how it is written, and what it is for."""
    for action in parser._actions:
        if action.help == argparse.SUPPRESS or isinstance(action, argparse._HelpAction):
            continue
        shown = action.metavar if isinstance(action.metavar, str) else (action.metavar or [action.dest.upper()])[0]
        if action.choices is not None:
            shown = ", ".join(map(str, action.choices))
        written = ", ".join(action.option_strings) or shown
        takes = f" `{shown}`" if action.option_strings and action.nargs != 0 else ""
        meaning = (action.help or "") % {**vars(action), "prog": parser.prog}
        yield f"| `{written}`{takes} | {cell(meaning)} |"


def cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|").replace("<", "&lt;")


def api_page() -> str:
    """Every public name, described by its docstring."""
    lines = ["# The Python API", "", "What `import weft` has, by name. [From Python](../python.md) shows its use.", ""]
    for name in sorted(set(weft.__all__) - {"__version__"}, key=str.lower):
        module, _, called = weft._PLACES[name].partition(":")
        defined = getattr(importlib.import_module(module), called or name)
        lines += [f"::: {defined.__module__}.{defined.__qualname__}", "    options:", f"      heading: weft.{name}"]
        lines += [f"      toc_label: {name}", ""]
    return "\n".join(lines)


class Columns(griffe.Extension):
    """Docstrings of weft list parameters in two columns; in a page they are lists."""

    def on_object(self, *, obj: griffe.Object, **_: Any) -> None:
        if obj.docstring:
            obj.docstring.value = "\n\n".join(map(as_list, obj.docstring.value.split("\n\n")))


def as_list(paragraph: str) -> str:
    """A paragraph of two columns as a list; others as they are."""
    items: list[list[str]] = []
    for line in paragraph.splitlines():
        name, gap, meaning = line.partition("  ")
        if gap and name and meaning.strip():
            items.append([f"* `{name}`:", meaning.strip()])
        elif items and line.startswith("  "):
            items[-1].append(line.strip())
        else:
            return paragraph
    return "\n".join(" ".join(parts) for parts in items)
