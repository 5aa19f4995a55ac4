"""The frozen language model: where it comes from, and where its layers are."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn

from model.network.config import LanguageSettings
from model.network.folders import load_folder
from model.network.late import Late, making
from schemas.settings import SettingsError


def load_language_model(settings: LanguageSettings, late: Late | None = None) -> nn.Module:
    """A causal LM of transformers from a local folder, or with random weights from a config; made `late` if wanted.

    Raises `SettingsError`; nothing is downloaded.
    """
    transformers = import_transformers()
    dtype = getattr(torch, settings.dtype)
    options = {"dtype": dtype, **({"attn_implementation": settings.attention} if settings.attention else {})}
    if settings.path is not None:
        if not (Path(settings.path) / "config.json").is_file():
            raise SettingsError(f"lm.path: no model folder at {settings.path}: it must hold a config.json")
        try:
            model: nn.Module = load_folder(transformers.AutoModelForCausalLM, settings.path, late, **options)
        except (ValueError, OSError) as error:
            raise SettingsError(f"lm.path: {settings.path} does not load as a causal LM: {error}") from None
        return model
    if settings.config is None:
        raise SettingsError("lm.path must name a local model folder, or lm.config give a config for random weights")
    config = auto_config(settings.config, "lm.config")
    try:
        with making(late):
            model = transformers.AutoModelForCausalLM.from_config(config, **options)
    except ValueError as error:
        raise SettingsError(f"lm.config: {error}") from None
    return model


def import_transformers() -> Any:
    try:
        import transformers
    except ImportError:
        raise SettingsError("the package transformers is missing: pip install -e '.[train]'") from None
    return transformers


def auto_config(values: dict[str, Any], path: str) -> Any:
    """The config of transformers that has these values. Raises `SettingsError`."""
    values = dict(values)
    if not (kind := values.pop("model_type", None)):
        raise SettingsError(f"{path} needs model_type, such as gpt2 or llama")
    try:
        return import_transformers().AutoConfig.for_model(kind, **values)
    except (ValueError, TypeError, KeyError) as error:
        raise SettingsError(f"{path}: {error}") from None


def text_config(lm: nn.Module) -> Any:
    config: Any = lm.config
    return config.get_text_config()


def decoder_layers(lm: nn.Module, path: str | None = None) -> nn.ModuleList:
    """The layers of the model: the one list of modules that is as long as its config says, or the one at `path`.

    Raises `SettingsError`.
    """
    if getattr(text_config(lm), "altup_num_inputs", 1) > 1:
        raise SettingsError(f"{type(lm).__name__} keeps several streams between its layers: blocks have no place there")
    if path is not None:
        try:
            named = lm.get_submodule(path)
        except AttributeError:
            raise SettingsError(f"lm.layers: the language model has no {path}") from None
        if not isinstance(named, nn.ModuleList):
            raise SettingsError(f"lm.layers: {path} is no list of layers")
        return named
    count = text_config(lm).num_hidden_layers
    found = {name: part for name, part in lm.named_modules() if isinstance(part, nn.ModuleList) and len(part) == count}
    outermost = [name for name in found if not any(name.startswith(other + ".") for other in found)]
    if len(outermost) != 1:
        raise SettingsError(
            f"the decoder layers are not plain to see (lists of {count} modules: {outermost or 'none'}): set lm.layers"
        )
    return found[outermost[0]]


def heads_of(lm: nn.Module) -> int:
    """Of its attention. Raises `SettingsError` where it has none."""
    found: int | None = getattr(text_config(lm), "num_attention_heads", None)
    if found is None:
        raise SettingsError(
            f"{type(lm).__name__} has no attention whose heads could be taken: set cross_attention.heads"
        )
    return found


def pad_in_tables_of_layers(lm: nn.Module, embedding: nn.Module) -> None:
    """Tables beside the input embedding that are asked for the same tokens (Gemma 4: a width for each layer) have no
    rows for new ones: these get that of token 0, padding, as images have where such models see by themselves."""
    config = text_config(lm)
    if getattr(config, "hidden_size_per_layer_input", None):
        rows = config.vocab_size_per_layer_input
        for part in lm.modules():
            if isinstance(part, nn.Embedding) and part is not embedding and part.num_embeddings == rows:
                part.register_forward_pre_hook(_known_only)


def _known_only(table: nn.Module, args: tuple[torch.Tensor]) -> Any:
    assert isinstance(table, nn.Embedding)
    return (args[0].masked_fill(args[0] >= table.num_embeddings, 0),)


Wrap = Callable[[Callable[..., Any]], Callable[..., Any]]


def repeated(module: nn.Module) -> Iterator[nn.Module]:
    """The modules of its outermost lists: the layers of a transformer."""
    for child in module.children():
        yield from child if isinstance(child, nn.ModuleList) else repeated(child)


def embedding_and_head(lm: nn.Module) -> tuple[nn.Module, nn.Linear]:
    """Raises `SettingsError` where it has not both."""
    model: Any = lm
    embedding, head = model.get_input_embeddings(), model.get_output_embeddings()
    if embedding is None or not isinstance(head, nn.Linear):
        raise SettingsError(f"{type(lm).__name__} has no input embeddings or no linear head: no causal language model")
    return embedding, head


def width_of(embedding: nn.Module) -> int:
    """Of a row of its table."""
    weight = embedding.weight
    assert isinstance(weight, torch.Tensor)
    return weight.shape[1]
