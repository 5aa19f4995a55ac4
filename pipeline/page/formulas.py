"""Formulas: the LaTeX that an image of one, or its MathML, was made of."""

import re
from urllib.parse import unquote

from pipeline.page.markup import Markup, escape, read_attributes

#: Images that renderers of formulas make, by their class or address.
_RENDERED = re.compile(
    r' class="(?:[^"]*[ ])?(?:mwe-math[\w-]*|tex|latex|math|formula|equation|mathjax|eq-image)[ "]|'
    r"/math/render/|latex\.codecogs\.com|latex\.php\?|[?&;]cht=tx|(?:math|mime)tex(?:\.cgi|\?)",
    re.IGNORECASE,
)
#: One of these stands in each of them: most images need no closer look.
_SIGNS = ("\\", "$", "math", "Math", "tex", "TeX", "formula", "equation", "eq-image", "cht=tx")
_ALT = re.compile(r' alt="(?:\{\\|\${1,2}[^"$]+\$|\\[a-zA-Z(\[])')
_IN_ADDRESS = re.compile(r"(?:[?&](?:latex|chl|tex)=|(?:codecogs\.com/[\w.]+|(?:math|mime)tex(?:\.cgi)?)\?)([^&]+)")
_LIKE_LATEX = re.compile(r"[\\^_={}<>+]|\A[A-Za-z]\Z|\A[-\d.,]+\Z")
_WRAPPERS = (("$$", "$$"), ("$", "$"), ("\\(", "\\)"), ("\\[", "\\]"))
_STYLE = re.compile(r"\{\\(?:displaystyle|textstyle|scriptstyle)\s?(.*)\}", re.DOTALL)
_MAX_LENGTH = 2_000  # characters
#: A formula in plain characters, as images of them were called before there was MathML: `|Gx| = |G| / |G_x|`.
_PLAIN = re.compile(r' alt="([^"]{3,120})"')
_RELATIONS = ("=", "^", "_", "&lt;", "&gt;", "≤", "≥", "≠", "∈", "→", "≈")
_TERMS = re.compile(r"(?:[\w|()\[\]{},.'!∞√∑∫∂±=^≤≥≠∈→≈*/·×+ -]|&[lg]t;)+")
_WORD = re.compile(r"[^\W\d_]{3,}")
#: Files are numbered so, too: `MG_0031`.
_NUMBERED = re.compile(r"[^\W\d_][^\W\d_]_|_\w\w")
#: What shows more than a formula.
_PICTURE = re.compile(r' height="(?:1[2-9]\d|[2-9]\d\d|\d{4,})|\.(?:jpe?g|webp)\b', re.IGNORECASE)
_FUNCTIONS = frozenset(
    "arg cos cosh cot deg det dim div exp for gcd grad inf int ker lcm lim log max min mod rot sin sinh sqrt sum sup "
    "tan tanh".split()
)
#: What LaTeX2HTML says of pictures that are none.
_DRAWN = re.compile(r"\\(?:includegraphics|epsfig|psfig|epsf(?:box|file)|begin\{(?:figure|picture|tikzpicture)\*?\})")


def formula_of_image(written: str) -> str:
    """What stands in a text instead of an `<img>` of a formula, as markup writes it: `$x^2$`. "" if it is none."""
    if not any(map(written.__contains__, _SIGNS)) or not (_RENDERED.search(written) or _ALT.search(written)):
        return _plain_formula(written)
    attributes = read_attributes(written)
    said = attributes.get("alt", "").strip()
    if _DRAWN.search(said):
        return ""
    if not _LIKE_LATEX.search(said):
        match = _IN_ADDRESS.search(attributes.get("src", ""))
        said = unquote(match[1].replace("+", " ")) if match else ""
    return escape(_inline(said))


def _plain_formula(written: str) -> str:
    """What an image is called if that is a formula, and no words: `E = mc^2`."""
    called = _PLAIN.search(written)
    if not called or not any(map(called[1].__contains__, _RELATIONS)) or _PICTURE.search(written):
        return ""
    said = " ".join(called[1].split())
    if (
        not _TERMS.fullmatch(said)
        or _NUMBERED.search(said)
        or any(word.lower() not in _FUNCTIONS for word in _WORD.findall(said))
    ):
        return ""
    return f"${said}$"


def formula_of_mathml(markup: Markup, at: int, end: int) -> str:
    """The same of the `<math>` that opens at `at` and ends at `end`, where it is annotated with its LaTeX."""
    for place in range(at + 1, min(end, len(markup.tags))):
        if markup.tags[place] == "annotation" and "tex" in markup.attributes[place].lower():
            return _inline(markup.texts[place + 1])
    return escape(_inline(read_attributes(markup.attributes[at]).get("alttext", "")))


def _inline(latex: str) -> str:
    latex = " ".join(latex.split())
    for opening, closing in _WRAPPERS:
        if latex.startswith(opening) and latex.endswith(closing) and len(latex) > len(opening + closing):
            latex = latex[len(opening) : -len(closing)].strip()
            break
    if match := _STYLE.fullmatch(latex):
        latex = match[1].strip()
    return f"${latex}$" if 0 < len(latex) <= _MAX_LENGTH else ""
