"""Which texts of a page its known main text holds: what the content model learns from."""

import re
from collections import Counter

_WORD = re.compile(r"\w+")
_RUN = 5  # words in a row that are no accident
_COPY = 25  # characters of a text whose copies are counted


def shares_known(texts: list[str], known: str) -> list[float]:
    """For each text of a page, in order, the share of its words that the known text has in the same order.

    A short text counts where it is a line of the known text, or stands in it beside what is beside it on the page. Of
    copies of a text only as many count as the known text has.
    """
    runs = _Runs(known)
    cut = [_WORD.findall(text.lower()) for text in texts]
    flat = [word for words in cut for word in words]
    covered = bytearray(len(flat))
    for at in range(len(flat) - _RUN + 1):
        if tuple(flat[at : at + _RUN]) in runs.of[_RUN]:
            covered[at : at + _RUN] = b"\1" * _RUN
    shares, at = [], 0
    for words in cut:
        end = at + len(words)
        share = sum(covered[at:end]) / len(words) if words else 0.0
        if (
            words
            and share < 1
            and runs.holds(tuple(words), tuple(flat[max(0, at - 3) : at]), tuple(flat[end : end + 3]))
        ):
            share = 1.0
        shares.append(share)
        at = end
    return _without_copies(texts, shares, known.lower())


class _Runs:
    """The runs of words of a text, by their length, and its lines."""

    def __init__(self, text: str) -> None:
        words = _WORD.findall(text.lower())
        self.of = {
            size: {tuple(words[at : at + size]) for at in range(len(words) - size + 1)} for size in range(2, _RUN + 1)
        }
        self.lines = {tuple(_WORD.findall(line.lower())) for line in text.split("\n")}

    def holds(self, words: tuple[str, ...], before: tuple[str, ...], behind: tuple[str, ...]) -> bool:
        if words in self.lines:
            return True
        sizes = [size for size in (3, 2) if len(words) + size <= _RUN]
        return any(
            (len(before) >= size and before[-size:] + words in self.of[len(words) + size])
            or (len(behind) >= size and words + behind[:size] in self.of[len(words) + size])
            for size in sizes
        )


def _without_copies(texts: list[str], shares: list[float], known: str) -> list[float]:
    seen: Counter[str] = Counter()
    left = []
    for text, share in zip(texts, shares, strict=True):
        key = text.lower()
        is_copy = share > 0.5 and len(text) > _COPY and seen[key] > 0 and known.count(key) <= seen[key]
        left.append(0.0 if is_copy else share)
        seen[key] += 1
    return left
