"""A folder that transformers loads: weights, configs, tokenizer, processor, code, card."""

import shutil
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from transformers import GenerationConfig, PreTrainedTokenizerFast

from model.data.tokens import END_OF_CHUNK, IMAGE, Tokens
from model.evaluation.loaded import LoadedModel, load_model
from model.exported.card import model_card
from model.exported.code import auto_map, write_code
from model.exported.config import config_of
from model.exported.network import WEIGHTS, WeftForConditionalGeneration
from model.exported.processor import WeftProcessor
from model.training.checkpoints import read_settings
from schemas.settings import SettingsError
from schemas.storage import new_attempt


def export_model(checkpoint: str, output: str, refer: bool = False, licence: str = "") -> Path:
    """Write the model of a run, or of one of its checkpoints, to a new folder; returns the checkpoint.

    With `refer` the frozen language model and encoder stay where they lie, and the folder names their places. Raises
    `SettingsError`, `CheckpointError` and `OSError`; what is half written is removed.
    """
    if "://" in output:
        raise SettingsError(f"{output} is no local folder: name one, and copy it there")
    folder = Path(output)
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise SettingsError(f"{output} is there already: name a new folder")
    loaded = load_model(checkpoint, "cpu")
    config = read_settings(loaded.checkpoint)
    if refer and config.model.lora is not None:
        raise SettingsError(f"{checkpoint}: its adapters are merged into the language model: export it whole")
    aside = folder.with_name(f".{new_attempt()}.{folder.name}.tmp")
    aside.mkdir(parents=True)
    try:
        write_model(loaded, aside, refer)
        processor_of(loaded).save_pretrained(aside)
        code = write_code(aside)
        (aside / "README.md").write_text(model_card(loaded, config, code, licence, refer), "utf-8")
        if folder.exists():
            folder.rmdir()
        aside.rename(folder)
    finally:
        shutil.rmtree(aside, ignore_errors=True)
    return Path(loaded.checkpoint)


def exported(loaded: LoadedModel, refer: bool = False) -> WeftForConditionalGeneration:
    """The model as one of transformers; it shares its weights. Its `generate` ends where weft's does."""
    config = config_of(loaded.model, refer)
    config.auto_map = auto_map("AutoConfig", "AutoModel", "AutoModelForImageTextToText")
    model: WeftForConditionalGeneration = WeftForConditionalGeneration(config, loaded.model).eval()
    stop_ids = loaded.stop_ids
    model.generation_config = GenerationConfig(max_new_tokens=64, eos_token_id=stop_ids, pad_token_id=stop_ids[0])
    return model


def processor_of(loaded: LoadedModel) -> WeftProcessor:
    """What makes of pictures and text what training did, but for the augmentation."""
    images = loaded.data.images
    processor = WeftProcessor(tokenizer_of(loaded.tokens), images.size_px, images.fit, images.mean)
    processor.auto_map = auto_map("AutoProcessor")
    return processor


def tokenizer_of(tokens: Tokens) -> Any:
    """The tokenizer with the new tokens, as transformers has it."""
    named = {"bos_token": tokens.bos_id, "eos_token": tokens.eos_id, "pad_token": tokens.pad_id}
    return PreTrainedTokenizerFast(
        tokenizer_object=tokens.tokenizer(),
        extra_special_tokens=[IMAGE, END_OF_CHUNK],
        padding_side="left",
        clean_up_tokenization_spaces=False,
        **{role: tokens.name_of(token) for role, token in named.items() if token is not None},
    )


def write_model(loaded: LoadedModel, folder: Path, refer: bool = False) -> None:
    """Weights and `config.json`."""
    model = exported(loaded, refer)
    if not refer:
        model.save_pretrained(folder)
        return
    folder.mkdir(exist_ok=True)
    model.config.architectures = [type(model).__name__]
    model.config.save_pretrained(folder)
    model.generation_config.save_pretrained(folder)
    trained = {f"flamingo.{name}": value.contiguous() for name, value in loaded.model.trainable_state_dict().items()}
    save_file(trained, folder / WEIGHTS, metadata={"format": "pt"})
