"""How ranges of archives are asked for: settings."""

from schemas.settings import Settings


class RangeSettings(Settings, frozen=True):
    """How records are read out of archives that lie elsewhere, for `--from-index`."""

    connections: int = 10
    """Requests at a time, of the whole job. Common Crawl asks for no more; a store of your own bears hundreds."""
    max_requests_per_s: float = 0.0
    """Of the whole job; 0: no limit."""
    max_gap_bytes: int = 65536
    """Records with no more between them are read by one request."""
    max_range_bytes: int = 8 << 20
    """One request asks for no more, unless a record is larger."""
    max_record_bytes: int = 32 << 20
    """Records over this are dropped, as stored and as decompressed."""
    max_attempts: int = 6
    """Of one range, for failures that may pass."""
    backoff_s: float = 1.0
    """Wait of all connections after 403, 429, 5xx or no answer; doubled each time in a row, with jitter."""
    max_backoff_s: float = 300.0
    """A longer `Retry-After` than this is obeyed all the same."""
    max_failures: int = 20
    """So many ranges in a row that failed to the last attempt, and the run ends; the same command goes on."""
