"""A draft and its images become a sample: parallel lists of texts and images, exactly one non-null at each position."""

from collections.abc import Mapping, Sequence

import msgspec

from schemas import __version__
from schemas.documents import Draft, ImageRef, Sample, StoredImage, TextBlock

_FENCE = "```"  # around code whose language is known


class Illustration(msgspec.Struct, frozen=True):
    """An image of a sample: the reference, the address that gave it, and the image."""

    ref: ImageRef
    url: str
    image: StoredImage


class Screening(msgspec.Struct, frozen=True):
    """What scorers say of a sample; lists and rows follow its images. Empty where no scorer ran."""

    image_scores: list[dict[str, float]] = []
    scores: dict[str, float] = {}
    screened: list[str] = []
    similarity: list[list[float]] = []
    assignment: list[int] = []


def interleave(
    draft: Draft,
    illustrations: Mapping[ImageRef, Illustration],
    key: str,
    config_hash: str,
    screening: Screening = Screening(),
) -> tuple[Sample, list[tuple[str, bytes]]]:
    """The sample and its tar members, the JSON first.

    Texts between two images become one, blocks separated by a blank line, the items of a list and the rows of a table
    by a line end; headings and list items bear their marks. An image that is not among `illustrations`
    leaves no hole, and its caption goes with it.
    """
    texts, shown = lay_out(draft, illustrations)
    order = iter(shown)
    images = [None if text is not None else f"{key}.{i}.{next(order).image.format}" for i, text in enumerate(texts)]
    sample = _sample(draft, texts, images, shown, key, config_hash, screening)
    names = [name for name in images if name is not None]
    members = [(name, item.image.data) for name, item in zip(names, shown, strict=True)]
    return sample, [(f"{key}.json", msgspec.json.encode(sample)), *members]


def lay_out(
    draft: Draft, illustrations: Mapping[ImageRef, Illustration]
) -> tuple[list[str | None], list[Illustration]]:
    """The texts of a sample, None where an image stands, and its images in order."""
    orphaned = "\0".join(_orphaned_captions(draft, illustrations))
    texts: list[list[str] | None] = []
    shown: list[Illustration] = []
    role = ""
    for block in draft.blocks:
        if isinstance(block, TextBlock) and not (block.role == "caption" and block.text in orphaned):
            if texts and texts[-1] is not None:
                gap = "\n" if block.role == role and role in ("list", "table") else "\n\n"
                texts[-1] += [gap, _written(block)]
            else:
                texts.append([_written(block)])
            role = block.role
        elif isinstance(block, ImageRef) and block in illustrations:
            shown.append(illustrations[block])
            texts.append(None)
    return [None if text is None else "".join(text) for text in texts], shown


def _written(block: TextBlock) -> str:
    """As Markdown writes it: code whose language is known stands between fences."""
    return f"{block.mark}{block.text}" + ("\n" + _FENCE if block.mark.startswith(_FENCE) else "")


def _orphaned_captions(draft: Draft, illustrations: Mapping[ImageRef, Illustration]) -> set[str]:
    kept = {ref.caption for ref in illustrations}
    return {ref.caption for ref in draft.images if ref not in illustrations} - kept


def _sample(
    draft: Draft,
    texts: list[str | None],
    images: list[str | None],
    shown: Sequence[Illustration],
    key: str,
    config_hash: str,
    screening: Screening,
) -> Sample:
    return Sample(
        key=key,
        url=draft.url,
        title=draft.title,
        texts=texts,
        images=images,
        image_urls=[item.url for item in shown],
        image_alts=[item.ref.alt for item in shown],
        image_titles=[item.ref.title for item in shown],
        image_captions=[item.ref.caption for item in shown],
        image_sizes=[(item.image.width, item.image.height) for item in shown],
        image_formats=[item.image.format for item in shown],
        image_sha256=[item.image.sha256 for item in shown],
        image_original_sizes=[(item.image.original_width, item.image.original_height) for item in shown],
        image_original_formats=[item.image.original_format for item in shown],
        image_original_sha256=[item.image.original_sha256 for item in shown],
        image_phashes=[item.image.phash for item in shown],
        image_scores=screening.image_scores or [{} for _ in shown],
        clip_similarity=screening.similarity,
        clip_assignment=screening.assignment,
        language=draft.language,
        language_score=draft.language_score,
        licence=draft.licence,
        author=draft.author,
        date=draft.date,
        fetch_time=draft.fetch_time,
        warc_file=draft.warc_file,
        warc_offset=draft.warc_offset,
        warc_length=draft.warc_length,
        consent=draft.consent,
        redacted=draft.redacted,
        confidence=draft.confidence,
        text_source=draft.text_source,
        image_consent=[item.image.signals for item in shown],
        image_rights=[item.image.rights for item in shown],
        scores=screening.scores,
        screened=screening.screened,
        weft_version=__version__,
        config_hash=config_hash,
    )
