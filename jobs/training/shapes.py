"""A dataset of drawn shapes, all three kinds: what the text says of a picture can be known from that picture alone.

A model can be watched learning it within minutes, without any download. Written with the shard writers that real data
goes through, so `weft inspect` and `weft show` open it like any other.

* **pairs**: a picture, "two red circles at the top": number, colour, shape and place are independent and evenly drawn.
* **clips**: a shape that moves, "a red circle moving left": from one frame nobody can tell.
* **interleaved**: pages of several pictures. An *album* describes each after it; a *naming* calls colours by made-up
  names that hold on this page only, so what the next one is called is known from the page's earlier pictures.
* **clip pages**, to train on only: two and more of the clips on one page, as a prompt with examples has them. weft
  builds no such pages, so they are plain WebDataset, a tar in `clip_pages/`, which the loader reads as interleaved.
"""

import hashlib
import io
import random

import msgspec

from jobs.kinds.pairs.pair import FetchedPair, add_pair
from jobs.kinds.shards import Shards
from jobs.training.shape_pictures import COLOURS, DIRECTIONS, NAMES, PLACES, SHAPES, Scene, clip_of, draw
from model.data.documents import Document, Medium
from model.data.plain import read_documents, text_of
from model.training.config import ShapeSettings
from pipeline.image.codec import ImageEncoding, decode_image
from pipeline.interleave import Illustration, interleave
from schemas import __version__
from schemas.commits import Attempt, committed, publish, read_commit, sweep
from schemas.dataset import DATASET, Dataset, totals, write_reader_files
from schemas.documents import Consent, Draft, ImageRef, StoredImage, TextBlock
from schemas.drops import Counts, Tally
from schemas.kinds import CLIPS, INTERLEAVED, KINDS, PAIRS, Kind
from schemas.pairs import Caption, PairRef
from schemas.settings import settings_hash
from schemas.shards import ShardInfo, ShardSettings
from schemas.storage import Store
from schemas.tar import TarWriter
from schemas.videos import ClipSample, VideoText

SPLITS = ("train", "held_out")
_SITE = "https://shapes.example"
_GROUPS, _SUPPORT, _QUERIES = 16, 12, 6
_UNCHANGED = ImageEncoding(resize="none", format="keep")


def make_shapes(settings: ShapeSettings) -> bool:
    """Write both splits below `settings.folder`, or what is missing of them; False if nothing was.

    The same settings give the same bytes. A kill leaves whole shards only.
    """
    made = False
    for split in SPLITS:
        store = Store(f"{settings.folder}/{split}")
        if not store.exists(DATASET):
            _make_split(store, split, settings)
            made = True
    return made


def hash_of(settings: ShapeSettings) -> str:
    """Equal where the pictures are: where they lie is left out."""
    return settings_hash(msgspec.structs.replace(settings, folder=""))


def _make_split(store: Store, split: str, settings: ShapeSettings) -> None:
    shards: dict[str, list[ShardInfo]] = {}
    counts: dict[str, Counts] = {}
    for kind, write in zip(KINDS, (_write_pages, _write_pairs, _write_clips), strict=True):
        size = getattr(settings, f"{split}_{'pages' if kind == INTERLEAVED.name else kind}")
        if 0 not in committed(store, kind):
            with Attempt(store, kind, 0) as attempt:
                rng = random.Random(f"{settings.seed}/{split}/{kind}")
                tally = Tally()
                made = write(attempt, settings, size, rng, tally)
                attempt.commit(tally.counts(), made)
        commit = read_commit(store, kind, 0)
        publish(store, commit)
        shards[kind], counts[kind] = commit.shards, commit.counts
        write_reader_files(store, kind, commit.shards)
    if split == "held_out":
        _write_tasks(store, settings)
    else:
        _write_clip_pages(store, split, settings)
    sweep(store, [f"{kind}/{folder}" for kind in KINDS for folder in ("shards", "commit")])
    dataset = Dataset(
        kinds={kind: totals(of_kind) for kind, of_kind in shards.items()},
        phases=counts,
        drops={},
        inputs=0,
        input_bytes=0,
        config=msgspec.to_builtins(settings, str_keys=True),
        config_hash=hash_of(settings),
        weft_version=__version__,
    )
    store.put(DATASET, msgspec.json.format(msgspec.json.encode(dataset), indent=1))


def _write_pages(
    attempt: Attempt, settings: ShapeSettings, size: int, rng: random.Random, tally: Tally
) -> list[ShardInfo]:
    shards = _shards(attempt, INTERLEAVED, settings, tally)
    for number in range(size):
        naming = rng.random() < settings.naming_share
        draft, pictures = (_naming if naming else _album)(number, settings, rng)
        shards.add(shards.next_key, *interleave(draft, pictures, shards.next_key, hash_of(settings)))
        tally.saw("page")
        tally.kept("page")
    return shards.finish()


def _album(number: int, settings: ShapeSettings, rng: random.Random) -> tuple[Draft, dict[ImageRef, Illustration]]:
    scenes = [random_scene(rng) for _ in range(rng.randint(2, 4))]
    return _page(number, settings, rng, [(scene, scene.caption) for scene in scenes])


def _naming(number: int, settings: ShapeSettings, rng: random.Random) -> tuple[Draft, dict[ImageRef, Illustration]]:
    """Two or three colours, each with a name of its own on this page; more pictures than colours."""
    colours = rng.sample(sorted(COLOURS), rng.randint(2, 3))
    names = dict(zip(colours, rng.sample(NAMES, len(colours)), strict=True))
    scenes = [random_scene(rng, colour=rng.choice(colours), number=1) for _ in range(settings.naming_pictures)]
    return _page(number, settings, rng, [(scene, naming_text(scene, names)) for scene in scenes])


def naming_text(scene: Scene, names: dict[str, str]) -> str:
    """`a red wug`."""
    return f"a {scene.colour} {names[scene.colour]}"


def _page(
    number: int, settings: ShapeSettings, rng: random.Random, parts: list[tuple[Scene, str]]
) -> tuple[Draft, dict[ImageRef, Illustration]]:
    url = f"{_SITE}/pages/{number}"
    blocks: list[TextBlock | ImageRef] = []
    pictures: dict[ImageRef, Illustration] = {}
    for place, (scene, text) in enumerate(parts):
        ref = ImageRef((f"{url}/{place}.png",), alt=text)
        blocks += [ref, TextBlock(text)]
        pictures[ref] = Illustration(ref, ref.url, stored(scene, settings, rng))
    draft = Draft(number, url, tuple(blocks), title=f"Page {number}", language="en", language_score=1.0)
    return draft, pictures


def stored(scene: Scene, settings: ShapeSettings, rng: random.Random) -> StoredImage:
    """The picture of a scene as it stands in a shard."""
    return decode_image(draw(scene, settings.size_px, rng), encoding=_UNCHANGED)


def _write_tasks(store: Store, settings: ShapeSettings) -> None:
    """`tasks/`: what `weft evaluate` asks, as plain files.

    In each group of `naming` two or three colours have made-up names that hold in this group only: what a picture is
    called can be known from examples of its group and from nothing else.
    """
    rng = random.Random(f"{settings.seed}/tasks")
    lines: dict[str, list[bytes]] = {"support": [], "query": []}
    for group in range(_GROUPS):
        colours = rng.sample(sorted(COLOURS), 3)
        names = dict(zip(colours, rng.sample(NAMES, len(colours)), strict=True))
        for role, count in (("support", _SUPPORT), ("query", _QUERIES)):
            for number in range(count):
                scene = random_scene(rng, colour=colours[number % len(colours)], number=1)
                name = f"{group:02d}-{role}-{number:02d}.png"
                store.put(f"tasks/{name}", draw(scene, settings.size_px, rng))
                row = {"key": name, "image": name, "answer": naming_text(scene, names), "group": str(group)}
                lines[role].append(msgspec.json.encode(row))
    for role, rows in lines.items():
        store.put(f"tasks/naming-{role}.jsonl", b"\n".join(rows) + b"\n")


def random_scene(rng: random.Random, **fixed: str | int) -> Scene:
    """A scene, every property evenly drawn that is not given."""
    drawn = {
        "colour": rng.choice(sorted(COLOURS)),
        "shape": rng.choice(SHAPES),
        "number": rng.randint(1, 2),
        "place": rng.choice(PLACES),
    }
    return msgspec.convert(drawn | fixed, Scene)


def _write_pairs(
    attempt: Attempt, settings: ShapeSettings, size: int, rng: random.Random, tally: Tally
) -> list[ShardInfo]:
    shards = _shards(attempt, PAIRS, settings, tally)
    for number in range(size):
        scene = random_scene(rng)
        url = f"{_SITE}/pairs/{number}.png"
        ref = PairRef(
            uid=number,
            place=0,
            candidates=(url,),
            captions=(Caption(scene.caption, "list"),),
            caption=scene.caption,
            caption_source="list",
            language="en",
            language_score=1.0,
        )
        add_pair(shards, FetchedPair(ref, url, stored(scene, settings, rng)), hash_of(settings))
        tally.saw("pair")
        tally.kept("pair")
    return shards.finish()


def _write_clips(
    attempt: Attempt, settings: ShapeSettings, size: int, rng: random.Random, tally: Tally
) -> list[ShardInfo]:
    """`{key}.json`, `{key}.mp4`, `{key}.txt`: what video2dataset writes."""
    shards = _shards(attempt, CLIPS, settings, tally)
    for number in range(size):
        scene = random_scene(rng, number=1)
        direction = rng.choice(sorted(DIRECTIONS))
        caption = f"{scene.thing} moving {direction}"
        data = clip_of(scene, direction, settings.size_px, settings.clip_seconds, rng)
        sample = _clip_sample(f"{0:06d}{number:06d}_00000", caption, data, settings)
        members = [
            (f"{sample.key}.json", msgspec.json.encode(sample)),
            (f"{sample.key}.mp4", data),
            (f"{sample.key}.txt", caption.encode()),
        ]
        shards.add(sample.key, sample, members)
        tally.saw("clip")
        tally.kept("clip")
    return shards.finish()


def _write_clip_pages(store: Store, split: str, settings: ShapeSettings) -> None:
    """`clip_pages/000000.tar`: on each page some of the clips of the split, each with its text behind it."""
    rng = random.Random(f"{settings.seed}/{split}/clip pages")
    clips = list(read_documents(f"{settings.folder}/{split}/{CLIPS.name}", "clips"))
    file = io.BytesIO()
    tar = TarWriter(file)
    for number in range(settings.train_clip_pages if clips else 0):
        shown = rng.choices(clips, k=rng.randint(2, settings.clip_page_clips))
        for name, data in _clip_page(f"{number:012d}", shown):
            tar.add(name, data)
    tar.close()
    store.put("clip_pages/000000.tar", file.getvalue())


def _clip_page(key: str, clips: list[Document]) -> list[tuple[str, bytes]]:
    """The members of a page: parallel texts and images, a clip at every even place."""
    texts: list[str | None] = []
    images: list[str | None] = []
    members: list[tuple[str, bytes]] = []
    for clip in clips:
        name = f"{key}.{len(images)}.mp4"
        images += [name, None]
        texts += [None, *text_of(clip)]
        members += [(name, part.data) for part in clip.parts if isinstance(part, Medium)]
    return [(f"{key}.json", msgspec.json.encode({"texts": texts, "images": images})), *members]


def _clip_sample(key: str, caption: str, data: bytes, settings: ShapeSettings) -> ClipSample:
    digest, seconds = hashlib.sha256(data).hexdigest(), settings.clip_seconds
    return ClipSample(
        key=key,
        url=f"{_SITE}/clips/{key}.mp4",
        page_url="",
        page_title="",
        caption=caption,
        caption_source="list",
        texts=[VideoText("list", caption)],
        subtitles=[],
        clip=0,
        start_s=0.0,
        end_s=float(seconds),
        requested=(0.0, float(seconds)),
        cut_method="encode",
        width=settings.size_px,
        height=settings.size_px,
        num_frames=seconds,
        fps=1.0,
        codec="mpeg4",
        has_audio=False,
        sha256=digest,
        frame_times_s=[float(second) for second in range(seconds)],
        frame_hashes=[],
        original_container="mp4",
        original_codec="mpeg4",
        original_size=(settings.size_px, settings.size_px),
        original_rotation=0,
        original_duration_s=float(seconds),
        original_sha256=digest,
        language="en",
        language_score=1.0,
        licence="",
        consent=Consent(),
        fetch_time="",
        warc_file="",
        warc_offset=-1,
        redacted={},
        scores={},
        screened=[],
        weft_version=__version__,
        config_hash=hash_of(settings),
    )


def _shards(attempt: Attempt, kind: Kind, settings: ShapeSettings, tally: Tally) -> Shards:
    return Shards(attempt, kind, 0, ShardSettings(), hash_of(settings), tally)
