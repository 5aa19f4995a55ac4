"""What is dropped because the corpus has it too often: keys to count by, and the rules that the counts decide."""

import hashlib
from collections.abc import Iterator, Set

import msgspec

from pipeline.text.ngrams import normal_words
from schemas.documents import Block, Draft, ImageRef, TextBlock
from schemas.drops import DropRow, on_page
from schemas.settings import Settings
from schemas.urls import host_of, media_key, registered_domain


class CorpusRules(Settings, frozen=True):
    """Counts over all pages that are left when duplicates of pages are gone. None turns a rule off."""

    max_paragraph_repeats: int | None = 2
    """A paragraph that stands on one registered domain more often goes, all its occurrences. OBELICS: 2. Headings and
    captions are exempt."""
    max_image_documents: int | None = 10
    """An image whose address more pages refer to goes. OBELICS: 10."""
    min_image_set: int | None = 2
    """Of pages that refer to the same set of images, at least this many, only the newest stays. OBELICS: 1."""
    max_image_places: int | None = 10
    """An image that stands in more places of the corpus goes, compared by bytes and by perceptual hash, whatever its
    addresses. OmniCorpus: 10."""


def is_exempt(block: TextBlock) -> bool:
    """Headings and captions repeat for good reasons."""
    return block.role in ("heading", "caption")


def paragraph_key(domain: str, block: TextBlock) -> bytes:
    """16 bytes that are equal for paragraphs of one domain with the same words."""
    return _digest(f"{domain}\n{' '.join(normal_words(block.text))}")


def paragraph_keys(draft: Draft) -> Iterator[bytes]:
    """The keys of all paragraphs that the rule may remove, repetitions included."""
    domain = registered_domain(host_of(draft.url))
    return (paragraph_key(domain, block) for block in draft.texts if not is_exempt(block))


def image_keys(draft: Draft) -> set[bytes]:
    """The keys of the images of a page, each by the address that is tried first."""
    return {media_key(image.url) for image in draft.images}


def image_set_key(keys: Set[bytes]) -> bytes:
    """16 bytes that are equal for equal sets."""
    return hashlib.blake2b(b"".join(sorted(keys)), digest_size=16).digest()


def content_keys(original_sha256: str, phash: str) -> tuple[bytes, bytes]:
    """16 bytes each by which an image is counted: of its bytes as served, and of its look."""
    return _digest(f"sha256{original_sha256}"), _digest(f"phash{phash}")


def without_frequent(draft: Draft, paragraphs: Set[bytes], images: Set[bytes]) -> Draft:
    """The draft less the paragraphs and images with these keys; `dropped` names them, in place of what stood there."""
    domain = registered_domain(host_of(draft.url))
    kept: list[Block] = []
    dropped: list[DropRow] = []
    for block in draft.blocks:
        match block:
            case TextBlock() if paragraphs and not is_exempt(block) and paragraph_key(domain, block) in paragraphs:
                dropped.append(DropRow(draft.url, "paragraph", "boilerplate", block.text[:80]))
            case ImageRef() if images and media_key(block.url) in images:
                dropped.append(DropRow(block.url, "image", "frequent_image", on_page("", draft.url), draft.url))
            case _:
                kept.append(block)
    return msgspec.structs.replace(draft, blocks=tuple(kept), dropped=tuple(dropped))


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=16).digest()
