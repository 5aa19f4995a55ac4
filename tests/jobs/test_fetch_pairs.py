"""Lists of addresses become pairs, from a server on this machine."""

import io
import json
import os
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import webdataset
from PIL import Image

from crawlers.img2dataset import DownloaderSettings, read_output, reason_of, require_img2dataset
from jobs.cli import main
from schemas.drops import Drop
from schemas.settings import SettingsError
from tests.crawlers.servers import Reply, WebServer
from tests.jobs.site import photo

FAST = [
    "--set",
    "media.pace.delay_s=0",
    "--set",
    "media.pace.concurrency_per_host=8",
    "--set",
    "media.fetch.max_attempts=1",
]


def written(folder: Path, rows: list[tuple[str, str]], name: str = "list.parquet") -> Path:
    path = folder / name
    pq.write_table(pa.table({"URL": [url for url, _ in rows], "TEXT": [text for _, text in rows]}), path)
    return path


def fetch(path: Path, out: Path, web: WebServer | None, *more: str) -> int:
    allowed = ["--set", "media.fetch.allow_private=[127.0.0.1]"] if web else []
    return main(["fetch-pairs", str(path), "-o", str(out), "--engine", "inline", *FAST, *allowed, *more])


def stored(out: Path) -> list[dict]:
    shards = sorted(map(str, (out / "pairs/shards").glob("*.tar")))
    return list(webdataset.WebDataset(shards, shardshuffle=False, empty_check=False).decode("pil"))


def drops(out: Path) -> list[tuple[str, str]]:
    rows = [row for path in sorted((out / "drops").glob("*.parquet")) for row in pq.read_table(path).to_pylist()]
    return sorted((row["url"].rpartition("/")[2], row["reason"]) for row in rows)


@pytest.fixture
def web() -> WebServer:
    with WebServer() as server:
        for number in range(8):
            server.routes[f"/{number}.jpg"] = Reply(photo(number), "image/jpeg")
        yield server


def test_every_row_is_stored_or_let_go_for_a_reason(tmp_path: Path, web: WebServer) -> None:
    web.routes["/page.jpg"] = Reply(b"<html>log in</html>", "image/jpeg")
    web.routes["/optout.jpg"] = Reply(photo(1), "image/jpeg", headers=(("X-Robots-Tag", "noai"),))
    web.routes["/inside.jpg"] = Reply(b"", status=302, headers=(("Location", "http://10.0.0.1/secret"),))
    rows = [(f"{web.url}/{number}.jpg", f"caption {number}") for number in range(8)]
    rows += [(f"{web.url}/0.jpg", "caption 0"), (f"{web.url}/0.jpg", "another caption")]
    rows += [(f"{web.url}/{name}.jpg", "x") for name in ("page", "optout", "inside", "missing")]
    rows += [("file:///etc/passwd", "x"), ("http://10.1.2.3/a.jpg", "x"), ("", "x"), (f"{web.url}/1.jpg", "")]
    rows += [("http://127.0.0.1:9/dead.jpg", "x")]
    out = tmp_path / "out"
    assert fetch(written(tmp_path, rows), out, web) == 0
    assert sorted(sample["txt"] for sample in stored(out)) == sorted(
        [*(f"caption {number}" for number in range(8)), "another caption"]
    )
    assert drops(out) == sorted(
        [
            ("0.jpg", "duplicate_pair"),
            ("page.jpg", "unsupported_type"),
            ("optout.jpg", "opt_out"),
            ("inside.jpg", "blocked_address"),
            ("missing.jpg", "http_status"),
            ("passwd", "bad_address"),
            ("a.jpg", "blocked_address"),
            ("", "bad_row"),
            ("1.jpg", "bad_row"),
            ("dead.jpg", dict(drops(out))["dead.jpg"]),
        ]
    )
    assert dict(drops(out))["dead.jpg"] in ("connect", "robots_unavailable")
    details = [row for path in (out / "drops").glob("*.parquet") for row in pq.read_table(path)["detail"].to_pylist()]
    numbers = sorted(int(one.rpartition("row ")[2].removesuffix(f" of {tmp_path}/list.parquet")) for one in details)
    assert (numbers[0] in (0, 8), numbers[1:]) == (True, list(range(10, 19)))
    assert web.paths().count("/0.jpg") == 1  # two pairs, one request
    assert main(["inspect", str(out), "--check"]) == 0


def test_loopback_is_refused_by_default(tmp_path: Path, web: WebServer) -> None:
    assert fetch(written(tmp_path, [(f"{web.url}/0.jpg", "x")]), tmp_path / "out", None) == 1
    assert drops(tmp_path / "out") == [("0.jpg", "blocked_address")]
    assert web.log == []


def test_robots_txt_is_obeyed(tmp_path: Path, web: WebServer) -> None:
    web.routes["/robots.txt"] = Reply(b"User-agent: *\nDisallow: /0.jpg", "text/plain")
    fetch(written(tmp_path, [(f"{web.url}/0.jpg", "x"), (f"{web.url}/1.jpg", "y")]), tmp_path / "out", web)
    assert drops(tmp_path / "out") == [("0.jpg", "robots")]


def test_a_finished_job_is_left_alone_and_another_is_refused(
    tmp_path: Path, web: WebServer, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    path = written(tmp_path, [(f"{web.url}/0.jpg", "x")])
    assert fetch(path, tmp_path / "out", web) == 0
    asked = len(web.log)
    assert fetch(path, tmp_path / "out", web) == 0
    assert "out is complete: nothing to do" in caplog.text
    assert "not in it" not in caplog.text
    other = written(tmp_path, [(f"{web.url}/1.jpg", "y")], "other.parquet")
    assert fetch(other, tmp_path / "out", web) == 0
    assert f"1 inputs, such as {other}, are not in it" in caplog.text
    assert len(web.log) == asked
    assert fetch(path, tmp_path / "out", web, "--set", "pairs.image.min_side_px=9") == 2
    assert "pairs.image.min_side_px" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["/no/such.parquet"], "no such list: /no/such.parquet"),
        ([], "no list given"),
        (["LIST", "--url-column", "nothing"], "no column nothing; it has URL, TEXT"),
        (["LIST", "--downloader", "img2dataset", "--set", "lists.img2dataset_python=/no/python"], "make img2dataset"),
    ],
)
def test_a_wrong_call_says_what_is_wrong(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], message: str
) -> None:
    path = str(written(tmp_path, [("http://a.example/", "x")]))
    named = [path if argument == "LIST" else argument for argument in arguments]
    assert main(["fetch-pairs", *named, "-o", str(tmp_path / "out"), "--engine", "inline"]) == 2
    assert message in capsys.readouterr().err


def test_a_killed_job_goes_on_without_a_lost_or_doubled_pair(tmp_path: Path, web: WebServer) -> None:
    for number in range(8, 60):
        web.routes[f"/{number}.jpg"] = Reply(photo(number), "image/jpeg", delay_s=0.03)
    rows = [(f"{web.url}/{number}.jpg", f"caption {number}") for number in range(60)]
    path, out = written(tmp_path, rows), tmp_path / "out"
    more = ["--set", "media.fetch.allow_private=[127.0.0.1]", "--set", "lists.read.spread=url", "--set", "partitions=6"]
    command = [sys.executable, "-m", "jobs.cli", "fetch-pairs", str(path), "-o", str(out), "--engine", "inline"]
    child = subprocess.Popen([*command, *FAST, *more], stderr=subprocess.DEVNULL, start_new_session=True)
    until = time.monotonic() + 60
    while not list((out / "work/pair-images").glob("00000[0-9].json")) and time.monotonic() < until:
        time.sleep(0.02)
    os.killpg(child.pid, signal.SIGKILL)
    child.wait()
    assert not (out / "dataset.json").exists()
    assert fetch(path, out, None, *more) == 0
    assert sorted(sample["txt"] for sample in stored(out)) == sorted(text for _, text in rows)
    assert main(["inspect", str(out), "--check"]) == 0


def test_our_index_is_a_list_that_can_be_fetched_again(tmp_path: Path, web: WebServer) -> None:
    fetch(written(tmp_path, [(f"{web.url}/{n}.jpg", f"caption {n}") for n in range(3)]), tmp_path / "one", web)
    index = next((tmp_path / "one/pairs/shards").glob("*.parquet"))
    assert fetch(index, tmp_path / "two", web) == 0
    assert sorted(sample["txt"] for sample in stored(tmp_path / "two")) == ["caption 0", "caption 1", "caption 2"]


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("HTTP Error 404: Not Found", "http_status"),
        ("Use of image disallowed by X-Robots-Tag directive", "opt_out"),
        ("<urlopen error [Errno -2] Name or service not known>", "dns"),
        ("<urlopen error [SSL: CERTIFICATE_VERIFY_FAILED] certificate verify failed>", "tls"),
        ("The read operation timed out", "slow"),
        ("<urlopen error [Errno 111] Connection refused>", "connect"),
        ("something new", "failed"),
    ],
)
def test_what_img2dataset_says_has_a_reason_code(message: str, reason: str) -> None:
    assert reason_of(message).reason == reason


def img2dataset_output(folder: Path, bodies: dict[str, bytes], statuses: dict[str, str]) -> None:
    folder.mkdir()
    with tarfile.open(folder / "00000.tar", "w") as tar:
        for key, body in bodies.items():
            for name, data in ((f"{key}.jpg", body), (f"{key}.json", b"{}")):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                tar.addfile(member, io.BytesIO(data))
    rows = [
        {"url": f"u{key}", "key": key, "status": status, "error_message": None, "sha256": ""}
        for key, status in statuses.items()
    ]
    pq.write_table(pa.Table.from_pylist(rows), folder / "00000.parquet")


def test_what_img2dataset_calls_a_success_is_not_believed(tmp_path: Path) -> None:
    """A full disk leaves a short tar beside a parquet file that calls all of it a success."""
    bodies = {f"{number}": bytes([number]) * 5000 for number in range(4)}
    img2dataset_output(tmp_path / "out", bodies, dict.fromkeys([*bodies, "9"], "success"))
    tar = tmp_path / "out/00000.tar"
    tar.write_bytes(tar.read_bytes()[:14_000])
    found = read_output(tmp_path / "out", ["u0", "u1", "u2", "u3", "u9", "unheard"], "")
    assert [isinstance(found[url], Drop) for url in found] == [False, False, True, True, True, True]
    assert {found[url].reason for url in ("u2", "u3", "u9", "unheard")} == {"failed"}


def test_what_img2dataset_did_not_finish_is_lost_to_its_deadline(tmp_path: Path) -> None:
    found = read_output(tmp_path, ["u0"], "timeout")
    assert found["u0"].reason == "timeout"


def has_img2dataset() -> bool:
    try:
        require_img2dataset(DownloaderSettings())
    except SettingsError:
        return False
    return True


@pytest.mark.skipif(not has_img2dataset(), reason="img2dataset is not installed: make img2dataset")
def test_img2dataset_fetches_and_its_failures_are_counted(tmp_path: Path, web: WebServer) -> None:
    bomb = io.BytesIO()
    Image.fromarray(np.zeros((9000, 9000), np.uint8)).save(bomb, "PNG")
    web.routes["/bomb.png"] = Reply(bomb.getvalue(), "image/png")
    web.routes["/page.jpg"] = Reply(b"<html>log in</html>", "image/jpeg")
    rows = [(f"{web.url}/{number}.jpg", f"caption {number}") for number in range(5)]
    rows += [(f"{web.url}/{name}", "x") for name in ("missing.jpg", "page.jpg", "bomb.png")]
    rows += [("http://10.1.2.3/a.jpg", "x"), ("file:///etc/passwd", "x")]
    out = tmp_path / "out"
    assert fetch(written(tmp_path, rows), out, web, "--downloader", "img2dataset") == 0
    assert sorted(sample["txt"] for sample in stored(out)) == [f"caption {number}" for number in range(5)]
    assert drops(out) == [
        ("a.jpg", "blocked_address"),
        ("bomb.png", "too_many_pixels"),
        ("missing.jpg", "http_status"),
        ("page.jpg", "unsupported_format"),
        ("passwd", "bad_address"),
    ]
    document = json.loads(json.dumps(stored(out)[0]["json"]))
    assert document["sha256"] == document["sha256"].lower()
    assert main(["inspect", str(out), "--check"]) == 0
