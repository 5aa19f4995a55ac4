"""The task beside it: what it shows and asks, and its questions, made of held-out pairs.

python examples/lmms_eval_task/shapes.py tiny-out 50
"""

import json
import sys
from pathlib import Path
from typing import Any

from PIL import Image


def picture(question: dict[str, Any]) -> list[Image.Image]:
    return [Image.open(question["image"]).convert("RGB")]


def words(question: dict[str, Any], settings: Any = None) -> str:
    """None: a caption follows its picture."""
    return ""


def main(run: Path, count: int) -> None:
    from model.data.documents import Medium
    from model.evaluation.tasks import ItemSource, read_items

    lines = []
    for number, item in enumerate(read_items(ItemSource(str(run / "shapes/held_out/pairs"), limit=count))):
        (medium,) = item.media
        assert isinstance(medium, Medium)
        path = run / f"lmms-eval/{number:04d}.png"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(medium.data)
        lines.append(json.dumps({"image": str(path.resolve()), "answer": item.answers[0]}))
    (run / "lmms-eval.jsonl").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
