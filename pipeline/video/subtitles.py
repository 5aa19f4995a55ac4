"""WebVTT and SRT: the cues of a subtitle file, and those that are shown while a clip lasts."""

import codecs
import html
import re
from collections.abc import Sequence

from schemas.videos import Subtitle

_TIME = re.compile(r"(?:(\d{1,3}):)?(\d{1,2}):(\d{2})[.,](\d{1,3})")
_ARROW = re.compile(r"^\s*(\S+)\s+-->\s+(\S+)")
_TAG = re.compile(r"<[^<>]*>|\{\\[^{}]*\}")
_MAX_CUES = 20_000


def read_subtitles(data: bytes) -> list[Subtitle]:
    """The cues of a WebVTT or SRT file in order of time, their lines as they stand.

    Markup is taken off, cues that say nothing are left out.
    """
    text = _decoded(data).replace("\r\n", "\n").replace("\r", "\n")
    cues: list[Subtitle] = []
    for block in re.split(r"\n[ \t]*\n", text):
        lines = block.strip("\n").split("\n")
        at = next((place for place, line in enumerate(lines[:3]) if "-->" in line), None)
        arrow = _ARROW.match(lines[at]) if at is not None else None
        if arrow is None or at is None:
            continue  # the heading, NOTE, STYLE, REGION
        start, end = _seconds(arrow[1]), _seconds(arrow[2])
        said = _clean(html.unescape(_TAG.sub("", "\n".join(lines[at + 1 :]))))
        if start is not None and end is not None and end > start and said:
            cues.append(Subtitle(start, end, said))
        if len(cues) >= _MAX_CUES:
            break
    return sorted(cues, key=lambda cue: (cue.start_s, cue.end_s))


def during(cues: Sequence[Subtitle], start_s: float, end_s: float) -> list[Subtitle]:
    """The cues of which at least half is shown between these times, counted from `start_s`."""
    found = []
    for cue in cues:
        first, last = max(cue.start_s, start_s), min(cue.end_s, end_s)
        if last - first >= (cue.end_s - cue.start_s) / 2:
            found.append(Subtitle(round(first - start_s, 3), round(last - start_s, 3), cue.text))
    return found


def spoken(cues: Sequence[Subtitle]) -> str:
    """What cues say, as one text; captions that roll up show lines of the cue before once more, which are said once."""
    said: list[str] = []
    before: list[str] = []
    for cue in cues:
        lines = cue.text.split("\n")
        shown = next((n for n in range(min(len(before), len(lines)), 0, -1) if before[-n:] == lines[:n]), 0)
        said += lines[shown:]
        before = lines
    return " ".join(said)


def in_one_line(cues: Sequence[Subtitle]) -> list[Subtitle]:
    """The cues as samples have them."""
    return [Subtitle(cue.start_s, cue.end_s, cue.text.replace("\n", " ")) for cue in cues]


def _decoded(data: bytes) -> str:
    """By its byte order mark, or UTF-8, or else what old programs for Windows write."""
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


def _clean(text: str) -> str:
    return "\n".join(filter(None, (" ".join(line.split()) for line in text.split("\n"))))


def _seconds(stamp: str) -> float | None:
    match = _TIME.fullmatch(stamp)
    if match is None:
        return None
    hours, minutes, seconds, fraction = match.groups()
    return int(hours or 0) * 3600 + int(minutes) * 60 + int(seconds) + int(fraction.ljust(3, "0")) / 1000
