"""A checkpoint of OpenFlamingo becomes a run: what `weft generate`, `weft evaluate` and `weft export-model` take.

Shapes: V rows of a table, D width.
"""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import msgspec
import tokenizers
import torch
from safetensors.torch import save_file
from torch import nn

from model.data.config import LoaderConfig
from model.data.images import ImageSettings
from model.data.tokens import Tokens, load_tokens
from model.imported.open_flamingo import OpenFlamingo, finite, read_open_flamingo
from model.network.config import FlamingoConfig, LanguageSettings, VisionSettings
from model.network.flamingo import Flamingo
from model.network.language import load_language_model
from model.network.vision.encoder import make_encoder
from model.training.checkpoints import MARK, SETTINGS, WEIGHTS, Mark, folder_of
from model.training.config import TrainConfig
from schemas.settings import SettingsError, dump_settings
from schemas.storage import new_attempt

_LM, _TOKENIZER = "lm", "tokenizer"
#: What the head was called in versions of transformers that checkpoints were written with.
_HEADS = ("lm_head.weight", "embed_out.weight", "output_embedding.weight")


def import_open_flamingo(
    checkpoint: str,
    output: str,
    lm: str,
    vision: str,
    dtype: Literal["float32", "bfloat16"] = "float32",
    on_message: Callable[[str], None] = print,
) -> Flamingo:
    """Write the run to a new folder; returns its model.

    `lm` and `vision` are local folders of the language model, with its tokenizer, and of CLIP. Where the checkpoint's
    table of embeddings is not the language model's, a copy of that with it is written beside. `on_message` is told what
    of the checkpoint is left out. Raises `SettingsError` where parts do not go together, and `OSError`.
    """
    if "://" in output:
        raise SettingsError(f"{output} is no local folder: name one, and copy it there")
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{output} is there already: name a new folder")
    found = read_open_flamingo(checkpoint)
    aside = folder.with_name(f".{new_attempt()}.{folder.name}.tmp")
    aside.mkdir(parents=True)
    try:
        tokens = _write_tokenizer(lm, aside / _TOKENIZER)
        model = load_language_model(LanguageSettings(path=lm, dtype=dtype))
        rows_VD, head_VD = _tables(found, model, tokens)
        if left_out := _left_out(found, model):
            such = f"{left_out[0]}{', ...' if len(left_out) > 1 else ''}"
            on_message(f"left out: {len(left_out)} of the checkpoint's weights, which no part of a run takes ({such})")
        where = str(Path(lm).resolve())
        if not _has_table(model, rows_VD, head_VD, tokens.base_size):
            _give_table(model, rows_VD, head_VD, tokens.base_size)
            model.save_pretrained(aside / _LM)  # type: ignore[operator]
            where = str(folder / _LM)
        config = FlamingoConfig(
            lm=LanguageSettings(path=where, dtype=dtype),
            vision=VisionSettings(
                kind="transformers", path=str(Path(vision).resolve()), class_token=False, dtype=dtype
            ),
            connector=found.connector(),
            cross_attention=found.cross_attention(),
        )
        flamingo = _assembled(found, config, model, tokens, rows_VD, head_VD)
        _write_run(aside, folder, config, flamingo)
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return flamingo


def _write_tokenizer(lm: str, folder: Path) -> Tokens:
    """A copy for the run. Where its own call puts no BOS, OpenFlamingo's rows have none, and the copy names none."""
    file = Path(lm) / "tokenizer.json"
    if not file.is_file():
        raise SettingsError(f"lm: {lm} has no tokenizer.json: save its tokenizer there with transformers")
    tokens = load_tokens(lm)
    named = {"bos_token": tokens.bos_id, "eos_token": tokens.eos_id}
    if tokenizers.Tokenizer.from_file(str(file)).encode("a").ids[:1] != [tokens.bos_id]:
        named["bos_token"] = None
    folder.mkdir()
    shutil.copyfile(file, folder / file.name)
    said = {role: tokens.name_of(token) for role, token in named.items() if token is not None}
    (folder / "tokenizer_config.json").write_text(json.dumps(said))
    return load_tokens(str(folder))


def _tables(found: OpenFlamingo, lm: nn.Module, tokens: Tokens) -> tuple[torch.Tensor, torch.Tensor | None]:
    """The checkpoint's tables in and out, None where it has no head of its own. Raises `SettingsError`."""
    model: Any = lm
    embedding = model.get_input_embeddings()
    (name,) = (name for name, part in model.named_modules() if part is embedding)
    if (rows_VD := found.language.get(f"{name}.weight")) is None:
        raise SettingsError(f"the checkpoint has no {name}.weight: lm is another language model than its own")
    known = tokens.base_size if tokens.size == tokens.base_size else tokens.base_size + 2
    if len(rows_VD) not in (known, known + 1) or rows_VD.shape[1] != embedding.weight.shape[1]:
        raise SettingsError(
            f"the checkpoint's table of embeddings is {tuple(rows_VD.shape)}; with this language model and tokenizer "
            f"it would have {known} or {known + 1} rows of {embedding.weight.shape[1]}: they are not its own"
        )
    finite(f"lang_encoder.{name}.weight", rows_VD)
    if model.get_output_embeddings().weight is embedding.weight:
        return rows_VD, rows_VD
    head = next((head for head in _HEADS if head in found.language), None)
    if head is not None:
        finite(f"lang_encoder.{head}", found.language[head])
        if found.language[head].shape != rows_VD.shape:
            shape = tuple(found.language[head].shape)
            raise SettingsError(f"the checkpoint's {head} is {shape}, its table of embeddings {tuple(rows_VD.shape)}")
    return rows_VD, None if head is None else found.language[head]


def _left_out(found: OpenFlamingo, lm: nn.Module) -> list[str]:
    """Names of what becomes no part of a run. Raises `SettingsError` where layers of the language model were trained.

    Saved with its frozen parts, a checkpoint holds layers as the language model has them.
    """
    model: Any = lm
    tables = {id(part.weight) for part in (model.get_input_embeddings(), model.get_output_embeddings())}
    own = dict(model.named_parameters(remove_duplicate=False))
    left_out, trained = list(found.others), []
    for name, value in found.language.items():
        weight = own.get(name.replace(".decoder_layer.", "."))
        if weight is None and name not in _HEADS and not name.startswith("old_decoder_blocks."):
            left_out.append(f"lang_encoder.{name}")
        elif weight is not None and id(weight) not in tables and not _equal(weight, value):
            trained.append(f"lang_encoder.{name}")
    if trained:
        raise SettingsError(
            f"the checkpoint has other weights than lm in {len(trained)} places, such as {trained[0]}: lm is not its "
            "own, or was trained with it, and then a folder of it as it was trained is needed"
        )
    return left_out


def _equal(own: torch.Tensor, given: torch.Tensor) -> bool:
    """As far as both precisions can tell."""
    eps = max(torch.finfo(part.dtype).eps if part.is_floating_point() else 0.0 for part in (own, given))
    return own.shape == given.shape and torch.allclose(own.detach().float(), given.float(), rtol=eps, atol=1e-7)


def _has_table(lm: nn.Module, rows_VD: torch.Tensor, head_VD: torch.Tensor | None, size: int) -> bool:
    model: Any = lm
    pairs = ((model.get_input_embeddings(), rows_VD), (model.get_output_embeddings(), head_VD))
    return all(
        len(own.weight) == size and (given is None or torch.equal(own.weight, given[:size].to(own.weight.dtype)))
        for own, given in pairs
    )


@torch.no_grad()
def _give_table(lm: nn.Module, rows_VD: torch.Tensor, head_VD: torch.Tensor | None, size: int) -> None:
    """Rows beyond the tokenizer's go: OpenFlamingo cut them off, and they would be said."""
    model: Any = lm
    model.resize_token_embeddings(size, mean_resizing=False)
    model.get_input_embeddings().weight.copy_(rows_VD[:size])
    if head_VD is not None:
        model.get_output_embeddings().weight.copy_(head_VD[:size])


def _assembled(
    found: OpenFlamingo,
    config: FlamingoConfig,
    lm: nn.Module,
    tokens: Tokens,
    rows_VD: torch.Tensor,
    head_VD: torch.Tensor | None,
) -> Flamingo:
    encoder = make_encoder(config.vision)
    if encoder.dim != found.perceiver["latents"].shape[1]:
        wanted = found.perceiver["latents"].shape[1]
        raise SettingsError(
            f"the checkpoint's features are {wanted} wide, those of the encoder {encoder.dim}: take its own"
        )
    torch.manual_seed(0)
    model = Flamingo.build(config, (tokens.image_id, tokens.end_of_chunk_id), lm=lm, vision=encoder)
    start = model.trainable_state_dict()
    weights = found.weights()
    # Theirs in the order of ours: <image>, <|endofchunk|>; they added them the other way round.
    new = (
        [tokens.image_id, tokens.end_of_chunk_id]
        if tokens.size == tokens.base_size
        else [tokens.size - 1, tokens.size - 2]
    )
    weights["new_embeddings.weight"] = rows_VD[new].float()
    weights["new_logits.weight"] = start["new_logits.weight"] if head_VD is None else head_VD[new].float()
    weights["new_logits.bias"] = torch.zeros(2)
    try:
        model.load_trainable_state_dict(weights)
    except ValueError as error:
        raise SettingsError(f"the checkpoint is of another model: {error}") from None
    return model.eval()


def _write_run(aside: Path, folder: Path, config: FlamingoConfig, model: Flamingo) -> None:
    """As `weft train` leaves one, its only checkpoint before the first step."""
    images = ImageSettings(size_px=model.vision.image_px, fit="crop")
    data = LoaderConfig(tokenizer=str(folder / _TOKENIZER), images=images)
    settings = dump_settings(TrainConfig(output=str(folder), steps=0, model=config, data=data))
    place = Path(folder_of(aside, 0))
    place.mkdir(parents=True)
    save_file({name: value.contiguous() for name, value in model.trainable_state_dict().items()}, place / WEIGHTS)
    for path in (aside / SETTINGS, place / SETTINGS):
        path.write_text(settings, "utf-8")
    (place / MARK).write_bytes(msgspec.json.encode(Mark(step=0, processes=1, counters={})))
