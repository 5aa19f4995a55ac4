"""Datasets of which one file was changed: the check says so, in words."""

import functools
import random
import shutil
import tempfile
from pathlib import Path

from benchmarks.zoo.mutants import mutant
from benchmarks.zoo.species import require
from jobs.dataset.check import problems
from schemas.shards import DamagedShard
from schemas.storage import Store
from tests.weft.makers import make_dataset as written


@functools.cache
def _files() -> dict[str, bytes]:
    with tempfile.TemporaryDirectory() as folder:
        root = written(Path(folder) / "made")
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}


def make_dataset(rng: random.Random) -> bytes:
    """A line that names the file, then what stands in it."""
    files = _files()
    name = rng.choice(list(files))
    return name.encode() + b"\n" + mutant(rng, files[name], list(files.values()))


def judge_dataset(data: bytes) -> str:
    name, _, changed = data.partition(b"\n")
    files = _files()
    file = name.decode("utf-8", "replace")
    if file not in files:
        return "no file"
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "made"
        for path, content in {**files, file: changed}.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        try:
            found = list(problems(Store(str(root))))
        except DamagedShard as error:
            found = [str(error)]
        finally:
            shutil.rmtree(root)
        is_promised = file.endswith((".tar", ".parquet")) and changed != files[file]
        require(bool(found) or not is_promised, "a changed shard passes the check")
    return "told" if found else "nothing to tell"
