"""The recipe of a build: what is done with a page, an image, a pair, a video, in order, and whether it is used at all.

One parse of a page gives its draft, its pairs and its videos. Consent comes before everything else: no step sees an
item that asks not to be used.
"""

import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from crawlers.captured import Media
from crawlers.web_bot_auth import check_bot_auth
from jobs.config import BuildConfig, OwnModel, OwnScorer, OwnStep, load_config
from jobs.engine.own_code import find, import_file
from jobs.phases.own_models import check_models
from jobs.phases.own_steps import How, OwnCode, OwnFunction, find_step, own_code
from jobs.phases.steps import Extracted, Step, chain, extract_draft, image_step, own_step
from pipeline.captions import SOURCES
from pipeline.consent import may_state_consent, refuse_opt_out
from pipeline.page.extract import consent_of, draft_of, header_consent, paused_gc
from pipeline.page.parsed import ParsedPage
from pipeline.pairs import PagePairs, take_pairs
from pipeline.text.language import keep_language
from pipeline.text.pii import redact
from pipeline.text.rules import text_rules
from pipeline.url_rules import check_blocked_words, refuse_url
from pipeline.video.refs import may_show_video, take_videos
from pipeline.video.settings import VideoCaptionRules
from schemas.clips import CutVideo
from schemas.documents import Draft, Page, StoredImage
from schemas.drops import Drop, DropRow, on_page
from schemas.hash_lists import check_hash_lists, refuse_listed
from schemas.pairs import PairRef
from schemas.presigned import is_presigned
from schemas.settings import SettingsError, changed, dump_settings, load_settings, settings_hash
from schemas.videos import VideoDraft


class Recipe:
    """Settings and steps of yours; every method that adds something returns a new recipe.

    `Recipe("obelics")` is a preset, `Recipe("my.yaml")` a file, `Recipe()` the preset `default`; `settings` change some
    by their path: `Recipe("obelics", {"text.gopher.min_words": 20})`.

    Raises `SettingsError` for settings and steps that are wrong, in one line.
    """

    def __init__(
        self,
        config: "BuildConfig | str | Path" = "default",
        settings: Mapping[str, Any] | None = None,
        given: Mapping[str, Callable[..., Any]] | None = None,
    ) -> None:
        """`given` are functions that were handed over, by their names in the settings."""
        if not isinstance(config, BuildConfig):
            config = load_config(str(config), [])
        self.config = changed(config, settings or {})
        self.given = dict(given or {})
        self._own: dict[tuple[str, How], list[OwnFunction]] = {}
        for step in self.config.steps:
            place, how, function = find_step(step, self.given)
            self._own.setdefault((place, how), []).append(function)
        check_models(self.config, self.given)
        check_hash_lists(self.config.consent.hash_lists)
        check_blocked_words(self.config.url)
        check_bot_auth(self.config.media.fetch.bot_auth_key, self.config.media.fetch.bot_auth_agent)
        self._on_page, self._on_draft = self._page_steps(), self._draft_steps()
        self._has_own_on_page = any(step.is_own for step in self._on_page)
        self.own: list[OwnCode] = own_code(self.config, self.given)

    def before(self, place: str, step: Callable[..., Any], **settings: Any) -> "Recipe":
        """The recipe with a step of yours before one of weft's: docs/own-steps.md names the places."""
        return self._with(step, OwnStep(use_of(step), before=place, settings=settings))

    def after(self, place: str, step: Callable[..., Any], **settings: Any) -> "Recipe":
        """The same, after it."""
        return self._with(step, OwnStep(use_of(step), after=place, settings=settings))

    def instead(self, place: str, step: Callable[..., Any], **settings: Any) -> "Recipe":
        """The same, in its place."""
        return self._with(step, OwnStep(use_of(step), instead=place, settings=settings))

    def score(
        self,
        name: str,
        scorer: Callable[..., Any],
        at_least: float | None = None,
        at_most: float | None = None,
        **settings: Any,
    ) -> "Recipe":
        """The recipe with a scorer of yours, whose numbers stand in `scores` under `name`. Raises `SettingsError`."""
        try:
            own = OwnScorer(name, use_of(scorer), settings, at_least, at_most)
        except ValueError as error:
            raise SettingsError(f"{name}: {error}") from None
        return self._replaced(scorer, own.use, score_with=(*self.config.score_with, own))

    def caption(self, name: str, captioner: Callable[..., Any], **settings: Any) -> "Recipe":
        """The recipe with a captioner of yours, whose texts are caption candidates of source `name`."""
        own = OwnModel(name, use_of(captioner), settings)
        return self._replaced(captioner, own.use, caption_with=(*self.config.caption_with, own))

    def changed(self, settings: Mapping[str, Any]) -> "Recipe":
        """The recipe with other settings, by their paths."""
        return Recipe(self.config, settings, self.given) if settings else self

    @classmethod
    def of(cls, config: "BuildConfig | Recipe") -> "Recipe":
        """A recipe as it is, or that of settings. Raises `SettingsError`, also for what no step of it gives."""
        recipe = config if isinstance(config, Recipe) else cls(config)
        recipe._check_sources()
        return recipe

    @classmethod
    def named(cls, name: str, overrides: list[str]) -> "Recipe":
        """Of a preset, a YAML file, or a Python file that has a `recipe`; with `a.b=value` overrides."""
        if not name.endswith(".py"):
            return cls.of(load_config(name, overrides))
        if not Path(name).is_file():
            raise SettingsError(f"no such file: {name}")
        recipe = getattr(import_file(Path(name)), "recipe", None)
        if not isinstance(recipe, Recipe):
            raise SettingsError(f"{name}: it has no `recipe`, made by weft.Recipe(...)")
        config = load_settings(BuildConfig, dump_settings(recipe.config), overrides)
        return cls.of(cls(config, given=recipe.given))

    def _check_sources(self) -> None:
        """Raises `SettingsError` for a source that no text comes from; what steps of the user's add is theirs."""
        if self.config.steps:
            return
        own, pairs, clips = self.config.caption_with, self.config.pairs, self.config.clips
        kinds = ("pairs", pairs.caption.sources, SOURCES), ("clips", clips.caption.sources, VideoCaptionRules().sources)
        for kind, named, sources in kinds:
            known = {*sources, *(one.name for one in own)}
            if wrong := [name for name in named if name not in known]:
                said = f"cannot have {wrong[0]!r}; known are {', '.join(sorted(known))}"
                raise SettingsError(f"{kind}.caption.sources {said}")

    @property
    def hash(self) -> str:
        """16 hex digits, those of the settings where no step is the user's own; else also of the sources of these."""
        of_settings = settings_hash(self.config)
        if not self.own:
            return of_settings
        return hashlib.sha256(msgspec.json.encode([of_settings, self.own])).hexdigest()[:16]

    @property
    def functions(self) -> list[Callable[..., Any]]:
        """All that is the user's own: what workers elsewhere must be able to import."""
        return [find(one.use, self.given) for one in self.own]

    def steps(self) -> list[Step]:
        """The steps of a page that becomes a sample, in order, from the page to the draft."""
        own = self._own.get(("extract", "instead"))
        extract = list(map(own_step, own)) if own else [Step("extract", partial(extract_draft, self.config))]
        return [*self._on_page, *extract, *self._on_draft]

    def read(self, page: Page) -> Extracted:
        """The draft, the pairs and the videos of a page. Raises the `Drop` of a page that gives none of them."""
        config = self.config
        with paused_gc():
            page, parsed, consent = self._read(page)
            pairs, videos, dropped = PagePairs(), list[VideoDraft](), list[DropRow]()
            if "pairs" in config.kinds:
                later = any(one.name in config.pairs.caption.sources for one in config.caption_with)
                found = take_pairs(parsed, page, config.pairs, config.pii, consent, later)
                pairs = self._judge_pairs(found)
            if "clips" in config.kinds:
                videos, dropped = self._judged("videos", take_videos(parsed, page, config.pii, consent))
            if config.kinds == ("clips",) and not videos and not dropped:
                raise Drop("no_video")
            if "interleaved" not in config.kinds:
                return Extracted(pairs=pairs, videos=tuple(videos), dropped_videos=tuple(dropped))
            try:
                draft = self._draft(page, parsed)
            except Drop as drop:
                if config.kinds == ("interleaved",):
                    raise
                return Extracted(None, (drop.reason, drop.detail), pairs, tuple(videos), tuple(dropped))
        return Extracted(draft, ("", ""), pairs, tuple(videos), tuple(dropped))

    def explain(self, page: Page) -> Iterator[tuple[Step, Draft | None, Drop | None]]:
        """Step by step: the draft after it, if there is one yet, or why it ends the page."""
        item: Page | Draft = page
        for step in (Step("consent", self._ask_consent), *self.steps()):
            try:
                item = step.function(item)
            except Drop as drop:
                yield step, None, drop
                return
            yield step, item if isinstance(item, Draft) else None, None

    def judge_pair(self, ref: PairRef) -> PairRef:
        """The steps of the user's own that take pairs. Raises `Drop`."""
        found: PairRef = chain(self._own_of("pairs"), ref)
        return found

    def judge_video(self, video: VideoDraft) -> VideoDraft:
        """The same of those that take videos."""
        found: VideoDraft = chain(self._own_of("videos"), video)
        return found

    @property
    def has_pair_steps(self) -> bool:
        return bool(self._own_of("pairs"))

    @property
    def has_video_steps(self) -> bool:
        return bool(self._own_of("videos"))

    def page_image(self) -> Callable[[Media], StoredImage]:
        """All that is decided from one image of a page alone."""
        config = self.config
        return partial(image_step, config.consent, config.image, config.encoding, 0, self._own_of("images"))

    def pair_image(self) -> Callable[[Media], StoredImage]:
        """The same of an image of a pair."""
        consent, rules = self.config.consent, self.config.pairs
        return partial(image_step, consent, rules.image, rules.encoding, rules.min_image_bytes, self._own_of("images"))

    def cut(self, with_frames: bool) -> Callable[[Media], CutVideo]:
        """All that is decided from one video alone; `with_frames` where somebody looks at clips later."""
        from jobs.phases.cut_step import cut_step  # not before a video is there: it brings FFmpeg

        return partial(cut_step, self.config, with_frames, self._own_of("clips"))

    def _read(self, page: Page) -> tuple[Page, ParsedPage, Any]:
        """The page after the steps that take pages, and its parse. Raises `Drop`, that of consent before any other."""
        if is_presigned(page.url):
            raise Drop("presigned")
        settings, early = self.config.consent, self._refused_at_a_look(page)
        refuse_listed(page.html, settings.hash_lists)
        if early is not None and not may_state_consent(page.html):
            refuse_opt_out(header_consent(page), settings)
            raise early
        try:
            parsed = ParsedPage(page, self.config.extract)
        except Drop as drop:  # markup that cannot be read hides nothing that the headers say
            refuse_opt_out(header_consent(page), settings)
            raise early or drop from None
        consent = consent_of(parsed, page)
        refuse_opt_out(consent, settings)
        if early is not None:
            raise early
        changed = chain(self._on_page, page) if self._has_own_on_page else page
        if changed is not page:
            parsed = ParsedPage(changed, self.config.extract)
            consent = consent_of(parsed, changed)
        return changed, parsed, consent

    def _refused_at_a_look(self, page: Page) -> Drop | None:
        """Why a page will be dropped once consent is asked, where that can be told without a parse."""
        if self._has_own_on_page:
            return None  # these must be asked in their order
        try:
            refuse_url(page, self.config.url)
        except Drop as drop:
            return drop
        only_clips = self.config.kinds == ("clips",)
        return Drop("no_video") if only_clips and not may_show_video(page.html) else None

    def _ask_consent(self, page: Page) -> Page:
        refuse_opt_out(consent_of(ParsedPage(page, self.config.extract), page), self.config.consent)
        return page

    def _draft(self, page: Page, parsed: ParsedPage) -> Draft:
        own = self._own.get(("extract", "instead"))
        found: Draft = chain(self._on_draft, chain(own, page) if own else draft_of(parsed, page))
        return found

    def _page_steps(self) -> list[Step]:
        before = self._own.get(("extract", "before"), [])
        return [*self._place("url", partial(refuse_url, rules=self.config.url)), *map(own_step, before)]

    def _draft_steps(self) -> list[Step]:
        config, after = self.config, self._own.get(("extract", "after"), [])
        return [
            *map(own_step, after),
            *self._place("language", partial(keep_language, rules=config.language)),
            *self._place("text_rules", partial(text_rules, rules=config.text)),
            *self._place("pii", partial(redact, rules=config.pii)),
        ]

    def _place(self, name: str, function: Callable[[Any], Any]) -> list[Step]:
        """One of weft's steps with those of the user's that stand beside it or in its place."""
        before, after = self._own.get((name, "before"), []), self._own.get((name, "after"), [])
        instead = self._own.get((name, "instead"))
        middle = list(map(own_step, instead)) if instead else [Step(name, function)]
        return [*map(own_step, before), *middle, *map(own_step, after)]

    def _own_of(self, place: str) -> tuple[OwnFunction, ...]:
        return tuple(self._own.get((place, "after"), ()))

    def _judge_pairs(self, found: PagePairs) -> PagePairs:
        pairs, dropped = self._judged("pairs", found.pairs)
        return msgspec.structs.replace(found, pairs=tuple(pairs), dropped=(*found.dropped, *dropped))

    def _judged(self, place: str, items: Sequence[Any]) -> tuple[list[Any], list[DropRow]]:
        """Items of a page after the user's own steps, and the rows of those that these dropped."""
        own = self._own_of(place)
        if not own:
            return list(items), []
        kept, dropped = [], []
        for item in items:
            try:
                kept.append(chain(own, item))
            except Drop as drop:
                detail = on_page(drop.detail, item.page_url)
                dropped.append(DropRow(item.url, item.kind, drop.reason, detail, item.page_url))
        return kept, dropped

    def _with(self, function: Callable[..., Any], step: OwnStep) -> "Recipe":
        return self._replaced(function, step.use, steps=(*self.config.steps, step))

    def _replaced(self, function: Callable[..., Any], use: str, **new: Any) -> "Recipe":
        if self.given.get(use, function) is not function:
            raise SettingsError(f"two functions are called {use}: give each a name of its own")
        return Recipe(msgspec.structs.replace(self.config, **new), given={**self.given, use: function})


def use_of(function: Callable[..., Any]) -> str:
    """How settings name a function."""
    name = getattr(function, "__qualname__", None)
    if name is None:
        raise SettingsError(f"{function!r} is no function: a step is a plain function or a class")
    return f"{function.__module__}:{name}"
