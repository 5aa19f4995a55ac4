"""A crawl watched while it runs: a file for `weft crawl --status`, and a page and figures for Prometheus at a port."""

import asyncio
import fcntl
import html
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import msgspec

from crawlers.crawl_status import HostLeft, Status
from crawlers.repartition import FRONTIER
from jobs.crawl.progress import CrawlProgress, left_s, slowest_hosts
from schemas.settings import SettingsError

STATE = "work/status.json"
_WRITTEN_EVERY_S = 2.0
_STALE_S = 15.0
_HOSTS_SHOWN = 10
_STYLE = "body{font:16px/1.5 sans-serif;margin:2em}td{padding:0 1em 0 0}td+td{text-align:right}"


class CrawlState(msgspec.Struct, frozen=True):
    """The sum of all partitions at one time."""

    at: float = 0.0  # seconds since 1970
    is_paused: bool = False
    is_over: bool = False  # the run has ended
    line: str = ""  # as the progress shows it
    visits: dict[str, int] = {}  # by kind
    statuses: dict[str, int] = {}
    drops: dict[str, int] = {}
    bytes: int = 0
    requests: int = 0
    queued: int = 0
    in_flight: int = 0
    hosts: int = 0  # that have something queued
    slowest: tuple[HostLeft, ...] = ()
    media_per_s: float = 0.0
    left_s: float = 0.0  # until all that is queued now is asked for

    @property
    def word(self) -> str:
        return "ended" if self.is_over else "paused" if self.is_paused else "running"


class Watch:
    """Keeps the state of a crawl in `folder`, and serves it at `port` of this machine (0: does not)."""

    def __init__(self, folder: Path, port: int = 0) -> None:
        self._path, self._port = folder / STATE, port
        self._state = CrawlState()
        self._server: asyncio.Server | None = None

    def show(
        self, statuses: list[Status], progress: CrawlProgress, is_paused: bool = False, is_over: bool = False
    ) -> None:
        if time.time() - self._state.at < _WRITTEN_EVERY_S and not is_over:
            return
        self.keep(_sum_of(statuses, progress, is_paused, is_over))

    def keep(self, state: CrawlState) -> None:
        """The same of what is no crawl over partitions of a frontier."""
        if time.time() - self._state.at < _WRITTEN_EVERY_S and not state.is_over:
            return
        self._state = state
        aside = self._path.with_suffix(".tmp")
        aside.parent.mkdir(parents=True, exist_ok=True)  # what a build fetches has a folder of its own
        aside.write_bytes(msgspec.json.encode(state))
        aside.replace(self._path)

    async def __aenter__(self) -> "Watch":
        """Raises `SettingsError` where the port is taken."""
        if self._port:
            try:
                self._server = await asyncio.start_server(self._answer, "127.0.0.1", self._port)
            except OSError as error:
                raise SettingsError(f"--status-port {self._port}: {error.strerror}") from None
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._server is not None:
            self._server.close()

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, IndexError):
            async with asyncio.timeout(5):
                path = (await reader.readuntil(b"\r\n\r\n")).split(b" ", 2)[1]
                is_metrics = path == b"/metrics"
                body = (metrics_of(self._state) if is_metrics else page_of(self._state)).encode()
                kind = "text/plain; version=0.0.4" if is_metrics else "text/html"
                head = f"HTTP/1.1 200 OK\r\nContent-Type: {kind}; charset=utf-8\r\nContent-Length: {len(body)}\r\n"
                writer.write(f"{head}Connection: close\r\n\r\n".encode() + body)
                await writer.drain()
        writer.close()


def _sum_of(statuses: list[Status], progress: CrawlProgress, is_paused: bool, is_over: bool) -> CrawlState:
    def total(name: str) -> dict[str, int]:
        return dict(sorted(sum((Counter(getattr(status, name)) for status in statuses), Counter[str]()).items()))

    return CrawlState(
        at=time.time(),
        is_paused=is_paused,
        is_over=is_over,
        line=progress.text(statuses, alone=True),
        visits=total("visits"),
        statuses=total("statuses"),
        drops=total("drops"),
        bytes=sum(status.bytes for status in statuses),
        requests=sum(status.requests for status in statuses),
        queued=sum(status.queued for status in statuses),
        in_flight=sum(status.in_flight for status in statuses),
        hosts=sum(status.hosts for status in statuses),
        slowest=tuple(slowest_hosts(statuses, _HOSTS_SHOWN)),
        media_per_s=0.0 if is_over else progress.rates.media_per_s,
        left_s=left_s(statuses, progress.rates.requests_per_s),
    )


def status_line(folder: Path) -> str:
    """What a crawl is doing, in a line; of one that was killed its locks tell at once. Raises `SettingsError` where
    there is none."""
    try:
        state = msgspec.json.decode((folder / STATE).read_bytes(), type=CrawlState)
    except (OSError, msgspec.MsgspecError):
        raise SettingsError(f"{folder} holds no crawl that has begun") from None
    age_s = max(0.0, time.time() - state.at)
    is_there = age_s < _STALE_S and is_worked_on(folder) is not False
    word = state.word if state.is_over or is_there else "not running"
    return f"{word}, as of {age_s:.0f} s ago: {state.line}"


def is_worked_on(folder: Path) -> bool | None:
    """Whether a worker holds a part of a crawl; None where none ever has."""
    locks = [path for kind in (FRONTIER, "records") for path in (folder / "work" / kind).glob("*.lock")]
    return any(map(_is_held, locks)) if locks else None


def _is_held(lock: Path) -> bool:
    try:
        with lock.open() as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except FileNotFoundError:  # its partitions were cut anew
        pass
    return False


def metrics_of(state: CrawlState) -> str:
    """In the text format of Prometheus."""
    lines: list[str] = []
    for name, label, counts in (
        ("visits", "kind", state.visits),
        ("responses", "status", state.statuses),
        ("drops", "reason", state.drops),
    ):
        lines.append(f"# TYPE weft_crawl_{name}_total counter")
        lines += [f'weft_crawl_{name}_total{{{label}="{_quoted(word)}"}} {n}' for word, n in counts.items()]
    for name, kind, value in (
        ("requests_total", "counter", state.requests),
        ("bytes_total", "counter", state.bytes),
        ("queued", "gauge", state.queued),
        ("in_flight", "gauge", state.in_flight),
        ("hosts_waiting", "gauge", state.hosts),
        ("media_per_second", "gauge", state.media_per_s),
        ("left_seconds", "gauge", state.left_s),
        ("paused", "gauge", int(state.is_paused)),
    ):
        lines += [f"# TYPE weft_crawl_{name} {kind}", f"weft_crawl_{name} {value}"]
    for name, values in (
        ("queued", {host.name: host.queued for host in state.slowest}),
        ("left_seconds", {host.name: host.left_s for host in state.slowest}),
    ):
        lines.append(f"# TYPE weft_crawl_host_{name} gauge")
        lines += [f'weft_crawl_host_{name}{{host="{_quoted(host)}"}} {value}' for host, value in values.items()]
    return "\n".join([*lines, ""])


def page_of(state: CrawlState) -> str:
    """A page that loads itself again every few seconds."""
    tables = [("visits", state.visits.items()), ("responses", state.statuses.items()), ("dropped", state.drops.items())]
    parts = [
        f"<h2>{name}</h2><table>{''.join(f'<tr><td>{html.escape(word)}<td>{n:,}' for word, n in rows)}</table>"
        for name, rows in [
            *tables,
            ("queued on the slowest hosts", [(host.name, host.queued) for host in state.slowest]),
        ]
    ]
    return (
        f"<!DOCTYPE html><meta charset=utf-8><meta http-equiv=refresh content=5><title>weft crawl</title>"
        f"<style>{_STYLE}</style><h1>{state.word}</h1><p>{html.escape(state.line)}</p>{''.join(parts)}"
    )


def _quoted(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", " ")
