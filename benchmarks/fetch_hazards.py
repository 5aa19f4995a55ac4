"""What hostile rows of a list do to each downloader: peak memory of a process, and what came of each row.

    python -m benchmarks.fetch_hazards [PYTHON_WITH_IMG2DATASET]

The rows: a grey PNG of 20,000 x 20,000 pixels in half a MB, a redirect to a name on this machine that nobody allowed, a
file of this machine, and one honest image. By `weft fetch-pairs` with either downloader, and by img2dataset alone.
"""

import io
import os
import subprocess
import sys
import tempfile
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image

from benchmarks.fetching import photographs

_SIDE_PX = 20_000


def main(peer_python: str = "") -> None:
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        port = serve()
        site = f"http://127.0.0.1:{port}"
        (folder / "secret.txt").write_text("of this machine")
        urls = [f"{site}/bomb.png", f"{site}/inside.jpg", (folder / "secret.txt").as_uri(), f"{site}/honest.jpg"]
        pq.write_table(pa.table({"url": urls, "caption": ["x"] * len(urls)}), folder / "list.parquet")
        (folder / "list.txt").write_text("\n".join(urls))
        weft = [sys.executable, "-m", "jobs.cli", "fetch-pairs", str(folder / "list.parquet"), "--engine", "inline"]
        weft += ["--set", "media.fetch.allow_private=[127.0.0.1]", "--set", "media.pace.delay_s=0"]
        runs = {"weft": [*weft, "-o", str(folder / "weft")]}
        if peer_python:
            own = ["--downloader", "img2dataset", "--set", f"lists.img2dataset_python={peer_python}"]
            runs["weft with img2dataset"] = [*weft, "-o", str(folder / "weft with img2dataset"), *own]
            alone = str(Path(__file__).parent / "img2dataset_run.py")
            runs["img2dataset alone"] = [peer_python, alone, str(folder / "list.txt"), str(folder / "alone"), ""]
        for name, command in runs.items():
            peak = _peak_mb(command)
            print(f"{name}: {peak:.0f} MB at most", flush=True)
            for url, outcome in _outcomes(folder, name):
                print(f"  {url.rpartition('/')[2]:<12} {outcome}", flush=True)


def _peak_mb(command: list[str]) -> float:
    """Of the largest process that a command starts; measured in a process of its own, which counts its children."""
    inside = (
        "import resource, subprocess, sys; subprocess.run(sys.argv[1:], check=True, stdout=2); "
        "print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)"
    )
    environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1"}
    done = subprocess.run(
        [sys.executable, "-c", inside, *command], check=True, capture_output=True, text=True, env=environment
    )
    return int(done.stdout) / 1024


def _outcomes(folder: Path, name: str) -> list[tuple[str, str]]:
    if name == "img2dataset alone":
        tables = [pq.read_table(path).to_pylist() for path in sorted((folder / "alone").glob("*.parquet"))]
        return [(row["url"], f"{row['status']}: {row['error_message'] or ''}"[:90]) for rows in tables for row in rows]
    stored = [pq.read_table(path).to_pylist() for path in sorted((folder / name / "pairs/shards").glob("*.parquet"))]
    dropped = [pq.read_table(path).to_pylist() for path in sorted((folder / name / "drops").glob("*.parquet"))]
    found = [(row["url"], "stored") for rows in stored for row in rows]
    return found + [(row["url"], f"{row['reason']}: {row['detail']}"[:90]) for rows in dropped for row in rows]


def serve() -> int:
    """A server in a thread; returns its port."""
    bomb, honest = io.BytesIO(), photographs(640, 1)[0]
    Image.new("1", (_SIDE_PX, _SIDE_PX)).convert("L").save(bomb, "PNG", compress_level=9)

    class Site(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = {"/bomb.png": bomb.getvalue(), "/honest.jpg": honest, "/secret.jpg": honest}.get(self.path, b"")
            redirects = self.path == "/inside.jpg"
            self.send_response(302 if redirects else 200 if body else 404)
            if redirects:
                self.send_header("Location", f"http://localhost:{server.server_port}/secret.jpg")
            self.send_header("Content-Type", "image/png" if self.path.endswith("png") else "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server.server_port


if __name__ == "__main__":
    main(*sys.argv[1:])
