"""Loading of batches beside the way of open_clip and OpenFlamingo, and a decode-only ceiling, on the same shards.

    python -m benchmarks.loading [FOLDER] [ENERGON_PYTHON] [STREAMING_PYTHON]

FOLDER holds the photographs (.jpg) that samples are made of; without it they are made up. The others are Pythons that
have megatron-energon and mosaicml-streaming, with torch; without them their rows are left out. Rounds of the compared
things alternate in one run; times are CPU seconds of this process and its children, and the ratio is the figure to
quote.
"""

import gc
import io
import itertools
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import torch

from benchmarks.cpu import cpu_seconds
from benchmarks.loading_peers import LENGTH, SIZE, by_peer, decode_only, for_energon, texts_of, theirs
from benchmarks.loading_samples import made_photograph, page, pair, photographs, tokens_of_words, write
from model.data.config import DatasetSettings, LoaderConfig, OrderSettings, ReadSettings
from model.data.images import ImageSettings
from model.data.loader import Loader
from model.data.packing import PackingSettings
from model.data.tokens import Tokens

ROUNDS, PAGES, PAIRS, WORKERS = 3, 120, 480, 2


def main(photos: Path | None, peers: dict[str, str]) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        images = photographs(photos)
        write(folder / "interleaved", [page(n, images) for n in range(PAGES)])
        write(folder / "pairs", [pair(n, images) for n in range(PAIRS)])
        tokens = tokens_of_words()
        for kind in ("pairs", "interleaved"):
            compare(folder / kind, kind, tokens, peers)
        running(folder / "interleaved", tokens)
        memory(folder / "interleaved", tokens)
        restoring(folder / "many", tokens)


def restoring(folder: Path, tokens: Tokens, samples: int = 20_000) -> None:
    """Seconds from a saved state to the next step, at the start, in the middle and near the end of an epoch."""
    file = io.BytesIO()
    made_photograph(0).resize((96, 64)).save(file, "JPEG")
    write(folder, [pair(number, [file.getvalue()]) for number in range(samples)])
    config = _config(folder, "pairs", packed=True)
    states, told = [], []
    with Loader(config, tokens) as loader:
        for step in loader:
            states.append(loader.state_dict())
            assert step
    for part in (0.01, 0.5, 0.99):
        start = time.perf_counter()
        with Loader(config, tokens) as loader:
            loader.load_state_dict(states[int(part * len(states))])
            next(iter(loader))
        told.append(f"{part:.0%} {time.perf_counter() - start:.2f}")
    print(f"\nfrom a state to the next step, of {len(states)} steps, s: {', '.join(told)}", flush=True)


def running(folder: Path, tokens: Tokens, steps: int = 60) -> None:
    """Threads beside processes once they run: images a second of wall time, without the start."""
    print("\nwall time without the start, images/s:", end=" ")
    rates: dict[str, list[float]] = {"threads": [], "processes": []}
    for _, workers_are in itertools.product(range(ROUNDS), rates):
        config = _config(folder, "interleaved", packed=True, workers_are=workers_are, epochs=None)
        with Loader(config, tokens) as loader:
            batches = iter(loader)
            for _ in range(10):
                next(batches)
            start = time.perf_counter()
            images = sum(len(batch.frames_FCHW) for _ in range(steps) for batch in next(batches).values())
            rates[workers_are].append(images / (time.perf_counter() - start))
    print(", ".join(f"{way} {_ranged(found)}" for way, found in rates.items()), flush=True)


def compare(folder: Path, kind: str, tokens: Tokens, peers: dict[str, str]) -> None:
    """One epoch each; what is counted are real tokens (no padding) and real images."""
    ways: dict[str, Callable[[], tuple[int, int]]] = {
        "ours, packed": lambda: ours(folder, kind, tokens, packed=True),
        "ours, packed, processes": lambda: ours(folder, kind, tokens, packed=True, workers_are="processes"),
        "ours, a window a row": lambda: ours(folder, kind, tokens, packed=False),
        "webdataset pipeline, PIL, pad to max": lambda: theirs(folder, kind, tokens),
        "decode only": lambda: decode_only(folder),
        "decode only, as many threads as ours": lambda: decode_only(folder, WORKERS),
    }
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    walls: dict[str, list[float]] = {name: [] for name in ways}
    counts: dict[str, tuple[int, int]] = {}
    for _ in range(ROUNDS):
        for name, way in ways.items():
            gc.collect()
            start, wall = cpu_seconds(), time.perf_counter()
            counts[name] = way()
            seconds[name].append(cpu_seconds() - start)
            walls[name].append(time.perf_counter() - wall)
    print(f"\n{kind}, {SIZE} px, rows of {LENGTH}; medians and ranges of {ROUNDS}", flush=True)
    print(f"{'':40} {'tokens/cpu-s':>20} {'images/cpu-s':>20} {'images/s wall':>20}")
    found: dict[str, list[float]] = {}
    for name in ways:
        tokens_read, images = counts[name]
        found[name] = [images / taken for taken in seconds[name]]
        by_cpu = [_ranged(tokens_read / taken for taken in seconds[name]), _ranged(found[name])]
        if "processes" in name:  # children of the fork server are not in this process's times
            del found[name]
            by_cpu = ["", ""]
        _print_row(name, *by_cpu, _ranged(images / wall for wall in walls[name]))
    for_energon(folder, kind)
    for name, python in peers.items():
        found[name] = [by_peer(folder, kind, name, python) for _ in range(ROUNDS)]
        _print_row(f"{name}, no tokens, no packing", "", _ranged(found[name]), "")
    tell_tokenising(
        folder, tokens, statistics.median(counts["ours, packed"][0] / taken for taken in seconds["ours, packed"])
    )
    packed = found.pop("ours, packed")
    ratios = {name: _ranged((a / b for a, b in zip(packed, rates, strict=True)), 2) for name, rates in found.items()}
    print("ours, packed, by round beside:", ", ".join(f"{name} {ratio}" for name, ratio in ratios.items()), flush=True)


def tell_tokenising(folder: Path, tokens: Tokens, loaded: float) -> None:
    """What tokenising takes of the time of a loader that reads `loaded` tokens a CPU second."""
    texts, rates = texts_of(folder), list[float]()
    for _ in range(ROUNDS):
        start = cpu_seconds()
        read = sum(len(tokens.encode(text)) for text in texts)
        rates.append(read / (cpu_seconds() - start))
    share = loaded / statistics.median(rates)
    print(f"tokenising alone: {_ranged(rates)} tokens/cpu-s, {share:.1%} of ours, packed", flush=True)


def _ranged(values: Iterable[float], digits: int = 0) -> str:
    found = sorted(values)
    return f"{statistics.median(found):,.{digits}f} ({found[0]:,.{digits}f} to {found[-1]:,.{digits}f})"


def _print_row(name: str, *cells: str) -> None:
    print(f"{name:40} " + " ".join(f"{cell:>20}" for cell in cells), flush=True)


def ours(folder: Path, kind: str, tokens: Tokens, packed: bool, workers_are: str = "threads") -> tuple[int, int]:
    loader = Loader(_config(folder, kind, packed, workers_are), tokens)
    with loader:
        for _ in loader:
            pass
    report = loader.report()
    return report.tokens, report.frames


def _config(
    folder: Path, kind: str, packed: bool, workers_are: str = "threads", epochs: int | None = 1
) -> LoaderConfig:
    return LoaderConfig(
        datasets=(DatasetSettings("x", str(folder), kind, batch_rows=8),),  # type: ignore[arg-type]
        order=OrderSettings(lanes=4, epochs=epochs),
        packing=PackingSettings(enabled=packed),
        images=ImageSettings(size_px=SIZE, colour=0),
        read=ReadSettings(workers=WORKERS, workers_are=workers_are),  # type: ignore[arg-type]
    )


def memory(folder: Path, tokens: Tokens) -> None:
    """Resident memory after each of ten epochs."""
    config = _config(folder, "interleaved", packed=True)
    loader = Loader(config, tokens)
    print("\nmemory after each epoch, MB:", end=" ")
    for epoch in range(1, 11):
        order = OrderSettings(lanes=4, epochs=epoch)
        again = Loader(LoaderConfig(**{name: getattr(config, name) for name in config.__struct_fields__} | {"order": order}), tokens)  # fmt: skip  # noqa: E501
        again.load_state_dict(loader.state_dict())
        loader = again
        with loader:
            for _ in loader:
                pass
        gc.collect()
        print(round(int(Path("/proc/self/statm").read_text().split()[1]) * 4096 / 1e6), end=" ", flush=True)
    print()


if __name__ == "__main__":
    torch.set_num_threads(1)
    folder, *pythons = [*sys.argv[1:], "", "", ""][:3]
    named = {name: python for name, python in zip(("energon", "streaming"), pythons, strict=True) if python}
    main(Path(folder) if folder else None, named)
