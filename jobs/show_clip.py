"""One clip for `weft show`: its texts, and a contact sheet of the frames that stand for it."""

import os
from typing import Any

import msgspec

from schemas.storage import Store
from schemas.videos import ClipSample


def show_clip(store: Store, wanted: str, console: Any, draw: bool, folder: str) -> bool:
    """Print the first clip whose key, video or page is `wanted`; False if there is none.

    `folder`, if given, gets the mp4 and the contact sheet.
    """
    members = _find(store, wanted)
    if members is None:
        return False
    sample = msgspec.json.decode(next(iter(members.values())), type=ClipSample)
    data = members[f"{sample.key}.mp4"]
    _print(console, sample)
    if draw or folder:
        from jobs.show_command import half_blocks
        from pipeline.clips import contact_sheet, jpeg

        sheet = jpeg(contact_sheet(data))
        if draw:
            console.print(half_blocks(sheet, min(100, console.width)))
        if folder:
            os.makedirs(folder, exist_ok=True)
            for name, content in ((f"{sample.key}.mp4", data), (f"{sample.key}.jpg", sheet)):
                with open(os.path.join(folder, name), "wb") as file:
                    file.write(content)
            console.print(f"{sample.key}.mp4 and its contact sheet {sample.key}.jpg written to {folder}")
    return True


def _find(store: Store, wanted: str) -> dict[str, bytes] | None:
    import pyarrow.compute as pc

    from jobs.inspection import shards_of

    for _, shard in shards_of(store, "clips"):
        index = shard.index(["key", "url", "page_url", "offset", "size", "members"])
        if wanted:
            named = [pc.field(name) == wanted for name in ("key", "url", "page_url")]
            index = index.filter(named[0] | named[1] | named[2])
        if len(index):
            return next(shard.members(index.slice(0, 1).to_pylist()))
    return None


def _print(console: Any, sample: ClipSample) -> None:
    from rich.text import Text

    console.print(Text(sample.caption, style="bold"))
    console.print(Text(f"caption by {sample.caption_source} · {sample.key}", style="dim"))
    facts = [
        f"{sample.start_s:.3f} to {sample.end_s:.3f} s of {sample.original_duration_s:.1f} s",
        f"{sample.width}x{sample.height} {sample.codec}, {sample.num_frames} frames, {sample.fps:g} a second",
        f"from {sample.original_size[0]}x{sample.original_size[1]} {sample.original_codec} by {sample.cut_method}",
        "with sound" if sample.has_audio else "without sound",
        sample.licence,
    ]
    console.print(Text(" · ".join(fact for fact in facts if fact)))
    console.print(
        Text(" · ".join(fact for fact in (sample.url, sample.page_url, sample.page_title) if fact), style="dim")
    )
    for text in sample.texts:
        console.print(Text(f"  {text.source}: {text.text}"))
    for cue in sample.subtitles:
        console.print(Text(f"  {cue.start_s:7.2f} s  {cue.text}", style="cyan"))
