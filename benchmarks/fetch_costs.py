"""Where the CPU time of one fetched image goes, in milliseconds: by process, and by step of its decoding.

    python -m benchmarks.fetch_costs

`weft fetch-pairs` in this process, over HTTP from a server beside it; the slope between a short and a long list. The
steps are then timed alone, the best of several rounds: together they are less than what the child takes, which also
waits for memory and for the pipe.
"""

import hashlib
import io
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest.mock import patch

import simplejpeg

from benchmarks.fetching import SIZE_PX, fetch_pairs, make_certificates, photographs
from jobs.crawl import media
from jobs.engine.fork_server import fork_server
from pipeline.image.codec import ImageEncoding, decode_image
from pipeline.image.hash import perceptual_hash
from pipeline.image.resampling import resampled
from pipeline.image.rules import ImageRules, color_rules

WIDTH_PX = 640
SHORT, LONG = 100, 1300


def main() -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_certificates(folder)
        command = [sys.executable, "-m", "benchmarks.fetching", "serve", "http", str(WIDTH_PX), str(folder)]
        server = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert server.stdout is not None
            site = f"http://localhost:{int(server.stdout.readline())}"
            short, long = (_run(site, length, folder) for length in (SHORT, LONG))
        finally:
            server.terminate()
            server.wait()
    print(f"JPEGs of {WIDTH_PX} x {WIDTH_PX * 3 // 4} pixels over HTTP, ms of CPU an image")
    for name in short:
        print(f"  {name:<44} {1000 * (long[name] - short[name]) / (LONG - SHORT):5.2f}")
    print("steps of the child alone")
    for name, seconds in _steps():
        print(f"  {name:<44} {1000 * seconds:5.2f}")


def _run(site: str, length: int, folder: Path) -> dict[str, float]:
    """CPU seconds of one list: of what fetches, of the child that decodes, and of all the rest."""
    fetch_s: list[float] = []
    fetch_wanted = media.fetch_wanted

    def timed(*arguments: Any) -> Any:
        began = time.process_time()
        try:
            return fetch_wanted(*arguments)
        finally:
            fetch_s.append(time.process_time() - began)

    before = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    with (
        patch.object(media, "fetch_wanted", timed),
        redirect_stdout(io.StringIO()),
        redirect_stderr(io.StringIO()),
    ):
        urls = [f"{site}/{number}.jpg" for number in range(length)]
        fetch_pairs(urls, str(folder / str(length)), str(folder / "authority.pem"))
    fork_server().close()  # its children count when it has ended
    after = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    own, child = (b.ru_utime + b.ru_stime - a.ru_utime - a.ru_stime for a, b in zip(before, after, strict=True))
    return {
        "fetching into archives": fetch_s[0],
        "decoding: the isolated child": child,
        "reading, staging, shards: the rest of this process": own - fetch_s[0],
        "all": own + child,
    }


def _steps() -> list[tuple[str, float]]:
    photos = photographs(WIDTH_PX, 20)
    whole = [simplejpeg.decode_jpeg(data, "RGB", strict=True) for data in photos]
    width, height = SIZE_PX * 4 // 3, SIZE_PX
    small = [resampled(pixels, width, height) for pixels in whole]
    rules, encoding = ImageRules(), ImageEncoding(size_px=SIZE_PX, format="jpg")
    five_eighths = {"min_width": WIDTH_PX * 5 // 8 - 7, "min_height": WIDTH_PX * 15 // 32 - 7}
    return [
        ("sha256 of the original", _best(lambda data: hashlib.sha256(data).hexdigest(), photos)),
        ("JPEG decoded whole", _best(lambda data: simplejpeg.decode_jpeg(data, "RGB", strict=True), photos)),
        (
            "  the same at 5/8 in the DCT, not done",
            _best(lambda data: simplejpeg.decode_jpeg(data, "RGB", strict=True, **five_eighths), photos),
        ),
        ("resized", _best(lambda pixels: resampled(pixels, width, height), whole)),
        ("judged by its colours", _best(lambda pixels: color_rules(pixels, rules), small)),
        ("perceptual hash", _best(perceptual_hash, small)),
        ("encoded", _best(lambda pixels: simplejpeg.encode_jpeg(pixels, encoding.quality, "RGB", "420"), small)),
        ("all of decode_image", _best(lambda data: decode_image(data, rules, encoding), photos)),
    ]


def _best(step: Callable[[Any], object], items: Sequence[Any], rounds: int = 9) -> float:
    """CPU seconds an item."""
    taken = []
    for _ in range(rounds):
        began = time.process_time()
        for item in items:
            step(item)
        taken.append((time.process_time() - began) / len(items))
    return min(taken)


if __name__ == "__main__":
    main()
