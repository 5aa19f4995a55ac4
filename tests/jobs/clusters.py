"""Ray clusters of several nodes on this machine, in a process of their own, and builds on them that are disturbed.

    python -m tests.jobs.clusters NODES

starts a cluster of a head without CPUs and NODES nodes of one CPU each, prints its address, and then takes commands,
a line each: `kill` ends one node as a power cut would, with its disk, and starts another in its place, `nodes N`
changes their number. The disk of a node is the folder that its processes have for what is temporary. It ends with its
standard input.
"""

import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.jobs.processes import ray_processes

DEADLINE_S = 90.0
FAULTS = ("worker", "node", "driver", "disk")
_ENVIRONMENT = {"RAY_AUTH_MODE": "disabled", "RAY_health_check_period_ms": "500"}
_NODE = {"num_cpus": 1, "object_store_memory": 80 << 20}


class BuildCluster:
    """A cluster in a process of its own; `address` is for `--address`."""

    def __init__(self, process: "subprocess.Popen[str]", address: str) -> None:
        self._process, self.address = process, address

    def command(self, line: str) -> None:
        """Carry out a command and wait until it is done."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(line + "\n")
        self._process.stdin.flush()
        answer = self._process.stdout.readline().strip()
        assert answer == "done", answer

    def workers(self) -> list[int]:
        """Processes of this cluster that run a task of a build."""
        return ray_processes(".* 0", self._process.pid)


@contextmanager
def running_cluster(nodes: int) -> Iterator[BuildCluster]:
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.clusters", str(nodes)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env={**os.environ, **_ENVIRONMENT},
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        address = process.stdout.readline().strip()
        assert address, "the cluster did not start"
        yield BuildCluster(process, address)
    finally:
        assert process.stdin is not None
        process.stdin.close()
        try:
            process.wait(30)
        except subprocess.TimeoutExpired:
            pass
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        process.wait()


def start_build(
    out: Path | str, archives: Sequence[Path], address: str, settings: Sequence[str]
) -> "subprocess.Popen[str]":
    arguments = [sys.executable, "-m", "jobs.build", "--input", *map(str, archives), "--output", str(out)]
    arguments += ["--address", address, *(part for one in settings for part in ("--set", one))]
    environment = {**os.environ, **_ENVIRONMENT}
    return subprocess.Popen(arguments, stderr=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=environment)


def finish_build(out: Path, archives: Sequence[Path], address: str, settings: Sequence[str]) -> None:
    process = start_build(out, archives, address, settings)
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert process.returncode == 0, errors


def disturbed_build(
    fault: str, rng: random.Random, out: Path, archives: Sequence[Path], cluster: BuildCluster, settings: Sequence[str]
) -> str:
    """Build with one fault at a random moment, then again until it is whole; returns the phase that the fault met."""
    if fault == "disk":
        with small_disk(out) as grow:
            process = start_build(out, archives, cluster.address, settings)
            _, errors = process.communicate(timeout=DEADLINE_S)
            assert process.returncode == 1, f"the disk did not fill: {errors}"
            assert "No space left" in errors
            grow()
            finish_build(out, archives, cluster.address, settings)
            return last_phase(out)
    process = start_build(out, archives, cluster.address, settings)
    phase = wait_for_commits(out, rng.randrange(1, 12), process)
    time.sleep(rng.random() * 0.2)
    match fault:
        case "worker":
            while not (found := cluster.workers()) and process.poll() is None:
                time.sleep(0.005)
            assert found, "no worker was seen"
            os.kill(rng.choice(found), signal.SIGKILL)
        case "node":
            cluster.command("kill")
        case "driver":
            process.kill()
    _, errors = process.communicate(timeout=DEADLINE_S)
    assert fault == "driver" or process.returncode in (0, 1), errors
    if process.returncode != 0:
        finish_build(out, archives, cluster.address, settings)
    return phase


def wait_for_commits(out: Path, count: int, process: "subprocess.Popen[str]") -> str:
    """Until this many partitions are committed, or the build has ended; returns the phase that is under way."""
    end = time.monotonic() + DEADLINE_S
    while time.monotonic() < end and process.poll() is None:
        if len(list(out.glob("work/*/0*.json"))) >= count:
            break
        time.sleep(0.01)
    return last_phase(out)


def last_phase(out: Path) -> str:
    marks = sorted(out.glob("work/*/0*.json"), key=lambda path: path.stat().st_mtime_ns)
    return marks[-1].parent.name if marks else ""


@contextmanager
def small_disk(folder: Path) -> Iterator[Callable[[], None]]:
    """A file system of 300 kB at `folder`, and what makes it large; needs the right to mount."""
    folder.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=300k", "tmpfs", str(folder)], check=True, capture_output=True)
    kept = folder.with_name(f"{folder.name}-kept")
    try:
        yield lambda: subprocess.run(["mount", "-o", "remount,size=500m", str(folder)], check=True) and None
    finally:
        subprocess.run(["cp", "-r", str(folder), str(kept)], check=True)
        subprocess.run(["umount", "--lazy", str(folder)], check=True)
        folder.rmdir()
        kept.rename(folder)


def can_mount() -> bool:
    probe = subprocess.run(["unshare", "--mount", "true"], capture_output=True)
    return os.geteuid() == 0 and probe.returncode == 0


def end_processes_on(disk: str) -> None:
    """Those of a node: its workers live on for a moment, as they would not without power."""
    for number in map(int, filter(str.isdigit, os.listdir("/proc"))):
        try:
            if f"TMPDIR={disk}".encode() in Path(f"/proc/{number}/environ").read_bytes().split(b"\0"):
                os.kill(number, signal.SIGKILL)
        except OSError:  # it has ended, or is another's
            pass


def main() -> None:
    """The process of the cluster."""
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": 80 << 20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    disks: dict[Any, tempfile.TemporaryDirectory[str]] = {}

    def add_node() -> Any:
        disk = tempfile.TemporaryDirectory(prefix="weft-node-", ignore_cleanup_errors=True)
        node = cluster.add_node(**_NODE, env_vars={"TMPDIR": disk.name})
        disks[node] = disk
        return node

    nodes = [add_node() for _ in range(int(sys.argv[1]))]
    cluster.wait_for_nodes()
    print(cluster.address, flush=True)
    for line in sys.stdin:
        match line.split():
            case ["kill"]:
                lost = nodes.pop(0)
                cluster.remove_node(lost, allow_graceful=False)
                end_processes_on(disks[lost].name)
                disks.pop(lost).cleanup()
                nodes.append(add_node())
            case ["nodes", count]:
                while len(nodes) < int(count):
                    nodes.append(add_node())
                while len(nodes) > int(count):
                    cluster.remove_node(nodes.pop(), allow_graceful=True)
        print("done", flush=True)
    cluster.shutdown()
    for disk in disks.values():
        disk.cleanup()


if __name__ == "__main__":
    main()
