"""`weft show`."""

import argparse
import os
from typing import TYPE_CHECKING, Any

from jobs.cli import fail
from schemas.kind_names import NAMES

if TYPE_CHECKING:
    from schemas.documents import Sample
    from schemas.shards import Shard
    from schemas.storage import Store

MAX_COLUMNS = 72


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("path", help="the folder or URL that weft build wrote")
    parser.add_argument(
        "key",
        nargs="?",
        default="",
        help="a sample's key, or the address of its page or file; default the first",
    )
    parser.add_argument("--kind", choices=NAMES, help="default the first that has it")
    parser.add_argument("--images", metavar="DIR", help="write the images, or clip and contact sheet, to this folder")
    parser.add_argument(
        "--draw",
        choices=("auto", "always", "never"),
        default="auto",
        help="draw images with coloured half blocks; auto: on a terminal that has colours",
    )


def run(arguments: argparse.Namespace) -> int:
    try:
        if arguments.images:
            os.makedirs(arguments.images, exist_ok=True)
    except OSError as error:
        return fail(f"no images can be written to {arguments.images}: {error.strerror}", 2)
    try:
        return _show(arguments)
    except BrokenPipeError:
        raise
    except OSError as error:
        return fail(f"the storage failed: {error}", 1)


def _show(arguments: argparse.Namespace) -> int:
    import msgspec

    from jobs.dataset.summary import NotADataset, kinds_of
    from schemas.documents import Sample
    from schemas.storage import Store

    store = Store(arguments.path)
    try:
        kinds = kinds_of(store)
    except NotADataset as error:
        return fail(error, 2)
    kind, members = find_sample(store, arguments.key, arguments.kind)
    if members is None:
        of_kind = f" of kind {arguments.kind}; it holds {', '.join(kinds) or 'none'}" if arguments.kind else ""
        return fail(f"{arguments.path} has no sample {arguments.key or 'at all'}{of_kind}", 1)
    if kind == "pairs":
        from jobs.commands.show_pair import show_pair

        return show_pair(members, arguments)
    if kind == "clips":
        from jobs.commands.show_clip import show_clip

        return show_clip(members, arguments)
    sample = msgspec.json.decode(next(iter(members.values())), type=Sample)
    from jobs.terminal import Terminal

    console = Terminal()
    print_sample(console, sample, members, console.draws(arguments.draw))
    if arguments.images:
        for name in filter(None, sample.images):
            with open(os.path.join(arguments.images, os.path.basename(name)), "wb") as file:
                file.write(members[name])
        print(f"{len(sample.image_urls)} images written to {arguments.images}")
    return 0


def find_sample(store: "Store", wanted: str, kind: str | None = None) -> tuple[str, dict[str, bytes] | None]:
    """Kind and members of the first sample whose key or address is `wanted`; keys tell their partition."""
    from jobs.dataset.summary import kinds_of, shards_of
    from schemas.kinds import KINDS

    for one in kinds_of(store):
        if kind not in (None, one):
            continue
        for mark, shard in shards_of(store, one):
            if wanted and "://" not in wanted and not wanted.startswith(f"{mark.partition:06d}"):
                continue
            if members := _members_of(shard, wanted, KINDS[one].page_column):
                return one, members
    return "", None


def _members_of(shard: "Shard", wanted: str, page_column: str) -> dict[str, bytes] | None:
    import pyarrow.compute as pc

    index = shard.index(list(dict.fromkeys(("key", "url", page_column, "offset", "size", "members"))))
    if wanted:
        named = (pc.field("key") == wanted) | (pc.field("url") == wanted) | (pc.field(page_column) == wanted)
        index = index.filter(named)
    return next(shard.members(index.slice(0, 1).to_pylist())) if len(index) else None


def print_sample(console: Any, sample: "Sample", members: dict[str, bytes], draw: bool) -> None:
    """The page as text, its images in place: drawn with half blocks, or as a line that names them."""
    from rich.text import Text

    console.print(Text(sample.title or "(no title)", style="bold"))
    facts = [
        sample.url,
        f"{sample.language} {sample.language_score:.2f}",
        sample.fetch_time,
        sample.licence,
        f"screened by {', '.join(sample.screened)}" if sample.screened else "not screened",
        sample.key,
    ]
    console.print(Text(" · ".join(fact for fact in facts if fact), style="dim"))
    number = 0
    for text, name in zip(sample.texts, sample.images, strict=True):
        console.print()
        if text is not None:
            console.print(Text(text))
        elif name is not None:
            _print_image(console, sample, number, name, members[name], draw)
            number += 1


def _print_image(console: Any, sample: "Sample", number: int, name: str, data: bytes, draw: bool) -> None:
    from rich.text import Text

    if draw:
        console.print(half_blocks(data, min(MAX_COLUMNS, console.width)))
    width, height = sample.image_sizes[number]
    facts = [f"image {number + 1}: {width}x{height} {sample.image_formats[number]}", sample.image_alts[number]]
    facts += [sample.image_urls[number], name]
    console.print(Text("[" + " · ".join(fact for fact in facts if fact) + "]", style="cyan"))


def half_blocks(data: bytes, columns: int) -> Any:
    """A picture of `columns` cells: each cell shows two pixels, one as colour and one as background.

    A line that says why, where it cannot be shown.
    """
    from rich.text import Text

    from schemas.drops import Drop
    from schemas.images import on_white, open_image

    try:
        with open_image(data) as opened:
            image = on_white(opened)
    except Drop as drop:
        return Text(f"({drop.reason}: {drop.detail})")
    except OSError as error:
        return Text(f"(broken_image: {error})")
    columns = min(columns, image.width)
    rows = max(1, round(image.height * columns / image.width / 2))
    image = image.resize((columns, 2 * rows))
    picture = Text()
    for row in range(rows):
        for column in range(columns):
            upper, lower = image.getpixel((column, 2 * row)), image.getpixel((column, 2 * row + 1))
            picture.append("▀", style=f"{_hex(upper)} on {_hex(lower)}")
        if row + 1 < rows:
            picture.append("\n")
    return picture


def _hex(pixel: Any) -> str:
    return "#{:02x}{:02x}{:02x}".format(*pixel)
