"""Pictures and text become what the exported model takes."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps
from transformers import BatchFeature, ProcessorMixin

from model.data.fitting import Pixels, fitted, framed
from model.data.tokens import END_OF_CHUNK, IMAGE, Tokens
from schemas.images import on_white

_MARKS = re.compile(f"({re.escape(IMAGE)}|{re.escape(END_OF_CHUNK)})")


class WeftProcessor(ProcessorMixin):  # type: ignore[misc]
    """As in training, but for the augmentation: BOS, texts and pictures in reading order, `<|endofchunk|>` before each
    picture that has something before it. Other special tokens in a text are the pieces of their characters."""

    def __init__(
        self,
        tokenizer: Any,
        image_px: int = 224,
        fit: str = "pad",
        mean: Sequence[float] = (0.0, 0.0, 0.0),
        chat_template: Any = None,
    ) -> None:
        super().__init__(tokenizer, chat_template=chat_template)
        self.image_px, self.fit, self.mean = image_px, fit, list(mean)
        self._tokens = Tokens(tokenizer.backend_tokenizer, tokenizer.bos_token, tokenizer.eos_token)

    def __call__(
        self, images: Any = None, text: str | Sequence[str] | None = None, return_tensors: str = "pt", **_: Any
    ) -> BatchFeature:
        """`input_ids` and `attention_mask` [rows, tokens], filled up on the left; `pixel_values`, `frame_counts`.

        `<image>` in a text stands for a picture; where no text has one, its pictures stand before it. A picture is a
        PIL image or an array [H, W, 3], a clip an array [frames, H, W, 3]; several texts take theirs in turn, or from a
        list for each. Raises `ValueError` where a text names more or fewer pictures than it is given.
        """
        if return_tensors != "pt":
            raise ValueError(f"return_tensors is {return_tensors!r}: only 'pt' is there")
        texts = [text or ""] if text is None or isinstance(text, str) else list(text)
        shared = _shared_out(texts, images)
        rows = [self._ids(one, len(mine)) for one, mine in zip(texts, shared, strict=True)]
        if not all(rows):
            raise ValueError("a prompt has no token: give a text or a picture")
        longest = max(map(len, rows))
        filled = [[self.tokenizer.pad_token_id] * (longest - len(row)) + row for row in rows]
        real = [[0] * (longest - len(row)) + [1] * len(row) for row in rows]
        made = {"input_ids": torch.tensor(filled), "attention_mask": torch.tensor(real)}
        if media := [self._frames(medium) for mine in shared for medium in mine]:
            frames_FHWC = np.concatenate(media)
            made["pixel_values"] = torch.from_numpy(frames_FHWC).permute(0, 3, 1, 2)
            made["frame_counts"] = torch.tensor([len(frames) for frames in media])
        return BatchFeature(made)

    @property
    def model_input_names(self) -> list[str]:
        return ["input_ids", "attention_mask", "pixel_values", "frame_counts"]

    def _ids(self, text: str, pictures: int) -> list[int]:
        image_id, end_id = self._tokens.image_id, self._tokens.end_of_chunk_id
        parts = [part for part in _MARKS.split(text) if part]
        if IMAGE not in parts:
            parts = [IMAGE] * pictures + parts
        if (named := parts.count(IMAGE)) != pictures:
            raise ValueError(f"the text names {named} pictures, {pictures} were given: {text!r}")
        start = [] if self._tokens.bos_id is None else [self._tokens.bos_id]
        ids: list[int] = list(start)
        for part in parts:
            if part == IMAGE:
                ids += [image_id] if ids == start or ids[-1] == end_id else [end_id, image_id]
            elif part == END_OF_CHUNK:
                ids.append(end_id)
            else:
                ids += self._tokens.encode(part)
        return ids

    def _frames(self, medium: Any) -> Pixels:
        """[frames, H, W, 3] of a picture or clip."""
        if isinstance(medium, Image.Image):
            pictures = [on_white(ImageOps.exif_transpose(medium))]
        else:
            array = np.asarray(medium)
            if array.dtype != np.uint8 or array.ndim not in (3, 4) or array.shape[-1] != 3:
                raise ValueError(
                    f"a picture is a PIL image or uint8 [H, W, 3], a clip uint8 [frames, H, W, 3]; "
                    f"not {array.dtype} {list(array.shape)}"
                )
            pictures = [Image.fromarray(frame) for frame in (array if array.ndim == 4 else array[None])]
        red, green, blue = self.mean
        squares = (fitted(picture, self.image_px, self.fit) for picture in pictures)
        return np.stack([framed(square, self.image_px, (red, green, blue)) for square in squares])


def _shared_out(texts: Sequence[str], images: Any) -> list[list[Any]]:
    """The pictures of each text."""
    if images is None:
        return [[] for _ in texts]
    if not isinstance(images, list | tuple):
        images = [images]
    if images and all(isinstance(one, list | tuple) for one in images):
        if len(images) != len(texts):
            raise ValueError(f"there are {len(texts)} texts, and lists of pictures for {len(images)}")
        return [list(one) for one in images]
    if len(texts) == 1:
        return [list(images)]
    counts = [text.count(IMAGE) for text in texts]
    if not any(counts):
        counts = [1] * len(texts)
    if sum(counts) != len(images):
        raise ValueError(f"the texts name {sum(counts)} pictures, {len(images)} were given")
    left = iter(images)
    return [[next(left) for _ in range(count)] for count in counts]
