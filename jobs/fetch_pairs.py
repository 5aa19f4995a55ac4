"""`weft fetch-pairs`: a list of addresses and captions becomes pairs, by the phases that pairs of pages go through."""

from collections import Counter
from collections.abc import Sequence

import msgspec

from crawlers.img2dataset import require_img2dataset
from crawlers.inputs import InputError
from crawlers.url_lists import Row, find_columns, read_rows
from jobs.build import Phases, finish, finished
from jobs.config import BuildConfig
from jobs.dataset.removal import remove_denied
from jobs.engine.engine import EngineSettings, open_engine
from jobs.kinds.pairs.take import PairShuffle
from jobs.phases.plan import make_list_plan, read_plan
from jobs.phases.slices import sizes_name
from pipeline.captions import CaptionRules, choose_caption, judge_caption
from pipeline.text.pii import PiiRules, redact_text
from schemas.commits import Attempt, Commit
from schemas.dataset import DATASET, Dataset
from schemas.deny import add_to_deny_list
from schemas.drop_files import DropFile
from schemas.drops import Drop, DropRow, StepError, Tally
from schemas.pairs import Caption, PairRef
from schemas.storage import Store


def fetch_pairs(
    output: str, lists: Sequence[str], config: BuildConfig, engine: EngineSettings, deny: Sequence[str] = ()
) -> Dataset:
    """Fetch, or finish, the pairs of these lists. Raises what `jobs.build.build` raises."""
    media = msgspec.structs.replace(config.media, from_web=True)
    config = msgspec.structs.replace(config, kinds=("pairs",), media=media)
    store = Store(output)
    denied = add_to_deny_list(store, deny)
    if store.exists(DATASET):
        return remove_denied(store, finished(store, config), denied)
    if config.lists.downloader == "img2dataset":
        require_img2dataset(config.lists)
    plan = make_list_plan(store, lists, config)
    for archive in plan.inputs:  # what is wrong with one is told before any work begins
        find_columns(archive.url, config.lists.read)
    with open_engine(engine) as runner:
        phases = Phases(runner, store, plan)
        phases.read("lists", read_list)
        phases.make_pairs()
    return remove_denied(store, finish(store, plan, phases.commits), denied)


def read_list(output: str, index: int) -> Commit:
    """Hand on the rows of list `index` to the partitions of their images."""
    plan, store = read_plan(output), Store(output)
    config, source = plan.config, plan.inputs[index].url
    rules = msgspec.structs.replace(config.pairs.caption, sources=("list",))
    with Attempt(store, "lists", index) as attempt:
        with (
            DropFile(attempt, f"drops/lists-{index:06d}.parquet") as drops,
            PairShuffle(attempt, index, plan) as shuffle,
        ):
            tally = Tally(drops.add)
            try:
                for row in read_rows(source, find_columns(source, config.lists.read)):
                    tally.saw("pair")
                    try:
                        ref = pair_of(row, index, rules, config.pii)
                    except Drop as drop:
                        where = f"row {row.number} of {source}"
                        tally.drop(DropRow(row.url, "pair", drop.reason, ", ".join(filter(None, (drop.detail, where)))))
                        continue
                    for what, count in ref.redacted.items():
                        tally.redacted(what, count)
                    tally.kept("pair")
                    list(shuffle.add(ref))
            except InputError as error:
                raise StepError(str(error)) from None
        attempt.put(sizes_name(index), shuffle.sizes.astype("<i8").tobytes())
        return attempt.commit(tally.counts())


def pair_of(row: Row, index: int, rules: CaptionRules, pii: PiiRules) -> PairRef:
    """Raises `Drop`: bad_row, bad_address, and those of captions."""
    if not row.url or not row.caption.strip():
        raise Drop("bad_row", "no address" if not row.url else "no caption")
    if not row.url.lower().startswith(("http://", "https://")):
        raise Drop("bad_address", row.url[:200])
    counts: Counter[str] = Counter()
    captions = (Caption(redact_text(row.caption, pii, counts), "list"),)
    chosen = choose_caption(captions, rules)
    language, score = judge_caption(chosen.text, rules)
    return PairRef(
        uid=index << 40 | row.number,
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
