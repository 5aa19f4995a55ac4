"""A Flamingo model as transformers has models: `from_pretrained`, `save_pretrained`, `generate`, `AutoModel`.

Shapes: B rows, T tokens, V vocabulary with the new tokens, F frames, C channels, H and W pixels, M media.
"""

import copy
import os
from typing import Any

import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from torch import nn
from transformers import GenerationMixin, PreTrainedModel
from transformers.modeling_outputs import CausalLMOutput
from transformers.utils.hub import cached_file

from model.exported.config import WeftConfig
from model.network.attention import MediaSpans
from model.network.flamingo import Flamingo
from model.network.generate import Rows, reading
from model.network.new_tokens import NewLogits
from model.network.vision.patch import PatchEncoder

#: Trained in float32, whatever the frozen parts are held in.
TRAINED = ("flamingo.connector", "flamingo.blocks", "flamingo.new_embeddings", "flamingo.new_logits")
WEIGHTS = "model.safetensors"
_WHERE = ("subfolder", "revision", "cache_dir", "token", "local_files_only", "force_download")  # files are looked for
_IGNORED = -100  # the label of a token that is not predicted


class WeftForConditionalGeneration(PreTrainedModel, GenerationMixin):  # type: ignore[misc]
    """Text from texts and pictures. The processor's output is what `forward` and `generate` take."""

    config_class = WeftConfig
    main_input_name = "input_ids"
    input_modalities = ("image", "text")
    _supports_sdpa = True

    def __init__(self, config: WeftConfig, flamingo: Flamingo | None = None) -> None:
        super().__init__(config)
        settings = config.settings
        ids = (config.image_token_id, config.end_of_chunk_token_id)
        self.flamingo = Flamingo.build(settings, ids) if flamingo is None else flamingo
        own_tied = getattr(self.flamingo.lm, "all_tied_weights_keys", {})
        tied: Any = {f"lm.{name}": f"lm.{other}" for name, other in own_tied.items()}
        self.flamingo.all_tied_weights_keys = tied
        full = ("flamingo.vision",) if settings.vision.dtype == "float32" else ()
        self._keep_in_fp32_modules_strict = {*TRAINED, *full}
        self.post_init()

    @classmethod
    def from_pretrained(cls, name: Any, *inputs: Any, **options: Any) -> Any:
        """As of any model. Where the frozen parts lie elsewhere, they are read there."""
        config = options.get("config")
        if config is None:
            config = WeftConfig.from_pretrained(name, **_where(options))
        asked = options.get("attn_implementation")
        if not asked and getattr(config, "_attn_implementation", None) == "eager":  # as AutoModel hands it on
            asked = "eager"
        if asked:
            config = config.with_attention(asked)
        if config.refers:
            return cls._with_frozen_elsewhere(name, config, options)
        dtype = options.pop("torch_dtype", None) or options.get("dtype", "auto")
        if dtype != "auto":
            config = config.with_frozen_in(dtype if isinstance(dtype, str) else str(dtype).removeprefix("torch."))
        found = super().from_pretrained(name, *inputs, **{**options, "config": config, "dtype": dtype})
        model = found[0] if isinstance(found, tuple) else found  # beside what was missing, where that is asked for
        model.flamingo.vision.to(getattr(torch, config.settings.vision.dtype))
        return found

    @classmethod
    def _with_frozen_elsewhere(cls, name: Any, config: WeftConfig, options: dict[str, Any]) -> Any:
        asked = {**options, "dtype": options.get("torch_dtype") or options.get("dtype")}
        if asked["dtype"] == "auto":  # they come as they were exported
            asked["dtype"] = None
        if refused := [option for option in ("dtype", "device_map", "quantization_config") if asked.get(option)]:
            raise ValueError(f"{', '.join(refused)}: only of a model that was exported with its frozen parts")
        model = cls(config)
        file = cached_file(os.fspath(name), WEIGHTS, **_where(options))
        model.flamingo.load_trainable_state_dict(
            {key.removeprefix("flamingo."): value for key, value in load_file(file).items()}
        )
        return model.eval()

    def save_pretrained(self, save_directory: Any, *inputs: Any, **options: Any) -> None:
        """As of any model. Frozen parts that lie elsewhere stay there."""
        if self.config.refers and not inputs and options.get("state_dict") is None:
            trained = self.flamingo.trainable_state_dict()
            options["state_dict"] = {f"flamingo.{key}": value for key, value in trained.items()}
        super().save_pretrained(save_directory, *inputs, **options)

    @classmethod
    def is_custom_code(cls) -> bool:
        """Most of it is none: else buffers that a model of transformers gives to its parts stay as memory is."""
        return False

    def forward(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        frame_counts: torch.Tensor | None = None,
        media_index: torch.Tensor | None = None,
        position_ids: torch.Tensor | None = None,
        labels: torch.Tensor | None = None,
        **_: Any,
    ) -> CausalLMOutput:
        """Logits [B, T, V]; with `labels` [B, T] the loss too, a mean over those that are not -100.

        `pixel_values` are uint8 frames [F, 3, H, W] of all media end to end, `frame_counts` [M] how many each has (one,
        where it is not given). `media_index` [B, T] is the medium that each token attends to, -1 for none: without it
        the last `<image>` at or before the token decides, media being numbered through the rows.
        """
        rows = self._rows(input_ids, attention_mask, pixel_values, frame_counts, media_index)
        told: dict[str, Any] = {} if attention_mask is None else {"attention_mask": attention_mask}
        if attention_mask is not None or position_ids is not None:
            told["position_ids"] = rows.positions_BT if position_ids is None else position_ids
        latents_MLI = self.flamingo.encode(rows.frames_FCHW, rows.frame_offsets_M1)
        spans = MediaSpans.of_index(rows.media_index_BT).to(input_ids.device)
        with self.flamingo.conditioning(latents_MLI, spans):
            logits_BTV = self.flamingo.lm(input_ids=input_ids, use_cache=False, **told).logits.float()
        loss = None
        if labels is not None:
            loss = F.cross_entropy(logits_BTV[:, :-1].flatten(0, 1), labels[:, 1:].flatten(), ignore_index=_IGNORED)
        return CausalLMOutput(loss=loss, logits=logits_BTV)

    @torch.no_grad()
    def generate(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None = None,
        pixel_values: torch.Tensor | None = None,
        frame_counts: torch.Tensor | None = None,
        media_index: torch.Tensor | None = None,
        generation_config: Any = None,
        **options: Any,
    ) -> Any:
        """As `generate` of transformers, with its options; rows of several lengths are filled up on the left.

        Pictures are encoded once, and the prompts read once.
        """
        rows = self._rows(input_ids, attention_mask, pixel_values, frame_counts, media_index)
        chosen = copy.deepcopy(self.generation_config if generation_config is None else generation_config)
        told = chosen.update(**options)
        times = max(chosen.num_beams or 1, chosen.num_return_sequences or 1)
        lm: Any = self.flamingo.lm
        with reading(self.flamingo, rows, times) as cache:
            return lm.generate(
                input_ids=input_ids,
                attention_mask=rows.real_BT,
                past_key_values=cache,
                generation_config=chosen,
                **told,
            )

    def get_input_embeddings(self) -> nn.Module:
        lm: Any = self.flamingo.lm
        embedding: nn.Module = lm.get_input_embeddings()
        return embedding

    def get_output_embeddings(self) -> nn.Module:
        lm: Any = self.flamingo.lm
        head: nn.Module = lm.get_output_embeddings()
        return head

    def _init_weights(self, module: nn.Module) -> None:
        """Of what is no model of transformers only that which no file holds."""
        if isinstance(module, PatchEncoder | NewLogits):
            module.make_buffers()

    def _rows(
        self,
        input_ids: torch.Tensor,
        attention_mask: torch.Tensor | None,
        pixel_values: torch.Tensor | None,
        frame_counts: torch.Tensor | None,
        media_index: torch.Tensor | None,
    ) -> Rows:
        """Raises `ValueError` where there are fewer or more media than the tokens name."""
        size = self.flamingo.vision.image_px
        frames_FCHW = input_ids.new_zeros(0, 3, size, size, dtype=torch.uint8) if pixel_values is None else pixel_values
        counts_M = torch.ones(len(frames_FCHW), dtype=torch.int64) if frame_counts is None else frame_counts.cpu()
        if int(counts_M.sum()) != len(frames_FCHW):
            raise ValueError(
                f"frame_counts adds up to {int(counts_M.sum())}, pixel_values has {len(frames_FCHW)} frames"
            )
        if frames_FCHW.dtype != torch.uint8:
            raise ValueError(
                f"pixel_values are uint8 of 0 to 255, as the processor gives them, not {frames_FCHW.dtype}"
            )
        is_told = media_index is not None
        if media_index is None:
            media_index = _last_before(input_ids == self.config.image_token_id)
        named = int(media_index.max()) + 1
        if named > len(counts_M) or (named < len(counts_M) and not is_told):
            raise ValueError(f"the tokens name {named} pictures, pixel_values has {len(counts_M)}")
        return Rows(
            tokens_BT=input_ids,
            real_BT=torch.ones_like(input_ids) if attention_mask is None else attention_mask,
            media_index_BT=media_index,
            frames_FCHW=frames_FCHW.to(self.flamingo.device),
            frame_offsets_M1=F.pad(counts_M.cumsum(0), (1, 0)),
            features_FVI=None,
        )


def _where(options: dict[str, Any]) -> dict[str, Any]:
    return {option: options[option] for option in _WHERE if option in options}


def _last_before(tags_BT: torch.Tensor) -> torch.Tensor:
    """For each token the medium of the last tag at or before it in its row, -1 none; tags are numbered through."""
    seen_BT = tags_BT.cumsum(1)
    before_B1 = F.pad(seen_BT[:, -1].cumsum(0)[:-1], (1, 0))[:, None]
    return torch.where(seen_BT > 0, seen_BT + before_B1 - 1, -1)
