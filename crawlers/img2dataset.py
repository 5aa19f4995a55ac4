"""img2dataset as a downloader: run in a child process on some rows at a time, its output verified before it counts.

It is asked for the bytes as they were served; decoding, resizing, hashing and writing stay weft's. What it does on the
network is its own: it follows redirects wherever they lead, knows no robots.txt and no pace. See docs/pairs.md.
"""

import hashlib
import itertools
import os
import re
import signal
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Literal, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from crawlers.captured import Media
from crawlers.fetch_settings import FetchSettings
from crawlers.special_addresses import is_public, literal_address
from crawlers.url_lists import ListSettings
from schemas.drops import Drop, StepError
from schemas.settings import Settings, SettingsError
from schemas.urls import host_of

T = TypeVar("T")

_CHILD = str(Path(__file__).with_name("img2dataset_child.py"))
_ROWS_AT_A_TIME = 5_000
#: What its messages mean; the first that matches.
_REASONS = (
    (re.compile(r"HTTP Error \d+", re.I), "http_status"),
    (re.compile(r"X-Robots-Tag", re.I), "opt_out"),
    (re.compile(r"Name or service not known|name resolution|nodename|No address associated", re.I), "dns"),
    (re.compile(r"CERTIFICATE|SSL|TLS", re.I), "tls"),
    (re.compile(r"timed out|timeout", re.I), "slow"),
    (re.compile(r"Connection refused|No route to host|unreachable|Connection reset", re.I), "connect"),
    (re.compile(r"RemoteDisconnected|Remote end closed|IncompleteRead|BadStatusLine", re.I), "bad_response"),
    (re.compile(r"unknown url type|URL can't contain|no host given", re.I), "bad_address"),
    (re.compile(r"redirect", re.I), "too_many_redirects"),
)


class DownloaderSettings(Settings, frozen=True):
    """What `weft fetch-pairs` reads, and what fetches the images."""

    read: ListSettings = ListSettings()
    downloader: Literal["weft", "img2dataset"] = "weft"
    """weft: as safe and polite as a crawl. img2dataset: the tool of that name, in a child process."""
    img2dataset_python: str = ""
    """The Python that has img2dataset, on every node; empty: .venv-img2dataset of the source tree, else weft's own."""
    img2dataset_threads: int = 64
    img2dataset_timeout_s: float = 900.0
    """For so many rows as it gets at a time, 5,000; what it has not done by then is lost with reason timeout."""


def require_img2dataset(settings: DownloaderSettings) -> str:
    """The Python that runs it. Raises `SettingsError` that says how to install it."""
    own = Path(__file__).parents[1] / ".venv-img2dataset/bin/python"
    python = settings.img2dataset_python or (str(own) if own.exists() else "")
    if not python and find_spec("img2dataset") is not None:
        python = sys.executable
    if not python or not os.access(python, os.X_OK):
        raise SettingsError(
            f"img2dataset is not installed{f' at {python}' if python else ''}: make img2dataset, or name a Python that "
            "has it with --set lists.img2dataset_python=...; or leave --downloader at weft"
        )
    return python


class Img2datasetMedia:
    """A `MediaSource` over what img2dataset fetched of the rows in hand."""

    def __init__(self, settings: DownloaderSettings, fetch: FetchSettings) -> None:
        self._settings, self._fetch = settings, fetch
        self._python = require_img2dataset(settings)
        self._found: dict[str, tuple[Path, int, int, str] | Drop] = {}

    def prefetch(self, items: Iterator[T], addresses: Callable[[T], Iterable[Sequence[str]]]) -> Iterator[T]:
        """The same items, some thousands fetched at a time; of the candidates of each image the first."""
        while batch := list(itertools.islice(items, _ROWS_AT_A_TIME)):
            yield from self._fetched(batch, [one[0] for item in batch for one in addresses(item)])

    def order(self, candidates: Sequence[str]) -> Sequence[str]:
        return candidates

    def get(self, url: str) -> Media:
        """Raises `Drop`."""
        found = self._found.get(url, Drop("failed", "img2dataset says nothing of it"))
        if isinstance(found, Drop):
            raise found
        path, offset, size, sha256 = found
        with path.open("rb") as file:
            file.seek(offset)
            body = file.read(size)
        if hashlib.sha256(body).hexdigest() != sha256:
            raise Drop("failed", "its bytes are not those that img2dataset hashed")
        return Media(url, {}, body)

    def _fetched(self, batch: list[T], wanted: list[str]) -> Iterator[T]:
        with tempfile.TemporaryDirectory(prefix="weft-img2dataset-") as scratch:
            folder = Path(scratch)
            self._found = {url: drop for url in wanted if (drop := self._refused(url)) is not None}
            urls = list(dict.fromkeys(url for url in wanted if url not in self._found))
            if urls:
                pq.write_table(pa.table({"url": urls}), folder / "urls.parquet")
                ended = self._run(folder)
                self._found |= read_output(folder / "out", urls, ended)
            yield from batch
            self._found = {}

    def _refused(self, url: str) -> Drop | None:
        """img2dataset would open these: it judges no address."""
        address = literal_address(host_of(url))
        if address and not is_public(address) and host_of(url) not in self._fetch.allow_private:
            return Drop("blocked_address", f"{host_of(url)} is not a public address")
        return None

    def _run(self, folder: Path) -> str:
        """Run it to its end or its deadline, with all its children; returns why it ended early, "" if it did not."""
        environment = {**os.environ, "NO_ALBUMENTATIONS_UPDATE": "1", "WANDB_MODE": "disabled"}
        if self._fetch.certificates:
            environment["SSL_CERT_FILE"] = self._fetch.certificates
        environment.pop("PYTHONPATH", None)
        arguments = [str(folder / "urls.parquet"), str(folder / "out"), str(self._settings.img2dataset_threads)]
        with (folder / "log.txt").open("wb") as log:
            child = subprocess.Popen(
                [self._python, "-I", _CHILD, *arguments],  # isolated: what lies beside the script is not for it
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # a group of its own: it starts processes, which must end with it
            )
            try:
                code = child.wait(self._settings.img2dataset_timeout_s)
            except subprocess.TimeoutExpired:
                return "timeout"
            finally:
                _end_group(child)
        if code != 0 and not list((folder / "out").glob("*.parquet")):
            said = (folder / "log.txt").read_text("utf-8", "replace").strip().splitlines()
            raise StepError(f"img2dataset failed (exit {code}): {' | '.join(said[-3:])[:500]}")
        return "" if code == 0 else "failed"


def read_output(folder: Path, urls: Sequence[str], ended: str) -> dict[str, tuple[Path, int, int, str] | Drop]:
    """Where the bytes of each address lie, or why there are none; what it left half done counts as lost.

    Nothing is taken on trust: a member must be there whole, and its hash is compared when it is read.
    """
    lost = (
        Drop("timeout", "img2dataset did not end") if ended == "timeout" else Drop("failed", "img2dataset left it out")
    )
    found: dict[str, tuple[Path, int, int, str] | Drop] = dict.fromkeys(urls, lost)
    for table_path in sorted(folder.glob("*.parquet")):
        tar_path = table_path.with_suffix(".tar")
        try:
            rows = pq.read_table(table_path, columns=["url", "key", "status", "error_message", "sha256"]).to_pylist()
        except (OSError, pa.ArrowException):
            continue  # it was ended while it wrote it
        members = _members(tar_path)
        for row in rows:
            if row["status"] != "success":
                found[row["url"]] = reason_of(row["error_message"] or row["status"])
            elif row["key"] in members:
                found[row["url"]] = (tar_path, *members[row["key"]], row["sha256"] or "")
            else:
                found[row["url"]] = Drop("failed", "img2dataset calls it a success, but its tar does not hold it")
    return found


def reason_of(message: str) -> Drop:
    """The reason code of one of its messages."""
    reason = next((reason for pattern, reason in _REASONS if pattern.search(message)), "failed")
    return Drop(reason, message[:300])


def _members(path: Path) -> dict[str, tuple[int, int]]:
    """Offset and size of the image of each key, as far as the tar is sound."""
    members: dict[str, tuple[int, int]] = {}
    try:
        size = path.stat().st_size
        with tarfile.open(path, "r:") as tar:
            for member in tar:
                key, _, extension = member.name.partition(".")
                if extension not in ("json", "txt") and member.offset_data + member.size <= size:
                    members[key] = (member.offset_data, member.size)
    except (OSError, tarfile.TarError):
        pass  # what was read of it stands
    return members


def _end_group(child: subprocess.Popen[bytes]) -> None:
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        pass
    child.wait()
