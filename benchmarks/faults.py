"""A soak: builds disturbed at random moments, many times; each must end with the bytes of a build left in peace.

    python -m benchmarks.faults [--rounds 25] [--seed 1] [--nodes 2] [--fault store ...]

Each round draws a fault (a worker, a node or the driver killed, a disk that fills up, an S3 server that answers 500 or
503, resets connections, cuts answers in their middle, or is slow) and its moment from the seed. A round that leaves a
difference is named with its seed, and the exit code is 1. The full disk needs the right to mount, and is left out
without it. `--fault store` runs one of them alone. Kills of crawls, lists, clips and training: `benchmarks.kills`.
"""

import argparse
import os
import random
import sys
import tempfile
import time
from collections import Counter
from contextlib import ExitStack
from pathlib import Path

from jobs.build import build
from jobs.config import load_config
from jobs.engine.engine import EngineSettings
from jobs.phases.run import BuildError
from tests.jobs.clusters import FAULTS, BuildCluster, can_mount, disturbed_build, running_cluster
from tests.jobs.conftest import contents
from tests.jobs.s3 import KINDS, Faults, s3_server
from tests.jobs.site import write_site

SETTINGS = ("partitions=3", "buckets=2", "max_slice_bytes=20000")


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--rounds", type=int, default=25)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--nodes", type=int, default=2)
    parser.add_argument("--fault", nargs="*", default=(*FAULTS, "store"))
    arguments = parser.parse_args()
    faults = [fault for fault in arguments.fault if fault != "disk" or can_mount()]
    met: Counter[str] = Counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        cluster = stack.enter_context(running_cluster(arguments.nodes)) if set(faults) - {"store"} else None
        archives = write_site(folder / "site")
        build_inline(str(folder / "peace"), archives)
        expected = contents(folder / "peace")
        for number in range(arguments.rounds):
            seed = arguments.seed * 1000 + number
            rng, started = random.Random(seed), time.monotonic()
            fault = faults[number % len(faults)]
            found, phase = one_round(fault, rng, folder / f"round-{number}", archives, cluster)
            met[f"{fault} in {phase}" if phase else fault] += 1
            print(f"round {number}, seed {seed}: {fault} {phase}, {time.monotonic() - started:.0f} s", flush=True)
            if found != expected:
                print(f"round {number}, seed {seed}: the dataset differs in {sorted(difference(found, expected))}")
                return 1
    print(f"{arguments.rounds} rounds, no difference: {dict(sorted(met.items()))}")
    return 0


def one_round(
    fault: str, rng: random.Random, out: Path, archives: list[Path], cluster: BuildCluster | None
) -> tuple[dict[str, bytes], str]:
    """What readers find after the fault and the reruns, and the phase that the fault met."""
    if fault == "store":
        return on_a_failing_store(rng, out, archives), ""
    assert cluster is not None
    phase = disturbed_build(fault, rng, out, archives, cluster, SETTINGS)
    return contents(out), phase


def on_a_failing_store(rng: random.Random, out: Path, archives: list[Path]) -> dict[str, bytes]:
    os.environ |= {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    os.environ["AWS_MAX_ATTEMPTS"] = "2"
    import s3fs

    faults = Faults(rng.randrange(1 << 30))
    with s3_server(faults) as address:
        os.environ["AWS_ENDPOINT_URL"] = address
        s3fs.S3FileSystem.clear_instance_cache()
        fs = s3fs.S3FileSystem()
        fs.mkdir(out.name)
        for kind in rng.sample(KINDS, rng.randrange(1, len(KINDS) + 1)):
            setattr(faults, kind, rng.uniform(0, 0.05))
        for _ in range(20):
            try:
                build_inline(f"s3://{out.name}/out", archives)
                break
            except (BuildError, OSError):
                continue
        faults.heal()
        names = [path.removeprefix(f"{out.name}/out/") for path in fs.find(f"{out.name}/out")]
        return {name: fs.cat_file(f"{out.name}/out/{name}") for name in names if not name.startswith("work/")}


def build_inline(out: str, archives: list[Path]) -> None:
    config = load_config("default", list(SETTINGS))
    build(out, [str(path) for path in archives], config, EngineSettings(engine="inline"))


def difference(found: dict[str, bytes], expected: dict[str, bytes]) -> set[str]:
    return {name for name in found.keys() | expected.keys() if found.get(name) != expected.get(name)}


if __name__ == "__main__":
    sys.exit(main())
