"""The classes of the zoo by name."""

from benchmarks.zoo.hosts import judge_address, judge_manners, make_address, make_manners
from benchmarks.zoo.pictures import judge_image, judge_video, make_image, make_video_bytes
from benchmarks.zoo.records import judge_archive, judge_list, make_archive, make_list
from benchmarks.zoo.shards import judge_dataset, make_dataset
from benchmarks.zoo.species import Species
from benchmarks.zoo.texts import (
    judge_caption_text,
    judge_page,
    judge_policy,
    judge_subtitles,
    judge_utf8,
    make_caption,
    make_page,
    make_policy,
    make_subtitles,
    make_utf8,
)

CLASSES = {
    species.name: species
    for species in (
        Species("images", make_image, judge_image),
        Species("videos", make_video_bytes, judge_video, limit_s=30.0),
        Species("archives", make_archive, judge_archive),
        Species("pages", make_page, judge_page, limit_s=15.0),
        Species("utf8", make_utf8, judge_utf8),
        Species("addresses", make_address, judge_address),
        Species("servers", make_manners, judge_manners, limit_s=15.0),
        Species("policies", make_policy, judge_policy, limit_s=5.0),
        Species("captions", make_caption, judge_caption_text, limit_s=5.0),
        Species("subtitles", make_subtitles, judge_subtitles, limit_s=5.0),
        Species("lists", make_list, judge_list),
        Species("datasets", make_dataset, judge_dataset, limit_s=20.0),
    )
}
