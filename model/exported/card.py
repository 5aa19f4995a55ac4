"""`README.md` of an exported model: what it is, what it was trained on and how, and under which licences."""

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import transformers
import yaml

from model.data.config import DatasetSettings
from model.evaluation.loaded import LoadedModel
from model.training.checkpoint_files import folder_store
from model.training.checkpoints import MARK
from model.training.config import MEASURED, TrainConfig
from model.training.records import read_metrics
from schemas import __version__
from schemas.settings import dump_settings

_FRONT = re.compile(r"\A---\n(.*?)\n---", re.DOTALL)
_UNKNOWN = "not known: its folder does not say"


def model_card(loaded: LoadedModel, config: TrainConfig, code: Sequence[str], licence: str, refer: bool) -> str:
    """The text. What nobody has said is told as not known, and never guessed."""
    front: dict[str, Any] = {
        "library_name": "transformers",
        "pipeline_tag": "image-text-to-text",
        "tags": ["flamingo", "weft"],
        **({"license": licence} if licence else {}),
    }
    sections = [
        f"# {Path(config.output).name}",
        "A Flamingo model (arXiv 2204.14198): a frozen language model that sees pictures and clips through gated "
        f"cross-attention. {'Trained and exported' if config.data.datasets else 'Exported'} by weft {__version__}.",
        "## How to use it\n\n" + _usage(),
        "## What it is made of\n\n" + "\n".join(_parts(loaded, refer)),
        "## What it was trained on\n\n" + "\n".join(_data(config)),
        "## How\n\n" + "\n".join(_training(loaded, config)),
        "## Licences\n\n" + "\n".join(_licences(loaded, licence)),
        f"## Files\n\nThe {len(code)} Python files are weft's own (Apache License 2.0), for `trust_remote_code`; they "
        f"need torch, transformers (written with {transformers.__version__}), pillow and msgspec. "
        "`model.safetensors` holds "
        + ("the trained weights; the frozen parts are read where `config.json` says." if refer else "all weights."),
        f"<details><summary>All settings</summary>\n\n```yaml\n{dump_settings(config)}```\n\n</details>",
    ]
    return f"---\n{yaml.safe_dump(front, sort_keys=False)}---\n\n" + "\n\n".join(sections) + "\n"


def _usage() -> str:
    return """```python
from PIL import Image
from transformers import AutoModelForImageTextToText, AutoProcessor

folder = "."  # where this file lies
processor = AutoProcessor.from_pretrained(folder, trust_remote_code=True)
model = AutoModelForImageTextToText.from_pretrained(folder, trust_remote_code=True)
inputs = processor(images=[Image.open("picture.png")], text="<image>")
ids = model.generate(**inputs, max_new_tokens=32)
print(processor.batch_decode(ids[:, inputs["input_ids"].shape[1] :], skip_special_tokens=True))
```

Where weft is installed, `import weft.transformers` does instead of `trust_remote_code`. Examples for learning in
context stand before the query: `<image>A cat.<|endofchunk|><image>A dog.<|endofchunk|><image>`."""


def _parts(loaded: LoadedModel, refer: bool) -> Iterator[str]:
    settings = loaded.model.config
    lm: Any = loaded.model.lm
    vision = settings.vision
    encoder = vision.name or (vision.config or {}).get("model_type") or _base(vision.path) or vision.kind
    size = loaded.model.vision.image_px
    told = {
        "language model": f"{type(lm).__name__}, {_base(settings.lm.path) or 'from a config'}",
        "vision encoder": f"{vision.kind}, {encoder}, {size} x {size} pixels",
        "connector": f"{settings.connector.kind}, {settings.connector.latents} latents",
        "cross-attention": f"{len(loaded.model.blocks)} gated blocks",
        "new tokens": "`<image>`, `<|endofchunk|>`",
    }
    counts = loaded.model.count_parameters()
    yield from (f"- {part}: {text}; {counts[part]:,} parameters" for part, text in told.items())
    if refer:
        yield f"- read from: {', '.join(path for path in (settings.lm.path, vision.path) if path)}"


def _data(config: TrainConfig) -> Iterator[str]:
    if not config.data.datasets:
        yield "Its weights were imported: who published them says on what they were trained."
        return
    yield "| dataset | kind | weight | where | licence |\n| --- | --- | --- | --- | --- |"
    for dataset in config.data.datasets:
        places = [dataset.shards] if isinstance(dataset.shards, str) else dataset.shards
        where = ", ".join(f"`{place}`" for place in places)
        yield f"| {dataset.name} | {dataset.kind} | {dataset.weight:g} | {where} | {licence_of_data(dataset)} |"


def _training(loaded: LoadedModel, config: TrainConfig) -> Iterator[str]:
    mark = json.loads(folder_store(loaded.checkpoint).read(MARK))
    counters = mark.get("counters", {})
    if not config.data.datasets:
        yield "As who published them says."
        return
    yield f"- step {mark['step']:,} of {config.steps:,}"
    yield from (f"- {name}: {value:,.0f}" for name, value in counters.items())
    optimiser = config.optimiser
    yield f"- AdamW, learning rate {optimiser.learning_rate:g}, weight decay {optimiser.weight_decay:g}"
    yield f"- precision {config.parallel.precision}, seed {config.seed}"
    measured = _measured(Path(loaded.checkpoint), mark["step"])
    for prefix, words in MEASURED.items():
        of_it = {name.removeprefix(prefix): value for name, value in measured.items() if name.startswith(prefix)}
        yield from (f"- {words}, {name}: {value:.3f}" for name, value in of_it.items())


def _measured(checkpoint: Path, step: int) -> dict[str, float]:
    """The last measures of `MEASURED` up to that step."""
    try:
        lines = [line for line in read_metrics(str(checkpoint.parents[1])) if line["step"] <= step]
    except (OSError, ValueError, KeyError):
        return {}
    found: dict[str, float] = {}
    for line in lines:
        found |= {
            name: value for name, value in line.items() if name.startswith(tuple(MEASURED)) and isinstance(value, float)
        }
    return found


def _licences(loaded: LoadedModel, licence: str) -> Iterator[str]:
    settings = loaded.model.config
    yield f"- what was trained: {licence or 'not said (`--licence`)'}"
    for name, part in (("language model", settings.lm), ("vision encoder", settings.vision)):
        if part.path is not None:
            yield f"- {name}: {licence_of_model(Path(part.path))}"
    yield "- data: see the table above; weft's datasets name the licence that each page states in its samples"


def licence_of_model(path: Path) -> str:
    """By the front matter of its card, else by a file that is called so."""
    folder = path if path.is_dir() else path.parent
    try:
        found = _FRONT.match((folder / "README.md").read_text("utf-8"))
        front = yaml.safe_load(found[1]) if found else None
        if isinstance(front, dict) and (said := front.get("license_name") or front.get("license")):
            return str(said)
    except (OSError, ValueError, yaml.YAMLError):
        pass
    files = sorted(one.name for one in folder.glob("*") if one.name.upper().startswith(("LICENSE", "LICENCE")))
    return f"see {files[0]} of its folder" if files else _UNKNOWN


def licence_of_data(dataset: DatasetSettings) -> str:
    """What the card of a weft dataset on this machine says as a whole."""
    place = Path(dataset.shards if isinstance(dataset.shards, str) else dataset.shards[0])
    for root in (place, *list(place.parents)[:3]):
        try:
            said = json.loads((root / "card.json").read_text("utf-8"))["publisher"]["licence"]
        except (OSError, ValueError, KeyError, TypeError):
            continue
        return str(said)
    return "not said as a whole"


def _base(path: str | None) -> str:
    return Path(path).name if path else ""
