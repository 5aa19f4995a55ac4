"""What marks an image as an icon, spacer, tracker or avatar before anybody has seen it."""

from collections.abc import Iterable

from pipeline.text.tokens import tokens

DECORATION = frozenset(
    "avatar badge beacon button emoji emoticon favicon gravatar icon icons logo logos pixel smiley spacer sprite "
    "rank tracker tracking".split()
)

#: Folders that hold nothing else, and those that hold nothing else in SVG.
_FOLDERS = frozenset("avatar avatars emoji emojis emoticons favicons gravatars smileys smilies".split())
_FOLDERS_OF_DRAWINGS = frozenset("icon icons logo logos badges".split())

#: Standard sizes of advertisements that no picture is likely to have.
_BANNERS = frozenset(((468, 60), (728, 90), (970, 90), (234, 60), (120, 600), (160, 600), (320, 50)))


def decoration(names: Iterable[str], sides: tuple[int, int], url: str, min_px: int) -> str:
    """Why an image is decoration: a declared side (0: not declared) below `min_px`, its class, id, file or folder.

    "" if nothing says so.
    """
    if sides in _BANNERS:
        return f"declared size of an advertisement {sides[0]}x{sides[1]}"
    for side, value in zip(("width", "height"), sides, strict=True):
        if 0 < value < min_px:
            return f"declared {side} {value}"
    if named := DECORATION.intersection(names):
        return f"named {min(named)}"
    path, _, name = url.partition("?")[0].rpartition("/")
    if named := DECORATION & tokens(name):
        return f"file named {min(named)}"
    folder = tokens(path.rpartition("/")[2])
    named = folder & (_FOLDERS | _FOLDERS_OF_DRAWINGS if name.endswith(".svg") else _FOLDERS)
    return f"folder named {min(named)}" if named else ""
