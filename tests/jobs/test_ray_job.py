"""`ray job submit` on a cluster started with `ray start`, as docs/cluster.md says."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from jobs.build import build
from tests.jobs.conftest import contents
from tests.jobs.test_build import INLINE, SMALL
from tests.ports import free_port

ROOT = Path(__file__).parents[2]
RAY = str(Path(sys.executable).with_name("ray"))
ENVIRONMENT = {
    **os.environ,
    "RAY_AUTH_MODE": "disabled",
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",  # the job finds the python that has weft
}


def read(url: str) -> str:
    with urllib.request.urlopen(url, timeout=5) as answer:
        return str(answer.read().decode())


def submit(address: str, arguments: list[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """`ray job submit`, again while the node's agent is not up yet: the dashboard answers before it."""
    command = [RAY, "job", "submit", f"--address={address}", *arguments]
    for _ in range(30):
        done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, timeout=240, cwd=folder)
        if "No available agent" not in done.stderr:
            break
        time.sleep(2)
    return done


@pytest.fixture(scope="module")
def head() -> Iterator[tuple[str, int]]:
    """Address of the dashboard, and the port of the metrics. Ended by its process group: `ray stop` would end all."""
    dashboard, metrics = free_port(), free_port()
    ports = [f"--port={free_port()}", f"--dashboard-port={dashboard}", f"--metrics-export-port={metrics}"]
    sizes = ["--num-cpus=2", f"--object-store-memory={100 << 20}"]
    process = subprocess.Popen(
        [RAY, "start", "--head", "--block", "--dashboard-host=127.0.0.1", *ports, *sizes],
        env=ENVIRONMENT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )
    address = f"http://127.0.0.1:{dashboard}"
    try:
        for _ in range(240):
            try:
                read(f"{address}/api/version")
                break
            except OSError:
                assert process.poll() is None
                time.sleep(0.5)
        yield address, metrics
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def test_a_build_as_a_ray_job_has_the_same_bytes_and_is_counted(
    tmp_path: Path, site: list[Path], head: tuple[str, int]
) -> None:
    address, metrics = head
    build(str(tmp_path / "peace"), [str(path) for path in site], SMALL, INLINE)
    package = checkout(tmp_path / "package")
    call = ["python", "-m", "jobs.build", "--input", *map(str, site), "--output", str(tmp_path / "out")]
    settings = ["--set", "partitions=3", "--set", "buckets=2"]
    done = submit(address, ["--working-dir", str(package), "--", *call, *settings], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "24 samples" in done.stdout
    assert contents(tmp_path / "out") == contents(tmp_path / "peace")
    for _ in range(40):
        exported = [line for line in read(f"http://127.0.0.1:{metrics}/metrics").splitlines() if "weft_items" in line]
        if any('outcome="few_words"' in line and line.endswith(" 4.0") for line in exported):
            return
        time.sleep(0.5)
    raise AssertionError(exported)


def test_own_steps_travel_with_a_ray_job(tmp_path: Path, site: list[Path], head: tuple[str, int]) -> None:
    package = checkout(tmp_path / "package")
    (package / "cooking.py").write_text(
        "import weft\n"
        "def first_pages(draft: weft.Draft, most: int) -> weft.Draft:\n"
        "    if int(draft.title.split()[1]) >= most:\n        raise weft.Drop('cooking:late_page')\n"
        "    return draft\n"
        "recipe = weft.Recipe('default').after('language', first_pages, most=5)\n"
    )
    call = ["python", "-m", "jobs.build", "cooking.py", "--input", *map(str, site), "--output", str(tmp_path / "out")]
    done = submit(head[0], ["--working-dir", str(package), "--", *call], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "interleaved: 5 samples" in done.stdout
    assert "cooking:late_page 19" in done.stdout


def checkout(folder: Path) -> Path:
    """What --working-dir . would send of a checkout, without its .venv."""
    folder.mkdir()
    for name in ("schemas", "crawlers", "pipeline", "model", "jobs", "weft", "configs"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
    return folder


def test_a_bad_call_fails_the_job(tmp_path: Path, head: tuple[str, int]) -> None:
    call = ["python", "-m", "jobs.build", "--input", "/nowhere.warc.gz", "--output", str(tmp_path / "out")]
    done = submit(head[0], ["--", *call], tmp_path)
    assert done.returncode != 0
    assert "no such archive: /nowhere.warc.gz" in done.stdout + done.stderr


MAIN = """
import sys
from jobs.engine.engine import EngineSettings, open_engine

with open_engine(EngineSettings(), modules=[sys.argv[1]]) as engine:
    import cooking

    print(list(engine.run("stir", cooking.stir, [5])))
"""


def test_modules_are_added_to_those_of_the_job(tmp_path: Path, head: tuple[str, int]) -> None:
    """A file that neither the job nor its nodes know, and that needs one which the job brought."""
    for folder, name, text in [
        ("job", "main.py", MAIN),
        ("pots", "__init__.py", "size = 3"),
        ("elsewhere", "cooking.py", "import pots\n\ndef stir(partition): return partition * pots.size"),
    ]:
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text(text)
    job = ["--working-dir", str(tmp_path / "job")]
    job += ["--runtime-env-json", json.dumps({"py_modules": [str(tmp_path / "pots")]})]
    done = submit(head[0], [*job, "--", "python", "main.py", str(tmp_path / "elsewhere/cooking.py")], tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "[15]" in done.stdout
