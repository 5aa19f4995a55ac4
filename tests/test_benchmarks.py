"""Benchmarks and the scripts that draw for docs/ are run by hand and seldom: a rename must not break them unseen."""

import ast
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
import torch

from benchmarks import corpus, drafts, learning_seeds, scale, scale_driver
from benchmarks.cpu import cpu_seconds
from benchmarks.gpu.steps import OPEN_FLAMINGO
from benchmarks.synthetic import write_archive
from jobs.engine.isolation import Isolated, IsolationSettings
from jobs.phases.extract import EXTRACT
from jobs.phases.plan import PLAN
from jobs.phases.task import Phase, Run, run_task
from jobs.settings_files import load_file
from model.training.config import TrainConfig
from schemas.storage import Store

ROOT = Path(__file__).parents[1]
OURS = ("benchmarks", "docs", "tests", "weft", "schemas", "crawlers", "pipeline", "model", "jobs")
SCRIPTS = [*sorted((ROOT / "benchmarks").glob("**/*.py")), *sorted((ROOT / "docs").glob("make_*.py"))]


def imports_of(script: Path) -> Iterator[str]:
    """What a script imports of ours, in functions too; and the script itself."""
    for node in ast.walk(ast.parse(script.read_text("utf-8"))):
        if isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in OURS:
            yield ast.unparse(node)
    yield f"import {'.'.join(script.relative_to(ROOT).with_suffix('').parts)}"


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: ".".join(script.relative_to(ROOT).parts))
def test_a_script_that_is_run_by_hand_finds_all_that_it_imports(script: Path) -> None:
    for line in imports_of(script):
        try:
            exec(line, {})
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] in OURS:
                raise
            pytest.skip(f"{error.name} is not installed")


def test_the_benchmark_of_files_opened_does_all_phases(tmp_path: Path) -> None:
    (tmp_path / "warc").mkdir()
    write_archive(tmp_path / "warc/0.warc.gz", 0, 5)
    rows, whole = scale.measure(tmp_path, str(tmp_path / "out"), 1, 5, "old", None)
    assert {"extract", "counts", "frequent", "assemble", "publish"} <= {row.name for row in rows}
    assert whole.opens >= sum(row.opens for row in rows) > 0


def test_the_benchmark_of_the_driver_does_all_phases(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scale_driver.drive(str(tmp_path), 20)
    assert "counts" in capsys.readouterr().out


def test_copies_of_drafts_are_found_as_their_originals_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (corpus, drafts):
        monkeypatch.setattr(module, "DRAFTS_AN_ARCHIVE", 100)
        monkeypatch.setattr(module, "ORIGINALS", 1)
    store, plan = Store(str(tmp_path / "out")), corpus.plan_of_drafts(300)
    store.put(PLAN, msgspec.json.encode(plan))
    drafts.make_originals(tmp_path, 300, 0)
    run, phase = Run.new(store.url), Phase(EXTRACT.name, EXTRACT.over, drafts.write_drafts)
    for index in range(3):
        run_task(phase, run, (300, tmp_path), index)
    corpus.measure("drafts", 300, tmp_path)
    rows = corpus.read_drops(tmp_path / "out")
    of_block = [sorted((index, reason) for block, index, reason in rows if block == number) for number in range(3)]
    assert len(of_block[0]) > 15
    assert of_block[1] == of_block[2] == of_block[0]


def test_a_worker_that_fails_ends_the_benchmark_of_fetching() -> None:
    """Which waited for its answer for ever. In a process of its own: it forks."""
    size = "fetch_rate.Size(hosts=1, images=1, delay_s=0, workers=2, seconds=5)"
    code = f"from benchmarks import fetch_rate; fetch_rate.items_of = None; fetch_rate.measure({size})"
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, timeout=300)
    assert ended.returncode == 1
    assert "RuntimeError: worker 0 has ended with an error" in ended.stderr


def burn(seconds: float) -> None:
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass


def test_the_time_of_an_isolated_step_counts_though_its_fork_server_runs_on() -> None:
    with Isolated(burn, IsolationSettings()) as step:
        before = cpu_seconds()
        step(1.0)
        assert cpu_seconds() - before > 0.9
    assert cpu_seconds() - before > 0.9


def test_threads_may_end_while_time_is_counted() -> None:
    """Those of a server do: one for each connection."""
    until = time.monotonic() + 2

    def begin_threads() -> None:
        while time.monotonic() < until:
            some = [threading.Thread(target=time.sleep, args=(0.0002,)) for _ in range(20)]
            for thread in some:
                thread.start()
            for thread in some:
                thread.join()

    beginner = threading.Thread(target=begin_threads)
    beginner.start()
    try:
        while time.monotonic() < until:
            assert cpu_seconds() > 0
    finally:
        beginner.join()


def test_the_figures_of_a_gpu_are_taken_of_a_tiny_size_on_a_cpu(tmp_path: Path) -> None:
    """So that the first run on a GPU does not fail for want of a name. Where torch sees none it says so in a line."""
    from benchmarks.gpu.__main__ import main

    out, runs = tmp_path / "figures.json", ["--runs", "threads", "processes"]
    assert main(["attention", "waiting", "--device", "cpu", "--workers", "1", *runs, "--out", str(out)]) == 0
    assert main(["steps", "--device", "cpu", "--ways", "weft", OPEN_FLAMINGO]) == 0
    figures = json.loads(out.read_text("utf-8"))
    assert {row["way"] for row in figures["attention"]} >= {"dense mask, SDPA", "grouped", "chunked"}
    assert all(max(row["error"].values()) < 1e-5 for row in figures["attention"])
    assert all(0 <= row["data_wait"] <= 1 for row in figures["waiting"])


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU")
def test_without_a_gpu_one_line_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    from benchmarks.gpu.__main__ import main

    assert main([]) == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_the_figures_of_several_seeds_are_means_and_ranges() -> None:
    found = {"resampler": [{"right": 0.5, "step 400": 0.25}, {"right": 1.0}], "mlp": [{"right": 0.75}]}
    assert learning_seeds.table("short", found) == [
        "| short | resampler | mlp |",
        "| --- | --- | --- |",
        "| right | 0.750 (0.500 to 1.000) | 0.750 (0.750 to 0.750) |",
        "| step 400 | 0.250 (0.250 to 0.250) |  |",
        "",
    ]


def test_the_short_form_over_seeds_is_the_demos_and_each_connector_one_of_the_tiny_run() -> None:
    given = learning_seeds.short_settings()
    assert "steps=440" in given[1::2]
    assert set(given[::2]) == {"--set"}
    for settings in learning_seeds.CONNECTORS.values():
        config = load_file(TrainConfig, str(ROOT / "configs/tiny.yaml"), [*given[1::2], *settings], {})
        assert config.steps == 440
