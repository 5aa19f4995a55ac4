"""What weft writes down: records, shard format, commits, storage. The ground: imports nothing else of weft."""

__version__ = "0.1.0"
