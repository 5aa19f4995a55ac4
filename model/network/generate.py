"""Text from a Flamingo model: greedy, beams or sampling, and the likelihood of given answers.

The images are encoded once, and the language model reads the prompts once; each further token then costs one token's
work, and in the cross-attention only the keys and values of its row's last medium.

Shapes: B prompts, T tokens of the longest, M media, L latents of a medium, I their width, C candidates.
"""

import copy
import math
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import msgspec
import numpy as np
import numpy.typing as npt
import torch
from torch.distributed.fsdp import FSDPModule

from model.data.feature_files import Features
from model.data.row import seen_frames
from model.data.tokens import Tokens
from model.network.attention import MediaSpans
from model.network.block import Cached
from model.network.continuing import continued, repeat
from model.network.flamingo import Flamingo
from model.network.language import import_transformers, text_config
from schemas.settings import Settings

Pixels = npt.NDArray[np.uint8]


class GenerateSettings(Settings, frozen=True):
    """How text is generated."""

    max_new_tokens: int = 64
    """Where it ends at the latest."""
    beams: int = 1
    """More than 1 searches for the likeliest text, keeping so many at a time (paper: 3)."""
    length_penalty: float = 1.0
    """Over 0 beams of more tokens gain, under 0 those of fewer."""
    temperature: float = 0.0
    """0 takes the likeliest token; over 0 tokens are drawn."""
    top_p: float = 1.0
    """When drawing: of the likeliest tokens only so many as hold this part of the probability."""
    top_k: int = 0
    """When drawing: only so many of the likeliest tokens; 0 all."""
    seed: int = 0
    """Of the drawing."""

    def __post_init__(self) -> None:
        if self.max_new_tokens < 1 or self.beams < 1 or self.top_k < 0 or not 0 <= self.temperature < math.inf:
            raise ValueError("max_new_tokens and beams must be 1 or more, temperature and top_k not below 0")
        if not 0 < self.top_p <= 1:
            raise ValueError("top_p must be over 0 and at most 1")
        if self.beams > 1 and self.temperature > 0:
            raise ValueError("beams are not drawn: with beams over 1 temperature must be 0")


class Prompt(msgspec.Struct, frozen=True):
    """Tokens and the media that they attend to: `media_index[t]` is an entry of `media`, -1 none.

    Media are uint8 frames [frames, height, width, 3], one for an image; or all of a call are features of these.
    """

    tokens: tuple[int, ...]
    media_index: tuple[int, ...]
    media: tuple[Pixels | Features, ...]


def make_prompt(parts: Sequence[str | Pixels | Features], tokens: Tokens) -> Prompt:
    """The prompt of texts and media in reading order, as a page is in training but for the end, which is open.

    BOS, then before each medium that has something before it the end of a chunk. An image may be given without the
    first dimension.
    """
    ids = [] if tokens.bos_id is None else [tokens.bos_id]
    index = [-1] * len(ids)
    before = len(ids)
    media: list[Pixels | Features] = []
    for part in parts:
        added = tokens.encode(part) if isinstance(part, str) else [tokens.image_id]
        if not isinstance(part, str):
            if len(ids) > before:
                ids.append(tokens.end_of_chunk_id)
                index.append(len(media) - 1)
            media.append(part if isinstance(part, Features) or part.ndim == 4 else part[None])
        ids += added
        index += [len(media) - 1] * len(added)
    return Prompt(tuple(ids), tuple(index), tuple(media))


@torch.no_grad()
def generate(
    model: Flamingo, prompts: Sequence[Prompt], stop_ids: Sequence[int], settings: GenerateSettings = GenerateSettings()
) -> list[list[int]]:
    """For each prompt the ids that follow it, until one of `stop_ids`, which is left out.

    The prompts may differ in length and in their media; none changes what another gives. Raises `ValueError` for an
    empty prompt.
    """
    rows = Rows.of(prompts, model.device)
    with reading(model, rows, settings.beams) as cache, torch.random.fork_rng():
        torch.manual_seed(settings.seed)
        out_BT = _lm(model).generate(
            input_ids=rows.tokens_BT,
            attention_mask=rows.real_BT,
            past_key_values=cache,
            generation_config=_config(settings, stop_ids),
            # The processes must gather the same layers together, until the last one has its answers.
            synced_gpus=isinstance(model, FSDPModule),
        )
    return [_until(row, stop_ids) for row in out_BT[:, rows.tokens_BT.shape[1] :].tolist()]


@contextmanager
def reading(model: Flamingo, rows: "Rows", times: int = 1) -> Iterator[Any]:
    """The language model's cache of all but the last token of each row, so many `times`; calls of it go on from there.

    None where the rows have one token.
    """
    with _evaluating(model):
        cache, cached = _read(model, rows.without_last(), rows.last_media_B)
        cached = [layer.repeat(times) for layer in cached]
        if cache is not None and times > 1:
            repeat(cache, len(rows.tokens_BT), times)
        with model.conditioning(cached=cached):
            yield cache


@torch.no_grad()
def score(
    model: Flamingo, prompt: Prompt, candidates: Sequence[Sequence[int]], batch_candidates: int = 32
) -> list[list[float]]:
    """For each candidate the log-likelihood of each of its tokens after the prompt.

    The prompt is read once, and `batch_candidates` of them at a time continue a copy of what it left. The candidates
    hold no media. Raises `ValueError` for an empty one.
    """
    if not all(candidates):
        raise ValueError("a candidate has no token")
    rows = Rows.of([prompt], model.device)
    scores: list[list[float]] = []
    with _evaluating(model):
        cache, cached = _read(model, rows.without_last(), rows.last_media_B)
        for first in range(0, len(candidates), batch_candidates):
            part = candidates[first : first + batch_candidates]
            mine = copy.deepcopy(cache)
            if mine is not None:
                repeat(mine, 1, len(part))
            repeated = [layer.repeat(len(part)) for layer in cached]
            scores += _continue(model, rows, part, mine, repeated)
    return scores


def _continue(
    model: Flamingo, rows: "Rows", candidates: Sequence[Sequence[int]], cache: Any, cached: list[Cached]
) -> list[list[float]]:
    """The last token of the prompt and a candidate in each row, shorter ones filled up behind."""
    start = rows.tokens_BT.shape[1] - 1
    longest = max(len(candidate) for candidate in candidates)
    tokens_CT = torch.zeros(len(candidates), longest + 1, dtype=torch.int64)
    tokens_CT[:, 0] = rows.tokens_BT[0, -1]
    for row, candidate in zip(tokens_CT, candidates, strict=True):
        row[1 : 1 + len(candidate)] = torch.tensor(candidate)
    tokens_CT = tokens_CT.to(model.device)
    with model.conditioning(cached=cached):
        logits_CTV = continued(model.lm, tokens_CT[:, :-1], start, cache, model.settle_steps())
    log_CTV = logits_CTV.float().log_softmax(-1)
    log_CT = log_CTV.gather(-1, tokens_CT[:, 1:, None])[..., 0].tolist()
    return [row[: len(candidate)] for row, candidate in zip(log_CT, candidates, strict=True)]


class Rows(msgspec.Struct, frozen=True):
    """Prompts in rows that end together, shorter ones filled up before their first token; their media end to end."""

    tokens_BT: torch.Tensor
    real_BT: torch.Tensor
    media_index_BT: torch.Tensor
    frames_FCHW: torch.Tensor
    frame_offsets_M1: torch.Tensor
    features_FVI: torch.Tensor | None = None

    @property
    def last_media_B(self) -> torch.Tensor:
        return self.media_index_BT[:, -1]

    @property
    def positions_BT(self) -> torch.Tensor:
        return (self.real_BT.cumsum(-1) - 1).clamp(min=0)

    def without_last(self) -> "Rows":
        short = {name: getattr(self, name)[:, :-1] for name in ("tokens_BT", "real_BT", "media_index_BT")}
        return msgspec.structs.replace(self, **short)

    @classmethod
    def of(cls, prompts: Sequence[Prompt], device: torch.device) -> "Rows":
        if not all(prompt.tokens for prompt in prompts):
            raise ValueError("a prompt has no token: begin it with a text or an image, or with a BOS token")
        longest = max(len(prompt.tokens) for prompt in prompts)
        tokens_BT = np.zeros((len(prompts), longest), np.int64)
        real_BT = np.zeros((len(prompts), longest), np.int64)
        index_BT = np.full((len(prompts), longest), -1, np.int64)
        frames: list[Pixels | Features] = []
        for b, prompt in enumerate(prompts):
            place = (b, slice(longest - len(prompt.tokens), None))
            tokens_BT[place] = prompt.tokens
            real_BT[place] = 1
            index_T = np.array(prompt.media_index)
            index_BT[place] = np.where(index_T < 0, -1, index_T + len(frames))
            frames += prompt.media
        pixels, counts_M, features = seen_frames(frames, 1)
        return cls(
            tokens_BT=torch.from_numpy(tokens_BT).to(device),
            real_BT=torch.from_numpy(real_BT).to(device),
            media_index_BT=torch.from_numpy(index_BT),
            frames_FCHW=torch.from_numpy(pixels).permute(0, 3, 1, 2).to(device),
            frame_offsets_M1=torch.from_numpy(np.cumsum([0, *counts_M])),
            features_FVI=None if features is None else torch.from_numpy(features.floats()).to(device),
        )


def _read(model: Flamingo, rows: Rows, last_media_B: torch.Tensor) -> tuple[Any, list[Cached]]:
    """The language model's cache of the rows, and for each block what their last media are to it."""
    latents_MLI = model.encode(rows.frames_FCHW, rows.frame_offsets_M1, rows.features_FVI)
    cached = model.cached(latents_MLI, last_media_B.to(model.device))
    if rows.tokens_BT.shape[1] == 0:
        return None, cached
    with model.conditioning(latents_MLI, MediaSpans.of_index(rows.media_index_BT)):
        out = model.lm(
            input_ids=rows.tokens_BT,
            attention_mask=rows.real_BT,
            position_ids=rows.positions_BT,
            use_cache=True,
        )
    return out.past_key_values, cached


@contextmanager
def _evaluating(model: Flamingo) -> Iterator[None]:
    """In evaluation mode, and without what a model folder says of generation: it would mix with our settings.

    The new tokens count as part of the vocabulary: transformers 5.17 takes its size from the config for beams.
    """
    model.settle_steps()
    lm, was_training, text = _lm(model), model.training, text_config(model.lm)
    theirs, lm.generation_config = lm.generation_config, import_transformers().GenerationConfig()
    vocabulary, text.vocab_size = text.vocab_size, model.new_logits.size
    model.eval()
    try:
        yield
    finally:
        lm.generation_config, text.vocab_size = theirs, vocabulary
        model.train(was_training)


def _config(settings: GenerateSettings, stop_ids: Sequence[int]) -> Any:
    drawn = {"temperature": settings.temperature, "top_p": settings.top_p, "top_k": settings.top_k}
    return import_transformers().GenerationConfig(
        max_new_tokens=settings.max_new_tokens,
        num_beams=settings.beams,
        length_penalty=settings.length_penalty,
        do_sample=settings.temperature > 0,
        eos_token_id=list(stop_ids),
        pad_token_id=stop_ids[0],
        **(drawn if settings.temperature > 0 else {}),
    )


def _until(ids: list[int], stop_ids: Sequence[int]) -> list[int]:
    return ids[: next((place for place, token in enumerate(ids) if token in stop_ids), len(ids))]


def _lm(model: Flamingo) -> Any:
    return model.lm
