"""The phase that reads lists of addresses and captions, in place of archives: their rows become pairs."""

from collections import Counter
from collections.abc import Callable
from itertools import islice

import msgspec

from crawlers.inputs import InputError
from crawlers.url_lists import Row, find_columns, read_rows
from jobs.engine.isolation import Isolated
from jobs.kinds.pairs.take import TakePairs
from jobs.phases.extract import EXTRACT, Wanted, write_sizes
from jobs.phases.plan import Plan
from jobs.phases.recipe import Recipe
from jobs.phases.task import Phase, Task
from pipeline.captions import CaptionRules, choose_caption, judge_caption
from pipeline.text.pii import PiiRules, redact_text
from schemas.drops import Drop, DropRow, Guarded, StepError, in_row, on_page
from schemas.pairs import Caption, PairRef
from schemas.presigned import is_presigned
from schemas.urls import resolve


def first_phase(plan: Plan) -> Phase:
    """The phase that has read the inputs."""
    return LISTS if plan.source == "lists" else EXTRACT


def read_list(task: Task, recipe: Recipe) -> None:
    """Hand on the rows of some lists to the partitions of their images."""
    taker, judge = TakePairs(task, Wanted(task)), None
    if recipe.has_pair_steps:
        judge = Guarded(task.enter(Isolated(recipe.judge_pair, task.config.isolation)))
    own = task.plan.inputs_of(task.index)
    for number in own:
        task.at(number - own.start, len(own))
        try:
            _take_rows(task, number, taker, judge)
        except InputError as error:
            raise StepError(str(error)) from None
    write_sizes(task, [taker])


def _take_rows(task: Task, number: int, taker: TakePairs, judge: Callable[[PairRef], PairRef] | None) -> None:
    """Of list `number`."""
    config, tally, source = task.config, task.tally, task.plan.inputs[number].url
    rules = msgspec.structs.replace(config.pairs.caption, sources=("list",))
    for row in islice(read_rows(source, find_columns(source, config.lists.read)), task.plan.pages_of(number)):
        tally.saw("pair")
        try:
            ref = pair_of(row, task.plan.uid_of(number, row.number), rules, config.pii)
            ref = judge(ref) if judge is not None else ref
        except Drop as drop:
            detail = in_row(drop.detail, row.number, source)
            tally.drop(DropRow(row.url, "pair", drop.reason, detail))
            continue
        for what, count in ref.redacted.items():
            tally.redacted(what, count)
        tally.kept("pair")
        taker.add(ref)


def where_it_was(plan: Plan, ref: PairRef, detail: str) -> str:
    """A drop's detail that names the page of the pair, or the row of the list that named it."""
    if plan.source != "lists":
        return on_page(detail, ref.page_url)
    number, row = plan.place_of_uid(ref.uid)
    return in_row(detail, row, plan.inputs[number].url)


def pair_of(row: Row, uid: int, rules: CaptionRules, pii: PiiRules) -> PairRef:
    """Raises `Drop`: bad_row, bad_address, presigned, and those of captions."""
    if row.fault:
        raise Drop("bad_row", row.fault)
    if not row.url or not row.caption.strip():
        raise Drop("bad_row", "no address" if not row.url else "no caption")
    if not row.url.lower().startswith(("http://", "https://")) or not resolve(row.url, ""):
        raise Drop("bad_address", row.url[:200])
    if is_presigned(row.url):
        raise Drop("presigned")
    counts: Counter[str] = Counter()
    captions = (Caption(redact_text(row.caption, pii, counts), "list"),)
    chosen = choose_caption(captions, rules)
    language, score = judge_caption(chosen.text, rules)
    return PairRef(
        uid=uid,
        place=0,
        candidates=(row.url,),
        captions=captions,
        caption=chosen.text,
        caption_source=chosen.source,
        in_content=False,
        language=language,
        language_score=score,
        redacted=dict(sorted(counts.items())),
        extra=row.extra,
    )


LISTS = Phase("lists", "inputs", read_list)
