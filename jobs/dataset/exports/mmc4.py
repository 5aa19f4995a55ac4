"""JSON lines as Multimodal C4 (Zhu et al. 2023) has them, with the pictures inside as OpenFlamingo stores them.

A document is a list of texts, `text_list`, and a list of images, each matched with the text that it stands before. Two
images may be matched with one text; an image behind the last text is matched with that, so that it then stands before.
"""

import base64
import gzip
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import msgspec

from jobs.dataset.exports.run import Exported
from schemas.documents import Sample
from schemas.kinds import INTERLEAVED, Kind
from schemas.shards import ShardMark
from schemas.storage import Store


class Mmc4:
    """`OUT/interleaved/{shard}.jsonl.gz`, a line a document."""

    kinds = (INTERLEAVED.name,)

    def file(self, kind: Kind, shard: str) -> str:
        return f"{kind.name}/{shard}.jsonl.gz"

    def write(self, kind: Kind, samples: Iterator[Exported], file: Any, output: Store) -> Mapping[str, bytes]:
        with gzip.GzipFile(fileobj=file, mode="wb", compresslevel=1, mtime=0) as lines:
            for sample, members in samples:
                lines.write(msgspec.json.encode(document(sample, members)) + b"\n")
        return {}

    def finish(self, store: Store, files: Mapping[str, Sequence[tuple[str, ShardMark]]]) -> None:
        pass


def document(sample: Sample, members: Mapping[str, bytes]) -> dict[str, Any]:
    """The fields of mmc4. A paragraph is a text: weft does not cut sentences, and says so, that they stay apart."""
    texts: list[str] = []
    before: list[int] = []  # of each image how many texts stand before it
    for text, name in zip(sample.texts, sample.images, strict=True):
        if name is not None:
            before.append(len(texts))
        elif text is not None:
            texts += text.split("\n\n")
    texts = texts or [""]
    names = [name for name in sample.images if name is not None]
    images = []
    for number, (name, url, alt) in enumerate(zip(names, sample.image_urls, sample.image_alts, strict=True)):
        index = min(before[number], len(texts) - 1)
        similar = sample.clip_similarity[number] if sample.clip_similarity else []
        images.append(
            {
                "image_name": name,
                "raw_url": url,
                "matched_text_index": index,
                "matched_sim": similar[index] if index < len(similar) else None,
                "alt_text": alt,
                "image_base64": base64.b64encode(members[name]).decode(),
            }
        )
    return {
        "url": sample.url,
        "text_list": texts,
        "text_unit": "paragraph",
        "image_info": images,
        "similarity_matrix": sample.clip_similarity,
        "could_have_url_duplicate": 0,
    }
