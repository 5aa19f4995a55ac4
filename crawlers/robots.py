"""robots.txt and ai.txt by RFC 9309: the group that speaks to a crawler, and its verdict on an address.

Beside visits it may speak of use: `Content-Usage`, `Content-Signal` and `License` of the group, or of all crawlers.
What is written for older readers is understood too: `Crawl-delay`, `Request-rate`, `Noindex`, missing colons, slips of
the pen. No text raises an error, and none takes long: see `PathRules`.
"""

import re
import string
from collections.abc import Iterable, Iterator

from crawlers.usage_rules import UsageRules
from schemas.path_patterns import PathPattern, path_of, read_patterns

_LINE_END = re.compile(r"\r\n|\r|\n")
_NAME = re.compile(r"[a-z_-]+")
_ITEM = re.compile(r"(?:^|,)\s*+(\*+(?![a-z])|[a-z_-]+)")
_RULES = ("allow", "disallow")
_EMPTY = "empty"
#: Rules about use, by the signal that they give. Like those about visits they end the list of a group's names.
USAGES = ("content-usage", "content-signal")
_MAX_LICENCES = 4
_LONGEST_AGENT = 10_000
_DELAY = re.compile(
    r"([0-9]{1,9}(?:[.,][0-9]{0,9})?|[.,][0-9]{1,9})\s*+(?:(s|sec|secs|seconds?)|(m|min|mins|minutes?))?\.?",
    re.IGNORECASE,
)
_RATE = re.compile(r"([0-9]{1,9})\s*/\s*([0-9]{1,9})\s*([smhd]?)", re.IGNORECASE)
_SECONDS = {"": 1, "s": 1, "m": 60, "h": 3600, "d": 86400}
_FIELDS = {
    "user-agent": "agent",
    "disallow": "disallow", "dissalow": "disallow", "dssalow": "disallow",
    "allow": "allow", "noindex": "noindex",
    "crawl-delay": "delay", "crawl delay": "delay", "crawldelay": "delay",
    "request-rate": "rate", "request rate": "rate",
    "visit-time": "time", "visit time": "time",
    "sitemap": "sitemap", "sitemaps": "sitemap", "site-map": "sitemap",
    "content-usage": "content-usage", "content-signal": "content-signal", "content-signals": "content-signal",
    "license": "licence", "licence": "licence",
}  # fmt: skip


def _slips(word: str) -> Iterator[str]:
    """What one slip of the pen makes of a word: a letter too many, too few, another, or two that changed places."""
    for at in range(len(word) + 1):
        before, after = word[:at], word[at:]
        yield before + after[1:]
        yield before + after[1:2] + after[:1] + after[2:]
        for letter in f"{string.ascii_lowercase}-_ ":
            yield before + letter + after
            yield before + letter + after[1:]


#: Of the fields that forbid: one that is misread would open what its author closed.
_MISSPELT = {slip: _FIELDS[word] for word in ("user-agent", "disallow") for slip in _slips(word)}
_WORDS = re.compile(r"(user agent|crawl delay|request rate|visit time|[a-z-]+)\s+(.*)", re.IGNORECASE)
Line = tuple[str, str]


class PathRules:
    """What may be visited of a site: of all patterns that match the longest decides, `allow` before `disallow`.

    Rules without wildcards are looked up by the beginnings of a path, however many there are. The others are tried
    from the longest down to what was found so far.
    """

    def __init__(self, rules: Iterable[Line]) -> None:
        self._plain: dict[str, tuple[int, bool]] = {}  # length of the rule and whether it allows, by beginning
        others: list[tuple[int, bool, PathPattern]] = []
        for field, text in rules:
            allows = field == "allow"
            if allows and text.endswith("/index.html"):  # the same page has a shorter name
                others.append((len(text), True, PathPattern(text.removesuffix("index.html") + "$")))
            for pattern in read_patterns(text):
                if pattern.is_plain:
                    _, known = self._plain.get(pattern.head, (0, False))
                    self._plain[pattern.head] = pattern.length, allows or known
                else:
                    others.append((pattern.length, allows, pattern))
        self._lengths = sorted({len(head) for head in self._plain}, reverse=True)
        self._others = sorted(others, key=lambda rule: rule[:2], reverse=True)

    def allow(self, path: str) -> bool:
        """Whether a path, as `path_of` gives it, may be visited."""
        length, allows = self._longest(path)
        for other, other_allows, pattern in self._others:
            if other < length or (other == length and allows >= other_allows):
                break
            if pattern.matches(path):
                return other_allows
        return allows

    def _longest(self, path: str) -> tuple[int, bool]:
        """Length and verdict of the longest rule without wildcards that matches."""
        beginnings = (path[:length] for length in self._lengths if length <= len(path))
        return next((self._plain[beginning] for beginning in beginnings if beginning in self._plain), (0, True))


class Robots:
    """A robots.txt as far as it concerns a crawler of the given name.

    All groups for that name hold; those for `*`, if there is none. `delay_s`: by `Crawl-delay` or `Request-rate`, the
    longest; 0 if nothing sensible is said.
    """

    def __init__(self, text: str, name: str) -> None:
        self._sitemaps: dict[str, None] = {}
        self._licences_of_all: list[str] = []
        own: list[Line] = []
        general: list[Line] = []
        doubtful: list[Line] = []
        everybody: list[Line] = []  # lines before any name
        self._is_named = False
        for agents, lines in self._groups(_read(text)):
            everybody += lines if not agents else []
            spoken_to = [_agents(value) for value in agents]
            if any(name in sure for sure, _ in spoken_to):
                self._is_named = True
                own += lines
            elif any(name in words for _, words in spoken_to):
                doubtful += lines
            if any("*" in sure for sure, _ in spoken_to):
                general += lines
        rules = own if self._is_named else general
        self._rules = _path_rules(rules)
        self._doubtful = _path_rules(doubtful) if doubtful else None
        self.delay_s = max(map(_delay_s, [*rules, *doubtful]), default=0.0)
        spoken = [*rules, *doubtful, *everybody]
        of_group = [value for field, value in [*rules, *doubtful] if field == "licence"]
        #: Addresses of RSL documents: those of the group, if it names any, and no others.
        self.licences = list(dict.fromkeys(filter(None, of_group or self._licences_of_all)))[:_MAX_LICENCES]
        stated = {usage: [value for field, value in spoken if field == usage] for usage in USAGES}
        self._usages = {usage: UsageRules(values) for usage, values in stated.items() if values}

    def may_visit(self, url: str) -> bool:
        """Where it is in doubt whether a group speaks to us, both readings must allow it."""
        path = path_of(url)
        if path == "/robots.txt":
            return True
        return self._rules.allow(path) and (self._doubtful is None or self._doubtful.allow(path))

    @property
    def sitemaps(self) -> list[str]:
        return list(self._sitemaps)

    def usages(self, url: str) -> Iterator[Line]:
        """What is said about the use of an address: signal and words."""
        path = path_of(url) if self._usages else ""
        return ((usage, words) for usage, rules in self._usages.items() for words in rules.of(path))

    def _groups(self, lines: Iterable[Line]) -> Iterator[tuple[list[str], list[Line]]]:
        """Names and rules of each group. A name after a rule begins the next; no other line ends one: RFC 9309,
        section 2.2.4. But a licence behind an empty line is of all, since many files end with it."""
        agents: list[str] = []
        rules: list[Line] = []
        is_ruled = is_apart = False
        for field, value in self._without_sitemaps(lines):
            if field == _EMPTY:
                is_apart = is_ruled
            elif field == "licence" and (is_apart or not agents):
                self._licences_of_all.append(value)
            elif field != "agent":
                rules.append((field, value))
                is_ruled = is_ruled or field in _RULES or field in USAGES
                is_apart = False
            elif is_ruled:
                yield agents, rules
                agents, rules, is_ruled = [value], [], False
            else:
                agents.append(value)
        yield agents, rules

    def _without_sitemaps(self, lines: Iterable[Line]) -> Iterator[Line]:
        """They stand anywhere and belong to no group."""
        for field, value in lines:
            if field != "sitemap":
                yield field, value
            elif value:
                self._sitemaps[value] = None


def _read(text: str) -> Iterator[Line]:
    """Field and value of each line that has a known field, and of each that is empty."""
    for line in _LINE_END.split(text.removeprefix("\ufeff")):
        if not line.strip():
            yield _EMPTY, ""
            continue
        line = line.partition("#")[0].strip()
        name, colon, value = line.partition(":")
        field = _field(name.strip()) if colon else ""
        if not field and (words := _WORDS.match(line)):  # `Disallow /private`
            field, value = _field(words[1]), words[2]
        if field:
            yield field, value.strip()


def _field(name: str) -> str:
    name = name.lower()
    return _FIELDS.get(name) or _MISSPELT.get(name, "")


def _path_rules(lines: Iterable[Line]) -> PathRules:
    """`Noindex` forbids as `Disallow` does: what no search may show is not to be learnt from."""
    fields = (("disallow" if field == "noindex" else field, value) for field, value in lines if value)
    return PathRules((field, value) for field, value in fields if field in _RULES)


def _agents(value: str) -> tuple[set[str], set[str]]:
    """The product tokens that a line `User-agent: Weft/1.0, OtherBot` names, and all the words in it, in lower case.

    A token begins a list's item, whatever follows it. `Mozilla/5.0 (compatible; Weft/1.0)` names it as a word alone.
    """
    value = value.lower()[:_LONGEST_AGENT]
    tokens = {"*" if not item.strip("*") else item for item in _ITEM.findall(value)}
    return tokens, set(_NAME.findall(value))


def _delay_s(line: Line) -> float:
    field, value = line
    match field:
        case "delay" if delay := _DELAY.fullmatch(value):
            return float(delay[1].replace(",", ".")) * (60 if delay[3] else 1)
        case "rate" if (rate := _RATE.match(value)) and int(rate[1]):
            return int(rate[2]) * _SECONDS[rate[3].lower()] / int(rate[1])
    return 0.0
