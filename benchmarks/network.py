"""The network beside a dense mask and beside the block structure of OpenFlamingo, in one process.

    python -m benchmarks.network [--device cuda] [core] [step] [decode] [packing]

On a CPU one thread is used and the times are its CPU time, medians of rounds in which all take turns. Ratios are those
of each round, with the least and the most of them: the figures to quote. MB are what the forward pass keeps for the
backward pass. The others' variants are written here, after their published structure, with the same widths as ours;
they compute the same numbers, which is checked.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F

from model.data.batch import Batch
from model.data.packing import Packer, PackingSettings
from model.network import attention
from model.network.attention import MediaSpans, image_attention
from model.network.block import Cached, GatedBlock
from model.network.config import ConnectorSettings, CrossAttentionSettings, FlamingoConfig, LanguageSettings
from model.network.flamingo import Flamingo

ROUNDS, VOCABULARY, LATENTS = 7, 1000, 64
#: Rows, tokens a row, images a row: the same number of tokens each.
SHAPES = [(8, 256, 5), (4, 512, 5), (4, 512, 10), (2, 1024, 20), (1, 2048, 5), (1, 2048, 16), (1, 2048, 32)]


def main(device: str, parts: list[str]) -> None:
    torch.set_num_threads(1)
    torch.manual_seed(0)
    attention.BACKENDS |= {"dense": _flat(dense), "einsum": _flat(einsum)}  # here, so that an import changes nothing
    known: dict[str, Callable[[torch.device], None]] = {
        "core": core,
        "step": step,
        "decode": decode,
        "packing": packing,
    }
    for name in parts or known:
        known[name](torch.device(device))


def core(device: torch.device) -> None:
    """The attention alone, 8 heads of 64, without projections."""
    print(
        "cross-attention alone: forward, forward and backward (ms), kept (MB); ratio of forward and backward to dense"
    )
    ways: dict[str, Callable[..., torch.Tensor]] = {"dense": dense, "einsum": einsum, "grouped": image_attention}
    ways["chunked"] = lambda q, k, v, spans: image_attention(q, k, v, spans, "chunked")
    half = torch.bfloat16 if device.type == "cuda" else torch.float32
    if device.type == "cuda":
        ways["varlen"] = lambda q, k, v, spans: image_attention(q, k, v, spans, "varlen")
    for rows, tokens, images in SHAPES:
        spans, index = _spans(rows, tokens, images)
        q = torch.randn(rows, tokens, 8, 64, device=device, dtype=half, requires_grad=True)
        k, v = (torch.randn(rows * images, LATENTS, 8, 64, device=device, dtype=half) for _ in "kv")
        k.requires_grad_()
        v.requires_grad_()
        _check(ways, (q, k, v, spans), index)
        forward = {name: _call(way, q, k, v, spans) for name, way in ways.items()}
        both = {name: _backward(call, q, k, v) for name, call in forward.items()}
        times, of_both = _taken(forward, device), _taken(both, device)
        for name in ways:
            kept, ratio = _kept(forward[name]), _ratio(of_both["dense"], of_both[name])
            figures = f"{_median(times[name]):8.1f} {_median(of_both[name]):8.1f} {kept:7.1f}  {ratio}"
            print(f"  {rows} x {tokens:>4}, {images:>2} images  {name:<8} {figures}", flush=True)


def step(device: torch.device) -> None:
    """A whole training step of a small model, and of one that is wider: LM of 4 layers, a block before each."""
    print(
        "training step (ms), kept (MB), ratio to ours; LM of 4 layers, a block before each, encoder and resampler too"
    )
    for width in (256, 768):
        model = _model(width, device)
        for rows, tokens, images in (SHAPES[0], SHAPES[2], SHAPES[3], SHAPES[-1]) if width == 256 else SHAPES[-1:]:
            batch = _batch(rows, tokens, images).to(device)
            spans = MediaSpans.of(batch)
            runs = {name: _step(model, batch, spans, name) for name in ("grouped", "dense", "einsum")}
            times = _taken(runs, device, rounds=3)
            for name, run in runs.items():
                ratio = _ratio(times[name], times["grouped"], 2)
                figures = f"{_median(times[name]):9.0f} {_kept(run):8.0f}  {ratio}"
                print(f"  width {width}, {rows} x {tokens:>4}, {images:>2} images  {name:<8} {figures}", flush=True)


def decode(device: torch.device) -> None:
    """One new token behind 33 images: keys and values of the last image kept, or made again of all, as others do."""
    print("decoding behind 33 images, 8 blocks of width 1024 (ms a token)")
    blocks = [GatedBlock(1024, 1024, 16, 64).to(device) for _ in range(8)]
    _decode(blocks, device, "with feed-forward")
    for block in blocks:
        block.feed_forward = torch.nn.Identity()  # type: ignore[assignment]
    _decode(blocks, device, "attention alone")


@torch.no_grad()
def _decode(blocks: list[GatedBlock], device: torch.device, name: str) -> None:
    latents, hidden = torch.randn(33, LATENTS, 1024, device=device), torch.randn(1, 1, 1024, device=device)
    spans, last = MediaSpans.of_index(torch.tensor([[32]])), torch.tensor([True], device=device)
    made = [block.keys_values(latents[-1:]) for block in blocks]
    caches = [Cached(keys, values, last) for keys, values in made]

    def again() -> None:
        for block in blocks:
            block(hidden, latents, spans)

    def kept() -> None:
        for block, cached in zip(blocks, caches, strict=True):
            block(hidden, cached=cached)

    times = _taken({"again": again, "kept": kept}, device)
    of_both = _ratio(times["again"], times["kept"], 0)
    again_ms, kept_ms = _median(times["again"]), _median(times["kept"])
    print(f"  {name:<18} made again {again_ms:.0f}, kept {kept_ms:.2f}: {of_both}", flush=True)


def packing(device: torch.device) -> None:
    """Useful tokens a second: documents packed into rows of 256, or a row each, padded to the longest of a batch."""
    print("packing: useful tokens a second, training step of a model of width 256")
    model, rng = _model(256, device), np.random.default_rng(0)
    pairs = np.clip(rng.lognormal(np.log(17), 0.6, 128).astype(int) + 4, 6, 256)
    pages = np.clip(rng.lognormal(np.log(650), 0.9, 16).astype(int), 20, 256)
    for name, lengths, batch_rows in (("pairs", pairs, 64), ("pages", pages, 8)):
        packer: Packer[int] = Packer(PackingSettings(row_tokens=256))
        rows = [row for length in lengths.tolist() if (row := packer.add(length, length))]
        while row := packer.flush():
            rows.append(row)
        packed = [_documents(rows[n : n + 8], 256) for n in range(0, len(rows), 8)]
        each = [lengths[n : n + batch_rows].tolist() for n in range(0, len(lengths), batch_rows)]
        padded = [_documents([[length] for length in some], max(some)) for some in each]
        runs = {}
        for way, batches in (("packed", packed), ("padded", padded)):
            moved = [(batch.to(device), MediaSpans.of(batch)) for batch in batches]
            runs[way] = _steps([_step(model, batch, spans, "grouped") for batch, spans in moved])
        times = _taken(runs, device, rounds=3)
        rates = {way: lengths.sum() / _median(times[way]) * 1000 for way in runs}
        fills = {way: np.mean([b.fill for b in batches]) for way, batches in (("packed", packed), ("padded", padded))}
        for way, rate in rates.items():
            ratio = _ratio(times["padded"], times[way], 2)
            print(f"  {name}: {way} {rate:6.0f} tokens/s, {ratio}, rows filled {fills[way]:.2f}")


def dense(q_BTHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> torch.Tensor:
    """SDPA of every token with the latents of all images of its row, under a mask."""
    mask_BTNL, k, v = _of_rows(q_BTHE, k_MLHE, v_MLHE, spans)
    blind_BT = ~mask_BTNL.any(-1).any(-1)
    mask = (mask_BTNL.flatten(2) | blind_BT[..., None])[:, None]
    out = F.scaled_dot_product_attention(q_BTHE.transpose(1, 2), k, v, attn_mask=mask).transpose(1, 2)
    return out.masked_fill(blind_BT[..., None, None], 0)


def einsum(q_BTHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> torch.Tensor:
    """OpenFlamingo's: scores of all pairs held, filled where masked, the maximum taken away, softmax, zeroed."""
    mask_BTNL, k, v = _of_rows(q_BTHE, k_MLHE, v_MLHE, spans)
    blind_BT = ~mask_BTNL.any(-1).any(-1)
    q = q_BTHE.transpose(1, 2) * q_BTHE.shape[-1] ** -0.5
    scores = torch.einsum("... i d, ... j d -> ... i j", q, k)
    scores = scores.masked_fill(~mask_BTNL.flatten(2)[:, None], -torch.finfo(scores.dtype).max)
    scores = scores - scores.amax(dim=-1, keepdim=True).detach()
    shares = scores.softmax(dim=-1).masked_fill(blind_BT[:, None, :, None], 0.0)
    return torch.einsum("... i j, ... j d -> ... i d", shares, v).transpose(1, 2)


def _of_rows(q_BTHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> Any:
    """The mask, made anew in every layer as they do, and keys and values of each row, padded to most images."""
    rows, tokens = q_BTHE.shape[:2]
    index_BT = torch.tensor(np.repeat(spans.media, spans.lengths)).view(rows, tokens).to(q_BTHE.device)
    first_B = torch.where(index_BT < 0, len(k_MLHE), index_BT).amin(1, keepdim=True)
    count_B = (index_BT.amax(1, keepdim=True) - first_B + 1).clamp(min=0)
    most = int(count_B.max())
    own_BN = (first_B + torch.arange(most, device=q_BTHE.device)).clamp(max=len(k_MLHE) - 1)
    mask_BTN = (index_BT[..., None] == own_BN[:, None]) & (index_BT[..., None] >= 0)
    k, v = (x.index_select(0, own_BN.flatten()).unflatten(0, own_BN.shape) for x in (k_MLHE, v_MLHE))
    return mask_BTN[..., None].expand(-1, -1, -1, LATENTS), *(x.flatten(1, 2).transpose(1, 2) for x in (k, v))


def _flat(way: Callable[..., torch.Tensor]) -> Callable[..., torch.Tensor]:
    """As a backend of the model, whose rows are laid end to end."""

    def run(q_NHE: torch.Tensor, k_MLHE: torch.Tensor, v_MLHE: torch.Tensor, spans: MediaSpans) -> torch.Tensor:
        return way(q_NHE.unflatten(0, (_rows, -1)), k_MLHE, v_MLHE, spans).flatten(0, 1)

    return run


_rows = 1


def _model(width: int, device: torch.device) -> Flamingo:
    lm = {"model_type": "gpt2", "n_layer": 4, "n_embd": width, "n_head": width // 64, "vocab_size": VOCABULARY}
    config = FlamingoConfig(
        lm=LanguageSettings(config={**lm, "n_positions": 2048, "bos_token_id": None, "eos_token_id": None}),
        connector=ConnectorSettings(layers=2, latents=LATENTS, heads=4, head_dim=48),
        cross_attention=CrossAttentionSettings(every=1, heads=8, head_dim=64),
    )
    return Flamingo.build(config, (VOCABULARY, VOCABULARY + 1)).to(device).train()


def _spans(rows: int, tokens: int, images: int) -> tuple[MediaSpans, torch.Tensor]:
    batch = _batch(rows, tokens, images)
    return MediaSpans.of(batch), batch.media_index_BT


def _batch(rows: int, tokens: int, images: int) -> Batch:
    """Rows of one document each, a few words before the first image."""
    generator = np.random.default_rng(0)
    index = np.full((rows, tokens), -1)
    for row in range(rows):
        starts = np.sort(generator.choice(np.arange(4, tokens), images, replace=False))
        index[row] = np.searchsorted(starts, np.arange(tokens), "right") - 1
        index[row][index[row] >= 0] += row * images
    return _made(torch.tensor(index), torch.zeros(rows, tokens) + torch.arange(rows)[:, None], rows * images)


def _documents(rows: list[list[int]], tokens: int) -> Batch:
    """Rows of documents of these lengths with an image each 50 tokens."""
    index, document = torch.full((len(rows), tokens), -1), torch.full((len(rows), tokens), -1)
    images = number = 0
    for row, lengths in enumerate(rows):
        start = 0
        for length in lengths:
            own = -(-length // 50)
            place = slice(start, start + length)
            index[row, place], document[row, place] = images + torch.arange(length) // 50, number
            images, number, start = images + own, number + 1, start + length
    return _made(index, document, images)


def _made(index: torch.Tensor, document: torch.Tensor, images: int) -> Batch:
    first = torch.ones_like(document, dtype=torch.bool)
    first[:, 1:] = document[:, 1:] != document[:, :-1]
    places = torch.arange(index.shape[1]).expand_as(index)
    return Batch(
        tokens_BT=torch.randint(0, VOCABULARY, index.shape),
        document_BT=document.int(),
        position_BT=places - torch.where(first, places, 0).cummax(1).values,
        media_index_BT=index.int(),
        loss_weight_BT=((document >= 0) & ~first).float(),
        frames_FCHW=torch.randint(0, 256, (images, 3, 64, 64), dtype=torch.uint8),
        frame_offsets_M1=torch.arange(images + 1, dtype=torch.int32),
        source_D=torch.zeros(int(document.max()) + 1, dtype=torch.int64),
        keys=(),
        sources=(),
    )


def _step(model: Flamingo, batch: Batch, spans: MediaSpans, backend: Any) -> Callable[[], torch.Tensor]:
    def run() -> torch.Tensor:
        global _rows
        _rows = len(batch.tokens_BT)
        for block in model.gated_blocks():
            block.backend = backend
        model.zero_grad(set_to_none=True)
        loss = (model.loss(batch, spans) * batch.loss_weight_BT).sum()
        loss.backward()
        return loss

    return run


def _steps(runs: list[Callable[[], torch.Tensor]]) -> Callable[[], None]:
    def run() -> None:
        for each in runs:
            each()

    return run


def _call(way: Callable[..., torch.Tensor], *args: Any) -> Callable[[], torch.Tensor]:
    return lambda: way(*args)


def _backward(call: Callable[[], torch.Tensor], *inputs: torch.Tensor) -> Callable[[], None]:
    def run() -> None:
        out = call()
        torch.autograd.grad(out.square().sum(), inputs)

    return run


def _check(ways: dict[str, Callable[..., torch.Tensor]], args: Any, index: torch.Tensor) -> None:
    outs = {name: way(*args).detach() for name, way in ways.items()}
    allowed = 1e-5 if outs["dense"].dtype == torch.float32 else 2e-2
    for name, out in outs.items():
        assert float((out - outs["dense"]).abs().max()) <= allowed, name
        assert not out[index.to(out.device) < 0].any(), name


def _taken(runs: dict[str, Callable[[], Any]], device: torch.device, rounds: int = ROUNDS) -> dict[str, list[float]]:
    """Milliseconds of each in each round, in which they take turns; a first round is not counted."""
    taken: dict[str, list[float]] = {name: [] for name in runs}
    for round_ in range(rounds + 1):
        for name, run in runs.items():
            milliseconds = _timed(run, device)
            if round_:
                taken[name].append(milliseconds)
    return taken


def _median(taken: list[float]) -> float:
    return statistics.median(taken)


def _ratio(these: list[float], those: list[float], digits: int = 1) -> str:
    """`17.1x (16.2 to 17.9)`: of rounds, the median, the least and the most."""
    ratios = [one / other for one, other in zip(these, those, strict=True)]
    return f"{_median(ratios):.{digits}f}x ({min(ratios):.{digits}f} to {max(ratios):.{digits}f})"


def _timed(run: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        torch.cuda.synchronize()
        start = time.perf_counter()
        run()
        torch.cuda.synchronize()
        return (time.perf_counter() - start) * 1000
    start = time.thread_time()
    run()
    return (time.thread_time() - start) * 1000


def _kept(run: Callable[[], Any]) -> float:
    """MB of distinct tensors that the forward pass keeps for the backward pass, weights left out."""
    kept: dict[int, int] = {}

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        storage = tensor.untyped_storage()
        if not isinstance(tensor, torch.nn.Parameter):
            kept[storage.data_ptr()] = storage.nbytes()
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        out = run()
    del out
    return sum(kept.values()) / 1e6


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", choices=["core", "step", "decode", "packing"], default=[])
    parser.add_argument("--device", default="cpu")
    arguments = parser.parse_args()
    main(arguments.device, arguments.parts)
