"""Why things are dropped. Every loss has a code from `REASONS`, a count in a `Tally`, a row in `drops/*.parquet`."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, Protocol, TypeVar

import msgspec

#: What can be dropped: a visit of the crawler to an address, a WARC record, a whole page, one text block of a page, one
#: image reference of a page, an image with its caption, a video, one clip of a video; when training, one sample of a
#: shard.
KINDS = ("visit", "record", "page", "paragraph", "image", "pair", "video", "clip", "sample")

#: The closed list of reason codes. `docs/drop-reasons.md` is checked against it by a test.
REASONS: dict[str, str] = {
    # visits of the crawler, and images that a build fetches
    "bad_address": "not an http or https address",
    "denied": "the address is on the list of those denied",
    "presigned": "the address holds a signature that lets whoever has it read what was given to somebody else",
    "robots": "robots.txt or ai.txt forbids it",
    "robots_unavailable": "the server could not give its robots.txt: nothing of it may be fetched",
    "blocked_address": "the host's address is private, loopback, link-local, multicast or reserved",
    "dns": "the host's name could not be resolved",
    "connect": "no connection to the server",
    "tls": "the server's certificate or its TLS is not acceptable",
    "bad_response": "the server broke off, or what it sent is not HTTP",
    "slow": "the exchange took longer than its deadline, or came slower than the minimum rate",
    "too_many_redirects": "more redirects than the limit, or in a circle",
    "trap": "the address looks made up by a crawler trap: endless paths, calendars, sessions",
    "crawl_delay": "robots.txt asks for longer waits than the settings allow",
    "out_of_scope": "the settings of the crawl were changed since the address was found",
    "host_budget": "over the number of pages or requests that one host may take",
    "host_down": "the host failed too often in a row",
    "parse_budget": "the pages of its site took so long to parse that they are not parsed any more",
    # records
    "broken_record": "the archive is damaged here; reading went on at the next sound record",
    "truncated_record": "the record ends before its stated length",
    "not_warc": "no record of a WARC or ARC was found in the file",
    "no_responses": "the archive holds extracts of responses, not the responses (WET, WAT)",
    "digest_mismatch": "the bytes are not those of which the record states the digest",
    "revisit": "a revisit record: the payload is stored elsewhere",
    "not_http": "a response that is not HTTP, such as a DNS answer",
    "http_status": "the server did not answer 200",
    "unsupported_type": "neither a page nor an image",
    "too_large": "over the size cap, on the wire or after decompression",
    "bad_encoding": "the HTTP content encoding could not be undone",
    "truncated_body": "the body stops before its end, by its encoding, its stated length or the archive's word",
    "not_seekable": "an image inside an archive that is one single gzip stream, so it cannot be read by offset",
    # pages
    "opt_out": "the page or image asks not to be used (robots meta or header, TDM reservation)",
    "hash_listed": "its bytes or its look are on a list of what nobody may keep",
    "no_opt_in": "nothing says that the page or image may be used, and the settings ask for that",
    "url_blocked": "a token of the address is on the block list",
    "hostile_html": "markup that would exhaust the parser: too deep, or a tag too long",
    "no_text": "no main text was found",
    "unclear_content": "what of the page is content was less clear than the minimum",
    "language": "not one of the wanted languages, or not surely enough",
    "few_words": "fewer words than the minimum",
    "many_words": "more words than the maximum",
    "word_length": "the mean word length is outside its range",
    "symbols": "too many hashes or ellipses for the number of words",
    "bullets": "too many lines start with a bullet",
    "ellipses": "too many lines end in an ellipsis",
    "few_letters": "too few words hold a letter",
    "stop_words": "too few function words for natural prose",
    "special_characters": "too many characters that are neither letters nor spaces",
    "punctuation": "too little punctuation for prose",
    "flagged_words": "too many explicit words",
    "spam_words": "too many words typical of spam",
    "repetitive": "lines, paragraphs or n-grams repeat themselves",
    "no_image": "the page refers to no content image",
    "many_images": "the page refers to more images than the maximum",
    "evaluation_text": "the page repeats an item of an evaluation set",
    "duplicate_url": "a newer capture of the same canonical address exists",
    "duplicate_text": "another page has the same normalised text",
    "near_duplicate": "a newer page has nearly the same text",
    "same_images": "a newer page shows the same set of images",
    "no_image_left": "every image of the page was dropped",
    # paragraphs
    "boilerplate": "the paragraph stands on its domain more often than the maximum",
    # images
    "frequent_image": "more pages refer to the image than the maximum",
    "evaluation_image": "the image looks like one of an evaluation set",
    "frequent_content": "the image, by its bytes or its look, stands in more places than the maximum",
    "nsfw": "the safety classifier takes the image for explicit",
    "unaesthetic": "the aesthetic score is below the minimum",
    "unrelated": "the image suits no paragraph of its page, by CLIP",
    "not_captured": "none of the image's addresses is in the archives",
    "vector_image": "all its addresses are of SVG, which is not drawn",
    "unsupported_format": "not JPEG, PNG, WebP, AVIF, GIF, BMP or TIFF by its content",
    "broken_image": "the image does not decode to its end",
    "too_many_scans": "a JPEG of more scans than the maximum, told before decoding",
    "hdr": "brighter than a page: PQ, HLG or Dolby Vision",
    "too_many_pixels": "over the pixel cap, or that of memory, told from the header before decoding",
    "too_small": "a side is shorter than the minimum",
    "too_big": "a side is longer than the maximum",
    "bad_aspect_ratio": "longer than it is wide, or wider than it is tall, beyond the maximum ratio",
    "single_color": "all pixels have nearly the same colour",
    "no_address": "the reference has no address but placeholders",
    "repeated_image": "the page shows the same image a second time",
    "icon": "declared or named as decoration: an icon, spacer, tracker or avatar",
    # videos and clips
    "no_video": "the page shows no video",
    "duplicate_video": "another reference to the same video was taken",
    "unsupported_container": "not a container of videos by its first bytes: a playlist, a page, text",
    "broken_video": "the container does not open, or too much of it does not decode",
    "no_video_stream": "a file of sound or of a still picture",
    "unsupported_color": "colours coded in a way that players do not agree on",
    "bad_timestamps": "most of its frames have the time of another frame",
    "no_frames": "no frame could be read",
    "too_long": "longer than the maximum",
    "no_clip_left": "every clip of the video was dropped",
    "too_short": "shorter than the minimum",
    "black": "all of it is dark",
    "static": "nothing moves in it",
    # pairs
    "site_not_allowed": "the page is of none of the allowed domains",
    "no_caption": "nothing is left of the texts that go with it",
    "few_characters": "fewer characters than the minimum",
    "not_fluent": "the caption does not read like a sentence",
    "duplicate_pair": "another pair has the same image and caption",
    "many_texts": "the image has more different captions than the maximum",
    "frequent_text": "more images have the caption than the maximum",
    "rare_words": "a word or two words in a row are not among the most frequent of all captions",
    "few_bytes": "the image file is smaller than the minimum",
    "bad_row": "the row of the list has no address or no caption, or cannot be read",
    "file_not_allowed": "the row of the list names a file that does not lie below the folder that the settings name",
    "failed": "the downloader failed, for a reason that it does not say better",
    # samples, as the loader reads them
    "broken_sample": "what lies in the shard is not a whole sample of its kind",
    "broken_clip": "the clip does not decode",
    # samples of a dataset that a subset is taken of
    "not_selected": "the condition of weft subset does not hold for it",
    # of a step of yours
    "step_failed": "a step of yours ended in an error",
    # any of them
    "timeout": "took longer than the time allowed for one item",
    "site_budget": "others of its site took too long, one after the other",
    "crashed": "the process that worked on it died",
    "out_of_memory": "needed more memory than one item may take",
    "internal_error": "an unexpected error; the detail names it",
}


#: A reason with a prefix is the user's own: `cooking:few_lists`.
_OWN_REASON = re.compile(r"[a-z][a-z0-9_]*(?::[a-z0-9_]+)+")


def meaning_of(reason: str) -> str:
    """What a reason code means, in words; of a reason of the user's own that it is one."""
    return REASONS.get(reason) or ("a reason of your own" if _OWN_REASON.fullmatch(reason) else "")


class UnknownReason(KeyError):
    """A drop for a reason that is not in `REASONS`, and so documented nowhere: a defect."""


#: Errors that mean our own code is wrong: they stop the run instead of being counted.
CODE_ERRORS = (
    AssertionError,
    AttributeError,
    ImportError,
    NameError,
    NotImplementedError,
    TypeError,
    UnknownReason,
)


class Drop(Exception):
    """Raised by a step to drop the item. Raises `UnknownReason`."""

    def __init__(self, reason: str, detail: str = "") -> None:
        if reason not in REASONS and not _OWN_REASON.fullmatch(reason):
            raise UnknownReason(f"{reason!r}: neither in REASONS nor of the form `mine:too_short`")
        super().__init__(reason, detail)
        self.reason = reason
        self.detail = detail


class StepError(Exception):
    """Our own code failed on an item, or many items failed in a row; the message names the item."""


class DropRow(msgspec.Struct, frozen=True):
    """One row of `drops/*.parquet`."""

    url: str
    kind: str
    reason: str
    detail: str = ""
    page_url: str = ""  # of the page that it stood on


def on_page(detail: str, page_url: str) -> str:
    """A drop's detail that names the page, as `drops/*.parquet` has always had it beside `page_url`."""
    return ", ".join(filter(None, (detail, page_url and f"on {page_url}")))


class Counts(msgspec.Struct, frozen=True):
    """What a `Tally` adds up to: per kind what came in and went on, and per kind and reason what was dropped."""

    seen: dict[str, int] = {}
    kept: dict[str, int] = {}
    drops: dict[str, dict[str, int]] = {}
    redacted: dict[str, int] = {}  # placeholders put in for personal data, by kind

    def __add__(self, other: "Counts") -> "Counts":
        drops = {kind: dict(reasons) for kind, reasons in self.drops.items()}
        for kind, reasons in other.drops.items():
            drops[kind] = _sum(drops.get(kind, {}), reasons)
        redacted = _sum(self.redacted, other.redacted)
        return Counts(_sum(self.seen, other.seen), _sum(self.kept, other.kept), _sorted(drops), redacted)

    def __sub__(self, earlier: "Counts") -> "Counts":
        """What was counted since `earlier`, an earlier state of the same tally."""
        drops = {
            kind: {
                reason: more
                for reason, count in reasons.items()
                if (more := count - earlier.drops.get(kind, {}).get(reason, 0))
            }
            for kind, reasons in self.drops.items()
        }
        return Counts(
            {kind: count - earlier.seen.get(kind, 0) for kind, count in self.seen.items()},
            {kind: count - earlier.kept.get(kind, 0) for kind, count in self.kept.items()},
            {kind: reasons for kind, reasons in drops.items() if reasons},
            {kind: count - earlier.redacted.get(kind, 0) for kind, count in self.redacted.items()},
        )

    def unaccounted(self, kind: str) -> int:
        """Items of a kind that came in and neither went on nor were dropped; anything but 0 is a defect."""
        return self.seen.get(kind, 0) - self.kept.get(kind, 0) - sum(self.drops.get(kind, {}).values())


class Tally:
    """Counts what a partition sees, keeps and drops; passes each `DropRow` to `sink` as it happens."""

    def __init__(self, sink: Callable[[DropRow], None] | None = None) -> None:
        self._seen: Counter[str] = Counter()
        self._kept: Counter[str] = Counter()
        self._drops: dict[str, Counter[str]] = {}
        self._redacted: Counter[str] = Counter()
        self._sink = sink

    def saw(self, kind: str, n: int = 1) -> None:
        self._seen[kind] += n

    def kept(self, kind: str, n: int = 1) -> None:
        self._kept[kind] += n

    def redacted(self, kind: str, n: int = 1) -> None:
        """A placeholder was put in for personal data of this kind."""
        self._redacted[kind] += n

    def drop(self, row: DropRow) -> None:
        self._drops.setdefault(row.kind, Counter())[row.reason] += 1
        if self._sink is not None:
            self._sink(row)

    def counts(self) -> Counts:
        drops = {kind: dict(sorted(reasons.items())) for kind, reasons in self._drops.items()}
        return Counts(_sorted(self._seen), _sorted(self._kept), _sorted(drops), _sorted(self._redacted))


class Item(Protocol):
    """What `each` needs to know of an item in order to say what was dropped."""

    @property
    def kind(self) -> str: ...
    @property
    def url(self) -> str: ...


I = TypeVar("I", bound=Item)  # noqa: E741 - the conventional name would shadow nothing and mean less
O = TypeVar("O")  # noqa: E741
V = TypeVar("V")

#: More unexpected errors one after the other are no longer bad data.
MAX_FAILURES_IN_A_ROW = 20


def each(
    step: Callable[[I], O], items: Iterable[I], tally: Tally, max_failures_in_a_row: int = MAX_FAILURES_IN_A_ROW
) -> Iterator[O]:
    """Apply `step` to every item, lazily; a `Drop` ends that item alone.

    Raises what `Guarded` raises for steps that are wrong or fail too often, and lets `OSError` through: the partition
    is to be tried again.
    """
    watched = Guarded(step, max_failures_in_a_row)
    for item in items:
        try:
            result = watched(item)
        except Drop as drop:
            tally.drop(DropRow(item.url, item.kind, drop.reason, drop.detail, getattr(item, "page_url", "")))
        else:
            yield result


class Guarded(Generic[I, O]):
    """`step` under the eye of `guarded`; raises `StepError` when so many items in a row end in an unexpected error.

    Wherever many items pass one step, one of these counts: that the page of an image was dropped for some reason of its
    own says nothing of the decoder that failed on the image.
    """

    def __init__(self, step: Callable[[I], O], max_failures_in_a_row: int = MAX_FAILURES_IN_A_ROW) -> None:
        self._step, self._max, self._failures = step, max_failures_in_a_row, 0

    def __call__(self, item: I) -> O:
        try:
            result = guarded(self._step, item)
        except Drop as drop:
            self._failures = self._failures + 1 if drop.reason == "internal_error" else 0
            if self._failures >= self._max:
                raise StepError(
                    f"{self._failures} failures in a row, last {item.kind} {item.url}: {drop.detail}"
                ) from drop
            raise
        self._failures = 0
        return result


def guarded(step: Callable[[I], O], item: I) -> O:
    """`step(item)`, an unexpected error made a `Drop("internal_error")`.

    Raises `StepError` naming the item for `CODE_ERRORS`, and lets `OSError` through: that is lost storage, and no fault
    of the item.
    """
    try:
        return step(item)
    except (Drop, StepError, MemoryError, OSError):
        raise
    except CODE_ERRORS as error:
        raise StepError(f"{item.kind} {item.url}: {type(error).__name__}: {error}") from error
    except Exception as error:
        raise Drop("internal_error", f"{type(error).__name__}: {error}") from error


def _sum(left: dict[str, int], right: dict[str, int]) -> dict[str, int]:
    return _sorted({key: left.get(key, 0) + right.get(key, 0) for key in left.keys() | right.keys()})


def _sorted(mapping: dict[str, V]) -> dict[str, V]:
    return dict(sorted(mapping.items()))
