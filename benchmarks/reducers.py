"""One bucket of *urls* by several engines, on the same rows: CPU seconds, seconds, memory, and whether all agree.

    python -m benchmarks.reducers [--pages 600000] [--wanted 4200000] [--engines ours duckdb polars ray]

Of the pages of each address the newest stays, of equal times the one of the higher uid, and who repeats it is told; the
distinct wanted addresses of each partition are joined with the newest capture of each. What must come out is the same
table, row for row, whoever makes it and however often, since tasks are tried again. Each engine runs twice, in a
process of its own; seconds are CPU seconds of it and its children, memory is what they hold together at most, beside
the input (`ray` counts its servers and workers: give it small sizes). Polars and Ray are taken if they are installed.
"""

import argparse
import hashlib
import importlib
import importlib.util
import multiprocessing
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa

from benchmarks.cpu import cpu_seconds
from benchmarks.memory import peak_while
from jobs.phases.duplicates import LOCATIONS, _locate, keep_newest
from schemas.buckets import first_of_each
from schemas.drops import Tally

Tables = Mapping[str, pa.Table]
_NEWEST = "row_number() OVER (PARTITION BY {key} ORDER BY {order})"
_PAGES_BY = "time DESC, uid DESC"
_CAPTURES_BY = 'time DESC, archive, "offset"'


def made(pages: int, wanted: int) -> dict[str, pa.Table]:
    """A twentieth of the pages repeats another, a tenth of the wanted addresses was captured, some of them twice."""
    rng = np.random.default_rng(0)

    def keys(numbers: Any) -> pa.Array:
        data = np.stack([numbers * np.int64(0x1E3779B97F4A7C15), numbers], axis=1).astype("<i8").tobytes()
        return pa.FixedSizeBinaryArray.from_buffers(pa.binary(16), len(numbers), [None, pa.py_buffer(data)]).cast(
            pa.binary()
        )

    times = [f"2026-10-{day:02d}T11:22:33Z" for day in range(1, 29)]
    of_pages = rng.integers(0, 10 * pages, pages)
    captures = wanted // 10
    return {
        "pages": pa.table(
            {
                "key": keys(of_pages),
                "time": pa.array(times).take(pa.array(rng.integers(0, 28, pages))),
                "uid": np.arange(pages),
                "partition": pa.array(rng.integers(0, 4096, pages), pa.int32()),
                "url": [f"https://www.site-{n % 99991}.example/section/{n}/a-story" for n in of_pages.tolist()],
            }
        ),
        "wanted": pa.table(
            {
                "key": keys(rng.integers(0, wanted, wanted)),
                "partition": pa.array(rng.integers(0, 4096, wanted), pa.int32()),
            }
        ),
        "captures": pa.table(
            {
                "key": keys(rng.integers(0, wanted, captures)),
                "archive": pa.array(rng.integers(0, 1000, captures), pa.int32()),
                "offset": np.arange(captures),
                "length": np.full(captures, 50_000),
                "record_url": [""] * captures,
                "time": pa.array(times).take(pa.array(rng.integers(0, 28, captures))),
            }
        ),
    }


def ours(tables: Tables, partitions: int = 0) -> dict[str, pa.Table]:
    """The functions that the phase calls."""
    lost: list[pa.Table] = []
    writer: Any = SimpleNamespace(add_table=lambda buckets, rows: lost.append(rows))
    kept = keep_newest(tables["pages"], "key", "duplicate_url", writer, Tally())
    task: Any = SimpleNamespace(rows=lambda phase, name: tables[name])
    (located,) = _locate(task, ())
    return {"kept": kept.select(["uid"]), "lost": pa.concat_tables(lost).select(["uid"]), "located": located}


def by_duckdb(tables: Tables, partitions: int = 0) -> dict[str, pa.Table]:
    found = {}
    with duckdb.connect(config={"threads": 1, "memory_limit": "768MB"}) as connection:
        for name, table in tables.items():
            connection.register(name, table)
        ranked = f"SELECT *, {_NEWEST.format(key='key', order=_PAGES_BY)} AS place FROM pages"
        connection.execute(f"CREATE TEMP TABLE ranked AS SELECT key, uid, place FROM ({ranked})")
        for name, where in (("kept", "place = 1"), ("lost", "place > 1")):
            found[name] = connection.sql(f"SELECT uid FROM ranked WHERE {where} ORDER BY key, place").to_arrow_table()
        captured = f"SELECT *, {_NEWEST.format(key='key', order=_CAPTURES_BY)} AS place FROM captures"
        columns = ", ".join(f'c."{name}"' for name in LOCATIONS if name != "key")
        found["located"] = connection.sql(
            f"SELECT w.key, w.partition, {columns} FROM (SELECT DISTINCT key, partition FROM wanted) w "
            f"JOIN ({captured}) c ON w.key = c.key AND c.place = 1 ORDER BY w.partition, w.key"
        ).to_arrow_table()
    return found


def by_polars(tables: Tables, partitions: int = 0) -> dict[str, pa.Table]:
    pl: Any = importlib.import_module("polars")

    frames = {name: pl.from_arrow(table).lazy() for name, table in tables.items()}
    ranked = frames["pages"].select("key", "time", "uid").sort("key", "time", "uid", descending=[False, True, True])
    first = ranked.select("uid", first=pl.col("key") != pl.col("key").shift(1).fill_null(b"")).collect()
    captured = frames["captures"].sort("key", "time", "archive", "offset", descending=[False, True, False, False])
    located = (
        frames["wanted"]
        .unique()
        .join(captured.unique("key", keep="first", maintain_order=True), on="key")
        .sort("partition", "key")
    )
    return {
        "kept": first.filter(pl.col("first")).select("uid").to_arrow(),
        "lost": first.filter(~pl.col("first")).select("uid").to_arrow(),
        "located": located.select("key", "partition", *list(LOCATIONS)[1:]).collect().to_arrow(),
    }


def by_ray(tables: Tables, partitions: int = 8) -> dict[str, pa.Table]:
    """Ray Data shuffles by hash, which is the part of it that weft does with files; what a partition does is ours."""
    import ray

    ray.init(address="local", num_cpus=2, object_store_memory=512 << 20, include_dashboard=False)
    ray.data.DataContext.get_current().shuffle_strategy = ray.data.context.ShuffleStrategy.HASH_SHUFFLE
    data = {name: ray.data.from_arrow(table) for name, table in tables.items()}
    order = [("time", "descending"), ("uid", "descending")]
    pages = data["pages"].repartition(partitions, keys=["key"])
    ranked = pages.map_batches(
        lambda table: first_of_each(table, "key", order).select(["key", "time", "uid", "first"]),
        batch_format="pyarrow", batch_size=None,
    )  # fmt: skip
    ranked = _gathered(ranked).sort_by([("key", "ascending"), *order])
    newest = first_of_each(
        tables["captures"], "key", [("time", "descending"), ("archive", "ascending"), ("offset", "ascending")]
    )
    captures = ray.data.from_arrow(newest.filter(newest.column("first")).select(list(LOCATIONS)))
    wanted = data["wanted"].repartition(partitions, keys=["key", "partition"])
    wanted = wanted.map_batches(
        lambda table: table.group_by(["key", "partition"]).aggregate([]), batch_format="pyarrow", batch_size=None
    )
    located = _gathered(wanted.join(captures, "inner", partitions, on=("key",)))
    firsts = ranked.column("first")
    return {
        "kept": ranked.filter(firsts).select(["uid"]),
        "lost": ranked.filter(pa.compute.invert(firsts)).select(["uid"]),
        "located": located.select(["key", "partition", *list(LOCATIONS)[1:]]).sort_by(
            [("partition", "ascending"), ("key", "ascending")]
        ),
    }


def _gathered(dataset: Any) -> pa.Table:
    import ray

    return pa.concat_tables(ray.get(dataset.to_arrow_refs()))


ENGINES: dict[str, Callable[..., dict[str, pa.Table]]] = {
    "ours": ours,
    "duckdb": by_duckdb,
    "polars": by_polars,
    "ray": by_ray,
}


def digest(found: Tables) -> str:
    """Of the rows in their order, whatever Arrow calls their types."""
    seen = hashlib.sha256()
    for name in sorted(found):
        for column in sorted(found[name].column_names):
            values = found[name].column(column)
            if column in ("key", "record_url"):
                for chunk in values.cast(pa.large_binary()).chunks:
                    seen.update(b"".join(value or b"" for value in chunk.to_pylist()))
            else:
                seen.update(values.to_numpy().astype("<i8").tobytes())
    return seen.hexdigest()[:12]


def measure(engine: str, folder: str, answers: Any) -> None:
    tables = {path.stem: pa.ipc.open_file(pa.memory_map(str(path))).read_all() for path in Path(folder).glob("*.arrow")}
    before, started = cpu_seconds(), time.monotonic()
    found, peak = peak_while(lambda: ENGINES[engine](tables))
    answers.put((cpu_seconds() - before, time.monotonic() - started, peak / 1e6, digest(found)))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--pages", type=int, default=600_000)
    parser.add_argument("--wanted", type=int, default=4_200_000)
    parser.add_argument("--engines", nargs="*", choices=ENGINES, default=["ours", "duckdb", "polars"])
    arguments = parser.parse_args()
    context = multiprocessing.get_context("spawn")
    print(f"{arguments.pages:,} pages, {arguments.wanted:,} wanted\n{'':<8}{'CPU s':>8}{'s':>8}{'memory MB':>11}  rows")
    with tempfile.TemporaryDirectory() as folder:
        for name, table in made(arguments.pages, arguments.wanted).items():
            with pa.ipc.new_file(f"{folder}/{name}.arrow", table.schema) as file:
                file.write_table(table)
        for engine in arguments.engines * 2:
            if engine in ("polars", "ray") and importlib.util.find_spec(engine) is None:
                continue
            answers = context.Queue()
            child = context.Process(target=measure, args=(engine, folder, answers))
            child.start()
            cpu_s, wall_s, peak, rows = answers.get(timeout=600)
            child.join()
            print(f"{engine:<8}{cpu_s:>8.1f}{wall_s:>8.1f}{peak:>11,.0f}  {rows}", flush=True)


if __name__ == "__main__":
    main()
