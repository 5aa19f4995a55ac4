"""Videos whose times repeat themselves, run backwards or leap: each gives clips or a reason, never an error."""

import random
import struct
from collections.abc import Iterator, Sequence

import pytest

from pipeline.video.clips import cut_video
from pipeline.video.probe import index_video
from pipeline.video.settings import ClipEncoding, ClipRules, ClipSettings
from schemas.drops import Drop
from tests.pipeline.videos import make_video

STEP = 512  # of the frames as they were made
ENCODINGS = (ClipEncoding(), ClipEncoding(copy_within_s=-1), ClipEncoding(copy_within_s=30))


def with_steps(mp4: bytes, steps: Sequence[tuple[int, int]]) -> bytes:
    """The same MP4 with other times: (frames, ticks from one to the next)."""
    at = mp4.index(b"stts") - 4
    size = struct.unpack(">I", mp4[at : at + 4])[0]
    rows = b"".join(struct.pack(">Ii", *step) for step in steps)
    box = struct.pack(">I4sII", 16 + len(rows), b"stts", 0, len(steps)) + rows
    out = bytearray(mp4[:at] + box + mp4[at + size :])
    for name in (b"moov", b"trak", b"mdia", b"minf", b"stbl"):
        place = out.index(name) - 4
        out[place : place + 4] = struct.pack(">I", struct.unpack(">I", out[place : place + 4])[0] + len(box) - size)
    return bytes(out)


def odd_steps() -> Iterator[tuple[str, list[tuple[int, int]]]]:
    yield "one repeats", [(50, STEP), (1, 0), (99, STEP)]
    yield "some repeat", [(50, STEP), (20, 0), (80, STEP)]
    yield "half repeat", [(75, 0), (75, STEP)]
    yield "every other", [(1, 0), (1, STEP)] * 75
    yield "one goes back", [(50, STEP), (1, -2000), (99, STEP)]
    yield "some go back", [(50, STEP), (10, -STEP), (90, STEP)]
    yield "all go back", [(150, -STEP)]
    yield "a leap", [(75, STEP), (1, 2**31 - 1), (74, STEP)]
    yield "all leap", [(150, 2**31 - 1)]
    yield "no time between", [(150, 1)]
    rng = random.Random(0)
    for number in range(12):
        yield (
            f"any, {number}",
            [(1, rng.choice((0, 0, STEP, STEP, STEP, -STEP, -5000, 1, 100_000))) for _ in range(150)],
        )


@pytest.mark.parametrize("b_frames", ["0", "2"])
@pytest.mark.parametrize(
    ("name", "steps"), list(odd_steps()), ids=lambda value: value if isinstance(value, str) else ""
)
def test_odd_times_give_clips_or_a_reason(name: str, steps: list[tuple[int, int]], b_frames: str) -> None:
    made = make_video(scenes=(75, 75), size=(320, 240), options=(("bf", b_frames), ("g", "10")))
    data = with_steps(made, steps)
    for encoding in ENCODINGS:
        try:
            whole = cut_video(data, ClipSettings(encoding=encoding, rules=ClipRules(min_s=0.05, target_s=0)))
        except Drop:
            continue
        assert whole.clips or whole.dropped
        for clip in whole.clips:
            index = index_video(clip.data)
            assert len(index) == clip.num_frames
            assert clip.end_s >= clip.start_s


def test_a_video_of_few_times_has_a_reason_of_its_own() -> None:
    made = make_video(scenes=(75, 75), size=(320, 240), options=(("bf", "2"), ("g", "10")))
    data = with_steps(made, [(150, 0)])
    with pytest.raises(Drop) as caught:
        cut_video(data)
    assert caught.value.reason == "bad_timestamps"
