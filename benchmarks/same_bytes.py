"""Whether a change keeps the bytes: the sha256 of all that builds write, of one tree and of another.

    python -m benchmarks.same_bytes FOLDER before.json --tree ../weft-before [--data DATA]
    python -m benchmarks.same_bytes FOLDER after.json [--data DATA]
    python -m benchmarks.same_bytes --compare before.json after.json

Builds the example site with every kind and preset, a synthetic corpus cut into many partitions, a list for
`weft fetch-pairs` served from this machine, and the archives and videos of DATA (`warc/`, `video/`), in one process.
What lies in `work/` is left out. Drops are hashed by column too, so that an added column shows as one.
"""

import argparse
import hashlib
import json
import os
import shutil
import subprocess
import sys
import threading
import time
from http.server import ThreadingHTTPServer
from pathlib import Path

import pyarrow.parquet as pq

from benchmarks.synthetic import write_archive

ROOT = Path(__file__).parents[1]
PORT = 18431  # it stands in the settings, so it must be the same in both runs
PAGE_PRESETS, PAIR_PRESETS = ("default", "flamingo", "obelics"), ("align", "ltip", "datacomp", "laion")
#: Archives of a few kilobytes are cut as large ones would be.
CUT = ["partitions=3", "buckets=4", "max_slice_bytes=60000", "shards.max_bytes=400000"]
#: Real pages of 2008 that the presets would drop nearly all.
LOOSE = ["text.gopher.min_words=5", "text.gopher.min_stop_words=0", "language.keep=[]"]


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", nargs="?", type=Path)
    parser.add_argument("hashes", nargs="?", type=Path)
    parser.add_argument("--tree", type=Path, default=ROOT, help="the source tree whose weft builds")
    parser.add_argument("--data", type=Path, help="a folder with warc/ and video/")
    parser.add_argument("--compare", nargs=2, type=Path, metavar=("BEFORE", "AFTER"))
    arguments = parser.parse_args()
    if arguments.compare:
        return compare(*(json.loads(path.read_text()) for path in arguments.compare))
    arguments.folder.mkdir(parents=True, exist_ok=True)
    make_inputs(arguments.folder / "input", arguments.data)
    found: dict[str, str] = {}
    for name, command in builds(arguments.folder / "input").items():
        started = time.monotonic()
        output = arguments.folder / "output" / name
        shutil.rmtree(output, ignore_errors=True)
        run(arguments.tree.resolve(), arguments.folder, [*command, "--output", f"output/{name}", "--engine", "inline"])
        found |= {f"{name}/{file}": value for file, value in hashes(output).items()}
        print(f"{name}: {time.monotonic() - started:.1f} s", flush=True)
    arguments.hashes.write_text(json.dumps(found, indent=1, sort_keys=True))
    print(f"{len(found)} files: {arguments.hashes}")
    return 0


def make_inputs(folder: Path, data: Path | None) -> None:
    """Made once: both runs read the same files under the same names."""
    if folder.exists():
        return
    folder.mkdir()
    subprocess.run([sys.executable, ROOT / "examples/make_archive.py", folder / "site.warc.gz"], check=True)
    for number in range(3):
        write_archive(folder / f"synthetic-{number}.warc.gz", 150 * number, 150)
    for name in ("warc", "video"):
        if data is not None:
            shutil.copytree(data / name, folder / name)
    addresses = list(served())
    rows = [{"url": url, "caption": f"A picture of number {n % 7} in the list"} for n, url in enumerate(addresses)]
    rows += [{"url": "", "caption": "no address"}, {"url": "ftp://a.example/b.jpg", "caption": "of another scheme"}]
    (folder / "list.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    videos = sorted((folder / "video").glob("*.*")) if data is not None else []
    rows = [{"url": path.name, "text": f"A film of {path.stem}"} for path in videos]
    (folder / "videos.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))


def builds(inputs: Path) -> dict[str, list[str]]:
    """Name of the output: the command that makes it."""
    site, synthetic = ["--input", "input/site.warc.gz"], ["--input", "input/synthetic-*.warc.gz"]
    every = ["--kinds", "interleaved,pairs,clips"]
    found = {f"site-{name}": ["build", name, *site] for name in (*PAGE_PRESETS, *PAIR_PRESETS)}
    found |= {f"site-all-{name}": ["build", name, *site, *every] for name in PAGE_PRESETS}
    found["site-clips"] = ["build", *site, "--kinds", "clips"]
    found["synthetic"] = ["build", *synthetic, *sets(CUT)]
    found["synthetic-pairs"] = ["build", "laion", *synthetic, *sets(CUT)]
    found["synthetic-all"] = ["build", *synthetic, *sets(CUT), "--kinds", "interleaved,pairs"]
    web = ["media.fetch.allow_private=[127.0.0.1]", "media.pace.delay_s=0.0", "partitions=2", "lists.read.spread=url"]
    found["list"] = ["fetch-pairs", "input/list.jsonl", *sets(web)]
    if (inputs / "warc").exists():
        warc = ["--input", *(f"input/warc/{path.name}" for path in sorted((inputs / "warc").glob("*.warc*")))]
        found["warc"] = ["build", *warc, *every]
        found["warc-loose"] = ["build", *warc, *every, *sets(LOOSE)]
        found["videos"] = ["build", "--kinds", "clips", "--videos", "input/videos.jsonl"]
        found["videos"] += sets(["videos_folder=input/video"])
    return found


def sets(settings: list[str]) -> list[str]:
    return [word for setting in settings for word in ("--set", setting)]


def served() -> "dict[str, str]":
    sys.path.insert(0, str(ROOT / "examples"))
    from serve import routes  # type: ignore[import-not-found]

    names = [path for path in routes() if path.rpartition(".")[2] in ("jpg", "jpeg", "png", "webp", "gif", "avif")]
    return {f"http://127.0.0.1:{PORT}{path}": path for path in [*sorted(names), "/missing.jpg", *sorted(names)[:3]]}


def run(tree: Path, folder: Path, command: list[str]) -> None:
    """One command of a tree's weft, in `folder`: so the names of inputs are the same wherever that lies."""
    server = None
    if command[0] == "fetch-pairs":
        served()
        from serve import Handler

        server = ThreadingHTTPServer(("127.0.0.1", PORT), Handler)
        threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        environment = {**os.environ, "PYTHONPATH": str(tree)}
        subprocess.run([sys.executable, "-m", "jobs.cli", *command], cwd=folder, env=environment, check=True)
    finally:
        if server is not None:
            server.shutdown()
            server.server_close()


def hashes(output: Path) -> dict[str, str]:
    """Of every file but those of `work/`; of drops also of each column, rows in their order."""
    found = {}
    for path in sorted(output.rglob("*")):
        name = path.relative_to(output).as_posix()
        if path.is_file() and not name.startswith("work/"):
            found[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            if name.startswith("drops/"):
                for column in (table := pq.read_table(path)).column_names:
                    values = json.dumps(table.column(column).to_pylist())
                    found[f"{name}#{column}"] = hashlib.sha256(values.encode()).hexdigest()
            if name == "dataset.json":
                found |= {f"{name}#{key}": json.dumps(value) for key, value in json.loads(path.read_bytes()).items()}
    return found


def compare(before: dict[str, str], after: dict[str, str]) -> int:
    """Print a row for each output, then what differs; 1 if anything does.

    A row has one hash over all that readers open, and one over the drops by column, but for columns that are new.
    """
    same = sum(before.get(name) == value for name, value in after.items())
    print(f"{len(before)} before, {len(after)} after, {same} the same")
    for output in sorted({name.partition("/")[0] for name in before}):
        rows = [_digests(hashes, before, output) for hashes in (before, after)]
        verdict = "same" if rows[0] == rows[1] else "DIFFERS"
        print(f"| {output} | {' | '.join(' '.join(row) for row in rows)} | {verdict} |")
    for name in sorted(before.keys() | after.keys()):
        if before.get(name) != after.get(name):
            how = "gone" if name not in after else "new" if name not in before else "differs"
            print(f"{how}: {name}")
            if how == "differs" and "dataset.json#" in name:
                print(f"   {before[name][:300]}\n   {after[name][:300]}")
    return int(same != len(before) or same != len(after))


def _digests(hashes: dict[str, str], before: dict[str, str], output: str) -> list[str]:
    own = {name: hashes.get(name, "") for name in before if name.startswith(f"{output}/")}
    files = {name: value for name, value in own.items() if "/drops/" not in name and "dataset.json" not in name}
    drops = {name: value for name, value in own.items() if "/drops/" in name and "#" in name}
    return [
        f"{len(part)}: {hashlib.sha256(json.dumps(part, sort_keys=True).encode()).hexdigest()[:12]}"
        for part in (files, drops)
    ]


if __name__ == "__main__":
    sys.exit(main())
