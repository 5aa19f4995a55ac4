"""What a site says about being visited and used, in its files: robots.txt, ai.txt and tdmrep.json.

robots.txt is read by RFC 9309: found, it is obeyed; absent (4xx), all is allowed; failing (5xx, no answer), nothing is,
until it can be read. ai.txt (Spawning's) has the same form and speaks of use in training, which is what weft is for.
`/.well-known/tdmrep.json` is the file of the TDM Reservation Protocol.
"""

import codecs
import functools
import re

import msgspec

from crawlers.path_patterns import PathPattern, path_of, read_patterns
from crawlers.robots import Robots
from schemas.consent import AGENT, ConsentSettings
from schemas.drops import Drop

ROBOTS, AI, TDMREP = "/robots.txt", "/ai.txt", "/.well-known/tdmrep.json"
#: In the order in which they are fetched.
POLICY_FILES = (ROBOTS, AI, TDMREP)
#: RFC 9309 asks for at least 500 KiB.
MAX_POLICY_BYTES = 1 << 20

_TAG = re.compile(r"<[^<>]*+>")


class TdmRule(msgspec.Struct, frozen=True):
    """An entry of tdmrep.json."""

    location: str
    reservation: bool
    policy: str = ""


class SitePolicy(msgspec.Struct, frozen=True, dict=True):  # which keeps what was read of tdmrep.json
    """The files of one origin. `robots` is None while the server fails to give it; `refusal` and `refusal_detail` say
    why nothing of an origin can be fetched: a blocked address, a bad certificate, a robots.txt that never came."""

    robots: str | None = ""
    ai: str = ""
    tdm: tuple[TdmRule, ...] = ()
    fetched_at: float = 0.0  # seconds since 1970
    failures: int = 0  # of robots.txt, in a row
    after_s: float = 0.0  # how long its server asked us to wait before the next try
    unreached: bool = False  # nobody answered at this port
    refusal: str = ""
    refusal_detail: str = ""

    def check(self, url: str) -> None:
        """Raises `Drop`: robots, robots_unavailable, and the `refusal`."""
        if self.refusal:
            raise Drop(self.refusal, self.refusal_detail)
        if self.robots is None:
            raise Drop("robots_unavailable")
        if self.robots and not _parsed(self.robots).may_visit(url):
            raise Drop("robots", "robots.txt")
        if self.ai and not _parsed(self.ai).may_visit(url):
            raise Drop("robots", "ai.txt")

    def refusal_of_use(self, url: str, settings: ConsentSettings) -> str:
        """The signal by which the site keeps an address from us, for the drop's detail; "" if none does."""
        if settings.tdm_reservation and self.tdm_signals(url)[0] == "1":
            return "tdmrep.json"
        if settings.content_signals:
            files = (("robots.txt", self.robots), ("ai.txt", self.ai))
            refusing = (name for name, text in files if text and not _parsed(text).may_train(url))
            return next((f"{name}: ai-train=no" for name in refusing), "")
        return ""

    def read(self) -> "SitePolicy":
        """Itself, its files parsed: a hostile one takes a second, for which nobody else should wait."""
        for text in filter(None, (self.robots, self.ai)):
            _parsed(text)
        _ = self._tdm_patterns
        return self

    @property
    def delay_s(self) -> float:
        """`Crawl-delay`, or what `Request-rate` amounts to; 0 if nothing sensible is said."""
        return _parsed(self.robots).delay_s if self.robots else 0.0

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


def read_tdmrep(body: bytes) -> tuple[TdmRule, ...]:
    """The entries of a tdmrep.json; none if it is not one, such as an error page served with status 200."""
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


def read_rules(body: bytes) -> str:
    """The text of a robots.txt or ai.txt; of a web page what stands between its tags, which may be rules."""
    text = body[:MAX_POLICY_BYTES].decode(_encoding(body[:1000]), "replace").removeprefix("\ufeff")
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
