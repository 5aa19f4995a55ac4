"""Samples as objects: what the JSON says, typed, and pictures and videos opened with care."""

import io
import json
from pathlib import Path

import msgspec
import pytest
from PIL import Image

import weft
from schemas.storage import Store
from tests.jobs.looked_at import SITE
from tests.weft.makers import key_of, page, pair, picture, write_shard


def one_of(folder: Path, kind: str, *written) -> weft.Dataset:
    write_shard(Store(str(folder)), kind, 0, written)
    return weft.open(folder, kind)


def test_a_page_has_its_texts_and_pictures_in_reading_order(looked_at: Path) -> None:
    sample = weft.open(looked_at)[f"{SITE}/2.html"]
    assert isinstance(sample, weft.InterleavedSample)
    assert sample.title == "Article 2"
    assert [type(part).__name__ for part in sample.parts] == ["str", "Picture", "str", "Picture", "str"]
    assert [part for part in sample.parts if isinstance(part, str)] == sample.texts
    document = json.loads(sample.members[f"{sample.key}.json"])
    assert [None if isinstance(part, weft.Picture) else part for part in sample.parts] == document["texts"]
    assert [image.size for image in sample.images] == [tuple(size) for size in document["image_sizes"]]
    picture = sample.pictures[1]
    assert (picture.url, picture.alt) == (f"{SITE}/img/2b.jpg", "picture 1")
    assert picture.data == sample.members[document["images"][3]]
    assert (picture.width, picture.height, picture.sha256) == (*picture.image.size, document["image_sha256"][1])
    assert sample.captions == document["image_captions"]
    assert msgspec.json.decode(msgspec.json.encode(sample.record)) == document


def test_a_pair_has_its_picture_and_all_its_texts(looked_at: Path) -> None:
    sample = weft.open(looked_at, "pairs")[f"{SITE}/img/3a.jpg"]
    assert isinstance(sample, weft.PairSample)
    assert sample.caption == "picture 0"
    assert [(one.source, one.text) for one in sample.captions] == [("alt", "picture 0")]
    assert sample.page_url == sample.provenance.page_url == f"{SITE}/3.html"
    assert sample.image.size == (sample.record.width, sample.record.height)
    assert sample.images == [sample.image]


def test_a_clip_has_its_video_and_frames_of_it(looked_at: Path) -> None:
    clip = weft.open(looked_at, "clips")[0]
    assert isinstance(clip, weft.Clip)
    assert clip.caption.startswith("A baker folds the dough")
    assert clip.video[4:8] == b"ftyp"
    assert clip.duration_s == pytest.approx(clip.record.num_frames / clip.record.fps, abs=0.1)
    frames = clip.frames(3)
    assert [frame.size for frame in frames] == [(clip.record.width, clip.record.height)] * 3
    assert len(clip.frames(1)) == 1
    assert clip.subtitles == []


def test_every_sample_knows_where_it_comes_from(looked_at: Path) -> None:
    dataset = weft.open(looked_at)
    for kind in dataset.kinds:
        provenance = dataset.of(kind)[0].provenance
        assert provenance.page_url.startswith(SITE)
        assert (provenance.fetch_time, provenance.licence) == ("2026-03-01T10:00:00Z", "")
        assert provenance.warc_file.endswith("looked.warc.gz")
        assert provenance.warc_offset >= 0
        assert len(provenance.config_hash) == 16


def other_format(format: str) -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, format)
    return out.getvalue()


def huge() -> bytes:
    """A PNG that says it is 60,000 pixels wide and high: decoded it would take 10 GB."""
    data = bytearray(other_format("PNG"))
    data[16:24] = (60_000).to_bytes(4, "big") * 2
    import zlib

    data[29:33] = zlib.crc32(data[12:29]).to_bytes(4, "big")
    return bytes(data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (other_format("GIF"), "unsupported_format"),
        (other_format("TIFF"), "unsupported_format"),
        (other_format("EPS"), "unsupported_format"),
        (b"no picture at all", "unsupported_format"),
        (huge(), "too_many_pixels"),
    ],
    ids=["gif", "tiff", "eps", "text", "huge"],
)
def test_pictures_that_may_not_be_opened_are_let_go_and_cost_themselves_alone(
    tmp_path: Path, data: bytes, reason: str
) -> None:
    sample = one_of(tmp_path, "interleaved", page(key_of(0, 0), [picture(1), data]))[0]
    with pytest.raises(weft.Drop) as caught:
        _ = sample.images
    assert caught.value.reason == reason
    assert sample.pictures[0].image.size == (96, 64)
    assert sample.pictures[1].data == data
    shown = sample._repr_html_()
    assert shown.count("<img") == 1
    assert f"✗ {reason}" in shown


def test_a_picture_that_breaks_off_is_named_where_it_is_shown(tmp_path: Path) -> None:
    whole = picture(1, (400, 300), "PNG")
    dataset = one_of(tmp_path, "pairs", pair(key_of(0, 0), whole[: len(whole) // 2], "png"))
    assert dataset[0].image.size == (400, 300)  # the header is sound
    assert "✗ broken_image" in dataset[0]._repr_html_()
    assert "✗ broken_image" in dataset._repr_html_()


def test_what_is_not_as_it_was_written_is_damaged(tmp_path: Path) -> None:
    dataset = one_of(tmp_path, "interleaved", *(page(key_of(0, n), [picture(n)]) for n in range(2)))
    tar = tmp_path / "interleaved/shards/000000-000.tar"
    data = bytearray(tar.read_bytes())
    data[data.index(b"Page 1")] ^= 1
    tar.write_bytes(data)
    assert dataset[0].key == key_of(0, 0)
    with pytest.raises(weft.DamagedShard, match=f"{key_of(0, 1)}.json is not what was written there"):
        dataset[1]


def test_a_tar_that_ends_early_is_damaged(tmp_path: Path) -> None:
    dataset = one_of(tmp_path, "interleaved", *(page(key_of(0, n), [picture(n)]) for n in range(3)))
    tar = tmp_path / "interleaved/shards/000000-000.tar"
    tar.write_bytes(tar.read_bytes()[:9000])
    assert dataset[0].key == key_of(0, 0)
    with pytest.raises(weft.DamagedShard, match="ends within a sample"):
        dataset[2]
    shown = dataset._repr_html_()
    assert "Page 0" in shown
    assert "✗ interleaved/shards/000000-000.tar ends within a sample" in shown


def damaged(how: str) -> tuple:
    key, members, row = page(key_of(0, 0), [picture(0), picture(1)])
    match how:
        case "json":
            members[0] = (members[0][0], b'{"key": 1}')
        case "no json":
            members = members[1:]
        case "lists":
            members[0] = (members[0][0], members[0][1].replace(b'"image_alts":["",""]', b'"image_alts":[""]'))
        case "picture":
            members = members[:2]
    return key, members, row


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("json", "000000000000.json: Expected `str`, got `int` - at `\\$.key`"),
        ("no json", "a sample without JSON"),
        ("lists", "000000000000.json: its parallel lists differ in length"),
        ("picture", "has no 000000000000.3.jpg"),
    ],
)
def test_a_sample_that_contradicts_itself_is_damaged(tmp_path: Path, how: str, said: str) -> None:
    dataset = one_of(tmp_path, "interleaved", damaged(how))
    with pytest.raises(weft.DamagedShard, match=said):
        _ = dataset[0].parts


def test_samples_and_pictures_say_in_a_line_what_they_are(tmp_path: Path) -> None:
    sample = one_of(tmp_path, "interleaved", page(key_of(0, 0), [picture(0)], title="A" * 100))[0]
    assert repr(sample) == (
        f"InterleavedSample(000000000000, '{'A' * 60}', 2 texts, 1 images, https://made.example/000000000000)"
    )
    assert repr(sample.pictures[0]).startswith("Picture(96x64 jpg, ")
    assert len(repr(sample.parts)) < 300  # no bytes
