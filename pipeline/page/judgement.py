"""What of a page is its main content: the rules say, and the evidence corrects them.

`pipeline.page.content` reads a page by rules, which say of each text why it is left out. `pipeline.page.evidence` has
what there is to see of each text, `pipeline.page.scorer` how likely that makes it content. The best page by these
chances is taken where it is likely better than what the rules keep; how good it likely is, is the page's confidence.
"""

from bisect import bisect_left
from collections import Counter
from collections.abc import Collection, Sequence
from itertools import accumulate, islice, pairwise

import msgspec
import numpy as np

from pipeline.page.articles import STORY, is_article, is_of_paragraphs, leave_out_beside, leave_out_end
from pipeline.page.cards import Cards, leave_out_rests
from pipeline.page.content import CARD, by_rules
from pipeline.page.content_settings import ContentSettings
from pipeline.page.discussions import shows_thread
from pipeline.page.evidence import Floats, evidence
from pipeline.page.goods import keep_facts, keep_goods, keep_points
from pipeline.page.heads import keep_description
from pipeline.page.labels import is_label
from pipeline.page.leaves import Leaf, Text, upward
from pipeline.page.letters import cut_header, header_of
from pipeline.page.metadata import Metadata
from pipeline.page.panels import show_panels
from pipeline.page.pictures import is_bought
from pipeline.page.post_notes import cut_signatures
from pipeline.page.posts import leave_out_furniture
from pipeline.page.prose import is_prose
from pipeline.page.recipes import keep_recipe
from pipeline.page.rows import Rows
from pipeline.page.scorer import alike, chances, choose, expected_f1
from pipeline.page.slides import show_slides
from pipeline.page.stories import leave_out_other_stories
from pipeline.page.trim import TRIMMED, heads_what_goes, trim
from pipeline.page.verdicts import Verdict, Verdicts, Weighed
from pipeline.page.walk import Walk

_BEGINS = 0.5  # the chance to be content from which on what stands before the region is a part of it
_LIKELY = 0.6  # the chance of a text that is no scrap, wherever it stands
_OF_CARD = 0.5  # how likely what is said in a card is content, at least, where all of a page consists of cards
_HIDDEN = 0.5  # how likely what is hidden is shown by a script, where all else speaks for it
_POST = 0.9  # how likely what the posts of a thread say is content, at least
_OF_CARDS = frozenset(("teasers", "links", "evidence"))  # verdicts on headings that follow from where these lead
#: How likely what follows the part that holds an article is content that belongs to it, where the page says that it is
#: one, and where only its paragraphs do.
_CLEAR, _CLEAR_UNSAID = 0.9, 0.8
_MORE = 1.5  # times what its teasers say is said by a story; a page that says less is of these
_OF_LIST = 0.6  # of what a page keeps stands in the rows of a list
_CARDS = 3  # so many in a row have titles, of so many characters at most, over what says so many at least
_TITLE, _SAID = 120, 40
_REPEATED = 60  # characters of a text that nobody writes twice


class Judgement(msgspec.Struct):
    """Of a page's leaves, in reading order: None if one belongs to the main content, else why it does not."""

    verdicts: Verdicts
    confidence: float
    """The text F1 to be expected, from 0 to 1: how clear the decision was."""
    rows: dict[int, Floats] = {}
    """The evidence on a text, by its index."""


def weigh(walk: Walk, settings: ContentSettings, metadata: Metadata) -> Judgement:
    """What of a page is its main content, and how clear that is."""
    is_letter = not metadata.says_article and bool(header_of(walk) or cut_header(walk))
    if not metadata.is_thread and (is_letter or shows_thread(walk, metadata)):
        metadata = msgspec.structs.replace(metadata, is_thread=True)
    signs = cut_signatures(walk) if metadata.is_thread else []
    settings = rules_for(metadata, settings)
    cards = Cards(walk)
    verdicts, region = by_rules(walk, settings, metadata.says_article, cards)
    show_panels(walk, verdicts)
    show_slides(walk, verdicts)
    if not metadata.is_thread:
        leave_out_other_stories(walk, metadata.title, verdicts)
    texts = [index for index, leaf in enumerate(walk.leaves) if isinstance(leaf, Text)]
    confidence, rows, weighed = 0.0, dict[int, Floats](), Weighed()
    is_story = bool(texts) and is_article(walk, metadata)
    if texts:
        evident = evidence(walk, texts, metadata, verdicts, region, cards.rows)
        posts = set[int]()
        if metadata.is_thread or metadata.is_question:
            posts = leave_out_furniture(walk, texts, evident.siblings, metadata.title, verdicts)
            for at in signs:
                verdicts[at] = Verdict("furniture")
        ruled = verdicts.copy()
        places = [[texts[at] for at in place] for place in evident.places]
        sizes, chance = evident.sizes, alike(chances(evident.rows), evident.sizes, evident.places)
        _raise_chances(chance, texts, posts, _POST)
        if metadata.is_at_story and not metadata.is_thread:
            leave_out_beside(walk, texts, chance, verdicts)
        elif not (metadata.says_article or metadata.is_thread):
            _raise_chances(chance, texts, frozenset(cards.told(verdicts)), _OF_CARD)
        confidence = _weigh_evidence(walk, texts, chance, sizes, settings, is_story, verdicts)
        rows = dict(zip(texts, evident.rows, strict=True))
        weighed = Weighed(verdicts != ruled, posts)
        if len(texts) >= settings.min_texts and not (metadata.says_article or metadata.is_thread):
            likely = {texts[at] for at in np.flatnonzero(chance >= _LIKELY).tolist()}
            weighed = Weighed(verdicts != ruled, likely, places)
        if all(verdicts[index] for index in texts):
            verdicts = _without_weak_names(walk, settings, verdicts)
    if len(texts) >= settings.min_texts:
        if weighed.changed and not metadata.says_article:
            _keep_headings(walk, texts, verdicts)
        if not metadata.says_article:
            _keep_titles(walk, texts, evident.siblings, verdicts, 0.0 if weighed.changed else _OF_LIST)
        _leave_out_repetitions(walk, verdicts)
    leave_out_rests(walk, cards.rows, verdicts)
    trim(walk, verdicts, metadata.title, metadata.author, weighed)
    if texts and not metadata.is_thread:
        _keep_alike(walk, places, verdicts)
    if is_story or (texts and is_of_paragraphs(walk, metadata)):
        leave_out_end(walk, texts, chance, _CLEAR if is_story else _CLEAR_UNSAID, verdicts)
    keep_goods(walk, cards.rows, verdicts, metadata)
    if is_bought(metadata) and not metadata.says_article:
        keep_facts(walk, verdicts)
        if texts:
            keep_points(walk, texts, chance, verdicts)
    if not (metadata.says_article or metadata.is_thread):
        keep_description(walk, verdicts)
    if metadata.is_recipe:
        keep_recipe(walk, metadata.listed, verdicts)
    return Judgement(verdicts, confidence, rows)


def _raise_chances(chance: Floats, texts: list[int], some: Collection[int], least: float) -> None:
    """Of some leaves, to what they are at least."""
    found = [at for at, index in enumerate(texts) if index in some] if some else []
    chance[found] = np.maximum(chance[found], least)


def _keep_alike(walk: Walk, places: list[list[int]], verdicts: Verdicts) -> None:
    """What is trimmed of some items of a list stays where it stays of most: one that says when something was."""
    for place in places:
        trimmed = [index for index in place if (verdict := verdicts[index]) and verdict.rule in TRIMMED]
        if trimmed and sum(verdicts[index] is None for index in place) >= 0.5 * len(place):
            for index in trimmed:
                if getattr(walk.leaves[index], "role", "") != "heading" or not heads_what_goes(verdicts, index):
                    verdicts[index] = None


def _without_weak_names(walk: Walk, rules: ContentSettings, verdicts: Verdicts) -> Verdicts:
    """Of a page that keeps no text: what names have taken that content bears too, if there is prose in it."""
    found, _ = by_rules(walk, msgspec.structs.replace(rules, weak_chrome_characters=-1))
    says_something = any(is_prose(leaf) for leaf, verdict in zip(walk.leaves, found, strict=True) if verdict is None)
    return found if says_something else verdicts


def rules_for(metadata: Metadata, settings: ContentSettings) -> ContentSettings:
    """In a thread what readers wrote is the content, whatever share of the page it has.

    Only beside a thing for sale are reviews what customers wrote. Open Graph's `product` is no sign of one: lists of
    goods and courses call themselves so, too.
    """
    if metadata.is_thread:
        return msgspec.structs.replace(settings, comment_share=0.0, review_share=0.0)
    is_of_thing = is_bought(metadata) and not metadata.says_article
    return settings if is_of_thing else msgspec.structs.replace(settings, review_share=0.0)


def _weigh_evidence(
    walk: Walk,
    texts: list[int],
    chance: Floats,
    sizes: Floats,
    settings: ContentSettings,
    is_story: bool,
    verdicts: Verdicts,
) -> float:
    """Keeps the texts that make the best page by the evidence, and what stands with them. Gives the F1 to be expected.

    What the rules keep stays where that is as good, and on pages too small to tell.
    """
    chance = chance.copy()
    foreign = _foreign_to_articles(walk, texts, verdicts) if is_story else frozenset[str]()
    for number, index in enumerate(texts):
        verdict = verdicts[index]
        if verdict is not None and _is_settled(walk.leaves[index], verdict, foreign, settings):
            chance[number] = 0.0
        elif verdict is not None and verdict.rule == "hidden":
            chance[number] *= _HIDDEN
    ruled = np.array([verdicts[index] is None for index in texts])
    kept, best = choose(chance, sizes)
    as_ruled = expected_f1(ruled, chance, sizes)
    least = settings.article_gain if is_story else settings.min_gain
    if len(texts) < settings.min_texts:
        return as_ruled
    if best - as_ruled <= least:
        _join_beginning(texts, chance, verdicts)
        return as_ruled
    changed: set[int] = set()  # the containers of texts that are kept now and were not, or were and are not
    for index, likely, is_kept, was_kept in zip(texts, chance.tolist(), kept.tolist(), ruled.tolist(), strict=True):
        if is_kept != was_kept:
            verdicts[index] = None if is_kept else Verdict("evidence", likely)
            changed.add(walk.leaves[index].container)
    _let_images_follow(walk, verdicts, changed)
    return best


def _join_beginning(texts: list[int], chance: Floats, verdicts: Verdicts) -> None:
    """What likely belongs of that which stands before the region: a story whose first lines are in a part of their own.

    What stands behind it and looks alike is mostly of the site: notes on its sources, terms of what is offered.
    """
    first = next((at for at, index in enumerate(texts) if verdicts[index] is None), 0)
    for index, likely in zip(texts[:first], chance[:first].tolist(), strict=True):
        verdict = verdicts[index]
        if likely >= _BEGINS and verdict is not None and verdict.rule == "outside":
            verdicts[index] = None


def _foreign_to_articles(walk: Walk, texts: list[int], verdicts: Verdicts) -> frozenset[str]:
    """The rules that leave out what is no part of an article: teasers where it says half as much again as they do.

    Front pages call themselves articles, too.
    """
    said = Counter[str]()
    for index in texts:
        verdict = verdicts[index]
        said[verdict.rule if verdict else ""] += len(getattr(walk.leaves[index], "text", ""))
    is_story = said[""] >= max(STORY, _MORE * said["teasers"])
    return frozenset(("chrome", "teasers") if is_story else ("chrome",))


def _is_settled(leaf: Leaf, verdict: Verdict, foreign: frozenset[str], settings: ContentSettings) -> bool:
    """Labels are what the list says; of an article neither comments nor what is named as chrome is a part, of a product
    no review."""
    if verdict.rule in ("label", "notice", "furniture", "story") or verdict.rule in foreign:
        return True
    is_review = settings.review_share and verdict.container is not None and verdict.container.names.is_review
    return (verdict.rule == "chrome" and bool(is_review)) or (isinstance(leaf, Text) and is_label(leaf.text))


def _let_images_follow(walk: Walk, verdicts: Verdicts, changed: Collection[int]) -> None:
    """Images are kept with the texts around them, and left out with them, where the evidence changed what is kept."""
    kept = [
        int(verdict is None and isinstance(leaf, Text)) for leaf, verdict in zip(walk.leaves, verdicts, strict=True)
    ]
    texts = [int(isinstance(leaf, Text)) for leaf in walk.leaves]
    kept_sums, sums = list(accumulate(kept, initial=0)), list(accumulate(texts, initial=0))
    homes = sorted(changed)
    for index, leaf in enumerate(walk.leaves):
        if isinstance(leaf, Text) or ((verdict := verdicts[index]) and verdict.rule == "furniture"):
            continue
        for at in islice(upward(walk.containers, leaf.container), CARD):
            first, last = walk.containers[at].first, walk.containers[at].last
            count = sums[last] - sums[first]
            if not count:
                continue
            here = bisect_left(homes, at)
            if here < len(homes) and homes[here] < walk.containers[at].end:
                share = (kept_sums[last] - kept_sums[first]) / count
                if share > 0.5 and verdicts[index] is not None:
                    verdicts[index] = None
                elif not share and verdicts[index] is None:
                    verdicts[index] = Verdict("evidence", 0.0)
            break


def _keep_headings(walk: Walk, texts: list[int], verdicts: Verdicts) -> None:
    """A card whose description is kept keeps its title, which leads away as those of other stories do."""
    for index, behind in pairwise(texts):
        title, said, verdict = walk.leaves[index], walk.leaves[behind], verdicts[index]
        if verdict is None or verdict.rule not in _OF_CARDS or verdicts[behind] is not None:
            continue
        if getattr(title, "role", "") == "heading" and getattr(said, "role", "") != "heading":
            *_, card = islice(upward(walk.containers, title.container), CARD + 1)
            if behind < walk.containers[card].last:
                verdicts[index] = None


def _keep_titles(walk: Walk, texts: list[int], siblings: Sequence[Rows], verdicts: Verdicts, least: float) -> None:
    """So do cards in rows whose title is a line that is a link, and stands first in each.

    The rows hold `least` of what is kept: where the rules stand, cards are what the page is, or beside it.
    """
    kept = [len(walk.leaves[at].text) if verdicts[at] is None else 0 for at in texts]
    sums = list(accumulate(kept, initial=0))
    for rows in siblings:
        if sums[rows.stop] - sums[rows.start] < least * sums[-1]:
            continue
        cards = (walk.containers[at] for at in rows.members)
        spans = [texts[bisect_left(texts, card.first) : bisect_left(texts, card.last)] for card in cards]
        spans = [span for span in spans if len(span) > 1]
        titles = [span[0] for span in spans if _is_lost_title(walk, span, verdicts)]
        if len(spans) >= _CARDS and 2 * len(titles) >= len(spans):
            for index in titles:
                verdicts[index] = None


def _is_lost_title(walk: Walk, card: list[int], verdicts: Verdicts) -> bool:
    """Whether the first of a card's texts is left out because it leads away, and something said behind it is kept."""
    title, verdict = walk.leaves[card[0]], verdicts[card[0]]
    if verdict is None or verdict.rule not in _OF_CARDS or not isinstance(title, Text):
        return False
    is_link = title.link_chars > 0.5 * len(title.text) and len(title.text) <= _TITLE
    return is_link and any(verdicts[at] is None and len(walk.leaves[at].text) >= _SAID for at in card[1:])


def _part_of(walk: Walk, leaf: Text) -> int:
    """The container of what a text stands in, of a row that of its table."""
    at = leaf.container
    while leaf.role == "table" and at > 0 and walk.containers[at].tag != "table":
        at = walk.containers[at].parent
    return max(0, walk.containers[at].parent)


def _leave_out_repetitions(walk: Walk, verdicts: Verdicts) -> None:
    """The second copy of a text, in a quotation or a part that says nothing new: for small screens, in a dialog.

    What a part says again beside its own is said of something else: of another function, at another conference.
    """
    long = [
        leaf.text
        for leaf, verdict in zip(walk.leaves, verdicts, strict=True)
        if verdict is None and isinstance(leaf, Text) and len(leaf.text) >= _REPEATED
    ]
    if len(set(long)) == len(long):
        return
    known, told = set[str](), [0]  # so many texts before each leaf stood nowhere before
    for leaf in walk.leaves:
        told.append(told[-1] + (isinstance(leaf, Text) and leaf.text not in known))
        known.add(leaf.text if isinstance(leaf, Text) else "")
    seen: dict[str, int] = {}
    for index, leaf in enumerate(walk.leaves):
        if isinstance(leaf, Text) and verdicts[index] is None and len(leaf.text) >= _REPEATED and leaf.role != "code":
            part = _part_of(walk, leaf)
            is_told = told[walk.containers[part].last] == told[walk.containers[part].first]
            if seen.setdefault(leaf.text, part) != part and (is_told or leaf.role == "quote"):
                verdicts[index] = Verdict("repeated_text", len(leaf.text))
