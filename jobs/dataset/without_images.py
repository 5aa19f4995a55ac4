"""A page of a finished dataset without some of its images, as a build would have made it had it not got them."""

from collections.abc import Collection, Sequence

import msgspec

from jobs.phases.scoring import of_all_images
from pipeline.alignment import assign
from schemas.documents import Sample

#: Lists of a sample that have an entry for each image.
_OF_IMAGES = tuple(name for name in Sample.__struct_fields__ if name.startswith("image_"))


def without_images(sample: Sample, gone: Collection[int]) -> tuple[Sample, dict[str, str]]:
    """The sample without the images of these numbers, and the new name of each member that stays by its old one.

    An image leaves no hole, its caption goes with it, and texts that come to stand side by side become one. The numbers
    of scorers are kept; the place of each image among the paragraphs is found anew.
    """
    kept = [number for number in range(len(sample.image_sha256)) if number not in gone]
    texts, columns = _texts(sample, gone)
    old = [name for name in sample.images if name is not None]
    staying = iter([old[number] for number in kept])
    names: dict[str, str] = {}
    images: list[str | None] = []
    for place, text in enumerate(texts):
        if text is not None:
            images.append(None)
            continue
        name = next(staying)
        names[name] = f"{sample.key}.{place}.{name.rpartition('.')[2]}"
        images.append(names[name])
    lists = {name: [values[number] for number in kept] for name in _OF_IMAGES if (values := getattr(sample, name))}
    rows = sample.clip_similarity
    similarity = [[rows[number][column] for column in columns] for number in kept] if rows else []
    return msgspec.structs.replace(
        sample,
        texts=texts,
        images=images,
        clip_similarity=similarity,
        clip_assignment=assign(similarity) if similarity else [],
        scores=of_all_images(lists.get("image_scores", [])) if sample.scores else {},
        **lists,
    ), names


def _texts(sample: Sample, gone: Collection[int]) -> tuple[list[str | None], list[int]]:
    """The texts that stay, None where an image does, and the numbers that their paragraphs had."""
    orphaned = _orphaned_captions(sample.image_captions, gone)
    texts: list[str | None] = []
    columns: list[int] = []
    image = paragraph = 0
    for text in sample.texts:
        if text is None:
            if image not in gone:
                texts.append(None)
            image += 1
            continue
        parts = text.split("\n\n")
        left = [number for number, part in enumerate(parts) if part not in orphaned]
        columns += [paragraph + number for number in left]
        paragraph += len(parts)
        written = "\n\n".join(parts[number] for number in left)
        if not left:
            continue
        if texts and texts[-1] is not None:
            texts[-1] += f"\n\n{written}"
        else:
            texts.append(written)
    return texts, columns


def _orphaned_captions(captions: Sequence[str], gone: Collection[int]) -> set[str]:
    kept = {caption for number, caption in enumerate(captions) if number not in gone}
    return {captions[number] for number in gone} - kept - {""}
