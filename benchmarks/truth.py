"""Pages with their known main text, as a `truth.jsonl.gz` lists them, and the share of them that may be looked at.

Each line has `id`, `kind`, `url` and `main_content`; the page is `ID.html.gz` beside it. The pages are split in halves
by a hash of their domain, so that no site is in both. The method may be made looking at the tuned half; of the held-out
half only means are ever read.
"""

import gzip
import hashlib
import re
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec

from schemas.urls import host_of, registered_domain

HALVES = ("tuned", "held-out", "all")
_WORD = re.compile(r"\w+")


class KnownPage(msgspec.Struct, frozen=True):
    """A page and its main text; `fold` is one of five, by the domain."""

    name: str
    kind: str
    url: str
    html: bytes
    text: str
    domain: str
    fold: int


def known_pages(truth: Path, half: str) -> Iterator[KnownPage]:
    """The pages of `truth`, or of one half of it."""
    with gzip.open(truth) as lines:
        for line in lines:
            said = msgspec.json.decode(line)
            domain = registered_domain(host_of(said["url"]))
            hashed = hashlib.sha256(domain.encode()).digest()
            if half in ("all", "tuned" if hashed[1] % 2 == 0 else "held-out"):
                html = gzip.decompress((truth.parent / f"{said['id']}.html.gz").read_bytes())
                fold = hashed[3] % 5
                yield KnownPage(said["id"], said["kind"], said["url"], html, said["main_content"] or "", domain, fold)


def words(text: str) -> "Counter[str]":
    """Lower-cased words, with their numbers."""
    return Counter(_WORD.findall(text.lower()))


def overlap(got: "Counter[str]", want: "Counter[str]") -> tuple[float, float, float]:
    """F1, precision and recall of a bag of words."""
    common = (got & want).total()
    return 2 * common / max(1, got.total() + want.total()), common / max(1, got.total()), common / max(1, want.total())
