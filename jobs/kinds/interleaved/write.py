"""The last phase of pages: images that stand in too many places go, scorers judge the rest, and samples are written."""

from functools import partial

import msgspec

from jobs.kinds.interleaved.fetch import ASSEMBLE
from jobs.kinds.interleaved.page import PageWithImages, is_frequent, keys_of_image, staged_pages
from jobs.kinds.interleaved.score import score_pages
from jobs.kinds.shards import Shards
from jobs.phases.frequency import CONTENTS, COUNTS, compares_addresses, frequent_keys
from jobs.phases.known_pages import PageKeysWriter
from jobs.phases.scoring import Hosts
from jobs.phases.spared import tell_unwritten
from jobs.phases.task import Phase, Task, file_of
from pipeline.interleave import interleave
from schemas.drops import Drop, DropRow, Tally, each, on_page
from schemas.kinds import INTERLEAVED


def write_pages(task: Task, hosts: Hosts) -> None:
    """Write the samples of one slice; `hosts` hold the models, if any do."""
    plan, tally = task.plan, task.tally
    partition = plan.partition_of(INTERLEAVED.name, task.index)
    shards = Shards(task.attempt, INTERLEAVED, partition, plan.config.shards, plan.config_hash, tally)
    task.finish_shards = shards.finish
    keys = PageKeysWriter(task, COUNTS if compares_addresses(plan.config) else None)
    frequent, written = set[bytes](), list[int]()
    if plan.config.corpus.max_image_places is not None:
        frequent = frequent_keys(task, CONTENTS, "images")
    pages = each(partial(without_frequent_content, frequent, tally), staged_pages(task, ASSEMBLE), tally)
    for page in score_pages(task, pages, hosts):
        tally.kept("page")
        tally.kept("image", len(page.shown))
        key = shards.next_key
        keys.add(key, page.draft, page.contents)
        written.append(page.draft.uid)
        shards.add(key, *interleave(page.draft, page.illustrations, key, plan.config_hash, page.screening))
    if plan.onto is not None:
        seen = msgspec.json.decode(task.store.read(file_of(ASSEMBLE.name, task.index, "uids")), type=list[int])
        tell_unwritten(task, seen, written)


def without_frequent_content(frequent: set[bytes], tally: Tally, page: PageWithImages) -> PageWithImages:
    """Drop images with these keys alone; raises `Drop("no_image_left")` when none is left."""
    tally.saw("page")
    tally.saw("image", len(page.shown))
    kept = []
    for item in page.shown:
        if how := is_frequent(item.image, frequent):
            detail = on_page(f"by its {how}", page.url)
            tally.drop(DropRow(item.url, "image", "frequent_content", detail, page.url))
        else:
            kept.append(item)
    if not kept:
        raise Drop("no_image_left", f"of {len(page.shown)}")
    contents = [key for item in page.shown for key in keys_of_image(item.image)]
    return msgspec.structs.replace(page, shown=kept, contents=contents)


PUBLISH = Phase("publish", "slices", write_pages, counts_again=True)
