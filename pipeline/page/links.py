"""What a page leads to: links to other pages, the media it shows, and what its markup says about following and use.

A crawl asks for the media that a build would want of a page, so both find them by the same code; only which of them
belong to the content is left for the build to judge, whose settings may change.
"""

import re
from collections.abc import Callable, Hashable
from typing import TypeVar

from selectolax.lexbor import LexborHTMLParser, LexborNode

from pipeline.image.refs import candidates, is_image_url
from pipeline.page.charset import query_codec, utf8_html
from pipeline.page.hostile import refuse_hostile
from pipeline.page.metadata import base_of, json_ld
from pipeline.video.refs import VIDEO_FILE, stated_videos
from schemas.links import PageLinks, PageSource, refresh_target
from schemas.presigned import is_presigned
from schemas.response_signals import ROBOTS_NAMES, RSL_TYPE, Statements
from schemas.urls import resolve

T = TypeVar("T", bound=Hashable)
_Attributes = dict[str, str | None]
_MAX_MEDIA, _MAX_LINKS = 500, 5000
_MAX_LANGUAGE = 35  # characters: what RFC 5646 wants room for
_MAX_SOURCES = 100  # of a `<picture>` or `<video>`
_MAX_IN_PICTURE = 10  # images that have its sources, each of which is read for each of them
_LEADS = ("og:image", "og:image:url", "og:image:secure_url")
_VIDEOS = ("og:video:secure_url", "og:video:url", "og:video")
_SUBTITLES = ("", "subtitles", "captions")
_LEADING = (
    "a[href], area[href], link[rel], frame, iframe, meta, picture, img, amp-img, amp-anim, figure, video, amp-video"
)
_NOT_A_PAGE = ("#", "javascript:", "mailto:", "tel:", "data:")
#: Links to files that are no pages: not followed. What of them a page shows is found as media.
_FILES = re.compile(
    r"\.(?:jpe?g|png|gif|webp|avif|svg|ico|bmp|tiff?|mp4|webm|mov|avi|mkv|mp3|ogg|wav|flac|pdf|zip|gz|bz2|xz|7z|rar|tar|"
    r"exe|dmg|iso|apk|deb|rpm|css|js|json|xml|rss|woff2?|ttf|docx?|xlsx?|pptx?|epub)$",
    re.IGNORECASE,
)


def find_links(page: PageSource) -> PageLinks:
    """Links and media of a page. Raises `Drop("hostile_html")` before anything is parsed."""
    html = utf8_html(page.html, page.charset)
    refuse_hostile(html)
    return _Links(html, page.url, lambda: query_codec(page.html, page.charset)).found()


class _Some(dict[T, None]):
    """What was found, each once and in order, up to a limit; what is beyond it is counted."""

    def __init__(self, limit: int) -> None:
        super().__init__()
        self._limit, self.cut = limit, 0

    def add(self, item: T) -> None:
        if item in self:
            return
        if len(self) < self._limit:
            self[item] = None
        else:
            self.cut += 1


class _Links:
    """One pass over the elements of a page that may lead somewhere."""

    def __init__(self, html: bytes, url: str, codec: Callable[[], str]) -> None:
        """`codec` gives that of its queries, which hardly any page needs."""
        tree = LexborHTMLParser(html)
        self._base = base_of((node.attributes.get("href") for node in tree.css("base[href]")), url, codec)
        self._pages: _Some[str] = _Some(_MAX_LINKS)
        self._images: _Some[tuple[str, ...]] = _Some(_MAX_MEDIA)
        self._videos: _Some[tuple[str, ...]] = _Some(_MAX_MEDIA)
        self._met: set[str] = set()  # most links of a page stand there twice
        self._metas: list[_Attributes] = []
        self._licences: list[str] = []  # addresses of RSL documents
        self._language = _of(tree.root.attributes if tree.root is not None else {}, "lang")
        is_licensed = b"rsl+xml" in html
        self._documents = [node.text() for node in tree.css(f'script[type="{RSL_TYPE}"]')] if is_licensed else []
        self._done: set[int] = set()  # elements that were read with the <picture> or <video> around them
        actions: dict[str | None, Callable[[LexborNode, _Attributes], None]] = {
            "a": self._link,
            "area": self._link,
            "link": self._relation,
            "frame": self._frame,
            "iframe": self._frame,
            "meta": lambda _, attributes: self._metas.append(attributes),
            "picture": self._picture,
            "img": self._image,
            "amp-img": self._image,
            "amp-anim": self._image,
            "figure": self._figure,
            "video": self._video,
            "amp-video": self._video,
        }
        for node in tree.css(_LEADING):
            actions[node.tag](node, node.attributes)
        self._of_head(tree if b"VideoObject" in html else None)

    def found(self) -> PageLinks:
        named = [
            (name, meta.get("content") or "")
            for meta in self._metas
            for name in dict.fromkeys(_of(meta, by).lower() for by in ("name", "property"))  # as a build reads them
        ]
        refreshes = (_of(meta, "content") for meta in self._metas if _of(meta, "http-equiv").lower() == "refresh")
        return PageLinks(
            pages=tuple(self._pages),
            images=tuple(self._images),
            videos=tuple(self._videos),
            refresh=next((url for value in refreshes if (url := refresh_target(value, self._base))), ""),
            cut=self._pages.cut + self._images.cut + self._videos.cut,
            robots=tuple(content for name, content in named if name in ROBOTS_NAMES),
            tdm_reservation=(reservation := ", ".join(text for name, text in named if name == "tdm-reservation")),
            tdm_policy=(policy := next((content for name, content in named if name == "tdm-policy"), "")),
            stated=Statements(
                tuple((name, content) for name, content in named if name in ROBOTS_NAMES),
                reservation,
                policy,
                tuple(self._licences),
                tuple(self._documents),
            ),
            language=self._language[:_MAX_LANGUAGE],
        )

    def _link(self, _: LexborNode, attributes: _Attributes) -> None:
        href = _of(attributes, "href")
        if href in self._met or href.startswith(_NOT_A_PAGE):
            return
        if "nofollow" not in _of(attributes, "rel").lower().split():
            self._met.add(href)
            self._add_page(href)
        if VIDEO_FILE.search(href):
            self._add_video([href])

    def _relation(self, _: LexborNode, attributes: _Attributes) -> None:
        relations = set(_of(attributes, "rel").lower().split())
        if {"next", "prev", "canonical"} & relations and "nofollow" not in relations:
            self._add_page(_of(attributes, "href"))
        is_rsl = "license" in relations and _of(attributes, "type").lower() == RSL_TYPE
        if is_rsl and (address := resolve(self._base, _of(attributes, "href"))):
            self._licences.append(address)

    def _frame(self, _: LexborNode, attributes: _Attributes) -> None:
        self._add_page(_of(attributes, "src"))

    def _add_page(self, reference: str) -> None:
        url = resolve(self._base, reference) if reference else ""
        if url and not _FILES.search(url.partition("?")[0]):
            self._pages.add(url)

    def _picture(self, node: LexborNode, _: _Attributes) -> None:
        """Its sources are those of each image in it, as a build has it."""
        if node.mem_id in self._done:
            return
        sources: list[_Attributes] = []
        images = 0
        for inner in node.css("source, img, amp-img, figure, picture"):
            self._done.add(inner.mem_id)
            if inner.tag == "source":
                sources = [*sources, inner.attributes] if len(sources) < _MAX_SOURCES else sources
            elif shown := self._shown_by(inner):
                images += 1
                self._add_image(shown, sources if images <= _MAX_IN_PICTURE else [])

    @staticmethod
    def _shown_by(inner: LexborNode) -> _Attributes:
        """The attributes of an image; of a figure those it would have; none of a `<picture>` in another."""
        if inner.tag == "picture":
            return {}
        return _named_by(inner.attributes) if inner.tag == "figure" else inner.attributes

    def _image(self, node: LexborNode, attributes: _Attributes) -> None:
        if node.mem_id not in self._done:
            self._add_image(attributes, [])

    def _figure(self, node: LexborNode, attributes: _Attributes) -> None:
        if node.mem_id not in self._done and (named := _named_by(attributes)):
            self._add_image(named, [])

    def _add_image(self, attributes: _Attributes, sources: list[_Attributes]) -> None:
        if found := candidates(attributes, [*sources], self._base):
            self._images.add(found)

    def _video(self, node: LexborNode, attributes: _Attributes) -> None:
        """With its sources and subtitles; its images are shown by browsers that play no video."""
        if node.mem_id in self._done:
            return
        addresses, tracks = _video_addresses(attributes), list[str]()
        for inner in node.css("source, track, img, picture, video"):
            self._done.add(inner.mem_id)
            if inner.tag == "track" and _of(inner.attributes, "kind").lower() in _SUBTITLES:
                tracks.append(_of(inner.attributes, "src"))
            elif inner.tag == "source" and len(addresses) < _MAX_SOURCES:
                addresses += _video_addresses(inner.attributes)
            elif inner.tag == "video" and inner.mem_id != node.mem_id:
                # to a build it is a video of its own, known by its first address
                first = inner.css_first("source")
                of_source = _video_addresses(first.attributes) if first is not None else []
                self._add_video(_video_addresses(inner.attributes) or of_source)
        for references in (addresses, *([track] for track in tracks)):
            self._add_video(references)

    def _add_video(self, references: list[str]) -> None:
        urls = tuple(
            dict.fromkeys(
                url for value in references if value and (url := resolve(self._base, value)) and not is_presigned(url)
            )
        )
        if urls:
            self._videos.add(urls)

    def _of_head(self, tree: LexborHTMLParser | None) -> None:
        """What a page states as its own image and videos."""
        for meta in self._metas:
            name, content = _of(meta, "property").lower(), _of(meta, "content")
            if name in _LEADS:
                self._add_image({"src": content}, [])
            elif name in _VIDEOS and VIDEO_FILE.search(content):
                self._add_video([content])
        scripts = [node.text() for node in tree.css('script[type^="application/ld+json"]')] if tree is not None else []
        for urls, _, _ in stated_videos(list(json_ld(scripts)), self._base):
            self._add_video(urls)


def _of(attributes: _Attributes, name: str) -> str:
    return (attributes.get(name) or "").strip()


def _named_by(figure: _Attributes) -> _Attributes:
    """The image of a figure whose `<img>` a script will make: often one of its attributes names it."""
    return next(({"src": value} for value in figure.values() if value and is_image_url(value)), {})


def _video_addresses(attributes: _Attributes) -> list[str]:
    return [value for name in ("src", "data-src") if (value := _of(attributes, name))]
