"""`weft show` of a clip: its texts, and a contact sheet of the frames that stand for it."""

import argparse
import os

import msgspec
from rich.console import Console
from rich.text import Text

from jobs.commands.show import half_blocks
from jobs.terminal import Terminal
from pipeline.video.clips import contact_sheet, jpeg
from schemas.videos import ClipSample

_SHEET_COLUMNS = 100


def show_clip(members: dict[str, bytes], arguments: argparse.Namespace) -> int:
    """Print a clip: the contact sheet, its caption, and all texts among which that was chosen."""
    sample = msgspec.json.decode(next(iter(members.values())), type=ClipSample)
    data = members[f"{sample.key}.mp4"]
    console = Terminal()
    sheet = jpeg(contact_sheet(data))
    if console.draws(arguments.draw):
        console.print(half_blocks(sheet, min(_SHEET_COLUMNS, console.width)))
    _print(console, sample)
    if arguments.images:
        for name, content in ((f"{sample.key}.mp4", data), (f"{sample.key}.jpg", sheet)):
            with open(os.path.join(arguments.images, name), "wb") as file:
                file.write(content)
        print(f"{sample.key}.mp4 and its contact sheet {sample.key}.jpg written to {arguments.images}")
    return 0


def _print(console: Console, sample: ClipSample) -> None:
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
