"""Images fetched, resized and stored per CPU second, beside img2dataset: the same addresses, one server, one run.

    python -m benchmarks.fetching PYTHON_WITH_IMG2DATASET [ROUNDS]

img2dataset pins webdataset < 0.3 and pandas < 3, so it has an environment of its own: `make bench-fetch` makes it. The
figure is the slope between a short and a long list: what either needs to start is left out. CPU seconds are those of
the client and its children, not the server's. Over HTTPS both trust an authority made for the run, beside those
that a machine trusts anyway: a file of one authority would hide what it costs to load some hundred for every image.
"""

import io
import os
import resource
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from pipeline.image.codec import ImageEncoding, decode_image
from pipeline.image.rules import ImageRules
from schemas.dataset import read_dataset
from schemas.storage import Store

#: Images of the short and the long list. Start-up differs by a second from run to run: the slope must outweigh that.
LENGTHS = {"http": (300, 2300), "https": (100, 600)}
WIDTHS_PX = (640, 960)
AT_ONCE = 32
SIZE_PX = 256


def main(peer_python: str, rounds: int) -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        make_certificates(folder)
        print(reduced_scale_psnr(), flush=True)
        for scheme, width in ((scheme, width) for scheme in ("http", "https") for width in WIDTHS_PX):
            command = [sys.executable, "-m", "benchmarks.fetching", "serve", scheme, str(width), str(folder)]
            server = subprocess.Popen(command, stdout=subprocess.PIPE)
            try:
                assert server.stdout is not None
                title = f"{scheme}, JPEGs of {width} x {width * 3 // 4} pixels"
                compare(title, f"{scheme}://localhost:{int(server.stdout.readline())}", folder, peer_python, rounds)
            finally:
                server.terminate()
                server.wait()


def compare(title: str, site: str, folder: Path, peer_python: str, rounds: int) -> None:
    """Alternate the two over both lists, and print their slopes and success rates."""
    name_of_run = site.replace("://", "-").replace(":", "-")
    short, long = LENGTHS[site.partition(":")[0]]
    lists = {length: folder / f"{name_of_run}-{length}.txt" for length in (short, long)}
    for length, path in lists.items():
        path.write_text("".join(f"{site}/{number}.jpg\n" for number in range(length)))
    authority = str(folder / "authority.pem")
    theirs = [peer_python, str(Path(__file__).parent / "img2dataset_run.py")]
    whole = [sys.executable, "-m", "benchmarks.fetching", "fetch-pairs"]
    commands = {"fetch-pairs": whole, "img2dataset": theirs}
    slopes: dict[str, list[float]] = {name: [] for name in commands}
    walls: dict[str, list[float]] = {name: [] for name in commands}
    fetched: dict[str, int] = {}
    stored: dict[str, int] = {}
    for number in range(rounds):
        for name, command in commands.items():
            seconds = []
            for length, path in lists.items():
                out = folder / f"{name}-{name_of_run}-{length}-{number}"
                began = time.monotonic()
                spent, fetched[name] = cpu_seconds([*command, str(path), str(out), authority], authority)
                seconds.append(spent)
            walls[name].append(time.monotonic() - began)
            stored[name] = sum(tar.stat().st_size for tar in out.rglob("*.tar"))
            slopes[name].append((seconds[1] - seconds[0]) / (long - short))
    print(f"{title}: {long} images less {short}, medians of {rounds} rounds", flush=True)
    for name, taken in slopes.items():
        a_second = 1 / statistics.median(taken)
        ratio = statistics.median(slopes["img2dataset"]) / statistics.median(taken)
        print(
            f"  {name:<12} {1000 * statistics.median(taken):6.2f} ms an image, {a_second:6.0f} images a CPU second, "
            f"{ratio:5.2f} x img2dataset, {fetched[name]} of {long} stored in {stored[name] / 1e6:.1f} MB, "
            f"end to end {statistics.median(walls[name]):.1f} s",
            flush=True,
        )


def cpu_seconds(command: list[str], authority: str) -> tuple[float, int]:
    """CPU seconds of a command with all its children, and the number of images that it says it stored."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    environment = {**os.environ, "SSL_CERT_FILE": authority, "NO_ALBUMENTATIONS_UPDATE": "1"}
    done = subprocess.run(command, check=True, capture_output=True, text=True, env=environment)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    spent = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return spent, int(done.stdout.split()[-1])


def fetch_pairs(urls: list[str], out: str, authority: str) -> int:
    """The command as a user gives it, in one process; returns pairs stored."""
    from jobs.cli import main as weft

    table = f"{out}.parquet"
    pq.write_table(pa.table({"url": urls, "caption": [f"number {number}" for number in range(len(urls))]}), table)
    settings = {
        "media.fetch.allow_private": "[localhost, 127.0.0.1, '::1']",
        "media.fetch.certificates": authority,
        "media.pace.delay_s": 0,
        "media.pace.concurrency_per_host": AT_ONCE,
        "media.pace.address_delay_s": 0,
        "media.partitions": 1,
        "pairs.encoding.size_px": SIZE_PX,
    }
    overrides = [word for path, value in settings.items() for word in ("--set", f"{path}={value}")]
    weft(["fetch-pairs", table, "-o", out, "--engine", "inline", *overrides])
    return read_dataset(Store(out)).kinds["pairs"].samples


def reduced_scale_psnr(widths: tuple[int, ...] = WIDTHS_PX) -> str:
    """dB between an image decoded at reduced scale, as weft does, and decoded whole and brought down by Lanczos."""
    rules, encoding = ImageRules(), ImageEncoding(size_px=SIZE_PX, format="png")
    values = []
    for data in [photo for width in widths for photo in photographs(width, 8)]:
        stored = np.asarray(Image.open(io.BytesIO(decode_image(data, rules, encoding).data)), np.float64)
        whole = Image.open(io.BytesIO(data)).resize((stored.shape[1], stored.shape[0]), Image.Resampling.LANCZOS)
        error = float(np.mean((stored - np.asarray(whole, np.float64)) ** 2))
        values.append(10 * np.log10(255**2 / error))
    return f"reduced-scale decoding: PSNR {min(values):.1f} dB at least, {statistics.median(values):.1f} dB median"


def make_certificates(folder: Path) -> None:
    import certifi
    import trustme

    authority = trustme.CA()
    (folder / "authority.pem").write_bytes(Path(certifi.where()).read_bytes() + authority.cert_pem.bytes())
    authority.issue_cert("localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(
        str(folder / "server.pem")
    )


def photographs(width: int, count: int = 40) -> list[bytes]:
    """JPEGs of 4 : 3 with the texture of photographs, about one bit a pixel, as on the web."""
    made = []
    for seed in range(count):
        random = np.random.default_rng(seed)
        coarse = Image.fromarray(random.integers(0, 255, (12, 16, 3), dtype=np.uint8))
        picture = np.asarray(coarse.resize((width, width * 3 // 4), Image.Resampling.BICUBIC), dtype=np.int16)
        noisy = picture + random.normal(0, 5, picture.shape)
        out = io.BytesIO()
        Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).save(out, "JPEG", quality=82)
        made.append(out.getvalue())
    return made


def serve(scheme: str, width: int, folder: Path) -> None:
    """A server in a process of its own; prints its port."""
    from aiohttp import web

    pictures = photographs(width)

    async def picture(request: web.Request) -> web.Response:
        number = int(request.match_info["number"])
        data = pictures[number % len(pictures)]
        comment = b"\xff\xfe\x00\x0a%08d" % number  # no two are the same: what is met again need not be stored again
        return web.Response(body=data[:2] + comment + data[2:], content_type="image/jpeg")

    async def start() -> web.AppRunner:
        application = web.Application()
        application.router.add_get("/{number:\\d+}.jpg", picture)
        runner = web.AppRunner(application, access_log=None)
        await runner.setup()
        context = None
        if scheme == "https":
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(folder / "server.pem")
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        print(runner.addresses[0][1], flush=True)
        return runner

    import asyncio

    async def forever() -> None:
        await start()
        await asyncio.sleep(3600)

    asyncio.run(forever())


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", scheme, width, folder]:
            serve(scheme, int(width), Path(folder))
        case ["fetch-pairs", urls, out, authority]:
            print(fetch_pairs(Path(urls).read_text().split(), out, authority))
        case [peer_python, *rest]:
            began = time.monotonic()
            main(peer_python, int(rest[0]) if rest else 3)
            print(f"{time.monotonic() - began:.0f} s")
