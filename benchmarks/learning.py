"""What a run on generated shapes has learnt: `python -m benchmarks.learning RUN`, after `weft train configs/tiny.yaml`.

Captions of held-out pictures and clips, with the right picture, with another one, and with a blank one; two pictures on
a page, in order and swapped; and the learning curve as a picture, with --curve FILE.svg.
"""

import argparse
import itertools
from pathlib import Path

import numpy as np

from model.data.documents import Document, Medium
from model.data.images import Pixels, frames_of
from model.data.plain import read_documents
from model.data.sequences import rng_of
from model.evaluation.loaded import LoadedModel, load_model
from model.network.generate import GenerateSettings, generate, make_prompt
from model.training.records import read_metrics

_AT_A_TIME = 25
_COLOURS = ("#4e79a7", "#f28e2b", "#59a14f")


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--limit", type=int, default=200, help="pictures of each kind")
    parser.add_argument("--curve", help="write the curve there, as SVG")
    arguments = parser.parse_args()
    if arguments.curve:
        Path(arguments.curve).write_text(curve(read_metrics(arguments.run)), "utf-8")
    loaded = load_model(arguments.run, "cpu")
    for dataset in loaded.data.datasets:
        if dataset.kind == "interleaved":
            continue
        documents = itertools.islice(read_documents(dataset.shards, dataset.kind), arguments.limit)
        shown = [seen(loaded, document) for document in documents]
        pictures, texts = [picture for picture, _ in shown], [text for _, text in shown]
        blank = [np.full_like(picture, 236) for picture in pictures]
        for name, given in (("right", pictures), ("another", pictures[1:] + pictures[:1]), ("blank", blank)):
            said = texts_after(loaded, [[picture] for picture in given])
            right = np.mean([a == b for a, b in zip(said, texts, strict=True)])
            print(f"{dataset.name}, {name} picture: {right:.3f} of {len(said)} captions word for word")
        if dataset.kind == "pairs":
            print_swapped(loaded, pictures, texts)
            print_words(texts_after(loaded, [[picture] for picture in pictures]), texts)


def print_swapped(loaded: LoadedModel, pictures: list[Pixels], texts: list[str]) -> None:
    """The page `picture A, text A, picture B`, and the same with its pictures swapped and its text left."""
    pages = [(n, n + 1) for n in range(0, len(pictures) - 1, 2) if texts[n] != texts[n + 1]]
    plain = texts_after(loaded, [[pictures[a], texts[a], pictures[b]] for a, b in pages])
    swapped = texts_after(loaded, [[pictures[b], texts[a], pictures[a]] for a, b in pages])
    follows = [x == texts[b] and y == texts[a] for (a, b), x, y in zip(pages, plain, swapped, strict=True)]
    first = np.mean([x == texts[b] for (_, b), x in zip(pages, plain, strict=True)])
    print(f"two pictures on a page: the second described in {first:.3f} of {len(pages)} pages")
    print(f"swapped, the answer swaps: {np.mean(follows):.3f} of {len(pages)} pages")


def print_words(said: list[str], texts: list[str]) -> None:
    """Where captions go wrong: the part of right words at each place of those with as many words."""
    pairs = [(a.split(), b.split()) for a, b in zip(said, texts, strict=True)]
    same = [(a, b) for a, b in pairs if len(a) == len(b) == 6]
    places = [np.mean([a[n] == b[n] for a, b in same]) for n in range(6)] if same else []
    print("words right by place: " + ", ".join(f"{place:.2f}" for place in places))


def seen(loaded: LoadedModel, document: Document) -> tuple[Pixels, str]:
    medium = next(part for part in document.parts if isinstance(part, Medium))
    frames = frames_of(medium, rng_of("learning", document.key), loaded.data.images)
    return frames, "".join(part for part in document.parts if isinstance(part, str))


def texts_after(loaded: LoadedModel, pages: list[list[str | Pixels]]) -> list[str]:
    """What the model says after each page, greedily."""
    said: list[str] = []
    for start in range(0, len(pages), _AT_A_TIME):
        prompts = [make_prompt(parts, loaded.tokens) for parts in pages[start : start + _AT_A_TIME]]
        made = generate(loaded.model, prompts, loaded.stop_ids, GenerateSettings(max_new_tokens=12))
        said += [loaded.tokens.decode(ids).strip() for ids in made]
    return said


def curve(rows: list[dict[str, float]]) -> str:
    """Accuracy of captions and losses over the steps, as an SVG without any library."""
    wide, high, left, top = 760, 250, 50, 30
    last = max(row["step"] for row in rows) or 1
    panels = []
    accuracy = {"pairs": "held_out/pairs/accuracy", "clips": "held_out/clips/accuracy"}
    losses = {name: f"held_out/{name}/loss" for name in ("pages", "pairs", "clips")}
    wrong = {f"{name}, other pictures": f"held_out/{name}/shuffled" for name in ("pages", "pairs", "clips")}
    charts = (("held-out captions word for word", accuracy), ("held-out loss", losses | wrong))
    for number, (title, lines) in enumerate(charts):
        values = [row[name] for row in rows for name in lines.values() if row.get(name) is not None and row["step"] > 0]
        most = 1.0 if number == 0 else max(values, default=1.0)
        y0 = top + number * (high + 60)
        panels.append(f'<text x="{left}" y="{y0 - 10}" font-weight="bold">{title}</text>')
        for part in range(5):
            y = y0 + high - high * part / 4
            panels.append(f'<line x1="{left}" x2="{left + wide}" y1="{y:.0f}" y2="{y:.0f}" stroke="#ddd"/>')
            panels.append(f'<text x="{left - 8}" y="{y + 4:.0f}" text-anchor="end">{most * part / 4:.2f}</text>')
        for place, (label, name) in enumerate(lines.items()):
            points = [(row["step"], row[name]) for row in rows if row.get(name) is not None]
            points = [(step, value) for step, value in points if value <= most]
            path = " ".join(f"{left + wide * s / last:.1f},{y0 + high * (1 - v / most):.1f}" for s, v in points)
            dashes = ' stroke-dasharray="5 4"' if "other" in label else ""
            colour = _COLOURS[place % 3 if number else place + 1]
            panels.append(f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>')
            panels.append(f'<text x="{left + wide + 10}" y="{y0 + 14 + 18 * place}" fill="{colour}">{label}</text>')
        panels.append(f'<text x="{left + wide}" y="{y0 + high + 18}" text-anchor="end">step {last:,.0f}</text>')
    body = "\n".join(panels)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 1000 {2 * (high + 60) + 20}" font-family="sans-serif" '
        f'font-size="13">\n<rect width="100%" height="100%" fill="white"/>\n{body}\n</svg>\n'
    )


if __name__ == "__main__":
    main()
