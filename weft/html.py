"""How datasets, samples and verdicts look in a notebook: one piece of HTML each, escaped, without scripts.

Nothing is loaded from elsewhere: pictures are small copies inside the page. Colours are those of the notebook, so that
it may be light or dark. What does not decode is named, and costs itself alone.
"""

from collections.abc import Callable, Iterator
from functools import cache
from typing import TYPE_CHECKING, Any

import jinja2
from PIL import Image

from jobs.dataset.html import templates
from schemas.drops import Drop
from schemas.shards import DamagedShard
from weft.pictures import thumbnail
from weft.samples import Clip, InterleavedSample, PairSample, Picture

if TYPE_CHECKING:
    from weft.dataset import Dataset
    from weft.explaining import Verdicts

_CARDS = 10
_PARTS = 24
_PICTURES = 12
_TEXT = 700  # characters of one text
_CARD_TEXT = 110
_FRAMES = 4
_LINES = 12
_VERDICTS = 200
_VERDICT_TEXT = 300


def dataset_html(dataset: "Dataset[Any]") -> str:
    """Totals and the first samples."""
    others = [(kind, dataset.of(kind).total) for kind in dataset.kinds if kind != dataset.kind]
    return _template("dataset.html").render(
        path=dataset.path,
        kind=dataset.kind,
        count=len(dataset),
        total=dataset.total,
        others=others,
        finished=dataset.is_finished,
        cards=list(_cards(dataset)),
    )


def sample_html(sample: Any) -> str:
    """A page in its reading order, a pair, or frames of a clip with what is said of it."""
    shown: dict[str, Any] = {"url": sample.url, "page_url": sample.page_url, "language": sample.language}
    match sample:
        case InterleavedSample():
            shown |= _page(sample)
        case PairSample():
            shown |= _pair(sample)
        case Clip():
            shown |= _clip(sample)
    record = sample.record
    facts = [
        *shown.pop("facts", ()),
        sample.language,
        record.fetch_time,
        record.licence,
        *(f"{name} {score:.3g}" for name, score in sample.scores.items()),
        f"screened by {', '.join(record.screened)}" if record.screened else "not screened",
        sample.key,
    ]
    return _template("sample.html").render(facts=[fact for fact in facts if fact], **shown)


def verdicts_html(verdicts: "Verdicts") -> str:
    """The parts of a page, each with its mark; nothing of the page itself is loaded."""
    stretches = verdicts.stretches
    parts = [
        {"kept": not reason, "reason": reason, "shown": _short(shown, _VERDICT_TEXT)}
        for shown, reason in stretches[:_VERDICTS]
    ]
    return _template("verdicts.html").render(
        title=verdicts.title,
        url=verdicts.url,
        kept=verdicts.kept,
        reason=verdicts.reason,
        counts=verdicts.counts,
        parts=parts,
        more=max(0, len(stretches) - _VERDICTS),
        not_applied=verdicts.not_applied,
    )


def _page(sample: InterleavedSample) -> dict[str, Any]:
    parts: list[dict[str, Any]] = []
    pictures = 0
    for part in sample.parts:
        if len(parts) == _PARTS or pictures == _PICTURES:
            break
        if isinstance(part, Picture):
            pictures += 1
            says = [part.alt or part.caption, f"{part.width}x{part.height} {part.format}"]
            parts.append(_small(part.data, part.alt) | {"says": " · ".join(filter(None, says))})
        else:
            parts.append({"text": _short(part, _TEXT)})
    return {"title": sample.title or "(no title)", "parts": parts, "more": len(sample.parts) - len(parts)}


def _pair(sample: PairSample) -> dict[str, Any]:
    record = sample.record
    return {
        "row": [_small(lambda: sample.data, sample.caption)],
        "caption": sample.caption,
        "lines": [(one.source, _short(one.text, _TEXT)) for one in sample.captions[:_LINES]],
        "facts": (f"{record.width}x{record.height} {record.format}", f"caption from {record.caption_source}"),
    }


def _clip(sample: Clip) -> dict[str, Any]:
    record = sample.record
    cues = [(f"{cue.start_s:.1f} s", _short(cue.text, _TEXT)) for cue in sample.subtitles[:_LINES]]
    return {
        "title": record.page_title,
        "row": _frames(sample, _FRAMES),
        "caption": sample.caption,
        "lines": [*((one.source, _short(one.text, _TEXT)) for one in sample.captions[:_LINES]), *cues],
        "facts": (
            f"{record.width}x{record.height}, {sample.duration_s:.1f} s from {record.start_s:.1f} s",
            f"caption from {record.caption_source}",
        ),
    }


def _frames(sample: Clip, count: int) -> list[dict[str, str]]:
    try:
        return [_small(frame, "") for frame in sample.frames(count)]
    except (Drop, DamagedShard) as error:
        return [{"wrong": _said(error)}]


def _cards(dataset: "Dataset[Any]") -> Iterator[dict[str, Any]]:
    for place in range(min(_CARDS, len(dataset))):
        try:
            yield _card(dataset[place])
        except (DamagedShard, OSError) as error:
            yield {"text": f"✗ {error}"}


def _card(sample: Any) -> dict[str, Any]:
    card: dict[str, Any] = {"key": sample.key}
    match sample:
        case InterleavedSample():
            words = sum(len(text.split()) for text in sample.texts)
            first = sample.pictures[0] if sample.pictures else None
            card |= {
                "text": sample.title or "(no title)",
                "facts": f"{_count(len(sample.pictures), 'image')}, {_count(words, 'word')}",
            }
            card |= {"picture": _small(first.data, first.alt) if first else None}
        case PairSample():
            record = sample.record
            card |= {"text": sample.caption, "facts": f"{record.width}x{record.height}, {record.caption_source}"}
            card |= {"picture": _small(lambda: sample.data, sample.caption)}
        case Clip():
            card |= {"text": sample.caption, "facts": f"{sample.duration_s:.1f} s"}
            card |= {"picture": _frames(sample, 1)[0]}
    return card | {"text": _short(card["text"], _CARD_TEXT)}


def _small(picture: bytes | Image.Image | Callable[[], bytes], alt: str) -> dict[str, str]:
    try:
        found = picture() if callable(picture) else picture
        return {"address": thumbnail(found), "alt": _short(alt, _TEXT)}
    except (Drop, DamagedShard) as error:
        return {"wrong": _said(error)}


def _said(error: Exception) -> str:
    return f"{error.reason}: {error.detail}" if isinstance(error, Drop) else str(error)


def _count(number: int, what: str) -> str:
    return f"{number:,} {what}{'s' if number != 1 else ''}"


def _short(text: str, characters: int) -> str:
    return text if len(text) <= characters else f"{text[:characters].rstrip()} …"


@cache
def _template(name: str) -> jinja2.Template:
    return templates("weft").get_template(name)
