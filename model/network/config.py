"""The settings of a Flamingo model."""

import math
from typing import Any, Literal

from schemas.settings import Settings, SettingsError

Activation = Literal["relu2", "gelu"]
Three = tuple[float, float, float]


class LanguageSettings(Settings, frozen=True):
    """The frozen language model: any Hugging Face causal LM. Nothing is downloaded."""

    path: str | None = None
    """A local model folder, as `save_pretrained` writes it."""
    config: dict[str, Any] | None = None
    """Instead of `path`: the config of a model with random weights, such as `{model_type: gpt2, n_layer: 4}`."""
    layers: str | None = None
    """Where its decoder layers are, such as `model.layers`. null finds them."""
    attention: Literal["sdpa", "eager"] | None = None
    """Its attention implementation in transformers. null is `sdpa` where the model has it, else `eager`."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In which its weights are held. On a GPU `bfloat16` halves their memory."""

    def __post_init__(self) -> None:
        if self.path is not None and self.config is not None:
            raise ValueError("of path and config give one")


class VisionSettings(Settings, frozen=True):
    """The frozen vision encoder."""

    kind: Literal["patch", "transformers", "open_clip", "timm"] = "patch"
    """`patch` needs no weights: a fixed orthogonal projection of patches with their positions. The others are the
    libraries of that name."""
    path: str | None = None
    """A local model folder (`transformers`), or a checkpoint file (`open_clip`, `timm`)."""
    config: dict[str, Any] | None = None
    """Of `transformers`, instead of `path`: a config for random weights, such as `{model_type: clip_vision_model}`."""
    name: str = ""
    """The architecture in `open_clip` or `timm`, such as ViT-L-14 or dm_nfnet_f6."""
    image_px: int = 64
    """Width and height of what `patch` and `timm` take; the others know theirs. The loader's `images.size_px` must be
    the same."""
    patch_px: int = 8
    """Width and height of a patch, of `patch`."""
    dim: int = 192
    """Width of the features, of `patch`."""
    dtype: Literal["float32", "bfloat16", "float16"] = "float32"
    """In which its weights are held."""
    layer: int | None = None
    """Of `transformers`: after which layer features are taken, -2 before the last one (LLaVA); null after the last and
    its norm."""
    size_px: int | None = None
    """Of `transformers`: width and height of what it takes, a multiple of its patches, where its config says another.
    Positions are interpolated, as it does itself."""
    class_token: bool = True
    """Of `transformers`: whether the token of the whole image, of encoders that have one, is among the features."""
    mean: Three | None = None
    """What is subtracted from pixels of 0 to 1; null is what the encoder says that it was trained with."""
    std: Three | None = None
    """What they are divided by then; null the same."""
    batch_frames: int = 256
    """Frames that it sees at a time, while it is frozen. More take more memory."""

    def __post_init__(self) -> None:
        if min(self.image_px, self.patch_px, self.dim, self.batch_frames) < 1:
            raise ValueError("image_px, patch_px, dim and batch_frames must be 1 or more")
        if self.kind == "patch" and (self.image_px % self.patch_px or self.dim % 4):
            raise ValueError("of patch, image_px must be a multiple of patch_px, and dim of 4")
        if self.kind in ("open_clip", "timm") and not self.name:
            raise ValueError(f"{self.kind} needs name, the architecture")
        if self.layer is not None and self.kind != "transformers":
            raise ValueError("layer is of transformers")
        if self.size_px is not None and (self.kind != "transformers" or self.size_px < 1):
            raise ValueError("size_px is of transformers, and 1 or more")
        if (self.mean is None) != (self.std is None):
            raise ValueError("mean and std go together")
        if self.kind == "transformers" and (self.path is None) == (self.config is None):
            raise ValueError("transformers needs path or config, and not both")


class ConnectorSettings(Settings, frozen=True):
    """What makes of the features of an image or clip a fixed number of latents."""

    kind: Literal["resampler", "transformer", "mlp"] = "resampler"
    """`resampler`: the paper's. `transformer` and `mlp`: what its ablation compares it to."""
    layers: int = 6
    """Of attention and feed-forward; of the latter alone in `mlp`."""
    latents: int = 64
    """Of a medium, however many frames it has."""
    dim: int | None = None
    """Width. null is that of the vision encoder; another is reached by a linear projection."""
    heads: int = 16
    """Of its attention."""
    head_dim: int = 96
    """Width of a head."""
    ff_mult: int = 4
    """Width of the feed-forward layers over `dim`."""
    activation: Activation = "relu2"
    """Within them: squared ReLU (paper), or GELU (OpenFlamingo)."""
    final_norm: bool = False
    """Of `resampler`: whether its latents are normalised at the end, as in OpenFlamingo."""
    max_frames: int = 8
    """Rows of the table of temporal embeddings. It is interpolated for a clip with more frames."""
    latents_std: float = 0.02
    """Deviation of the latents at the start, of `resampler` and `transformer`."""
    centre: bool = False
    """Of `resampler`: a medium's features lose their mean, over all of its frames, before keys and values are made of
    them. Not in the paper; with the next it learns from raw patches. Untested with real encoders."""
    tied_start: bool = False
    """Of `resampler`: the weights of the keys begin equal to those of the queries, and are trained apart. Not in the
    paper. Untested with real encoders."""

    def __post_init__(self) -> None:
        if min(self.layers, self.latents, self.heads, self.head_dim, self.ff_mult, self.max_frames) < 1:
            raise ValueError("layers, latents, heads, head_dim, ff_mult and max_frames must be 1 or more")
        if self.dim is not None and self.dim < 1:
            raise ValueError("dim must be 1 or more")
        if not 0 < self.latents_std < math.inf:
            raise ValueError("latents_std must be more than 0: latents that begin alike stay alike")
        if (self.centre or self.tied_start) and self.kind != "resampler":
            raise ValueError(f"centre and tied_start are of resampler, the connector is {self.kind}")


class CrossAttentionSettings(Settings, frozen=True):
    """The gated blocks between the layers of the language model."""

    every: int = 4
    """A block stands before the first layer and every so many further. The paper: 1 for 3B, 4 for 9B, 7 for 80B."""
    first: int = 0
    """The layer, from 0, before which the first block stands; `every` - 1 in OpenFlamingo."""
    heads: int | None = None
    """null is that of the language model."""
    head_dim: int | None = None
    """null is the width of the language model over `heads`."""
    ff_mult: int = 4
    """Width of the feed-forward layers over that of the language model."""
    activation: Activation = "relu2"
    """Within them: squared ReLU (paper), or GELU (OpenFlamingo)."""
    kv_norm: bool = True
    """Whether latents are normalised before keys and values are made of them, as in the paper."""
    backend: Literal["auto", "grouped", "chunked", "varlen"] = "auto"
    """How tokens attend to their medium; the result is the same. `auto`: `grouped` on a CPU, on CUDA `varlen` in half
    precision with heads of up to 256, else `chunked`."""

    def __post_init__(self) -> None:
        if min(self.every, self.heads or 1, self.head_dim or 1, self.ff_mult) < 1:
            raise ValueError("every, heads, head_dim and ff_mult must be 1 or more")
        if self.first < 0:
            raise ValueError("first must not be below 0")


class LoraSettings(Settings, frozen=True):
    """Low-rank adapters beside layers of the language model, which are trained in its place."""

    rank: int = 16
    """Width of an adapter."""
    alpha: int = 32
    """What an adapter adds is multiplied by this over `rank`."""
    targets: tuple[str, ...] = ()
    """Names, or ends of names, of the layers that get one, such as q_proj. Empty: every linear layer but the head."""

    def __post_init__(self) -> None:
        if self.rank < 1 or self.alpha <= 0:
            raise ValueError("rank is 1 or more, alpha over 0")


class FlamingoConfig(Settings, frozen=True):
    """Everything that decides what a model is made of."""

    lm: LanguageSettings = LanguageSettings()
    vision: VisionSettings = VisionSettings()
    connector: ConnectorSettings = ConnectorSettings()
    cross_attention: CrossAttentionSettings = CrossAttentionSettings()
    init_std: float | None = 0.02
    """Standard deviation of the new linear weights at the start. null is 1 / sqrt(width of what goes in), from which
    narrow models learn faster by far."""
    train_lm: bool = False
    """Whether the language model is trained too. Not in the paper: it costs 8 % of the score."""
    train_vision: bool = False
    """Whether the vision encoder is trained too. The paper: only for fine-tuning, at a small learning rate."""
    lora: LoraSettings | None = None
    """Adapters of the language model, trained while it stays frozen; needs the extra `lora`. Not in the paper."""

    def __post_init__(self) -> None:
        if self.lora is not None and self.train_lm:
            raise ValueError("of train_lm and lora give one: adapters are beside a language model that stays frozen")


def preset(name: str) -> FlamingoConfig:
    """The settings of that name; raises `SettingsError`.

    `flamingo-3b`, `flamingo-9b`, `flamingo-80b` have the published dimensions. Their language models have the size of
    Chinchilla, which is not public, in the form of GPT-NeoX.
    """
    if name not in PRESETS:
        raise SettingsError(f"no model preset {name!r}: {', '.join(PRESETS)}")
    return PRESETS[name]


def _published(layers: int, width: int, heads: int, every: int) -> FlamingoConfig:
    """A model of the paper's table 4 (arXiv 2204.14198, A.1.4); vision by B.1.3."""
    chinchilla = {
        "model_type": "gpt_neox",
        "vocab_size": 32_000,
        "hidden_size": width,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "intermediate_size": 4 * width,
        "max_position_embeddings": 2048,
        "use_parallel_residual": False,
        "tie_word_embeddings": True,
    }
    return FlamingoConfig(
        lm=LanguageSettings(config=chinchilla, dtype="bfloat16"),
        vision=VisionSettings(kind="timm", name="dm_nfnet_f6", image_px=320, dtype="bfloat16", batch_frames=64),
        connector=ConnectorSettings(dim=1536),
        cross_attention=CrossAttentionSettings(every=every, heads=heads, head_dim=128),
    )


#: By name.
PRESETS = {
    "tiny": FlamingoConfig(
        lm=LanguageSettings(config={"model_type": "gpt2", "n_layer": 4, "n_embd": 192, "n_head": 4}),
        connector=ConnectorSettings(layers=2, latents=16, heads=4, head_dim=48),
        cross_attention=CrossAttentionSettings(every=1),
    ),
    "flamingo-3b": _published(24, 2048, 16, every=1),
    "flamingo-9b": _published(40, 4096, 32, every=4),
    "flamingo-80b": _published(80, 8192, 64, every=7),
}
