"""The part of a walk that reads images, videos, frames and formulas; see `pipeline.page.walk`."""

import re
from itertools import islice
from urllib.parse import urlsplit

from pipeline.image.refs import is_image_page, is_image_url
from pipeline.page.decoration import is_advertisement
from pipeline.page.elements import CELLS, HEADINGS, MEDIA
from pipeline.page.formulas import formula_of_image, formula_of_mathml
from pipeline.page.leaves import Media, Text, upward
from pipeline.page.markup import escape, read_attributes, unescape
from pipeline.page.names import is_hidden
from pipeline.page.words import WordsOfWalk

#: Frames by which sites talk to each other, count, and ask to be liked.
_SHOWS_NOTHING = re.compile(
    r' (?:width|height)="[01](?:px)?"|xd_arbiter|/plugins/(?:like|share|follow|page)|googletagmanager|doubleclick|'
    r"recaptcha|/tweet_button|/follow_button|about:blank",
    re.IGNORECASE,
)
_ON_YOUTUBE = re.compile(r"[\w-]{6,20}")
_AROUND, _LEAVES = 5, 300  # parts around an image and its caption, and how far these are looked through
_CELL_ENDS = frozenset(f"/{tag}" for tag in CELLS)
_LINE = 12  # tags in a cell
_SIGN = re.compile(r' alt="([^"]{1,8})"')  # an emoji has so many characters, with what joins and colours its parts
_MAX_SOURCES = 100  # of a `<picture>`: each image in it has all of them


class MediaOfWalk(WordsOfWalk):
    """What a walk does at the tags of media and formulas: each becomes a leaf, or words of the text it stands in."""

    base: str
    _min_declared_px: int
    _figures: list[tuple[int, int, int]]
    _pictures: int = 0  # that are open
    _video: list[str] | None
    _videos: int = 0  # that are open: one in another is what the other shows where it cannot be played
    _sources: list[str]
    _backgrounds: dict[int, str]  # pictures, by the tags at which what shows them ends
    _below: dict[int, bool]  # by part, whether its captions follow the images

    def _open_figure(self, tag: str, written: str) -> None:
        """A figure, its caption, or a part named caption: the caption itself, or what holds it with its image."""
        self._figures.append((self._container, self._figure, self._caption_of))
        if tag == "figure":
            self._figure = self._at
            self._image_of_empty(written)
        elif tag == "figcaption":
            self._caption_of = self._container
        elif self._caption_of < 0:
            if not self._holds(("img",)):
                self._caption_of = self._container
                if self._figure < 0 and (image := self._image_beside()):
                    self._figure = image.figure = image.figure if image.figure >= 0 else self._at
            elif self._figure < 0:
                self._figure = self._at

    def _image_beside(self) -> Media | None:
        """The image that the caption which opens here is of, where it stands right behind it and in no `<figure>`.

        Titles of other stories stand below pictures, too: they lead away, or are headings.
        """
        image = self.leaves[-1] if self.leaves else None
        if not isinstance(image, Media) or image.kind != "image" or self._holds(HEADINGS):
            return None
        around = set(islice(upward(self.containers, image.container), _AROUND))
        part = next((at for at in islice(upward(self.containers, self._container), _AROUND) if at in around), -1)
        if part < 0 or not self._is_captioned_below(part) or not image.candidates or image.decoration:
            return None
        return image if not image.link or is_image_page(image.link) else None

    def _is_captioned_below(self, part: int) -> bool:
        """Whether an image stands in a part before any caption does."""
        if part not in self._below:
            first = self.containers[part].first
            leaves = self.leaves[first : first + _LEAVES]
            found = next((leaf for leaf in leaves if isinstance(leaf, Media) or leaf.role == "caption"), None)
            self._below[part] = not isinstance(found, Text)
        return self._below[part]

    def _picture(self, tag: str, _: str) -> None:
        """An image in one within another may have the sources of both."""
        was_open, self._pictures = self._pictures, self._pictures + (1 if tag == "picture" else -1)
        if not was_open or not self._pictures:
            self._sources = []

    def _source(self, _: str, written: str) -> None:
        if self._video is not None:
            self._video.append(written)
        elif self._pictures and len(self._sources) < _MAX_SOURCES:
            self._sources = [*self._sources, written]  # images before it have none of it

    def _image(self, _: str, written: str) -> None:
        if self._video is not None:  # shown by browsers that play no video
            return
        if formula := formula_of_image(written):
            self._write_formula(formula)
            return
        last = self.leaves[-1] if self._noscript and self.leaves and not self._has_text() else None
        if isinstance(last, Media) and last.kind == "image" and not last.has_twin and last.take_twin(written):
            return  # of a lazy image
        place = (self._container, self._figure)
        media = Media.image(written, self._sources, self._link, self.base, place, self._min_declared_px)
        media.has_twin = bool(self._noscript)
        if ".svg" in written and self._is_drawing_between_words(media):
            media.decoration = "a drawing between words"
        if (alt := _SIGN.search(written)) and self._stands_for_words(unescape(alt[1]), media):
            self._buffer.append(alt[1])
        if self._buffer and self._has_text() and not media.decoration and not self._is_in_data():
            self._flush()  # it cuts the paragraph it stands in; an icon does not, nor does a picture in a row of data
        self._append(media)

    def _stands_for_words(self, alt: str, media: Media) -> bool:
        """Whether a small image is an emoji, a symbol or the initial of a word in a line, or the value of a cell."""
        if self._mute or self._preformatted:
            return False
        if self._is_in_data() and self._is_all_of_cell():
            return bool(media.decoration)
        if len(alt) == 1 and alt.isalpha():  # the first of a word, or a symbol between words
            is_small = media.decoration.startswith("declared ")  # and neither named as an icon, nor among such
            is_symbol = is_small and self._has_text() and self._text_behind(self._at)
            is_in_line = is_symbol or self._markup.texts[self._at + 1][:1].islower()
        else:
            is_emoji = not alt.isascii() and not any(map(str.isalnum, alt))
            is_in_line = is_emoji and (self._has_text() or self._text_behind(self._at))
        return is_in_line and bool(media.decoration)

    def _is_all_of_cell(self) -> bool:
        """Whether the image that is looked at is all that its cell of a row holds: then its words are the value."""
        if self.containers[self._container].tag not in CELLS:
            return False
        tags, lengths, first, last = self._markup.tags, self._lengths, self._at, self._at + 1
        while first > 0 and not lengths[first] and tags[first - 1] not in CELLS and self._at - first < _LINE:
            first -= 1
        while last < len(tags) and not lengths[last] and tags[last] not in _CELL_ENDS and last - self._at < _LINE:
            last += 1
        is_alone = not lengths[first] and last < len(tags) and not lengths[last]
        return is_alone and tags[first - 1] in CELLS and tags[last] in _CELL_ENDS and tags[first:last].count("img") == 1

    def _is_drawing_between_words(self, media: Media) -> bool:
        """Whether an SVG of no declared size stands in a line of text, as icons do."""
        if media.figure >= 0 or media.width or media.height or not media.candidates or media.decoration:
            return False
        if not urlsplit(media.candidates[0]).path.endswith(".svg"):
            return False
        behind = self._text_behind(self._at)
        return self._has_text() or (behind and not self._preformatted)

    def _math(self, _: str, written: str) -> None:
        end = self._markup.end_of(self._at)
        formula = formula_of_mathml(self._markup, self._at, end)
        if formula or is_hidden(written):
            self._pass_over(end)
        if formula and not is_hidden(written):
            self._write_formula(formula)

    def _write_formula(self, formula: str) -> None:
        """Into the line of text; once, where MathML and an image of it stand side by side."""
        last = next((piece for piece in reversed(self._buffer) if piece.strip()), "")
        if not self._mute and last != formula:
            self._buffer.append(formula)

    def _image_of_empty(self, written: str) -> None:
        """A figure, or what stands for an `<img>` until a script makes it, often names its image in an attribute."""
        named = [value for value in read_attributes(written).values() if is_image_url(value)]
        if named and not self._holds(MEDIA):
            self._image("img", f' src="{escape(named[0])}"')

    def _background(self, at: int, tag: str) -> None:
        """A picture that the element which ends here shows as its background, unless it is a sign in a line or row."""
        self._at = at
        is_in_line = self._has_text() or (tag in ("/a", "/span") and self._text_behind(at))
        if not (is_in_line or self._mute or self._is_in_data()):
            self._image("img", self._backgrounds[at])

    def _open_video(self, _: str, written: str) -> None:
        self._mute += 1
        self._videos += 1
        if self._video is None:
            self._video = [written]

    def _close_video(self, *_: str) -> None:
        self._mute -= 1
        self._videos -= 1
        if self._video and not self._videos:
            self._embed(self._video)
            self._video = None

    def _embed_player(self, tag: str, written: str) -> None:
        """An element that a script makes the player of a video: it names the address, or the video on YouTube."""
        said = read_attributes(written)
        named = said.get("data-videoid") or said.get("videoid") or said.get("video-id") or ""
        if "youtube" in tag and _ON_YOUTUBE.fullmatch(named):
            self._embed([f'{written} src="https://www.youtube.com/embed/{named}"'])
        else:
            self._embed([written])
        self._pass_over(self._markup.end_of(self._at))

    def _embed(self, written: list[str]) -> None:
        """A video or frame: its own attributes, and those of its sources. None of what shows nothing, or sells."""
        if _SHOWS_NOTHING.search(written[0]) or is_hidden(written[0]):
            return
        media = Media.video(written, self.base, (self._container, self._figure))
        if any(is_advertisement(url, (media.width, media.height)) for url in media.candidates):
            return
        if media.candidates and not self._noscript:
            if self._has_text():
                self._flush()
            self._append(media)
