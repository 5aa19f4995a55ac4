"""What a crawl has captured, as warcio reads it."""

import os
from collections import Counter
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator


def captured_addresses(folder: str | os.PathLike[str]) -> Counter[str]:
    """How often each address stands in the archives of a crawl, policy files left out."""
    found: Counter[str] = Counter()
    for path in sorted(Path(folder).glob("warc/*.warc.gz")):
        with path.open("rb") as file:
            for record in ArchiveIterator(file):
                uri = record.rec_headers.get_header("WARC-Target-URI") or ""
                if record.rec_type in ("response", "revisit") and not uri.endswith((".txt", "tdmrep.json")):
                    found[uri] += 1
    return found
