"""A list of 250 hosts of which some take connections and never answer, by `weft fetch-pairs` and by img2dataset.

    python -m benchmarks.fetch_hung PYTHON_WITH_IMG2DATASET [HUNG]

One image a host, each host an address of its own on this machine. Prints seconds by the clock and images had.
"""

import socket
import subprocess
import sys
import tempfile
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks.fetching import photographs
from schemas.dataset import read_dataset
from schemas.storage import Store

_HOSTS = 250


def main(peer_python: str, hung: int = 6) -> None:
    silent = socket.create_server(("0.0.0.0", 0), backlog=1000)  # nobody takes what comes
    site, gone = serve(), silent.getsockname()[1]
    hosts = [f"127.0.{1 + n // 200}.{1 + n % 200}" for n in range(_HOSTS)]
    every = _HOSTS // hung
    urls = [
        f"http://{host}:{gone if not n % every and n // every < hung else site}/{n}.jpg" for n, host in enumerate(hosts)
    ]
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        (folder / "list.txt").write_text("\n".join(urls))
        captions = [f"a picture of number {n} on a wall" for n in range(_HOSTS)]
        pq.write_table(pa.table({"url": urls, "caption": captions}), folder / "list.parquet")
        theirs = [peer_python, str(Path(__file__).with_name("img2dataset_run.py")), str(folder / "list.txt")]
        took, said = timed([*theirs, str(folder / "peer"), ""])
        print(f"img2dataset: {took:.1f} s, {said.strip().splitlines()[-1]} images", flush=True)
        ours = [sys.executable, "-m", "jobs.cli", "fetch-pairs", str(folder / "list.parquet"), "--engine", "inline"]
        allowed = ",".join(hosts)
        took, _ = timed([*ours, "-o", str(folder / "weft"), "--set", f"media.fetch.allow_private=[{allowed}]"])
        dataset = read_dataset(Store(str(folder / "weft")))
        print(f"weft: {took:.1f} s, {dataset.kinds['pairs'].samples} pairs, dropped {dataset.drops}")


def serve() -> int:
    images = photographs(400, 10)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            name = self.path.strip("/").removesuffix(".jpg")
            body = images[int(name) % len(images)] if name.isdigit() else b""
            self.send_response(200 if body else 404)
            self.send_header("Content-Type", "image/jpeg")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("0.0.0.0", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return int(server.server_port)


def timed(command: list[str]) -> tuple[float, str]:
    began = time.monotonic()
    done = subprocess.run(command, capture_output=True, text=True, timeout=600)
    if done.returncode:
        print(done.stdout[-2000:], done.stderr[-2000:])
    return time.monotonic() - began, done.stdout


if __name__ == "__main__":
    main(sys.argv[1], *(int(word) for word in sys.argv[2:3]))
