"""A run whose output is a bucket: killed at any moment, it goes on from the last checkpoint that is whole."""

import os
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import Iterator
from pathlib import Path

import fsspec
import pytest
import s3fs

from jobs.cli import main
from model.training.checkpoints import steps_saved
from model.training.records import read_metrics
from schemas.settings import dump_settings
from tests.jobs.s3 import Faults, s3_server
from tests.model.makers import photo
from tests.model.training.makers import micro

ROOT = Path(__file__).parents[3]


@pytest.fixture
def bucket(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    with s3_server(Faults(seed=3)) as address:
        monkeypatch.setenv("AWS_ENDPOINT_URL", address)
        s3fs.S3FileSystem.clear_instance_cache()
        name = f"runs-{uuid.uuid4().hex[:8]}"
        fsspec.filesystem("s3").mkdir(name)
        yield f"s3://{name}"
        s3fs.S3FileSystem.clear_instance_cache()


def losses(output: str) -> dict[int, float]:
    return {row["step"]: row["loss/pages"] for row in read_metrics(output) if "grad_norm" in row}


def test_a_run_into_a_bucket_is_killed_and_goes_on(
    data: Path, tmp_path: Path, bucket: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    config, output = tmp_path / "train.yaml", f"{bucket}/run"
    config.write_text(dump_settings(micro(data, tmp_path / "local")))
    command = [sys.executable, "-m", "jobs.cli", "train", str(config), "-o", output, "--set", "steps=400"]
    process = subprocess.Popen(command, cwd=ROOT, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL)
    deadline = time.monotonic() + 240
    while not steps_saved(output) and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.05)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    reached = max(steps_saved(output))
    steps = reached + 2
    assert main(["train", str(config), "-o", output, "--set", f"steps={steps}"]) == 0
    assert f"goes on after step {reached}" in capsys.readouterr().err
    assert main(["train", str(config), "--set", f"steps={steps}"]) == 0
    assert losses(output) == losses(str(tmp_path / "local"))
    assert sorted(losses(output)) == list(range(1, steps + 1))
    (tmp_path / "one.png").write_bytes(photo(3))
    assert main(["generate", output, "--image", str(tmp_path / "one.png"), "--device", "cpu"]) == 0
