"""`weft show` of an image and its caption."""

import argparse
import os

import msgspec
from rich.text import Text

from jobs.commands.show import MAX_COLUMNS, half_blocks
from jobs.terminal import Terminal
from schemas.pairs import Pair


def show_pair(members: dict[str, bytes], arguments: argparse.Namespace) -> int:
    """Print a pair: the picture, its caption, and all texts among which that was chosen."""
    name, *_ = members
    pair = msgspec.json.decode(members[f"{name.partition('.')[0]}.json"], type=Pair)
    console = Terminal()
    if console.draws(arguments.draw):
        console.print(half_blocks(members[name], min(MAX_COLUMNS, console.width)))
    console.print(Text(pair.caption, style="bold"))
    facts = [f"from {pair.caption_source}", f"{pair.width}x{pair.height} {pair.format}", pair.language, pair.licence]
    facts += [f"{score} {value:g}" for score, value in pair.scores.items()]
    facts += [f"screened by {', '.join(pair.screened)}" if pair.screened else "not screened", name]
    console.print(Text(" · ".join(fact for fact in facts if fact), style="dim"))
    console.print(Text("\n".join(filter(None, (pair.url, pair.page_url and f"on {pair.page_url}"))), style="dim"))
    for caption in pair.captions:
        console.print(Text(f"  {caption.source}: {caption.text}"))
    if arguments.images:
        with open(os.path.join(arguments.images, os.path.basename(name)), "wb") as file:
            file.write(members[name])
        print(f"1 image written to {arguments.images}")
    return 0
