"""How the documents of a packed row are kept apart in the self-attention of the language model.

By a mask [B, T, T], which any model takes; or, on a GPU in half precision, by telling FlashAttention where documents
end: no mask is made, no token looks at a place that it does not see, and padding sees padding alone.
"""

from typing import Any

import torch
from torch import nn

from model.data.batch import Batch, self_attention_mask
from model.network.attention import MediaSpans
from model.network.language import text_config
from model.network.varlen import takes, varlen_attention
from schemas.settings import SettingsError

#: The name of our attention among those of transformers.
BY_ENDS = "weft_documents"
_NO_PACKING = (
    "{} cannot keep the documents of a row apart: set the loader's packing.enabled to false, or take another model"
)


class Apart:
    """The way of one language model: `settle` finds it, by trying, once."""

    def __init__(self, lm: nn.Module) -> None:
        self._lm, self._settled, self._refused = lm, False, ""
        self._by_ends = False

    def settle(self, packed: bool = True) -> None:
        """Raises `SettingsError` where rows are `packed` and a document changes what the model says of another."""
        if not self._settled:
            self._by_ends = _can_by_ends(self._lm)
            self._settled = True
            if not self._by_ends:
                try:
                    check_packing(self._lm)
                except SettingsError as error:
                    self._refused = str(error)
        if packed and self._refused:
            raise SettingsError(self._refused)

    def inputs(self, batch: Batch, spans: MediaSpans) -> dict[str, Any]:
        """What the language model is given beside the tokens. Raises `SettingsError`."""
        if spans.packed:
            self.settle()
        if self._by_ends:
            return by_ends(self._lm, batch, spans)
        # Rows of one document need nothing: padding stands behind it, and no token looks ahead.
        return by_mask(self._lm, batch) if spans.packed else {}


def by_mask(lm: nn.Module, batch: Batch) -> dict[str, Any]:
    """An explicit mask and the documents' own positions.

    Positions alone do not do it: some models never look at them, others only without a cache.
    """
    mask_BTT = self_attention_mask(batch)
    masks = {kind: _as_taken(lm, mask_BTT & _near(batch, window)) for kind, window in _windows(lm).items()}
    return {"attention_mask": _of_kinds(lm, masks), "position_ids": batch.position_BT}


def by_ends(lm: nn.Module, batch: Batch, spans: MediaSpans) -> dict[str, Any]:
    """Where documents end, under the names that transformers has for it, and their own positions."""
    at = spans.to(batch.tokens_BT.device).at
    assert at is not None
    # A mask of four dimensions is handed on as it is; without one transformers would make one.
    nothing = torch.empty(1, 1, 1, 1, dtype=torch.bool, device=batch.tokens_BT.device)
    return {
        "attention_mask": _of_kinds(lm, dict.fromkeys(_windows(lm), nothing)),
        "position_ids": batch.position_BT,
        "cu_seq_lens_q": at.documents_D1,
        "max_length_q": at.longest_document,
    }


def attention_by_ends(
    module: nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    cu_seq_lens_q: torch.Tensor | None = None,
    max_length_q: int | None = None,
    sliding_window: int | None = None,
    **more: Any,
) -> tuple[torch.Tensor, None]:
    """As transformers calls attention, [B, heads, T, E] in and [B, T, heads, E] out; without ends it is its `sdpa`."""
    if cu_seq_lens_q is None:
        from transformers.integrations.sdpa_attention import sdpa_attention_forward

        theirs: tuple[torch.Tensor, None] = sdpa_attention_forward(
            module, query, key, value, attention_mask, dropout=dropout, scaling=scaling, **more
        )
        return theirs
    if unknown := [name for name in ("softcap", "s_aux", "position_bias") if more.get(name) is not None]:
        raise ValueError(f"its attention has {', '.join(unknown)}, which FlashAttention does not know")
    assert max_length_q is not None
    q, k, v = (x.transpose(1, 2).flatten(0, 1) for x in (query, key, value))
    ends = (cu_seq_lens_q, cu_seq_lens_q, max_length_q, max_length_q)
    out = varlen_attention(q, k, v, *ends, scale=scaling, causal=True, window=sliding_window)
    return out.unflatten(0, (len(query), -1)), None


@torch.no_grad()
def check_packing(lm: nn.Module) -> None:
    """Raises `SettingsError` if a document changes what the model says of another one in its row.

    Half of a row is computed beside two different first halves, and alone.
    """
    try:
        leak, shift = _leak(lm, by_ends=False)
    except SettingsError:
        raise
    except Exception as error:  # whatever a model makes of rows that it cannot take
        raise SettingsError(f"{_NO_PACKING.format(type(lm).__name__)} ({error})") from None
    if leak > 1e-4 or shift > _allowed(lm):
        raise SettingsError(_NO_PACKING.format(type(lm).__name__))


@torch.no_grad()
def _can_by_ends(lm: Any) -> bool:
    """Whether the model, where it lies, gives by ends what it gives of each document alone; then it is set to it."""
    parameter = next(lm.parameters())
    dtype = torch.get_autocast_dtype(parameter.device.type) if torch.is_autocast_enabled("cuda") else parameter.dtype
    if not getattr(lm, "_supports_attention_backend", False) or lm.config._attn_implementation != "sdpa":
        return False
    if not takes(parameter.device, dtype, _head_dim(lm)):
        return False
    _register()
    lm.set_attn_implementation(BY_ENDS)
    try:
        leak, shift = _leak(lm, by_ends=True)
        if leak <= 1e-4 and shift <= _allowed(lm):
            return True
    except Exception:  # whatever a model makes of what it does not know
        pass
    lm.set_attn_implementation("sdpa")
    return False


def _register() -> None:
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.masking_utils import sdpa_mask

    AttentionInterface.register(BY_ENDS, attention_by_ends)
    AttentionMaskInterface.register(BY_ENDS, sdpa_mask)


def _leak(lm: nn.Module, by_ends: bool) -> tuple[float, float]:
    """How far the second of two documents depends on the first, and on standing behind one; in standard deviations."""
    length, device = 8, next(lm.parameters()).device
    position = torch.arange(length, device=device).repeat(2)[None]
    document = torch.arange(2, device=device).repeat_interleave(length)[None]
    one, other = (torch.arange(start, start + 2 * length, device=device)[None] for start in (0, 3))
    other = torch.cat([other[:, :length], one[:, length:]], dim=1)
    was_training = lm.training
    lm.eval()
    try:
        alone = lm(input_ids=one[:, length:], use_cache=False).logits.float()
        beside = [_logits(lm, tokens, document, position, by_ends)[:, length:] for tokens in (one, other)]
    finally:
        lm.train(was_training)
    size = float(alone.std())
    leak, shift = (float((beside[0] - x).abs().max()) / size for x in (beside[1], alone))
    return leak, shift


def _allowed(lm: nn.Module) -> float:
    """Alone, kernels of other shapes round differently: in half precision by several per cent."""
    half = next(lm.parameters()).dtype != torch.float32 or torch.is_autocast_enabled("cuda")
    return 0.5 if half else 1e-3


def _logits(
    lm: nn.Module, tokens: torch.Tensor, document: torch.Tensor, position: torch.Tensor, ends: bool
) -> torch.Tensor:
    empty = torch.zeros(0, dtype=torch.int32)
    batch = Batch(tokens, document, position, document * 0 - 1, document * 0.0, empty, empty, empty, (), ())
    given = by_ends(lm, batch, MediaSpans.of(batch)) if ends else by_mask(lm, batch)
    logits: torch.Tensor = lm(input_ids=tokens, use_cache=False, **given).logits
    return logits.float()


def _head_dim(lm: nn.Module) -> int:
    config = text_config(lm)
    width: int = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return width


def _windows(lm: nn.Module) -> dict[str, int | None]:
    """For each kind of layer how many tokens it looks back, None without limit."""
    config = text_config(lm)
    window: int | None = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    if not kinds:
        return {"": window}
    if unknown := kinds - {"full_attention", "sliding_attention"}:
        raise SettingsError(f"{_NO_PACKING.format(type(lm).__name__)} (it has layers of {', '.join(sorted(unknown))})")
    return {kind: window if kind == "sliding_attention" else None for kind in sorted(kinds)}


def _of_kinds(lm: nn.Module, masks: dict[str, torch.Tensor]) -> Any:
    """A model with layers of several kinds takes a mask for each."""
    return masks if hasattr(text_config(lm), "layer_types") else next(iter(masks.values()))


def _near(batch: Batch, window: int | None) -> torch.Tensor:
    """Bool [B, T, T]: whether two tokens of a document are less than `window` apart."""
    apart_BTT = batch.position_BT[:, :, None] - batch.position_BT[:, None, :]
    return apart_BTT < (window or apart_BTT.shape[1] + 1)


def _as_taken(lm: nn.Module, mask_BTT: torch.Tensor) -> torch.Tensor:
    """The mask in the form [B, 1, T, T] that the model's attention takes."""
    mask_B1TT = mask_BTT[:, None]
    config: Any = lm.config
    if config._attn_implementation != "eager":
        return mask_B1TT
    # Eager attention adds the mask to its scores, whatever its type.
    dtype = next(lm.parameters()).dtype
    return torch.zeros(mask_B1TT.shape, dtype=dtype, device=mask_BTT.device).masked_fill(
        ~mask_B1TT, torch.finfo(dtype).min
    )
