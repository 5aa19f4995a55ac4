"""Jobs killed at random moments, many times; each must end with what an uninterrupted one has.

    python -m benchmarks.kills [build] [pairs] [clips] [crawl] [training] [--kills 1000] [--seed 1] [--minutes 60]
                               [--log kills.jsonl]

A case is a job of the smallest size: it is started, killed by SIGKILL after a time that the seed draws, alone or with
all its processes, up to four times, and then left in peace. Datasets are compared byte for byte, crawls by what they
captured, training by weights and losses. With `--log` the cases are written down, and those written down are not done
again: the same command goes on where it was stopped. A job is a fork of a process that has imported everything, as are
the children that guard it; nothing else is other than in a run from a shell. Kills of Ray's workers and of nodes, full
disks and failing stores are in `benchmarks.faults`.
"""

import argparse
import contextlib
import functools
import gc
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.warm import forked, warm_fork_server
from jobs.build import build
from jobs.cli import main as weft
from jobs.config import BuildConfig, load_config
from jobs.engine.engine import EngineSettings
from jobs.fetch_pairs import fetch_pairs
from model.training.checkpoints import find_checkpoint, read_weights
from model.training.loop import train
from model.training.records import read_metrics
from pipeline.video.settings import ClipRules, ClipSettings
from tests.crawlers.captures import captured_addresses
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.conftest import contents
from tests.jobs.site import article, photo, write_archive, write_site
from tests.model.training.makers import micro, write_data
from tests.pipeline.videos import make_video

_INLINE = EngineSettings(engine="inline")
_SMALL = ("partitions=2", "buckets=2", "max_slice_bytes=20000")
_HOSTS, _PAGES = ("one.example", "two.example"), 3
_DEADLINE_S = 120


class Job(NamedTuple):
    """`run` makes what lies in a folder, or goes on with it; `outcome` is what must be the same each time."""

    run: Callable[[Path], object]
    outcome: Callable[[Path], Any]


class Given(NamedTuple):
    """What all cases work on."""

    folder: Path
    address: str  # of the web server


def build_pages(given: Given, out: Path) -> None:
    archives = sorted(map(str, (given.folder / "site").glob("*.warc.gz")))
    build(str(out), archives, load_config("default", list(_SMALL)), _INLINE)


def build_clips(given: Given, out: Path) -> None:
    config = msgspec.structs.replace(
        BuildConfig(), kinds=("clips",), partitions=2, buckets=2, clips=ClipSettings(rules=ClipRules(target_s=0))
    )
    build(str(out), [str(given.folder / "videos.warc.gz")], config, _INLINE)


def fetch_list(given: Given, out: Path) -> None:
    settings = [*_SMALL, "media.pace.delay_s=0", "media.fetch.max_attempts=1"]
    settings.append(f"media.fetch.connect_to={json.dumps(dict.fromkeys(_HOSTS, given.address))}")
    fetch_pairs(str(out), [str(given.folder / "list.parquet")], load_config("default", settings), _INLINE)


def crawl(given: Given, out: Path) -> None:
    names = json.dumps(dict.fromkeys(_HOSTS, given.address))
    sets = [f"fetch.connect_to={names}", "pace.delay_s=0", "scope.follow=any", "partitions=2"]
    words = [word for one in sets for word in ("--set", one)]
    command = ["crawl", f"http://{_HOSTS[0]}/0", "-o", str(out), "--engine", "inline", "--contact", "x@y.example"]
    if code := weft([*command, *words]):
        raise SystemExit(code)


def learn(given: Given, out: Path) -> None:
    train(micro(given.folder / "training", out), lambda step, values: None, lambda text: None)


def learnt(out: Path) -> Any:
    rows = [row for row in read_metrics(str(out)) if "grad_norm" in row]
    losses = [(row["step"], row["loss/pages"], row["loss/pairs"], row["grad_norm"]) for row in rows]
    return losses, {name: value.numpy().tobytes() for name, value in read_weights(find_checkpoint(out)).items()}


JOBS: dict[str, tuple[Callable[[Given, Path], None], Callable[[Path], Any]]] = {
    "build": (build_pages, contents),
    "pairs": (fetch_list, contents),
    "clips": (build_clips, contents),
    "crawl": (crawl, captured_addresses),
    "training": (learn, learnt),
}


def write_inputs(folder: Path) -> None:
    write_site(folder / "site", archives=2, pages=3)
    page = (
        "<html><title>Bread {0}</title><body><figure><video src='/{0}.mp4'></video><figcaption>A baker folds the dough "
    )
    page += "by hand and leaves it to rest under a cloth for the {0} time</figcaption></figure></body></html>"
    html, mp4 = "text/html", "video/mp4"
    records = [(f"https://b.example/{n}.html", page.format(n).encode(), html) for n in range(2)]
    records += [(f"https://b.example/{n}.mp4", make_video(scenes=(60, 55 + n)), mp4) for n in range(2)]
    write_archive(folder / "videos.warc.gz", records)
    urls = [f"http://{host}/{n}.jpg" for host in _HOSTS for n in range(_PAGES)]
    texts = [f"A boat on the {number} river" for number in range(len(urls))]
    pq.write_table(pa.table({"url": urls, "caption": texts}), folder / "list.parquet")
    write_data(folder / "training")


def serve(port_file: Path) -> None:
    """A site of two hosts that link to each other, until this process is killed."""
    server = WebServer()
    for place, host in enumerate(_HOSTS):
        for number in range(_PAGES):
            onward = f"<a href='/{number + 1}'>on</a>" if number + 1 < _PAGES else ""
            across = f"<a href='http://{_HOSTS[1 - place]}/{number}'>across</a>"
            seed = place * _PAGES + number
            html = article(seed, [f"/{number}.jpg"]).replace("</body>", onward + across + "</body>")
            server.routes[f"{host}/{number}"] = Reply(html.encode())
            server.routes[f"{host}/{number}.jpg"] = Reply(photo(seed), "image/jpeg")
    with server:
        port_file.with_suffix(".new").write_text(server.address)
        port_file.with_suffix(".new").rename(port_file)
        signal.pause()


def run_quietly(job: Callable[[], object], log: Path) -> None:
    """In a fork: as a process of a shell would run it."""
    os.setsid()
    with log.open("a") as file:
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)
    with warm_fork_server():
        job()


def end_of(pid: int, seconds: float) -> int | None:
    """The exit code of a process, negative for a signal; None if it has not ended by then."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.002)
    return None


def killed(job: Callable[[], object], log: Path, after_s: float, with_all: bool) -> bool:
    """Start a job and kill it after so long. False if it had ended before."""
    pid = forked(functools.partial(run_quietly, job, log))
    if end_of(pid, after_s) is not None:
        return False
    if with_all:
        with contextlib.suppress(ProcessLookupError):  # its session is not its own yet
            os.killpg(pid, signal.SIGKILL)
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    return True


def left_in_peace(job: Callable[[], object], log: Path) -> float:
    """Seconds that a job takes to its end. Raises `RuntimeError` if it fails or hangs."""
    started = time.monotonic()
    pid = forked(functools.partial(run_quietly, job, log))
    code = end_of(pid, _DEADLINE_S)
    if code is None:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
    if code != 0:
        raise RuntimeError(f"ended with {code}: {log.read_text()[-2000:]}")
    return time.monotonic() - started


def one_case(kind: str, seed: int, given: Given, out: Path, takes_s: float, expected: Any) -> int:
    """How often the job was killed. Raises `RuntimeError` if it does not end as it should."""
    run, outcome = JOBS[kind]
    rng, job, log = random.Random(f"{kind} {seed}"), functools.partial(run, given, out), out.with_suffix(".log")
    kills = 0
    for _ in range(rng.choice((1, 2, 3, 4))):
        if not killed(job, log, rng.uniform(0.0, takes_s * 1.05), rng.random() < 0.5):
            break
        kills += 1
    left_in_peace(job, log)
    if (found := outcome(out)) != expected:
        raise RuntimeError(f"another outcome: {difference(found, expected)}")
    return kills


def difference(found: Any, expected: Any) -> str:
    if isinstance(found, dict):
        return ", ".join(
            sorted(name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name))
        )
    return f"{found!r:.300} is not {expected!r:.300}"


def main() -> int:
    parser = argparse.ArgumentParser(description="jobs killed at random moments")
    parser.add_argument("kinds", nargs="*", metavar="KIND", help=", ".join(JOBS))
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--minutes", type=float, default=60.0)
    parser.add_argument("--log", type=Path, default=None, help="cases are added to it, and not done twice")
    arguments = parser.parse_args()
    kinds, end = arguments.kinds or list(JOBS), time.monotonic() + 60 * arguments.minutes
    done = [json.loads(line) for line in arguments.log.open()] if arguments.log and arguments.log.exists() else []
    kills = Counter({kind: sum(case["kills"] for case in done if case["kind"] == kind) for kind in kinds})
    cases = Counter(case["kind"] for case in done)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as scratch:
        folder = Path(scratch)
        write_inputs(folder)
        gc.freeze()
        server = forked(functools.partial(serve, folder / "port"))
        try:
            while not (folder / "port").exists():
                time.sleep(0.01)
            given, peace = Given(folder, (folder / "port").read_text()), {}
            for kind in kinds:
                run, outcome = JOBS[kind]
                for name in ("first", "peace"):  # the first reads much from disk that stays in memory
                    out = folder / f"{kind}-{name}"
                    takes_s = left_in_peace(functools.partial(run, given, out), out.with_suffix(".log"))
                peace[kind] = takes_s, outcome(out)
                print(f"{kind}: {takes_s:.2f} s in peace", flush=True)
            while time.monotonic() < end and kills.total() < arguments.kills:
                kind = min(kinds, key=lambda kind: kills[kind])
                seed = arguments.seed * 1_000_000 + cases[kind]
                out = folder / f"{kind}-{seed}"
                try:
                    count = one_case(kind, seed, given, out, *peace[kind])
                except RuntimeError as error:
                    print(f"{kind}, seed {seed}: {error}", flush=True)
                    return 1
                cases[kind] += 1
                kills[kind] += count
                shutil.rmtree(out)
                if arguments.log:
                    with arguments.log.open("a") as file:
                        file.write(json.dumps({"kind": kind, "seed": seed, "kills": count}) + "\n")
        finally:
            os.kill(server, signal.SIGKILL)
            os.waitpid(server, 0)
    told = ", ".join(f"{kind} {kills[kind]} in {cases[kind]} cases" for kind in kinds)
    print(f"{kills.total()} kills, no difference: {told}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
