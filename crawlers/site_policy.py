"""What a site says about being visited and used, in its files: robots.txt, ai.txt and tdmrep.json.

robots.txt is read by RFC 9309: found, it is obeyed; absent (4xx), all is allowed; failing (5xx, no answer), nothing is,
until it can be read. ai.txt (Spawning's) has the same form and speaks of use in training, which is what weft is for.
`/.well-known/tdmrep.json` is the file of the TDM Reservation Protocol.
"""

import codecs
import functools
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime

import msgspec

from crawlers.http import decode_beginning
from crawlers.robots import Robots
from schemas.consent import AGENT, ConsentSettings, refusal_by
from schemas.documents import Consent
from schemas.drops import Drop
from schemas.path_patterns import PathPattern, path_of, read_patterns
from schemas.preferences import content_signal, content_usage
from schemas.rsl import Terms, read_rsl, verdict_on
from schemas.signals import Signal, Verdict, bounded, said

ROBOTS, AI, TDMREP = "/robots.txt", "/ai.txt", "/.well-known/tdmrep.json"
#: In the order in which they are fetched.
POLICY_FILES = (ROBOTS, AI, TDMREP)
#: Of a longer file what lies within is obeyed, for which RFC 9309, section 2.5, asks for at least 500 KiB.
MAX_POLICY_BYTES = 1 << 20
_LEAST_BYTES = 500 << 10
_TAG = re.compile(r"<[^<>]*+>")
_ALL_OF_IT = re.compile(r"bytes\s+0-(\d{1,15})/(\d{1,15})", re.IGNORECASE)


def has_policy(status: int) -> bool:
    """Whether a server that answers so gives the policy file that it was asked for: by any success, such as 203 of a
    proxy on the way. RFC 9309, section 2.3.1.1."""
    return 200 <= status < 300


def is_part(status: int, headers: Mapping[str, str]) -> bool:
    """Whether only a part of a file came, which nobody has asked for: the rest may forbid everything."""
    stated = headers.get("content-range", "").strip()
    found = _ALL_OF_IT.fullmatch(stated)
    return status == 206 and stated != "" and not (found and int(found[1]) + 1 == int(found[2]))


def may_have_policy(status: int) -> bool:
    """Whether a server that answers so to a request for a policy file may have one, and fails to give it: RFC 9309,
    sections 2.3.1.3 and 2.3.1.4."""
    return status == 429 or status >= 500


class PolicyFile(msgspec.Struct, frozen=True):
    """A file as far as it is read. `is_cut`: more of it follows."""

    body: bytes = b""
    is_cut: bool = False


def unpacked(body: bytes, transfer_encoding: str, content_encoding: str, is_cut: bool) -> PolicyFile:
    """A file as it was sent, or its beginning. Raises `Drop`: what cannot be read, or not far enough, may forbid
    everything."""
    body, is_cut = decode_beginning(body, transfer_encoding, content_encoding, MAX_POLICY_BYTES, is_cut)
    if is_cut and len(body) < _LEAST_BYTES:
        raise Drop("truncated_body", f"{len(body)} bytes, and more followed")
    return PolicyFile(body, is_cut)


class TdmRule(msgspec.Struct, frozen=True):
    """An entry of tdmrep.json."""

    location: str
    reservation: bool
    policy: str = ""


class Licence(msgspec.Struct, frozen=True):
    """An RSL document as it was fetched; "" where it could not be had."""

    url: str
    document: str


class SitePolicy(msgspec.Struct, frozen=True, dict=True):  # which keeps what was read of tdmrep.json
    """The files of one origin. `robots` is None while the server fails to give it; `refusal` and `refusal_detail` say
    why nothing of an origin can be fetched: a blocked address, a bad certificate, a robots.txt that never came; the
    detail alone why that has not come yet."""

    robots: str | None = ""
    ai: str = ""
    tdm: tuple[TdmRule, ...] = ()
    fetched_at: float = 0.0  # seconds since 1970
    failures: int = 0  # of robots.txt, in a row
    after_s: float = 0.0  # how long its server asked us to wait before the next try
    unreached: bool = False  # nobody answered at this port
    silent: bool = False  # nor said anything, if somebody did
    refusal: str = ""
    refusal_detail: str = ""
    licences: tuple[Licence, ...] = ()  # that robots.txt names

    def check(self, url: str) -> None:
        """Raises `Drop`: robots, robots_unavailable, and the `refusal`."""
        if self.refusal:
            raise Drop(self.refusal, self.refusal_detail)
        if self.robots is None:
            raise Drop("robots_unavailable", self.refusal_detail)
        if self.robots and not _parsed(self.robots).may_visit(url):
            raise Drop("robots", "robots.txt")
        if self.ai and not _parsed(self.ai).may_visit(url):
            raise Drop("robots", "ai.txt")

    def read(self) -> "SitePolicy":
        """Itself, its files parsed: a hostile one takes a second, for which nobody else should wait."""
        for text in filter(None, (self.robots, self.ai)):
            _parsed(text)
        _ = self._tdm_patterns
        return self

    def signals(self, url: str) -> tuple[Signal, ...]:
        """What the files say about the use of an address, as far as robots.txt lets it be visited."""
        if not (self.robots or self.licences or self.tdm):
            return ()
        time = f"{datetime.fromtimestamp(self.fetched_at, UTC):%Y-%m-%dT%H:%M:%SZ}" if self.fetched_at else ""
        return bounded(msgspec.structs.replace(one, time=time) for one in self._signals(url))

    def refuse_use(self, url: str, settings: ConsentSettings) -> None:
        """Raises `Drop("opt_out")` where the files forbid the use of what they let be visited."""
        if self.tdm_signals(url)[0] == "1" and settings.tdm_reservation:
            raise Drop("opt_out", "tdmrep.json")
        signals = self.signals(url)
        if signals and (words := refusal_by(Consent(signals=signals), (), settings)):
            raise Drop("opt_out", words)

    def _signals(self, url: str) -> Iterator[Signal]:
        if self.robots:
            yield from robots_signals(_parsed(self.robots), url)
        for licence in self.licences:
            yield licence_signal(licence, url)
        reserved, policy = self.tdm_signals(url)
        if reserved:
            words = ", ".join(filter(None, (reserved, policy)))
            yield said("tdm-reservation", TDMREP, words, "no" if reserved == "1" else "yes")

    @property
    def delay_s(self) -> float:
        """`Crawl-delay`, or what `Request-rate` amounts to; 0 if nothing sensible is said."""
        return _parsed(self.robots).delay_s if self.robots else 0.0

    @property
    def licence_addresses(self) -> list[str]:
        """Of the RSL documents that robots.txt names."""
        return _parsed(self.robots).licences if self.robots else []

    @property
    def sitemaps(self) -> list[str]:
        return _parsed(self.robots).sitemaps if self.robots else []

    @functools.cached_property
    def _tdm_patterns(self) -> list[tuple[TdmRule, tuple[PathPattern, ...]]]:
        return [(rule, read_patterns(rule.location)) for rule in self.tdm]

    def tdm_signals(self, url: str) -> tuple[str, str]:
        """Reservation ("1", "0" or "") and policy that tdmrep.json states for an address.

        Where several entries match, one that reserves stands: the protocol's readers disagree on precedence.
        """
        if not self.tdm:
            return "", ""
        path = path_of(url)
        matching = [rule for rule, patterns in self._tdm_patterns if any(pattern.matches(path) for pattern in patterns)]
        if not matching:
            return "", ""
        reserving = [rule for rule in matching if rule.reservation]
        chosen = (reserving or matching)[0]
        return ("1" if reserving else "0"), chosen.policy


_USAGES = {"content-usage": content_usage, "content-signal": content_signal}


def robots_signals(robots: Robots, url: str) -> Iterator[Signal]:
    """What a robots.txt itself says about the use of an address."""
    for usage, words in robots.usages(url):
        yield said(usage, ROBOTS, words, _USAGES[usage](words))


def licence_signal(licence: Licence, url: str) -> Signal:
    """What an RSL document says of an address."""
    verdict: Verdict = verdict_on(_terms(licence), url) if licence.document else "unknown"
    return said("rsl", licence.url, f"training: {verdict}" if licence.document else "not fetched", verdict)


@functools.lru_cache(maxsize=1024)
def _terms(licence: Licence) -> tuple[Terms, ...]:
    return read_rsl(licence.document.encode(), licence.url)


def read_tdmrep(body: bytes, is_cut: bool = False) -> tuple[TdmRule, ...]:
    """The entries of a tdmrep.json; none if it is not one, such as an error page served with status 200. Of one that is
    cut those that are whole."""
    body = body[: body.rfind(b"}") + 1] + b"]" if is_cut else body
    try:
        entries = msgspec.json.decode(body.removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return ()
    if not isinstance(entries, list):
        return ()
    rules = []
    for entry in entries[:10_000]:
        if isinstance(entry, dict) and isinstance(entry.get("location"), str):
            policy = entry.get("tdm-policy")
            reserved = str(entry.get("tdm-reservation")).strip() in ("1", "1.0", "True")
            rules.append(TdmRule(entry["location"], reserved, policy if isinstance(policy, str) else ""))
    return tuple(rules)


def read_rules(body: bytes, is_cut: bool = False) -> str:
    """The text of a robots.txt or ai.txt, without a line that is cut: the beginning of a path forbids more than all of
    it. Of a web page what stands between its tags, which may be rules."""
    text = body.decode(_encoding(body[:1000]), "replace").removeprefix("\ufeff")
    if is_cut:
        text = text[: max(text.rfind("\n"), text.rfind("\r")) + 1]
    return _TAG.sub("\n", text) if text.lstrip()[:1] == "<" else text


def _encoding(head: bytes) -> str:
    """UTF-8, or UTF-16 where a mark or every other byte says so."""
    for mark, name in ((codecs.BOM_UTF16_LE, "utf-16-le"), (codecs.BOM_UTF16_BE, "utf-16-be")):
        if head.startswith(mark):
            return name
    even, odd = head[0::2].count(0), head[1::2].count(0)
    if max(even, odd) * 4 > len(head) and min(even, odd) * 4 < max(even, odd):
        return "utf-16-le" if odd > even else "utf-16-be"
    return "utf-8"


@functools.lru_cache(maxsize=1024)
def _parsed(text: str) -> Robots:
    return Robots(text, AGENT)
