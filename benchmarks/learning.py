"""What a run on generated shapes has learnt: `python -m benchmarks.learning RUN`, after `weft train configs/tiny.yaml`.

Captions of held-out pictures and clips, with the right picture, with another one, and with a blank one; two pictures on
a page, in order and swapped; and the learning curve as a picture, with --curve FILE.svg.

`python -m benchmarks.learning --seeds 1 2 3` makes such runs, the demo's and those of the MLP beside them, and prints
every published figure as mean and range over the seeds (benchmarks/learning_seeds.py).
"""

import argparse
import itertools
import json
from pathlib import Path

import numpy as np

from benchmarks.learning_curve import curve
from benchmarks.learning_seeds import over_seeds
from jobs.settings_files import load_file
from model.data.documents import Document, Medium
from model.data.images import Pixels, pixels_of
from model.data.plain import read_documents
from model.data.sequences import rng_of
from model.evaluation.config import EvaluateConfig
from model.evaluation.harness import evaluate
from model.evaluation.loaded import LoadedModel, load_model
from model.network.generate import GenerateSettings, generate, make_prompt
from model.training.records import read_metrics

_AT_A_TIME = 25


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run", nargs="?")
    parser.add_argument("--limit", type=int, default=200, help="pictures of each kind")
    parser.add_argument("--curve", help="write the curve there, as SVG; with --seeds that of whole runs, as a band")
    parser.add_argument("--tasks", help="the scores of these tasks too, such as examples/tiny-tasks.yaml")
    parser.add_argument("--json", help="write the figures there")
    parser.add_argument("--seeds", type=int, nargs="+", help="make a run for each, and print means and ranges")
    parser.add_argument("--out", default="learning-out", help="with --seeds: where the runs lie; those there are kept")
    parser.add_argument("--jobs", type=int, help="with --seeds: runs at a time; else as many as there are cores")
    arguments = parser.parse_args()
    if arguments.seeds:
        metrics = over_seeds(arguments.seeds, Path(arguments.out), arguments.jobs)
        if arguments.curve:
            Path(arguments.curve).write_text(curve(metrics), "utf-8")
        return
    if not arguments.run:
        parser.error("name a run, or --seeds")
    if arguments.curve:
        Path(arguments.curve).write_text(curve([read_metrics(arguments.run)]), "utf-8")
    loaded = load_model(arguments.run, "cpu")
    figures = accuracies(read_metrics(arguments.run)) | figures_of(loaded, arguments.limit)
    if arguments.tasks:
        figures |= scores_of(loaded, arguments.tasks)
    for name, value in figures.items():
        print(f"{name}: {value:.3f}")
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(figures), "utf-8")


def figures_of(loaded: LoadedModel, limit: int) -> dict[str, float]:
    """Parts of captions that are right, word for word, and of pages, by what is measured."""
    figures: dict[str, float] = {}
    for dataset in loaded.data.datasets:
        if dataset.kind == "interleaved":
            continue
        documents = itertools.islice(read_documents(dataset.shards, dataset.kind), limit)
        shown = [seen(loaded, document) for document in documents]
        pictures, texts = [picture for picture, _ in shown], [text for _, text in shown]
        blank = [np.full_like(picture, 236) for picture in pictures]
        said: list[str] = []
        for name, given in (("another", pictures[1:] + pictures[:1]), ("blank", blank), ("right", pictures)):
            said = texts_after(loaded, [[picture] for picture in given])
            figures[f"{dataset.name}, {name} picture"] = _equal(said, texts)
        if dataset.kind == "pairs":
            figures |= _swapped(loaded, pictures, texts) | _words(said, texts)
    return figures


def accuracies(rows: list[dict[str, float]]) -> dict[str, float]:
    """Captions of pictures right while the run went on, by step."""
    name = "held_out/pairs/accuracy"
    return {f"step {row['step']:,.0f}, captions right": row[name] for row in rows if row.get(name) is not None}


def scores_of(loaded: LoadedModel, tasks: str) -> dict[str, float]:
    scores = evaluate(loaded, load_file(EvaluateConfig, tasks, [], {}))
    return {f"{score.task}, {score.shots} shots": score.score for score in scores}


def _equal(said: list[str], texts: list[str]) -> float:
    return float(np.mean([a == b for a, b in zip(said, texts, strict=True)]))


def _swapped(loaded: LoadedModel, pictures: list[Pixels], texts: list[str]) -> dict[str, float]:
    """The page `picture A, text A, picture B`, and the same with its pictures swapped and its text left."""
    pages = [(n, n + 1) for n in range(0, len(pictures) - 1, 2) if texts[n] != texts[n + 1]]
    plain = texts_after(loaded, [[pictures[a], texts[a], pictures[b]] for a, b in pages])
    swapped = texts_after(loaded, [[pictures[b], texts[a], pictures[a]] for a, b in pages])
    follows = [x == texts[b] and y == texts[a] for (a, b), x, y in zip(pages, plain, swapped, strict=True)]
    return {
        "two pictures on a page, the second described": _equal(plain, [texts[b] for _, b in pages]),
        "pictures swapped, the answer swaps": float(np.mean(follows)),
    }


def _words(said: list[str], texts: list[str]) -> dict[str, float]:
    """Where captions go wrong: the part of right words at each place of those with as many words."""
    pairs = [(a.split(), b.split()) for a, b in zip(said, texts, strict=True)]
    same = [(a, b) for a, b in pairs if len(a) == len(b) == 6]
    return {f"word {n + 1} right": float(np.mean([a[n] == b[n] for a, b in same])) for n in range(6 if same else 0)}


def seen(loaded: LoadedModel, document: Document) -> tuple[Pixels, str]:
    medium = next(part for part in document.parts if isinstance(part, Medium))
    frames = pixels_of(medium, rng_of("learning", document.key), loaded.data.images)
    return frames, "".join(part for part in document.parts if isinstance(part, str))


def texts_after(loaded: LoadedModel, pages: list[list[str | Pixels]]) -> list[str]:
    """What the model says after each page, greedily."""
    said: list[str] = []
    for start in range(0, len(pages), _AT_A_TIME):
        prompts = [make_prompt(parts, loaded.tokens) for parts in pages[start : start + _AT_A_TIME]]
        made = generate(loaded.model, prompts, loaded.stop_ids, GenerateSettings(max_new_tokens=12))
        said += [loaded.tokens.decode(ids).strip() for ids in made]
    return said


if __name__ == "__main__":
    main()
