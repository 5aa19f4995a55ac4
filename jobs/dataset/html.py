"""HTML pages of the viewer and the report: templates that escape all they are given, and what they show texts with."""

import re
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

import jinja2

_HEADING = re.compile(r"(#{1,6}) (.+)")
_FENCE = "```"
_ITEM = re.compile(r"(\s*)(?:-|\d+\.) (.*)", re.DOTALL)


def templates(package: str) -> jinja2.Environment:
    """The templates of a package. A field that an older dataset lacks shows as nothing."""
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader(package),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.ChainableUndefined,
    )
    filters: dict[str, Any] = {
        "commas": commas,
        "bytes": human_bytes,
        "blocks": blocks,
        "host": host,
        "address": safe_address,
        "number": number,
        "percent": percent,
    }
    environment.filters |= filters
    return environment


def blocks(text: str) -> list[dict[str, Any]]:
    """A text of a document cut at empty lines: heading, list, table, code or paragraph, by its Markdown marks."""
    return [_block(part) for part in _parts(text) if part.strip()]


def _parts(text: str) -> Iterator[str]:
    """The empty lines of code between fences cut nothing."""
    fenced: list[str] = []
    for part in text.split("\n\n"):
        if fenced or part.startswith(_FENCE):
            fenced.append(part)
            if part.endswith(f"\n{_FENCE}"):
                yield "\n\n".join(fenced)
                fenced = []
        else:
            yield part.strip("\n")
    yield from fenced  # that nothing closes


def _block(part: str) -> dict[str, Any]:
    lines = part.split("\n")
    if lines[0].startswith(_FENCE) and lines[-1] == _FENCE and len(lines) > 1:
        return {"is": "code", "language": lines[0].removeprefix(_FENCE), "text": "\n".join(lines[1:-1])}
    if len(lines) == 1 and (heading := _HEADING.fullmatch(part)):
        return {"is": "heading", "level": min(6, len(heading[1]) + 1), "text": heading[2]}
    if all(_ITEM.fullmatch(line) for line in lines):
        items = [_ITEM.fullmatch(line) for line in lines]
        ordered = not lines[0].lstrip().startswith("- ")
        return {"is": "list", "ordered": ordered, "items": [item[2] for item in items if item]}
    if all(" | " in line for line in lines) and len(lines) > 1:
        return {"is": "table", "rows": [line.split(" | ") for line in lines]}
    return {"is": "paragraph", "lines": lines}


def commas(value: Any) -> str:
    """1234567 as 1,234,567; nothing for what is not there."""
    return f"{value:,}" if isinstance(value, int | float) else ""


def human_bytes(size: float) -> str:
    for unit in ("bytes", "KB", "MB", "GB"):
        if size < 1000:
            return f"{size:,.0f} {unit}" if unit == "bytes" else f"{size:,.1f} {unit}"
        size /= 1000
    return f"{size:,.1f} TB"


def percent(count: float, total: float, digits: int = 0) -> str:
    """A share in per cent without its sign: some of it is never shown as none, nor nearly all as all."""
    least = 10.0**-digits
    share = 100 * count / total if total else 0.0
    if 0 < share < least:
        return f"<{least:g}"
    return f">{100 - least:g}" if 100 - least < share and count < total else f"{share:.{digits}f}"


def number(value: float) -> str:
    """Short, with separators; what is before the point is told in full."""
    if isinstance(value, float) and 999.5 <= abs(value) < 1e15:
        return f"{value:,.0f}"
    return f"{value:,.3g}" if isinstance(value, float) else f"{value:,}"


def host(url: str) -> str:
    try:
        return urlsplit(url).hostname or ""
    except ValueError:
        return ""


def safe_address(url: Any) -> str:
    """The address if it may stand in a link, else "": no `javascript:` and the like."""
    return url if isinstance(url, str) and url.startswith(("http://", "https://")) else ""


def parts_of(document: dict[str, Any], addresses: dict[str, str]) -> list[dict[str, Any]]:
    """Texts and images in reading order; an image with all that is said of it in the parallel lists."""
    parts: list[dict[str, Any]] = []
    number = 0
    for text, name in zip(document.get("texts", []), document.get("images", []), strict=False):
        if text is not None:
            parts.append({"text": str(text)})
        elif name is not None:
            facts = {
                field.removeprefix("image_"): values[number]
                for field, values in document.items()
                if field.startswith("image_") and isinstance(values, list) and number < len(values)
            }
            parts.append({"image": addresses.get(str(name), ""), "name": str(name), "number": number + 1, **facts})
            number += 1
    for before, part, after in zip([{}, *parts], parts, [*parts[1:], {}], strict=False):
        above, below = _paragraphs(before.get("text")), _paragraphs(after.get("text"))
        if (caption := _plain(part.get("captions"))) and caption in (
            " ".join(above),
            *above[-1:],
            *below[:1],
            " ".join(below),
        ):
            part["captions"] = ""  # it is a text of the page, and shown as that
    return parts


def _paragraphs(text: Any) -> list[str]:
    return [_plain(part) for part in _parts(str(text or "")) if part.strip()]


def _plain(text: Any) -> str:
    return " ".join(str(text or "").split())
