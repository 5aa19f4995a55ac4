"""Scene cuts beside PySceneDetect, clips beside the plain FFmpeg route, and memory over many videos.

`python -m benchmarks.clips [--memory N] [VIDEO ...]`; wants the extra `bench-clips`. Videos are made where none are
named. CPU seconds of one thread each; the routes take turns on each video.
"""

from __future__ import annotations

import argparse
import io
import itertools
import tempfile
import time
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from scenedetect import ContentDetector, detect

from jobs.engine.isolation import Isolated, IsolationSettings
from pipeline.video.clips import cut_video
from pipeline.video.probe import index_video
from pipeline.video.scene_cuts import scan_frames
from pipeline.video.settings import ClipSettings
from schemas.drops import Drop
from tests.pipeline.videos import cuts_of, make_video

_SCENE = 0.3  # the threshold of FFmpeg's select filter in most recipes


def cpu(work: Callable[[], Any]) -> tuple[float, Any]:
    start = time.process_time()
    result = work()
    return time.process_time() - start, result


def scene_cuts(data: bytes) -> list[int]:
    found: list[int] = scan_frames(data, index_video(data)).starts_S[1:].tolist()
    return found


def peer_cuts(data: bytes) -> list[int]:
    with tempfile.NamedTemporaryFile(suffix=".mp4") as file:
        file.write(data)
        file.flush()
        return [scene[0].frame_num for scene in detect(file.name, ContentDetector())][1:]


def compare_cuts(videos: list[tuple[str, bytes, list[int] | None]]) -> None:
    totals = {"weft": [0, 0, 0, 0.0], "PySceneDetect": [0, 0, 0, 0.0]}  # right, found, true, CPU seconds
    for name, data, true in videos:
        for who, method in (("weft", scene_cuts), ("PySceneDetect", peer_cuts)):
            seconds, found = cpu(lambda method=method, data=data: method(data))  # type: ignore[misc]
            totals[who][3] += seconds
            if true is not None:
                totals[who][0] += len(set(found) & set(true))
                totals[who][1] += len(found)
                totals[who][2] += len(true)
            else:
                print(f"  {name}: {who} {len(found)} cuts at {found[:12]}, {seconds:.2f} s")
    for who, (right, found, true_cuts, seconds) in totals.items():
        told = f"precision {right / max(1, found):.3f}, recall {right / max(1, true_cuts):.3f}, " if true_cuts else ""
        print(f"{who}: {told}{seconds:.2f} CPU s")
    print(f"speed: {totals['PySceneDetect'][3] / totals['weft'][3]:.2f} times PySceneDetect")


def plain_route(data: bytes) -> int:
    """FFmpeg's scene filter, each segment encoded at the same size, eight frames of each decoded."""
    with av.open(io.BytesIO(data), "r") as container:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        graph = av.filter.Graph()
        source = graph.add_buffer(template=stream)
        select, sink = graph.add("select", f"gt(scene,{_SCENE})"), graph.add("buffersink")
        source.link_to(select)
        select.link_to(sink)
        graph.configure()
        cuts, end = [0.0], 0.0
        for frame in container.decode(stream):
            end = frame.time
            graph.push(frame)
            try:
                cuts.append(graph.pull().time or 0.0)
            except (av.BlockingIOError, av.EOFError):
                pass
    bounds = [0.0]
    for cut in [*cuts[1:], end + 0.04]:  # joined and split like weft's
        if cut - bounds[-1] >= 22 or cut == end + 0.04:
            parts = max(1, int(np.ceil((cut - bounds[-1]) / 30)))
            bounds += [bounds[-1] + (cut - bounds[-1]) * part / parts for part in range(1, parts + 1)]
    clips = [_segment(data, start, stop) for start, stop in itertools.pairwise(bounds) if stop - start >= 2]
    for clip in clips:
        with av.open(io.BytesIO(clip), "r") as container:
            wanted = 0.0
            for frame in container.decode(video=0):
                if frame.time >= wanted and wanted < 8:
                    frame.to_ndarray(format="rgb24")
                    wanted += 1
    return len(clips)


def _segment(data: bytes, start: float, stop: float) -> bytes:
    file = io.BytesIO()
    with av.open(io.BytesIO(data), "r") as container, av.open(file, "w", format="mp4") as output:
        stream = container.streams.video[0]
        stream.codec_context.thread_count = 1
        height = min(360, stream.height)
        out = output.add_stream("libx264", rate=stream.average_rate, options={"crf": "23", "preset": "veryfast"})
        out.width, out.height, out.pix_fmt = (
            2 * round(stream.width * height / stream.height / 2),
            height // 2 * 2,
            "yuv420p",
        )
        out.codec_context.thread_count = 1
        out.codec_context.time_base = Fraction(1, 90_000)
        container.seek(int(start * av.time_base))
        for frame in container.decode(stream):
            if frame.time >= stop:
                break
            if frame.time >= start - 1e-6:
                small = frame.reformat(out.width, out.height, "yuv420p")
                small.pts, small.time_base = round((frame.time - start) * 90_000), Fraction(1, 90_000)
                small.pict_type = 0
                output.mux(out.encode(small))
        output.mux(out.encode(None))
    return file.getvalue()


def compare_clips(videos: list[tuple[str, bytes, list[int] | None]]) -> None:
    never = ClipSettings()
    totals = {"weft": [0, 0.0], "plain": [0, 0.0]}
    for name, data, _ in videos:
        try:
            seconds, video = cpu(lambda data=data: cut_video(data, never))  # type: ignore[misc]
        except Drop as drop:
            print(f"  {name}: {drop.reason}")
            continue
        try:
            peer_seconds, peer = cpu(lambda data=data: plain_route(data))  # type: ignore[misc]
        except av.FFmpegError as error:
            print(f"  {name}: the plain route fails: {error}")
            continue
        totals["weft"][0] += len(video.clips)
        totals["weft"][1] += seconds
        totals["plain"][0] += peer
        totals["plain"][1] += peer_seconds
        methods = [clip.method for clip in video.clips]
        print(f"  {name}: weft {len(methods)} clips {methods[:4]} {seconds:.2f} s; plain {peer} {peer_seconds:.2f} s")
    rates = {who: count / seconds for who, (count, seconds) in totals.items()}
    print(", ".join(f"{who} {rate:.2f} clips a CPU second" for who, rate in rates.items()))
    print(f"ratio {rates['weft'] / rates['plain']:.2f}")


def memory(count: int, data: bytes) -> None:
    """Resident memory of the child that cuts, after every tenth of `count` videos."""
    from benchmarks.clips import _cut_and_weigh as step  # by the name under which the child finds it

    told = []
    with Isolated(step, IsolationSettings(timeout_s=600, max_memory_bytes=4 << 30)) as cut:
        for number in range(count):
            resident = cut(data)
            if number % max(1, count // 10) == max(1, count // 10) - 1:
                told.append(f"{resident / 1e6:.0f}")
    print(f"memory over {count} videos, MB: {', '.join(told)}")


def _cut_and_weigh(data: bytes) -> int:
    cut_video(data)
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * 4096


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--memory", type=int, default=0, metavar="N", help="also cut N videos and report the memory")
    arguments = parser.parse_args()
    rng = np.random.default_rng(1)
    videos: list[tuple[str, bytes, list[int] | None]] = []
    for number in range(0 if arguments.videos else 6):
        scenes = tuple(int(length) for length in rng.integers(20, 90, 12))
        codec, container = (("libx264", "mp4"), ("libvpx-vp9", "webm"), ("mpeg4", "mp4"))[number % 3]
        videos.append((f"made {codec}", make_video(codec, container, scenes, (640, 360)), cuts_of(scenes)))
    videos += [(path.name, path.read_bytes(), None) for path in arguments.videos]
    compare_cuts(videos)
    compare_clips(videos)
    if arguments.memory:
        memory(arguments.memory, make_video("libvpx-vp9", "webm", (60,), (320, 240)))


if __name__ == "__main__":
    main()
