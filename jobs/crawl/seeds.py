"""Where a crawl begins: addresses, sitemaps, and files that list them."""

import gzip
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec

from crawlers.items import Item
from crawlers.scope import crawl_url
from schemas.settings import SettingsError
from schemas.urls import resolve

_BUDGET, _MOST_DIGITS = "pages=", 12
#: How names of files begin and end that cannot be hosts: no domain of the public internet ends so.
_FILE_STARTS = ("./", "../", "~")
_FILE_ENDS = tuple(".txt .lst .list .csv .tsv .json .jsonl .xml .html .parquet .yaml .yml .gz .bz2 .xz .zst".split())


def read_seeds(seeds: Iterable[str]) -> Iterator[Item]:
    """Items from addresses, sitemaps, and files of one a line (gzipped or not). Raises `SettingsError`.

    An address without scheme is taken for https. A sitemap is known by its name (`sitemap` in the file's name, or .xml
    at its end), or by `sitemap:` before it. A line of a file may go on with `pages=500`: so many pages are taken of its
    registered domain at most.
    """
    for seed in seeds:
        if Path(seed).is_file():
            yield from map(_seed_of_line, _lines(seed))
        elif seed.startswith(_FILE_STARTS) or ("/" not in seed and seed.lower().endswith(_FILE_ENDS)):
            raise SettingsError(f"no such file: {seed}; a host that is called so is named with its https://")
        else:
            yield _seed(seed)


def _lines(name: str) -> Iterator[str]:
    """Those of a file that say something. Raises `SettingsError`."""
    opening = gzip.open if name.endswith(".gz") else open
    try:
        with opening(name, "rt", encoding="utf-8-sig") as file:
            yield from (text for line in file if (text := line.strip()) and not text.startswith("#"))
    except UnicodeDecodeError:
        raise SettingsError(f"{name}: not a text in UTF-8 of one seed a line") from None
    except (OSError, EOFError, zlib.error) as error:
        raise SettingsError(f"{name}: {error}") from None


def _seed_of_line(line: str) -> Item:
    address, _, budget = line.rpartition(_BUDGET)
    is_budget = budget.isascii() and budget.isdecimal() and budget[0] != "0" and len(budget) <= _MOST_DIGITS
    if is_budget and address[-1:].isspace():
        return msgspec.structs.replace(_seed(address.rstrip()), most_pages=int(budget))
    return _seed(line)


def _seed(seed: str) -> Item:
    is_sitemap = seed.startswith("sitemap:")
    address = seed.removeprefix("sitemap:")
    absolute = address if "://" in address else f"https://{address}"
    url = resolve(absolute, absolute)
    if not url or ("://" not in address and "." not in address.partition("/")[0]):
        raise SettingsError(f"not an address, nor a file: {seed}")
    name = url.partition("?")[0].rpartition("/")[2].lower()
    is_sitemap = is_sitemap or name.endswith((".xml", ".xml.gz")) or "sitemap" in name
    return Item(url, "sitemap") if is_sitemap else Item(crawl_url(url), "page")
