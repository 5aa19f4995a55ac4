"""What marks an image as an icon, spacer, tracker or avatar before anybody has seen it."""

import re
from collections.abc import Iterable, Mapping

from pipeline.image.refs import is_image_url
from pipeline.text.tokens import tokens

DECORATION = frozenset(
    "avatar badge beacon btn button emoji emoticon favicon gravatar ico icon icons logo logos pixel rank smiley "
    "smilies spacer sprite tracker tracking userpic".split()
)

#: Folders that hold nothing else, and those that hold nothing else in SVG.
_FOLDERS = frozenset(
    "avatar avatars buttons emoji emojis emoticon emoticons favicons footer gravatars reactions smiley smileys smiles "
    "smilies statusicon tiny verysmall".split()
)
#: Those that hold folders of such: sets of smileys.
_SETS = frozenset("avatar avatars emojis emoticons smiley smileys smilies".split())
_OF_SOFTWARE = ("/static/image/common", "/hc/theming_assets")  # Discuz!, Zendesk
_OF_MEMBERS = re.compile(r"/image\.php\?(?:s=\w*&)?u=\d")  # vBulletin
_FOLDERS_OF_DRAWINGS = frozenset("icon icons logo logos badges flags".split())
#: What a drawing of no declared size outside figures is, by the words of its name: a sign of the page's own. Another
#: image is one by this list if its name has no other word.
_SIGNS = frozenset(
    "ajax arrow arrows attach attachment bullet burger caret cart check checkmark chevron close cross divider "
    "download edit email external facebook favorite frown grin hamburger instagram linkedin loader loading "
    "lock locked menu minus offline online paperclip pinterest play plus printable printer progress quote "
    "quotes rating reply report rss sad search smile spinner star stars sticky tick tiktok twitter whatsapp "
    "wink youtube yummly".split()
)
#: And a GIF of no size, as the web was drawn before 2005.
_GIFS = frozenset("back ball counter dot hits home mail mailbox new next prev previous print top up updated".split())
#: What a picture of no size is called that stands for a file of such a type: phpBB, MyBB, manuals.
_TYPES = frozenset("7z bmp csv doc docx gif jpeg jpg mp3 mp4 pdf png ppt pptx rar torrent txt xls xlsx xml zip".split())
_SAID = 4  # words; a longer alt text or name says what is shown
_PICTURE = 200  # pixels: what is declared to be that wide and high is looked at

_NO_SIZE = re.compile(r"(?:^|;)\s*(?:width|height)\s*:\s*[01](?:px)?\s*(?=!|;|$)")
_NOT_DISPLAYED = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden")
#: Where the signs of a project are asked for: whether it builds, what its version is.
_BADGES = re.compile(r"//(?:img\.shields\.io|badgen\.net|badge\.fury\.io)/|/badges?/")
#: Servers of advertisements.
_ADS = re.compile(
    r"//(?:[^/?#]*\.)?(?:(?:ads?|adserver|adservice|pagead\d*)\.[^./?#]+\.[^/?#]+|googlesyndication\.com|doubleclick\.net|2mdn\.net"
    r"|adnxs\.com|adform\.net|amazon-adsystem\.com|criteo\.net|outbrain\.com|taboola\.com|adriver\.ru|mgid\.com)/",
    re.IGNORECASE,
)
_COUNTERS = re.compile(
    r"//(?:[^/?#]*\.)?(?:hit|web|stat|stats)?counter\d*\.|/(?:web)?(?:count|counter|hits?)\.(?:cgi|exe|gif|php|pl)|"
    r"/cgi-bin/(?:count|counter|hit)\b",
    re.IGNORECASE,
)
_PHOTOGRAPHS = (".jpg", ".jpeg", ".webp")
#: Standard sizes of advertisements that no picture is likely to have.
_BANNERS = frozenset(((468, 60), (728, 90), (970, 90), (234, 60), (120, 600), (160, 600), (320, 50)))


def decoration(
    names: Iterable[str], sides: tuple[int, int], url: str, min_px: int, alt: str | None = None, is_wide: bool = False
) -> str:
    """Why an image is decoration: a declared side (0: not declared) below `min_px`, its class, id, file or folder.

    A file is called by what it shows, too: `google-pixel-7.jpg`, `call-to-action-button.png`. So its name decides only
    of what is in no figure (`alt` is None in one), neither large nor offered in several widths (`is_wide`), and not
    described.
    Of drawings in SVG outside figures the alt text tells too, and their names tell more. "" if nothing says so.
    """
    if sides in _BANNERS:
        return f"declared size of an advertisement {sides[0]}x{sides[1]}"
    for side, value in zip(("width", "height"), sides, strict=True):
        if 0 < value < min_px:
            return f"declared {side} {value}"
    if named := DECORATION.intersection(names):
        return f"named {min(named)}"
    path, _, name = url.partition("?")[0].rpartition("/")
    named = DECORATION & tokens(name)
    if named and not (alt is None or is_wide or min(sides) >= _PICTURE or (not any(sides) and _is_described(alt))):
        return f"file named {min(named)}"
    around, _, folder = path.rpartition("/")
    is_drawing = name.endswith(".svg")
    if named := tokens(folder) & (_FOLDERS | _FOLDERS_OF_DRAWINGS if is_drawing else _FOLDERS):
        return f"folder named {min(named)}"
    if named := tokens(around.rpartition("/")[2]) & _SETS:
        return f"folder named {min(named)}"
    if "/data/avatars/" in path:  # XenForo has them in folders by number
        return "folder named avatars"
    if path.endswith(_OF_SOFTWARE):
        return "folder of a program's icons"
    if "image.php" in url and _OF_MEMBERS.search(url):
        return "address of a member's portrait"
    if _ADS.search(url):
        return "address of an advertisement"
    if _COUNTERS.search(url):
        return "address of a counter"
    is_photograph = name.lower().endswith(_PHOTOGRAPHS)
    if alt is not None and min(sides) < _PICTURE and not is_photograph and _BADGES.search(url):
        return "address of a badge"
    if alt is not None and not any(sides) and (stem := name.partition(".")[0].lower()):
        if stem in _TYPES:
            return "file named as a type of files"
        is_gif = name.lower().endswith(".gif")
        signs = _SIGNS | _GIFS if is_gif else _SIGNS
        if (is_gif or name.lower().endswith(".png")) and tokens(stem) <= signs and len(alt.split()) <= _SAID:
            return f"file named {stem}"
    return _of_drawing(name, alt, sides) if is_drawing and alt is not None else ""


def is_advertisement(url: str, sides: tuple[int, int]) -> bool:
    """Whether what a page embeds comes from a server of advertisements, or has the size of one."""
    return sides in _BANNERS or _ADS.search(url) is not None


def unseen(attributes: Mapping[str, str], url: str, stands_in_noscript: bool) -> str:
    """Why nobody sees an image, as those by which sites count visits: it has no size, or it is asked of a program, with
    neither words nor a size, where only browsers without scripts look or none does. "" if people may.
    """
    if attributes.get("alt") or attributes.get("srcset"):
        return ""
    if all(attributes.get(side, "").strip() in ("0", "0px") for side in ("width", "height")):
        return "declared 0 x 0"
    style = attributes.get("style", "").lower()
    if len(_NO_SIZE.findall(style)) > 1 and "min-" not in style:  # Next.js gives its images a least size instead
        return "styled to no size"
    is_asked = stands_in_noscript or _NOT_DISPLAYED.search(style)
    is_sized = any(attributes.get(name) for name in ("width", "height"))
    address, _, query = url.partition("?")
    return "counts visits" if is_asked and query and not is_sized and not is_image_url(address) else ""


def _is_described(alt: str) -> bool:
    """Whether an alt text says what is to be seen."""
    return len(alt.split()) > _SAID and DECORATION.isdisjoint(tokens(alt))


def _of_drawing(name: str, alt: str, sides: tuple[int, int]) -> str:
    said = tokens(alt) if len(alt.split()) <= _SAID else frozenset[str]()
    if named := said & DECORATION:
        return f"called {min(named)}"
    words = tokens(name.removesuffix(".svg"))
    named = words & _SIGNS if len(words) <= _SAID else frozenset[str]()
    return f"drawing named {min(named)}" if named and not any(sides) else ""
