"""Steps, scorers and captioners as users write them. A module of its own: each guarded child imports it anew."""

import sys

import msgspec
import numpy as np

import weft


def even_pages(draft: weft.Draft, parity: int = 0) -> weft.Draft:
    number = int(draft.title.split()[1])
    if number % 2 != parity:
        raise weft.Drop("mine:odd_page", str(number))
    return draft


def shouts(draft: weft.Draft) -> weft.Draft:
    return msgspec.structs.replace(draft, title=draft.title.upper())


def only_first_image(image: weft.DecodedImage) -> weft.DecodedImage:
    assert image.pixels.shape == (240, 320, 3)
    if image.url.endswith("-b.jpg"):
        raise weft.Drop("mine:second_image")
    return image


def black(image: weft.DecodedImage) -> weft.DecodedImage:
    return image.with_pixels(np.zeros((100, 120, 3), np.uint8))


def short_captions(pair: weft.PairRef, most: int) -> weft.PairRef:
    if len(pair.caption) > most:
        raise weft.Drop("mine:long_caption", f"{len(pair.caption)} > {most}")
    return pair


def no_bread(video: weft.VideoDraft) -> weft.VideoDraft:
    if "bread" in video.url:
        raise weft.Drop("mine:bread")
    return video


def only_long(clip: weft.CutClip, least_s: float = 100.0) -> weft.CutClip:
    if clip.end_s - clip.start_s < least_s:
        raise weft.Drop("mine:short_clip")
    return clip


def fails_on_three(draft: weft.Draft) -> weft.Draft:
    if draft.title == "Article 3":
        raise KeyError("three")
    return draft


def fails_always(page: weft.Page) -> weft.Page:
    raise KeyError(page.url)


def turns_bad(draft: weft.Draft) -> "weft.Draft":
    return draft if draft.title.startswith("Trial") else None  # type: ignore[return-value]


class Redness:
    """A scorer with something to load."""

    def __init__(self, channel: int = 0) -> None:
        self._channel = channel

    def __call__(self, images, texts):
        return [np.asarray(image)[:, :, self._channel].mean() / 255 for image in images]


def caption_lengths(images, texts):
    return [len(text) for text in texts]


def fails_on_bridges(images, texts):
    if any("bridge" in text for text in texts):
        raise ValueError("a bridge")
    return [1.0] * len(images)


def colour_namer(images, texts):
    return [f"a picture of {image.width} by {image.height} in colours" for image in images]


def reads_signs(images, texts):
    """What stands on a wall in each picture."""
    return ["a wall of the old bakery where somebody wrote to call (212) 555-0123 or to mail a@b.org" for _ in images]


def half_a_pair(images, texts):
    """What it says of one picture no file can hold."""
    return ["half \ud800 a pair" if "bridge" in text else "a picture in colours" for text in texts]


async def awaits(draft: weft.Draft) -> weft.Draft:
    return draft


async def awaits_and_yields(draft: weft.Draft):
    yield draft


def yields(draft: weft.Draft) -> weft.Draft:  # type: ignore[misc]
    yield draft


def takes_nothing() -> weft.Draft:
    raise AssertionError


def takes_a_word(*, draft: weft.Draft) -> weft.Draft:
    return draft


class Awaits:
    async def __call__(self, draft: weft.Draft) -> weft.Draft:
        return draft


awaits_too = Awaits()


def leaves_on_three(draft: weft.Draft) -> weft.Draft:
    if not draft.title.startswith("Article") or draft.title == "Article 3":
        sys.exit("no three")
    return draft


class NoCall:
    """Nothing that could look at images."""


class CalledWithOne:
    def __call__(self, images):
        return [1.0] * len(images)


async def awaits_scores(images, texts):
    return [1.0] * len(images)


def takes_images_alone(images):
    return [1.0] * len(images)


def leaves_at_bridges(images, texts):
    if any("bridge" in text for text in texts):
        sys.exit(3)
    return ["a picture in colours"] * len(images)


class Leaves:
    def __init__(self) -> None:
        sys.exit("no weights")

    def __call__(self, images, texts):
        return [1.0] * len(images)


def one_each(images, texts):
    yield from [1.0] * len(images)
