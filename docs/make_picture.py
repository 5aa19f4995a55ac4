"""Draws docs/sample.svg, the picture of README: a sample of the demo as `weft show` prints it on a terminal.

python docs/make_picture.py demo-out/dataset
"""

import io
import sys

import msgspec
from rich.console import Console

from jobs.commands.show import find_sample, print_sample
from schemas.documents import Sample
from schemas.storage import Store

PAGE = "http://fieldnotes.example/animals/portrait-of-a-cat.html"


def main(dataset: str) -> None:
    _, members = find_sample(Store(dataset), PAGE, "interleaved")
    if members is None:
        raise SystemExit(f"{dataset} has no {PAGE}: run make demo first")
    sample = msgspec.json.decode(next(iter(members.values())), type=Sample)
    size = sample.texts.index(None) + 2  # as far as the text after the first image
    head = msgspec.structs.replace(sample, texts=sample.texts[:size], images=sample.images[:size])
    console = Console(record=True, width=64, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    print_sample(console, head, members, draw=True)
    console.save_svg("docs/sample.svg", title="weft show demo-out/dataset")


if __name__ == "__main__":
    main(sys.argv[1])
