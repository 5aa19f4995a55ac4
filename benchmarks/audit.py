"""What `weft audit` costs on made-up indexes of so many samples: CPU seconds and the largest memory of the command.

python -m benchmarks.audit [SAMPLES ...]; default 100,000 and 1,000,000

Pages with two images each, of a domain per ten samples; each page has two signals, each image one.
"""

import resource
import subprocess
import sys
import tempfile
from pathlib import Path

import duckdb
import msgspec

from schemas.shards import ShardInfo, ShardMark

_A_SHARD = 100_000
_SIGNAL = (
    "{{'subject': {subject}, 'signal': {signal}, 'origin': '/robots.txt', 'value': 'train-ai=y', "
    "'verdict': ['yes', 'unknown', 'conditional', 'no'][1 + i % {of}], 'time': '2026-02-28T09:00:00Z'}}"
)
_SIGNALS = ", ".join(
    [
        _SIGNAL.format(subject="'page'", signal="'content-usage'", of=4),
        _SIGNAL.format(subject="'page'", signal="'rsl'", of=2),
        _SIGNAL.format(subject="'0'", signal="'plus:DataMining'", of=3),
        _SIGNAL.format(subject="'1'", signal="'content-signal'", of=1),
    ]
)
_ROWS = f"""SELECT printf('%012d', i) AS key, 'https://d' || (i // 10) || '.example/' || i AS url,
 'd' || (i // 10) || '.example' AS domain, 2 AS num_images, '' AS licence, '2026-02-01T00:00:00Z' AS fetch_time,
 [{{'name': i || '.json', 'offset': 0, 'size': 3000 + i % 100, 'crc32': 0}},
  {{'name': i || '.1.jpg', 'offset': 0, 'size': 40000 + i % 999, 'crc32': 0}},
  {{'name': i || '.3.jpg', 'offset': 0, 'size': 50000, 'crc32': 0}}] AS members,
 [{_SIGNALS}] AS signals FROM range(FIRST, AFTER) AS t(i)"""


def main(sizes: list[int]) -> None:
    for samples in sizes:
        with tempfile.TemporaryDirectory() as folder:
            make_index(Path(folder), samples)
            before = resource.getrusage(resource.RUSAGE_CHILDREN)
            subprocess.run([sys.executable, "-m", "jobs.cli", "audit", folder], check=True, capture_output=True)
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            cpu = used.ru_utime + used.ru_stime - before.ru_utime - before.ru_stime
            size = sum(path.stat().st_size for path in Path(folder).glob("audit.*"))
            memory = used.ru_maxrss / 1024
            print(
                f"{samples:,} samples: {cpu:.1f} s of CPU, {memory:,.0f} MB, files of {size / 1e6:.1f} MB", flush=True
            )


def make_index(folder: Path, samples: int) -> None:
    """No shard has more than its index and its mark: nothing else is read."""
    for part in ("shards", "commit"):
        (folder / "interleaved" / part).mkdir(parents=True)
    for number, start in enumerate(range(0, samples, _A_SHARD)):
        end = min(samples, start + _A_SHARD)
        name = f"{number:06d}-000"
        target = folder / f"interleaved/shards/{name}.parquet"
        rows = _ROWS.replace("FIRST", str(start)).replace("AFTER", str(end))
        duckdb.sql(f"COPY ({rows}) TO '{target}' (COMPRESSION zstd)")
        mark = ShardMark(ShardInfo(name, end - start, 2 * (end - start), 0, "", 0, ""), number, {}, "0" * 16, "0.1.0")
        (folder / f"interleaved/commit/{name}.json").write_bytes(msgspec.json.encode(mark))


if __name__ == "__main__":
    main([int(size) for size in sys.argv[1:]] or [100_000, 1_000_000])
