"""`srcset` and its like, by the algorithm of the WHATWG: commas and parentheses inside addresses are legal."""

import re

_SPACE = " \t\n\f\r"
_ADDRESS = re.compile(rf"[,{_SPACE}]*+([^{_SPACE}]++)")
# A parenthesis that nobody closes takes all that is left.
_DESCRIPTORS = re.compile(r"((?:[^,(]|\([^)]*+(?:\)|\Z))*+),?")
_DESCRIPTOR = re.compile(rf"(?:[^{_SPACE}(]|\([^)]*+(?:\)|\Z))++")
#: A candidate as most are: an address and a width.
_ORDINARY = re.compile(rf"[,{_SPACE}]*+([^{_SPACE}]++)(?<!,)[{_SPACE}]++([1-9][0-9]{{0,4}}w)[{_SPACE}]*+(?:,|\Z)")
_WIDTH = re.compile(r"[0-9]{1,400}+[wh]")
_DENSITY = re.compile(r"-?(?:[0-9]{1,400}+(?:\.[0-9]{1,400}+)?|\.[0-9]{1,400}+)(?:[eE][+-]?[0-9]{1,3}+)?x")
_MAX_CANDIDATES = 1000
_MOST = 100_000


def parse_srcset(value: str) -> list[tuple[str, str]]:
    """Address and descriptor of each candidate that browsers take: `640w`, `1.5x`, or "" for none.

    Candidates whose descriptors contradict one another are left out: two sizes, a width of 0, a height alone. What no
    standard knows is ignored as long as it stands beside the address, which may be good: the standard drops it whole.
    """
    found: list[tuple[str, str]] = []
    at = 0
    while len(found) < _MAX_CANDIDATES:
        if ordinary := _ORDINARY.match(value, at):
            found.append((ordinary[1], ordinary[2]))
            at = ordinary.end()
            continue
        address = _ADDRESS.match(value, at)
        if not address:
            break
        url, at = address[1], address.end()
        if url.endswith(","):
            if url := url.rstrip(","):
                found.append((url, ""))
            continue
        descriptors = _DESCRIPTORS.match(value, at)
        assert descriptors is not None  # which matches the empty text, too
        at = descriptors.end()
        descriptor = _one_of(_DESCRIPTOR.findall(descriptors[1]))
        if descriptor is not None:
            found.append((url, descriptor))
    return found


def _one_of(descriptors: list[str]) -> str | None:
    """What a candidate's descriptors come to; None where they contradict one another."""
    width = height = density = ""
    for text in descriptors:
        if _WIDTH.fullmatch(text):
            if density or not text[:-1].strip("0") or (width if text[-1] == "w" else height):
                return None
            width, height = (text, height) if text[-1] == "w" else (width, text)
        elif _DENSITY.fullmatch(text) and float(text[:-1]) >= 0:
            if width or height or density:
                return None
            density = text
    if height and not width:
        return None
    if density:
        return f"{min(float(density[:-1]), _MOST):.9g}x"
    return f"{min(int(width[:-1]), _MOST)}w" if width else ""
