"""Content-Usage and Content-Signal: preferences about the use of content, as headers and robots.txt state them.

Content-Usage follows draft-ietf-aipref-vocab-08 and draft-ietf-aipref-attach-05; labels of revisions before them are
understood where they restrict. Content-Signal is Cloudflare's: contentsignals.org.
"""

from typing import Any

import http_sf

from schemas.signals import Verdict

#: Training a generative model, which is what weft is for: the label of today, and what it was split into before.
_TRAINING = ("train-ai", "train-genai", "genai", "ai", "foundation-model-production")
#: What contained it in earlier revisions: the automated processing of content.
_CONTAINING = ("bots", "tdm")
_LONGEST = 4_096  # characters of a statement; a longer one cannot be read, and is unknown


def content_usage(text: str) -> Verdict:
    """A dictionary of RFC 9651, case-sensitive; what cannot be parsed as a whole is unknown.

    `n` for AI training refuses; so does `n` for what contained it, unless training itself is allowed.
    """
    if len(text) > _LONGEST or not text.isascii():
        return "unknown"
    try:
        stated: Any = http_sf.parse(text.encode(), tltype="dictionary")
    except ValueError:
        return "unknown"
    tokens = {
        label: str(value[0])
        for label, value in stated.items()
        if isinstance(value, tuple) and isinstance(value[0], http_sf.Token)
    }
    if any(tokens.get(label) == "n" for label in _TRAINING):
        return "no"
    if tokens.get("train-ai") == "y":
        return "yes"
    return "no" if any(tokens.get(label) == "n" for label in _CONTAINING) else "unknown"


def content_signal(text: str) -> Verdict:
    """`ai-train=no` refuses, wherever in the list it stands; letters' case and spaces do not matter."""
    pairs = [pair.partition("=") for pair in text[:_LONGEST].lower().split(",")]
    values = {value.strip() for name, _, value in pairs if name.strip() == "ai-train"}
    return "no" if "no" in values else "yes" if "yes" in values else "unknown"
