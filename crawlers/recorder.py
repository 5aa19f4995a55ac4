"""What a partition of a crawl writes to its archives, and how it knows after a kill how far they are good."""

import json
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from crawlers.crawl_config import CrawlConfig
from crawlers.earlier import Known
from crawlers.exchange import Exchange
from crawlers.frontier import Frontier
from crawlers.items import Visit
from crawlers.outcomes import PLACE
from crawlers.recrawl import is_unchanged
from crawlers.site_policy import SitePolicy
from crawlers.warc_records import SITE_SIGNALS
from crawlers.warc_writer import WarcWriter, payload_digest
from schemas.signals import Signal

#: The field of a response behind which a conversion record holds what its scripts made of it.
RENDERED = "WARC-Rendered"
#: The field of a response that a page asked for while it was rendered: the address of that page.
LOADED_FOR = "WARC-Loaded-For"
_STAMP = "stamp"


class Recorder:
    """Writes exchanges to `warc/` and keeps the position that was reached in the frontier.

    Continues the file that a killed process left, up to the last record that the frontier knows of. What the frontier
    takes for recorded but the disk has lost (a power cut) is queued again.
    """

    def __init__(
        self, folder: Path, partition: int, config: CrawlConfig, frontier: Frontier, is_recrawl: bool = False
    ) -> None:
        self._frontier = frontier
        known = frontier.fact(PLACE)
        resume = msgspec.msgpack.decode(known, type=tuple[str, int]) if known else ("", 0)
        info = [("robots", "obey"), *([("operator", config.fetch.contact)] if config.fetch.contact else [])]
        prefix = f"weft-{self._stamp() if is_recrawl else ''}{partition:03d}"
        self._warc = WarcWriter(folder / "warc", prefix, config.max_warc_bytes, info, resume)
        if self._warc.position[1] < resume[1]:
            frontier.requeue_lost(*self._warc.position)

    def _stamp(self) -> str:
        """When a recrawl began: its records refer to archives of other crawls by name, so none may have theirs."""
        if not self._frontier.fact(_STAMP):
            with self._frontier.transaction():
                self._frontier.set_fact(_STAMP, f"{datetime.now(UTC):%Y%m%d%H%M%S%f}-".encode())
        return self._frontier.fact(_STAMP).decode()

    def record(
        self,
        exchange: Exchange,
        visit: Visit | None = None,
        policy: SitePolicy | None = None,
        licences: tuple[Signal, ...] = (),
        rendered: bytes = b"",
        loaded_for: str = "",
        known: Known | None = None,
    ) -> tuple[str, int]:
        """Write an exchange; a media payload that was met before is only referred to, and so is what an earlier crawl
        has: `known`, where the server or the payload says that nothing has changed. Returns file and offset.

        With a `visit` it is what that was for; where the bytes of a medium lie is kept with it. What the site's files
        say of its use, and the `licences` that it names itself, are noted beside it.
        `rendered` is what the scripts of a page made of it: it is written behind it, and read in its place.
        `loaded_for` is the address of a page that is rendered: what it loads is no page by itself.
        """
        digest, item = payload_digest(exchange.body), visit.item if visit is not None else None
        fields: list[tuple[str, str]] = []
        if item is not None and policy is not None:
            names = ("WARC-TDM-Reservation", "WARC-TDM-Policy")  # the site's file says it, the response does not
            fields = [pair for pair in zip(names, policy.tdm_signals(item.url), strict=True) if pair[1]]
            if signals := policy.signals(item.url) + licences:
                fields.append((SITE_SIGNALS, json.dumps(msgspec.to_builtins(signals))))
        if item is not None:
            fields += [("WARC-Redirected-From", url) for url in item.via]
        is_media = item is not None and item.kind in ("image", "video")
        first = self._frontier.payload(digest) if is_media and exchange.body else None
        if known is not None and is_unchanged(exchange, known, rendered):
            payload, kind = known.payload, known.content_type.partition(";")[0].strip()
            position = self._warc.write_revisit(exchange, known.digest, payload, fields, kind)
            if is_media and exchange.body:
                self._frontier.add_payload(digest, payload)
        elif first is not None:
            payload, position = first, self._warc.write_revisit(exchange, digest, first, fields)
        else:
            said = [(RENDERED, "follows")] if rendered else [(LOADED_FOR, loaded_for)] if loaded_for else []
            payload = self._warc.write(exchange, digest, [*fields, *said])
            if rendered:
                self._warc.write_rendered(exchange, rendered, payload, fields)
            position = payload.position
            if is_media:
                self._frontier.add_payload(digest, payload)
        if is_media and visit is not None:
            self._frontier.keep_media(visit, payload.position, payload.url)
        return position.file, position.offset

    def keep_position(self) -> None:
        """Remember how far the archive is good; in the transaction that counts the visit."""
        self._frontier.set_fact(PLACE, msgspec.msgpack.encode(self._warc.position))

    def finish(self) -> None:
        """Give the file in hand its name."""
        self._warc.finish()

    def close(self) -> None:
        """Leave the file in hand as it is, to be continued."""
        self._warc.close()
