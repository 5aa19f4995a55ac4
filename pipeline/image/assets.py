"""Which addresses name the same picture.

Resizers and content delivery networks serve one asset under many addresses, and each writes the size somewhere else:
in the query, in a folder, in the file's name, or around a whole address. `asset_of` takes away what only says how a
picture is to be served, whoever wrote it; what is left names the asset.
"""

import binascii
import functools
import re
from base64 import urlsafe_b64decode
from collections.abc import Iterator
from urllib.parse import unquote, urljoin

#: Words for one of several sizes, or for the service that makes them.
_SIZES = frozenset(
    "thumb thumbs thumbnail thumbnails preview previews lqip lowres hires tiny blur blurred small medium large xlarge "
    "grande compact full fullsize orig original originals master retina mobile tablet desktop xs sm md lg xl xxl "
    "smart fit-in unsafe insecure cdn-cgi _ipx".split()
)
#: Parameters of a query that say how to serve, whatever the address.
_PARAMETERS = frozenset(
    "w h wid hei width height mw mh iw ih maxw maxh maxwidth maxheight max-w max-h max_w max_h minwidth minheight "
    "imwidth imheight imdensity size sz sw sh sx sy resize scale fit crop croptype rect smart gravity ar aspect "
    "aspect_ratio dpr dpi quality qlt q fm fmt format auto output compress strip optimize optimizer progressive "
    "lossless interlace sharp sharpen blur bg bg-color trim pad upscale enlarge upsize downsize op_usm ssl mode quot "
    "ixlib ixid ixjsv itok sig signature impolicy derivative x-oss-process x-image-process width_descriptor usm fp-x "
    "fp-y fp-z max".split()
)
_MEASURING = ("width", "height", "quality", "bg", "bgcolor", "background-color", "backgroundcolor")
#: The same where the path names an image file, which says by itself what is shown.
_PARAMETERS_OF_FILES = frozenset(
    "c cb v ver version rev ts timestamp t s token expires expiry hmac policy hash cache nocache cachebuster mtime "
    "modified lastmod d m _ e f x y extend ops p anim metadata rotate pos position zoom format_auto rule preset "
    "profile".split()
)
_INNER_PARAMETERS = frozenset("url src image img u file path source imageurl image_url".split())
#: Options as they stand in folders, with a value each: `w_480`, `width=800`, `q:75`.
_OPTIONS = _PARAMETERS | frozenset(
    ("f", "c", "g", "e", "b", "t", "fl", "rs", "rt", "ex", "el", "dl", "fill", "filters", "onerror")
)
_MEASURES = frozenset("w h q width height quality size".split())
_MODES = frozenset("auto fill fit limit scale crop thumb pad lfill mfit".split())
_PAIRED = frozenset("max width height w h s size resize fit fill crop scale square quality q window-crop".split())
_SERVERS = frozenset(
    "www m cdn img image images static media asset assets thumb thumbs thumbnail pic pics photo photos i s".split()
)
_SERVING = re.compile(r"cdn|cache|(?:\A|-)(?:images?|img|media|static|assets?)(?:-|\Z)")
_PHOTON = re.compile(r"i\d\.wp\.com")

_EXTENSION = r"\.(?:jpe?g|jfif|a?png|gif|webp|avif|jxl|heic|svgz?|tiff?|bmp)"
_LAST_EXTENSION = re.compile(rf"{_EXTENSION}\Z", re.IGNORECASE)
_WRAPPED = re.compile(r"https?(?::|%3a|%253a)(?:/|%2f|%252f)+(?=[\w%[])", re.IGNORECASE)
_FOLDER = re.compile(
    r"[a-z]{0,8}-?\d{2,5}x\d{0,5}(?:x\d|[a-z])?(?:smart)?|x\d{2,5}|(?:16x9|4x3|3x2|2x3|1x1|9x16)|\d{3,4}[wh]|\d{2,4}px|[wh]-?\d{3,4}|"
    r"[sp]\d{3,4}|s\d{2,4}(?:-[a-z]+)+|w\d{2,4}-h\d{2,4}(?:-[a-z]+)*|[\w-]{27,28}=|\d+x\d+:\d+x\d+",
    re.IGNORECASE,
)
_OPTION = re.compile(r"([a-z][a-z-]{0,24}?)[_=:-](.+)|\$s_.*", re.IGNORECASE | re.DOTALL)
_TAIL = re.compile(
    r"(?:[-_.@](?:\d{2,5}x\d{0,5}|x\d{2,5})(?:_crop_[a-z]+|[-_]c)?|-(\d{2,4})-(?:0|\1)|[-_]\d{2,4}(?:w|px)|[-_](?:w|h|width|height)[-_=]?\d{2,4}|"
    r"[@_-][1-4](?:\.\d)?x|[-_](?:scaled|thumb|thumbnail|lqip|preview|blurred)|=[swh]\d{2,4}(?:-\w+)*|\._[\w,+-]+_|"
    r"_hu[0-9a-f]{6,64}(?:_[a-z0-9]+){0,8}|_next_image)\Z",
    re.IGNORECASE,
)
_HEAD = re.compile(r"(?:\d{2,4}px-|thumb(?:nail)?[-_]|il_(?:\d+|full)x(?:\d+|n|full)\.)", re.IGNORECASE)
_SIZE_AS_EXTENSION = re.compile(r"\.(?:thumbnail|mini|small|standard|medium|large|huge|full|original)\Z", re.IGNORECASE)
_STYLED = re.compile(r"[!:](?:[a-z]+|\d+x\d+|[swh]\d+)\Z", re.IGNORECASE)  # `a.jpg!large`, `a.jpg:orig`
_VARIANT = re.compile(r"s-l\d+|(?:mq|hq|sd|maxres)default", re.IGNORECASE)  # all the name that a size has there
_SIZE = re.compile(r"\d{2,5}x\d{0,5}[a-z]?|x\d{2,5}|\d{3,4}(?:px|w)", re.IGNORECASE)
#: Of what a camera or a program saves; WebP, AVIF and others are made of these by servers, and these of drawings.
_SAVED = re.compile(r"\.(?:(jpe?g|jfif)|(png)|(gif)|(tiff?)|(bmp))\Z", re.IGNORECASE)
#: Part of a name that no other picture is likely to bear: an id or a hash.
_UNIQUE = re.compile(r"\d{7,}|[0-9a-f]{12,}|(?<![a-z0-9])(?=[a-z]{0,24}\d)[a-z0-9]{18,}", re.IGNORECASE)
_HASH = re.compile(
    r"[0-9a-f]{32}(?:[0-9a-f]{8}|[0-9a-f]{32})?|[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}", re.IGNORECASE
)
_NUMBERED = re.compile(r"\d{2,4}|v\d")
#: What services put into a path: IIIF a size at its end, Gatsby a hash of it, Drupal and PrestaShop its name,
#: Cloudflare their own, Magento a hash of it, Etsy what it cuts out; each with what stands in all of these.
_SERVICES = (
    ("/", re.compile(r"/(?:full|square|max)/[^/]+/!?\d+/(?:default|native|color|gray|bitonal)\.\w+\Z")),
    ("/static/", re.compile(r"(?<=/static/[0-9a-f]{32})/[0-9a-f]{5}/")),
    ("/styles/", re.compile(r"/styles/[^/]+/(?:public|private)/")),
    ("cdn-cgi/image/", re.compile(r"(?<![^/])cdn-cgi/image/")),
    ("/cache/", re.compile(r"/cache/(?:\d+/[a-z_]+/(?:\d*x\d*/)?)?[0-9a-f]{32}/")),
    ("/il/", re.compile(r"/(?:r|c/\d+/\d+/\d+/\d+)/il/")),
    ("_default/", re.compile(r"-[a-z]{1,24}_default/")),
)
#: Widths: behind their names, and as Google and Amazon write them; with a height or unit. Most begin with letters that
#: are few in an address, and are searched for the faster.
_WIDTHS = (
    re.compile(
        r"[/?&,;_$-](?:w|wid|width|i?mw|imwidth|max-?w(?:idth)?|max|resize|size|sz|sw|fit)[=_:/-](?:fit:)?(\d{2,5})(?!\d)",
        re.IGNORECASE | re.ASCII,
    ),
    re.compile(r"[=/]s(\d{2,4})(?![\da-z])", re.IGNORECASE | re.ASCII),
    re.compile(r"\._(?:[a-z\d]{1,4}_)?(?:s[lsxy]|u[sxy])(\d{2,4})(?=[_,])", re.IGNORECASE | re.ASCII),
)
_MEASURED_WIDTHS = re.compile(
    r"(?<![\dx])(\d{2,5})x\d{0,5}(?![\dx])|(?<!\w)(\d{2,5})(?:px|w)(?![a-z0-9])", re.IGNORECASE
)
_MAY_BE_MEASURED = re.compile(r"[xXwWpP](?<=[0-9].)")  # begins what the expression above finds behind its digits
#: Ends and beginnings of names that copies of one picture bear, but other pictures too: words for sizes, usual widths.
_COPY = re.compile(
    r"[-_.](?:small|medium|large|xlarge|grande|compact|full|fullsize|original|tiny|mini|lowres|hires|retina|blur|dark|light|mobile|"
    r"tablet|desktop|portrait|landscape|square|wide|sm|md|lg|xs|xl|160|240|320|360|400|480|600|640|720|750|768|800|828|900|"
    r"960|1024|1080|1200|1280|1366|1440|1536|1600|1920|2000|2048|2400|2560|3840)"
    r"(?:[-_.][0-9a-f]{16,40})?(?=\?)",  # a bundler writes a hash behind
    re.IGNORECASE,
)
_LONGEST_COPY = len("-landscape-") + 40
_COPY_HEAD = re.compile(r"(?:small|medium|large|mobile|desktop)[-_](?!\Z)", re.IGNORECASE)
_MAX_LENGTH = 2_048  # characters; a longer address names only itself
_MAX_WRAPPED = 3
_MAX_TAILS = 6


@functools.lru_cache(maxsize=65536)
def asset_of(url: str) -> str:
    """A key of the picture behind an absolute address: equal for all sizes, formats and copies that CDNs make of it."""
    if len(url) > _MAX_LENGTH:
        return url
    url = original_of(url)
    address, _, query = url.partition("#")[0].partition("?")
    host, _, path = address.partition("://")[2].partition("/")
    path = unquote(path)
    for sign, service in _SERVICES:
        if sign in path:
            path = service.sub("/", path)
    folders, name, is_file = _folders_and_name(path.split("/"))
    stem = _stem(name)
    if _VARIANT.fullmatch(stem) or (_SIZE.fullmatch(stem) and _UNIQUE.search("/".join(folders))):
        stem = ""
    elif _UNIQUE.search(stem):
        folders = [folder for folder in folders if not _NUMBERED.fullmatch(folder)]
    if is_file and _HASH.fullmatch(stem):
        query = ""  # the name says by itself what is shown
    asked = "&".join(sorted(_identifying(query, is_file))) if query else ""
    return f"{_site(host)}/{'/'.join(folders)}/{stem}?{asked}"


@functools.lru_cache(maxsize=1024)
def original_of(url: str) -> str:
    """The address of the picture itself, where one asks a resizer or a proxy for it; else the same."""
    for _ in range(_MAX_WRAPPED):
        inner = _wrapped_in(url)
        if not inner:
            break
        url = inner
    return url


def name_of(asset: str) -> str:
    """What a key that `asset_of` made calls the picture itself, "" if nothing."""
    return asset.rpartition("?")[0].rpartition("/")[2]


def look_of(asset: str) -> str:
    """The same key without what may or may not tell pictures apart: `-mobile`, `_large`, `-1200` at a name's end."""
    at = asset.rfind("/") + 1
    if at and (begin := _COPY_HEAD.match(asset, at)):
        asset = asset[:at] + asset[begin.end() :]
    end = max(0, asset.find("?") - _LONGEST_COPY)
    return asset[:end] + _COPY.sub("", asset[end:])


@functools.lru_cache(maxsize=1024)
def file_of(url: str) -> tuple[str, int]:
    """The address of the picture without extension and query, and a number for the kind of file that it was saved as;
    0 where it says none, or one that others are made into.

    Two files of one folder, such as `cat.jpg` and `cat.png`, are of one asset and yet two pictures: a server that makes
    sizes or formats of a file writes a size into its address, or an extension such as `.webp`.
    """
    address = original_of(url[:_MAX_LENGTH]).partition("#")[0].partition("?")[0]
    saved = _SAVED.search(address)
    return (address[: saved.start()], saved.lastindex or 0) if saved else (address, 0)


@functools.lru_cache(maxsize=1024)
def told_width(url: str) -> int:
    """The width in pixels at which an address says that it serves its picture; 0 if it says none."""
    url = unquote(url[:_MAX_LENGTH])
    found = [width for pattern in _WIDTHS for width in pattern.findall(url)]
    if _MAY_BE_MEASURED.search(url):
        found += [width or alone for width, alone in _MEASURED_WIDTHS.findall(url)]
    return min(map(int, found), default=0)


def _wrapped_in(url: str) -> str:
    """The address of the picture that another address asks a resizer for, "" if there is none in it."""
    start = url.find("//") + 2
    path_at = url.find("/", start)
    if path_at < 0:
        return ""
    if _PHOTON.fullmatch(url, start, path_at):
        return f"https://{url[path_at + 1 :]}"
    if url.find("http", path_at) >= 0 and (match := _WRAPPED.search(url, path_at)):
        inner = url[match.start() :]
        asks = url.find("?", path_at, match.start()) >= 0
        if asks or "%" in match[0]:
            inner = inner.partition("&")[0]
        if "%" in match[0]:
            inner = unquote(unquote(inner) if "%25" in match[0].lower() else inner)
        scheme, _, rest = inner.partition(":")
        outer_is_file = _LAST_EXTENSION.search(url[path_at:].partition("?")[0]) if asks else None
        return f"{scheme.lower()}://{rest.lstrip('/')}" if not outer_is_file else ""
    if "?" in url:
        for part in url.partition("?")[2].split("&"):
            key, _, value = part.partition("=")
            if key.lower() in _INNER_PARAMETERS and _LAST_EXTENSION.search((value := unquote(value)).partition("?")[0]):
                return urljoin(url, value)
    return _decoded(url, path_at)


def _decoded(url: str, path_at: int) -> str:
    """An address, or the `key` of a request, that stands in a path in base 64, or, as Camo has it, in hexadecimal."""
    if (at := url.find("/68747470", path_at)) >= 0:
        try:
            return bytes.fromhex(url[at + 1 :].partition("/")[0].partition("?")[0]).decode()
        except ValueError:
            return ""
    at = max(url.find("/aHR0c", path_at), url.find("/eyJ", path_at))  # of "http" and of '{"'
    if at < 0:
        return ""
    written = url[at + 1 :].partition("?")[0].replace("/", "").partition(".")[0].rstrip("=")
    try:
        said = urlsafe_b64decode(written + "=" * (-len(written) % 4)).decode()
    except (binascii.Error, ValueError):
        return ""
    if said.startswith("http"):
        return said
    key = re.search(r'"key"\s*:\s*"([^"]+)"', said)
    return urljoin(url, f"/{key[1]}") if key else ""


def _folders_and_name(parts: list[str]) -> tuple[list[str], str, bool]:
    """The folders that tell pictures apart, the name, and whether it is a file's; sizes may follow a file."""
    end = next((at for at, part in enumerate(parts) if part.find(".") > 0 and _LAST_EXTENSION.search(part)), -1)
    is_file, end = end >= 0, len(parts) - 1 if end < 0 else end
    *folders, name = parts[: end + 1]
    kept: list[str] = []
    for folder in folders:
        if (
            folder.isdecimal()
            and len(folder) > 1
            and kept
            and (kept[-1] in _PAIRED or kept[-1].startswith("scale-to-"))
        ):
            kept.pop()
        elif folder and not _says_how(folder):
            kept.append(folder)
    return kept, name, is_file


@functools.lru_cache(maxsize=8192)
def _says_how(folder: str) -> bool:
    """Whether a folder only says how to serve: `w_480,h_320,c_fill`, `300x200`, `width=800`, `filters:quality(90)`."""
    if folder.lower() in _SIZES or _FOLDER.fullmatch(folder) or folder.startswith("filters:"):
        return True
    options = re.split(r"[,;&]", folder)
    return all(_is_option(option, len(options) == 1) for option in options)


def _is_option(written: str, is_alone: bool) -> bool:
    match = _OPTION.fullmatch(written)
    if match is None or match[1] is None:
        return match is not None
    name, value = match[1].lower(), match[2].lstrip("_=:-")
    if name not in _OPTIONS:
        return False
    is_number = value.replace(".", "").isdecimal()
    if is_alone and (len(name) == 1 or written[len(name)] == "-"):  # `c_4` may be a chapter, `crop-circles` a subject
        return name in _MEASURES if is_number and len(value) > 1 else value.partition(":")[0] in _MODES
    return True


def _stem(name: str) -> str:
    """A file's name without extensions, and without sizes before and behind it."""
    name = _SIZE_AS_EXTENSION.sub("", _STYLED.sub("", name))
    before, sign, options = name.partition(";")
    if sign and all(_is_option(option, False) or _SIZE.fullmatch(option[2:]) for option in options.split(";")):
        name = before  # `image;s=644x461`
    for _ in range(_MAX_TAILS):
        match = _LAST_EXTENSION.search(name) or _TAIL.search(name)
        if not match or not match.start():
            break
        name = name[: match.start()]
    match = _HEAD.match(name)
    return name[match.end() :] or name if match else name


def _identifying(query: str, is_file: bool) -> Iterator[str]:
    """The parameters of a query that may tell pictures apart."""
    for part in query.split("&") if query else ():
        key, _, value = part.partition("=")
        key = key.lower()
        how = key in _PARAMETERS or key.startswith(("x-amz-", "imageview", "imagemogr", "$", "utm_"))
        how = how or key.endswith(_MEASURING)  # `odnWidth`, `max_height`; a colour asked for is another picture
        how = how or value.lower() in _SIZES or (is_file and key in _PARAMETERS_OF_FILES)
        how = how or (is_file and _SIZE.fullmatch(value) is not None)
        if part and not how:
            yield part


def _site(host: str) -> str:
    """A host without the labels that only name one of its servers."""
    labels = host.lower().split(".")
    while len(labels) > 2 and (labels[0].rstrip("-0123456789") in _SERVERS or _SERVING.search(labels[0])):
        del labels[0]
    return ".".join(labels)
