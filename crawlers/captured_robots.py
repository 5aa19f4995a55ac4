"""robots.txt as others captured it, by the address and time of each capture: read out of archives, and judged as the
crawler judges what it fetches itself."""

import bisect
from collections.abc import Iterator, Sequence
from typing import IO, ClassVar

import msgspec
from fastwarc.warc import WarcRecord, WarcRecordType

from crawlers.framing import Frame
from crawlers.http import REDIRECTS
from crawlers.origins import origin, other_scheme
from crawlers.site_policy import (
    MAX_POLICY_BYTES,
    ROBOTS,
    Licence,
    PolicyFile,
    SitePolicy,
    has_policy,
    is_part,
    may_have_policy,
    read_rules,
    unpacked,
)
from crawlers.soundness import require_sound, require_whole
from crawlers.warc import read_records
from crawlers.warc_records import WarcSettings, fetch_time_of, headers_of, read_http, target_of
from schemas.consent import ConsentSettings
from schemas.drops import Drop, Tally
from schemas.signals import Signal, bounded, said
from schemas.urls import absolute_url, resolve

_MAX_REDIRECTS = 5  # RFC 9309, section 2.3.1.2
_MAX_RECORD = 2 * MAX_POLICY_BYTES  # bytes of a response that are read


class RobotsCapture(msgspec.Struct, frozen=True):
    """What a server answered at an address of a robots.txt. `text` is None where it failed, "" where it has none."""

    kind: ClassVar[str] = "record"

    url: str
    time: str  # ISO 8601, UTC
    text: str | None = ""
    location: str = ""  # absolute; where it redirects to


class RobotsVerdict(msgspec.Struct, frozen=True):
    """What the robots.txt of its host says of a page or medium: why it may not be used, if so, and every signal."""

    reason: str = ""
    detail: str = ""
    signals: tuple[Signal, ...] = ()


def read_robots_captures(
    file: IO[bytes], name: str, size: int, settings: WarcSettings, tally: Tally
) -> Iterator[RobotsCapture]:
    """The captures of an archive, in its order; what is damaged is counted, other records are passed over."""
    for capture, _ in read_records(file, name, size, settings, tally, _capture, _MAX_RECORD):
        yield capture


def _capture(record: WarcRecord, _: int, frame: Frame, settings: WarcSettings) -> RobotsCapture | None:
    """Raises `Drop`: not_http, too_large."""
    url = absolute_url(target_of(record))
    if record.record_type != WarcRecordType.response or not url.partition("?")[0].endswith(ROBOTS):
        return None
    record = read_http(record, _MAX_RECORD)
    if not record.is_http or record.http_headers is None:
        raise Drop("not_http")
    status, headers, time = record.http_headers.status_code or 0, headers_of(record), fetch_time_of(record)
    if status in REDIRECTS and "location" in headers:
        return RobotsCapture(url, time, location=resolve(url, headers["location"]))
    if not has_policy(status):
        return RobotsCapture(url, time, None if may_have_policy(status) else "")
    if is_part(status, headers):
        return RobotsCapture(url, time, None)
    try:
        file = _file(record, headers, settings)
        return RobotsCapture(url, time, read_rules(file.body, file.is_cut))
    except Drop:  # what cannot be read may forbid everything
        return RobotsCapture(url, time, None)


def _file(record: WarcRecord, headers: dict[str, str], settings: WarcSettings) -> PolicyFile:
    """The body of a record, or the beginning of it that lies within the cap or was all that its crawler took."""
    body = record.reader.read(_MAX_RECORD)
    is_long = len(body) < record.content_length
    is_cut = is_long or (record.headers.get("WARC-Truncated") or "").strip().lower() == "length"
    if not is_cut:
        require_whole(record.headers, headers, len(body))
    if settings.verify_digests and not is_long:
        require_sound(record.headers, headers, b"", body, MAX_POLICY_BYTES)
    transfer, content = (headers.get(f"{name}-encoding", "") for name in ("transfer", "content"))
    return unpacked(body, transfer, content, is_cut)


class CapturedRobots:
    """The captures of some hosts, looked up by address and time."""

    def __init__(self, captures: Sequence[RobotsCapture]) -> None:
        self._by_url: dict[str, list[RobotsCapture]] = {}
        for capture in captures:
            self._by_url.setdefault(capture.url, []).append(capture)
        for found in self._by_url.values():
            found.sort(key=lambda capture: capture.time)

    def judge(self, url: str, time: str, settings: ConsentSettings) -> RobotsVerdict:
        """By the robots.txt of its host that was captured nearest before `time`; unknown without one."""
        found = self._of_host(url, time)
        if found is None:
            return RobotsVerdict(signals=(said("robots", ROBOTS, "not captured before this"),))
        capture, text = found
        policy = SitePolicy(text)
        addresses = (resolve(capture.url, address) for address in policy.licence_addresses)
        policy = msgspec.structs.replace(policy, licences=tuple(Licence(one, "") for one in addresses if one))
        try:
            policy.check(url)
            signals = policy.signals(url)
            policy.refuse_use(url, settings)
        except Drop as drop:
            return RobotsVerdict(drop.reason, f"{drop.detail or ROBOTS[1:]} of {capture.time}")
        visit = said("robots", ROBOTS, "may be visited")
        stated = (msgspec.structs.replace(signal, time=capture.time) for signal in (*signals, visit))
        return RobotsVerdict(signals=bounded(stated))

    def _of_host(self, url: str, time: str) -> tuple[RobotsCapture, str | None] | None:
        """The capture that speaks for an address, and the rules that it gave or led to; None where nobody knows."""
        for address in (url, other_scheme(url)):
            if address and (capture := self._nearest(origin(address) + ROBOTS, time)):
                return self._followed(capture, time)
        return None

    def _followed(self, capture: RobotsCapture, time: str) -> tuple[RobotsCapture, str | None] | None:
        last: RobotsCapture | None = capture
        for _ in range(_MAX_REDIRECTS + 1):
            if last is None:
                return None
            if not last.location:
                return capture, last.text
            last = self._nearest(last.location, time)
        return capture, ""  # more than five redirects count as absent

    def _nearest(self, url: str, time: str) -> RobotsCapture | None:
        found = self._by_url.get(url, [])
        place = bisect.bisect_right(found, time, key=lambda capture: capture.time)
        return found[place - 1] if place else None
