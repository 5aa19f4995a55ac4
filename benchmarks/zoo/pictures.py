"""Images and videos: mutants of what Pillow and FFmpeg make, and playlists that name files and machines."""

import functools
import io
import random

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from benchmarks.zoo.canary import PRIVATE_VIDEO_SIZE, canary_port
from benchmarks.zoo.mutants import mutant
from benchmarks.zoo.species import Finding, require
from pipeline.image.codec import ImageEncoding, decode, store
from pipeline.image.rules import ImageRules
from pipeline.video.clips import cut_video
from pipeline.video.probe import index_video
from pipeline.video.scene_cuts import scan_frames
from pipeline.video.settings import ClipEncoding, ClipRules, ClipSettings
from schemas.drops import Drop
from tests.pipeline.makers import blobs, encoded, noise, picture
from tests.pipeline.videos import make_video

_RULES = ImageRules(min_side_px=1, max_aspect_ratio=1e6, max_pixels=1 << 22)
_PLAIN = ImageRules(min_side_px=1, max_aspect_ratio=1e6, max_pixels=1 << 26)
_ENCODINGS = (ImageEncoding(), ImageEncoding(size_px=48), ImageEncoding(format="webp"), ImageEncoding(format="png"))


@functools.cache
def _images() -> list[bytes]:
    small, grey = picture(96, 72), picture(64, 64).convert("L")
    alpha = small.convert("RGBA")
    alpha.putalpha(grey.resize(small.size))
    frames = [blobs(seed, 48, 32) for seed in range(3)]
    icc = Image.open(io.BytesIO(encoded(small, "JPEG")))
    made = [encoded(image, "JPEG", quality=q) for image in (small, grey, noise(40, 40)) for q in (30, 95)]
    made += [encoded(small, "JPEG", progressive=True), encoded(small.convert("CMYK"), "JPEG"), encoded(icc, "JPEG")]
    made += [encoded(small, "JPEG", exif=_exif(orientation), comment=b"a comment") for orientation in (1, 6)]
    made += [encoded(image, "PNG") for image in (small, grey, alpha, small.quantize(), grey.convert("1"))]
    made += [encoded(Image.fromarray(np.arange(4096, dtype=np.uint16).reshape(64, 64)), "PNG")]
    made += [encoded(image, "WEBP", lossless=lossless) for image in (small, alpha) for lossless in (False, True)]
    made += [encoded(frames[0], format, save_all=True, append_images=frames[1:]) for format in ("GIF", "WEBP", "PNG")]
    made += [encoded(small, "GIF"), encoded(small, "BMP"), encoded(small, "AVIF")]
    made += [encoded(small, "TIFF", compression=how) for how in (None, "tiff_lzw", "tiff_deflate", "jpeg")]
    return made


def _exif(orientation: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112], exif[0x010E] = orientation, "where it was taken"
    return exif


def make_image(rng: random.Random) -> bytes:
    data = rng.choice(_images())
    return bytes([rng.randrange(len(_ENCODINGS))]) + (mutant(rng, data, _images()) if rng.random() < 0.97 else data)


def judge_image(data: bytes) -> str:
    """What is stored opens again, has the size that is said, and shows what was judged."""
    encoding = _ENCODINGS[data[0] % len(_ENCODINGS)] if data else ImageEncoding()
    judged = decode(data[1:], _RULES, encoding)
    stored = store(judged, encoding)
    try:
        with Image.open(io.BytesIO(stored.data), formats=("JPEG", "PNG", "WEBP")) as opened:
            opened.load()
            size = opened.size
        again = decode(stored.data, _PLAIN, ImageEncoding(resize="none"))
    except Exception as error:
        require(False, f"a stored {stored.format} does not open again: {type(error).__name__}")
    require(size == (stored.width, stored.height), f"a stored {stored.format} has another size than is said")
    require(again.pixels.shape == judged.pixels.shape, f"a stored {stored.format} has another shape than was judged")
    is_lossy = judged.kept is None and stored.format != "png"
    apart = _apart(again.pixels, judged.pixels, 16 if is_lossy else 1)
    require(apart <= (16 if is_lossy else 1), f"a stored {stored.format} shows something else than was judged")
    return f"stored as {stored.format}"


def _apart(left: NDArray[np.uint8], right: NDArray[np.uint8], side: int) -> float:
    """The mean difference of 255 between squares of so many pixels: encoders that lose something lose it inside."""
    rows, columns = (range(0, length, side) for length in left.shape[:2])
    sums = (np.add.reduceat(np.add.reduceat(one.astype(float), rows), columns, axis=1) for one in (left, right))
    counts = np.add.reduceat(np.add.reduceat(np.ones(left.shape), rows), columns, axis=1)
    first, second = sums
    return float((np.abs(first - second) / counts).mean())


_CLIPS = ClipSettings(
    rules=ClipRules(min_s=0.3, target_s=0, min_side_px=16, max_clips=4, max_video_s=60),
    encoding=ClipEncoding(preset="ultrafast"),
)


@functools.cache
def _videos() -> list[bytes]:
    made = [make_video(scenes=(15, 15)), make_video(scenes=(20,), audio=True), make_video(container="matroska")]
    made += [make_video("libvpx", "webm", scenes=(20,)), make_video("mpeg4", "avi", scenes=(20,))]
    made += [make_video(container="mov", scenes=(20,)), make_video(container="mpegts", scenes=(20,))]
    return [*made, make_video(container="mp4", scenes=(20,), options=(("movflags", "frag_keyframe+empty_moov"),))]


def _playlists() -> list[bytes]:
    server = f"http://127.0.0.1:{canary_port()}/secret"
    texts = [f"ffconcat version 1.0\nfile {name}\n" for name in ("private.mp4", "file:private.mp4", server)]
    texts += [f"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\n{at}\n#EXT-X-ENDLIST\n" for at in ("private.mp4", server)]
    texts += [f"v=0\r\no=- 0 0 IN IP4 127.0.0.1\r\ns=x\r\nc=IN IP4 127.0.0.1\r\nm=video {canary_port()} RTP/AVP 96\r\n"]
    texts += [
        f'<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"><Period><AdaptationSet>'
        f'<Representation id="1"><BaseURL>{at}</BaseURL><SegmentBase/></Representation></AdaptationSet></Period></MPD>'
        for at in ("private.mp4", server)
    ]
    texts += [f"[playlist]\nFile1={server}\n", f"<smil><body><video src='{server}'/></body></smil>", f"RTSP {server}"]
    texts += ["WEBVTT\n\nffconcat version 1.0\nfile private.mp4\n", "\n\nffconcat version 1.0\nfile private.mp4\n"]
    return [text.encode() for text in texts]


def make_video_bytes(rng: random.Random) -> bytes:
    playlists = _playlists()
    if rng.random() < 0.3:
        text = rng.choice(playlists)
        return rng.choice((text, mutant(rng, text, playlists), rng.choice((b"\xef\xbb\xbf", b" ", b"\n\n")) + text))
    return mutant(rng, rng.choice(_videos()), [*_videos(), *playlists])


def judge_video(data: bytes) -> str:
    """Clips decode, and no file or machine that the bytes name was opened."""
    cut = cut_video(data, _CLIPS)
    require((cut.info.width, cut.info.height) != PRIVATE_VIDEO_SIZE, "a file of the machine became a video")
    for clip in cut.clips:
        try:
            index = index_video(clip.data)
            scanned = scan_frames(clip.data, index, _CLIPS.scenes)
        except Drop as drop:
            raise Finding(f"a clip does not open again: {drop.reason}") from None
        require(2 * len(scanned.times_F) >= len(index), "less than half of a clip decodes")
    return "clips" if cut.clips else "no clips"
