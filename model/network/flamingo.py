"""The Flamingo model (arXiv 2204.14198): a frozen language model that sees through gated cross-attention.

Shapes: B rows, T tokens, V vocabulary with the new tokens, D width of the language model, F frames, C channels, H and W
pixels, M media, L latents of a medium, I their width.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import Any

import msgspec
import torch
from torch import nn

from model.data.batch import Batch
from model.network.apart import Apart
from model.network.attention import MediaSpans
from model.network.block import Cached, Conditioning, GatedBlock
from model.network.config import FlamingoConfig
from model.network.connector import CONNECTORS, initialise
from model.network.continuing import Steps, find_steps
from model.network.language import (
    Wrap,
    decoder_layers,
    embedding_and_head,
    heads_of,
    load_language_model,
    pad_in_tables_of_layers,
    repeated,
    text_config,
    width_of,
)
from model.network.late import Late, making
from model.network.lora import add_adapters, merge_adapters
from model.network.loss import token_loss
from model.network.new_tokens import NewEmbeddings, NewLogits, check_ids, start
from model.network.vision.encoder import Encoder, make_encoder, without_part
from schemas.settings import SettingsError


class Flamingo(nn.Module):
    """A language model of transformers with blocks before every k-th of its layers.

    The language model itself is not changed: its classes, its weights and the keys of its `state_dict` stay.
    Hooks on its layers call the blocks, and they do nothing outside of `with model.conditioning(...)`.
    """

    def __init__(self, config: FlamingoConfig, lm: nn.Module, vision: Encoder, new_token_ids: Sequence[int]) -> None:
        super().__init__()
        self.config = config
        self.lm, self.vision = lm, vision
        self.connector = CONNECTORS[config.connector.kind](config.connector, vision.dim)
        initialise(self.connector, config.init_std)
        self.layers = _layers(lm, config)
        text = text_config(lm)
        heads = config.cross_attention.heads or heads_of(lm)
        self.blocks = nn.ModuleList(
            GatedBlock(
                dim=text.hidden_size,
                latent_dim=self.connector.dim,
                heads=heads,
                head_dim=config.cross_attention.head_dim or max(1, text.hidden_size // heads),
                ff_mult=config.cross_attention.ff_mult,
                activation=config.cross_attention.activation,
                kv_norm=config.cross_attention.kv_norm,
                backend=config.cross_attention.backend,
            )
            for _ in self._seeing_layers()
        )
        initialise(self.blocks, config.init_std)
        embedding, head = embedding_and_head(lm)
        check_ids(new_token_ids, head.out_features)
        self.new_embeddings = NewEmbeddings(new_token_ids, width_of(embedding))
        self.new_logits = NewLogits(new_token_ids, head.in_features, head.out_features)
        start(self.new_embeddings, self.new_logits, embedding, head)
        self._conditioning: Conditioning | None = None
        self._apart = Apart(lm)
        self._steps: Steps | None = None
        self._token_loss = token_loss
        self._attach(embedding, head)
        for frozen, trained in ((lm, config.train_lm), (vision, config.train_vision)):
            frozen.requires_grad_(trained)
        if config.train_vision:
            # What gets no gradient has no state in the optimiser, and a run would not go on from its checkpoint.
            for parameter in without_part(vision):
                parameter.requires_grad_(False)
        if config.lora is not None:
            for adapter in add_adapters(lm, config.lora):
                adapter.requires_grad_(True)
        self.train(self.training)

    @classmethod
    def build(
        cls,
        config: FlamingoConfig,
        new_token_ids: Sequence[int],
        lm: nn.Module | None = None,
        vision: Encoder | None = None,
        late: Late | None = None,
    ) -> "Flamingo":
        """The model of these settings; `lm` and `vision` may be given ready made. With `late` the weights are yet to be
        made: it lies on the meta device.

        `new_token_ids` are `(tokens.image_id, tokens.end_of_chunk_id)`. Raises `SettingsError`.
        """
        lm = load_language_model(config.lm, late) if lm is None else lm
        if vision is None:
            # The new weights are the same whether the encoder is loaded or not.
            on_gpu = [torch.cuda.current_device()] if torch.cuda.is_initialized() else []
            with torch.random.fork_rng(on_gpu):
                vision = make_encoder(config.vision, late)
        with making(late):
            return cls(config, lm=lm, vision=vision, new_token_ids=new_token_ids)

    def forward(
        self,
        batch: Batch,
        spans: MediaSpans | None = None,
        latents_MLI: torch.Tensor | None = None,
        losses: bool = False,
    ) -> torch.Tensor:
        """Logits [B, T, V], float32; those at t are of token t + 1. Or the `losses` [B, T] of `token_loss`.

        `spans`, made while the batch is in the CPU's memory, save a wait for the GPU; `latents_MLI` save the encoding.
        """
        spans = (MediaSpans.of(batch) if spans is None else spans).to(batch.tokens_BT.device)
        if latents_MLI is None:
            latents_MLI = self.encode(batch.frames_FCHW, batch.frame_offsets_M1, batch.features())
        apart = self._apart.inputs(batch, spans)
        with self.conditioning(latents_MLI, spans):
            out = self.lm(input_ids=batch.tokens_BT, use_cache=False, **apart)
        logits_BTV: torch.Tensor = out.logits
        return self._token_loss(logits_BTV, batch.tokens_BT) if losses else logits_BTV.float()

    def loss(self, batch: Batch, spans: MediaSpans | None = None) -> torch.Tensor:
        """Cross-entropy [B, T] of each token given those before it, without any weight: see `token_loss`."""
        losses_BT: torch.Tensor = self(batch, spans, losses=True)
        return losses_BT

    def encode(
        self, frames_FCHW: torch.Tensor, frame_offsets_M1: torch.Tensor, features_FVI: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Latents [M, L, I] of media, whose frames are uint8; vision runs without gradients while it is frozen, and not
        at all where it has seen them: `features_FVI`.

        Without any medium it gives the latents of one black frame, to which nothing attends: with several processes
        each must run the same modules.
        """
        counts = frame_offsets_M1.diff().tolist()
        if not counts:
            frames_FCHW, counts = frames_FCHW.new_zeros(1, 3, self.vision.image_px, self.vision.image_px), [1]
            features_FVI = None if features_FVI is None else features_FVI.new_zeros(1, *features_FVI.shape[1:])
        if features_FVI is None:
            features_FVI = self._seen(frames_FCHW)
        latents_MLI: torch.Tensor = self.connector(features_FVI, counts)
        return latents_MLI

    def _seen(self, frames_FCHW: torch.Tensor) -> torch.Tensor:
        """Features [F, V, I] of frames."""
        if self.config.train_vision:
            found: torch.Tensor = self.vision(frames_FCHW)
            return found
        with torch.no_grad():
            return torch.cat([self.vision(part) for part in frames_FCHW.split(self.config.vision.batch_frames)])

    def cached(self, latents_MLI: torch.Tensor, media_B: torch.Tensor) -> list[Cached]:
        """For each block keys and values of one medium a row, -1 none: what generation needs of the images."""
        chosen_BLI = latents_MLI[media_B.clamp(min=0)]
        made = [block.see(chosen_BLI) for block in self.gated_blocks()]
        return [Cached(k_BLHE, v_BLHE, media_B >= 0) for k_BLHE, v_BLHE in made]

    @contextmanager
    def conditioning(
        self,
        latents_MLI: torch.Tensor | None = None,
        spans: MediaSpans | None = None,
        cached: list[Cached] | None = None,
    ) -> Iterator[Conditioning]:
        """Within it the language model sees; when it ends, by whatever is raised too, it is blind again."""
        outer, self._conditioning = self._conditioning, Conditioning(latents_MLI, spans, cached)
        try:
            yield self._conditioning
        finally:
            self._conditioning = outer

    def train(self, mode: bool = True) -> "Flamingo":
        """As in torch, but what is frozen stays in evaluation mode: no dropout in it."""
        super().train(mode)
        self.lm.train(mode and self.config.train_lm)
        self.vision.train(mode and self.config.train_vision)
        return self

    def settle_packing(self, packed: bool = True) -> None:
        """Find how documents of one row are kept apart. Raises `SettingsError` where rows are `packed` and no way is.

        Else it is done at the first packed row. With several processes, call it before the model is laid out: it runs
        the language model, and all of them must do that together.
        """
        self._apart.settle(packed)

    def settle_steps(self) -> Steps:
        """How the language model goes on from a cache: found once, by trying. Raises `SettingsError`: it does not."""
        if self._steps is None:
            was_training = self.training
            self.eval()
            self._steps = find_steps(self.lm)
            self.train(was_training)
        return self._steps

    @property
    def device(self) -> torch.device:
        return self.connector.time.device

    def trainable_parameters(self) -> dict[str, nn.Parameter]:
        """By name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def count_parameters(self) -> dict[str, int]:
        """Of each part; tied weights count once."""
        parts: dict[str, list[nn.Module]] = {
            "language model": [self.lm],
            "vision encoder": [self.vision],
            "connector": [self.connector],
            "cross-attention": [self.blocks],
            "new tokens": [self.new_embeddings, self.new_logits],
        }
        return {name: sum(p.numel() for part in some for p in part.parameters()) for name, some in parts.items()}

    def parameter_groups(self, weight_decay: float) -> list[dict[str, Any]]:
        """For an optimiser: decay for the matrices of the blocks (and of what was unfrozen), none for the rest.

        The paper decays all but the resampler. Gates, norms, biases and the rows of new tokens are left out too, as is
        the custom.
        """
        decayed: list[nn.Parameter] = []
        others: list[nn.Parameter] = []
        for name, parameter in self.trainable_parameters().items():
            is_matrix = parameter.ndim >= 2 and name.split(".")[0] in ("blocks", "lm", "vision")
            (decayed if is_matrix else others).append(parameter)
        return [{"params": decayed, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]

    def trainable_state_dict(self) -> dict[str, torch.Tensor]:
        """What a checkpoint holds: all that is trained, and nothing of what is frozen."""
        names = self.trainable_parameters()
        return {name: value for name, value in self.state_dict().items() if name in names}

    def merge_adapters(self) -> None:
        """The language model with what its adapters learnt in its own weights; there are none afterwards."""
        if self.config.lora is not None:
            merge_adapters(self.lm)
            self.config = msgspec.structs.replace(self.config, lora=None)

    def load_trainable_state_dict(self, state: dict[str, torch.Tensor]) -> None:
        """Raises `ValueError` naming what is missing, unknown or of another shape."""
        mine = self.trainable_parameters()
        wrong = [f"{name} is missing" for name in mine if name not in state]
        wrong += [f"{name} is unknown" for name in state if name not in mine]
        wrong += [
            f"{name} is {tuple(state[name].shape)}, not {tuple(mine[name].shape)}"
            for name in mine
            if name in state and state[name].shape != mine[name].shape
        ]
        if wrong:
            more = f" and {len(wrong) - 5} more" if len(wrong) > 5 else ""
            raise ValueError(f"the weights do not fit this model: {'; '.join(wrong[:5])}{more}")
        self.load_state_dict(state, strict=False)

    def wrap_layers(self, wrap: Wrap) -> None:
        """Put `wrap` around the computation of every decoder layer and every block, for instance to checkpoint it.

            model.wrap_layers(lambda forward: partial(checkpoint, forward, use_reentrant=False))

        The hooks stay outside. Do it before FSDP.
        """
        for module in (*self.layers, *self.blocks):
            module.forward = wrap(module.forward)

    def compile_layers(self) -> None:
        """Compile each layer by itself, and the loss. Layers alike are compiled once, whatever their number.

        Before FSDP, and after `wrap_layers`.
        """
        compiled: Any = torch.compile
        self.wrap_layers(compiled)
        for module in (*repeated(self.vision), *repeated(self.connector)):
            module.forward = compiled(module.forward)
        self._token_loss = compiled(token_loss)

    def gated_blocks(self) -> Iterator[GatedBlock]:
        for block in self.blocks:
            assert isinstance(block, GatedBlock)
            yield block

    def _attach(self, embedding: nn.Module, head: nn.Module) -> None:
        for number, layer in enumerate(self._seeing_layers()):
            # Not a closure: a copy of the model must have hooks of its own.
            layer.register_forward_pre_hook(partial(self._before_layer, number), with_kwargs=True)
        embedding.register_forward_pre_hook(self._before_embedding)
        embedding.register_forward_hook(self._after_embedding)
        pad_in_tables_of_layers(self.lm, embedding)
        head.register_forward_hook(self._after_head)

    def _seeing_layers(self) -> list[nn.Module]:
        """Those that a block stands before."""
        attention = self.config.cross_attention
        return self.layers[attention.first :: attention.every]

    def _before_layer(self, number: int, layer: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if (conditioning := self._conditioning) is None:
            return None
        hidden_BTD = args[0] if args else kwargs["hidden_states"]
        cached = conditioning.cached[number] if conditioning.cached is not None else None
        hidden_BTD = self.blocks[number](hidden_BTD, conditioning.latents_MLI, conditioning.spans, cached)
        if args:
            return (hidden_BTD, *args[1:]), kwargs
        return args, {**kwargs, "hidden_states": hidden_BTD}

    def _before_embedding(self, embedding: nn.Module, args: tuple[torch.Tensor]) -> Any:
        if (conditioning := self._conditioning) is None:
            return None
        conditioning.tokens_BT = tokens_BT = args[0]
        # The frozen table has no row for them.
        return (tokens_BT.masked_fill(tokens_BT >= self.new_logits.vocabulary, 0),)

    def _after_embedding(self, embedding: nn.Module, args: tuple[torch.Tensor], out: torch.Tensor) -> Any:
        if (conditioning := self._conditioning) is None or conditioning.tokens_BT is None:
            return None
        return self.new_embeddings(conditioning.tokens_BT, out)

    def _after_head(self, head: nn.Module, args: tuple[torch.Tensor], out: torch.Tensor) -> Any:
        return None if self._conditioning is None else self.new_logits(args[0], out)


def _layers(lm: nn.Module, config: FlamingoConfig) -> list[nn.Module]:
    layers: Iterable[nn.Module] = decoder_layers(lm, config.lm.layers)
    found, first = list(layers), config.cross_attention.first
    if first >= len(found):
        raise SettingsError(f"cross_attention.first is {first}, but the language model has {len(found)} layers")
    return found
