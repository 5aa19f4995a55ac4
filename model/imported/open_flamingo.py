"""OpenFlamingo's checkpoints (github.com/mlfoundations/open_flamingo, 2.0): what stands in them, under our names.

Theirs: a perceiver resampler with a last norm, blocks with GELU, 8 heads of 64 and no norm of the latents, one before
each layer i for which (i + 1) % n is 0; `<|endofchunk|>`, `<image>` and perhaps `<PAD>` are rows at the end of the
language model's own tables, which a checkpoint holds whole.

Shapes: V rows of a table, D width.
"""

import pickle
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from model.network.config import ConnectorSettings, CrossAttentionSettings
from schemas.settings import SettingsError

State = dict[str, torch.Tensor]
_HEAD_DIM = 64
_WRAPPERS = re.compile(r"^module\.|_fsdp_wrapped_module\.|_checkpoint_wrapped_module\.")
#: A block, by where a checkpoint has it: in a list of their own, or in the layers of the language model.
_BLOCK = re.compile(
    r"^lang_encoder\.(?:gated_cross_attn_layers\.(\d+)|.*\.(\d+)\.gated_cross_attn_layer)\.(?P<rest>.+)$"
)
#: What tells how perceiver and blocks are built, and how many dimensions it has.
_TELLING = {"latents": 2, "norm.weight": 1, "norm.bias": 1, "layers.0.0.to_q.weight": 2, "layers.0.1.1.weight": 2}
_TELLING_OF_BLOCK = {"attn.to_q.weight": 2, "ff.1.weight": 2}
_FEED_FORWARD = {"0": "norm", "1": "up", "3": "down"}  # within what stands in a row there


@dataclass(frozen=True)
class OpenFlamingo:
    """A checkpoint by its parts: the perceiver, the blocks by the layer that each stands before, and the rest."""

    perceiver: State
    blocks: dict[int, State]
    language: State
    others: tuple[str, ...] = ()  # names of what is of none of these

    def connector(self) -> ConnectorSettings:
        """Raises `SettingsError` where it is built otherwise."""
        latents, layers = self.perceiver["latents"], {name.split(".")[1] for name in self._layers()}
        if "media_time_embs" in self.perceiver:
            raise SettingsError("the checkpoint's perceiver tells pictures apart by their number, and weft's does not")
        frames = self.perceiver.get("frame_embs")
        return ConnectorSettings(
            layers=len(layers),
            latents=len(latents),
            heads=_heads(self.perceiver["layers.0.0.to_q.weight"]),
            head_dim=_HEAD_DIM,
            ff_mult=len(self.perceiver["layers.0.1.1.weight"]) // latents.shape[1],
            activation="gelu",
            final_norm=True,
            max_frames=1 if frames is None else len(frames),
        )

    def cross_attention(self) -> CrossAttentionSettings:
        """Raises `SettingsError` where blocks stand at other places than before every n-th layer."""
        first, places = min(self.blocks), sorted(self.blocks)
        if places != [first + number * (first + 1) for number in range(len(places))]:
            raise SettingsError(f"the checkpoint has blocks before layers {places}, which are not every n-th")
        block = self.blocks[first]
        return CrossAttentionSettings(
            every=first + 1,
            first=first,
            heads=_heads(block["attn.to_q.weight"]),
            head_dim=_HEAD_DIM,
            ff_mult=len(block["ff.1.weight"]) // block["ff.1.weight"].shape[1],
            activation="gelu",
            kv_norm=False,
        )

    def weights(self) -> State:
        """Of connector and blocks, under our names. Raises `SettingsError` for a name that is none of theirs, and for
        numbers that are none."""
        for name, value in self.perceiver.items():
            finite(f"perceiver.{name}", value)
        named = dict(self._connector())
        for number, layer in enumerate(sorted(self.blocks)):
            for name, value in self.blocks[layer].items():
                finite(f"{name} of the block before layer {layer}", value)
                named |= {f"blocks.{number}.{ours}": part for ours, part in _of_block(name, value)}
        return {name: value.detach().float().contiguous() for name, value in named.items()}

    def _layers(self) -> list[str]:
        return [name for name in self.perceiver if name.startswith("layers.")]

    def _connector(self) -> Iterator[tuple[str, torch.Tensor]]:
        latents = self.perceiver["latents"]
        yield "connector.latents", latents
        # Published models are of single pictures, and have none.
        yield "connector.time", self.perceiver.get("frame_embs", latents.new_zeros(1, latents.shape[1]))
        for name in ("norm.weight", "norm.bias"):
            yield f"connector.{name}", self.perceiver[name]
        for name in self.perceiver:
            if name in ("latents", "frame_embs", "norm.weight", "norm.bias"):
                continue
            of_layer = name.split(".", 3)
            if of_layer[0] != "layers" or len(of_layer) < 4 or of_layer[2] not in ("0", "1"):
                raise _unknown(f"perceiver.{name}")
            _, layer, part, rest = of_layer
            if part == "0":
                rest = rest.replace("norm_media", "norm_features")
            else:
                place, _, kind = rest.partition(".")
                rest = f"feed_forward.{_known(_FEED_FORWARD, place, name)}.{kind}"
            yield f"connector.layers.{layer}.{rest}", self.perceiver[name]


def read_open_flamingo(path: str) -> OpenFlamingo:
    """Nothing that stands in the file is run. Raises `SettingsError` where it is no such checkpoint, and `OSError`."""
    if Path(path).is_dir():
        raise SettingsError(f"{path} is a folder, and a checkpoint of OpenFlamingo is one file, checkpoint.pt")
    try:
        read = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    except (pickle.UnpicklingError, RuntimeError, EOFError, KeyError, ValueError) as error:
        raise SettingsError(f"{path} is no checkpoint of plain weights: {str(error).splitlines()[0][:200]}") from None
    if isinstance(read, Mapping):
        read = read.get("model_state_dict", read)
    if not isinstance(read, Mapping) or not all(
        isinstance(name, str) and isinstance(value, torch.Tensor) for name, value in read.items()
    ):
        raise SettingsError(f"{path} holds no weights by name")
    return sorted_out({_WRAPPERS.sub("", name): value for name, value in read.items()}, path)


def sorted_out(state: State, path: str) -> OpenFlamingo:
    """Raises `SettingsError` where perceiver or blocks are missing."""
    perceiver = {name.removeprefix("perceiver."): value for name, value in state.items() if name[:10] == "perceiver."}
    blocks: dict[int, State] = {}
    language: State = {}
    for name, value in state.items():
        if found := _BLOCK.match(name):
            blocks.setdefault(int(found[1] or found[2]), {})[found["rest"]] = value
        elif name.startswith("lang_encoder."):
            language[name.removeprefix("lang_encoder.")] = value
    if missing := [part for part, found in (("perceiver", perceiver), ("gated blocks", blocks)) if not found]:
        raise SettingsError(f"{path} holds no {' and no '.join(missing)}: it is none of OpenFlamingo")
    lacking = [f"perceiver.{name}" for name, size in _TELLING.items() if not _has(perceiver, name, size)]
    of_block = blocks[min(blocks)]
    lacking += [f"{name} of a block" for name, size in _TELLING_OF_BLOCK.items() if not _has(of_block, name, size)]
    if lacking:
        raise SettingsError(f"{path} holds no {', no '.join(lacking)}: it is none of OpenFlamingo")
    others = tuple(name for name in state if name.partition(".")[0] not in ("perceiver", "lang_encoder"))
    return OpenFlamingo(perceiver, blocks, language, others)


def finite(name: str, value: torch.Tensor) -> None:
    """Raises `SettingsError` where one of the numbers is none, or has no end."""
    if not torch.isfinite(value).all():
        raise SettingsError(f"the checkpoint's {name} holds NaN or infinity: a run of it would say nothing")


def _has(state: State, name: str, dimensions: int) -> bool:
    return name in state and state[name].dim() == dimensions and state[name].numel() > 0


def _of_block(name: str, value: torch.Tensor) -> list[tuple[str, torch.Tensor]]:
    part, _, rest = name.partition(".")
    if name in ("attn_gate", "ff_gate"):
        return [({"attn_gate": "attention_gate", "ff_gate": "feed_forward_gate"}[name], value)]
    if name == "attn.to_kv.weight":
        keys, values = value.chunk(2)
        return [("keys_values.to_k.weight", keys), ("keys_values.to_v.weight", values)]
    if part == "attn":
        return [(rest, value)]
    place, _, kind = rest.partition(".")
    return [(f"feed_forward.{_known(_FEED_FORWARD, place, name)}.{kind}", value)]


def _known(names: Mapping[str, str], place: str, name: str) -> str:
    if place not in names:
        raise _unknown(name)
    return names[place]


def _unknown(name: str) -> SettingsError:
    return SettingsError(f"the checkpoint holds {name}, which no checkpoint of OpenFlamingo has")


def _heads(to_q: torch.Tensor) -> int:
    if len(to_q) % _HEAD_DIM:
        raise SettingsError(f"the checkpoint's queries are {len(to_q)} wide, no multiple of OpenFlamingo's heads of 64")
    return len(to_q) // _HEAD_DIM
